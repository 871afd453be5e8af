//! # missing-review-date
//!
//! The access has neither an end nor a date for its next review.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when its controlling request has no end and no review date
//! follows from anything on record. The review date is
//! - with a certification that decided `certified`: the latest one's `next_review_by`, else its
//!   `decided_at` plus the review period;
//! - without one: the request's `review_by`, else the time of its decision plus the review period.
//!
//! The review period is `review_every` of the cited policy, and `agent_review_every` for an agent.
//!
//! ## Why it matters
//! Access that nobody must ever look at again stays for ever.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that keeps approvals reviewable.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-119","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → medium missing-review-date on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Agree a review date with the system owner and put it on the request (`review_by`); an end needs a new
//!    decision.
//! 2. Or give the cited policy a `review_every`, which dates every approval under it.
//! 3. Or certify the access now, with the next review date.
//!
//! ## Settings
//! `agent_review_every` (default `P30D`): the review period for agents. An agent with a known decision
//! therefore always has a date. Severity: medium; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! agent_review_every = "P30D"
//! [checks.missing-review-date]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "missing-review-date",
    title: "Neither an end nor a review date",
    severity: Severity::Medium,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: set a review date or an end, or give the policy a review period.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("missing_review_date.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(_, asked)| asked.end.is_none()) && case.facts.review_due.is_none()
}

fn tell(case: &Case<'_>) -> Telling {
    let (account, right, request) = (case.account(), case.right(), case.request_id());
    let message = format!(
        "{account} holds {right} under {request}, with neither an end nor a date for its next review."
    );
    Telling::new(message)
        .because("no end, no review date, and no policy or certification that gives one".into())
}
