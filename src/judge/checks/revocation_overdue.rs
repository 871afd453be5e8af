//! # revocation-overdue
//!
//! A revocation was decided and not carried out in time.
//!
//! ## What it does
//! Fires on a grant with standing `revoked` when the revocation is an approved `revoke` request without
//! `completed_at`, and now is at or past its decision plus `revocation_sla`.
//!
//! Once the request is completed and the grant is still there, `revocation-failed` takes over. An approved
//! grant request decided after the revocation gives another standing.
//!
//! ## Why it matters
//! The risk was recognised, the decision was taken, and the access is still usable. Each day more makes the
//! organisation's own record the proof that it knew.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for revoking within the agreed time.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-04-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-107","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-10T00:00:00Z"}],"intent":"revoke"}
//! ```
//! → high revocation-overdue on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Remove the grant.
//! 2. Close the revoke request with the time at which it was carried out.
//! 3. If the queue is the reason, raise it with the system owner: the time allowed is a promise.
//!
//! ## Settings
//! `revocation_sla` (default `P1D`): the time allowed from the decision to the removal. Severity: high;
//! `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! revocation_sla = "P1D"
//! [checks.revocation-overdue]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "revocation-overdue",
    title: "Revocation decided and not carried out",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "System owner: remove the grant, and close the revoke request with the time of removal.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("revocation_overdue.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Revoked
        && case.request.is_some_and(|(r, asked)| {
            let due = asked.decided_at.map(|t| t.plus(case.thresholds().revocation_sla));
            r.completed_at.is_none() && due.is_some_and(|due| case.now() >= due)
        })
}

fn tell(case: &Case<'_>) -> Telling {
    let (account, right, request) = (case.account(), case.right(), case.request_id());
    let decided = at(case.decided_at());
    let message = format!(
        "{account} still holds {right}; its revocation {request} was decided {decided} and is not completed."
    );
    let sla = case.thresholds().revocation_sla;
    Telling::new(message).because(format!("decided {decided}, not completed within {sla}"))
}
