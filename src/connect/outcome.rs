//! What one result of a map means to the pull.
//!
//! Beside records a map may make, none of which is handed on:
//!
//! - `{"type":"incomplete","reason":…}`: the pull is not complete, and why. With `"unless":KEY` it holds only if no row of
//!   any file makes `{"type":"seen","key":KEY}` (a page says that another follows, and that one may be in the next
//!   file).
//! - `{"type":"covers","systems":[…],"types":[…]}`: what the export speaks of, though no record of it may be there.
//! - `{"type":"part",…}`: see [`merge`](super::merge).
//! - `{"type":"includes",…}`: whoever holds the one also holds the other; see [`inherit`](super::inherit).

use super::inherit;
use super::record::{self, Stamp};
use serde_json::{Map, Value};

/// One result of a map, understood.
pub(super) enum Outcome {
    /// A record, whole and valid, and its line.
    Record(Map<String, Value>, String),
    /// A part of a record.
    Part(Map<String, Value>),
    /// What includes what, well formed.
    Edge(Map<String, Value>),
    /// The pull is not complete.
    Reason(String),
    /// The pull is not complete unless something of this key is seen.
    Proviso(String, String),
    /// Something of this key was seen.
    Seen(String),
    /// The export speaks of this system.
    Covers(String),
    /// The export vouches for this record type.
    Provides(String),
}

/// Where the row of a result is, for what every record carries.
pub(super) struct RowStamp<'a> {
    /// What every record of the pull carries.
    pub stamp: &'a Stamp,
    /// SHA-256 of the row.
    pub digest: &'a str,
    /// What to call a record that has no id of its own.
    pub fallback: &'a str,
    /// Rows go through a map; otherwise they are records as they stand.
    pub maps: bool,
}

impl Outcome {
    /// Understands one result and adds what it means to `found`.
    ///
    /// # Errors
    /// What is wrong with it; then nothing of its row may be handed on.
    pub fn read(
        mut result: Map<String, Value>,
        row: &RowStamp<'_>,
        found: &mut Vec<Self>,
    ) -> Result<(), String> {
        let text = |key: &str| result.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = text("type").unwrap_or_default();
        match kind.as_str() {
            "incomplete" => {
                let reason = text("reason").unwrap_or_else(|| "said by the export".to_owned());
                found.push(match text("unless") {
                    Some(key) => Self::Proviso(reason, key),
                    None => Self::Reason(reason),
                });
            }
            "seen" => found.push(Self::Seen(text("key").ok_or("the map made a `seen` without a `key`")?)),
            "covers" => {
                found.extend(texts(&result, "systems").map(|name| Self::Covers(name.to_owned())));
                for name in texts(&result, "types") {
                    if !record::is_type(name) {
                        return Err(format!("the map says it covers `{name}`, which is no record type"));
                    }
                    found.push(Self::Provides(name.to_owned()));
                }
            }
            "part" => found.push(Self::Part(result)),
            "includes" => {
                inherit::check(&result)?;
                found.push(Self::Edge(result));
            }
            "snapshot" if row.maps => {
                return Err("the map made a `snapshot`: the pull writes that itself".to_owned());
            }
            _ => {
                if kind != "snapshot" {
                    row.stamp.complete(&mut result, row.digest, row.fallback);
                }
                let line = record::line(&result);
                record::validate(&line).map_err(|message| format!("{kind} record: {message}"))?;
                found.push(Self::Record(result, line));
            }
        }
        Ok(())
    }
}

/// The texts of a list.
fn texts<'r>(record: &'r Map<String, Value>, field: &str) -> impl Iterator<Item = &'r str> {
    record.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
