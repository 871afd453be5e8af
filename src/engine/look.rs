//! Looking at what is remembered of a few names: nothing is judged anew for keeps, and nothing is changed.

use super::judged::records_here;
use super::part::Part;
use super::past::load;
use super::prepare::{name_token, request_key, with_stamp};
use super::{EngineError, catalogue, exception_line, sorted};
use crate::judge::reach::home_of_request;
use crate::judge::{Builder, Estate, Settings};
use crate::model::record::Request;
use crate::model::{Instant, Record, RecordType, norm, parse_line};
use crate::store::Store;

/// The part of the estate that decides about these names: what is said of them here is what judging everything would say.
/// It keeps where uses were seen.
///
/// # Errors
/// When the store fails, or holds what was not put into it.
pub fn part_of(
    store: &dyn Store,
    settings: &Settings,
    now: Instant,
    names: &[String],
) -> Result<Estate, EngineError> {
    records_here(store)?;
    let catalogue = catalogue(store, store.sources()?.iter(), now, settings)?;
    let tokens = sorted(names.iter().map(|name| name_token(name)));
    Ok(Part::load_into(Builder::citing_uses(), store, &catalogue, &tokens)?.estate)
}

/// Everything that is remembered, as an estate: for what no name leads to.
///
/// # Errors
/// As [`part_of`].
pub fn all_of(store: &dyn Store, now: Instant) -> Result<Estate, EngineError> {
    let own = store.accepted(now)?.iter().map(exception_line).collect();
    load(store, None, None, Builder::citing_uses(), own)
}

/// The names under which the requests of an id are kept (of this source only, where one is given); empty where there is
/// no such request. Where each is given with its source, and as it is written there, only these are read; else all requests
/// are, once.
///
/// # Errors
/// When the store fails.
pub fn requests_called(
    store: &dyn Store,
    ids: &[(Option<String>, String)],
) -> Result<Vec<String>, EngineError> {
    records_here(store)?;
    let mut names = vec![];
    let mut left = vec![];
    for (source, id) in ids {
        let before = names.len();
        if let Some(source) = source {
            store.keyed(request_key(source, id), &mut |_, _, line| names_of(line, &|_| true, &mut names))?;
        }
        if names.len() == before {
            left.push((source.as_deref(), norm(id)));
        }
    }
    if !left.is_empty() {
        let asked = |r: &Request<'_>| {
            let form = norm(&r.id);
            left.iter().any(|(source, id)| *id == form && source.is_none_or(|s| s == &*r.source))
        };
        store.records_at(None, Some(RecordType::Request), &mut |_, _, line| {
            names_of(line, &asked, &mut names);
        })?;
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Adds the names under which the request of a kept line is kept, where it is asked for.
fn names_of(line: &str, asked: &dyn Fn(&Request<'_>) -> bool, names: &mut Vec<String>) {
    // The time of the pull is of no account here.
    let line = with_stamp(line, "1970-01-01T00:00:00Z");
    let Ok(Record::Request(r)) = parse_line(line.as_bytes()) else { return };
    if !asked(&r) {
        return;
    }
    let people = r.beneficiaries.iter().filter(|b| !b.trim().is_empty());
    let before = names.len();
    names.extend(people.map(|b| b.to_string()));
    if names.len() == before {
        names.push(home_of_request(&r.source, &r.id, None));
    }
}
