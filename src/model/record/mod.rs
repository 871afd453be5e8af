//! The records: the one format between a connector and the judge. Field by field as the contract names them.
//!
//! Absent and `null` both mean *not known*. Unknown fields are ignored here (the line they stand in is what
//! evidence points to).

mod parts;
mod words;

pub use parts::{AccessItem, AccountLink, Approval, Change, Evidence, Include, PathStep, Selector, Target};
pub use words::{
    Attribution, CertificationDecision, Decision, GrantedAtBasis, Intent, Kind, Mode, Risk, State, Status,
    Success,
};

use super::object::{object, words};
use super::shape::{Shape, Shaped};
use super::text::Text;
use super::time::{Duration, Instant};

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
