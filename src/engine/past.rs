//! What was known at a past instant, from the history that the store keeps: the whole estate as it was after the last run that
//! had ended by then, with the exceptions that were given by then and had not ended, and how each source stood.
//!
//! ```text
//! instant ─▶ run ─▶ records as they were ─▶ estate ─▶ (judge with the terms of that run, at that instant)
//!              └──▶ manifests up to it ───▶ sources, terms
//! ```
//!
//! Nothing here asks what is true now, so the answer is the same whenever it is asked, as long as what it rests on is kept.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::judged::records_here;
use super::prepare::with_stamp;
use super::report::{Manifest, PullOutcome};
use super::sources::in_trouble;
use super::{EngineError, TERMS, exception_line};
use crate::judge::{Builder, Estate, Locator, Settings};
use crate::model::life::{Counts, Trouble};
use crate::model::{Instant, Record, RecordType, parse_line};
use crate::store::{Accepted, RunRow, Store};

/// All that a judgement rests on besides the records and the instant; kept with the run, so that it can be judged again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The version of the program that judged.
    pub version: String,
    /// Thresholds, checks, birthrights, who answers.
    pub settings: Settings,
    /// The framework references, as whoever knows them wrote them.
    pub frameworks: serde_json::Value,
}

/// The last run that had ended by an instant.
#[derive(Debug, Clone)]
pub struct Past {
    /// The run.
    pub run: RunRow,
    /// What it did.
    pub manifest: Manifest,
    /// With what it judged; `None` where an earlier version did, which did not keep it.
    pub terms: Option<Terms>,
}

impl Past {
    /// The last run that had ended by an instant; `None` when there was none yet, or what was known after it is no longer
    /// kept whole.
    ///
    /// # Errors
    /// When the store fails, or holds what is no manifest.
    pub fn at(store: &dyn Store, at: Instant) -> Result<Option<Self>, EngineError> {
        let Some(run) = store.run_at(at)? else { return Ok(None) };
        if store.history()?.is_some_and(|kept| run.id < kept.first_run) {
            return Ok(None);
        }
        let broken = |what: &str, e: serde_json::Error| EngineError::Broken(format!("{what}: {e}"));
        let manifest: Manifest = serde_json::from_str(run.manifest.as_deref().unwrap_or_default())
            .map_err(|e| broken(&format!("the manifest of run {}", run.id), e))?;
        // A run that only took in pulls goes by the terms of the last one that judged.
        let mut name = manifest.terms.clone();
        if name.is_none() {
            each_manifest(store, run.id, &mut |earlier| {
                if earlier.terms.is_some() {
                    name = earlier.terms;
                }
            })?;
        }
        let text = match name {
            Some(name) => store.meta(&format!("{TERMS}{name}"))?,
            None => None,
        };
        let terms = text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Some(Self { run, manifest, terms: terms.map_err(|e| broken("the terms of a run", e))? }))
    }
}

/// The instant of the first run after which everything is known as it was; `None` before there is one.
///
/// # Errors
/// When the store fails.
pub fn known_since(store: &dyn Store) -> Result<Option<Instant>, EngineError> {
    let first = store.history()?.map_or(0, |kept| kept.first_run);
    let mut since = None;
    store.ended_runs(u64::MAX, &mut |run| {
        if since.is_none() && run.id >= first {
            since = run.ended_at;
        }
    })?;
    Ok(since)
}

/// Shows the manifests of the runs that ended, oldest first, up to and with this one.
///
/// # Errors
/// When the store fails, or holds what is no manifest.
pub fn each_manifest(
    store: &dyn Store,
    last: u64,
    show: &mut dyn FnMut(Manifest),
) -> Result<(), EngineError> {
    let mut bad = None;
    store.ended_runs(
        last,
        &mut |run| match serde_json::from_str(run.manifest.as_deref().unwrap_or_default()) {
            Ok(manifest) => show(manifest),
            Err(e) => bad = Some(format!("the manifest of run {}: {e}", run.id)),
        },
    )?;
    bad.map_or(Ok(()), |e| Err(EngineError::Broken(e)))
}

