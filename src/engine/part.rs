//! A part of the estate: all that decides about some names, loaded from the store and judged as if it were everything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::EngineError;
use super::prepare::{name_token, with_stamp};
use crate::judge::reach::{Tie, ties};
use crate::judge::{Accountability, Builder, Estate, Locator};
use crate::model::{Instant, Record, RecordType, norm, parse_line};
use crate::store::{Store, Token};

/// What belongs to every part: the records of the catalogue, and who they name.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Lines, as the last pull wrote them; of snapshots none.
    pub(super) lines: Vec<String>,
    /// The end marks of the pulls, by source, as lines.
    pub(super) snapshots: BTreeMap<String, Vec<String>>,
    /// The people whom they name.
    names: BTreeSet<Token>,
    /// Systems on which grants are held.
    systems: Vec<String>,
    /// Whether there are identities at all.
    pub(super) identities: bool,
    /// Records whose key another source has too: those of one key, for each.
    twins: HashMap<i64, Vec<i64>>,
    /// Which records stand where several speak of the same thing, as a text.
    pub(super) settled: String,
    /// When each source was last pulled, as its records say it.
    pub(super) taken_at: HashMap<String, String>,
}

impl Catalogue {
    /// Loads it. `taken_at` says when each source was last pulled; `exceptions` are lines of records that people gave.
    pub(super) fn load(
        store: &dyn Store,
        taken_at: HashMap<String, String>,
        exceptions: Vec<String>,
        accountability: &Accountability,
    ) -> Result<Self, EngineError> {
        let (systems, identities) = (store.systems_held()?, store.holds(RecordType::Identity)?);
        let mut c = Self { taken_at, systems, identities, ..Self::default() };
        let a = accountability;
        let defaults = [&a.workflow_owner, &a.system_owner, &a.operator];
        c.names.extend(defaults.into_iter().flatten().map(|name| name_token(name)));
        let mut by_key: HashMap<crate::store::Hash, Vec<i64>> = HashMap::new();
        store.twins(&mut |row, key| by_key.entry(key).or_default().push(row))?;
        for rows in by_key.into_values().filter(|rows| rows.len() > 1) {
            c.twins.extend(rows.iter().map(|row| (*row, rows.clone())));
        }
        let mut bad = None;
        let mut kept = vec![];
        store.catalogue(&mut |source, line| {
            let taken_at = c.taken_at.get(source).map_or("", String::as_str);
            kept.push((source.to_owned(), with_stamp(line, taken_at).into_owned()));
        })?;
        kept.extend(exceptions.into_iter().map(|line| (String::new(), line)));
        // Of an end mark the source that it speaks of.
        let mut marks: Vec<Option<String>> = Vec::with_capacity(kept.len());
        let mut records = vec![];
        for (source, line) in &kept {
            let mut mark = None;
            match parse_line(line.as_bytes()) {
                Ok(Record::Snapshot(s)) => mark = Some(s.source.to_string()),
                Ok(record) => {
                    ties(&record, &mut |tie, name| {
                        if tie == Tie::Names {
                            c.names.insert(name_token(name));
                        }
                    });
                    records.push((line.as_str(), record));
                }
                Err(e) => bad = Some(format!("a kept record of source `{source}`: {e}")),
            }
            marks.push(mark);
        }
        if let Some(e) = bad {
            return Err(EngineError::Broken(e));
        }
        c.settled = settled(&records);
        drop(records);
        for ((_, line), mark) in kept.into_iter().zip(marks) {
            match mark {
                Some(of) => c.snapshots.entry(of).or_default().push(line),
                None => c.lines.push(line),
            }
        }
        Ok(c)
    }
}

