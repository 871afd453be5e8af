//! What the judge says: findings and verdicts, in the exact form that is printed.
//!
//! The field names and their order are the contract of the command line (`counterfoil.finding/1`).
//! A finding is a problem only; what is in order appears in a [`Verdict`] and nowhere else.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Instant;

/// The schema name every finding carries.
pub const FINDING_SCHEMA: &str = "counterfoil.finding/1";

/// How bad a finding is. The order is the order of the scale: `Low` < `Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth mending, nobody is woken.
    Low,
    /// To be mended in the normal course of work.
    Medium,
    /// To be looked at today.
    High,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// One step up, ending at `Critical`.
    #[must_use]
    pub fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }

    /// One step down, ending at `Low`.
    #[must_use]
    pub fn lowered(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium | Self::Low => Self::Low,
        }
    }

    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How a live grant stands towards the approvals: exactly one for each grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Everyone of this kind has it by a configured rule.
    Birthright,
    /// It was revoked and not approved again.
    Revoked,
    /// An approval in force covers it.
    Approved,
    /// An emergency request covers it and may still be ratified.
    Emergency,
    /// The approval that covered it has ended.
    Expired,
    /// A request covers it that is not decided, or not in force yet.
    Pending,
    /// The request that covers it was rejected or cancelled.
    Denied,
    /// Less than this was approved.
    Exceeded,
    /// No approval was seen, but the tickets were not seen completely.
    Unknown,
    /// No approval exists.
    Unapproved,
}

impl Standing {
    /// All standings, in the order in which they are tried.
    pub const ALL: [Self; 10] = [
        Self::Birthright,
        Self::Revoked,
        Self::Approved,
        Self::Emergency,
        Self::Expired,
        Self::Pending,
        Self::Denied,
        Self::Exceeded,
        Self::Unknown,
        Self::Unapproved,
    ];

    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Birthright => "birthright",
            Self::Revoked => "revoked",
            Self::Approved => "approved",
            Self::Emergency => "emergency",
            Self::Expired => "expired",
            Self::Pending => "pending",
            Self::Denied => "denied",
            Self::Exceeded => "exceeded",
            Self::Unknown => "unknown",
            Self::Unapproved => "unapproved",
        }
    }

    /// What this standing means for the grant.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Birthright | Self::Approved | Self::Emergency => Outcome::Justified,
            Self::Unknown => Outcome::Unknown,
            _ => Outcome::Unjustified,
        }
    }
}

/// The verdict on a grant, which follows from its standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// An approval, an open emergency or a birthright carries it.
    Justified,
    /// Nothing carries it.
    Unjustified,
    /// The tickets were not seen completely, so nothing can be said.
    Unknown,
}

impl Outcome {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::Unjustified => "unjustified",
            Self::Unknown => "unknown",
        }
    }
}

/// Who answers for what. The order is the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decided, and answers for the decision and its policy basis.
    Approver,
    /// Answers for a path that enforces least privilege and reviewability.
    WorkflowOwner,
    /// Answers for granting, monitoring and revoking.
    SystemOwner,
    /// Carried the grant out; never primary.
    Implementer,
    /// Runs Counterfoil and its sources.
    Operator,
}

impl Role {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::WorkflowOwner => "workflow_owner",
            Self::SystemOwner => "system_owner",
            Self::Implementer => "implementer",
            Self::Operator => "operator",
        }
    }

    /// The duty that comes with the role, as the findings state it.
    #[must_use]
    pub fn duty(self) -> &'static str {
        match self {
            Self::Approver => "answers for the decision and its policy basis",
            Self::WorkflowOwner => "answers for an approval path that enforces least privilege and review",
            Self::SystemOwner => "answers for granting, monitoring and revoking on the system",
            Self::Implementer => "carried out the grant; no duty breached by that alone",
            Self::Operator => "answers for complete and fresh sources",
        }
    }
}

/// One finding, ready to be printed. Text is borrowed from the estate where it can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding<'a> {
    /// Always [`FINDING_SCHEMA`].
    pub schema: Cow<'a, str>,
    /// `f1:` and the SHA-256 of what the finding is about; never of a severity, a text or a time.
    pub id: String,
    /// The check that fired.
    pub check: Cow<'a, str>,
    /// How bad it is, after configuration and the entitlement's risk.
    pub severity: Severity,
    /// The check's title.
    pub title: Cow<'a, str>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The standing of the grant; `None` for findings about a request, an alias or a source.
    pub standing: Option<Standing>,
    /// Who holds the grant.
    pub subject: Option<Subject<'a>>,
    /// The grant; `None` for findings about a request, an alias or a source.
    pub grant: Option<GrantView<'a>>,
    /// The controlling request, or the request the finding is about.
    pub request: Option<RequestView<'a>>,
    /// The access item of the request, counted from 0, where the finding is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub item: Option<u32>,
    /// The beneficiary's key, where the finding is about one of a request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub beneficiary: Option<Cow<'a, str>>,
    /// The alias, where the finding is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alias: Option<Cow<'a, str>>,
    /// The source, where the finding is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<Cow<'a, str>>,
    /// Who answers, in the order of [`Role`]; at least one is primary.
    pub accountable: Vec<Accountable<'a>>,
    /// The facts that made the check fire.
    pub reasons: Vec<String>,
    /// What would clear it.
    pub remediation: Cow<'a, str>,
    /// What this breaches, by framework.
    pub controls: Vec<ControlRef<'a>>,
    /// The records the finding rests on.
    pub evidence: Vec<EvidenceView<'a>>,
    /// The exception that accepts this finding, where a valid one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exception: Option<ExceptionView<'a>>,
    /// The instant judged at.
    pub now: Instant,
}

