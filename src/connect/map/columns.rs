//! The short way from a row of a table to its record, where settings say which column is which field.
//!
//! A manifest that says `native = "columns"` has a `map.jq` that reads the settings `fields`, `constants`, `values` and their
//! kin. jq goes through all of these tables again for each row, which takes a hundred times as long as what is left when
//! they have been looked at once. So what is usual is done here: from settings of the ordinary kind a plan is made, and rows
//! that follow it become what the map would make of them. Everything else (settings of another kind, a cell that is an
//! error, a field that no record has) is left to the map, which stays the only one that says what is wrong. So this may give
//! up on what is right, and must never make anything else than the map: a property test holds both against each other.

use crate::connect::dates::{self, Order, Reading, duration};
use crate::model::norm;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Fields that are times, by the last part of their name; and so on, as in the map.
const TIMES: &str = "status_since in_force_from in_force_until starts_at ends_at decided_at requested_at valid_from expires_at \
    review_by completed_at granted_at last_used_at usage_tracked_since tracked_since next_review_by observed_at";
const DURATIONS: &str = "max_ttl review_every ttl";
const LISTS: &str = "aliases groups beneficiaries approvers identity_kinds";
/// Lists of objects, in the order in which the map makes them.
const GROUPS: [&str; 6] = ["access", "approvals", "includes", "applies_to", "path", "changes"];
const YES: &str = "true yes y 1 x ja oui s\u{ed} si";
const NO: &str = "false no n 0 nein non";
const EVERY_RECORD: &str = "source native_id observed_at";
/// The fields of each record type.
const FIELDS: [(&str, &str); 11] = [
    ("identity", "id kind name aliases accounts status status_since owner manager groups"),
    ("system", "id aliases owner"),
    ("workflow", "id owner"),
    ("entitlement", "system id aliases risk owner includes"),
    (
        "policy",
        "id title in_force_from in_force_until max_ttl review_every approvers min_approvers applies_to identity_kinds",
    ),
    ("delegation", "from to starts_at ends_at"),
    (
        "request",
        "id state intent url requester beneficiaries access approvals requested_at decided_at policy justification \
         valid_from expires_at ttl review_by emergency completed_at workflow changes",
    ),
    (
        "grant",
        "system account entitlement scope path granted_at granted_by expires_at ticket mode last_used_at \
         usage_tracked_since use_attribution granted_at_basis",
    ),
    ("usage", "system account entitlement last_used_at tracked_since attribution success"),
    ("certification", "system account reviewer decided_at decision entitlement scope next_review_by"),
    ("exception", "check accepted_by reason expires_at finding system account entitlement scope"),
];

/// Is this one of the words?
fn among(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// A row of a table: each header with its cells.
type Row = Map<String, Value>;

/// What the settings say, looked at once for each file.
#[derive(Debug)]
pub struct Columns {
    only: Vec<(String, BTreeSet<String>)>,
    /// The type of rows that do not say one.
    record: Option<String>,
    record_column: Option<String>,
    record_values: Option<Words>,
    /// For each type, how its records are made; a type that is not here is the map's.
    makes: HashMap<&'static str, Make>,
    reading: Times,
}

/// How cells are read that are times or lists.
#[derive(Debug)]
struct Times {
    patterns: Option<Vec<String>>,
    zone: Option<String>,
    order: Option<Order>,
    separator: Option<String>,
}

/// How a record of one type is made.
#[derive(Debug, Default)]
struct Make {
    plain: Vec<Plain>,
    groups: Vec<(&'static str, Vec<Side>)>,
}

/// A field of the record itself.
#[derive(Debug)]
struct Plain {
    name: String,
    /// The system whose account it is, where it is one of those.
    account_of: Option<String>,
    list: bool,
    field: Field,
}

/// A field of the objects of a list.
#[derive(Debug)]
struct Side {
    name: String,
    field: Field,
    /// Several columns, one for each object.
    beside: bool,
    /// Each object may have its one value.
    shared: bool,
}

/// Where the values of a field come from.
#[derive(Debug)]
struct Field {
    columns: Vec<String>,
    meaning: Option<Words>,
    constant: Vec<Value>,
    kind: Kind,
    splits: bool,
}

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Time,
    Duration,
    Flag,
    Number,
}

/// What a site says its words mean.
#[derive(Debug)]
struct Words {
    exact: HashMap<String, Value>,
    near: HashMap<String, Value>,
    other: Option<Value>,
}

impl Words {
    fn of(value: &Value, exact: bool) -> Option<Self> {
        let said = value.as_object()?;
        let mut words = Self { exact: HashMap::new(), near: HashMap::new(), other: said.get("*").cloned() };
        for (word, meant) in said {
            if !simple(meant) {
                return None;
            }
            if exact {
                words.exact.insert(word.clone(), meant.clone());
            }
            // Of two words that are one but for their case the first counts.
            words.near.entry(norm(word).into_owned()).or_insert_with(|| meant.clone());
        }
        Some(words)
    }

    fn meaning(&self, word: &str) -> Option<&Value> {
        let found = self.exact.get(word).or_else(|| self.near.get(&*norm(word)));
        found.or(self.other.as_ref())
    }
}

/// What a map makes the same text of as this does.
fn simple(value: &Value) -> bool {
    value.is_string() || value.is_boolean() || value.is_i64()
}

/// What jq's `\s` takes off both ends.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, '\t'..='\r' | ' '))
}