/// Of several catalogue records that speak of the same thing the last stands, and which one that is may change with
/// every pull: those that stand, as a text.
fn settled(records: &[(&str, Record<'_>)]) -> String {
    // Systems by all their names, so that an entitlement is the same under each.
    let mut systems: HashMap<String, String> = HashMap::new();
    for (_, record) in records {
        if let Record::System(s) = record {
            for name in s.aliases.iter().chain([&s.id]) {
                systems.insert(norm(name).into_owned(), norm(&s.id).into_owned());
            }
        }
    }
    let mut groups: BTreeMap<[String; 3], Vec<(Option<Instant>, &str)>> = BTreeMap::new();
    for (line, record) in records {
        let form = |name: &str| norm(name).into_owned();
        let (thing, observed) = match record {
            Record::System(r) => (["system".to_owned(), form(&r.id), String::new()], r.observed_at),
            Record::Workflow(r) => (["workflow".to_owned(), form(&r.id), String::new()], r.observed_at),
            Record::Policy(r) => (["policy".to_owned(), form(&r.id), String::new()], r.observed_at),
            Record::Entitlement(r) => {
                let system = form(&r.system);
                let system = systems.get(&system).cloned().unwrap_or(system);
                (["entitlement".to_owned(), system, form(&r.id)], r.observed_at)
            }
            _ => continue,
        };
        groups.entry(thing).or_default().push((observed, line));
    }
    let mut text = String::new();
    for mut group in groups.into_values().filter(|g| g.len() > 1) {
        group.sort_unstable();
        for (observed, line) in group {
            let stamp = observed.map(|t| t.to_string()).unwrap_or_default();
            // Without the time, which moves though nothing else does.
            text.push_str(&line.replace(&stamp, ""));
            text.push('\n');
        }
    }
    text
}

/// A part of the estate, loaded.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) estate: Estate,
    /// Homes that are whole in it: what is said of them here is what judging everything would say.
    pub(super) homes: HashSet<Token>,
    /// Names that are done with once the homes are judged.
    pub(super) done: Vec<Token>,
}

/// An identity that was loaded, by what it is tied to.
struct Person {
    id: String,
    claims: Vec<Token>,
    links: Vec<Token>,
}

struct Loading<'s> {
    store: &'s dyn Store,
    catalogue: &'s Catalogue,
    builder: Builder,
    lines: Vec<String>,
    loaded: HashSet<i64>,
    /// Identities, by the record's number.
    people: HashMap<i64, Person>,
    /// Whom the loaded records name.
    names: BTreeSet<Token>,
    bad: Option<String>,
}

const CLAIMS: u8 = Tie::Claims.number();
const LINKS: u8 = Tie::Links.number();
const HOLDS: u8 = Tie::Holds.number();
const ASKS: u8 = Tie::Asks.number();

impl Part {
    /// Loads what decides about these names.
    ///
    /// A name leads to the identities that claim it or hold an account of that name; those lead to all their other
    /// names; and all these names to grants, requests, uses and certifications. People whom those name come with them,
    /// but are not judged.
    pub(super) fn load(
        store: &dyn Store,
        catalogue: &Catalogue,
        names: &[Token],
    ) -> Result<Self, EngineError> {
        Self::load_into(Builder::default(), store, catalogue, names)
    }