/// How a source stood after a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceAt {
    /// Its id.
    pub id: String,
    /// How it was read last, where that is known.
    pub by: Option<String>,
    /// The last good snapshot.
    pub taken: Option<TakenAt>,
    /// Why what was tried after that gave none, and as of when.
    pub trouble: Option<(Trouble, Instant)>,
}

/// A good snapshot of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenAt {
    /// The run that took it.
    pub run: u64,
    /// The instant of that run.
    pub pulled_at: Instant,
    /// When the export was taken.
    pub taken_at: Option<Instant>,
    /// SHA-256 of the snapshot.
    pub sha256: String,
    /// What it held, and how that differed from the one before, by record type.
    pub of: BTreeMap<RecordType, Counts>,
}

/// How each source stood after a run, by id; those that were no longer configured are left out.
///
/// # Errors
/// As [`each_manifest`].
pub fn sources_at(store: &dyn Store, run: u64) -> Result<Vec<SourceAt>, EngineError> {
    let mut all: BTreeMap<String, SourceAt> = BTreeMap::new();
    each_manifest(store, run, &mut |manifest| {
        for line in manifest.sources {
            let source = all.entry(line.id.clone()).or_default();
            source.id.clone_from(&line.id);
            source.by = line.by.or(source.by.take());
            let now = manifest.now;
            source.trouble = match line.outcome {
                PullOutcome::Taken { difference, sha256 } => {
                    source.taken = Some(TakenAt {
                        run: manifest.run,
                        pulled_at: now,
                        taken_at: line.taken_at,
                        sha256,
                        of: difference.of,
                    });
                    None
                }
                PullOutcome::Partial { reason } => Some((Trouble::Partial { reason }, now)),
                PullOutcome::Failed { reason } => Some((Trouble::Failed { reason }, now)),
                PullOutcome::Held { run, reason, difference } => {
                    let t = difference.total();
                    Some((Trouble::Held { run, before: t.before, now: t.now, reason }, now))
                }
                PullOutcome::Retired => {
                    all.remove(&line.id);
                    continue;
                }
            };
        }
    })?;
    Ok(all.into_values().collect())
}

/// The whole estate as it was known after a run (`None`: as it is), with the exceptions that people had given by an instant
/// and that had not ended then.
///
/// # Errors
/// When the store fails, or holds what are no records.
pub fn estate_at(store: &dyn Store, run: Option<u64>, at: Instant) -> Result<Estate, EngineError> {
    estate_with(store, run, at, &[])
}

/// As [`estate_at`], with these lines of records beside what was known.
///
/// # Errors
/// As [`estate_at`], and when such a line is no record.
pub fn estate_with(
    store: &dyn Store,
    run: Option<u64>,
    at: Instant,
    extra: &[String],
) -> Result<Estate, EngineError> {
    let accepted = accepted_at(store, at)?;
    let own = accepted.iter().map(exception_line).chain(extra.iter().cloned()).collect();
    load(store, run, None, Builder::default(), own)
}

/// An estate of all records, or those of one type, as they were after a run (`None`: as they are), and of these lines.
pub(super) fn load(
    store: &dyn Store,
    run: Option<u64>,
    of: Option<RecordType>,
    builder: Builder,
    own: Vec<String>,
) -> Result<Estate, EngineError> {
    records_here(store)?;
    let stamps = stamps(store, run)?;
    let mut loading = Loading { store, stamps: &stamps, builder, own, bad: None };
    loading.add_own();
    loading.add_kept(run, of)?;
    loading.finish()
}

