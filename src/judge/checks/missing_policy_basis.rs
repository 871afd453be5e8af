//! # missing-policy-basis
//!
//! The approval cites no policy.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when its controlling request has no `policy`.
//!
//! Whether a cited policy exists and was in force is for `unknown-policy-basis`; whether it allows the
//! access, for `policy-violated`.
//!
//! ## Why it matters
//! An approval applies a rule to a case. Without the rule it is a favour: nobody can say who was entitled
//! to decide, for how long, and when to look again.
//!
//! ## Who answers
//! - **Approver** (primary): everyone who approved the controlling request; answers for the policy basis of
//!   the decision.
//! - Also listed: workflow owner, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-116","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → medium missing-policy-basis on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Ask the approver which policy applied. Add it to the ticket and have the decision confirmed: an edit
//!    alone, after the approval, is `changed-after-approval`.
//! 2. If tickets carry the policy in a field of their own, name that field in the source's settings.
//! 3. If no policy allows it, remove the grant or have a policy made.
//!
//! ## Settings
//! No threshold applies. Severity: medium; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.missing-policy-basis]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "missing-policy-basis",
    title: "Approval without a policy",
    severity: Severity::Medium,
    primary: Role::Approver,
    remediation: "Approver: name the policy the decision applied and confirm the decision, or have the grant removed.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("missing_policy_basis.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(r, _)| r.policy.is_none())
}

fn tell(case: &Case<'_>) -> Telling {
    let message = format!("{} cites no policy.", case.ticket_for());
    Telling::new(message).because(format!("request {} names no policy", case.request_id()))
}
