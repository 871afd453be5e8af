//! The standing of a grant: exactly one, the first that holds, and the request that gave it.

use serde_json::Value;

use super::estate::{
    Estate, Right, asks_to, decided_at, end, in_force, kind, same_right, scope_covers, start, state,
};
use super::names::{Key, same};
use super::values::{flag, list, norm, text, texts, time};

/// What was found about one grant.
pub struct Stand<'a> {
    pub name: &'static str,
    pub controlling: Option<&'a Value>,
    /// "revoked_at(g)"
    pub revoked_at: Option<i64>,
    /// "the revocation is a completed request or a certification"
    pub carried_out: bool,
}

/// One thing that revoked a grant: when, and by which request (none for a certification).
struct Revocation<'a> {
    at: i64,
    request: Option<&'a Value>,
}

/// "Verdict: `justified` for birthright, approved, emergency; `unknown` for unknown; `unjustified` for the rest."
pub fn verdict(standing: &str) -> &'static str {
    match standing {
        "birthright" | "approved" | "emergency" => "justified",
        "unknown" => "unknown",
        _ => "unjustified",
    }
}

/// "Standing: exactly one per grant, the first that holds"
pub fn of<'a>(estate: &Estate<'a>, grant: &Value) -> Stand<'a> {
    let now = estate.now;
    let revocations = revocations(estate, grant);
    let revoked_at = revocations.iter().map(|revocation| revocation.at).max();
    let stand = |name, controlling| Stand { name, controlling, revoked_at, carried_out: false };

    if is_birthright(estate, grant) {
        return stand("birthright", None);
    }

    // Requests that ask for access and cover g.
    let covering: Vec<&Value> = estate
        .requests
        .iter()
        .copied()
        .filter(|request| asks_to(request, "grant") && estate.covers(request, grant))
        .collect();
    // "an approved grant request that covers g (decided after revoked_at, where that is known)"; "A request whose
    // decided_at is not known was not decided after anything."
    let approved: Vec<&Value> = covering
        .iter()
        .copied()
        .filter(|request| state(request) == "approved")
        .filter(|request| match revoked_at {
            Some(revoked) => decided_at(request).is_some_and(|decided| decided > revoked),
            None => true,
        })
        .collect();

    // "revoked_at(g) is known and no approved grant request covering g was decided after it"
    if let Some(revoked) = revoked_at
        && approved.is_empty()
    {
        let last: Vec<&Revocation> = revocations.iter().filter(|one| one.at == revoked).collect();
        let carried_out =
            last.iter().any(|one| one.request.is_none_or(|request| time(request, "completed_at").is_some()));
        let controlling = controlling(last.iter().filter_map(|one| one.request));
        return Stand { name: "revoked", controlling, revoked_at, carried_out };
    }

    // "… is in force at now"
    let current = approved.iter().copied().filter(|request| in_force(request, now));
    if let Some(request) = controlling(current) {
        return stand("approved", Some(request));
    }

    // "a covering request has emergency = true, is pending, and now < base + emergency_ratify_within"
    let within = estate.threshold("emergency_ratify_within");
    let emergency = covering.iter().copied().filter(|request| {
        flag(request, "emergency")
            && state(request) == "pending"
            && base(grant, request).is_some_and(|base| now < base + within)
    });
    if let Some(request) = controlling(emergency) {
        return stand("emergency", Some(request));
    }

    // "such an approved request exists, and its end ≤ now"
    let over = approved.iter().copied().filter(|request| end(request).is_some_and(|end| end <= now));
    if let Some(request) = controlling(over) {
        return stand("expired", Some(request));
    }

    // "a covering request is pending, or approved but not yet started"
    let waiting = covering.iter().copied().filter(|request| {
        state(request) == "pending"
            || (state(request) == "approved" && start(request).is_some_and(|start| start > now))
    });
    if let Some(request) = controlling(waiting) {
        return stand("pending", Some(request));
    }

    // "a covering request was rejected or cancelled"
    let refused =
        covering.iter().copied().filter(|request| matches!(state(request), "rejected" | "cancelled"));
    if let Some(request) = controlling(refused) {
        return stand("denied", Some(request));
    }

    let nearby = estate.requests.iter().copied().filter(|request| is_exceeded(estate, request, grant));
    if let Some(request) = controlling(nearby) {
        return stand("exceeded", Some(request));
    }

    // "none of the above, and some source that provides `request` is incomplete or stale"
    if estate.snapshots.iter().any(|s| texts(s, "provides").contains(&"request") && is_doubtful(estate, s)) {
        return stand("unknown", None);
    }
    stand("unapproved", None)
}

