//! # missing-justification
//!
//! The request does not say why the access is needed.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when the `justification` of its controlling request is empty:
//! absent, or nothing but white space.
//!
//! What the text says is for people to judge.
//!
//! ## Why it matters
//! Without a reason the approver could not weigh need against risk, and the next reviewer cannot tell
//! whether the need is over.
//!
//! ## Who answers
//! - **Approver** (primary): everyone who approved the controlling request; answers for the decision and
//!   what it was based on.
//! - Also listed: workflow owner, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-122","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"justification":"  "}
//! ```
//! → low missing-justification on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Ask the requester for the reason and the approver to confirm it; add it to the ticket.
//! 2. If the reason is kept in another field, name that field in the source's settings.
//! 3. Make the field required in the request form.
//!
//! ## Settings
//! No threshold applies. Severity: low; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.missing-justification]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of low
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "missing-justification",
    title: "No reason given",
    severity: Severity::Low,
    primary: Role::Approver,
    remediation: "Approver: obtain the reason from the requester, and add it to the request.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("missing_justification.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(r, _)| !r.justified)
}

fn tell(case: &Case<'_>) -> Telling {
    let message = format!("{} says no reason.", case.ticket_for());
    Telling::new(message).because(format!("request {} has no justification", case.request_id()))
}
