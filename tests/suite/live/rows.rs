//! What the product holds: row files, which rows of them a request is about, and what changed between two days.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::rule::{any_time, compiled, text};
use super::spec::{Delta, Filter, Keeps, Of, Operation, Rows, Shape};
use super::wire::Request;

/// Row files by name.
pub type Files = BTreeMap<String, Value>;

/// The names in the path of a request.
pub type Values = BTreeMap<String, String>;

/// What a request is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Rows, to be paged. Each with the list it belongs to, where there are several.
    Rows(Vec<(Option<String>, Value)>),
    /// A document.
    Document(Value),
    /// What is named is not there; the status to say so with.
    Missing(u16),
}

/// What an operation has for a request.
///
/// # Errors
/// When the row file is not built as the operation needs it.
pub fn find(
    operation: &Operation,
    request: &Request,
    values: &Values,
    files: &Files,
    now: Timestamp,
) -> Result<Found, String> {
    let name = operation.rows.file();
    let file = files.get(name).ok_or_else(|| format!("stub.toml: there is no row file {name}"))?;
    let found = match &operation.rows {
        Rows::Of(of) if operation.rows.shape() == Shape::Keyed => keyed(of, request, values, file)?,
        Rows::Of(of) if of.lists => {
            let lists = file.as_object().ok_or_else(|| format!("{name}: expected an object of lists"))?;
            let all = lists.iter().flat_map(|(key, rows)| {
                rows.as_array().into_iter().flatten().map(|row| (Some(key.clone()), row.clone()))
            });
            Found::Rows(all.collect())
        }
        _ => plain(file),
    };
    match found {
        Found::Rows(mut rows) => {
            for filter in &operation.filters {
                let keep = Keep::new(filter, request, values, now)?;
                rows.retain(|(_, row)| keep.as_ref().is_none_or(|keep| keep.keeps(row)));
            }
            Ok(Found::Rows(rows))
        }
        other => Ok(other),
    }
}

fn plain(value: &Value) -> Found {
    match value {
        Value::Array(rows) => Found::Rows(rows.iter().map(|row| (None, row.clone())).collect()),
        other => Found::Document(other.clone()),
    }
}

fn keyed(of: &Of, request: &Request, values: &Values, file: &Value) -> Result<Found, String> {
    let keys = file.as_object().ok_or_else(|| format!("{}: expected an object of keys", of.file))?;
    let missing = Found::Missing(of.absent.unwrap_or(404));
    let mut parts = Vec::new();
    let mut several = of.split.is_some();
    for spot in of.by.spots() {
        let Some(value) = request.at(spot, values) else { return Ok(missing) };
        let mut items = match &value {
            Value::Array(items) => {
                several = true;
                items.iter().filter_map(text).collect()
            }
            other => vec![text(other).ok_or_else(|| format!("{other} is no key"))?],
        };
        if let Some(pattern) = &of.pattern {
            items = items.iter().filter_map(|item| group(pattern, item)).collect();
        }
        if let Some(by) = &of.split {
            items = items.iter().flat_map(|item| item.split(by.as_str())).map(str::to_owned).collect();
        }
        parts.push(items);
    }
    let wanted: Vec<String> = match parts.as_slice() {
        [one] => one.clone(),
        several => vec![several.iter().flatten().cloned().collect::<Vec<_>>().join("/")],
    };
    if !several {
        let found = wanted.first().and_then(|key| keys.get(key));
        return Ok(found.map_or(missing, plain));
    }
    let mut rows = Vec::new();
    for value in wanted.iter().filter_map(|key| keys.get(key)) {
        match value {
            Value::Array(items) => rows.extend(items.iter().map(|row| (None, row.clone()))),
            document => rows.push((None, document.clone())),
        }
    }
    Ok(Found::Rows(rows))
}

/// The first group of a pattern in a text, or all it matches where it has none.
fn group(pattern: &str, text: &str) -> Option<String> {
    let found = compiled(pattern);
    let found = found.captures(text)?;
    found.get(1).or(found.get(0)).map(|found| found.as_str().to_owned())
}

/// A filter with what a request asks of it.
struct Keep<'f> {
    filter: &'f Filter,
    wanted: Vec<String>,
    time: Option<Timestamp>,
}

impl<'f> Keep<'f> {
    /// None where the request does not ask.
    fn new(
        filter: &'f Filter,
        request: &Request,
        values: &Values,
        now: Timestamp,
    ) -> Result<Option<Self>, String> {
        let Some(value) = request.at(&filter.spot, values) else { return Ok(None) };
        let mut wanted: Vec<String> = match &value {
            Value::Array(items) => items.iter().filter_map(text).collect(),
            other => text(other).into_iter().collect(),
        };
        if let Some(pattern) = &filter.pattern {
            wanted = wanted.iter().filter_map(|item| group(pattern, item)).collect();
        }
        if let Some(by) = &filter.split {
            wanted = wanted.iter().flat_map(|item| item.split(by.as_str())).map(str::to_owned).collect();
        }
        let Some(first) = wanted.first() else { return Ok(None) };
        let time = match filter.format {
            None => None,
            Some(format) => Some(
                format
                    .read(first, now)
                    .ok_or_else(|| format!("`{first}` is no time written as {format:?}"))?,
            ),
        };
        Ok(Some(Self { filter, wanted, time }))
    }

    fn keeps(&self, row: &Value) -> bool {
        let there = row.pointer(&self.filter.at);
        match self.filter.keeps {
            Keeps::Is | Keeps::In => there.and_then(text).is_some_and(|there| self.wanted.contains(&there)),
            order => {
                let (Some(there), Some(time)) = (there.and_then(any_time), self.time) else { return false };
                match order {
                    Keeps::From => there >= time,
                    Keeps::After => there > time,
                    Keeps::Until => there <= time,
                    _ => there < time,
                }
            }
        }
    }
}

/// Puts a value at a pointer; objects on the way are made.
pub fn put(into: &mut Value, pointer: &str, value: Value) {
    let mut at = into;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = at.as_object_mut().unwrap().entry(part).or_insert(Value::Null);
    }
    *at = value;
}

/// What became of rows: those that are new or different, and those that are gone.
pub fn changes(delta: &Delta, before: &[Value], now: &[Value]) -> Vec<Value> {
    let key = |row: &Value| -> Vec<Value> {
        delta.key.iter().map(|at| row.pointer(at).cloned().unwrap_or_default()).collect()
    };
    let known: BTreeMap<String, &Value> =
        before.iter().map(|row| (Value::from(key(row)).to_string(), row)).collect();
    let there: BTreeMap<String, &Value> =
        now.iter().map(|row| (Value::from(key(row)).to_string(), row)).collect();
    let changed = now
        .iter()
        .filter(|row| known.get(&Value::from(key(row)).to_string()).is_none_or(|before| before != row));
    let mut all: Vec<Value> = changed.cloned().collect();
    for (name, row) in &known {
        if !there.contains_key(name) {
            let mut gone = Value::Object(Map::new());
            for (at, value) in delta.key.iter().zip(key(row)) {
                put(&mut gone, at, value);
            }
            put(&mut gone, &delta.removed, delta.mark.clone());
            all.push(gone);
        }
    }
    all
}
