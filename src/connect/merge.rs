//! Joins what one export spreads over several rows or files: approvals in a table of their own, the time of a grant in
//! an audit trail.
//!
//! A connector names the record types it joins and the fields that make their key. Its map then emits, besides whole
//! records, parts: `{"type":"part","of":"request","id":"RITM1","append":{"approvals":[…]}}`. Parts are applied once
//! all rows are read, so their order among the rows does not matter; a part that no record has the key of is dropped
//! and counted.

use super::limits::MAX_HELD_RECORDS;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// Records that wait for their parts.
#[derive(Debug, Default)]
pub struct Held {
    keys: BTreeMap<String, Vec<String>>,
    records: Vec<Map<String, Value>>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    key: String,
    /// Sorts the parts of one record where a later one should win.
    at: String,
    append: Map<String, Value>,
    fill: Map<String, Value>,
    replace: Map<String, Value>,
}

impl Held {
    /// For a connector that joins these record types on these fields.
    #[must_use]
    pub fn new(keys: &BTreeMap<String, Vec<String>>) -> Self {
        Self { keys: keys.clone(), ..Self::default() }
    }

    /// Are records of this type held back?
    #[must_use]
    pub fn holds(&self, kind: &str) -> bool {
        self.keys.contains_key(kind)
    }

    /// Holds a whole record.
    ///
    /// # Errors
    /// There are too many.
    pub fn record(&mut self, record: Map<String, Value>) -> Result<(), String> {
        self.room()?;
        self.records.push(record);
        Ok(())
    }

    /// Holds a part.
    ///
    /// # Errors
    /// It names no type that is joined, misses a field of the key, or there are too many.
    pub fn part(&mut self, mut part: Map<String, Value>) -> Result<(), String> {
        self.room()?;
        let kind = part.get("of").and_then(Value::as_str).unwrap_or_default().to_owned();
        let fields = self.keys.get(&kind).ok_or_else(|| {
            format!("the map made a part of `{kind}`, which the manifest does not list under [merge]")
        })?;
        let key = key(&kind, fields, &part)
            .ok_or_else(|| format!("the map made a part of `{kind}` without all of {}", fields.join(", ")))?;
        let mut object = |name: &str| match part.remove(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(format!("the map made a part whose `{name}` is no object")),
        };
        let (append, fill, replace) = (object("append")?, object("fill")?, object("replace")?);
        let at = part.get("at").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.parts.push(Part { key, at, append, fill, replace });
        Ok(())
    }

    fn room(&self) -> Result<(), String> {
        if self.records.len() + self.parts.len() >= MAX_HELD_RECORDS {
            return Err(format!(
                "more than {MAX_HELD_RECORDS} records and parts to be joined: split the export"
            ));
        }
        Ok(())
    }

    /// The records with their parts, in the order they came, and the number of parts that fitted none.
    #[must_use]
    pub fn joined(mut self) -> (Vec<Map<String, Value>>, u64) {
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, record) in self.records.iter().enumerate() {
            let kind = record.get("type").and_then(Value::as_str).unwrap_or_default();
            if let Some(key) = self.keys.get(kind).and_then(|fields| key(kind, fields, record)) {
                by_key.entry(key).or_default().push(index);
            }
        }
        self.parts.sort_by(|a, b| a.at.cmp(&b.at));
        let mut orphans = 0;
        for part in self.parts {
            let Some(indices) = by_key.get(&part.key) else {
                orphans += 1;
                continue;
            };
            for index in indices {
                if let Some(record) = self.records.get_mut(*index) {
                    apply(record, &part.append, &part.fill, &part.replace);
                }
            }
        }
        (self.records, orphans)
    }
}

/// The key of a record or part, none where a field of it is missing. Null counts as missing only if all are.
fn key(kind: &str, fields: &[String], object: &Map<String, Value>) -> Option<String> {
    let values: Vec<&Value> = fields.iter().map(|field| object.get(field).unwrap_or(&Value::Null)).collect();
    if values.iter().all(|value| value.is_null()) {
        return None;
    }
    Some(format!("{kind} {}", super::record::canonical(&values.into_iter().cloned().collect())))
}

fn apply(
    record: &mut Map<String, Value>,
    append: &Map<String, Value>,
    fill: &Map<String, Value>,
    replace: &Map<String, Value>,
) {
    for (field, more) in append {
        let Value::Array(more) = more else { continue };
        let slot = record.entry(field.clone()).or_insert(Value::Null);
        if slot.is_null() {
            *slot = Value::Array(Vec::new());
        }
        if let Value::Array(items) = slot {
            items.extend(more.iter().cloned());
        }
    }
    for (field, value) in fill {
        let slot = record.entry(field.clone()).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value.clone();
        }
    }
    for (field, value) in replace {
        record.insert(field.clone(), value.clone());
    }
}
