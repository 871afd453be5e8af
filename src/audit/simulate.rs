//! What other settings or other records would change about the findings, before anything is changed: the estate of the last
//! run is judged as it was and as it would be, at the same instant.
//!
//! The two judgements are never in memory at once: of one side only hashes are held, and what is gone is told by judging
//! that side once more.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::gather::AuditError;
use super::judged::{Known, Take, With, controls_of};
use super::lives::key;
use super::pack::BySeverity;
use crate::alert::group::owner;
use crate::engine::{Past, Terms, known_since, sources_at};
use crate::model::Instant;
use crate::model::finding::{Finding, Severity};
use crate::store::{Hash, Store};

/// What would become of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It would be there, and is not.
    Added,
    /// It would no longer be there.
    Removed,
    /// It would weigh differently, or somebody else would answer for it, or an exception would count differently.
    Changed,
}

/// A finding that would not be as it is.
#[derive(Debug)]
pub struct Moved<'a> {
    /// What would become of it.
    pub what: What,
    /// How it would be; of one that would be gone, how it is.
    pub finding: &'a Finding<'a>,
    /// How bad it is, where it is there and would stay.
    pub was: Option<Severity>,
}

/// The counts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Simulated {
    /// The instant.
    pub at: Option<Instant>,
    /// The run whose estate was judged.
    pub run: u64,
    /// Findings that no exception accepts, as it is.
    pub before: BySeverity,
    /// The same, as it would be.
    pub after: BySeverity,
    /// By check: added, removed, changed.
    pub by_check: BTreeMap<String, [u64; 3]>,
    /// By severity, as it would be (of what would be gone, as it is): added, removed, changed.
    pub by_severity: BTreeMap<Severity, [u64; 3]>,
}

impl Simulated {
    /// Added, removed, changed.
    #[must_use]
    pub fn total(&self) -> [u64; 3] {
        self.by_check.values().fold([0; 3], |[a, b, c], [x, y, z]| [a + x, b + y, c + z])
    }

    fn count(&mut self, what: What, finding: &Finding<'_>) {
        let place = match what {
            What::Added => 0,
            What::Removed => 1,
            What::Changed => 2,
        };
        let of_check = self.by_check.entry(finding.check.clone().into_owned()).or_default();
        let of_severity = self.by_severity.entry(finding.severity).or_default();
        for n in [of_check.get_mut(place), of_severity.get_mut(place)].into_iter().flatten() {
            *n += 1;
        }
    }
}

/// Which settings, and at which instant.
pub struct Question<'a> {
    /// With what it is judged now; the terms of the last run when absent.
    pub against: Option<Terms>,
    /// With what it would be judged.
    pub new: Terms,
    /// Lines of records that would stand beside what is known.
    pub records: &'a [String],
    /// The instant; that of the last run when absent.
    pub at: Option<Instant>,
    /// Threads to judge with.
    pub threads: usize,
}

/// Judges both ways, and shows what would not be as it is: what would be added or changed in the order of findings, then what
/// would be gone.
///
/// # Errors
/// When nothing is known yet, the store fails, or whoever is shown a finding cannot take it.
pub fn simulate(
    store: &dyn Store,
    question: &Question<'_>,
    show: &mut dyn FnMut(&Moved<'_>) -> std::io::Result<()>,
) -> Result<Simulated, AuditError> {
    let last = Past::at(store, Instant::MAX)?;
    let last = last.ok_or_else(|| AuditError::NotKnown(None, known_since(store).ok().flatten()))?;
    let run = last.run.id;
    let at = question.at.unwrap_or(last.manifest.now);
    let old = question.against.as_ref().or(last.terms.as_ref()).unwrap_or(&question.new);
    let sources = sources_at(store, run)?;
    let (old_controls, new_controls) = (controls_of(old)?, controls_of(&question.new)?);
    let is = Known { store, run, sources: &sources, extra: &[] };
    let would_be = Known { extra: question.records, ..is };
    let threads = question.threads;
    let as_it_is = With { settings: &old.settings, controls: &old_controls, threads };
    let as_new = With { settings: &question.new.settings, controls: &new_controls, threads };

    let mut counts = Simulated { at: Some(at), run, ..Simulated::default() };
    let mut held: HashMap<Hash, Seen> = HashMap::new();
    let mut take = Taking(|f: &Finding<'_>| {
        if f.exception.is_none() {
            *counts.before.of_mut(f.severity) += 1;
        }
        held.insert(key(&f.id), Seen::of(f));
        Ok(())
    });
    is.judge(&as_it_is, at, &mut take)?;
    let mut take = Taking(|f: &Finding<'_>| {
        if f.exception.is_none() {
            *counts.after.of_mut(f.severity) += 1;
        }
        // What is left in the end is gone.
        let (what, was) = match held.remove(&key(&f.id)) {
            None => (What::Added, None),
            Some(was) if was == Seen::of(f) => return Ok(()),
            Some(was) => (What::Changed, Some(was.severity)),
        };
        counts.count(what, f);
        show(&Moved { what, finding: f, was }).map_err(AuditError::Output)
    });
    would_be.judge(&as_new, at, &mut take)?;
    if !held.is_empty() {
        let mut take = Taking(|f: &Finding<'_>| {
            if held.remove(&key(&f.id)).is_none() {
                return Ok(());
            }
            counts.count(What::Removed, f);
            show(&Moved { what: What::Removed, finding: f, was: None }).map_err(AuditError::Output)
        });
        is.judge(&as_it_is, at, &mut take)?;
    }
    Ok(counts)
}

/// What of a finding is compared.
#[derive(PartialEq, Eq)]
struct Seen {
    severity: Severity,
    accepted: bool,
    owner: Hash,
}

impl Seen {
    fn of(f: &Finding<'_>) -> Self {
        // Nobody is not somebody without a name.
        let owner = owner(f).map_or([0; 16], key);
        Self { severity: f.severity, accepted: f.exception.is_some(), owner }
    }
}

struct Taking<F>(F);

impl<F: FnMut(&Finding<'_>) -> Result<(), AuditError>> Take for Taking<F> {
    fn finding(&mut self, finding: &Finding<'_>) -> Result<(), AuditError> {
        (self.0)(finding)
    }
}
