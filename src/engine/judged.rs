//! A run on what was judged elsewhere: verdicts and findings are taken as they come, home after home, and from there on
//! everything is as in any run. For estates that no one machine judges; the store holds what follows from the records, and
//! no record.
//!
//! ```text
//! homes, as they were judged ─▶ seen ──────────────▶ lives ─▶ store: verdicts, findings, outbox
//!                                 └─ what was not ─▶ absent, when all homes were seen
//! ```
//!
//! A finding may have moved to another home since the last run, when its account was found to be another person's. So
//! nothing is absent before all homes were seen. A run that breaks off is begun again with the same number: what was told
//! is told already, and the rest follows as it would have.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::part::Catalogue;
use super::rejudge::{grant_of, kept_verdict};
use super::{ELSEWHERE, Engine, EngineError, JUDGED, JUDGED_AT, MANIFEST, Manifest, Run, sorted};
use crate::alert::accept::holds;
use crate::alert::freeze::Doubt;
use crate::judge::exception_order;
use crate::model::event::{Cause, Event, State};
use crate::model::finding::{ExceptionView, Finding, Verdict};
use crate::model::life::Life;
use crate::model::{Instant, Record, RecordType, parse_line};
use crate::store::{Accepted, Batch, Hash, Store, StoreError, Token, hash};

/// How many homes, verdicts and findings are well taken in one transaction.
pub const AT_ONCE: usize = 50_000;

/// Why nothing is pulled into a store of what was judged elsewhere.
pub const NO_SOURCE_BESIDE: &str = "what it holds was judged elsewhere (`reconcile --judged`), and no source goes beside \
     that; take the [[source]] tables out, or give another [store]";

/// What was judged of one home.
#[derive(Debug)]
pub struct Home {
    /// The home; 0 for what belongs to nobody.
    pub token: Token,
    /// On its grants.
    pub verdicts: Vec<Verdict<'static>>,
    /// Its findings, in the order in which they are told.
    pub findings: Vec<Finding<'static>>,
}

/// Results of judging everything elsewhere, with the settings that are in force here.
pub struct Results<'r> {
    /// The instant judged at.
    pub now: Instant,
    /// What tells these results from all others, the same whenever they are taken.
    pub of: String,
    /// The end marks of the sources, as lines of records: what is in doubt. `None` where nobody says; then the findings about
    /// sources do.
    pub snapshots: Option<Vec<String>>,
    /// The sources that a finding is about.
    pub doubtful: Vec<String>,
    /// How many homes, verdicts and findings are taken in one transaction, unless one home has more ([`AT_ONCE`]).
    pub at_once: usize,
    /// Gives every home once, or says why it cannot.
    pub next: &'r mut dyn FnMut() -> Result<Option<Home>, String>,
    /// Whether somebody wants the run to stop.
    pub stop: &'r dyn Fn() -> bool,
}

/// What came of taking results.
#[derive(Debug)]
pub enum Took {
    /// They are taken.
    Run(Box<Manifest>),
    /// They were taken before, by this run; nothing was changed.
    Already(u64),
}

/// The fact that says that what a store holds was judged elsewhere: the results that were begun last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    run: u64,
    of: String,
    now: Instant,
    /// Whether all of them are taken.
    taken: bool,
}

/// Whether what a store holds was judged elsewhere, so that it has no records.
///
/// # Errors
/// When the store fails.
pub fn judged_elsewhere(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.meta(ELSEWHERE)?.is_some())
}

/// That there are records to ask.
pub(super) fn records_here(store: &dyn Store) -> Result<(), EngineError> {
    if judged_elsewhere(store)? { Err(EngineError::NoRecords) } else { Ok(()) }
}

/// How results stand to those that were taken before.
enum Before {
    New,
    /// They were begun by this run, which broke off.
    Begun(u64),
    /// This run took them.
    Taken(u64),
}

impl Before {
    fn of(store: &dyn Store, now: Instant, of: &str) -> Result<Self, EngineError> {
        let last = store.meta(ELSEWHERE)?.map(|text| serde_json::from_str::<Begun>(&text)).transpose();
        let last = last.map_err(|e| EngineError::Broken(format!("what was judged elsewhere: {e}")))?;
        match last {
            None if store.meta(JUDGED)?.is_some() || !store.sources()?.is_empty() => {
                let why = "the store holds records of its own, and what was judged elsewhere does not go beside them; give \
                           another [store]";
                Err(EngineError::Results(why.to_owned()))
            }
            None => Ok(Self::New),
            Some(last) if last.of == of && last.taken => Ok(Self::Taken(last.run)),
            Some(last) if last.of == of => Ok(Self::Begun(last.run)),
            Some(last) if now < last.now || (now == last.now && last.taken) => {
                let done = if last.taken { "taken" } else { "begun" };
                Err(EngineError::Results(format!(
                    "they are of {now}, and others of {} were {done} already (run {}); take later ones",
                    last.now, last.run
                )))
            }
            Some(_) => Ok(Self::New),
        }
    }
}

