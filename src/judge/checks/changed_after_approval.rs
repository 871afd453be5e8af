//! # changed-after-approval
//!
//! The request was edited after it had been approved.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when its controlling request has a change later than its
//! decision to one of `beneficiaries`, `access`, `system`, `entitlement`, `scope`, `expires_at`, `ttl` or
//! `policy`. The decision is the latest `decided_at` among its approved approvals, else the request's own.
//!
//! Field names are compared without regard to case; other fields, such as labels, do no harm. A change at
//! the very instant of the decision is not later.
//!
//! ## Why it matters
//! The approver agreed to what the ticket said then. If who, what, where or how long was rewritten
//! afterwards, the approval is attached to something nobody approved.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that locks or re-approves what was decided.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-123","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"changes":[{"at":"2026-05-01T13:00:00Z","by":"alice@corp.example","field":"access"}]}
//! ```
//! → high changed-after-approval on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Read the change in the ticket's history and compare it with the grant.
//! 2. Have the approver confirm the changed content in a new decision, later than the change.
//! 3. If the approver does not, bring the grant back to what was approved.
//! 4. Let the workflow lock these fields, or ask again, after approval.
//!
//! ## Settings
//! No threshold applies. Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.changed-after-approval]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::same_name;
use crate::judge::case::{Case, Telling};
use crate::judge::estate::ChangeRow;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "changed-after-approval",
    title: "Request changed after approval",
    severity: Severity::High,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: have the changed request approved anew, and lock these fields after approval.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("changed_after_approval.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some() && late(case).next().is_some()
}

/// The fields whose change after the decision changes what was decided.
const FIELDS: [&str; 8] =
    ["beneficiaries", "access", "system", "entitlement", "scope", "expires_at", "ttl", "policy"];

/// The changes to these fields after the decision.
pub(in crate::judge) fn late<'m>(case: &Case<'m>) -> impl Iterator<Item = &'m ChangeRow> {
    let case = *case;
    let changes =
        case.request.map(|(r, _)| r.changes.within(&case.world().estate.pools.changes)).unwrap_or_default();
    changes.iter().filter(move |c| {
        case.decided_at().is_some_and(|decided| c.at > decided)
            && FIELDS.iter().any(|f| same_name(f, case.text(c.field)))
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let mut changes: Vec<_> = late(case).collect();
    changes.sort_by_key(|c| (c.at, case.text(c.field)));
    let named: Vec<_> = changes.iter().map(|c| format!("{} on {}", case.text(c.field), c.at)).collect();
    let (decided, named) = (at(case.decided_at()), named.join(", "));
    let message = format!("{} was changed after its approval on {decided}: {named}.", case.ticket_for());
    changes.into_iter().fold(Telling::new(message), |telling, c| {
        let by = c.by.map(|by| format!(" by {}", case.text(by))).unwrap_or_default();
        telling.because(format!("{} changed {}{by}, decided {decided}", case.text(c.field), c.at))
    })
}
