//! Taking in the pull of one source: whole ones pass the guard and become the last good snapshot; partial ones are left
//! aside where there was a whole one before; failed ones change nothing.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::BufRead;

use super::lines::{CUT, each_line};
use super::prepare::{Stamp, prepare, read, second_stands};
use super::report::{PullOutcome, SourceLine};
use super::{EngineError, Pulled, Run};
use crate::alert::guard;
use crate::model::life::{Difference, SourceState, Trouble};
use crate::model::{Instant, Record, parse_line};
use crate::store::{Ingested, Pull, StoreError};

/// The end mark of a pull.
struct End {
    taken_at: Instant,
    complete: bool,
    reason: String,
}

/// Why a pull is not let pass.
enum Stopped {
    Partial(String),
    Held(String),
}

impl Run<'_> {
    /// Ends the records of sources that are no longer configured.
    pub(super) fn retire_others(&mut self) -> Result<(), EngineError> {
        let known = |id: &str| self.specs.iter().any(|s| s.id == id);
        let gone: Vec<String> = self
            .states
            .values()
            .filter(|s| s.good_run.is_some() && !known(&s.id))
            .map(|s| s.id.clone())
            .collect();
        for id in gone {
            self.store.retire(self.id, &id, &read)?;
            self.states.insert(id.clone(), SourceState { id: id.clone(), ..SourceState::default() });
            self.say(id, None, PullOutcome::Retired);
        }
        Ok(())
    }

    fn say(&mut self, id: String, taken_at: Option<Instant>, outcome: PullOutcome) {
        match &outcome {
            PullOutcome::Taken { difference, .. } if difference.is_none() => {
                let records = difference.total().now;
                tracing::debug!(source = id, records, "source read, nothing changed");
            }
            PullOutcome::Taken { difference, .. } => {
                let t = difference.total();
                tracing::info!(
                    source = id,
                    records = t.now,
                    added = t.added,
                    removed = t.removed,
                    changed = t.changed,
                    "source read"
                );
            }
            PullOutcome::Partial { reason } => {
                tracing::warn!(source = id, reason, "source not complete, left aside")
            }
            PullOutcome::Held { reason, run, .. } => {
                tracing::warn!(source = id, reason, run, "source held back until somebody approves it");
            }
            PullOutcome::Failed { reason } => tracing::warn!(source = id, reason, "source could not be read"),
            PullOutcome::Retired => tracing::info!(source = id, "source is no longer configured"),
        }
        let by = self.specs.iter().find(|s| s.id == id).and_then(|s| s.by.clone());
        self.manifest.sources.push(SourceLine { id, taken_at, by, outcome });
    }

    /// Takes in one pull.
    pub(super) fn take(&mut self, source: &str, pulled: Pulled) -> Result<(), EngineError> {
        let mut state = self.states.get(source).cloned().unwrap_or_default();
        source.clone_into(&mut state.id);
        // Somebody may approve while the run goes on.
        state.approved = self.approved(source)?;
        state.tried_at = Some(self.now);
        let (taken_at, outcome) = match pulled {
            Pulled::Failed(reason) => (None, self.failed(&mut state, reason)),
            Pulled::Records { taken_at, lines } => self.records(&mut state, &taken_at, lines)?,
        };
        if !matches!(outcome, PullOutcome::Taken { .. }) {
            state.approved = self.approved(source)?;
        }
        self.store.save_source(&state)?;
        self.states.insert(source.to_owned(), state);
        self.say(source.to_owned(), taken_at, outcome);
        Ok(())
    }

    /// Which change of a source somebody has let pass.
    fn approved(&self, source: &str) -> Result<Option<u64>, EngineError> {
        Ok(self.store.sources()?.into_iter().find(|s| s.id == source).and_then(|s| s.approved))
    }

    fn failed(&self, state: &mut SourceState, reason: String) -> PullOutcome {
        state.trouble = Some(Trouble::Failed { reason: reason.clone() });
        PullOutcome::Failed { reason }
    }

    fn records(
        &mut self,
        state: &mut SourceState,
        taken_at: &str,
        lines: Box<dyn BufRead + Send>,
    ) -> Result<(Option<Instant>, PullOutcome), EngineError> {
        let mut fault: Option<String> = None;
        let mut stopped: Option<Stopped> = None;
        let settle = |first: &str, second: &str| second_stands(first, second, taken_at);
        let end = RefCell::new(None);
        let taken = |difference: &Difference, sha256: &str| {
            let end = end.borrow();
            let end: Option<&End> = end.as_ref();
            Some(SourceState {
                good_run: Some(self.id),
                taken_at: end.map(|e| e.taken_at),
                complete: end.is_some_and(|e| e.complete),
                records: difference.total().now,
                sha256: sha256.to_owned(),
                trouble: None,
                approved: None,
                ..state.clone()
            })
        };
        let pull = Pull { run: self.id, source: &state.id, reader: &read, settle: &settle, state: &taken };
        let (stop, threads) = (self.stop, self.rules.threads);
        let mut lines = Some(lines);
        let stamp = Stamp::new(taken_at);
        let mut number: u64 = 0;
        let ingested = self.store.ingest(
            &pull,
            &mut |keep| {
                let Some(lines) = lines.take() else { return Ok(()) };
                each_line(lines, &stamp, threads, &mut |line| {
                    number += 1;
                    if number.is_multiple_of(ASK_EVERY) && stop() {
                        return Err(StoreError::Other(STOPPED.to_owned()));
                    }
                    let mut parse = || {
                        parse_line(line.written.as_bytes()).map_err(|e| {
                            fault = Some(e.to_string());
                            StoreError::Other("a pull that holds no records".to_owned())
                        })
                    };
                    if line.hides {
                        parse()?;
                    }
                    keep(line.body, &mut || {
                        let record = parse()?;
                        if let Record::Snapshot(s) = &record
                            && *s.source == *state.id
                        {
                            *end.borrow_mut() = Some(End {
                                taken_at: s.taken_at,
                                complete: s.complete,
                                reason: s.reason.as_ref().map_or_else(String::new, |r| r.to_string()),
                            });
                        }
                        Ok(prepare(&record, Cow::Borrowed(line.body.text)))
                    })
                })
            },
            &mut |difference| {
                stopped = objection(state, end.borrow().as_ref(), difference, self.rules.guard);
                if stopped.is_some() { Err(String::new()) } else { Ok(()) }
            },
        );
        let seen_at = end.borrow().as_ref().map(|e| e.taken_at);
        let outcome = match (ingested, stopped) {
            (Err(StoreError::Other(why)), _) if why == STOPPED => return Err(EngineError::Stopped),
            (Err(StoreError::Other(why)), _) if fault.is_some() || why.starts_with(CUT) => {
                self.failed(state, fault.unwrap_or(why))
            }
            (Err(e), _) => return Err(e.into()),
            (Ok(Ingested::Taken { difference, sha256 }), _) => {
                // As it was remembered together with the records.
                if let Some(taken) = taken(&difference, &sha256) {
                    *state = taken;
                }
                PullOutcome::Taken { difference, sha256 }
            }
            (Ok(Ingested::Held { .. }), Some(Stopped::Partial(reason))) => {
                state.trouble = Some(Trouble::Partial { reason: reason.clone() });
                PullOutcome::Partial { reason }
            }
            (Ok(Ingested::Held { difference, .. }), stopped) => {
                let reason = match stopped {
                    Some(Stopped::Held(reason)) => reason,
                    _ => String::new(),
                };
                let total = difference.total();
                let (before, now) = (total.before, total.now);
                // What was told is that run: as long as pulls are like it, it is the one to approve.
                let run = match state.trouble {
                    Some(Trouble::Held { run, now: n, .. }) if near(n, now, self.rules.guard) => run,
                    _ => self.id,
                };
                state.trouble = Some(Trouble::Held { run, before, now, reason: reason.clone() });
                PullOutcome::Held { run, reason, difference }
            }
        };
        Ok((seen_at, outcome))
    }
}

/// The error of a pull that was asked to stop.
const STOPPED: &str = "stopped";
/// How many lines are taken between two questions whether to go on.
const ASK_EVERY: u64 = 4096;

/// Why a pull does not pass.
fn objection(
    state: &SourceState,
    end: Option<&End>,
    difference: &Difference,
    limits: guard::Limits,
) -> Option<Stopped> {
    // Without an end mark nobody knows what it is a part of, or when it was taken.
    let Some(end) = end else { return Some(Stopped::Partial("it has no end mark".to_owned())) };
    if !end.complete && state.good_run.is_some() && state.complete {
        return Some(Stopped::Partial(end.reason.clone()));
    }
    // Before there is anything to compare with, there is nothing to guard.
    state.good_run?;
    let reason = guard::objection(difference, limits)?;
    // Somebody has looked at this change: another pull of about the same size passes.
    let now = difference.total().now;
    if state.approved.is_some_and(|n| near(n, now, limits)) { None } else { Some(Stopped::Held(reason)) }
}

/// Whether two pulls are of about the same size.
fn near(n: u64, now: u64, limits: guard::Limits) -> bool {
    n.abs_diff(now) <= limits.records.max(n * limits.percent / 100)
}
