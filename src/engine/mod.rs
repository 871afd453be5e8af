//! One run: pulls are taken in, what changed is judged, and what has to be told is put into the outbox.
//!
//! ```text
//! pulls ─▶ take ─▶ store: records ─▶ names to judge ─▶ part ─▶ judge ─▶ lives ─▶ store: verdicts, findings, outbox
//!           │                                            (batch by batch, each in one transaction)
//!           └─ held, partial, failed ─▶ doubts ─▶ what rests on them keeps still
//! ```
//!
//! The cost follows what changed: only names that a changed record touches, or whose time has come, are judged again. The
//! time is an argument, and where pulls come from is the caller's business; whatever breaks off in between, the next run
//! goes on with what is left.

mod judged;
mod lines;
mod look;
mod part;
mod past;
mod prepare;
mod rejudge;
mod report;
mod sources;
mod take;
mod tell;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::BufRead;

pub use judged::{AT_ONCE, Home, NO_SOURCE_BESIDE, Results, Took, judged_elsewhere, taken_before};
pub use look::{all_of, part_of, requests_called};
use part::Catalogue;
pub use past::{
    Past, SourceAt, TakenAt, Terms, accepted_at, each_manifest, estate_at, estate_with, known_since,
    sources_at, troubled_at,
};
pub use report::{Manifest, PullOutcome, SourceLine};
pub use tell::{Listener, Team};

use crate::alert::{guard, life, mute};
use crate::judge::{ControlSource, Settings};
use crate::model::event::hashed;
use crate::model::life::SourceState;
use crate::model::{Instant, RecordType};
use crate::store::{Slot, Store, StoreError, Token};

/// How many names are judged in one transaction: what bounds memory, and what is lost when the power fails.
const BATCH: usize = 20_000;

/// Why a run could not be finished. What it had done by then is kept; the next one goes on.
#[derive(Debug)]
pub enum EngineError {
    /// The store failed.
    Store(StoreError),
    /// What the store holds is not what was put into it.
    Broken(String),
    /// Results that were judged elsewhere cannot be taken.
    Results(String),
    /// What the store holds was judged elsewhere, and the records that were asked for are not here.
    NoRecords,
    /// The run was asked to stop.
    Stopped,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(e) => e.fmt(f),
            Self::Broken(e) => write!(f, "the store is damaged: {e}; restore a backup"),
            Self::Results(e) => write!(f, "the results cannot be taken: {e}"),
            Self::NoRecords => f.write_str(
                "what this store holds was judged elsewhere (`reconcile --judged`), and the records it rests on are not here; \
                 ask where they are",
            ),
            Self::Stopped => f.write_str("stopped before the end of the run; the next one goes on from here"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<StoreError> for EngineError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

/// A configured source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Its id.
    pub id: String,
    /// The record types it may provide, as far as its connector says: what is in doubt before it was ever read.
    pub provides: Vec<RecordType>,
    /// How it is read, for whoever asks where what is known came from; `None` where nobody says.
    pub by: Option<String>,
}

/// What a pull gave.
pub enum Pulled {
    /// Lines of records, the end mark of the source among them.
    Records {
        /// When the export was taken, as the records carry it.
        taken_at: String,
        /// The lines.
        lines: Box<dyn BufRead + Send>,
    },
    /// Nothing, or nothing that can be used.
    Failed(String),
}

/// What a site decides about a run.
pub struct Rules {
    /// About judging.
    pub settings: Settings,
    /// Which controls a check speaks to.
    pub controls: Box<dyn ControlSource + Send + Sync>,
    /// The same as JSON, to be kept with what was judged.
    pub frameworks: serde_json::Value,
    /// How findings live.
    pub life: life::Rules,
    /// When a pull is held.
    pub guard: guard::Limits,
    /// What people are not told.
    pub mutes: Vec<mute::Mute>,
    /// Who is told.
    pub listeners: Vec<Listener>,
    /// Who belongs to which team.
    pub teams: Vec<Team>,
    /// Threads to read and to judge with.
    pub threads: usize,
}

/// Takes in pulls, judges, and keeps what comes of it.
pub struct Engine {
    store: Box<dyn Store>,
    rules: Rules,
}

/// A run in progress.
struct Run<'e> {
    store: &'e mut dyn Store,
    rules: &'e Rules,
    specs: &'e [SourceSpec],
    id: u64,
    now: Instant,
    /// Whether no run was ever finished before this one.
    first: bool,
    states: BTreeMap<String, SourceState>,
    manifest: Manifest,
    /// The slots of jobs that it is for.
    slots: &'e [Slot],
    /// Whether somebody wants the run to stop.
    stop: &'e dyn Fn() -> bool,
}

