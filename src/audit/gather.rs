//! From the store to the pack: what was known is loaded, judged again with the terms of then, and counted while it passes.

use std::fmt;
use std::io;

use super::controls::{Basis, assess};
use super::judged::{Known, Take, With, controls_of};
use super::lives::{self, Lives, key, thinned};
use super::pack::{Bounded, CoverageAt, Head, Listed, Outcomes, Pack, Rows, Stood};
use super::population::{Source, Status, population};
use super::tally::{Findings, Grants};
use crate::alert::freeze::Doubt;
use crate::engine::{EngineError, Past, Terms, accepted_at, each_manifest, known_since, sources_at};
use crate::evidence::{Checkpoint, TreeHead, base64};
use crate::model::event::State;
use crate::model::finding::{Finding, Verdict};
use crate::model::record::Kind;
use crate::model::{Duration, Instant};
use crate::store::{Accepted, Store, StoreError};

/// How far back the changes go that are told where nobody says.
const PERIOD: Duration = Duration::days(90);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The instant; that of the last run that ended when absent.
    pub at: Option<Instant>,
    /// Where the period of changes begins; 90 days before the instant when absent.
    pub from: Option<Instant>,
    /// With what to judge a run that did not keep its terms.
    pub today: Terms,
    /// How many findings the pack lists.
    pub list: usize,
    /// Threads to judge with.
    pub threads: usize,
}

/// Why there is no pack.
#[derive(Debug)]
pub enum AuditError {
    /// No run had ended by the instant, or what was known after it is no longer kept: the instant asked for, and the first
    /// that can be.
    NotKnown(Option<Instant>, Option<Instant>),
    /// The store failed, or holds what it should not.
    Engine(EngineError),
    /// The rows could not be written.
    Output(io::Error),
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKnown(_, None) => f.write_str(
                "the store knows no run that ended; `counterfoil run` and `counterfoil reconcile` make one",
            ),
            Self::NotKnown(at, Some(first)) => {
                let at = at.map_or_else(String::new, |at| format!(" {at}"));
                write!(
                    f,
                    "what was known at{at} is not in the store; the first instant that it knows is {first}"
                )
            }
            Self::Engine(e) => e.fmt(f),
            Self::Output(e) => write!(f, "cannot be written: {e}"),
        }
    }
}

impl std::error::Error for AuditError {}

impl<E: Into<EngineError>> From<E> for AuditError {
    fn from(e: E) -> Self {
        Self::Engine(e.into())
    }
}

impl From<lives::Fault> for AuditError {
    fn from(fault: lives::Fault) -> Self {
        match fault {
            lives::Fault::Engine(e) => Self::Engine(e),
            lives::Fault::Output(e) => Self::Output(e),
        }
    }
}

