//! # denied-grant
//!
//! Access is live although the request for it was refused.
//!
//! ## What it does
//! Fires on every grant with standing `denied`: a request that covers the grant was `rejected` or
//! `cancelled`, and none of the stronger standings holds (birthright, revoked, approved, emergency,
//! expired, pending).
//!
//! A cancelled request counts as a refused one. A covering request that is still pending takes precedence
//! and is reported by `pending-grant`.
//!
//! The check speaks even while a source is incomplete: the refusal was seen.
//!
//! ## Why it matters
//! Somebody with the authority to decide looked at this access and said no, or the person who asked
//! withdrew, and it exists all the same. Either the control was bypassed, or the implementer acted before
//! the answer came.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting only what was approved.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-102","state":"rejected","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"rejected","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → critical denied-grant on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Remove the grant now; the decision on record is no.
//! 2. Find out who granted it and from which instruction (`granted_by`, the audit log of the system).
//! 3. If the access is needed after all, file a new request. Do not reopen the refused one.
//!
//! ## Settings
//! No threshold applies. Severity: critical; `risk: low` lowers it a step.
//! ```toml
//! [checks.denied-grant]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of critical
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "denied-grant",
    title: "Access that was refused is live",
    severity: Severity::Critical,
    primary: Role::SystemOwner,
    remediation: "System owner: remove the grant now. If it is needed after all, file a new request.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("denied_grant.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Denied
}

fn tell(case: &Case<'_>) -> Telling {
    let state = case.request.map_or("refused", |(r, _)| r.state.as_str());
    let message = format!(
        "{} holds {} although request {} for it was {state}.",
        case.account(),
        case.right(),
        case.request_id()
    );
    Telling::new(message).because(format!("request {} is {state}", case.request_id()))
}
