//! # insufficient-approvals
//!
//! Fewer independent people approved than the policy asks for.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when the policy that its controlling request cites has
//! `min_approvers` greater than the number of distinct independent approving approvers, and there is at
//! least one of them. With none, `missing-approver` or `self-approval` speaks.
//!
//! The same person under two names, or approving twice, counts once. `min_approvers` defaults to 1.
//!
//! ## Why it matters
//! The policy asks for two pairs of eyes because one is not enough for this access. A request that passed
//! with one passed under a weaker rule than the one it cites.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that enforces the policy's number of approvers.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"policy","id":"POL-7","title":"Production databases","min_approvers":2}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-112","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-7"}
//! ```
//! → high insufficient-approvals on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Have a further independent approver decide: on the same request if the tool allows it, else in a new
//!    one.
//! 2. If that person refuses, remove the grant.
//! 3. Set the number of approvers in the workflow to that of the policy.
//!
//! ## Settings
//! No threshold applies. The number is `min_approvers` of the policy record. Severity: high; `risk: high`
//! raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.insufficient-approvals]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "insufficient-approvals",
    title: "Fewer approvers than the policy asks for",
    severity: Severity::High,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: obtain the missing approval, and make the workflow ask for the number in the policy.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("insufficient_approvals.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some()
        && case.policy().is_some_and(|(policy, _)| (1..policy.min_approvers as usize).contains(&found(case)))
}

/// How many different people approved independently. Of ambiguous names each is somebody else.
pub(in crate::judge) fn found(case: &Case<'_>) -> usize {
    let mut people: Vec<_> = case.independent().map(|a| a.approver).collect();
    let all = people.len();
    people.retain(|k| !k.is_ambiguous());
    let ambiguous = all - people.len();
    people.sort_unstable();
    people.dedup();
    people.len() + ambiguous
}

fn tell(case: &Case<'_>) -> Telling {
    let (found, needed) = (found(case), case.policy().map_or(0, |(p, _)| p.min_approvers));
    let policy = case.policy().map_or("not known", |(p, _)| case.text(p.id));
    let approvers = if found == 1 { "approver" } else { "approvers" };
    let message = format!(
        "{} has {found} independent {approvers}; policy {policy} asks for {needed}.",
        case.ticket_for()
    );
    Telling::new(message)
        .because(format!("approved independently by {}", case.names(case.independent())))
        .resting_on(case.policy().map(|(p, _)| p.origin))
}
