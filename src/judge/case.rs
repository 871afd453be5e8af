//! What a check looks at: one grant, one request, one alias or one source, with everything known of it; and the
//! words it finds for what is wrong.

use std::fmt;

use super::estate::{ApprovalRow, GrantRow, IdentityRow, Origin, PolicyRow, RequestRow, SnapshotRow, Sym};
use super::names::Key;
use super::settings::Thresholds;
use super::weigh::{Facts, Moment};
use super::world::{Asked, Held, Item, Lent, Policy, Relations, Say, Selector, World};
use crate::model::finding::Standing;
use crate::model::record::{Decision, Kind, Status};
use crate::model::{Instant, norm};

/// What a finding says in words, beyond what its fields say.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    /// One sentence.
    pub(crate) message: String,
    /// The facts that made the check fire.
    pub(crate) reasons: Vec<String>,
    /// Records the finding rests on besides the grant and the request.
    pub(crate) rests_on: Vec<Origin>,
}

impl Telling {
    /// A message without further reasons.
    pub(crate) fn new(message: String) -> Self {
        Self { message, ..Self::default() }
    }

    /// Adds a fact.
    pub(crate) fn because(mut self, reason: String) -> Self {
        self.reasons.push(reason);
        self
    }

    /// Adds the certifications of a grant.
    pub(crate) fn resting_on_certifications(mut self, case: &Case<'_>) -> Self {
        self.rests_on.extend(case.moment.certifications(case.grant, case.held).map(|c| c.origin));
        self
    }

    /// Adds a record the finding rests on.
    pub(crate) fn resting_on(mut self, origin: Option<Origin>) -> Self {
        self.rests_on.extend(origin);
        self
    }
}

/// One approval that counts: approved, by somebody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Approving<'w> {
    pub(crate) row: &'w ApprovalRow,
    pub(crate) approver: Key,
    pub(crate) on_behalf_of: Option<Key>,
}

/// One grant, weighed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'m> {
    pub(crate) moment: &'m Moment<'m>,
    pub(crate) grant: &'m GrantRow,
    pub(crate) held: &'m Held,
    pub(crate) facts: &'m Facts,
    /// The controlling request.
    pub(crate) request: Option<(&'m RequestRow, &'m Asked)>,
}

impl<'m> Case<'m> {
    pub(crate) fn new(moment: &'m Moment<'m>, grant: &'m GrantRow, held: &'m Held, facts: &'m Facts) -> Self {
        let request = facts.controlling.and_then(|r| moment.world.request(r));
        Self { moment, grant, held, facts, request }
    }

