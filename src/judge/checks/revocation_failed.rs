//! # revocation-failed
//!
//! A completed revocation or a reviewer's no left the access live.
//!
//! ## What it does
//! Fires on a grant with standing `revoked` when all of these hold:
//! - the revocation is an approved `revoke` request with `completed_at`, or a certification that decided
//!   `revoked`;
//! - `granted_at` is not later than the revocation (not known counts as not later);
//! - the grant was observed at or after the revocation plus `revocation_lag` (`observed_at`, else now).
//!
//! The revocation is dated by `completed_at` of the request, or by `decided_at` of the certification. An
//! approved grant request decided after it gives another standing.
//!
//! ## Why it matters
//! The paperwork says gone and the system says there. Everybody who relies on the ticket believes something
//! false, so nobody will look again.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for revoking what was decided.
//! - Also listed: approvers and workflow owner of the revoke request, if one; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-04-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-106","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-10T00:00:00Z"}],"intent":"revoke","completed_at":"2026-05-11T00:00:00Z"}
//! ```
//! → critical revocation-failed on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Remove the grant, and check that it is gone from the next export of the system.
//! 2. Find out what the implementer did remove: another account, a group that was not the path, a copy.
//! 3. If the access is to stay, file a new request; it must be decided after the revocation.
//!
//! ## Settings
//! `revocation_lag` (default `PT1H`): how old telemetry may be before it counts against a completed
//! revocation. Severity: critical; `risk: low` lowers it a step.
//! ```toml
//! [checks]
//! revocation_lag = "PT1H"
//! [checks.revocation-failed]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of critical
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "revocation-failed",
    title: "Revoked on paper, live in the system",
    severity: Severity::Critical,
    primary: Role::SystemOwner,
    remediation: "System owner: remove the grant and check that it is gone from the next export.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("revocation_failed.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Revoked
        && case.facts.revocation_done
        && case.facts.revoked_at.is_some_and(|revoked_at| {
            let observed = case.grant.origin.observed_at.unwrap_or(case.now());
            case.grant.granted_at.is_none_or(|granted| granted <= revoked_at)
                && observed >= revoked_at.plus(case.thresholds().revocation_lag)
        })
}

fn tell(case: &Case<'_>) -> Telling {
    let by = case.request.map(|(r, _)| format!(" ({})", case.text(r.id))).unwrap_or_default();
    let revoked_at = at(case.facts.revoked_at);
    let (account, right) = (case.account(), case.right());
    let message =
        format!("{account} still holds {right}, although its removal was recorded as of {revoked_at}{by}.");
    let seen = case.grant.origin.observed_at.unwrap_or(case.now());
    Telling::new(message)
        .because(format!("recorded as removed {revoked_at}, seen live {seen}"))
        .resting_on_certifications(case)
}
