//! The records: the one format between a connector and the judge. Field by field as the contract names them.
//!
//! Absent and `null` both mean *not known*. Unknown fields are ignored here (the line they stand in is what
//! evidence points to).

use serde::de::{self, Deserialize, Deserializer};

use super::object::{object, words};
use super::shape::{Shape, Shaped};
use super::text::Text;
use super::time::{Duration, Instant};

words! {
    /// What kind of identity stands behind an account.
    #[derive(Default)]
    Kind {
        /// A person.
        #[default]
        Human = "human",
        /// A service or workload.
        Service = "service",
        /// An AI agent.
        Agent = "agent",
    }
}

words! {
    /// Whether an identity is still with us.
    #[derive(Default)]
    Status {
        /// In service.
        #[default]
        Active = "active",
        /// Switched off.
        Disabled = "disabled",
        /// Gone.
        Departed = "departed",
    }
}

words! {
    /// How much harm an entitlement can do.
    #[derive(Default)]
    Risk {
        /// Little: findings weigh a step less.
        Low = "low",
        /// The usual.
        #[default]
        Normal = "normal",
        /// Much: findings weigh a step more.
        High = "high",
    }
}

words! {
    /// Where a request stands.
    State {
        /// Not decided.
        Pending = "pending",
        /// Approved.
        Approved = "approved",
        /// Turned down.
        Rejected = "rejected",
        /// Withdrawn.
        Cancelled = "cancelled",
    }
}

words! {
    /// Whether a request gives or takes.
    #[derive(Default)]
    Intent {
        /// It asks for access.
        #[default]
        Grant = "grant",
        /// It asks for access to end.
        Revoke = "revoke",
    }
}

words! {
    /// What an approver said.
    Decision {
        /// Yes.
        Approved = "approved",
        /// No.
        Rejected = "rejected",
        /// Nothing yet.
        Pending = "pending",
    }
}

words! {
    /// Whether a grant works now or must be activated first.
    #[derive(Default)]
    Mode {
        /// It works now.
        #[default]
        Active = "active",
        /// It can be activated.
        Eligible = "eligible",
    }
}

words! {
    /// How `granted_at` is known.
    GrantedAtBasis {
        /// The system's state says it.
        State = "state",
        /// An event in a log says it.
        Event = "event",
        /// First seen then; it may be older.
        FirstSeen = "first_seen",
    }
}

words! {
    /// What a last use was attributed to, narrowest first.
    Attribution {
        /// This grant.
        Grant = "grant",
        /// The entitlement.
        Entitlement = "entitlement",
        /// A service of the system.
        Service = "service",
        /// The account as a whole.
        Account = "account",
        /// A credential of the account.
        Credential = "credential",
    }
}

words! {
    /// Whether a use succeeded. An attempt counts as use.
    Success {
        /// It did.
        Yes = "yes",
        /// It was tried.
        Attempt = "attempt",
        /// The source does not say.
        Unknown = "unknown",
    }
}

words! {
    /// What a reviewer decided.
    CertificationDecision {
        /// The access may stay.
        Certified = "certified",
        /// The access must go.
        Revoked = "revoked",
    }
}

words! {
    /// The record types, by the word in their `type` field.
    RecordType {
        /// [`Identity`]
        Identity = "identity",
        /// [`System`]
        System = "system",
        /// [`Workflow`]
        Workflow = "workflow",
        /// [`Entitlement`]
        Entitlement = "entitlement",
        /// [`Policy`]
        Policy = "policy",
        /// [`Delegation`]
        Delegation = "delegation",
        /// [`Request`]
        Request = "request",
        /// [`Grant`]
        Grant = "grant",
        /// [`Usage`]
        Usage = "usage",
        /// [`Certification`]
        Certification = "certification",
        /// [`Exception`]
        Exception = "exception",
        /// [`Snapshot`]
        Snapshot = "snapshot",
    }
}

impl RecordType {
    /// Every record type.
    pub const ALL: [Self; 12] = [
        Self::Identity,
        Self::System,
        Self::Workflow,
        Self::Entitlement,
        Self::Policy,
        Self::Delegation,
        Self::Request,
        Self::Grant,
        Self::Usage,
        Self::Certification,
        Self::Exception,
        Self::Snapshot,
    ];

