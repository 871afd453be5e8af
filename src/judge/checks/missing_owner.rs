//! # missing-owner
//!
//! Nobody owns the entitlement or the system.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when neither the entitlement record nor the system record has
//! an `owner`.
//!
//! The fallback `[accountability] system_owner` receives findings, but it does not make up for an owner:
//! this check looks at the records alone.
//!
//! ## Why it matters
//! An owner is who answers for granting, watching and revoking. Access to something nobody owns was
//! approved on nobody's behalf, and nobody will review it.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that takes requests only for owned things.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"system","id":"pg-prod"}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-121","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → medium missing-owner on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Name an owner for the system in the inventory that the `system` records come from.
//! 2. Where one entitlement has another owner, name that on the entitlement.
//! 3. Until then, close the catalogue item for new requests.
//!
//! ## Settings
//! No threshold applies. Severity: medium; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.missing-owner]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "missing-owner",
    title: "Nobody owns what was granted",
    severity: Severity::Medium,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: have an owner named for the system or the entitlement before more requests are taken.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("missing_owner.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some()
        && case.held.entitlement.and_then(|e| case.world().rights.get(&e)?.owner).is_none()
        && !case.world().system_owners.contains_key(&case.held.system)
}

fn tell(case: &Case<'_>) -> Telling {
    let (entitlement, system, account) = (case.entitlement(), case.system(), case.account());
    let message = format!("Neither {entitlement} nor {system}, on which {account} holds it, has an owner.");
    Telling::new(message).because("no owner is recorded for the entitlement or the system".into())
}