    /// As [`Part::load`], by a builder of the caller's.
    pub(super) fn load_into(
        builder: Builder,
        store: &dyn Store,
        catalogue: &Catalogue,
        names: &[Token],
    ) -> Result<Self, EngineError> {
        let mut l = Loading {
            store,
            catalogue,
            builder,
            lines: vec![],
            loaded: HashSet::new(),
            people: HashMap::new(),
            names: BTreeSet::new(),
            bad: None,
        };
        for line in catalogue.lines.iter().chain(catalogue.snapshots.values().flatten()) {
            l.add(None, line.clone());
        }
        for system in &catalogue.systems {
            l.builder.holds_elsewhere(system);
        }
        if catalogue.identities {
            l.builder.identities_elsewhere();
        }
        let asked: BTreeSet<Token> = names.iter().copied().collect();
        l.load(&asked, &[CLAIMS, LINKS])?;
        l.namesakes()?;
        let subjects: HashSet<i64> = l.people.keys().copied().collect();
        let mut homes: HashSet<Token> = asked.iter().copied().collect();
        let mut reached = asked.clone();
        for person in l.people.values() {
            homes.insert(name_token(&person.id));
            reached.extend(person.claims.iter().chain(&person.links));
        }
        l.load(&reached, &[HOLDS, ASKS])?;
        // Everybody who could be behind one of these names, and everybody who is named.
        l.load(&reached, &[CLAIMS, LINKS])?;
        let named: BTreeSet<Token> = l.names.union(&catalogue.names).copied().collect();
        l.load(&named, &[CLAIMS])?;
        l.namesakes()?;

        // A name that only these subjects go by is done with too.
        let mut shared: HashSet<Token> = HashSet::new();
        for person in l.people.iter().filter(|(row, _)| !subjects.contains(row)).map(|(_, p)| p) {
            shared.extend(person.claims.iter().chain(&person.links));
        }
        let more = reached.iter().filter(|t| !asked.contains(t) && !shared.contains(t));
        homes.extend(more.clone());
        let done = asked.iter().chain(more).copied().collect();
        let (estate, lines) = (l.builder, l.lines);
        if let Some(e) = l.bad {
            return Err(EngineError::Broken(e));
        }
        let estate = estate.finish(&mut |places, show| {
            for place in places {
                let line = usize::try_from(place.0).ok().and_then(|i| lines.get(i));
                show(*place, line.map_or(b"", String::as_bytes));
            }
            Ok(())
        });
        Ok(Self { estate: estate.map_err(|e| EngineError::Broken(e.to_string()))?, homes, done })
    }
}

impl Loading<'_> {
    fn add(&mut self, row: Option<i64>, line: String) {
        let at = Locator(self.lines.len() as u64);
        match parse_line(line.as_bytes()) {
            Ok(record) => {
                let (mut claims, mut links) = (vec![], vec![]);
                let names = &mut self.names;
                // Whom an identity names matters for those who are judged only; see `namesakes`.
                ties(&record, &mut |tie, name| match tie {
                    Tie::Claims => claims.push(name_token(name)),
                    Tie::Links => links.push(name_token(name)),
                    Tie::Names => drop(names.insert(name_token(name))),
                    Tie::Holds | Tie::Asks => {}
                });
                if let (Record::Identity(i), Some(row)) = (&record, row) {
                    self.people.insert(row, Person { id: i.id.to_string(), claims, links });
                }
                self.builder.add(record, at, line.as_bytes());
            }
            Err(e) => self.bad = Some(format!("a kept record: {e}")),
        }
        self.lines.push(line);
    }

    fn load(&mut self, tokens: &BTreeSet<Token>, ties: &[u8]) -> Result<(), EngineError> {
        let tokens: Vec<Token> = tokens.iter().copied().collect();
        let mut found = vec![];
        let (loaded, taken_at) = (&mut self.loaded, &self.catalogue.taken_at);
        self.store.tied(ties, &tokens, &mut |row, source, line| {
            if loaded.insert(row) {
                let taken_at = taken_at.get(source).map_or("", String::as_str);
                found.push((row, with_stamp(line, taken_at).into_owned()));
            }
        })?;
        let twins: Vec<i64> =
            found.iter().filter_map(|(row, _)| self.catalogue.twins.get(row)).flatten().copied().collect();
        self.store.numbered(&twins, &mut |row, source, line| {
            if loaded.insert(row) {
                let taken_at = taken_at.get(source).map_or("", String::as_str);
                found.push((row, with_stamp(line, taken_at).into_owned()));
            }
        })?;
        for (row, line) in found {
            self.add(Some(row), line);
        }
        Ok(())
    }

    /// Loads what other sources say of the identities that are here: of several records of one id one stands.
    fn namesakes(&mut self) -> Result<(), EngineError> {
        let mut known: HashSet<Token> = HashSet::new();
        loop {
            let ids: BTreeSet<Token> =
                self.people.values().map(|p| name_token(&p.id)).filter(|t| !known.contains(t)).collect();
            if ids.is_empty() {
                return Ok(());
            }
            self.load(&ids, &[CLAIMS])?;
            known.extend(ids);
        }
    }
}