/// The cells of a column that are not empty; `None` where the map has something to say.
fn cells<'r>(row: &'r Row, column: &str) -> Option<impl Iterator<Item = &'r str>> {
    let cells = row.get(column)?.as_array()?;
    let texts = cells.iter().all(Value::is_string);
    texts.then(|| cells.iter().filter_map(Value::as_str).map(trimmed).filter(|cell| !cell.is_empty()))
}

/// A setting: none, or of the kind that is wanted. Of another kind it is the map's (`Err`).
fn setting<'s, T>(
    settings: &'s Map<String, Value>,
    name: &str,
    of: impl FnOnce(&'s Value) -> Option<T>,
) -> Result<Option<T>, Unusual> {
    match settings.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => of(value).map(Some).ok_or(Unusual),
    }
}

/// Settings that are left to the map.
struct Unusual;

impl Columns {
    /// A plan for rows of a file with these settings and this head, where both are of the ordinary kind.
    pub fn plan(settings: &Value, head: &Value) -> Option<Self> {
        Self::read(settings.as_object()?, head).ok()
    }

    fn read(settings: &Map<String, Value>, head: &Value) -> Result<Self, Unusual> {
        let text = |name: &str| setting(settings, name, |value| value.as_str().map(str::to_owned));
        let object = |name: &str| setting(settings, name, Value::as_object);
        let patterns = setting(settings, "date_formats", |value| {
            value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        })?;
        let order = setting(settings, "date_order", |value| Order::by_name(value.as_str()?))?;
        let reading = Times {
            patterns: patterns.filter(|patterns| !patterns.is_empty()),
            zone: text("time_zone")?,
            order,
            separator: text("list_separator")?.filter(|separator| !separator.is_empty()),
        };
        let only = object("only")?.into_iter().flatten().map(|(column, wanted)| {
            let wanted = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
            let wanted = wanted.iter().map(|one| Some(norm(&as_text(one)?).into_owned()));
            Some((column.clone(), wanted.collect::<Option<_>>()?))
        });
        let only = only.collect::<Option<_>>().ok_or(Unusual)?;
        let record_values = setting(settings, "record_values", |value| {
            let words = Words::of(value, false)?;
            let all = words.near.values().chain(&words.other).all(Value::is_string);
            all.then_some(words)
        })?;
        let record_column = text("record_column")?;
        let tables = Tables {
            fields: object("fields")?.ok_or(Unusual)?,
            constants: object("constants")?,
            values: object("values")?,
            mixed: record_column.is_some(),
            head: head.get("columns").and_then(Value::as_array).map_or(&[], Vec::as_slice),
            reading: &reading,
        };
        let makes = FIELDS.iter().filter_map(|(kind, mine)| Some((*kind, tables.make(mine).ok()?)));
        let makes = makes.collect();
        let record = text("record")?;
        Ok(Self { only, record, record_column, record_values, makes, reading })
    }

