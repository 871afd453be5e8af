//! # approver-not-authorised
//!
//! Those who approved are not among those whom the policy lets approve.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when the policy that its controlling request cites names
//! `approvers`, there is an independent approving approver, and none of them satisfies a selector. A person
//! on whose behalf such an approver decided counts too, through a delegation that was valid at the
//! decision.
//!
//! Selectors: `identity:ID`, `group:NAME`, `manager` (of the beneficiary), `identity_owner` (of a service
//! or agent), `system_owner`, `entitlement_owner`.
//!
//! ## Why it matters
//! Being somebody else is not enough: the policy says whose judgement the organisation trusts with this
//! access. An approval by a helpful colleague is not that judgement.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that routes to the authorised people.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"system","id":"pg-prod","owner":"carol@corp.example"}
//! {"type":"policy","id":"POL-7","title":"Production databases","approvers":["system_owner"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-113","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-7"}
//! ```
//! → high approver-not-authorised on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Have somebody whom the policy names approve the access in a new request, or remove the grant.
//! 2. If a delegation exists and was not recorded, record it with its start and end.
//! 3. If the policy or the directory (groups, managers, owners) is out of date, correct it at its source.
//!
//! ## Settings
//! No threshold applies. Who may approve is `approvers` of the policy record. Severity: high; `risk: high`
//! raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.approver-not-authorised]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "approver-not-authorised",
    title: "Approved by people the policy does not name",
    severity: Severity::High,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: have somebody whom the policy names decide, and route such requests there.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("approver_not_authorised.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some()
        && case.independent().next().is_some()
        && case.policy().is_some_and(|(row, policy)| {
            !row.approvers.is_empty()
                && !case.independent().any(|a| {
                    case.is_authorised(a.approver, policy)
                        || a.on_behalf_of.is_some_and(|of| {
                            case.delegation_is_valid(&a, of) && case.is_authorised(of, policy)
                        })
                })
        })
}

fn tell(case: &Case<'_>) -> Telling {
    let who = case.names(case.independent());
    let policy = case.policy().map_or("not known", |(p, _)| case.text(p.id));
    let message =
        format!("{} was approved by {who}; policy {policy} lets none of them approve it.", case.ticket_for());
    Telling::new(message)
        .because(format!("policy {policy} names approvers, and {who} is not among them"))
        .resting_on(case.policy().map(|(p, _)| p.origin))
}