    pub(crate) fn world(&self) -> &'m World {
        self.moment.world
    }

    pub(crate) fn now(&self) -> Instant {
        self.moment.now
    }

    pub(crate) fn thresholds(&self) -> &'m Thresholds {
        self.moment.thresholds()
    }

    pub(crate) fn standing(&self) -> Standing {
        self.facts.standing
    }

    /// The controlling request, when it gave the standing `approved`: what the quality checks look at.
    pub(crate) fn approved(&self) -> Option<(&'m RequestRow, &'m Asked)> {
        self.request.filter(|_| self.facts.standing == Standing::Approved)
    }

    /// Whether the standing is another than birthright.
    pub(crate) fn needs_approval(&self) -> bool {
        self.facts.standing != Standing::Birthright
    }

    pub(crate) fn subject(&self) -> Key {
        self.held.subject
    }

    pub(crate) fn identity(&self) -> Option<(&'m IdentityRow, Relations)> {
        self.world().identity(self.held.subject)
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.world().kind(self.held.subject)
    }

    /// The approvals of the controlling request that count.
    pub(crate) fn approving(&self) -> impl Iterator<Item = Approving<'m>> + use<'m> {
        self.world().approving(self.request.map(|(r, _)| r))
    }

    /// Those whose approver is not the subject, the requester or, for a service or agent, its owner.
    pub(crate) fn independent(&self) -> impl Iterator<Item = Approving<'m>> + use<'m> {
        let bearing = self.bearing();
        self.approving().filter(move |a| bearing.tie(a.approver).is_none())
    }

    /// What the controlling request gives to whom.
    pub(crate) fn bearing(&self) -> Bearing<'m> {
        Bearing {
            world: self.world(),
            subject: self.held.subject,
            system: self.held.system,
            entitlement: self.held.entitlement,
            requester: self.request.and_then(|(_, asked)| asked.requester),
        }
    }

    /// The policy the controlling request cites, where the catalogue has it.
    pub(crate) fn policy(&self) -> Option<(&'m PolicyRow, &'m Policy)> {
        let row = self.request?.1.policy? as usize;
        Some((self.world().estate.policies.get(row)?, self.world().policies.get(row)?))
    }

    /// Whether somebody satisfies one of the policy's selectors.
    pub(crate) fn is_authorised(&self, who: Key, policy: &Policy) -> bool {
        let bearing = self.bearing();
        policy.approvers.iter().any(|selector| bearing.satisfies(who, *selector))
    }

    /// Whether the one on whose behalf an approval was given had lent the approver their authority then, and is not
    /// the one who benefits.
    pub(crate) fn delegation_is_valid(&self, a: &Approving<'_>, on_behalf_of: Key) -> bool {
        self.bearing().delegation_is_valid(a, on_behalf_of)
    }

    pub(crate) fn person(&self, key: Key) -> &'m str {
        self.world().person(key)
    }

    pub(crate) fn text(&self, sym: Sym) -> &'m str {
        self.world().estate.text(sym)
    }

    pub(crate) fn account(&self) -> &'m str {
        self.text(self.grant.account)
    }

    pub(crate) fn entitlement(&self) -> &'m str {
        self.text(self.grant.entitlement)
    }

    pub(crate) fn system(&self) -> &'m str {
        self.text(self.grant.system)
    }

    /// `ENTITLEMENT on SYSTEM`
    pub(crate) fn right(&self) -> impl fmt::Display + Copy + use<'m> {
        let (entitlement, system) = (self.entitlement(), self.system());
        Words(move |f: &mut fmt::Formatter<'_>| write!(f, "{entitlement} on {system}"))
    }

    pub(crate) fn request_id(&self) -> &'m str {
        self.request.map_or("not known", |(r, _)| self.text(r.id))
    }

    /// `Request R for ACCOUNT (ENTITLEMENT on SYSTEM)`
    pub(crate) fn ticket_for(&self) -> impl fmt::Display + Copy + use<'m> {
        let (request, account, right) = (self.request_id(), self.account(), self.right());
        Words(move |f: &mut fmt::Formatter<'_>| write!(f, "Request {request} for {account} ({right})"))
    }

    pub(crate) fn decided_at(&self) -> Option<Instant> {
        self.request.and_then(|(_, asked)| asked.decided_at)
    }

    /// `A, B and C`
    pub(crate) fn names<'a>(&self, approvals: impl Iterator<Item = Approving<'a>>) -> String {
        let mut names: Vec<&str> = approvals.map(|a| self.person(a.approver)).collect();
        names.sort_unstable();
        names.dedup();
        match names.split_last() {
            None => "nobody".to_owned(),
            Some((one, [])) => (*one).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }
}

impl World {
    /// The approvals of a request that count.
    pub(crate) fn approving<'w>(
        &'w self,
        request: Option<&RequestRow>,
    ) -> impl Iterator<Item = Approving<'w>> + use<'w> {
        let span = request.map(|r| r.approvals).unwrap_or_default();
        let (rows, says): (&[ApprovalRow], &[Say]) =
            (span.within(&self.estate.pools.approvals), span.within(&self.approvals));
        rows.iter().zip(says).filter(|(row, _)| row.decision == Decision::Approved).filter_map(
            |(row, say)| Some(Approving { row, approver: say.approver?, on_behalf_of: say.on_behalf_of }),
        )
    }

    /// The delegations by which somebody had lent an approver their authority when they approved.
    pub(crate) fn lent<'w>(
        &'w self,
        a: &Approving<'_>,
        on_behalf_of: Key,
    ) -> impl Iterator<Item = &'w Lent> + use<'w> {
        let decided = a.row.decided_at;
        let lent = self.delegations.get(&(on_behalf_of, a.approver));
        lent.into_iter().flatten().filter(move |lent| {
            decided.is_some_and(|t| lent.from <= t && lent.until.is_none_or(|until| t < until))
        })
    }

    /// The key of a person, as it is printed.
    pub(crate) fn person(&self, key: Key) -> &str {
        self.people.text(key).map_or("", |s| self.estate.text(s))
    }
}

/// Who gets what on whose request: what it takes to tell whether somebody may approve it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearing<'m> {
    pub(crate) world: &'m World,
    /// Who holds the access, or is to.
    pub(crate) subject: Key,
    pub(crate) system: Key,
    pub(crate) entitlement: Option<Key>,
    pub(crate) requester: Option<Key>,
}