    /// What the map makes of a row; `None` where that is left to the map.
    pub fn results(&self, row: &Value) -> Option<Vec<Value>> {
        let row = row.as_object()?;
        for (column, accepted) in &self.only {
            if !cells(row, column)?.any(|cell| accepted.contains(&*norm(cell))) {
                return Some(Vec::new());
            }
        }
        let cell = match &self.record_column {
            Some(column) => cells(row, column)?.next(),
            None => None,
        };
        let kind = match (cell, &self.record_values) {
            (None, _) => self.record.clone()?,
            (Some(cell), None) => norm(cell).into_owned(),
            (Some(cell), Some(words)) => words.meaning(cell)?.as_str()?.to_owned(),
        };
        if kind == "skip" {
            return Some(Vec::new());
        }
        let record = self.record(self.makes.get(kind.as_str())?, &kind, row)?;
        Some(vec![json!({"type": "covers", "types": [kind]}), Value::Object(record)])
    }

    fn record(&self, make: &Make, kind: &str, row: &Row) -> Option<Row> {
        let mut record = Row::new();
        record.insert("type".to_owned(), Value::from(kind));
        for plain in &make.plain {
            let values = self.reading.values(&plain.field, row)?;
            let Some(first) = values.first() else { continue };
            if let Some(system) = &plain.account_of {
                let accounts = record
                    .entry(plain.name.clone())
                    .or_insert_with(|| Value::Array(Vec::new()))
                    .as_array_mut()?;
                accounts.extend(values.into_iter().map(|name| json!({"system": system, "account": name})));
                continue;
            }
            let value = match plain.list {
                true => Value::Array(values),
                false if values.iter().any(|value| value != first) => return None,
                false => values.into_iter().next()?,
            };
            record.insert(plain.name.clone(), value);
        }
        for (group, sides) in &make.groups {
            let objects = self.objects(sides, row)?;
            if !objects.is_empty() {
                record.insert((*group).to_owned(), Value::Array(objects));
            }
        }
        Some(record)
    }

    /// The objects of a list: the values of its fields side by side.
    fn objects(&self, sides: &[Side], row: &Row) -> Option<Vec<Value>> {
        let values = |side: &Side| match side.beside {
            true => self.reading.beside(&side.field, row),
            false => self.reading.values(&side.field, row),
        };
        let all = sides.iter().map(values).collect::<Option<Vec<_>>>()?;
        let count = all.iter().map(Vec::len).max().unwrap_or_default();
        let single = |side: &Side, values: &[Value]| side.shared && values.len() == 1;
        let short = |(side, values): (&Side, &Vec<Value>)| {
            !values.is_empty() && values.len() < count && !single(side, values)
        };
        if sides.iter().zip(&all).any(short) {
            return None;
        }
        let object = |at: usize| {
            let mut object = Row::new();
            let mut own = false;
            for (side, values) in sides.iter().zip(&all) {
                let same = single(side, values);
                let Some(value) = values.get(if same { 0 } else { at }).filter(|value| !value.is_null())
                else {
                    continue;
                };
                own |= !(same && count > 1);
                object.insert(side.name.clone(), value.clone());
            }
            own.then_some(Value::Object(object))
        };
        Some((0..count).filter_map(object).collect())
    }
}

