//! # granted-before-approval
//!
//! The access was given before it was approved.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when `granted_at` plus `grant_tolerance` is before the
//! decision of its controlling request, unless
//! - the request is an emergency (`emergency-not-ratified` watches those), or
//! - a covering approved request, such as the one before a renewal, was in force at `granted_at`.
//!
//! A grant or a decision whose time is not known is passed over.
//!
//! ## Why it matters
//! The approval is real, but it came after the fact. A pattern of it means that approvals are collected for
//! what administrators have already done.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting no earlier than approved.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-04-30T09:00:00Z","granted_by":"dave"}
//! {"type":"request","source":"jira","id":"SEC-124","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → medium granted-before-approval on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Ask the implementer on what instruction the access was given.
//! 2. Remove the grant and give it anew under the approval, or accept the finding with an end and a reason.
//! 3. If `granted_at` is an artefact of a migration, correct it at the source.
//!
//! ## Settings
//! `grant_tolerance` (default `PT5M`): the difference of clocks and the hand-off that is forgiven. A grant
//! exactly that much earlier does not fire. Severity: medium; `risk: high` raises it a step, `risk: low`
//! lowers it.
//! ```toml
//! [checks]
//! grant_tolerance = "PT5M"
//! [checks.granted-before-approval]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "granted-before-approval",
    title: "Granted before it was approved",
    severity: Severity::Medium,
    primary: Role::SystemOwner,
    remediation: "System owner: find out on what instruction it was granted, and grant only after the decision.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("granted_before_approval.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(r, asked)| {
        let early =
            case.grant.granted_at.map(|t| t.plus(case.thresholds().grant_tolerance)) < asked.decided_at;
        early && case.grant.granted_at.is_some() && !r.emergency && !case.facts.approved_when_granted
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let (granted, decided) = (at(case.grant.granted_at), at(case.decided_at()));
    let (account, right, request) = (case.account(), case.right(), case.request_id());
    let message = format!(
        "{account} was granted {right} on {granted}, before request {request} was approved on {decided}."
    );
    let tolerance = case.thresholds().grant_tolerance;
    Telling::new(message)
        .because(format!("granted {granted}, decided {decided}, more than {tolerance} later"))
}
