//! # review-overdue
//!
//! The date by which the access was to be reviewed has passed.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when its review date is at or before now. The review date is
//! - with a certification that decided `certified`: the latest one's `next_review_by`, else its
//!   `decided_at` plus the review period;
//! - without one: the request's `review_by`, else the time of its decision plus the review period.
//!
//! The review period is `review_every` of the cited policy, and `agent_review_every` for an agent.
//!
//! ## Why it matters
//! Needs change, approvals do not. The review is the only moment at which somebody says again that the
//! access is still right; when it is skipped, the approval goes stale unseen.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for monitoring and periodic review of the access.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-02-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-120","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-02-01T12:00:00Z"}],"review_by":"2026-05-15T00:00:00Z"}
//! ```
//! → medium review-overdue on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Review the access: is it needed, at this scope, by this person?
//! 2. If it is, record the certification with the reviewer, the date and the next review date.
//! 3. If it is not, record `revoked` and remove the grant.
//!
//! ## Settings
//! `agent_review_every` (default `P30D`): the review period for agents. For others it is `review_every` of
//! the policy. Severity: medium; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! agent_review_every = "P30D"
//! [checks.review-overdue]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "review-overdue",
    title: "Review overdue",
    severity: Severity::Medium,
    primary: Role::SystemOwner,
    remediation: "System owner: review the access now, and record the decision with the next review date.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("review_overdue.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some() && case.facts.review_due.is_some_and(|due| due <= case.now())
}

fn tell(case: &Case<'_>) -> Telling {
    let due = at(case.facts.review_due);
    let (account, right) = (case.account(), case.right());
    let message = format!("The access of {account} to {right} was to be reviewed by {due}.");
    Telling::new(message).because(format!("review was due {due}")).resting_on_certifications(case)
}
