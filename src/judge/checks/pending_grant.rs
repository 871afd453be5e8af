//! # pending-grant
//!
//! Access was given before the request for it was decided or has started.
//!
//! ## What it does
//! Fires on every grant with standing `pending`: a request that covers the grant is still `pending`, or is
//! approved but its start (`valid_from`, else the time of the decision) is later than now. At the very
//! instant of the start it is in force.
//!
//! It does not fire for an emergency request inside `emergency_ratify_within`, whose standing is
//! `emergency`; after that window `emergency-not-ratified` fires in its place.
//!
//! ## Why it matters
//! Granting first turns the approver into a witness. If the answer is no, or the start lies later for a
//! reason, the access was held without authority.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting no earlier than approved.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-30T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-103","state":"pending","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"requested_at":"2026-05-30T08:00:00Z"}
//! ```
//! → high pending-grant on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Ask the approver to decide the request, or wait for its start date with the access removed.
//! 2. If the answer is no, remove the grant.
//! 3. If the work could not wait, use the emergency path next time (`emergency` on the request).
//!
//! ## Settings
//! `emergency_ratify_within` (default `P1D`): how long an undecided emergency request justifies access,
//! from `granted_at`, else `requested_at`. Severity: high; `risk: high` raises it a step, `risk: low`
//! lowers it.
//! ```toml
//! [checks]
//! emergency_ratify_within = "P1D"
//! [checks.pending-grant]
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
    name: "pending-grant",
    title: "Access given before the decision or its start",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "Approver: decide the request. System owner: remove the grant until it is approved and has started.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("pending_grant.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Pending && !super::emergency_not_ratified::overdue(case)
}

fn tell(case: &Case<'_>) -> Telling {
    let why = match case.request {
        Some((r, asked)) if r.state == State::Approved => {
            format!("approved only from {} on", at(asked.start))
        }
        _ => "not decided".to_owned(),
    };
    let message = format!(
        "{} holds {} while request {} for it is {why}.",
        case.account(),
        case.right(),
        case.request_id()
    );
    Telling::new(message).because(format!("request {} is {why}", case.request_id()))
}
