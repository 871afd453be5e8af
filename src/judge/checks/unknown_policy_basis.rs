//! # unknown-policy-basis
//!
//! The cited policy does not exist, or was not in force when the decision was taken.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when the catalogue holds policies and the one that the
//! controlling request cites is not among them, or was not in force at the decision.
//!
//! In force is half open: at or after `in_force_from` and before `in_force_until`, each where given. A
//! decision whose time is not known counts as taken in force. Without a single policy record the check is
//! silent.
//!
//! ## Why it matters
//! A reference that leads nowhere justifies nothing. Policies that were withdrawn, or that came later than
//! the decision they are to justify, look like backdating.
//!
//! ## Who answers
//! - **Approver** (primary): everyone who approved the controlling request; answers for the policy basis of
//!   the decision.
//! - Also listed: workflow owner, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"policy","id":"POL-7","title":"Production databases","in_force_from":"2026-05-15T00:00:00Z"}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-117","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-7"}
//! ```
//! → medium unknown-policy-basis on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Compare the id in the ticket with the policy catalogue. If it is misspelt, correct it and have the
//!    decision confirmed.
//! 2. If the catalogue lacks the policy or its dates are wrong, correct the catalogue.
//! 3. If no policy in force allowed it, have the access decided anew under one that does, or remove the
//!    grant.
//!
//! ## Settings
//! No threshold applies. Severity: medium; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.unknown-policy-basis]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "unknown-policy-basis",
    title: "The cited policy was not in force",
    severity: Severity::Medium,
    primary: Role::Approver,
    remediation: "Approver: cite the policy that was in force and confirm the decision, or have the catalogue corrected.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("unknown_policy_basis.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(r, asked)| {
        r.policy.is_some()
            && !case.world().estate.policies.is_empty()
            && case
                .policy()
                .is_none_or(|(policy, _)| asked.decided_at.is_some_and(|t| !policy.in_force_at(t)))
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let policy = case.request.and_then(|(r, _)| r.policy).map_or("", |p| case.text(p));
    let why = match case.policy() {
        None => "the catalogue does not hold".to_owned(),
        Some(_) => format!("was not in force on {}", at(case.decided_at())),
    };
    let message = format!("{} cites policy {policy}, which {why}.", case.ticket_for());
    let held = case.policy().map(|(p, _)| p);
    let telling = Telling::new(message).because(format!("policy {policy}: {why}"));
    telling.resting_on(held.map(|p| p.origin))
}