/// Gathers all that was known at an instant. What may be too much for memory goes to `rows`.
///
/// # Errors
/// When nothing is known of the instant, the store fails, or a row cannot be written.
pub fn gather(store: &dyn Store, asked: &Asked, rows: &mut dyn Rows) -> Result<Pack, AuditError> {
    let first = known_since(store)?;
    let past = Past::at(store, asked.at.unwrap_or(Instant::MAX))?;
    let past = past.ok_or(AuditError::NotKnown(asked.at, first))?;
    let at = asked.at.or(past.run.ended_at).unwrap_or(past.run.started_at);
    let terms = past.terms.as_ref().unwrap_or(&asked.today);
    let controls = controls_of(terms)?;
    let settings = &terms.settings;
    let run = past.run.id;
    let sources = sources_at(store, run)?;
    let max_age = settings.checks.thresholds.source_max_age;
    let (population, doubts) = population(store, run, &sources, (at, max_age))?;

    // Of what was resolved before, nothing may be kept any more.
    let forgotten = store.history()?.map(|kept| kept.since);
    let known = first.unwrap_or(at).max(forgotten.unwrap_or(Instant::MIN)).min(at);
    let from = asked.from.unwrap_or(at.minus(PERIOD)).min(at);
    let cut = from < known;
    let from = from.max(known);
    let (runs, coverage_over_time) = coverage_over_time(store, run, from)?;
    let mut lives = lives::fold(store, run, (from, at), rows)?;

    let seen = Seeing { at, run_at: past.manifest.now, doubts: &doubts, given: accepted_at(store, at)? };
    let mut findings = Findings::default();
    for a in &seen.given {
        findings.exception((a.until, a.check.clone(), a.by.clone(), a.reason.clone()), Some(a.at));
    }
    let mut taking = Taking {
        seen,
        findings,
        lives: &mut lives,
        rows,
        list: Bounded::default(),
        most: asked.list,
        grants: Grants::default(),
    };
    let known = Known { store, run, sources: &sources, extra: &[] };
    let with = With { settings, controls: &controls, threads: asked.threads };
    known.judge(&with, at, &mut taking)?;
    taking.lingering(store, run)?;

    let Taking { mut findings, grants, list, .. } = taking;
    let coverage = grants.finish();
    let basis = Basis { settings, population: &population, doubts: &doubts, coverage: &coverage };
    let frameworks = assess(&controls, &basis, &findings);
    Ok(Pack {
        head: Head {
            as_of: at,
            from,
            from_is_first_known: cut,
            run,
            run_at: past.manifest.now,
            runs,
            manifest: past.manifest.hash(),
            configuration: past.manifest.configuration.clone(),
            terms: past.terms.as_ref().map(|t| past.manifest.terms.clone().unwrap_or_else(|| name_of(t))),
            judged_by: past.terms.as_ref().map(|t| t.version.clone()),
            version: env!("CARGO_PKG_VERSION"),
            cautions: cautions(&past, &population),
            checkpoint: checkpoint(store, at)?,
        },
        population,
        coverage,
        coverage_over_time,
        open_over_time: lives.over_time,
        exceptions: findings.exceptions(),
        findings: findings.finish(),
        frameworks,
        changes_by_cause: lives.by_cause,
        changes: lives.changes,
        revocations: lives.revocations,
        list,
    })
}

/// How far the evidence log went at an instant, by the last checkpoint: whoever has it can hold the log against it.
fn checkpoint(store: &dyn Store, at: Instant) -> Result<Option<String>, EngineError> {
    let Some(note) = store.checkpoint_at(at)? else { return Ok(None) };
    let broken = |e| StoreError::Broken(format!("a checkpoint of the evidence log: {e}"));
    let TreeHead { origin, size, root } = Checkpoint::parse(&note).map_err(broken)?.head;
    Ok(Some(format!("{origin} {size} {}", base64(&root))))
}

/// The name under which terms are kept: a hash of them.
fn name_of(terms: &Terms) -> String {
    crate::model::event::hashed("t1:", &serde_json::to_string(terms).unwrap_or_default())
}

/// What a reader must know before all else.
fn cautions(past: &Past, population: &[Source]) -> Vec<String> {
    let mut all = vec![];
    match &past.terms {
        None => all.push(
            "The run did not keep the settings it judged with (an earlier version made it); it is judged with those of today."
                .to_owned(),
        ),
        Some(t) if t.version != env!("CARGO_PKG_VERSION") => all.push(format!(
            "The run was judged by version {}; this pack was judged again by version {}.",
            t.version,
            env!("CARGO_PKG_VERSION")
        )),
        Some(_) => {}
    }
    let bad = population.iter().filter(|s| s.status != Status::Complete).count();
    if bad > 0 {
        all.push(format!(
            "{bad} of {} sources are not complete and recent: what they do not show proves nothing.",
            population.len()
        ));
    }
    if population.is_empty() {
        all.push("No source had been read.".to_owned());
    }
    all
}

/// How many runs there were in the period, and how the grants stood after those of the period.
fn coverage_over_time(
    store: &dyn Store,
    run: u64,
    from: Instant,
) -> Result<(u64, Vec<CoverageAt>), EngineError> {
    let (mut runs, mut points) = (0, vec![]);
    each_manifest(store, run, &mut |m| {
        if m.now < from {
            return;
        }
        runs += 1;
        if !m.outcomes.is_empty() {
            let mut grants = Outcomes::default();
            m.outcomes.iter().for_each(|(outcome, n)| grants.add(*outcome, *n));
            points.push(CoverageAt { run: m.run, at: m.now, grants });
        }
    })?;
    Ok((runs, thinned(points)))
}

