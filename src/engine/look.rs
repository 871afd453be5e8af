//! Looking at what is remembered of a few names: nothing is judged anew for keeps, and nothing is changed.

use memchr::memmem::Finder;

use super::part::Part;
use super::past::load;
use super::prepare::{name_token, with_stamp};
use super::{EngineError, catalogue, exception_line, sorted};
use crate::judge::reach::home_of_request;
use crate::judge::{Builder, Estate, Settings};
use crate::model::{Instant, Record, norm, parse_line};
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
/// no such request. Reads all records once.
///
/// # Errors
/// When the store fails.
pub fn requests_called(
    store: &dyn Store,
    ids: &[(Option<String>, String)],
) -> Result<Vec<String>, EngineError> {
    let mut names = vec![];
    if ids.is_empty() {
        return Ok(names);
    }
    let word = Finder::new("\"request\"");
    let forms: Vec<_> = ids.iter().map(|(source, id)| (source.as_deref(), norm(id))).collect();
    store.records_at(None, None, &mut |_, _, line| {
        if word.find(line.as_bytes()).is_none() {
            return;
        }
        // The time of the pull is of no account here.
        let line = with_stamp(line, "1970-01-01T00:00:00Z");
        let Ok(Record::Request(r)) = parse_line(line.as_bytes()) else { return };
        let form = norm(&r.id);
        if !forms.iter().any(|(source, id)| *id == form && source.is_none_or(|s| *s == *r.source)) {
            return;
        }
        let people = r.beneficiaries.iter().filter(|b| !b.trim().is_empty());
        let before = names.len();
        names.extend(people.map(|b| b.to_string()));
        if names.len() == before {
            names.push(home_of_request(&r.source, &r.id, None));
        }
    })?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
