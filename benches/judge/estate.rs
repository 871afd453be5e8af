//! A made-up estate of any size, the same every time: a tenth as many people as grants, a request for nearly nine
//! grants in ten, and some of everything that goes wrong.

use std::io::{self, Write};

use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
/// 2026-06-01T00:00:00Z, in milliseconds since 1970.
const NOW: i64 = 1_780_272_000_000;
const SYSTEMS: u64 = 200;
const RIGHTS: u64 = 50;

/// A number that depends on nothing but where it is asked for (SplitMix64).
fn mix(row: u64, purpose: u64) -> u64 {
    let mut z =
        row.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(purpose.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether something happens to `percent` of the rows.
fn often(row: u64, purpose: u64, percent: u64) -> bool {
    mix(row, purpose) % 100 < percent
}

/// Some days before now, with milliseconds, as records write it.
fn ago(ms: i64) -> String {
    counterfoil::model::Instant::from_unix_ms(NOW - ms).to_string()
}

fn person(number: u64) -> String {
    format!("person{number}@corp.example")
}

/// Writes an estate of so many grants as JSON lines. Returns the number of records.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(grants: u64, out: &mut dyn Write) -> io::Result<u64> {
    let mut records = 0;
    let mut put = |record: Value| {
        records += 1;
        writeln!(out, "{record}")
    };
    let people = (grants / 10).max(10);
    for i in 0..people {
        let kind = ["human", "human", "human", "human", "service", "human", "human", "agent"];
        let kind = kind.get((mix(i, 1) % 8) as usize).copied().unwrap_or("human");
        let manager = person(mix(i, 2) % (people / 20 + 1));
        let departed = often(i, 3, 3);
        put(json!({
            "type": "identity", "id": person(i), "kind": kind, "aliases": [format!("emp{i}")],
            "status": if departed { "departed" } else { "active" },
            "status_since": departed.then(|| ago(DAY * (mix(i, 4) % 100) as i64)),
            "manager": manager, "owner": (kind != "human" && often(i, 5, 95)).then(|| person(mix(i, 2) % 20)),
            "groups": [format!("team-{}", i % 500)],
        }))?;
    }
    for s in 0..SYSTEMS {
        put(json!({ "type": "system", "id": format!("sys-{s}"), "owner": person(mix(s, 6) % people) }))?;
        for e in 0..RIGHTS {
            let risk = if e < 4 {
                "high"
            } else if e > 40 {
                "low"
            } else {
                "normal"
            };
            let includes = if e == 0 {
                json!([{ "entitlement": "role-1" }, { "entitlement": "role-2" }])
            } else {
                json!([])
            };
            put(json!({
                "type": "entitlement", "system": format!("sys-{s}"), "id": format!("role-{e}"), "risk": risk,
                "includes": includes,
            }))?;
        }
    }
    for w in 0..20 {
        put(json!({ "type": "workflow", "id": format!("WF-{w}"), "owner": person(w) }))?;
    }
    for p in 0..40_u64 {
        put(json!({
            "type": "policy", "id": format!("POL-{p}"), "approvers": ["manager", "system_owner", "group:team-7"],
            "max_ttl": (p % 3 == 0).then_some("P180D"), "review_every": (p % 2 == 0).then_some("P365D"),
        }))?;
    }
    for i in 0..grants {
        let holder = mix(i, 7) % people;
        let (system, right) =
            (format!("sys-{}", mix(i, 8) % SYSTEMS), format!("role-{}", mix(i, 9) % RIGHTS));
        let scope = often(i, 10, 30).then(|| format!("proj-{}", mix(i, 11) % 20));
        let held = (mix(i, 12) % (700 * DAY as u64)) as i64;
        put(json!({
            "type": "grant", "system": system, "entitlement": right, "scope": scope,
            "account": if often(i, 13, 50) { format!("emp{holder}") } else { person(holder) },
            "granted_at": ago(held), "expires_at": often(i, 14, 30).then(|| ago(held - 400 * DAY)),
            "last_used_at": often(i, 15, 60).then(|| ago(held.min((mix(i, 16) % (300 * DAY as u64)) as i64))),
            "usage_tracked_since": ago(400 * DAY), "ticket": often(i, 17, 10).then(|| format!("REQ-{i}")),
        }))?;
        let requested = |id: String, intent: &str, decided: i64| {
            json!({
                "type": "request", "source": "jira", "id": id, "intent": intent,
                "state": if often(i, 18, 94) { "approved" } else { "rejected" },
                "requester": person(holder), "beneficiaries": [person(holder)],
                "access": [{ "system": system, "entitlement": right, "scope": scope }],
                "approvals": [{
                    "approver": if often(i, 19, 3) { person(holder) } else { person(mix(holder, 2) % (people / 20 + 1)) },
                    "decision": "approved", "decided_at": ago(decided),
                }],
                "requested_at": ago(held + 3 * DAY), "justification": often(i, 20, 97).then_some("needed for work"),
                "policy": often(i, 21, 90).then(|| format!("POL-{}", mix(i, 22) % 42)),
                "expires_at": often(i, 23, 40).then(|| ago(held - (mix(i, 24) % (900 * DAY as u64)) as i64)),
                "review_by": often(i, 25, 60).then(|| ago(held - 500 * DAY)),
                "workflow": format!("WF-{}", i % 20),
            })
        };
        if often(i, 26, 88) {
            put(requested(format!("REQ-{i}"), "grant", held + DAY))?;
        }
        if often(i, 27, 2) {
            let mut revoke = requested(format!("REV-{i}"), "revoke", held / 3);
            if let Some(fields) = revoke.as_object_mut() {
                fields.insert("completed_at".to_owned(), json!(ago(held / 4)));
            }
            put(revoke)?;
        }
    }
    Ok(records)
}