/// The identity behind a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subject<'a> {
    /// The key the account resolves to.
    pub id: Cow<'a, str>,
    /// `human`, `service` or `agent`; `None` when no identity record is known.
    pub kind: Option<Cow<'a, str>>,
}

/// The grant a finding is about, as it was observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GrantView<'a> {
    /// System, as the grant names it.
    pub system: Cow<'a, str>,
    /// Account, as the grant names it.
    pub account: Cow<'a, str>,
    /// Entitlement, as the grant names it.
    pub entitlement: Cow<'a, str>,
    /// Scope; `None` is the whole system.
    pub scope: Option<Cow<'a, str>>,
    /// The memberships it is inherited through, outermost first.
    pub path: Vec<PathStepView<'a>>,
    /// Since when it is held, where known.
    pub granted_at: Option<Instant>,
    /// Who carried it out, where known.
    pub granted_by: Option<Cow<'a, str>>,
    /// When the system itself ends it, where known.
    pub expires_at: Option<Instant>,
    /// Last use, merged over all that is known.
    pub last_used_at: Option<Instant>,
    /// How the use was attributed (`grant`, `entitlement`, `service`, `account`, `credential`), where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub use_attribution: Option<Cow<'a, str>>,
}

/// One membership an inherited grant runs through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathStepView<'a> {
    /// System, where it is not the grant's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub system: Option<Cow<'a, str>>,
    /// The entitlement of this step.
    pub entitlement: Cow<'a, str>,
}

/// The request a finding cites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestView<'a> {
    /// The configured source it came from.
    pub source: Cow<'a, str>,
    /// Its id there.
    pub id: Cow<'a, str>,
    /// Where a person can read it.
    pub url: Option<Cow<'a, str>>,
    /// `pending`, `approved`, `rejected` or `cancelled`.
    pub state: Cow<'a, str>,
    /// When it was decided, where known.
    pub decided_at: Option<Instant>,
    /// When the approval ends, where it does.
    pub end: Option<Instant>,
}

/// One person who answers, or the gap where nobody does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accountable<'a> {
    /// In which role.
    pub role: Role,
    /// Who; `None` is a role nobody fills, itself a fact for the reader.
    pub identity: Option<Cow<'a, str>>,
    /// Whether this role answers first.
    pub primary: bool,
    /// The duty of the role.
    pub duty: Cow<'a, str>,
}

/// A control of a framework.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ControlRef<'a> {
    /// For example `nist-csf-2.0`.
    pub framework: Cow<'a, str>,
    /// For example `PR.AA-05`.
    pub id: Cow<'a, str>,
}

/// A pointer to a record as it was collected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceView<'a> {
    /// The configured source.
    pub source: Option<Cow<'a, str>>,
    /// The record's id there.
    pub id: Option<Cow<'a, str>>,
    /// SHA-256 of what was collected, lower-case hex.
    pub sha256: Option<Cow<'a, str>>,
    /// When it was collected.
    pub collected_at: Option<Instant>,
}

/// A valid exception that accepts a finding for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionView<'a> {
    /// Who accepted it.
    pub accepted_by: Cow<'a, str>,
    /// Why.
    pub reason: Cow<'a, str>,
    /// Until when.
    pub expires_at: Instant,
}

/// The verdict on one grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict<'a> {
    /// System, as the grant names it.
    pub system: Cow<'a, str>,
    /// Account, as the grant names it.
    pub account: Cow<'a, str>,
    /// Entitlement, as the grant names it.
    pub entitlement: Cow<'a, str>,
    /// Scope; `None` is the whole system.
    pub scope: Option<Cow<'a, str>>,
    /// The memberships it is inherited through.
    pub path: Vec<PathStepView<'a>>,
    /// The key the account resolves to.
    pub subject: Cow<'a, str>,
    /// How it stands.
    pub standing: Standing,
    /// What follows.
    pub verdict: Outcome,
    /// The controlling request.
    pub request: Option<RequestKey<'a>>,
    /// The first instant after `now` at which anything about this grant could change with no new record.
    pub recheck_at: Option<Instant>,
}

/// The key of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestKey<'a> {
    /// The configured source.
    pub source: Cow<'a, str>,
    /// The request's id there.
    pub id: Cow<'a, str>,
}