/// The run that took these results before, if one did.
///
/// # Errors
/// When the store fails, holds records of its own, or later results.
pub fn taken_before(store: &dyn Store, now: Instant, of: &str) -> Result<Option<u64>, EngineError> {
    match Before::of(store, now, of)? {
        Before::Taken(run) => Ok(Some(run)),
        Before::New | Before::Begun(_) => Ok(None),
    }
}

impl Engine {
    /// Whether what the store holds was judged elsewhere.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_judged_elsewhere(&self) -> Result<bool, StoreError> {
        judged_elsewhere(&*self.store)
    }

    /// Does one run on results of judging everything elsewhere.
    ///
    /// # Errors
    /// When the store fails, holds records of its own or later results, or the results cannot be read to their end.
    pub fn take_judged(&mut self, results: Results<'_>) -> Result<Took, EngineError> {
        let store = &mut *self.store;
        let Results { now, of, .. } = &results;
        let before = Before::of(store, *now, of)?;
        let first = store.meta(JUDGED)?.is_none();
        let id = match before {
            Before::Taken(run) => return Ok(Took::Already(run)),
            Before::Begun(run) => run,
            Before::New => store.open_run(*now)?,
        };
        let begun = Begun { run: id, of: of.clone(), now: *now, taken: false };
        store.set_meta(ELSEWHERE, &json(&begun))?;
        let previous = store.meta(MANIFEST)?;
        let mut run = Run {
            store,
            rules: &self.rules,
            specs: &[],
            id,
            now: *now,
            first,
            states: BTreeMap::new(),
            manifest: Manifest::new(id, *now, first, previous),
            slots: &[],
            stop: results.stop,
        };
        if matches!(before, Before::Begun(_)) {
            run.count_told()?;
        }
        run.take_results(results)?;
        run.manifest.facts.push((ELSEWHERE.to_owned(), json(&Begun { taken: true, ..begun })));
        Ok(Took::Run(Box::new(run.close()?)))
    }
}

/// What was not seen where it was, and whether it is somewhere else is not known before the end.
#[derive(Default)]
struct Missing {
    /// Homes at which something is missing.
    homes: Vec<Token>,
    /// What is missing there; of homes that are no more everything.
    findings: HashSet<Hash>,
    /// Homes that are no more.
    ended: HashSet<Token>,
    /// What was seen away from the home it is kept under.
    moved: HashSet<Hash>,
}

