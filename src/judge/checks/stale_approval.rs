//! # stale-approval
//!
//! The access was given long after it had been approved.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when `granted_at` is later than the start of the controlling
//! request (`valid_from`, else the decision) plus `provisioning_window`, and that request is the only one
//! that covers the grant and was in force at `granted_at`.
//!
//! If another covering approved request was in force when the access was given, that one explains it.
//!
//! ## Why it matters
//! Circumstances change within months: role, project, manager. Access drawn from an old yes was never
//! weighed against the present, and old open approvals are a store of unused power.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting while the decision is fresh.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-20T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-125","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-03-01T12:00:00Z"}]}
//! ```
//! → medium stale-approval on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Ask the approver whether the decision still holds, and have it taken anew in a new request.
//! 2. If it does not hold, remove the grant.
//! 3. Give approvals an end (`expires_at`, `ttl`), so that they cannot be drawn on later.
//!
//! ## Settings
//! `provisioning_window` (default `P30D`): how long after its start an approval may be carried out. Exactly
//! that long does not fire. Severity: medium; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! provisioning_window = "P30D"
//! [checks.stale-approval]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "stale-approval",
    title: "Granted long after it was approved",
    severity: Severity::Medium,
    primary: Role::SystemOwner,
    remediation: "System owner: have the approver confirm that the decision still holds, or remove the grant.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("stale_approval.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(_, asked)| {
        let fresh_until = asked.start.map(|t| t.plus(case.thresholds().provisioning_window));
        fresh_until.is_some()
            && case.grant.granted_at > fresh_until
            && case.facts.only_controlling_when_granted
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let (granted, start) = (at(case.grant.granted_at), at(case.request.and_then(|(_, asked)| asked.start)));
    let (account, right, request) = (case.account(), case.right(), case.request_id());
    let message = format!(
        "{account} was granted {right} on {granted}, long after approval {request} took effect on {start}."
    );
    let window = case.thresholds().provisioning_window;
    Telling::new(message)
        .because(format!("in effect from {start}, granted {granted}, more than {window} later"))
}
