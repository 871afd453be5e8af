//! # missing-approver
//!
//! The request counts as approved, and nobody is on record as having approved it.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when its controlling request has no approval with decision
//! `approved` and an approver.
//!
//! A status field that says "approved" is not a person. The time may still come from the request's own
//! `decided_at`.
//!
//! ## Why it matters
//! An approval is somebody's decision. Without a name nobody can be asked, independence cannot be shown,
//! and a workflow that moves tickets to approved by itself goes unnoticed.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that records who decided.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-110","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"decided_at":"2026-05-01T12:00:00Z"}
//! ```
//! → high missing-approver on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Look in the ticket's history for the person who decided.
//! 2. If the export leaves the approver out, set the approver field in the source's settings and pull
//!    again.
//! 3. If nobody decided, have the request decided now by somebody independent, or remove the grant.
//! 4. Make the approver a required step of the workflow.
//!
//! ## Settings
//! No threshold applies. Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.missing-approver]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "missing-approver",
    title: "Approved by nobody",
    severity: Severity::High,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: record who decided, or have the request decided by somebody independent.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("missing_approver.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some() && case.approving().next().is_none()
}

fn tell(case: &Case<'_>) -> Telling {
    let message = format!("{} counts as approved, and no approver is on record.", case.ticket_for());
    Telling::new(message)
        .because(format!("request {} is approved, and no approval names anybody", case.request_id()))
}
