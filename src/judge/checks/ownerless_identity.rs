//! # ownerless-identity
//!
//! A service or an agent holds access and nobody answers for it.
//!
//! ## What it does
//! Fires on a grant whose subject is an identity of kind `service` or `agent` that has no `owner`, or whose
//! owner is `disabled` or `departed`. It looks at every standing, birthright too.
//!
//! A person needs no owner: a human subject never fires.
//!
//! ## Why it matters
//! A non-human identity cannot be asked and does not resign. Without a living owner nobody rotates its
//! secrets, reviews its access, or switches it off.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting only to identities that somebody answers for.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"svc-backup@corp.example","kind":"service","owner":"carol@corp.example"}
//! {"type":"identity","id":"carol@corp.example","aliases":["carol"],"status":"departed","status_since":"2026-05-01T00:00:00Z"}
//! {"type":"grant","system":"pg-prod","account":"svc-backup@corp.example","entitlement":"read","granted_at":"2026-03-02T09:00:00Z"}
//! ```
//! → high ownerless-identity on pg-prod/svc-backup@corp.example/read
//!
//! ## How to clear it
//! 1. Ask the team that runs the service, or the former owner's manager, who takes it over.
//! 2. Record the new owner in the directory.
//! 3. If nobody takes it, switch the service off and remove its access.
//!
//! ## Settings
//! No threshold applies. Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.ownerless-identity]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::is_gone;
use crate::judge::case::{Case, Telling};
use crate::judge::names::Key;
use crate::model::finding::{Role, Severity};
use crate::model::record::Kind;

pub(super) static CHECK: Check = Check {
    name: "ownerless-identity",
    title: "Service or agent without an owner",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "System owner: have an owner recorded who takes it over, or switch it off.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("ownerless_identity.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.identity().is_some_and(|(i, _)| i.kind != Kind::Human)
        && match owner(case) {
            None => true,
            Some(owner) => case.world().identity(owner).is_some_and(|(o, _)| is_gone(o)),
        }
}

fn owner(case: &Case<'_>) -> Option<Key> {
    case.identity().and_then(|(_, relations)| relations.owner)
}

fn tell(case: &Case<'_>) -> Telling {
    let why = match owner(case).map(|owner| (owner, case.world().identity(owner))) {
        Some((owner, Some((o, _)))) => {
            format!("is owned by {}, who is {}", case.person(owner), o.status.as_str())
        }
        _ => "has no owner".to_owned(),
    };
    let (subject, right) = (case.person(case.subject()), case.right());
    let message = format!("{subject}, a non-human identity that holds {right}, {why}.");
    Telling::new(message)
        .because(format!("{subject} {why}"))
        .resting_on(case.identity().map(|(i, _)| i.origin))
}
