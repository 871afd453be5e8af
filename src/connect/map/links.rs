//! What rows of one table say to rows of another, where a key leads from the one to the other.
//!
//! A map sees one row at a time, but an approval stands in a table of its own, points at its ticket by an internal id,
//! and names its approver by another. A connector that lists tables under `joins` has its map run twice over all
//! files. In the first run `$joined` is null, and of what the map emits only
//! `{"type":"join","table","key","value"}` is kept. In the second run `$joined` holds all of it, as
//! `$joined.TABLE[KEY]`: the array of the values of that key, in the order of the files and their rows. Now the
//! records count and links are passed over.
//!
//! All links are in memory, within [`MAX_LINK_BYTES`]: a map should link no more than it will look up.

use super::convert::{from_val, to_val};
use crate::connect::limits::MAX_LINK_BYTES;
use jaq_json::{Map as ValMap, Val};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What one node of a value is taken to cost in memory beside its text, in bytes.
const NODE_BYTES: u64 = 64;

/// The links made so far.
#[derive(Debug)]
pub struct Links {
    tables: Vec<(String, HashMap<String, Vec<Val>>)>,
    bytes: u64,
    limit: u64,
}

/// All links, as the map sees them in its second run. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Joined(pub(super) Val);

impl Joined {
    /// As JSON, for a map that runs elsewhere.
    ///
    /// # Errors
    /// A value nests too deep, which no value that was taken does.
    pub fn to_json(&self) -> Result<Value, String> {
        from_val(&self.0)
    }

    /// What [`Self::to_json`] gave.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        Self(to_val(value))
    }
}

impl Links {
    /// For a connector that lists these tables.
    #[must_use]
    pub fn new(tables: &[String]) -> Self {
        let tables = tables.iter().map(|name| (name.clone(), HashMap::new())).collect();
        Self { tables, bytes: 0, limit: MAX_LINK_BYTES }
    }

    /// Takes one result of the first run; what is no link is left aside.
    ///
    /// # Errors
    /// The link misses a part of it, names a table the manifest does not list, or there is no more room.
    pub fn take(&mut self, result: &Map<String, Value>) -> Result<(), String> {
        if !is_link(result) {
            return Ok(());
        }
        let text = |name: &str| result.get(name).and_then(Value::as_str);
        let table = text("table").ok_or("the map made a link without a `table`")?;
        let key =
            text("key").ok_or_else(|| format!("the map made a link of `{table}` whose `key` is no text"))?;
        let value = result.get("value").unwrap_or(&Value::Null);
        self.bytes += cost(value) + key.len() as u64 + NODE_BYTES;
        if self.is_full() {
            return Err(format!(
                "what rows of `{table}` and other tables say to each other takes more than {} MiB: pull the export in parts, each with the rows it needs",
                self.limit >> 20
            ));
        }
        let Some((_, keys)) = self.tables.iter_mut().find(|(name, _)| name == table) else {
            return Err(format!(
                "the map made a link of `{table}`, which the manifest does not list under `joins`"
            ));
        };
        keys.entry(key.to_owned()).or_default().push(to_val(value));
        Ok(())
    }

    /// Was a link refused for want of room?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes > self.limit
    }

    /// All of them, for the second run.
    #[must_use]
    pub fn joined(self) -> Joined {
        let tables = self.tables.into_iter().map(|(name, keys)| {
            let keys =
                keys.into_iter().map(|(key, values)| (Val::utf8_str(key), values.into_iter().collect()));
            (Val::utf8_str(name), Val::obj(keys.collect::<ValMap>()))
        });
        Joined(Val::obj(tables.collect::<ValMap>()))
    }
}

/// Is this result of a map a link?
#[must_use]
pub fn is_link(result: &Map<String, Value>) -> bool {
    result.get("type").and_then(Value::as_str) == Some("join")
}

/// What a value is taken to cost in memory, in bytes.
fn cost(value: &Value) -> u64 {
    NODE_BYTES
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len() as u64,
            Value::Array(items) => items.iter().map(cost).sum(),
            Value::Object(object) => object.iter().map(|(key, value)| key.len() as u64 + cost(value)).sum(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn link(table: &str, key: &str, value: &Value) -> Map<String, Value> {
        match json!({"type": "join", "table": table, "key": key, "value": value}) {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }

    #[test]
    fn no_more_room_is_an_error_that_says_what_to_do() {
        let mut links = Links::new(&["approval".to_owned()]);
        links.limit = 1000;
        let value = json!({"by": "x".repeat(300)});
        assert!(links.take(&link("approval", "a", &value)).is_ok());
        assert!(links.take(&link("approval", "b", &value)).is_ok());
        let error = links.take(&link("approval", "c", &value)).unwrap_err();
        assert!(error.contains("pull the export in parts") && links.is_full(), "{error}");
    }

    #[test]
    fn a_table_that_is_not_listed_is_an_error() {
        let error = Links::new(&[]).take(&link("approval", "a", &Value::Null)).unwrap_err();
        assert!(error.contains("`approval`"), "{error}");
    }
}
