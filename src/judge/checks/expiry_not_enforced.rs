//! # expiry-not-enforced
//!
//! The approval has an end, and the system does not know it.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when the end of its controlling request is known and the
//! grant's own `expires_at` is not, or is later than that end plus `expiry_grace`.
//!
//! The end is the request's `expires_at`, else its start plus `ttl`. The approval is still in force: this
//! warns before `approval-expired` would fire.
//!
//! ## Why it matters
//! An end that lives in a ticket depends on somebody remembering it. An end on the grant itself takes
//! effect on its own, at night and on holidays.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for revoking in time.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-126","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"expires_at":"2026-06-30T00:00:00Z"}
//! ```
//! → low expiry-not-enforced on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Set the approved end on the grant, where the system can expire access by itself.
//! 2. Where it cannot, schedule the removal, and accept the finding until then.
//! 3. If the connector does not report the expiry, map it to `expires_at`.
//!
//! ## Settings
//! `expiry_grace` (default `PT15M`): how much later than the approved end the grant may end. Severity: low;
//! `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! expiry_grace = "PT15M"
//! [checks.expiry-not-enforced]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of low
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "expiry-not-enforced",
    title: "The end is not set in the system",
    severity: Severity::Low,
    primary: Role::SystemOwner,
    remediation: "System owner: set the approved end on the grant, or schedule its removal.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("expiry_not_enforced.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().and_then(|(_, asked)| asked.end).is_some_and(|end| {
        let latest = end.plus(case.thresholds().expiry_grace);
        case.grant.expires_at.is_none_or(|expires| expires > latest)
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let end = at(case.request.and_then(|(_, asked)| asked.end));
    let own = case.grant.expires_at.map_or("has no end".to_owned(), |t| format!("ends only {t}"));
    let (account, right, request) = (case.account(), case.right(), case.request_id());
    let message =
        format!("The approval {request} of {account} for {right} ends {end}; the grant itself {own}.");
    Telling::new(message).because(format!("approved until {end}; the grant {own}"))
}
