//! What stands inside a record: items of lists, evidence, and who may approve under a policy.

use serde::de::{self, Deserialize, Deserializer};

use super::super::object::object;
use super::super::quick::{Cursor, Quick};
use super::super::shape::{Shape, Shaped};
use super::super::text::Text;
use super::super::time::Instant;
use super::words::Decision;

/// Who may approve under a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector<'a> {
    /// `identity:ID`: this one.
    Identity(Text<'a>),
    /// `group:NAME`: a member of this group.
    Group(Text<'a>),
    /// `manager`: of the beneficiary.
    Manager,
    /// `identity_owner`: the owner of the service or agent.
    IdentityOwner,
    /// `system_owner`
    SystemOwner,
    /// `entitlement_owner`
    EntitlementOwner,
}

impl<'a> Selector<'a> {
    /// Reads a selector; `None` when the text is none.
    #[must_use]
    pub fn parse(text: Text<'a>) -> Option<Self> {
        fn rest<'a>(text: &Text<'a>, prefix: &str) -> Option<Text<'a>> {
            use std::borrow::Cow;
            let rest = match &text.0 {
                Cow::Borrowed(s) => Cow::Borrowed(s.strip_prefix(prefix)?),
                Cow::Owned(s) => Cow::Owned(s.strip_prefix(prefix)?.to_owned()),
            };
            (!rest.trim().is_empty()).then_some(Text(rest))
        }
        match &*text {
            "manager" => Some(Self::Manager),
            "identity_owner" => Some(Self::IdentityOwner),
            "system_owner" => Some(Self::SystemOwner),
            "entitlement_owner" => Some(Self::EntitlementOwner),
            _ => rest(&text, "identity:")
                .map(Self::Identity)
                .or_else(|| rest(&text, "group:").map(Self::Group)),
        }
    }
}

const SELECTOR: &str =
    "one of `identity:ID`, `group:NAME`, `manager`, `identity_owner`, `system_owner`, `entitlement_owner`";

impl Shaped for Selector<'_> {
    const SHAPE: Shape = Shape::Parsed(|s| Selector::parse(Text(s.into())).is_some(), SELECTOR);
}

impl<'a> Quick<'a> for Selector<'a> {
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        Self::parse(Text::quick(c)?)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Selector<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Selector::parse(Text::deserialize(d)?).ok_or_else(|| de::Error::custom(SELECTOR))
    }
}

object! {
    /// A pointer to the raw thing a record was made from.
    Evidence, depth 2 {
        /// The configured source.
        opt source: Text<'a>,
        /// The thing's id there.
        opt id: Text<'a>,
        /// SHA-256 of what was collected, hex.
        opt sha256: Text<'a>,
        /// When it was collected.
        opt collected_at: Instant,
    }
}

object! {
    /// An account an identity holds.
    AccountLink, depth 3 {
        /// The system the account is on.
        req system: Text<'a>,
        /// The account's name there.
        req account: Text<'a>,
    }
}

object! {
    /// What an entitlement brings with it.
    Include, depth 3 {
        /// The system; the including entitlement's own when absent.
        opt system: Text<'a>,
        /// The entitlement brought.
        req entitlement: Text<'a>,
        /// A scope that stands in for the item's.
        opt scope: Text<'a>,
    }
}

object! {
    /// What a policy applies to.
    Target, depth 3 {
        /// The system.
        req system: Text<'a>,
        /// The entitlement; all of the system when absent.
        opt entitlement: Text<'a>,
    }
}

object! {
    /// What a request asks for.
    AccessItem, depth 3 {
        /// The system.
        req system: Text<'a>,
        /// The entitlement.
        req entitlement: Text<'a>,
        /// The scope; absent, empty and `*` are the whole system.
        opt scope: Text<'a>,
    }
}

object! {
    /// One approver's say on a request.
    Approval, depth 3 {
        /// Who decided.
        opt approver: Text<'a>,
        /// What.
        req decision: Decision,
        /// When.
        opt decided_at: Instant,
        /// For whom, where they stood in.
        opt on_behalf_of: Text<'a>,
    }
}

object! {
    /// A change made to a ticket.
    Change, depth 3 {
        /// When.
        req at: Instant,
        /// By whom.
        opt by: Text<'a>,
        /// Which field, by its name in the request record.
        req field: Text<'a>,
    }
}

object! {
    /// A membership an inherited grant runs through.
    PathStep, depth 3 {
        /// The system; the grant's own when absent.
        opt system: Text<'a>,
        /// The entitlement held.
        req entitlement: Text<'a>,
    }
}