/// What ties an approver to what they approve, so that they are not independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bond {
    /// They hold the access.
    Holds,
    /// They asked for it.
    Asked,
    /// They own the identity that holds it.
    Owns,
}

impl Bearing<'_> {
    /// What ties an approver to this; nothing where they are independent.
    pub(crate) fn tie(&self, approver: Key) -> Option<Bond> {
        let is = |who: Option<Key>| who.is_some_and(|who| approver.same(who));
        if is(Some(self.subject)) {
            Some(Bond::Holds)
        } else if is(self.requester) {
            Some(Bond::Asked)
        } else {
            is(self.owner()).then_some(Bond::Owns)
        }
    }

    /// Who owns the service or agent.
    fn owner(&self) -> Option<Key> {
        let identity = self.world.identity(self.subject).filter(|(i, _)| i.kind != Kind::Human);
        identity.and_then(|(_, relations)| relations.owner)
    }

    /// Whether somebody satisfies a selector.
    pub(crate) fn satisfies(&self, who: Key, selector: Selector) -> bool {
        let world = self.world;
        let is = |other: Option<Key>| other.is_some_and(|other| who.same(other));
        match selector {
            Selector::Identity(id) => is(Some(id)),
            Selector::Group(group) => world
                .identity(who)
                .is_some_and(|(i, _)| i.groups.within(&world.estate.pools.names).contains(&group)),
            Selector::Manager => is(world.identity(self.subject).and_then(|(_, r)| r.manager)),
            Selector::IdentityOwner => is(self.owner()),
            Selector::SystemOwner => is(world.system_owners.get(&self.system).copied()),
            Selector::EntitlementOwner => is(self.entitlement.and_then(|e| world.rights.get(&e)?.owner)),
        }
    }

    /// See [`Case::delegation_is_valid`].
    pub(crate) fn delegation_is_valid(&self, a: &Approving<'_>, on_behalf_of: Key) -> bool {
        !on_behalf_of.same(self.subject) && self.world.lent(a, on_behalf_of).next().is_some()
    }
}

/// One request, for the checks that look at requests whatever is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestCase<'m> {
    pub(crate) moment: &'m Moment<'m>,
    pub(crate) request: &'m RequestRow,
    pub(crate) asked: &'m Asked,
}

impl<'m> RequestCase<'m> {
    pub(crate) fn items(&self) -> &'m [Item] {
        self.request.access.within(&self.moment.world.items)
    }

    pub(crate) fn beneficiaries(&self) -> &'m [Key] {
        self.request.beneficiaries.within(&self.moment.world.beneficiaries)
    }

    pub(crate) fn text(&self, sym: Sym) -> &'m str {
        self.moment.world.estate.text(sym)
    }

    pub(crate) fn id(&self) -> &'m str {
        self.text(self.request.id)
    }
}

/// One source: the snapshots that speak of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceCase<'m> {
    pub(crate) moment: &'m Moment<'m>,
    pub(crate) source: Sym,
}

impl<'m> SourceCase<'m> {
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &'m SnapshotRow> + use<'m> {
        let world = self.moment.world;
        let rows = world.sources.get(&self.source).map_or(&[][..], Vec::as_slice);
        rows.iter().filter_map(|row| world.estate.snapshots.get(*row as usize))
    }

    pub(crate) fn text(&self, sym: Sym) -> &'m str {
        self.moment.world.estate.text(sym)
    }
}

/// Words that are put into a sentence as they are made, and nowhere before.
#[derive(Clone, Copy)]
struct Words<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Words<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// A time for a sentence.
pub(crate) fn at(t: Option<Instant>) -> impl fmt::Display + Copy {
    Words(move |f: &mut fmt::Formatter<'_>| match t {
        Some(t) => f.write_str(t.text().as_str()),
        None => f.write_str("not known"),
    })
}

/// `text`, when the time in it is known; nothing otherwise.
pub(crate) fn known(t: Option<Instant>, text: impl FnOnce(Instant) -> String) -> String {
    t.map(text).unwrap_or_default()
}

/// Whether an identity is no longer in service.
pub(crate) fn is_gone(i: &IdentityRow) -> bool {
    i.status != Status::Active
}

/// Whether two names have one normal form.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    norm(a) == norm(b)
}
