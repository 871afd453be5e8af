//! # scope-exceeded
//!
//! Somebody holds more than was approved: a wider scope, or a larger entitlement.
//!
//! ## What it does
//! Fires on every grant with standing `exceeded`: none of the stronger standings holds (birthright to
//! denied), and an approved request in force for the same subject and system names
//! - the same entitlement with a scope that does not cover the held one, or
//! - an entitlement that is part of the held one (in the closure of its `includes`).
//!
//! Scopes are `/`-separated paths: `acct` covers `acct` and `acct/dev`, never `acct2`. A held grant without
//! a scope is the whole system, which only an approval with no scope, an empty one or `*` covers.
//!
//! ## Why it matters
//! There was a decision, which makes the excess easy to overlook. Yet the risk that was weighed is not the
//! risk that is held: this is how read access for one account becomes administration of all of them.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting no more than was approved.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"gcp-prod","account":"alice","entitlement":"Editor","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-104","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"gcp-prod","entitlement":"Editor","scope":"projects/web"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → high scope-exceeded on gcp-prod/alice/Editor
//!
//! ## How to clear it
//! 1. Narrow the grant to the scope and entitlement that the controlling request names.
//! 2. If the wider access is needed, file a request for exactly that and have it decided.
//! 3. If the entitlement catalogue is wrong (`includes`, aliases, scopes), correct it at its source.
//!
//! ## Settings
//! No threshold applies. Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.scope-exceeded]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "scope-exceeded",
    title: "More access than was approved",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "System owner: narrow the grant to what was approved, or have exactly this access approved in a new request.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("scope_exceeded.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Exceeded
}

fn tell(case: &Case<'_>) -> Telling {
    let scoped = |name: &str, scope: Option<&str>| match scope {
        Some(scope) => format!("{name} (scope {scope})"),
        None => format!("{name} (whole system)"),
    };
    let scope = case.grant.scope.map(|s| case.text(s));
    let approved: Vec<String> = case
        .request
        .map(|(r, _)| r.access.within(&case.world().estate.pools.items))
        .unwrap_or_default()
        .iter()
        .map(|item| scoped(case.text(item.entitlement), item.scope.map(|s| case.text(s))))
        .collect();
    let (held, approved) = (scoped(case.entitlement(), scope), approved.join(", "));
    let (account, system, request) = (case.account(), case.system(), case.request_id());
    let message =
        format!("{account} holds {held} on {system}, and request {request} approved only {approved}.");
    Telling::new(message).because(format!("approved: {approved}; held: {held}"))
}