/// What a run is asked to do.
pub struct Order<'o> {
    /// The instant of the run.
    pub now: Instant,
    /// All configured sources.
    pub sources: &'o [SourceSpec],
    /// Those to be pulled.
    pub due: &'o [String],
    /// Whether to judge; otherwise the pulls are taken in, and the next run judges.
    pub judge: bool,
    /// Whether somebody wants the run to stop: asked again and again while it goes on.
    pub stop: &'o dyn Fn() -> bool,
}

impl Engine {
    /// An engine on a store.
    #[must_use]
    pub fn new(store: Box<dyn Store>, rules: Rules) -> Self {
        Self { store, rules }
    }

    /// The store.
    pub fn store(&mut self) -> &mut dyn Store {
        &mut *self.store
    }

    /// Goes on with the same store by another way to it.
    pub fn set_store(&mut self, store: Box<dyn Store>) {
        self.store = store;
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Puts other rules in place: what they change is judged in the next run.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Whether no run was ever finished.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_first(&mut self) -> Result<bool, EngineError> {
        Ok(self.store.meta(JUDGED)?.is_none())
    }

    /// Does one run. `pull` gives what a source holds now.
    ///
    /// # Errors
    /// When the store fails. Sources that fail are no error: they are said, and what rests on them keeps still.
    pub fn run(
        &mut self,
        order: &Order<'_>,
        pull: &mut dyn FnMut(&str) -> Pulled,
    ) -> Result<Manifest, EngineError> {
        self.run_for(&[], order, pull)
    }

    /// Does one run for some slots of jobs, which are done in the same step in which the run ends.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn run_for(
        &mut self,
        slots: &[Slot],
        order: &Order<'_>,
        pull: &mut dyn FnMut(&str) -> Pulled,
    ) -> Result<Manifest, EngineError> {
        let store = &mut *self.store;
        judged::records_here(store)?;
        let states = store.sources()?.into_iter().map(|s| (s.id.clone(), s)).collect();
        let first = store.meta(JUDGED)?.is_none();
        let id = store.open_run(order.now)?;
        let previous = store.meta(MANIFEST)?;
        let mut run = Run {
            store,
            rules: &self.rules,
            specs: order.sources,
            id,
            now: order.now,
            first,
            states,
            manifest: Manifest::new(id, order.now, first, previous),
            slots,
            stop: order.stop,
        };
        run.retire_others()?;
        for source in order.due {
            run.go_on()?;
            run.take(source, pull(source))?;
        }
        if order.judge {
            run.judge()?;
        }
        run.close()
    }
}

/// The fact that says with which settings everything was last judged.
const JUDGED: &str = "judged-with";
/// The fact that says as of when everything was last judged.
const JUDGED_AT: &str = "judged-at";
/// The fact that says which absences proved nothing when everything was last judged.
const DOUBTS: &str = "doubts";
/// The fact that says that what the store holds was judged elsewhere, and which results were begun last.
const ELSEWHERE: &str = "judged-elsewhere";
/// The fact that holds the hash of the last manifest.
const MANIFEST: &str = "manifest";
/// What the names of facts begin with that hold the terms of a judgement, followed by their hash.
const TERMS: &str = "terms:";

