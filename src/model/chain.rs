//! The chain behind one grant or request, in the exact form that is printed: from the request to the end, each link with
//! its proof, and the gaps marked.
//!
//! The field names and their order are the contract of `counterfoil explain` (`counterfoil.chain/1`). A chain says what is in
//! order as well as what is not: it is what a person reads who has to decide, or an auditor who asks *how come?*

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{
    Accountable, ControlRef, EvidenceView, ExceptionView, GrantView, Outcome, PathStepView, RequestView,
    Role, Severity, Standing,
};
use super::time::Instant;

/// The schema name every chain carries.
pub const CHAIN_SCHEMA: &str = "counterfoil.chain/1";

/// What a chain is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// A grant.
    Grant,
    /// A request, whatever is held.
    Request,
    /// A name that two identities claim; it has findings, and no links.
    Alias,
    /// A source; it has findings, and no links.
    Source,
}

impl About {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Request => "request",
            Self::Alias => "alias",
            Self::Source => "source",
        }
    }
}

/// A step of the life of access. The order is the order of the links; each step has at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Somebody asked for it.
    Requested,
    /// Somebody decided.
    Approved,
    /// The policy the decision rests on.
    Policy,
    /// It was given.
    Provisioned,
    /// It is used.
    Used,
    /// Somebody confirmed it.
    Reviewed,
    /// When it ends by itself.
    Ends,
    /// It was taken away.
    Revoked,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 8] = [
        Self::Requested,
        Self::Approved,
        Self::Policy,
        Self::Provisioned,
        Self::Used,
        Self::Reviewed,
        Self::Ends,
        Self::Revoked,
    ];

    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Policy => "policy",
            Self::Provisioned => "provisioned",
            Self::Used => "used",
            Self::Reviewed => "reviewed",
            Self::Ends => "ends",
            Self::Revoked => "revoked",
        }
    }
}

/// Whether a link holds. The order is from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// It is there, and in order.
    Ok,
    /// It cannot be told.
    Unknown,
    /// Something that should be there is missing.
    Gap,
    /// It is there, and not as it should be.
    Wrong,
}

impl LinkState {
    /// All states, best first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Unknown, Self::Gap, Self::Wrong];

    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Gap => "gap",
            Self::Wrong => "wrong",
        }
    }
}

/// The whole chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chain<'a> {
    /// Always [`CHAIN_SCHEMA`].
    pub schema: Cow<'a, str>,
    /// The instant judged at.
    pub now: Instant,
    /// What it is about.
    pub about: About,
    /// The grant, as it was observed.
    pub grant: Option<GrantView<'a>>,
    /// The request that controls the grant, or the request asked for.
    pub request: Option<RequestView<'a>>,
    /// The name that two identities claim, or the source, where the chain is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Cow<'a, str>>,
    /// Who holds the grant.
    pub subject: Option<Holder<'a>>,
    /// How the grant stands.
    pub standing: Option<Standing>,
    /// What follows.
    pub verdict: Option<Outcome>,
    /// Which rule gave the standing, in one sentence.
    pub why: String,
    /// The first instant after `now` at which the verdict could change with no new record.
    pub recheck_at: Option<Instant>,
    /// The links, in the order of [`Step`] and within a step in the order of time.
    pub links: Vec<Link<'a>>,
    /// For a request: each item and beneficiary, and what they hold of it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub items: Vec<Given<'a>>,
    /// How many more items and beneficiaries there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub items_left: u64,
    /// For a grant: other requests that cover it, or nearly do, and why they do not carry it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub others: Vec<OtherRequest<'a>>,
    /// How many more such requests there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub others_left: u64,
    /// What is wrong, worst first, and what would clear it.
    pub findings: Vec<ChainFinding<'a>>,
    /// Who answers for what; a role nobody fills is a gap.
    pub accountable: Vec<Accountable<'a>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Who holds a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Holder<'a> {
    /// The key the account resolves to.
    pub id: Cow<'a, str>,
    /// `human`, `service` or `agent`; `None` when no identity record is known.
    pub kind: Option<Cow<'a, str>>,
    /// `active`, `disabled` or `departed`; `None` when no identity record is known.
    pub status: Option<Cow<'a, str>>,
    /// Since when.
    pub status_since: Option<Instant>,
    /// Who answers for a service or agent.
    pub owner: Option<Cow<'a, str>>,
    /// Accounts the identity is linked to, as `SYSTEM/ACCOUNT`; at most twenty.
    pub accounts: Vec<String>,
    /// The proof.
    pub evidence: Vec<EvidenceView<'a>>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link<'a> {
    /// Of which step.
    pub step: Step,
    /// Whether it holds.
    pub state: LinkState,
    /// When it happened, or will.
    pub at: Option<Instant>,
    /// What happened, or what is missing, in one sentence.
    pub what: String,
    /// Who did what.
    pub who: Vec<Who<'a>>,
    /// Who answers for this step, where it is not in order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub answers: Vec<Answer<'a>>,
    /// More that is known.
    pub facts: Vec<Fact<'a>>,
    /// The names of the findings' checks that rest on this link.
    pub checks: Vec<Cow<'a, str>>,
    /// The proof.
    pub evidence: Vec<EvidenceView<'a>>,
}

/// Somebody in a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Who<'a> {
    /// As what: `requester`, `approver`, `on_behalf_of`, `implementer`, `holder`, `reviewer`.
    pub role: Cow<'a, str>,
    /// The key the name resolves to.
    pub id: Cow<'a, str>,
    /// The name as it is written, where that is another text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub written: Option<Cow<'a, str>>,
}

