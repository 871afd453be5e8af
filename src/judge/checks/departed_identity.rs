//! # departed-identity
//!
//! Somebody who is disabled or has left still holds access.
//!
//! ## What it does
//! Fires on a grant whose subject is `disabled` or `departed` when `status_since` is not known, or
//! `status_since` plus `leaver_grace` is at or before now. It looks at every standing, birthright too: an
//! approval does not outlive the person.
//!
//! It holds for services and agents as well.
//!
//! ## Why it matters
//! A leaver's access has no legitimate use left. It is the account a former colleague tries first, and the
//! one nobody notices an intruder using.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for revoking when people leave.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"],"status":"departed","status_since":"2026-05-25T17:00:00Z"}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-132","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → critical departed-identity on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Remove the grant, and close the account with its keys and sessions.
//! 2. Look at what was used since the person left.
//! 3. If the directory is wrong, correct the status there.
//! 4. Add the system to the leaver procedure, so that the next one is caught in time.
//!
//! ## Settings
//! `leaver_grace` (default `PT8H`): the time allowed from `status_since` to the removal of access.
//! Severity: critical; `risk: low` lowers it a step.
//! ```toml
//! [checks]
//! leaver_grace = "PT8H"
//! [checks.departed-identity]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of critical
//! ```

use super::{Check, Rule};
use crate::judge::case::is_gone;
use crate::judge::case::known;
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "departed-identity",
    title: "Access of somebody who has left",
    severity: Severity::Critical,
    primary: Role::SystemOwner,
    remediation: "System owner: remove the grant, close the account, and look at its use since then.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("departed_identity.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.identity().is_some_and(|(i, _)| {
        is_gone(i)
            && i.status_since.is_none_or(|since| since.plus(case.thresholds().leaver_grace) <= case.now())
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let (status, since) =
        case.identity().map_or(("gone", None), |(i, _)| (i.status.as_str(), i.status_since));
    let left = known(since, |t| format!(" since {t}"));
    let (subject, right, account) = (case.person(case.subject()), case.right(), case.account());
    let message = format!("{subject} is {status}{left} and still holds {right} as {account}.");
    Telling::new(message)
        .because(format!("{subject} is {status}{left}"))
        .resting_on(case.identity().map(|(i, _)| i.origin))
}