impl Times {
    /// All values a field has in this row.
    fn values(&self, field: &Field, row: &Row) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        for column in &field.columns {
            for cell in cells(row, column)? {
                match self.separator.as_deref().filter(|_| field.splits) {
                    None => values.push(self.value(field, cell)?),
                    Some(separator) => {
                        for part in cell.split(separator).map(trimmed).filter(|part| !part.is_empty()) {
                            values.push(self.value(field, part)?);
                        }
                    }
                }
            }
        }
        Some(if values.is_empty() { field.constant.clone() } else { values })
    }

    /// The value of each column; null where its cell is empty.
    fn beside(&self, field: &Field, row: &Row) -> Option<Vec<Value>> {
        let value = |column: &String| {
            let mut cells = cells(row, column)?;
            match (cells.next(), cells.next()) {
                (None, _) => Some(Value::Null),
                (Some(cell), None) => self.value(field, cell),
                (Some(_), Some(_)) => None,
            }
        };
        field.columns.iter().map(value).collect()
    }

    /// What a cell means, as its field wants it.
    fn value(&self, field: &Field, cell: &str) -> Option<Value> {
        match &field.meaning {
            None => self.typed_text(field.kind, cell),
            Some(words) => self.typed(field.kind, words.meaning(cell)?),
        }
    }

    fn typed(&self, kind: Kind, value: &Value) -> Option<Value> {
        match (value, kind) {
            (Value::String(text), _) => self.typed_text(kind, text),
            (Value::Bool(_), Kind::Flag) => Some(value.clone()),
            (Value::Number(_), Kind::Number) => Some(value.clone()),
            (_, Kind::Text) => as_text(value).map(Value::String),
            _ => None,
        }
    }

    fn typed_text(&self, kind: Kind, text: &str) -> Option<Value> {
        Some(match kind {
            Kind::Text => Value::from(text),
            Kind::Time => {
                let patterns = self.patterns.as_ref().map(|all| all.iter().map(String::as_str).collect());
                let reading = Reading { patterns, zone: self.zone.as_deref(), order: self.order };
                Value::String(dates::instant(text, &reading).ok()?)
            }
            Kind::Duration => Value::String(duration::iso(text)?),
            Kind::Flag => {
                let word = norm(text);
                let yes = among(YES, &word);
                (yes || among(NO, &word)).then_some(Value::Bool(yes))?
            }
            Kind::Number => {
                let plain = text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
                // Whatever is not written as a number is written is left to the map.
                let number = plain.then(|| text.parse::<u32>().ok()).flatten()?;
                (number.to_string() == text).then(|| Value::from(number))?
            }
        })
    }
}

/// A text, a whole number, yes or no as a text.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        other if simple(other) => Some(other.to_string()),
        _ => None,
    }
}

/// The settings that a plan is made from.
struct Tables<'s> {
    fields: &'s Map<String, Value>,
    constants: Option<&'s Map<String, Value>>,
    values: Option<&'s Map<String, Value>>,
    /// Rows say which type they are.
    mixed: bool,
    /// The names of the columns.
    head: &'s [Value],
    reading: &'s Times,
}