/// Who answers for a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer<'a> {
    /// In which role.
    pub role: Role,
    /// Who; `None` is a role nobody fills.
    pub identity: Option<Cow<'a, str>>,
}

/// One more thing that is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Fact<'a> {
    /// What.
    pub name: Cow<'a, str>,
    /// In words.
    pub value: String,
}

/// A request that covers the grant, or nearly does, and does not carry it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OtherRequest<'a> {
    /// The configured source.
    pub source: Cow<'a, str>,
    /// Its id there.
    pub id: Cow<'a, str>,
    /// `grant` or `revoke`.
    pub intent: Cow<'a, str>,
    /// `pending`, `approved`, `rejected` or `cancelled`.
    pub state: Cow<'a, str>,
    /// Whether it covers the grant.
    pub covers: bool,
    /// When it was decided, where known.
    pub decided_at: Option<Instant>,
    /// Why it does not carry the grant.
    pub why: String,
}

/// What one beneficiary holds of one item of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Given<'a> {
    /// The item, counted from 0.
    pub item: u32,
    /// System, as the request names it.
    pub system: Cow<'a, str>,
    /// Entitlement, as the request names it.
    pub entitlement: Cow<'a, str>,
    /// Scope; `None` is the whole system.
    pub scope: Option<Cow<'a, str>>,
    /// The beneficiary's key.
    pub beneficiary: Cow<'a, str>,
    /// Whether they hold something that the item covers.
    pub held: bool,
    /// Grants that the request covers; at most twenty.
    pub grants: Vec<HeldGrant<'a>>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub grants_left: u64,
}

/// A grant that a request covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeldGrant<'a> {
    /// System.
    pub system: Cow<'a, str>,
    /// Account.
    pub account: Cow<'a, str>,
    /// Entitlement.
    pub entitlement: Cow<'a, str>,
    /// Scope; `None` is the whole system.
    pub scope: Option<Cow<'a, str>>,
    /// The memberships it is inherited through, outermost first.
    pub path: Vec<PathStepView<'a>>,
    /// How it stands.
    pub standing: Standing,
    /// Whether this request gave the standing.
    pub controls: bool,
    /// The checks that fired on it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub checks: Vec<Cow<'a, str>>,
}

/// A finding, without what the chain says anyway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainFinding<'a> {
    /// Its id.
    pub id: String,
    /// The check that fired.
    pub check: Cow<'a, str>,
    /// How bad it is.
    pub severity: Severity,
    /// The check's title.
    pub title: Cow<'a, str>,
    /// What is wrong.
    pub message: String,
    /// The facts that made the check fire.
    pub reasons: Vec<String>,
    /// What would clear it.
    pub remediation: Cow<'a, str>,
    /// Who answers first; a role nobody fills is a gap.
    pub answers: Vec<Answer<'a>>,
    /// What this breaches, by framework.
    pub controls: Vec<ControlRef<'a>>,
    /// The exception that accepts it, where a valid one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exception: Option<ExceptionView<'a>>,
}
