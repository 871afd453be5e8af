//! # orphan-account
//!
//! An account holds access and belongs to nobody.
//!
//! ## What it does
//! Fires on a grant whose account resolves to no identity, while there are identity records at all. It
//! looks at every standing, birthright too.
//!
//! An account resolves through the `accounts` of an identity (system and account, exactly or by normal
//! form), else as an identity's id or alias. A name that two identities claim is ambiguous and resolves to
//! neither.
//!
//! Without any identity record the check is silent: with no directory every account would be an orphan.
//!
//! ## Why it matters
//! Nobody answers for what the account does, and nobody will notice when it is misused.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for knowing who holds access.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"svc-legacy","entitlement":"ReadOnlyAccess","granted_at":"2024-02-01T09:00:00Z"}
//! ```
//! → high orphan-account on aws-prod/svc-legacy/ReadOnlyAccess
//!
//! ## How to clear it
//! 1. Find whom the account belongs to: naming, tags, the audit log, the team that runs the system.
//! 2. Link it in the directory (`accounts` or an alias). For a service or an agent, add an identity with an
//!    owner.
//! 3. If nobody claims it, disable the account, wait, and delete it.
//!
//! ## Settings
//! No threshold applies. Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.orphan-account]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "orphan-account",
    title: "Account that belongs to nobody",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "System owner: find whom it belongs to and have it linked, or disable the account.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("orphan_account.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    let estate = &case.world().estate;
    (estate.identities_elsewhere || !estate.identities.is_empty()) && case.identity().is_none()
}

fn tell(case: &Case<'_>) -> Telling {
    let message = format!("{} holds {} and belongs to no known identity.", case.account(), case.right());
    Telling::new(message).because(if case.subject().is_ambiguous() {
        "the name belongs to more than one identity".into()
    } else {
        "no identity has this id, alias or account".into()
    })
}