    /// The type's fields.
    #[must_use]
    pub fn shape(self) -> Shape {
        match self {
            Self::Identity => Identity::SHAPE,
            Self::System => System::SHAPE,
            Self::Workflow => Workflow::SHAPE,
            Self::Entitlement => Entitlement::SHAPE,
            Self::Policy => Policy::SHAPE,
            Self::Delegation => Delegation::SHAPE,
            Self::Request => Request::SHAPE,
            Self::Grant => Grant::SHAPE,
            Self::Usage => Usage::SHAPE,
            Self::Certification => Certification::SHAPE,
            Self::Exception => Exception::SHAPE,
            Self::Snapshot => Snapshot::SHAPE,
        }
    }
}

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

/// Declares a record type: an [`object!`] at the top of a line, with the fields every record may carry.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($body:tt)* }) => {
        object! {
            $(#[$meta])*
            $name, depth 1 {
                $($body)*
                /// The id the source itself knows it by.
                opt native_id: Text<'a>,
                /// When it was seen.
                opt observed_at: Instant,
                /// What it was made from.
                opt evidence: Evidence<'a>,
            }
        }
    };
}

record! {
    /// A person, service or agent behind accounts.
    Identity {
        /// Its id.
        req id: Text<'a>,
        /// Person, service or agent.
        def kind: Kind,
        /// The name people know it by.
        opt name: Text<'a>,
        /// Other names it goes by.
        list aliases: Text<'a>,
        /// Its accounts.
        list accounts: AccountLink<'a>,
        /// Whether it is still with us.
        def status: Status,
        /// Since when it has that status.
        opt status_since: Instant,
        /// Sponsor of a service or agent.
        opt owner: Text<'a>,
        /// Line manager.
        opt manager: Text<'a>,
        /// Groups it is in, for policy selectors.
        list groups: Text<'a>,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// What access is held on.
    System {
        /// Its id.
        req id: Text<'a>,
        /// Other names it goes by.
        list aliases: Text<'a>,
        /// Who answers for it.
        opt owner: Text<'a>,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// The approval path a ticket went through.
    Workflow {
        /// Its id.
        req id: Text<'a>,
        /// Who answers for it.
        opt owner: Text<'a>,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// A right that can be held on a system.
    Entitlement {
        /// The system.
        req system: Text<'a>,
        /// Its id there.
        req id: Text<'a>,
        /// Other names it goes by.
        list aliases: Text<'a>,
        /// How much harm it can do.
        def risk: Risk,
        /// Who answers for it.
        opt owner: Text<'a>,
        /// What it brings with it.
        list includes: Include<'a>,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// The rule an approval rests on.
    Policy {
        /// Its id.
        req id: Text<'a>,
        /// Its title.
        opt title: Text<'a>,
        /// From when it holds.
        opt in_force_from: Instant,
        /// Until when, exclusive.
        opt in_force_until: Instant,
        /// The longest access it allows.
        opt max_ttl: Duration,
        /// How often access must be confirmed.
        opt review_every: Duration,
        /// Who may approve; anybody when empty.
        list approvers: Selector<'a>,
        /// How many must approve (1 when absent).
        opt min_approvers: u32,
        /// What it applies to; everything when empty.
        list applies_to: Target<'a>,
        /// Whom it applies to; every kind when empty.
        list identity_kinds: Kind,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// Who may decide for whom.
    Delegation {
        /// The one who lends their authority.
        req from: Text<'a>,
        /// The one who may decide.
        req to: Text<'a>,
        /// From when.
        req starts_at: Instant,
        /// Until when, exclusive.
        opt ends_at: Instant,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// What a ticket means once mapped.
    Request {
        /// The configured source.
        req source: Text<'a>,
        /// Its id there.
        req id: Text<'a>,
        /// Where it stands.
        req state: State,
        /// Whether it gives or takes.
        def intent: Intent,
        /// Where a person can read it.
        opt url: Text<'a>,
        /// Who asked.
        opt requester: Text<'a>,
        /// For whom.
        list beneficiaries: Text<'a>,
        /// For what.
        list access: AccessItem<'a>,
        /// Who decided what.
        list approvals: Approval<'a>,
        /// When it was asked.
        opt requested_at: Instant,
        /// When it was decided, where no approval says.
        opt decided_at: Instant,
        /// The policy it cites.
        opt policy: Text<'a>,
        /// Why it is needed.
        opt justification: Text<'a>,
        /// From when the access is meant.
        opt valid_from: Instant,
        /// Until when, exclusive.
        opt expires_at: Instant,
        /// For how long, where no end is given.
        opt ttl: Duration,
        /// When it must be looked at again.
        opt review_by: Instant,
        /// Whether it was an emergency.
        def emergency: bool,
        /// When it was carried out.
        opt completed_at: Instant,
        /// The approval path it went through.
        opt workflow: Text<'a>,
        /// What was changed in the ticket, when.
        list changes: Change<'a>,
    }
}

record! {
    /// This account holds this entitlement, as observed.
    Grant {
        /// The system.
        req system: Text<'a>,
        /// The account.
        req account: Text<'a>,
        /// The entitlement.
        req entitlement: Text<'a>,
        /// The scope; absent is the whole system.
        opt scope: Text<'a>,
        /// The memberships it is inherited through.
        list path: PathStep<'a>,
        /// Since when.
        opt granted_at: Instant,
        /// Who carried it out.
        opt granted_by: Text<'a>,
        /// When the system itself ends it.
        opt expires_at: Instant,
        /// The request id the grant itself cites.
        opt ticket: Text<'a>,
        /// Active or to be activated.
        def mode: Mode,
        /// Last use.
        opt last_used_at: Instant,
        /// Since when use is tracked.
        opt usage_tracked_since: Instant,
        /// What the use was attributed to.
        opt use_attribution: Attribution,
        /// How `granted_at` is known.
        opt granted_at_basis: GrantedAtBasis,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// Last use, when another source knows it.
    Usage {
        /// The system.
        req system: Text<'a>,
        /// The account.
        req account: Text<'a>,
        /// The entitlement; the whole account when absent.
        opt entitlement: Text<'a>,
        /// Last use.
        opt last_used_at: Instant,
        /// Since when use is tracked.
        opt tracked_since: Instant,
        /// What the use was attributed to.
        opt attribution: Attribution,
        /// Whether it succeeded.
        opt success: Success,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// A periodic re-confirmation.
    Certification {
        /// The system.
        req system: Text<'a>,
        /// The account.
        req account: Text<'a>,
        /// Who decided.
        req reviewer: Text<'a>,
        /// When.
        req decided_at: Instant,
        /// What.
        req decision: CertificationDecision,
        /// The entitlement; all of the account's when absent.
        opt entitlement: Text<'a>,
        /// The scope; every scope when absent.
        opt scope: Text<'a>,
        /// When it must be looked at again.
        opt next_review_by: Instant,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// A finding accepted for a time.
    Exception {
        /// The check.
        req check: Text<'a>,
        /// Who accepted it.
        req accepted_by: Text<'a>,
        /// Why.
        req reason: Text<'a>,
        /// Until when, exclusive.
        req expires_at: Instant,
        /// The finding's id; or the grant it is about:
        opt finding: Text<'a>,
        /// The system.
        opt system: Text<'a>,
        /// The account.
        opt account: Text<'a>,
        /// The entitlement.
        opt entitlement: Text<'a>,
        /// The configured source.
        opt source: Text<'a>,
    }
}

record! {
    /// The end mark of one pull.
    Snapshot {
        /// The configured source.
        req source: Text<'a>,
        /// When it was taken.
        req taken_at: Instant,
        /// Whether everything was seen.
        req complete: bool,
        /// The record types the source provides; any when empty.
        list provides: RecordType,
        /// The systems it speaks of; any when empty.
        list systems: Text<'a>,
        /// How many records it yielded.
        opt count: u64,
        /// Why it is not complete.
        opt reason: Text<'a>,
    }
}

/// One record of any type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is the type of its name")]
pub enum Record<'a> {
    Identity(Identity<'a>),
    System(System<'a>),
    Workflow(Workflow<'a>),
    Entitlement(Entitlement<'a>),
    Policy(Policy<'a>),
    Delegation(Delegation<'a>),
    Request(Box<Request<'a>>),
    Grant(Grant<'a>),
    Usage(Usage<'a>),
    Certification(Certification<'a>),
    Exception(Exception<'a>),
    Snapshot(Snapshot<'a>),
}