/// What the sources themselves are judged by, where some were in trouble: people, and one end mark for each such source that
/// says why what it does not show proves nothing. `None` when all was well.
///
/// # Errors
/// As [`estate_at`].
pub fn troubled_at(
    store: &dyn Store,
    run: Option<u64>,
    sources: &[SourceAt],
) -> Result<Option<Estate>, EngineError> {
    let line = |s: &SourceAt| {
        let (trouble, tried_at) = s.trouble.as_ref()?;
        let taken_at = s.taken.as_ref().and_then(|t| t.taken_at).unwrap_or(*tried_at);
        Some(in_trouble(&s.id, taken_at, trouble))
    };
    let own: Vec<String> = sources.iter().filter_map(line).collect();
    if own.is_empty() {
        return Ok(None);
    }
    load(store, run, Some(RecordType::Identity), Builder::default(), own).map(Some)
}

/// The exceptions that people had given by an instant and that had not ended then.
///
/// # Errors
/// When the store fails.
pub fn accepted_at(store: &dyn Store, at: Instant) -> Result<Vec<Accepted>, EngineError> {
    let mut all = store.accepted(at)?;
    all.retain(|a| a.at <= at);
    Ok(all)
}

/// When the last good snapshot of each source was taken, as its own end mark says.
fn stamps(store: &dyn Store, run: Option<u64>) -> Result<HashMap<String, String>, EngineError> {
    let mut stamps = HashMap::new();
    store.records_at(run, Some(RecordType::Snapshot), &mut |_, source, line| {
        if let Ok(Record::Snapshot(s)) = parse_line(line.as_bytes())
            && *s.source == *source
        {
            stamps.insert(source.to_owned(), s.taken_at.to_string());
        }
    })?;
    Ok(stamps)
}

/// Lines that are not kept as records are found by numbers from here on.
const OWN: u64 = 1 << 63;

struct Loading<'s> {
    store: &'s dyn Store,
    stamps: &'s HashMap<String, String>,
    builder: Builder,
    /// Lines that are no records of a source.
    own: Vec<String>,
    bad: Option<String>,
}

impl Loading<'_> {
    fn add_own(&mut self) {
        for (number, line) in (OWN..).zip(&self.own) {
            match parse_line(line.as_bytes()) {
                Ok(record) => self.builder.add(record, Locator(number), line.as_bytes()),
                Err(e) => self.bad = Some(format!("an exception: {e}")),
            }
        }
    }

    fn add_kept(&mut self, run: Option<u64>, of: Option<RecordType>) -> Result<(), EngineError> {
        let (builder, bad, stamps) = (&mut self.builder, &mut self.bad, self.stamps);
        self.store.records_at(run, of, &mut |row, source, line| {
            let line = with_stamp(line, stamps.get(source).map_or("", String::as_str));
            match parse_line(line.as_bytes()) {
                Ok(record) => builder.add(record, Locator(row.unsigned_abs()), line.as_bytes()),
                Err(e) => *bad = Some(format!("a kept record of source `{source}`: {e}")),
            }
        })?;
        Ok(())
    }

    fn finish(self) -> Result<Estate, EngineError> {
        if let Some(e) = self.bad {
            return Err(EngineError::Broken(e));
        }
        let (store, stamps, own) = (self.store, self.stamps, self.own);
        let estate = self.builder.finish(&mut |places, show| {
            let mut rows = vec![];
            for place in places {
                match place.0.checked_sub(OWN) {
                    Some(number) => {
                        let line = usize::try_from(number).ok().and_then(|n| own.get(n));
                        show(*place, line.map_or(b"", String::as_bytes));
                    }
                    None => rows.push(i64::try_from(place.0).unwrap_or(i64::MAX)),
                }
            }
            let shown = store.numbered(&rows, &mut |row, source, line| {
                let line = with_stamp(line, stamps.get(source).map_or("", String::as_str));
                show(Locator(row.unsigned_abs()), line.as_bytes());
            });
            shown.map_err(|e| std::io::Error::other(e.to_string()))
        });
        estate.map_err(|e| EngineError::Broken(e.to_string()))
    }
}
