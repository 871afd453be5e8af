//! What a change reaches: the names by which the records that decide about one subject are found among all others.
//!
//! A grant is decided by its subject's identity, by the requests for that subject, by what is known of the account,
//! and by the people that those name. All of these are tied together by names in their normal form. Whoever keeps the
//! ties of every record can load the part of the estate that decides about a few subjects, judge it as if it were all
//! there is, and get what judging everything would say of them. Records that anything may rest on (systems,
//! entitlements, workflows, policies, delegations, exceptions, snapshots: the *catalogue*) belong to every part.

use std::borrow::Cow;

use crate::model::record::{Record, Selector};
use crate::model::{RecordType, norm};

/// How a record is tied to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// An identity goes by this name.
    Claims,
    /// An identity holds an account of this name, on some system.
    Links,
    /// A grant, use or certification is of an account of this name, on some system.
    Holds,
    /// A request is for somebody of this name.
    Asks,
    /// The name of somebody else whom the record rests on: approver, requester, owner, manager, implementer.
    Names,
}

impl Tie {
    /// All ties, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Claims, Self::Links, Self::Holds, Self::Asks, Self::Names];

    /// A number that stays the same, for storage.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Claims => 0,
            Self::Links => 1,
            Self::Holds => 2,
            Self::Asks => 3,
            Self::Names => 4,
        }
    }
}

/// Whether records of this type belong to every part of an estate; all others are found by their ties.
#[must_use]
pub fn is_catalogue(kind: RecordType) -> bool {
    use RecordType as T;
    !matches!(kind, T::Identity | T::Request | T::Grant | T::Usage | T::Certification)
}

/// Tells each tie of a record with the name in its normal form. A name may be told twice. Every request has at least
/// one [`Tie::Asks`]: one for nobody is tied to a name of its own, which starts with a control character.
pub fn ties(record: &Record<'_>, tell: &mut dyn FnMut(Tie, &str)) {
    let mut to = |tie, name: &str| {
        let form = norm(name);
        if !form.is_empty() {
            tell(tie, &form);
        }
    };
    let all = |tie, names: &[&Option<crate::model::Text<'_>>], to: &mut dyn FnMut(Tie, &str)| {
        names.iter().filter_map(|n| n.as_ref()).for_each(|n| to(tie, n));
    };
    match record {
        Record::Identity(i) => {
            to(Tie::Claims, &i.id);
            i.aliases.iter().for_each(|a| to(Tie::Claims, a));
            i.accounts.iter().for_each(|a| to(Tie::Links, &a.account));
            all(Tie::Names, &[&i.owner, &i.manager], &mut to);
        }
        Record::Grant(g) => {
            to(Tie::Holds, &g.account);
            all(Tie::Names, &[&g.granted_by], &mut to);
        }
        Record::Usage(u) => to(Tie::Holds, &u.account),
        Record::Certification(c) => to(Tie::Holds, &c.account),
        Record::Request(r) => {
            r.beneficiaries.iter().for_each(|b| to(Tie::Asks, b));
            all(Tie::Names, &[&r.requester], &mut to);
            for a in &r.approvals {
                all(Tie::Names, &[&a.approver, &a.on_behalf_of], &mut to);
            }
            if r.beneficiaries.iter().all(|b| b.trim().is_empty()) {
                tell(Tie::Asks, &home_of_request(&r.source, &r.id, None));
            }
        }
        Record::System(r) => all(Tie::Names, &[&r.owner], &mut to),
        Record::Workflow(r) => all(Tie::Names, &[&r.owner], &mut to),
        Record::Entitlement(r) => all(Tie::Names, &[&r.owner], &mut to),
        Record::Delegation(r) => [&r.from, &r.to].into_iter().for_each(|n| to(Tie::Names, n)),
        Record::Exception(r) => to(Tie::Names, &r.accepted_by),
        Record::Policy(r) => r.approvers.iter().for_each(|s| {
            if let Selector::Identity(id) = s {
                to(Tie::Names, id);
            }
        }),
        Record::Snapshot(_) => {}
    }
}

/// The name under which a finding about a request as a whole is judged: that of its first beneficiary, or one of its
/// own where it names none.
pub(crate) fn home_of_request(source: &str, id: &str, beneficiary: Option<&str>) -> String {
    let own = || norm(&format!("\u{1}{source}\u{1}{id}")).into_owned();
    beneficiary.map_or_else(own, |b| norm(b).into_owned())
}

/// The home of a person: the name, in its normal form, that stands for all that is judged together with them.
pub(crate) fn home_of_person(key_text: &str) -> Cow<'_, str> {
    norm(key_text)
}
