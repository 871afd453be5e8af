//! # used-after-end
//!
//! Access was used after it should have been gone.
//!
//! ## What it does
//! Fires when the last use of a grant is
//! - later than the end of the approval plus `expiry_grace`, with standing `expired`, or
//! - later than the revocation plus `revocation_lag`, with standing `revoked`.
//!
//! The last use is the latest `last_used_at` of the grant and of the `usage` records that match it. The
//! finding says how the use was attributed: use seen on the account does not show that this grant was used.
//! An attempt counts as use.
//!
//! ## Why it matters
//! Lingering access is a risk; its use is an event, by the holder or by somebody else.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for monitoring use and revoking in time.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-02T09:00:00Z","last_used_at":"2026-05-28T10:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-129","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"expires_at":"2026-05-20T00:00:00Z"}
//! ```
//! → critical used-after-end on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Remove the grant.
//! 2. Ask the holder about the use, and read the audit log from the end on.
//! 3. If the holder did not do it, treat it as a security incident.
//! 4. If the work was legitimate, have the access approved anew.
//!
//! ## Settings
//! `expiry_grace` (default `PT15M`) after an end, `revocation_lag` (default `PT1H`) after a revocation: use
//! within them is forgiven. Severity: critical; `risk: low` lowers it a step.
//! ```toml
//! [checks]
//! expiry_grace = "PT15M"
//! revocation_lag = "PT1H"
//! [checks.used-after-end]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of critical
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::Instant;
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "used-after-end",
    title: "Used after it should have been gone",
    severity: Severity::Critical,
    primary: Role::SystemOwner,
    remediation: "System owner: remove the grant and clear up the use with its holder; unexplained use is an incident.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("used_after_end.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    ended(case).is_some_and(|(_, allowed)| case.facts.usage.last > Some(allowed))
}

/// When the access ended, and until when use is still put down to delay.
fn ended(case: &Case<'_>) -> Option<(Instant, Instant)> {
    let t = case.thresholds();
    match case.standing() {
        Standing::Expired => case.request?.1.end.map(|end| (end, end.plus(t.expiry_grace))),
        Standing::Revoked => case.facts.revoked_at.map(|end| (end, end.plus(t.revocation_lag))),
        _ => None,
    }
}

fn tell(case: &Case<'_>) -> Telling {
    let used = at(case.facts.usage.last);
    let ended = at(ended(case).map(|(end, _)| end));
    let seen =
        case.facts.usage.attribution.map(|a| format!(" (use seen per {})", a.as_str())).unwrap_or_default();
    let (account, right) = (case.account(), case.right());
    let message = format!("{account} used {right} on {used}{seen}, after it ended on {ended}.");
    Telling::new(message).because(format!("ended {ended}, last used {used}{seen}"))
}
