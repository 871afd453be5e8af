//! What becomes of one row: its results understood, checked and written, away from all other rows and on any thread.

use super::crew::Give;
use super::decode::Row;
use super::error::PullError;
use super::feed::Feed;
use super::limits::MAX_RECORDS_PER_ROW;
use super::map::{is_link, sha256};
use super::outcome::{Outcome, RowStamp};
use super::record::{self, Stamp};
use super::runner::Runner;
use super::settings::Settings;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A row to be mapped, or why there is none.
pub(super) enum Item {
    /// A row, and where in the document it was found.
    Row(Row, Arc<str>),
    /// It could not be read.
    Bad(PullError),
    /// It was bad in the first run, and was counted then.
    Known,
}

impl Item {
    /// What it takes in memory, in bytes, roughly.
    pub fn weight(&self) -> usize {
        match self {
            Self::Row(row, _) => weight(&row.value),
            Self::Bad(_) | Self::Known => 0,
        }
    }
}

fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(object) => {
                object.iter().map(|(key, value)| size_of::<String>() + key.len() + weight(value)).sum()
            }
        }
}

/// Gives each row its `at` as a text that rows share: there are very few, and one is seldom followed by another.
#[derive(Default)]
struct At(Arc<str>);

impl At {
    /// The same text, shared.
    fn shared(&mut self, at: &str) -> Arc<str> {
        if *self.0 != *at {
            self.0 = Arc::from(at);
        }
        Arc::clone(&self.0)
    }
}

/// Gives each row of a feed to be mapped. Those of input `current` that are in `bad` were bad before, and count as rows.
pub(super) fn items(
    feed: &Feed,
    settings: &Settings,
    bad: &BTreeSet<(usize, u64)>,
    current: usize,
    give: &mut Give<'_, Item, PullError>,
) -> Result<u64, PullError> {
    let (mut number, mut ats) = (0, At::default());
    feed.rows(settings, &mut |row, at| {
        number += 1;
        give(match row {
            _ if bad.contains(&(current, number)) => Item::Known,
            Ok(row) => Item::Row(row, ats.shared(at)),
            Err(error) => Item::Bad(error),
        })
    })
}

/// What became of an item.
pub(super) enum Done<T> {
    /// What came of the row.
    Row {
        /// Its number, from 1.
        number: u64,
        /// The line it starts on, where the format has lines.
        line: Option<u64>,
        /// What came of it.
        made: T,
    },
    /// It could not be read.
    Bad(PullError),
    /// It was bad in the first run.
    Known,
}

/// Links of one row, and the error that ended its map, if one did.
pub(super) type Linked = (Vec<Map<String, Value>>, Option<String>);

/// What is done to every row of one file.
pub(super) struct Work<'w> {
    /// Runs the map.
    pub runner: &'w Runner,
    /// What every record of the pull carries.
    pub stamp: &'w Stamp,
    /// Rows say something to each other.
    pub joins: bool,
    /// The base name of the file.
    pub base: &'w str,
}

impl Work<'_> {
    /// The first run over some rows: what they say to others.
    pub fn links(&self, items: Vec<Item>) -> Vec<Done<Linked>> {
        let link = |row: &Row, run: &mut Run<'_>| {
            let mut links = Vec::new();
            let mut take = |value: Value| {
                if let Value::Object(result) = value
                    && is_link(&result)
                {
                    links.push(result);
                }
                Ok(())
            };
            let failed = run(row, &mut take).err();
            (links, failed)
        };
        self.each(items, link)
    }

    /// The second run over some rows, or the only one: what they mean, in the order in which it is to be taken.
    pub fn outcomes(&self, items: Vec<Item>) -> Vec<Done<Result<Vec<Outcome>, String>>> {
        self.each(items, |row, run| self.row(row, run))
    }

    fn each<T>(&self, items: Vec<Item>, mut make: impl FnMut(&Row, &mut Run<'_>) -> T) -> Vec<Done<T>> {
        let rows = items.iter().filter_map(|item| match item {
            Item::Row(row, at) => Some((row, &**at)),
            Item::Bad(_) | Item::Known => None,
        });
        let mut batch = self.runner.batch(rows);
        let done = |item: &Item| match item {
            Item::Row(row, at) => {
                let mut run = |row: &Row, take: &mut Take<'_>| batch.run(row, at, take);
                Some((row.number, row.line, make(row, &mut run)))
            }
            Item::Bad(_) | Item::Known => None,
        };
        let made: Vec<_> = items.iter().map(done).collect();
        let joined = items.into_iter().zip(made).map(|(item, made)| match (item, made) {
            (_, Some((number, line, made))) => Done::Row { number, line, made },
            (Item::Bad(error), None) => Done::Bad(error),
            (_, None) => Done::Known,
        });
        joined.collect()
    }

    /// Maps one row. Nothing of a bad row is handed on.
    fn row(&self, row: &Row, run: &mut Run<'_>) -> Result<Vec<Outcome>, String> {
        let mut results: Vec<Map<String, Value>> = Vec::new();
        let mut count = 0u64;
        let mut take = |value: Value| {
            count += 1;
            if count > MAX_RECORDS_PER_ROW {
                return Err(format!("the map made more than {MAX_RECORDS_PER_ROW} records of one row"));
            }
            match value {
                Value::Object(record) if self.joins && is_link(&record) => Ok(()),
                Value::Object(record) => {
                    results.push(record);
                    Ok(())
                }
                Value::Null => Ok(()),
                _ => Err("the map made something that is no object".to_owned()),
            }
        };
        run(row, &mut take)?;
        if results.is_empty() {
            return Ok(Vec::new());
        }
        let digest = sha256(record::canonical(&row.value).as_bytes());
        let fallback = format!("{}#{}", self.base, row.number);
        let stamp =
            RowStamp { stamp: self.stamp, digest: &digest, fallback: &fallback, maps: self.runner.maps() };
        let mut found = Vec::with_capacity(results.len());
        for result in results {
            Outcome::read(result, &stamp, &mut found)?;
        }
        // Parts and edges first: one that is wrong must not leave half of its row handed on.
        found.sort_by_key(|outcome| !matches!(outcome, Outcome::Part(_) | Outcome::Edge(_)));
        Ok(found)
    }
}

/// Takes each result of a map.
type Take<'t> = dyn FnMut(Value) -> Result<(), String> + 't;

/// Runs the map on a row.
type Run<'r> = dyn FnMut(&Row, &mut Take<'_>) -> Result<(), String> + 'r;