/// What decides how a finding stood.
struct Seeing<'a> {
    at: Instant,
    run_at: Instant,
    doubts: &'a [Doubt],
    given: Vec<Accepted>,
}

impl Seeing<'_> {
    fn stood(&self, finding: &Finding<'_>, life: Option<&lives::Life>) -> Stood {
        let life = life.filter(|l| l.state != State::Resolved);
        let accepted = finding.exception.is_some()
            && match life.map(|l| l.state) {
                // An exception that the run knew and did not go by reaches too far, or less was accepted than there is.
                Some(State::Open) => self.given.iter().any(|a| a.finding == finding.id && a.at > self.run_at),
                _ => true,
            };
        let why = if !self.doubts.is_empty() {
            "not told while a source was in doubt"
        } else if self.at > self.run_at {
            "not told: it came due after the last run"
        } else {
            "not told"
        };
        Stood {
            state: if accepted { State::Accepted } else { State::Open },
            untold: life.is_none().then_some(why),
            lingers: None,
            first_seen: life.map(|l| l.first_seen),
            opened: life.map(|l| l.opened),
            changed: life.map(|l| l.changed),
            episode: life.map_or(0, |l| l.episode),
            cause: life.map(|l| l.cause),
        }
    }
}

/// Counts, lists and hands on findings.
struct Taking<'a> {
    seen: Seeing<'a>,
    findings: Findings,
    lives: &'a mut Lives,
    rows: &'a mut dyn Rows,
    grants: Grants,
    list: Bounded<Listed>,
    most: usize,
}

impl Take for Taking<'_> {
    fn finding(&mut self, finding: &Finding<'_>) -> Result<(), AuditError> {
        let life = self.lives.of.get_mut(&key(&finding.id));
        let stood = self.seen.stood(finding, life.as_deref());
        if let Some(life) = life {
            life.seen = true;
        }
        self.take(finding, stood)
    }

    fn grant(&mut self, verdict: &Verdict<'_>, kind: Option<Kind>) -> Result<(), AuditError> {
        self.grants.add(verdict, kind);
        self.rows.grant(verdict, kind).map_err(AuditError::Output)
    }
}

impl Taking<'_> {
    fn take(&mut self, finding: &Finding<'_>, stood: Stood) -> Result<(), AuditError> {
        self.findings.add(finding, &stood, self.seen.at);
        self.rows.finding(finding, &stood).map_err(AuditError::Output)?;
        if self.list.listed.len() < self.most {
            let broken = |e: serde_json::Error| EngineError::Broken(format!("a finding: {e}"));
            let text = serde_json::to_string(finding).map_err(broken)?;
            let finding = serde_json::from_str(&text).map_err(broken)?;
            self.list.listed.push(Listed { stood, finding });
        } else {
            self.list.more += 1;
        }
        Ok(())
    }

    /// What was open, is not to be seen any more, and is not taken for resolved yet: as it was last told.
    fn lingering(&mut self, store: &dyn Store, run: u64) -> Result<(), AuditError> {
        let lingers = |l: &lives::Life| !l.seen && l.state != State::Resolved;
        if !self.lives.of.values().any(lingers) {
            return Ok(());
        }
        let why = if self.seen.doubts.is_empty() {
            "no longer seen; resolved once enough runs have not seen it"
        } else {
            "no longer seen; kept open while a source is in doubt"
        };
        #[derive(serde::Deserialize)]
        struct Body {
            seq: u32,
            finding: Finding<'static>,
        }
        let mut fault = None;
        store.events_until(run, &mut |body| {
            if fault.is_some() {
                return;
            }
            let Ok(Body { seq, mut finding }) = serde_json::from_str(body) else { return };
            let life = self.lives.of.get(&key(&finding.id)).copied();
            let Some(life) = life.filter(|l| lingers(l) && l.seq == seq) else { return };
            finding.now = self.seen.at;
            let stood = Stood {
                state: life.state,
                untold: None,
                lingers: Some(why),
                first_seen: Some(life.first_seen),
                opened: Some(life.opened),
                changed: Some(life.changed),
                episode: life.episode,
                cause: Some(life.cause),
            };
            fault = self.take(&finding, stood).err();
        })?;
        fault.map_or(Ok(()), Err)
    }
}
