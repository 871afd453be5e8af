//! What is done with rows between a product and the map: which are asked about, what is kept of them, where they go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::value::plain;
use crate::connect::dates::{self, Reading};
use crate::connect::manifest::http::{Attach, Incremental, Only, Step};
use crate::connect::record::canonical;
use crate::model::Instant;

/// Are its rows events, which stay what they are?
pub(super) fn is_of_events(step: &Step) -> bool {
    matches!(&step.incremental, Some(Incremental::Since { keep: Some(_), .. }))
}

/// Neither null nor false nor empty.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

pub(super) fn chosen(only: &[Only], row: &Value) -> bool {
    only.iter().all(|only| {
        let value = row.pointer(&only.at).unwrap_or(&Value::Null);
        if only.absent {
            return value.is_null();
        }
        if only.is_not.contains(value) {
            return false;
        }
        if only.is.is_empty() {
            !only.is_not.is_empty() || says_something(value)
        } else {
            only.is.contains(value)
        }
    })
}

pub(super) fn is_new(step: &Step, row: &Value, seen: &mut BTreeSet<String>) -> bool {
    let Some(pointer) = &step.distinct else { return true };
    row.pointer(pointer).is_some_and(|value| seen.insert(canonical(value)))
}

/// Keeps of a row what is set aside.
pub(super) fn pick(step: &Step, row: &mut Value) {
    if step.take.is_empty() || !row.is_object() {
        return;
    }
    let mut kept = Value::Object(Map::new());
    for pointer in step.take.iter().map(String::as_str).chain(["/_from"]) {
        let Some(value) = row.pointer(pointer).cloned() else { continue };
        let mut slot = &mut kept;
        for key in pointer.split('/').skip(1) {
            let Value::Object(object) = slot else { break };
            let key = key.replace("~1", "/").replace("~0", "~");
            slot = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
        }
        *slot = value;
    }
    *row = kept;
}

/// Puts what of the parent is carried into its rows.
pub(super) fn carry(step: &Step, parent: &Value, rows: &mut [Value]) {
    if step.carry.is_empty() {
        return;
    }
    let from: Map<String, Value> = step
        .carry
        .iter()
        .map(|(name, pointer)| (name.clone(), parent.pointer(pointer).cloned().unwrap_or_default()))
        .collect();
    for row in rows {
        if !row.is_object() {
            *row = json!({ "value": row.take() });
        }
        if let Value::Object(row) = row {
            row.insert("_from".to_owned(), Value::Object(from.clone()));
        }
    }
}

/// Puts rows into those they were asked for; `None` says that there is no such thing. `whole`: these are all; otherwise what
/// has none is not known to have none.
///
/// # Errors
/// Rows that belong into none of them.
pub(super) fn insert(
    child: &Step,
    attach: &Attach,
    part: &[usize],
    (got, whole): (Option<Vec<Value>>, bool),
    rows: &mut [Value],
) -> Result<(), String> {
    let (Some(got), Some(own), Some(of_parent)) = (&got, &attach.row, &attach.parent) else {
        let value = match got {
            None => Value::Null,
            Some(got) if child.is_document() => got.into_iter().next().unwrap_or_default(),
            Some(got) => Value::Array(got),
        };
        for index in part {
            if let Some(Value::Object(row)) = rows.get_mut(*index) {
                row.insert(attach.key.clone(), value.clone());
            }
        }
        return Ok(());
    };
    let mut by: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut lost = 0;
    for row in got {
        match row.pointer(own).and_then(plain) {
            Some(key) => by.entry(key).or_default().push(row.clone()),
            None => lost += 1,
        }
    }
    let mut used = BTreeSet::new();
    for index in part {
        let Some(row) = rows.get_mut(*index) else { continue };
        // Nothing was asked for a row without a key.
        let Some(key) = row.pointer(of_parent).and_then(plain) else { continue };
        let mine = by.get(&key).cloned().unwrap_or_default();
        if let Value::Object(row) = row
            && (whole || !mine.is_empty())
        {
            row.insert(attach.key.clone(), Value::Array(mine));
        }
        used.insert(key);
    }
    lost += by.iter().filter(|(key, _)| !used.contains(*key)).map(|(_, rows)| rows.len()).sum::<usize>();
    match lost {
        0 => Ok(()),
        lost => Err(format!("{lost} rows came that belong to none of those they were asked for")),
    }
}

/// The latest time at these pointers of a row, in whichever way products write it.
pub(super) fn time_at(row: &Value, pointers: &[String]) -> Option<Instant> {
    pointers.iter().filter_map(|pointer| time(row.pointer(pointer)?)).max()
}

pub(super) fn time(value: &Value) -> Option<Instant> {
    let text = match value {
        Value::String(text) => {
            let reading = Reading { patterns: None, zone: Some("UTC"), order: None };
            dates::instant(text, &reading).ok()?
        }
        Value::Number(number) => dates::epoch(number.as_f64()?).ok()?,
        _ => return None,
    };
    Instant::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Step {
        toml::from_str(&format!("name = \"log\"\npath = \"/log\"\n{text}")).unwrap()
    }

    #[test]
    fn rows_go_where_they_belong_and_those_that_belong_nowhere_are_counted() {
        let step = step("rows = \"/logs\"\nattach = { as = \"log\", row = \"/of\", parent = \"/id\" }");
        let attach = step.attach.as_ref().unwrap();
        let mut rows = vec![json!({ "id": 1 }), json!({ "id": 2 }), json!({ "id": 3 })];
        let got = vec![json!({ "of": 1, "a": 1 }), json!({ "of": 9 }), json!({ "a": 2 }), json!({ "of": 1 })];
        assert!(
            insert(&step, attach, &[0, 1], (Some(got), true), &mut rows)
                .unwrap_err()
                .starts_with("2 rows came")
        );
        assert_eq!(rows[0], json!({ "id": 1, "log": [{ "of": 1, "a": 1 }, { "of": 1 }] }));
        assert_eq!(rows[1], json!({ "id": 2, "log": [] }));
        assert_eq!(rows[2], json!({ "id": 3 }), "it was not asked for");
    }

    #[test]
    fn no_such_thing_is_null_and_nothing_in_it_is_an_empty_list() {
        let step = step("rows = \"/logs\"\nattach = { as = \"log\", none_is_null = true }");
        let attach = step.attach.as_ref().unwrap();
        let mut rows = vec![json!({ "id": 1 }), json!({ "id": 2 })];
        assert!(insert(&step, attach, &[0], (None, true), &mut rows).is_ok());
        assert!(insert(&step, attach, &[1], (Some(Vec::new()), true), &mut rows).is_ok());
        assert_eq!(rows, vec![json!({ "id": 1, "log": null }), json!({ "id": 2, "log": [] })]);
    }
}
