//! Counting findings and grants by name while they pass, and the largest of what was counted.

use std::collections::{BTreeMap, HashMap};

use super::pack::{AGES, Bounded, BySeverity, Counted, Coverage, ExceptionLine, Named, Outcomes, Stood, Top};
use crate::alert::group::owner;
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::{Finding, Verdict};
use crate::model::record::Kind;

/// How many systems and people are listed.
const TOP: usize = 25;
/// How many ids stand for findings that are only counted.
pub(super) const IDS: usize = 20;
/// How many exceptions are listed.
const EXCEPTIONS: usize = 1_000;

/// Counts by name.
struct ByName<T>(HashMap<Option<String>, T>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Default + Copy> ByName<T> {
    fn of(&mut self, name: Option<&str>) -> &mut T {
        self.0.entry(name.map(str::to_owned)).or_default()
    }

    /// All of them: the largest first, and of the same size by name.
    fn sorted(self, size: impl Fn(&T) -> u64) -> Vec<Named<T>> {
        let mut all: Vec<Named<T>> = self.0.into_iter().map(|(name, count)| Named { name, count }).collect();
        all.sort_by(|a, b| size(&b.count).cmp(&size(&a.count)).then_with(|| a.name.cmp(&b.name)));
        all
    }

    fn top(self, size: impl Fn(&T) -> u64, add: impl Fn(&mut T, &T)) -> Top<T> {
        let mut listed = self.sorted(size);
        let mut rest = T::default();
        let others = listed.len().saturating_sub(TOP);
        listed.iter().skip(TOP).for_each(|n| add(&mut rest, &n.count));
        listed.truncate(TOP);
        Top { listed, others: others as u64, rest }
    }
}

/// Counts grants.
#[derive(Default)]
pub(super) struct Grants {
    coverage: Coverage,
    /// Grants come system by system: only where the system changes is it looked up.
    run: Option<(String, Outcomes)>,
    by_system: ByName<Outcomes>,
}

impl Grants {
    pub(super) fn add(&mut self, verdict: &Verdict<'_>, kind: Option<Kind>) {
        let outcome = verdict.verdict;
        self.coverage.all.add(outcome, 1);
        *self.coverage.by_standing.entry(verdict.standing.as_str()).or_default() += 1;
        self.coverage.by_kind.entry(kind.map(Kind::as_str)).or_default().add(outcome, 1);
        match &mut self.run {
            Some((system, counts)) if *system == verdict.system => counts.add(outcome, 1),
            _ => {
                self.end_run();
                let mut counts = Outcomes::default();
                counts.add(outcome, 1);
                self.run = Some((verdict.system.clone().into_owned(), counts));
            }
        }
    }

    fn end_run(&mut self) {
        if let Some((system, counts)) = self.run.take() {
            self.by_system.of(Some(&system)).add_all(&counts);
        }
    }

    pub(super) fn finish(mut self) -> Coverage {
        self.end_run();
        self.coverage.by_system = self.by_system.top(Outcomes::total, Outcomes::add_all);
        self.coverage
    }
}

/// Check, who, why and until when: what tells exceptions apart.
type ExceptionKey = (Instant, String, String, String);

/// Counts findings.
#[derive(Default)]
pub(super) struct Findings {
    counted: Counted,
    by_check: ByName<BySeverity>,
    by_system: ByName<BySeverity>,
    by_person: ByName<BySeverity>,
    exceptions: BTreeMap<ExceptionKey, ExceptionLine>,
    /// By framework and control: open, accepted, and ids of open ones.
    pub(super) controls: HashMap<(String, String), (u64, u64, Vec<String>)>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: &Finding<'_>, stood: &Stood, at: Instant) {
        self.add_controls(finding, stood);
        if stood.state == State::Accepted {
            *self.counted.accepted.of_mut(finding.severity) += 1;
            if let Some(e) = &finding.exception {
                let until = e.expires_at;
                let key = (until, finding.check.to_string(), e.accepted_by.to_string(), e.reason.to_string());
                let line = self.exception(key, None);
                line.findings += 1;
                if line.ids.len() < IDS {
                    line.ids.push(finding.id.clone());
                }
            }
            return;
        }
        let severity = finding.severity;
        *self.counted.open.of_mut(severity) += 1;
        self.counted.untold += u64::from(stood.untold.is_some());
        self.counted.lingering += u64::from(stood.lingers.is_some());
        *self.by_check.of(Some(&finding.check)).of_mut(severity) += 1;
        let system = finding.grant.as_ref().map(|g| &*g.system);
        *self.by_system.of(system).of_mut(severity) += 1;
        *self.by_person.of(owner(finding)).of_mut(severity) += 1;
        if let Some(age) = self.counted.by_age.get_mut(age(stood, at)) {
            *age.of_mut(severity) += 1;
        }
    }

    fn add_controls(&mut self, finding: &Finding<'_>, stood: &Stood) {
        for c in &finding.controls {
            let key = (c.framework.clone().into_owned(), c.id.clone().into_owned());
            let (open, accepted, ids) = self.controls.entry(key).or_default();
            if stood.state == State::Accepted {
                *accepted += 1;
                continue;
            }
            *open += 1;
            if ids.len() < IDS {
                ids.push(finding.id.clone());
            }
        }
    }

    /// The line of an exception; `given` where a person gave it to Counterfoil.
    pub(super) fn exception(&mut self, key: ExceptionKey, given: Option<Instant>) -> &mut ExceptionLine {
        let (until, check, by, reason) = key.clone();
        let line = self.exceptions.entry(key).or_insert_with(|| ExceptionLine {
            check,
            by,
            reason,
            until,
            given: None,
            findings: 0,
            ids: vec![],
        });
        line.given = line.given.or(given);
        line
    }

    pub(super) fn exceptions(&mut self) -> Bounded<ExceptionLine> {
        let all = std::mem::take(&mut self.exceptions);
        let more = all.len().saturating_sub(EXCEPTIONS) as u64;
        Bounded { listed: all.into_values().take(EXCEPTIONS).collect(), more }
    }

    pub(super) fn finish(mut self) -> Counted {
        self.counted.by_check = self.by_check.sorted(BySeverity::total);
        self.counted.by_system = self.by_system.top(BySeverity::total, BySeverity::add);
        self.counted.by_person = self.by_person.top(BySeverity::total, BySeverity::add);
        self.counted
    }
}

/// Which of the ages; the place after the last stands for what was never told.
fn age(stood: &Stood, at: Instant) -> usize {
    const DAY: u64 = 86_400_000;
    let Some(opened) = stood.opened else { return AGES.len() };
    let days = u64::try_from(at.unix_ms() - opened.unix_ms()).unwrap_or(0) / DAY;
    AGES.iter().position(|(_, below)| days < *below).unwrap_or(AGES.len() - 1)
}
