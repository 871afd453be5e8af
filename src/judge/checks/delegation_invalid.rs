//! # delegation-invalid
//!
//! An approval was given on behalf of somebody without a valid delegation.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when an approving approval of its controlling request has
//! `on_behalf_of` and either
//! - no delegation from that person to the approver covers the approval's `decided_at` (at or after
//!   `starts_at`, before `ends_at` where there is one), or
//! - that person is the subject: the one who gains cannot lend the power to decide.
//!
//! ## Why it matters
//! A delegation moves the power to decide for a time, and only while it runs. Without it the approval rests
//! on a name that was borrowed.
//!
//! ## Who answers
//! - **Approver** (primary): everyone who approved the controlling request; answers for the decision and
//!   for the power to take it.
//! - Also listed: workflow owner, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"delegation","from":"carol@corp.example","to":"bob@corp.example","starts_at":"2026-04-01T00:00:00Z","ends_at":"2026-05-01T00:00:00Z"}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-115","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z","on_behalf_of":"carol@corp.example"}]}
//! ```
//! → high delegation-invalid on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Ask the person who was represented to confirm the decision in a new request, or remove the grant.
//! 2. If a delegation was in place, record it with its true start and end.
//! 3. Let the workflow refuse delegated decisions outside a delegation's term.
//!
//! ## Settings
//! No threshold applies. Delegations are half open: valid at `starts_at`, over at `ends_at`. Severity:
//! high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.delegation-invalid]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::Approving;
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::judge::names::Key;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "delegation-invalid",
    title: "Approved on behalf of somebody without authority",
    severity: Severity::High,
    primary: Role::Approver,
    remediation: "Approver: have the person represented decide, or record the delegation that was in place.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("delegation_invalid.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some() && invalid(case).next().is_some()
}

/// The approvals given on behalf of somebody without their authority.
fn invalid<'m>(case: &Case<'m>) -> impl Iterator<Item = (Approving<'m>, Key)> {
    let case = *case;
    case.approving().filter_map(move |a| {
        let of = a.on_behalf_of?;
        (!case.delegation_is_valid(&a, of)).then_some((a, of))
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let mut telling = Telling::default();
    for (a, of) in invalid(case) {
        let (who, delegator) = (case.person(a.approver), case.person(of));
        if telling.message.is_empty() {
            let (request, account, right) = (case.request_id(), case.account(), case.right());
            telling.message = format!(
                "{who} approved request {request} for {account} ({right}) on behalf of {delegator} without a valid delegation."
            );
        }
        telling = telling.because(if of.same(case.subject()) {
            format!("{delegator}, for whom {who} stood in, is the one who benefits")
        } else {
            format!("no delegation from {delegator} to {who} covers {}", at(a.row.decided_at))
        });
    }
    telling
}
