//! The population: of each source how it was read, what it held, and whether that was all. Absence proves something only
//! where it was.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::alert::freeze::Doubt;
use crate::engine::{EngineError, SourceAt};
use crate::model::life::{Counts, Difference, Trouble};
use crate::model::{Duration, Instant, Record, RecordType, norm, parse_line};
use crate::store::Store;

/// How far a source could be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was read whole, and recently enough.
    Complete,
    /// It was read whole, too long ago.
    Stale,
    /// What was read is not whole.
    Partial,
    /// What was pulled last changes so much that somebody must look first.
    Held,
    /// It could not be read.
    Failed,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stale => "stale",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// A source at an instant.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// How it was read, where that is known.
    pub by: Option<String>,
    /// How far it could be relied on.
    pub status: Status,
    /// Why no further.
    pub why: Option<String>,
    /// When what is judged was taken.
    pub taken_at: Option<Instant>,
    /// The run that took it in.
    pub run: Option<u64>,
    /// The instant of that run.
    pub pulled_at: Option<Instant>,
    /// When it was last tried in vain, where that is later.
    pub tried_at: Option<Instant>,
    /// SHA-256 of the snapshot.
    pub sha256: Option<String>,
    /// The record types it provides; any when empty.
    pub provides: Vec<RecordType>,
    /// The systems it speaks of; any when empty.
    pub systems: Vec<String>,
    /// Its records by type, end marks left out, and how they differ from the snapshot before.
    pub records: BTreeMap<RecordType, Counts>,
    /// All of them.
    pub total: Counts,
    /// What its absence therefore does not prove.
    pub missing: Option<String>,
}

/// What the end marks of one source say.
#[derive(Default)]
struct Marks {
    taken_at: Option<Instant>,
    incomplete: Vec<String>,
    provides: Vec<RecordType>,
    systems: Vec<String>,
}

/// The sources, by id, and the doubts that follow from how they stand.
pub(super) fn population(
    store: &dyn Store,
    run: u64,
    sources: &[SourceAt],
    (now, max_age): (Instant, Duration),
) -> Result<(Vec<Source>, Vec<Doubt>), EngineError> {
    let mut marks: BTreeMap<String, Marks> = BTreeMap::new();
    store.records_at(Some(run), Some(RecordType::Snapshot), &mut |_, _, line| {
        let Ok(Record::Snapshot(s)) = parse_line(line.as_bytes()) else { return };
        let m = marks.entry(s.source.to_string()).or_default();
        // Of several the one that is oldest, and all that is missing.
        m.taken_at = Some(m.taken_at.map_or(s.taken_at, |t| t.min(s.taken_at)));
        if !s.complete {
            m.incomplete.push(s.reason.as_ref().map_or("it says so itself", |r| &**r).to_owned());
        }
        m.provides.extend(&s.provides);
        m.systems.extend(s.systems.iter().map(|s| (**s).to_owned()));
    })?;
    let mut all = vec![];
    let mut doubts = vec![];
    for source in sources {
        let own = marks.remove(&source.id).unwrap_or_default();
        take(&mut all, &mut doubts, source.clone(), own, (now, max_age));
    }
    // What records say of sources that are no sources of ours.
    for (id, own) in marks {
        take(&mut all, &mut doubts, SourceAt { id, ..SourceAt::default() }, own, (now, max_age));
    }
    all.sort_by(|a: &Source, b: &Source| a.id.cmp(&b.id));
    Ok((all, doubts))
}

fn take(
    all: &mut Vec<Source>,
    doubts: &mut Vec<Doubt>,
    source: SourceAt,
    mut own: Marks,
    (now, max_age): (Instant, Duration),
) {
    own.provides.sort_unstable();
    own.provides.dedup();
    own.systems.sort_unstable();
    own.systems.dedup();
    own.incomplete.sort_unstable();
    own.incomplete.dedup();
    let stale = own.taken_at.filter(|t| t.plus(max_age) <= now);
    let (status, why) = match (&source.trouble, own.incomplete.as_slice(), stale) {
        (Some((trouble, _)), ..) => (of_trouble(trouble), Some(trouble.reason())),
        (None, [_, ..], _) => (Status::Partial, Some(own.incomplete.join("; "))),
        (None, [], Some(t)) => {
            (Status::Stale, Some(format!("taken {t}, and may be {max_age} old (source_max_age)")))
        }
        (None, [], None) => (Status::Complete, None),
    };
    if status != Status::Complete {
        doubts.push(Doubt {
            source: source.id.clone(),
            // Of one that was never read it is not known what it would show.
            provides: if own.provides.is_empty() { RecordType::ALL.to_vec() } else { own.provides.clone() },
            systems: own.systems.iter().map(|s| norm(s).into_owned()).collect(),
            shows: source.trouble.is_none() && stale.is_none(),
        });
    }
    let taken = source.taken;
    let missing = (status != Status::Complete).then(|| missing(&own, taken.is_some()));
    let records: BTreeMap<RecordType, Counts> = taken.as_ref().map_or_else(BTreeMap::new, |t| {
        let types = t.of.iter().filter(|(kind, _)| **kind != RecordType::Snapshot);
        types.map(|(kind, counts)| (*kind, *counts)).collect()
    });
    all.push(Source {
        id: source.id,
        by: source.by,
        status,
        why,
        taken_at: own.taken_at.or_else(|| taken.as_ref().and_then(|t| t.taken_at)),
        run: taken.as_ref().map(|t| t.run),
        pulled_at: taken.as_ref().map(|t| t.pulled_at),
        tried_at: source.trouble.map(|(_, at)| at),
        sha256: taken.map(|t| t.sha256),
        provides: own.provides,
        systems: own.systems,
        total: Difference { of: records.clone() }.total(),
        records,
        missing,
    });
}

fn of_trouble(trouble: &Trouble) -> Status {
    match trouble {
        Trouble::Failed { .. } => Status::Failed,
        Trouble::Partial { .. } => Status::Partial,
        Trouble::Held { .. } => Status::Held,
    }
}

fn missing(own: &Marks, read: bool) -> String {
    let kinds: Vec<&str> = own.provides.iter().map(|t| t.as_str()).collect();
    let kinds = if kinds.is_empty() { "record".to_owned() } else { kinds.join(", ") };
    let systems = match own.systems.as_slice() {
        [] => String::new(),
        some => format!(" of {}", some.join(", ")),
    };
    let since = if read { "since the last good snapshot " } else { "" };
    format!("that no {kinds}{systems} is to be seen {since}proves nothing")
}