impl Run<'_> {
    /// Whether the run may go on; asked again and again, which also shows that it does.
    fn go_on(&self) -> Result<(), EngineError> {
        if (self.stop)() { Err(EngineError::Stopped) } else { Ok(()) }
    }

    /// Judges what changed, in batches.
    fn judge(&mut self) -> Result<(), EngineError> {
        let catalogue = self.catalogue()?;
        let with = self.judged_with();
        let world = self.sources_world(&catalogue)?;
        let doubts = self.doubts_text(&catalogue, &world);
        let changed = self.store.meta(JUDGED)?.is_some_and(|old| old != with);
        // What an instant that lies ahead made of things may not be true yet.
        let last = self.store.meta(JUDGED_AT)?.and_then(|text| text.parse::<Instant>().ok());
        let set_back = last.is_some_and(|last| self.now < last);
        if changed || set_back || self.store.meta(DOUBTS)?.is_some_and(|old| old != doubts) {
            self.store.mark_all()?;
            self.manifest.judged_all = true;
        }
        self.store.mark_due(self.now)?;
        let frozen = self.doubts(&catalogue);
        loop {
            self.go_on()?;
            let (names, left) = self.store.dirty(BATCH)?;
            if names.is_empty() {
                break;
            }
            tracing::debug!(left, "names to judge");
            self.rejudge(&catalogue, &frozen, &names)?;
        }
        self.judge_sources(catalogue, world, &frozen)?;
        self.sweep(&frozen)?;
        let at = (JUDGED_AT.to_owned(), self.now.to_string());
        self.manifest.facts = vec![(JUDGED.to_owned(), with), (DOUBTS.to_owned(), doubts), at];
        self.conclude()
    }

    /// Says that everything is judged, by which terms, and how it stands.
    fn conclude(&mut self) -> Result<(), EngineError> {
        self.manifest.judged = true;
        self.keep_terms()?;
        for (_, standing, n) in self.store.standings()? {
            *self.manifest.outcomes.entry(standing.outcome()).or_default() += n;
        }
        Ok(())
    }

    /// Keeps what was judged with, once for all runs that judge with the same.
    fn keep_terms(&mut self) -> Result<(), EngineError> {
        let terms = Terms {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: self.rules.settings.clone(),
            frameworks: self.rules.frameworks.clone(),
        };
        let text = serde_json::to_string(&terms).map_err(|e| EngineError::Broken(e.to_string()))?;
        let hash = hashed("t1:", &text);
        let name = format!("{TERMS}{hash}");
        if self.store.meta(&name)?.is_none() {
            self.manifest.facts.push((name, text));
        }
        self.manifest.terms = Some(hash);
        Ok(())
    }

    /// What everything is judged with, as a text: when it changes, everything is judged again.
    fn judged_with(&self) -> String {
        let settings =
            format!("{} {:?} {:?}", env!("CARGO_PKG_VERSION"), self.rules.settings, self.rules.life);
        hashed("c1:", &settings)
    }

    fn catalogue(&self) -> Result<Catalogue, EngineError> {
        catalogue(&*self.store, self.states.values(), self.now, &self.rules.settings)
    }
}

/// The catalogue as of an instant; the sources say when each was last pulled.
fn catalogue<'s>(
    store: &dyn Store,
    sources: impl Iterator<Item = &'s SourceState>,
    now: Instant,
    settings: &Settings,
) -> Result<Catalogue, EngineError> {
    let taken_at: HashMap<String, String> =
        sources.filter_map(|s| Some((s.id.clone(), s.taken_at?.to_string()))).collect();
    let exceptions = store.accepted(now)?;
    let lines = exceptions.iter().map(exception_line).collect();
    Catalogue::load(store, taken_at, lines, &settings.accountability)
}

/// An exception that a person gave, as a record.
fn exception_line(a: &crate::store::Accepted) -> String {
    serde_json::json!({
        "type": "exception", "check": a.check, "finding": a.finding, "accepted_by": a.by, "reason": a.reason,
        "expires_at": a.until.to_string(),
    })
    .to_string()
}

/// Names of homes, each once.
fn sorted(names: impl IntoIterator<Item = Token>) -> Vec<Token> {
    let mut names: Vec<Token> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names
}