impl Tables<'_> {
    /// How records of a type with these fields are made.
    fn make(&self, mine: &str) -> Result<Make, Unusual> {
        let all: BTreeSet<&String> =
            self.fields.keys().chain(self.constants.into_iter().flat_map(Map::keys)).collect();
        let mut groups: BTreeMap<&str, Vec<Side>> = BTreeMap::new();
        let mut make = Make::default();
        for name in all {
            let (first, rest) = name.split_once('.').map_or((name.as_str(), None), |(a, b)| (a, Some(b)));
            if !among(mine, first) && !among(EVERY_RECORD, first) {
                if self.mixed && FIELDS.iter().any(|(_, fields)| among(fields, first)) {
                    continue;
                }
                return Err(Unusual);
            }
            match rest {
                Some(rest) if rest.contains('.') => return Err(Unusual),
                Some(rest) if first == "accounts" => {
                    let field = self.field(name, "account", true)?;
                    let account_of = Some(rest.to_owned());
                    make.plain.push(Plain { name: first.to_owned(), account_of, list: true, field });
                }
                Some(rest) if GROUPS.contains(&first) => {
                    groups.entry(first).or_default().push(self.side(name, rest)?);
                }
                None if !GROUPS.contains(&first) && first != "accounts" => {
                    let list = among(LISTS, first);
                    let field = self.field(name, first, list)?;
                    make.plain.push(Plain { name: name.clone(), account_of: None, list, field });
                }
                _ => return Err(Unusual),
            }
        }
        make.groups = GROUPS.iter().filter_map(|group| Some((*group, groups.remove(group)?))).collect();
        Ok(make)
    }

    fn side(&self, field: &str, name: &str) -> Result<Side, Unusual> {
        let columns = self.fields.get(field);
        let beside = columns.is_some_and(Value::is_array);
        let repeats = columns.map_or(0, |column| self.head.iter().filter(|one| *one == column).count());
        let field = self.field(field, name, !beside)?;
        Ok(Side { name: name.to_owned(), field, beside, shared: !beside && repeats < 2 })
    }

    /// `name` is the last part of the field.
    fn field(&self, field: &str, name: &str, splits: bool) -> Result<Field, Unusual> {
        let columns = match self.fields.get(field) {
            None => Vec::new(),
            Some(Value::String(column)) => vec![column.clone()],
            Some(Value::Array(columns)) => {
                let columns = columns.iter().map(|column| column.as_str().map(str::to_owned));
                columns.collect::<Option<_>>().ok_or(Unusual)?
            }
            Some(_) => return Err(Unusual),
        };
        let kind = match name {
            _ if among(TIMES, name) => Kind::Time,
            _ if among(DURATIONS, name) => Kind::Duration,
            "emergency" => Kind::Flag,
            "min_approvers" => Kind::Number,
            _ => Kind::Text,
        };
        let meaning = match self.values.and_then(|values| values.get(field)) {
            None => None,
            Some(words) => Some(Words::of(words, true).ok_or(Unusual)?),
        };
        let constant = match self.constants.and_then(|constants| constants.get(field)) {
            None => &[],
            Some(Value::Array(constants)) => constants.as_slice(),
            Some(constant) => std::slice::from_ref(constant),
        };
        let constant = constant.iter().map(|value| self.reading.typed(kind, value));
        let constant = constant.collect::<Option<_>>().ok_or(Unusual)?;
        Ok(Field { columns, meaning, constant, kind, splits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::map::{Bindings, Joined, Program};
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::TestRunner;
    use std::cell::Cell;

    thread_local! {
        static MAP: Program = Program::compile(include_str!("../../../connectors/csv/map.jq"), "map.jq").unwrap();
    }

    /// What the map makes of a row.
    fn mapped(settings: &Value, head: &Value, row: &Value) -> Result<Vec<Value>, String> {
        let bindings =
            Bindings::new(settings, "table", "t.csv", head, &Joined::default(), "2026-06-01T00:00:00Z");
        let mut results = Vec::new();
        let mut take = |value| {
            results.push(value);
            Ok(())
        };
        MAP.with(|map| map.run(row, 1, "", &bindings, &mut take)).map(|()| results)
    }

    const HEADERS: [&str; 6] = ["A", "B", "C", "D", "E", ""];

    fn word() -> impl Strategy<Value = String> {
        let usual = [
            "a",
            "b",
            "A",
            " b ",
            "yes",
            "No",
            "1",
            "2",
            "12",
            "P90D",
            "90 days",
            "2026-01-05",
            "2026-01-05T10:00:00Z",
            "2026-01-05 10:00",
            "05/06/2026",
            "13.06.2026",
            "a;b",
            "a; b ;",
            "a|b",
            "grant",
            "Request",
            "skip",
            "*",
            "true",
        ];
        let hostile = [
            ";",
            ";;",
            "\u{a0}x\u{a0}",
            "\u{85}",
            "\t x\u{b}\r\n",
            "Stra\u{df}e",
            "STRASSE",
            "e\u{301}",
            "\u{e9}",
            "\u{c9}",
            "007",
            "0",
            "1234567890",
            "-1",
            "1.5",
            "\u{0}",
            "\"\\",
            "\u{fffd}\u{10ffff}",
            "null",
            "{}",
            "S\u{ed}",
            "2026-02-30",
            "i\u{307}",
        ];
        prop_oneof![
            8 => select(usual.to_vec()).prop_map(str::to_owned),
            2 => select(hostile.to_vec()).prop_map(str::to_owned),
            1 => any::<String>(),
        ]
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            12 => word().prop_map(Value::from),
            1 => any::<bool>().prop_map(Value::from),
            1 => any::<i64>().prop_map(Value::from),
        ]
    }

    /// Mostly what a setting should hold, now and then what it should not.
    fn odd(usual: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        let unusual = vec![
            json!(null),
            json!(1.5),
            json!(u64::MAX),
            json!([]),
            json!({}),
            json!([[1]]),
            json!({"a": [1]}),
            json!([null]),
        ];
        prop_oneof![60 => usual, 1 => select(unusual)].boxed()
    }

    fn header() -> BoxedStrategy<Value> {
        prop_oneof![30 => select(HEADERS.to_vec()), 1 => Just("Z")].prop_map(Value::from).boxed()
    }

    fn headers() -> BoxedStrategy<Value> {
        prop_oneof![5 => header(), 2 => vec(header(), 0..4).prop_map(Value::from)].boxed()
    }

    /// Fields of one type, with some that it has not.
    fn names(kind: &'static str) -> BoxedStrategy<String> {
        let (_, mine) = FIELDS.iter().find(|(name, _)| *name == kind).unwrap();
        let within = [
            "system",
            "entitlement",
            "approver",
            "decided_at",
            "ttl",
            "emergency",
            "account",
            "min_approvers",
        ];
        let mut all: Vec<String> = mine.split(' ').map(str::to_owned).collect();
        all.retain(|name| name != "accounts" && !GROUPS.contains(&&**name));
        for group in mine.split(' ').filter(|name| GROUPS.contains(name) || *name == "accounts") {
            all.extend(within.map(|name| format!("{group}.{name}")));
        }
        all.extend(EVERY_RECORD.split(' ').map(str::to_owned));
        let odd = [
            "access", "accounts", "type", "a.b.c", "", ".", "id.", "access.", "account", "risk", "source.x",
            "path.a.b",
        ];
        prop_oneof![150 => select(all), 1 => select(odd.to_vec()).prop_map(str::to_owned)].boxed()
    }

    fn object(key: BoxedStrategy<String>, value: BoxedStrategy<Value>, most: usize) -> BoxedStrategy<Value> {
        let object = btree_map(key, value, 0..most).prop_map(|all| Value::Object(all.into_iter().collect()));
        odd(object.boxed())
    }

    fn maybe(value: BoxedStrategy<Value>) -> BoxedStrategy<Option<Value>> {
        prop::option::weighted(0.4, value).boxed()
    }

    /// Settings of all kinds.
    fn settings() -> BoxedStrategy<Value> {
        let kinds: Vec<&str> = FIELDS.iter().map(|(kind, _)| *kind).collect();
        select(kinds.clone())
            .prop_flat_map(move |kind| {
                let words = object(word().boxed(), odd(scalar().boxed()), 5);
                let constant =
                    prop_oneof![4 => scalar(), 1 => vec(scalar(), 0..3).prop_map(Value::from)].boxed();
                let kind_words =
                    prop_oneof![9 => select(kinds.clone()), 1 => Just("skip"), 1 => Just("none")];
                let types = object(word().boxed(), odd(kind_words.prop_map(Value::from).boxed()), 4);
                let accepted =
                    prop_oneof![scalar().boxed(), vec(scalar(), 0..4).prop_map(Value::from).boxed()].boxed();
                let header_name = select(HEADERS.to_vec()).prop_map(str::to_owned).boxed();
                let tables = (
                    object(names(kind), odd(headers()), 7),
                    maybe(object(names(kind), odd(constant), 4)),
                    maybe(object(names(kind), words, 4)),
                    prop::option::weighted(0.2, object(header_name, odd(accepted), 2)),
                );
                let rest = (
                    prop::option::weighted(0.95, Just(Value::from(kind))),
                    prop::option::weighted(0.2, header()),
                    maybe(types),
                    maybe(odd(select(vec![json!(";"), json!("|"), json!(""), json!(", ")]).boxed())),
                    maybe(select(vec![json!("Europe/Berlin"), json!("UTC"), json!("Nowhere/None")]).boxed()),
                    maybe(select(vec![json!("dmy"), json!("mdy"), json!("ymd"), json!("none")]).boxed()),
                    prop::option::weighted(
                        0.1,
                        odd(select(vec![json!(["%Y-%m-%d"]), json!([]), json!("auto")]).boxed()),
                    ),
                );
                (tables, rest).prop_map(|((fields, constants, values, only), rest)| {
                    let (record, column, types, separator, zone, order, formats) = rest;
                    let all = [
                        ("fields", Some(fields)),
                        ("constants", constants),
                        ("values", values),
                        ("only", only),
                        ("record", record),
                        ("record_column", column),
                        ("record_values", types),
                        ("list_separator", separator),
                        ("time_zone", zone),
                        ("date_order", order),
                        ("date_formats", formats),
                    ];
                    let given = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
                    Value::Object(given.collect())
                })
            })
            .boxed()
    }

    /// A row: most headers have a cell, some several.
    fn row() -> impl Strategy<Value = Value> {
        let cells = prop_oneof![1 => vec(word(), 0..1), 6 => vec(word(), 1..2), 1 => vec(word(), 2..4)];
        vec(cells, HEADERS.len()).prop_map(|cells| {
            let row = HEADERS.iter().zip(cells).map(|(name, cells)| ((*name).to_owned(), json!(cells)));
            Value::Object(row.collect())
        })
    }

    fn head() -> impl Strategy<Value = Value> {
        let columns = prop_oneof![
            3 => Just(HEADERS.to_vec()),
            1 => Just(vec!["A", "A", "B", "B", "B", "C", "D", "E", ""]),
        ];
        columns.prop_map(|columns| json!({"columns": columns}))
    }

    #[test]
    fn the_short_way_makes_what_the_map_makes() {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(3_000));
        let (taken, made) = (Cell::new(0), Cell::new(0));
        let ran = runner.run(&(settings(), head(), vec(row(), 1..4)), |(settings, head, rows)| {
            let Some(columns) = Columns::plan(&settings, &head) else { return Ok(()) };
            for row in rows {
                if let Some(results) = columns.results(&row) {
                    taken.set(taken.get() + 1);
                    made.set(
                        made.get()
                            + results.get(1).map_or(0, |record| record.as_object().map_or(0, Map::len)),
                    );
                    prop_assert_eq!(Ok(results), mapped(&settings, &head, &row), "{} {}", settings, row);
                }
            }
            Ok(())
        });
        ran.unwrap();
        // Otherwise what is held against each other is mostly nothing.
        assert!(taken.get() > 500 && made.get() > 1_000, "{} rows, {} fields", taken.get(), made.get());
    }

    #[test]
    fn the_short_way_takes_what_is_usual() {
        let head = json!({"columns": ["Id", "State", "Who", "System", "Role", "By", "When", "Urgent"]});
        let settings = json!({
            "record": "request",
            "list_separator": ";",
            "time_zone": "Europe/Berlin",
            "date_order": "dmy",
            "only": {"State": ["Done", "open"]},
            "values": {"state": {"Done": "approved", "*": "pending"}},
            "constants": {"access.scope": "all", "approvals.decision": "approved", "ttl": "90 days"},
            "fields": {
                "id": "Id", "state": "State", "beneficiaries": "Who", "access.system": "System",
                "access.entitlement": "Role", "approvals.approver": ["By"], "approvals.decided_at": "When",
                "emergency": "Urgent",
            },
        });
        let columns = Columns::plan(&settings, &head).unwrap();
        let row = json!({
            "Id": ["R-1"], "State": ["done"], "Who": ["a; b"], "System": ["s"], "Role": ["r;q"], "By": ["c"],
            "When": ["05/06/2026 10:00"], "Urgent": ["no"],
        });
        let results = columns.results(&row).unwrap();
        assert_eq!(
            results[1]["access"],
            json!([
                {"system": "s", "entitlement": "r", "scope": "all"},
                {"system": "s", "entitlement": "q", "scope": "all"},
            ])
        );
        assert_eq!(Ok(results), mapped(&settings, &head, &row));

        let settings = json!({
            "record_column": "Kind",
            "record_values": {"person": "identity", "Role": "grant", "*": "skip"},
            "fields": {"id": "Name", "accounts.sso": "Login", "system": "App", "account": "Login", "entitlement": "Name"},
        });
        let head = json!({"columns": ["Kind", "Name", "Login", "App"]});
        let columns = Columns::plan(&settings, &head).unwrap();
        for (kind, count) in [("Person", 2), ("role", 2), ("team", 0)] {
            let row = json!({"Kind": [kind], "Name": ["n"], "Login": ["l"], "App": ["a"]});
            let results = columns.results(&row).unwrap();
            assert_eq!(results.len(), count);
            assert_eq!(Ok(results), mapped(&settings, &head, &row));
        }
    }
}
