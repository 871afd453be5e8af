//! # self-approval
//!
//! Nobody independent approved the request.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when its controlling request has approving approvers and none
//! of them is independent. An approver is independent who is not the same person as
//! - the subject who holds the access,
//! - the requester, or
//! - the owner of the subject, where the subject is a service or an agent.
//!
//! People are compared by the identity their name resolves to, so a second alias does not help. One
//! independent approver among several is enough.
//!
//! ## Why it matters
//! Two people are the whole point of an approval. Where the one who gains also decides, there is no
//! control, only a record of one.
//!
//! ## Who answers
//! - **Approver** (primary): everyone who approved the controlling request; answers for the decision and
//!   its policy basis.
//! - Also listed: workflow owner, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-111","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"alice","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → high self-approval on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Have somebody independent, whom the policy authorises, approve the same access in a new request.
//! 2. If nobody will, remove the grant.
//! 3. Let the workflow refuse an approver who is the requester, a beneficiary or the owner.
//!
//! ## Settings
//! No threshold applies. How many approvers a policy wants is `min_approvers` of the policy (see
//! `insufficient-approvals`). Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.self-approval]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Bond, Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "self-approval",
    title: "Nobody independent approved",
    severity: Severity::High,
    primary: Role::Approver,
    remediation: "Approver: have somebody independent decide the access anew, or have it removed.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("self_approval.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some() && case.approving().next().is_some() && case.independent().next().is_none()
}

fn tell(case: &Case<'_>) -> Telling {
    let who = case.names(case.approving());
    let (request, account, right) = (case.request_id(), case.account(), case.right());
    let message =
        format!("Nobody independent approved request {request} for {account} ({right}), only {who}.");
    let mut telling = Telling::new(message);
    for a in case.approving() {
        let person = case.person(a.approver);
        let is = match case.bearing().tie(a.approver) {
            Some(Bond::Holds) => "who holds the access",
            Some(Bond::Asked) => "who asked for it",
            _ => "who owns the identity that holds it",
        };
        telling = telling.because(format!("approved by {person}, {is}"));
    }
    telling
}
