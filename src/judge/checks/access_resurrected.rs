//! # access-resurrected
//!
//! Access that had been revoked was granted again without a new approval.
//!
//! ## What it does
//! Fires on a grant with standing `revoked` whose `granted_at` is later than the revocation. There is no
//! grace.
//!
//! The revocation is the latest of the approved `revoke` requests that cover the grant (`completed_at`,
//! else the decision) and of the certifications of the grant that decided `revoked`. An approved grant
//! request decided after it gives another standing, so a proper new approval never shows up here.
//!
//! ## Why it matters
//! Somebody took it away and somebody brought it back. Automation that restores an old state, a copied role
//! or a favour all look the same, and so does a persistent intruder.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting only what was approved.
//! - Also listed: approvers and workflow owner of the revoke request, if one; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-20T09:00:00Z","granted_by":"dave"}
//! {"type":"request","source":"jira","id":"SEC-108","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-10T00:00:00Z"}],"intent":"revoke","completed_at":"2026-05-11T00:00:00Z"}
//! ```
//! → critical access-resurrected on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Remove the grant, then ask the implementer (`granted_by`) why it came back.
//! 2. If a template, a group or a synchronisation restores it, correct that first, or it will return.
//! 3. If it is needed again, file a new request and grant after its decision.
//!
//! ## Settings
//! No threshold applies. Severity: critical; `risk: low` lowers it a step.
//! ```toml
//! [checks.access-resurrected]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of critical
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "access-resurrected",
    title: "Revoked access is back without approval",
    severity: Severity::Critical,
    primary: Role::SystemOwner,
    remediation: "System owner: remove the grant and find what brought it back. If it is needed, have it approved anew.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("access_resurrected.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Revoked
        && case.grant.granted_at.is_some_and(|granted| Some(granted) > case.facts.revoked_at)
}

fn tell(case: &Case<'_>) -> Telling {
    let by = case.request.map(|(r, _)| format!(" ({})", case.text(r.id))).unwrap_or_default();
    let (granted, revoked) = (at(case.grant.granted_at), at(case.facts.revoked_at));
    let (account, right) = (case.account(), case.right());
    let message =
        format!("{account} was granted {right} again on {granted}, after its revocation on {revoked}{by}.");
    Telling::new(message)
        .because(format!("revoked {revoked}, granted {granted}, and not approved in between"))
        .resting_on_certifications(case)
}
