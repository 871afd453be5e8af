//! The last steps of a record before it leaves: what every record carries, and that it is one.

use crate::model::{RecordType, parse_line, strict};
use serde_json::{Map, Value, json};

/// Is this the name of a record type?
#[must_use]
pub fn is_type(name: &str) -> bool {
    RecordType::ALL.into_iter().any(|known| known.as_str() == name)
}

/// Is this line a record of `spec/records.md`?
///
/// # Errors
/// What is wrong with it, naming the field.
pub fn validate(line: &str) -> Result<(), String> {
    parse_line(line.as_bytes()).map(drop).map_err(|bad| bad.to_string())
}

/// The RFC 8785 text of a value: what is hashed as the evidence of a row.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&strict::canonical_number(number)),
        Value::String(text) => strict::write_canonical_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            let mut pairs: Vec<_> = object.iter().collect();
            pairs.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                strict::write_canonical_text(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// What every record of one pull gets.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Id of the source.
    pub source: String,
    /// When the export was taken, RFC 3339.
    pub taken_at: String,
}

/// Keys in front, in the order a reader looks for them; the others follow in their own order.
const FRONT: [&str; 7] = ["type", "source", "id", "system", "account", "entitlement", "state"];

impl Stamp {
    /// Adds what is absent: `source`, `observed_at` and `evidence`.
    pub fn complete(&self, record: &mut Map<String, Value>, digest: &str, fallback_id: &str) {
        let absent = |record: &Map<String, Value>, key: &str| record.get(key).is_none_or(Value::is_null);
        if absent(record, "source") {
            record.insert("source".into(), Value::String(self.source.clone()));
        }
        if absent(record, "observed_at") {
            record.insert("observed_at".into(), Value::String(self.taken_at.clone()));
        }
        if absent(record, "evidence") {
            let id = ["native_id", "id"].iter().find_map(|key| record.get(*key).and_then(Value::as_str));
            let evidence = json!({
                "source": self.source,
                "id": id.unwrap_or(fallback_id),
                "sha256": digest,
                "collected_at": self.taken_at,
            });
            record.insert("evidence".into(), evidence);
        }
    }

    /// The end mark of the pull.
    #[must_use]
    pub fn snapshot(
        &self,
        provides: &[String],
        systems: &[String],
        count: u64,
        reasons: &[String],
    ) -> Map<String, Value> {
        let mut record = Map::new();
        record.insert("type".into(), json!("snapshot"));
        record.insert("source".into(), json!(self.source));
        record.insert("taken_at".into(), json!(self.taken_at));
        record.insert("complete".into(), json!(reasons.is_empty()));
        record.insert("provides".into(), json!(provides));
        record.insert("systems".into(), json!(systems));
        record.insert("count".into(), json!(count));
        if !reasons.is_empty() {
            record.insert("reason".into(), json!(reasons.join("; ")));
        }
        record
    }
}

/// A record as one line: the keys that say what it is in front, null left out.
#[must_use]
pub fn line(record: &Map<String, Value>) -> String {
    let front = FRONT.iter().filter_map(|key| record.get_key_value(*key));
    let rest = record.iter().filter(|(key, _)| !FRONT.contains(&key.as_str()));
    let mut out = String::from("{");
    for (key, value) in front.chain(rest).filter(|(_, value)| !value.is_null()) {
        if out.len() > 1 {
            out.push(',');
        }
        strict::write_canonical_text(key, &mut out);
        out.push(':');
        match value {
            Value::String(text) => strict::write_canonical_text(text, &mut out),
            other => out.push_str(&other.to_string()),
        }
    }
    out.push('}');
    out
}
