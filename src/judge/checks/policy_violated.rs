//! # policy-violated
//!
//! The policy that the approval cites does not allow this access.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when the cited policy was in force at the decision and at
//! least one of these holds; the finding's `reasons` list each:
//! - `applies_to` does not name the granted system and entitlement, nor one that includes it;
//! - `identity_kinds` excludes the subject's kind;
//! - `max_ttl` is set and the request has no end, or end − start is longer (exactly `max_ttl` is allowed).
//!
//! A policy missing or not in force is for `unknown-policy-basis`.
//!
//! ## Why it matters
//! The approver pointed to a rule that says otherwise. Either the decision went beyond what the approver
//! may allow, or the policy no longer fits the work; in both cases it must be said.
//!
//! ## Who answers
//! - **Approver** (primary): everyone who approved the controlling request; answers for the decision and
//!   its policy basis.
//! - Also listed: workflow owner, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"policy","id":"POL-7","title":"Production databases","max_ttl":"P14D"}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-118","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-7","ttl":"P60D"}
//! ```
//! → high policy-violated on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Read the `reasons` of the finding.
//! 2. Bring the access within the policy (shorter term, other entitlement) in a new request.
//! 3. If another policy is the right one, have the access decided anew under that one.
//! 4. If the policy is out of date, have it changed, and the access decided anew under the new version.
//!
//! ## Settings
//! No threshold applies. The limits are those of the policy record. Severity: high; `risk: high` raises it
//! a step, `risk: low` lowers it.
//! ```toml
//! [checks.policy-violated]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "policy-violated",
    title: "The cited policy does not allow this",
    severity: Severity::High,
    primary: Role::Approver,
    remediation: "Approver: bring the access within the policy in a new request, or have it decided under one that allows it.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("policy_violated.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some() && !breaches(case).is_empty()
}

/// What of the access the policy does not allow; nothing when the policy was not in force at the decision.
pub(in crate::judge) fn breaches(case: &Case<'_>) -> Vec<String> {
    let mut found = vec![];
    let (Some((row, policy)), Some((_, asked))) = (case.policy(), case.request) else { return found };
    if asked.decided_at.is_some_and(|t| !row.in_force_at(t)) {
        return found;
    }
    let (system, held) = (case.held.system, case.held.entitlement);
    let applies = policy.applies_to.iter().any(|(of, entitlement)| match entitlement {
        None => of.same(system),
        Some(Some(e)) => held.is_some_and(|held| case.world().closures.holds(*e, held)),
        Some(None) => false,
    });
    if !policy.applies_to.is_empty() && !applies {
        found.push(format!("it does not apply to {}", case.right()));
    }
    if let Some(kind) =
        case.kind().filter(|k| !row.identity_kinds.is_empty() && !row.identity_kinds.contains(k))
    {
        found.push(format!("it does not apply to an identity of kind {}", kind.as_str()));
    }
    if let Some(max) = row.max_ttl {
        match (asked.end, asked.length()) {
            (None, _) => found.push(format!("it allows at most {max}, and the approval has no end")),
            (_, Some(length)) if length > max => {
                found.push(format!("it allows at most {max}, and the approval runs for {length}"));
            }
            _ => {}
        }
    }
    found
}

fn tell(case: &Case<'_>) -> Telling {
    let (policy, breaches) = (case.policy().map(|(p, _)| p), breaches(case));
    let id = policy.map_or("not known", |p| case.text(p.id));
    let message = format!("{} goes beyond policy {id}: {}.", case.ticket_for(), breaches.join("; "));
    let telling = breaches.into_iter().fold(Telling::new(message), Telling::because);
    telling.resting_on(policy.map(|p| p.origin))
}
