//! # emergency-not-ratified
//!
//! Emergency access was not approved afterwards within the time allowed.
//!
//! ## What it does
//! Fires when the controlling request has `emergency` set and no approving approval was decided before base
//! plus `emergency_ratify_within`, where base is the grant's `granted_at`, else the request's
//! `requested_at`:
//! - with standing `approved`: the approval came too late (an approval exactly at the limit is late);
//! - with standing `pending`: the limit has been reached and nobody has decided. It then fires in place of
//!   `pending-grant`.
//!
//! Before the limit a pending emergency request gives the standing `emergency`, which is justified.
//!
//! ## Why it matters
//! If nobody looks at break-glass access afterwards, it becomes the path without approval.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that brings emergency access before an approver.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-30T20:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-127","state":"pending","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"requested_at":"2026-05-30T19:55:00Z","emergency":true}
//! ```
//! → high emergency-not-ratified on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Remove the access if the emergency is over.
//! 2. Have an authorised approver decide now what was done, and record it on the request.
//! 3. A late approval stays late: remove the grant, or accept the finding with an end and a reason.
//!
//! ## Settings
//! `emergency_ratify_within` (default `P1D`): the time allowed for the approval afterwards. Severity: high;
//! `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! emergency_ratify_within = "P1D"
//! [checks.emergency-not-ratified]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};
use crate::model::record::State;

pub(super) static CHECK: Check = Check {
    name: "emergency-not-ratified",
    title: "Emergency access not approved afterwards",
    severity: Severity::High,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: bring it before an approver now, and have the access removed if the emergency is over.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("emergency_not_ratified.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    overdue(case) || unratified(case)
}

/// Whether a pending emergency controls whose time to be approved is over: told here, not as a pending grant.
pub(super) fn overdue(case: &Case<'_>) -> bool {
    case.standing() == Standing::Pending
        && case.request.is_some_and(|(r, _)| {
            let by = case.moment.ratify_by(case.grant, r);
            r.emergency && r.state == State::Pending && by.is_some_and(|by| by <= case.now())
        })
}

/// Whether an emergency was approved, but by nobody in time.
fn unratified(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(r, _)| {
        let by = case.moment.ratify_by(case.grant, r);
        r.emergency
            && by.is_some_and(|by| {
                !case.approving().any(|a| a.row.decided_at.is_some_and(|decided| decided < by))
            })
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let by = at(case.request.and_then(|(r, _)| case.moment.ratify_by(case.grant, r)));
    let (account, right, request) = (case.account(), case.right(), case.request_id());
    let message =
        format!("{account} got {right} in an emergency ({request}), and nobody approved it before {by}.");
    Telling::new(message).because(format!("no approval was decided before {by}"))
}
