//! A past estate judged again: its findings and verdicts, one after another.

use super::gather::AuditError;
use crate::controls::Controls;
use crate::engine::{EngineError, SourceAt, Terms, estate_with, troubled_at};
use crate::judge::{Settings, World, judge, judge_part};
use crate::model::Instant;
use crate::model::finding::{Finding, Severity, Verdict};
use crate::model::life::Trouble;
use crate::model::record::Kind;
use crate::store::Store;

/// What was known after a run.
pub(super) struct Known<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) run: u64,
    pub(super) sources: &'a [SourceAt],
    /// Lines of records that stand beside those, and in the place of those of the same key.
    pub(super) extra: &'a [String],
}

/// With what it is judged.
pub(super) struct With<'a> {
    pub(super) settings: &'a Settings,
    pub(super) controls: &'a Controls,
    pub(super) threads: usize,
}

/// Takes what comes of judging.
pub(super) trait Take {
    fn finding(&mut self, finding: &Finding<'_>) -> Result<(), AuditError>;
    fn grant(&mut self, _verdict: &Verdict<'_>, _kind: Option<Kind>) -> Result<(), AuditError> {
        Ok(())
    }
}

/// The framework references of some terms.
pub(super) fn controls_of(terms: &Terms) -> Result<Controls, EngineError> {
    Controls::of_json(&terms.frameworks)
        .map_err(|e| EngineError::Broken(format!("the framework references of a run: {e}")))
}

impl Known<'_> {
    /// Judges everything at an instant: the findings about sources in trouble, then all others in their order, then the
    /// verdicts.
    pub(super) fn judge(&self, with: &With<'_>, at: Instant, take: &mut dyn Take) -> Result<(), AuditError> {
        let troubled = |id: &str| self.sources.iter().any(|s| s.id == id && s.trouble.is_some());
        if let Some(estate) = troubled_at(self.store, Some(self.run), self.sources)? {
            let world = World::new(estate, with.settings);
            let judgement = judge_part(&world, with.settings, at, 1);
            for place in 0..judgement.len() {
                let Some(mut finding) = judgement.finding(place, with.controls) else { continue };
                let Some(source) = finding.source.as_deref().filter(|s| troubled(s)) else { continue };
                let held = |s: &SourceAt| matches!(s.trouble, Some((Trouble::Held { .. }, _)));
                if self.sources.iter().any(|s| s.id == source && held(s)) {
                    finding.severity = Severity::Critical;
                }
                take.finding(&finding)?;
            }
        }
        let estate = estate_with(self.store, Some(self.run), at, self.extra)?;
        let world = World::with_threads(estate, with.settings, with.threads);
        let judgement = judge(&world, with.settings, at, with.threads, &|_| {});
        let mut teller = judgement.teller(with.controls);
        let mut last = String::new();
        for place in 0..judgement.len() {
            let Some(finding) = teller.tell(place) else { continue };
            // Two grants that differ only in the systems of their paths share an id; the first stands for both.
            if last == finding.id || finding.source.as_deref().is_some_and(troubled) {
                continue;
            }
            last.clone_from(&finding.id);
            take.finding(finding)?;
        }
        for (verdict, kind) in judgement.verdicts_by_kind() {
            take.grant(&verdict, kind)?;
        }
        Ok(())
    }
}