/// "base = granted_at else requested_at"
pub fn base(grant: &Value, request: &Value) -> Option<i64> {
    time(grant, "granted_at").or(time(request, "requested_at"))
}

/// "a snapshot is not complete, or taken_at + source_max_age ≤ now"
pub fn is_doubtful(estate: &Estate, snapshot: &Value) -> bool {
    !flag(snapshot, "complete")
        || time(snapshot, "taken_at").unwrap() + estate.threshold("source_max_age") <= estate.now
}

/// "of several, the latest decided_at (not known is earliest), then the greatest id"; between sources with the
/// same id, the greatest source.
fn controlling<'a>(several: impl Iterator<Item = &'a Value>) -> Option<&'a Value> {
    several.max_by_key(|request| (decided_at(request), text(request, "id"), text(request, "source")))
}

/// "a configured birthright rule names (system, entitlement) for this kind of identity"
fn is_birthright(estate: &Estate, grant: &Value) -> bool {
    let wanted = estate.grant_right(grant);
    let subject_kind = estate.identity_record(&estate.subject(grant)).map(kind);
    list(estate.config, "birthright").into_iter().any(|rule| {
        let kinds = texts(rule, "identity_kinds");
        same_right(&estate.item_right(rule), &wanted)
            && (kinds.is_empty() || subject_kind.is_some_and(|kind| kinds.contains(&kind)))
    })
}

/// "**revoked_at(g)**: the latest, over approved `revoke` requests that cover g, of completed_at else decided_at
/// (neither known: passed over); and over certifications of g with decision `revoked`, of decided_at."
fn revocations<'a>(estate: &Estate<'a>, grant: &Value) -> Vec<Revocation<'a>> {
    let mut found = Vec::new();
    for &request in &estate.requests {
        if state(request) == "approved" && asks_to(request, "revoke") && estate.covers(request, grant) {
            if let Some(at) = time(request, "completed_at").or(decided_at(request)) {
                found.push(Revocation { at, request: Some(request) });
            }
        }
    }
    for &certification in &estate.certifications {
        if text(certification, "decision") == Some("revoked") && is_of(estate, certification, grant) {
            found.push(Revocation { at: time(certification, "decided_at").unwrap(), request: None });
        }
    }
    found
}

/// "A certification is of g when system and account (by `norm`) agree, and entitlement and scope where it names
/// them."
pub fn is_of(estate: &Estate, certification: &Value, grant: &Value) -> bool {
    let right = estate.grant_right(grant);
    let system = estate.system(text(certification, "system").unwrap());
    same(&system, &right.system)
        && norm(text(certification, "account").unwrap()) == norm(text(grant, "account").unwrap())
        && text(certification, "entitlement")
            .is_none_or(|name| same(&estate.right(&system, name).entitlement, &right.entitlement))
        && text(certification, "scope").is_none_or(|scope| Some(scope) == text(grant, "scope"))
}

/// "an approved request in force for the same subject and system names the same entitlement with a scope that does
/// not cover g's, or an entitlement that lies in closure(g.entitlement)"
fn is_exceeded(estate: &Estate, request: &Value, grant: &Value) -> bool {
    let held: Right = estate.grant_right(grant);
    let subject: Key = estate.subject(grant);
    state(request) == "approved"
        && asks_to(request, "grant")
        && in_force(request, estate.now)
        && estate.is_beneficiary(request, &subject)
        && list(request, "access").into_iter().any(|item| {
            let named = estate.item_right(item);
            same(&named.system, &held.system)
                && ((same_right(&named, &held) && !scope_covers(text(item, "scope"), text(grant, "scope")))
                    || estate.closure_holds(&held, &named))
        })
}