impl Run<'_> {
    fn take_results(&mut self, results: Results<'_>) -> Result<(), EngineError> {
        let doubts = self.doubts_of(&results)?;
        let mut accepted: HashMap<String, Vec<Accepted>> = HashMap::new();
        for a in self.store.accepted(self.now)? {
            accepted.entry(a.finding.clone()).or_default().push(a);
        }
        // Whatever is not marked any more in the end was seen.
        self.store.mark_all()?;
        self.manifest.judged_all = true;
        let mut missing = Missing::default();
        let (mut homes, mut lines) = (vec![], 0);
        loop {
            let home = (results.next)().map_err(EngineError::Results)?;
            let is_last = home.is_none();
            if let Some(home) = home {
                lines += 1 + home.verdicts.len() + home.findings.len();
                homes.push(home);
            }
            if is_last || lines >= results.at_once {
                self.go_on()?;
                lines = 0;
                self.take_homes(std::mem::take(&mut homes), &accepted, &doubts, &mut missing)?;
            }
            if is_last {
                break;
            }
        }
        self.end_homes(&mut missing, results.at_once)?;
        self.miss(missing, &doubts, results.at_once)?;
        let at = (JUDGED_AT.to_owned(), self.now.to_string());
        self.manifest.facts = vec![(JUDGED.to_owned(), self.judged_with()), at];
        self.conclude()
    }

    /// What is in doubt, as the end marks say; where nobody gave them, every source that a finding is about may be lacking
    /// anything.
    fn doubts_of(&self, results: &Results<'_>) -> Result<Vec<Doubt>, EngineError> {
        let Some(lines) = &results.snapshots else {
            let provides = RecordType::ALL.to_vec();
            let doubt = |source: &String| Doubt {
                source: source.clone(),
                provides: provides.clone(),
                systems: vec![],
                shows: false,
            };
            return Ok(results.doubtful.iter().map(doubt).collect());
        };
        let mut catalogue = Catalogue::default();
        for line in lines {
            match parse_line(line.as_bytes()) {
                Ok(Record::Snapshot(s)) => {
                    catalogue.snapshots.entry(s.source.to_string()).or_default().push(line.clone());
                }
                _ => {
                    return Err(EngineError::Results(format!(
                        "found {line}, expected the end mark of a source"
                    )));
                }
            }
        }
        Ok(self.doubts(&catalogue))
    }

    /// Takes some homes, in one transaction.
    fn take_homes(
        &mut self,
        homes: Vec<Home>,
        accepted: &HashMap<String, Vec<Accepted>>,
        doubts: &[Doubt],
        missing: &mut Missing,
    ) -> Result<(), EngineError> {
        let tokens = sorted(homes.iter().map(|home| home.token));
        let mut batch = Batch { run: self.id, done: tokens.clone(), homes: tokens, ..Batch::default() };
        let known = self.store.lives_at(&batch.homes)?;
        let mut known: BTreeMap<String, Life> = known.into_iter().map(|l| (l.id.clone(), l)).collect();
        let mut told: HashSet<String> = HashSet::new();
        for home in homes {
            for verdict in home.verdicts {
                let grant = grant_of(&verdict);
                batch.verdicts.push(kept_verdict(verdict, grant, home.token));
            }
            for mut finding in home.findings {
                // As where a run judges itself: of two that share an id the first stands for both.
                if !told.insert(finding.id.clone()) {
                    continue;
                }
                let old = match known.remove(&finding.id) {
                    Some(life) => Some(life),
                    None => self.store.life(&finding.id)?,
                };
                if old.as_ref().is_some_and(|old| old.home != home.token) {
                    missing.moved.insert(hash([finding.id.as_bytes()]));
                }
                if let Some(people) = accepted.get(&finding.id) {
                    accept(&mut finding, people);
                }
                self.seen(finding, home.token, old, doubts, &mut batch);
            }
        }
        for life in known.into_values().filter(|life| life.state != State::Resolved) {
            missing.homes.push(life.home);
            missing.findings.insert(hash([life.id.as_bytes()]));
        }
        // Nothing is judged again before there are other results.
        batch.rechecks.clear();
        self.manifest.homes += batch.homes.len() as u64;
        self.manifest.grants += batch.verdicts.len() as u64;
        Ok(self.store.commit(batch)?)
    }

    /// Lets go of the verdicts of homes that are no more.
    fn end_homes(&mut self, missing: &mut Missing, at_once: usize) -> Result<(), EngineError> {
        loop {
            self.go_on()?;
            let (homes, _) = self.store.dirty(at_once)?;
            if homes.is_empty() {
                return Ok(());
            }
            for life in self.store.lives_at(&homes)?.iter().filter(|life| life.state != State::Resolved) {
                missing.homes.push(life.home);
                missing.ended.insert(life.home);
            }
            self.store.commit(Batch { run: self.id, done: homes.clone(), homes, ..Batch::default() })?;
        }
    }

    /// What was not seen anywhere is absent.
    fn miss(&mut self, missing: Missing, doubts: &[Doubt], at_once: usize) -> Result<(), EngineError> {
        for homes in sorted(missing.homes.iter().copied()).chunks(at_once.max(1)) {
            self.go_on()?;
            let mut lives = self.store.lives_at(homes)?;
            lives.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            let mut batch = Batch { run: self.id, ..Batch::default() };
            for life in lives {
                let id = hash([life.id.as_bytes()]);
                let is_missing = missing.findings.contains(&id) || missing.ended.contains(&life.home);
                if !is_missing || missing.moved.contains(&id) {
                    continue;
                }
                self.unseen(life, doubts, &mut batch)?;
            }
            batch.rechecks.clear();
            self.store.commit(batch)?;
        }
        Ok(())
    }

    /// Counts what a run that broke off has told.
    fn count_told(&mut self) -> Result<(), EngineError> {
        let (id, manifest) = (self.id, &mut self.manifest);
        let mut bad = None;
        // The log is long, and few of it are of this run.
        let mark = format!("\"run\":{id},");
        self.store.events_until(id, &mut |text| {
            if !text.contains(&mark) {
                return;
            }
            match serde_json::from_str::<Event<'_>>(text) {
                Ok(event) if event.run == id => {
                    manifest.count(event.activity);
                    if event.cause == Cause::Detected {
                        *manifest.created.entry(event.finding.severity).or_default() += 1;
                    }
                }
                Ok(_) => {}
                Err(e) => bad = Some(format!("an event: {e}")),
            }
        })?;
        bad.map_or(Ok(()), |e| Err(EngineError::Broken(e)))
    }
}

/// Accepts a finding by what people gave here, where that goes before what the records say.
fn accept(finding: &mut Finding<'static>, people: &[Accepted]) {
    let fits = people.iter().filter(|a| a.check == *finding.check);
    let Some(a) = fits.min_by_key(|a| exception_order(a.until, &a.by, &a.reason)) else { return };
    let records = finding.exception.as_ref();
    let records = records.map(|e| exception_order(e.expires_at, &e.accepted_by, &e.reason));
    let stands = records.is_none_or(|e| exception_order(a.until, &a.by, &a.reason) < e);
    if stands && !holds(&a.by, finding) {
        finding.exception = Some(ExceptionView {
            accepted_by: a.by.clone().into(),
            reason: a.reason.clone().into(),
            expires_at: a.until,
        });
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
