//! # unused-grant
//!
//! Access has not been used for a long time.
//!
//! ## What it does
//! Fires on a grant of mode `active`, in every standing but `birthright`, when its use is tracked, nothing
//! was used within `unused_after`, and both the tracking and the grant (where `granted_at` is known) are at
//! least that old. For an entitlement with `risk: high` the period is `unused_after_high_risk`.
//!
//! Use is the latest `last_used_at` of the grant and of matching `usage` records; tracking since a date
//! without any use means not used since. If neither is known, the check is silent.
//!
//! ## Why it matters
//! What is not used is not missed when it is taken away. Until then a stolen credential finds it working.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for monitoring use and removing what is not needed.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"ReadOnlyAccess","granted_at":"2025-09-01T09:00:00Z","last_used_at":"2025-12-01T10:00:00Z","usage_tracked_since":"2025-09-01T00:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-130","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"ReadOnlyAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2025-08-31T12:00:00Z"}]}
//! ```
//! → medium unused-grant on aws-prod/alice/ReadOnlyAccess
//!
//! ## How to clear it
//! 1. Ask the holder whether the access is still needed.
//! 2. If it is not, remove it with a revoke request.
//! 3. If it is needed rarely, make it `eligible`, or accept the finding with an end and a reason.
//!
//! ## Settings
//! `unused_after` (default `P90D`); `unused_after_high_risk` (default `P30D`) for entitlements with
//! `risk: high`. Severity: medium; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! unused_after = "P90D"
//! unused_after_high_risk = "P30D"
//! [checks.unused-grant]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::at;
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "unused-grant",
    title: "Access not used for a long time",
    severity: Severity::Medium,
    primary: Role::SystemOwner,
    remediation: "System owner: ask whether it is needed, and remove it if not.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("unused_grant.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    let from = case.moment.unused_from(case.grant, case.held, &case.facts.usage);
    case.needs_approval() && from.is_some_and(|from| from <= case.now())
}

fn tell(case: &Case<'_>) -> Telling {
    let usage = case.facts.usage;
    let since = at(usage.last.or(usage.tracked_since));
    let seen = usage.attribution.map(|a| format!(" (use seen per {})", a.as_str())).unwrap_or_default();
    let (account, right) = (case.account(), case.right());
    let old = case.moment.unused_after(case.held);
    let fact = match usage.last {
        Some(last) => format!("last used {last}, more than {old} ago{seen}"),
        None => format!("not used since use is tracked, {since}{seen}"),
    };
    Telling::new(format!("{account} has not used {right} since {since}{seen}.")).because(fact)
}
