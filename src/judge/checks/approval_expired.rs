//! # approval-expired
//!
//! Access is still live after its approval ended.
//!
//! ## What it does
//! Fires on every grant with standing `expired` when now is at or past the end of the approval plus
//! `expiry_grace`.
//!
//! The end is the request's `expires_at`, else its start (`valid_from`, else the decision) plus `ttl`. The
//! interval is half open: at the end itself the approval is no longer in force, so the standing is
//! `expired` (and unjustified) already during the grace; only the finding waits. A later approval in force,
//! such as a renewal, gives the standing `approved` instead.
//!
//! ## Why it matters
//! A term is part of the decision: the approver said yes until that day. Access that outlives it is access
//! nobody approved.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for revoking in time.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-105","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"expires_at":"2026-05-20T00:00:00Z"}
//! ```
//! → high approval-expired on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Ask the holder whether the work goes on.
//! 2. If it does not, remove the grant.
//! 3. If it does, file a renewal and have it approved; it counts from its own decision on.
//! 4. Set the end on the grant itself where the system can (see `expiry-not-enforced`).
//!
//! ## Settings
//! `expiry_grace` (default `PT15M`): how long after the end the system may take to remove the access.
//! Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! expiry_grace = "PT15M"
//! [checks.approval-expired]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::Instant;
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "approval-expired",
    title: "Access past the end of its approval",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "System owner: remove the grant, or have a renewal approved.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("approval_expired.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Expired
        && end(case).is_some_and(|end| case.now() >= end.plus(case.thresholds().expiry_grace))
}

fn end(case: &Case<'_>) -> Option<Instant> {
    case.request.and_then(|(_, asked)| asked.end)
}

fn tell(case: &Case<'_>) -> Telling {
    let (account, right, request) = (case.account(), case.right(), case.request_id());
    let message = format!("{account} still holds {right}; its approval {request} ended {}.", at(end(case)));
    let grace = case.thresholds().expiry_grace;
    Telling::new(message)
        .because(format!("the approval ended {}, and the grace of {grace} is over", at(end(case))))
}
