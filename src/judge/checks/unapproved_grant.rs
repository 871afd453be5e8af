//! # unapproved-grant
//!
//! Somebody holds access that no request explains.
//!
//! ## What it does
//! Fires on every grant with standing `unapproved`: no birthright rule names it, no request covers it in
//! any state, nothing revoked it, and no approval in force names a narrower scope or a smaller part of it.
//!
//! A request covers a grant when the grant's subject is among its beneficiaries and one of its access items
//! holds the entitlement, directly, through what the item includes, or through a step of the grant's
//! `path`, with a scope that covers the grant's.
//!
//! While a source that provides requests is incomplete or stale the standing is `unknown` instead, and this
//! check stays silent.
//!
//! ## Why it matters
//! Nobody judged the need, nobody set an end, nobody will review it. This is what an intruder's grant looks
//! like, and what an auditor samples for first.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting only what was approved.
//! - Also listed: approver (nobody: there is no request), workflow owner (`[accountability]`); the
//!   implementer.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-02T09:00:00Z","granted_by":"dave"}
//! ```
//! → high unapproved-grant on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Ask the implementer, else the system owner, which decision it rests on.
//! 2. If there is one, complete its ticket (person, system, entitlement, scope) and have the approver
//!    confirm it.
//! 3. If there is none, remove the grant, or file a request and have it decided by somebody independent.
//! 4. If everybody of that kind holds it by policy, add a `[[birthright]]` rule that cites the policy.
//!
//! ## Settings
//! No threshold applies. A source is stale after `source_max_age` (default `P1D`). Severity: high;
//! `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.unapproved-grant]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::known;
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "unapproved-grant",
    title: "Access without any approval",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "System owner: name the decision it rests on and complete its ticket, or remove the grant.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("unapproved_grant.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.standing() == Standing::Unapproved
}

fn tell(case: &Case<'_>) -> Telling {
    let since = known(case.grant.granted_at, |t| format!(", granted {t}"));
    let message = format!("{} holds {}{since}, and no request covers it.", case.account(), case.right());
    Telling::new(message).because("no request of any state covers the grant".into())
}
