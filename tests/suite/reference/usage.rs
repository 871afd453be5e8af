//! Checks C: use and life cycle.

use serde_json::Value;

use super::estate::{Estate, end, is_gone, kind};
use super::names::{Key, same};
use super::standing::Stand;
use super::values::{norm, text, time};

/// "Use: a grant's own `last_used_at`/`usage_tracked_since` and matching `usage` records merge: the latest
/// `last_used_at`, the earliest `tracked_since`."
pub fn use_of(estate: &Estate, grant: &Value) -> (Option<i64>, Option<i64>) {
    let right = estate.grant_right(grant);
    let mut last = time(grant, "last_used_at");
    let mut tracked = time(grant, "usage_tracked_since");
    for usage in &estate.usages {
        let system = estate.system(text(usage, "system").unwrap());
        // "A `usage` without `entitlement` speaks of the account on that system."
        let matches = same(&system, &right.system)
            && norm(text(usage, "account").unwrap()) == norm(text(grant, "account").unwrap())
            && text(usage, "entitlement")
                .is_none_or(|name| same(&estate.right(&system, name).entitlement, &right.entitlement));
        if matches {
            last = last.max(time(usage, "last_used_at"));
            tracked = match (tracked, time(usage, "tracked_since")) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }
    (last, tracked)
}

/// The checks of group C that fire. "(every standing; for birthright only the last four)"
pub fn checks(estate: &Estate, grant: &Value, stand: &Stand) -> Vec<&'static str> {
    let now = estate.now;
    let birthright = stand.name == "birthright";
    let (last_used, tracked_since) = use_of(estate, grant);
    let risk = estate.entitlement_record(&estate.grant_right(grant)).and_then(|one| text(one, "risk"));
    // "mode `active`|`eligible` (default `active`)"
    let active = text(grant, "mode").unwrap_or("active") == "active";
    let subject = estate.subject(grant);
    let identity = estate.identity_record(&subject);
    let mut fired = Vec::new();

    // "standing expired and last_used_at > end + expiry_grace, or standing revoked and last_used_at > revoked_at +
    // revocation_lag"
    let limit = match stand.name {
        "expired" => stand.controlling.and_then(end).map(|end| end + estate.threshold("expiry_grace")),
        "revoked" => stand.revoked_at.map(|at| at + estate.threshold("revocation_lag")),
        _ => None,
    };
    if !birthright && limit.is_some_and(|limit| last_used.is_some_and(|used| used > limit)) {
        fired.push("used-after-end");
    }

    // "mode active, use is tracked, nothing used within unused_after (unused_after_high_risk for risk high),
    // tracking and the grant (where granted_at is known) are both at least that old". Where only a last use is
    // known, tracking is at least as old as that use.
    let patience =
        estate.threshold(if risk == Some("high") { "unused_after_high_risk" } else { "unused_after" });
    let is_old = |at: i64| at + patience <= now;
    if !birthright
        && active
        && let Some(tracked) = tracked_since.or(last_used)
        && last_used.is_none_or(is_old)
        && is_old(tracked)
        && time(grant, "granted_at").is_none_or(is_old)
    {
        fired.push("unused-grant");
    }

    // "mode active, entitlement risk high and use not known"; "neither field means *not known*"
    if active && risk == Some("high") && last_used.is_none() && tracked_since.is_none() {
        fired.push("usage-unknown");
    }

    // "subject disabled or departed, status_since not known or status_since + leaver_grace ≤ now"
    if identity.is_some_and(|one| {
        is_gone(one)
            && time(one, "status_since").is_none_or(|since| since + estate.threshold("leaver_grace") <= now)
    }) {
        fired.push("departed-identity");
    }

    // "there are identity records and the account resolves to none"
    if !estate.identities.is_empty() && !matches!(subject, Key::Id(_)) {
        fired.push("orphan-account");
    }

    // "subject is a service or agent with no owner, or whose owner is disabled or departed"
    if identity.is_some_and(|one| {
        kind(one) != "human"
            && text(one, "owner")
                .is_none_or(|owner| estate.identity_record(&estate.person(owner)).is_some_and(is_gone))
    }) {
        fired.push("ownerless-identity");
    }
    fired
}
