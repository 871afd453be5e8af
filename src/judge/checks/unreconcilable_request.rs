//! # unreconcilable-request
//!
//! An approved request does not say clearly who gets what, where.
//!
//! ## What it does
//! Fires on an approved grant request that has no beneficiary, no access item, or an item whose system is
//! named by no system, entitlement or grant record.
//!
//! What such a request leaves unsaid it cannot cover, so the access given for it shows up as
//! `unapproved-grant`. Revoke requests, and requests in other states, are not looked at.
//!
//! ## Why it matters
//! An approval that cannot be tied to access proves nothing to an auditor. Most often a free-text field, a
//! new system or a changed form is behind it, and it will come again.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that records beneficiary, system and
//!   entitlement.
//! - Also listed: the approvers of the request, and the system owner from `[accountability]`.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"system","id":"pg-prod","owner":"carol@corp.example"}
//! {"type":"request","source":"jira","id":"SEC-136","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"the big database","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → medium unreconcilable-request on request jira/SEC-136
//!
//! ## How to clear it
//! 1. Read the ticket, complete beneficiary, system and entitlement, and have the approver confirm it.
//! 2. If the system is known under another name, add that as an alias of the system.
//! 3. If the fields are there and not read, correct the source's settings (fields, patterns).
//! 4. Make them required in the request form.
//!
//! ## Settings
//! No threshold applies. Severity: medium.
//! ```toml
//! [checks.unreconcilable-request]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Accuse, Check, Rule, is_approved_grant};
use crate::judge::case::{RequestCase, Telling};
use crate::judge::names::Key;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "unreconcilable-request",
    title: "Approved request that cannot be matched",
    severity: Severity::Medium,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: have beneficiary, system and entitlement completed, and make them required.",
    rule: Rule::Request { fires, tell },
    page: include_str!("unreconcilable_request.rs"),
};

fn fires(case: &RequestCase<'_>, found: &mut Accuse<'_>) {
    if is_approved_grant(case) && why(case).is_some() {
        found(None, None);
    }
}

/// What keeps the request from being matched.
fn why(case: &RequestCase<'_>) -> Option<String> {
    if case.beneficiaries().is_empty() {
        return Some("names no beneficiary".to_owned());
    }
    if case.items().is_empty() {
        return Some("names no access".to_owned());
    }
    let world = case.moment.world;
    let rows = case.request.access.within(&world.estate.pools.items);
    let mut items = case.items().iter().zip(rows);
    let (_, row) = items.find(|(item, _)| !world.systems_named.contains_key(&item.system))?;
    Some(format!("names system {}, which no record knows", case.text(row.system)))
}

fn tell(case: &RequestCase<'_>, _: Option<u32>, _: Option<Key>) -> Telling {
    let why = why(case).unwrap_or_default();
    Telling::new(format!("Approved request {} {why}.", case.id())).because(why)
}
