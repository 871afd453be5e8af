//! Checks A: authority, from the standing.

use serde_json::Value;

use super::estate::{Estate, decided_at, end, state};
use super::standing::{Stand, base};
use super::values::{flag, norm, text, time};

/// The checks of group A that fire for this grant.
pub fn checks(estate: &Estate, grant: &Value, stand: &Stand) -> Vec<&'static str> {
    let now = estate.now;
    let mut fired = Vec::new();
    match stand.name {
        // "standing unapproved", "standing denied", "standing exceeded"
        "unapproved" => fired.push("unapproved-grant"),
        "denied" => fired.push("denied-grant"),
        "exceeded" => fired.push("scope-exceeded"),
        // "standing pending"; a pending emergency past its time is said "in place of pending-grant".
        "pending" => {
            if pending_emergency(estate, grant, stand).is_none() {
                fired.push("pending-grant");
            }
        }
        // "standing expired and now ≥ end + expiry_grace"
        "expired" => {
            if now >= end(stand.controlling.unwrap()).unwrap() + estate.threshold("expiry_grace") {
                fired.push("approval-expired");
            }
        }
        "revoked" => {
            let revoked = stand.revoked_at.unwrap();
            let granted = time(grant, "granted_at");
            // "**observed(g)**: g.observed_at, else `now`."
            let observed = time(grant, "observed_at").unwrap_or(now);
            // "the revocation is a completed request or a certification, granted_at not after it, and
            // observed(g) ≥ revoked_at + revocation_lag"
            if stand.carried_out
                && granted.is_none_or(|granted| granted <= revoked)
                && observed >= revoked + estate.threshold("revocation_lag")
            {
                fired.push("revocation-failed");
            }
            // "standing revoked by a request not completed, and now ≥ decided_at + revocation_sla"
            if let Some(request) = stand.controlling
                && time(request, "completed_at").is_none()
                && now >= decided_at(request).unwrap() + estate.threshold("revocation_sla")
            {
                fired.push("revocation-overdue");
            }
            // "standing revoked and granted_at > revoked_at"
            if granted.is_some_and(|granted| granted > revoked) {
                fired.push("access-resurrected");
            }
        }
        _ => {}
    }
    // "g.ticket is set and no request with that id covers g (not when standing is unknown)"
    if let Some(ticket) = text(grant, "ticket")
        && stand.name != "unknown"
        && !estate.requests.iter().any(|request| {
            norm(text(request, "id").unwrap()) == norm(ticket) && estate.covers(request, grant)
        })
    {
        fired.push("cited-ticket-invalid");
    }
    fired
}

/// "Also fires for a pending emergency past that time, in place of pending-grant"
pub fn pending_emergency(estate: &Estate, grant: &Value, stand: &Stand) -> Option<&'static str> {
    let request = stand.controlling.filter(|_| stand.name == "pending")?;
    let past = base(grant, request)? + estate.threshold("emergency_ratify_within") <= estate.now;
    (flag(request, "emergency") && state(request) == "pending" && past).then_some("emergency-not-ratified")
}
