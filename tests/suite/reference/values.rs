//! Plain readings of the record format's conventions: known fields, instants, durations, `norm`, duplicates.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
/// "Days are 24 h."
pub const DAY: i64 = 24 * HOUR;

/// "`null` and an absent field mean the same: not known."
pub fn field<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    record.get(name).filter(|value| !value.is_null())
}

pub fn text<'a>(record: &'a Value, name: &str) -> Option<&'a str> {
    field(record, name).and_then(Value::as_str)
}

pub fn list<'a>(record: &'a Value, name: &str) -> Vec<&'a Value> {
    field(record, name).and_then(Value::as_array).map(|items| items.iter().collect()).unwrap_or_default()
}

pub fn texts<'a>(record: &'a Value, name: &str) -> Vec<&'a str> {
    list(record, name).into_iter().filter_map(Value::as_str).collect()
}

pub fn flag(record: &Value, name: &str) -> bool {
    field(record, name).and_then(Value::as_bool).unwrap_or(false)
}

pub fn time(record: &Value, name: &str) -> Option<i64> {
    text(record, name).map(instant)
}

pub fn span(record: &Value, name: &str) -> Option<i64> {
    text(record, name).map(duration)
}

/// "Times: RFC 3339 with an offset, compared as instants with millisecond precision."
pub fn instant(written: &str) -> i64 {
    let at: jiff::Timestamp = written.parse().unwrap_or_else(|e| panic!("time `{written}`: {e}"));
    at.as_nanosecond().div_euclid(1_000_000) as i64
}

pub fn written(instant: i64) -> String {
    jiff::Timestamp::from_millisecond(instant).unwrap().to_string()
}

/// "Durations: ISO 8601 (`P90D`, `P2W`, `PT8H`). Days are 24 h."
pub fn duration(written: &str) -> i64 {
    let span: jiff::Span = written.parse().unwrap_or_else(|e| panic!("duration `{written}`: {e}"));
    assert!(span.get_years() == 0 && span.get_months() == 0, "not a fixed length: {written}");
    i64::from(span.get_weeks()) * 7 * DAY
        + i64::from(span.get_days()) * DAY
        + i64::from(span.get_hours()) * HOUR
        + span.get_minutes() * MINUTE
        + span.get_seconds() * SECOND
        + span.get_milliseconds()
}

/// "`norm(s)`: Unicode NFC, trimmed, full lower case", in that order.
pub fn norm(name: &str) -> String {
    let composed: String = name.nfc().collect();
    composed.trim().to_lowercase()
}

/// RFC 8785 text of the known fields: keys sorted by UTF-16, no space, nulls left out at every depth.
pub fn known_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut known: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            known.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<u16>>());
            let parts: Vec<String> = known
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), known_text(value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(known_text).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

/// "Keys: identity.id; system.id; workflow.id; (entitlement.system, id); policy.id; (request.source, id);
/// (grant.system, account, entitlement, scope, path); the others are whole-record."
fn key_of(record: &Value) -> String {
    let kind = text(record, "type").unwrap();
    let names: &[&str] = match kind {
        "identity" | "system" | "workflow" | "policy" => &["id"],
        "entitlement" => &["system", "id"],
        "request" => &["source", "id"],
        "grant" => &["system", "account", "entitlement", "scope", "path"],
        _ => return format!("{kind} {}", known_text(record)),
    };
    let parts: Vec<String> = names
        .iter()
        .map(|name| match field(record, name) {
            // A path that is not known and an empty one are the same path: no step.
            Some(Value::Array(steps)) if steps.is_empty() => "-".to_string(),
            Some(value) => known_text(value),
            None => "-".to_string(),
        })
        .collect();
    format!("{kind} {}", parts.join(" "))
}

/// "of two records with the same key the one with the later `observed_at` stands (not known is earliest; of
/// equals, the one whose known fields, as RFC 8785 text, sort last: never the order of arrival)"
pub fn stands_over(one: &Value, other: &Value) -> bool {
    let rank = |record: &Value| (time(record, "observed_at"), known_text(record));
    rank(one) > rank(other)
}

/// The records left after the duplicates rule, in the order of their first sight.
pub fn without_duplicates(records: &[Value]) -> Vec<Value> {
    let mut kept: Vec<(String, &Value)> = Vec::new();
    for record in records {
        let key = key_of(record);
        match kept.iter_mut().find(|(seen, _)| *seen == key) {
            Some((_, standing)) => {
                if stands_over(record, standing) {
                    *standing = record;
                }
            }
            None => kept.push((key, record)),
        }
    }
    kept.into_iter().map(|(_, record)| record.clone()).collect()
}
