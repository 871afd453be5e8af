//! How the sources stand: what is in doubt, the findings about sources themselves, and the end of a run.

use std::collections::BTreeMap;

use super::part::{Catalogue, Part};
use super::{EngineError, MANIFEST, Manifest, Run};
use crate::alert::filter::Audience;
use crate::alert::freeze::Doubt;
use crate::alert::life::Gone;
use crate::judge::{World, doubts, judge_part};
use crate::model::event::{DIGEST_SCHEMA, Desk, Digest, State, hashed};
use crate::model::finding::{Outcome, Severity};
use crate::model::life::{SourceState, Trouble};
use crate::model::{Instant, Record, norm, parse_line};
use crate::store::{Batch, Close, GroupBy, NewNotice, Slot, SlotState, Which};

/// How many desks a digest lists.
const DESKS: usize = 20;

impl Run<'_> {
    fn max_age(&self) -> crate::model::Duration {
        self.rules.settings.checks.thresholds.source_max_age
    }

    /// What belongs to every part, alone: what the sources themselves are judged by.
    pub(super) fn sources_world(&self, catalogue: &Catalogue) -> Result<World, EngineError> {
        let part = Part::load(&*self.store, catalogue, &[])?;
        Ok(World::new(part.estate, &self.rules.settings))
    }

    /// Which absences prove nothing now, as a text.
    pub(super) fn doubts_text(&self, catalogue: &Catalogue, world: &World) -> String {
        let doubts = doubts(world, &self.rules.settings, self.now);
        let all = format!("{doubts}\n{}\n{}", catalogue.identities, catalogue.settled);
        hashed("q1:", &all)
    }

    /// The sources in doubt.
    pub(super) fn doubts(&self, catalogue: &Catalogue) -> Vec<Doubt> {
        let mut found = vec![];
        let known = |id: &str| self.specs.iter().any(|s| s.id == id);
        for spec in self.specs {
            let state = self.states.get(&spec.id);
            let marks = catalogue.snapshots.get(&spec.id);
            match (state.filter(|s| s.good_run.is_some()), marks) {
                (Some(state), Some(lines)) => {
                    found
                        .extend(lines.iter().filter_map(|line| self.doubt_of(line, state.trouble.is_some())));
                }
                // Never read: what it would show is not known at all.
                _ => found.push(Doubt {
                    source: spec.id.clone(),
                    provides: spec.provides.clone(),
                    systems: vec![],
                    shows: false,
                }),
            }
        }
        // What records say of sources that are no sources of ours.
        for (_, lines) in catalogue.snapshots.iter().filter(|(id, _)| !known(id)) {
            found.extend(lines.iter().filter_map(|line| self.doubt_of(line, false)));
        }
        found
    }

    fn doubt_of(&self, line: &str, trouble: bool) -> Option<Doubt> {
        let Ok(Record::Snapshot(s)) = parse_line(line.as_bytes()) else { return None };
        let stale = s.taken_at.plus(self.max_age()) <= self.now;
        (trouble || stale || !s.complete).then(|| Doubt {
            source: s.source.to_string(),
            provides: s.provides.clone(),
            systems: s.systems.iter().map(|n| norm(n).into_owned()).collect(),
            shows: !trouble && !stale,
        })
    }

    /// Judges the sources themselves: one finding for each that is in doubt. `world` is what belongs to every part.
    pub(super) fn judge_sources(
        &mut self,
        mut catalogue: Catalogue,
        mut world: World,
        frozen: &[Doubt],
    ) -> Result<(), EngineError> {
        let mut troubled = false;
        for spec in self.specs {
            let Some(state) = self.states.get(&spec.id) else { continue };
            if let Some(trouble) = &state.trouble {
                let taken_at = state.taken_at.or(state.tried_at).unwrap_or(self.now);
                let line = in_trouble(&spec.id, taken_at, trouble);
                catalogue.snapshots.insert(spec.id.clone(), vec![line]);
                troubled = true;
            }
        }
        if troubled {
            world = self.sources_world(&catalogue)?;
        }
        let judgement = judge_part(&world, &self.rules.settings, self.now, 1);
        let mut known: BTreeMap<String, _> =
            self.store.lives_at(&[0])?.into_iter().map(|l| (l.id.clone(), l)).collect();
        let mut batch = Batch { run: self.id, ..Batch::default() };
        for place in 0..judgement.len() {
            let Some(mut finding) = judgement.finding(place, &*self.rules.controls) else { continue };
            let Some(source) = finding.source.as_deref() else { continue };
            let held = |s: &SourceState| matches!(s.trouble, Some(Trouble::Held { .. }));
            if self.states.get(source).is_some_and(held) {
                finding.severity = Severity::Critical;
            }
            let old = known.remove(&finding.id);
            self.seen(finding, 0, old, frozen, &mut batch);
        }
        for life in known.into_values() {
            self.absent(life, Gone::NotSeen, frozen, &mut batch);
        }
        batch.rechecks.clear();
        Ok(self.store.commit(batch)?)
    }

    /// Ends the run.
    pub(super) fn close(mut self) -> Result<Manifest, EngineError> {
        let facts = std::mem::take(&mut self.manifest.facts);
        self.manifest.configuration = facts.first().map(|(_, with)| with.clone());
        let hash = self.manifest.hash();
        let text = serde_json::to_string(&self.manifest).unwrap_or_default();
        let mut meta: Vec<(&str, &str)> = facts.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        meta.push((MANIFEST, &hash));
        let notices = if self.first && self.manifest.judged { self.digests()? } else { vec![] };
        let done = |slot: &Slot| Slot { state: SlotState::Done, at: self.now, ..slot.clone() };
        let slots: Vec<Slot> = self.slots.iter().map(done).collect();
        let close =
            Close { run: self.id, at: self.now, manifest: &text, meta: &meta, notices, slots: &slots };
        self.store.close_run(close)?;
        Ok(self.manifest)
    }

    /// What people are told after the first run, in place of an alert for each finding.
    fn digests(&self) -> Result<Vec<NewNotice>, EngineError> {
        let counts = self.store.finding_counts()?;
        let open = || counts.iter().filter(|c| c.state == State::Open);
        let mut digest = Digest {
            schema: DIGEST_SCHEMA.to_owned(),
            id: String::new(),
            time: self.now,
            run: self.id,
            by_severity: BTreeMap::new(),
            by_check: BTreeMap::new(),
            by_owner: vec![],
            justified: 0,
            grants: 0,
        };
        for c in open() {
            *digest.by_severity.entry(c.severity).or_default() += c.count;
            *digest.by_check.entry(c.check.clone()).or_default() += c.count;
        }
        let which = Which { states: vec![State::Open], ..Which::default() };
        let desks = self.store.group(&which, GroupBy::Owner, u32::MAX)?.into_iter();
        let mut desks: Vec<Desk> = desks.map(|g| Desk { identity: g.name, findings: g.count }).collect();
        desks.sort_by(|a, b| b.findings.cmp(&a.findings).then_with(|| a.identity.cmp(&b.identity)));
        desks.truncate(DESKS);
        digest.by_owner = desks;
        for (_, standing, n) in self.store.standings()? {
            digest.grants += n;
            digest.justified += if standing.outcome() == Outcome::Justified { n } else { 0 };
        }
        let people = self.rules.listeners.iter().filter(|l| l.audience == Audience::People);
        let notices = people.map(|l| {
            let id = hashed("d1:", &format!("{}\n{}", l.id, self.id));
            let digest = Digest { id: id.clone(), ..digest.clone() };
            let body = serde_json::to_string(&digest).unwrap_or_default();
            NewNotice { sink: l.id.clone(), id, kind: "digest".to_owned(), body, at: self.now }
        });
        Ok(notices.collect())
    }
}

/// The end mark of a source whose last pull gave no good snapshot.
pub(super) fn in_trouble(source: &str, taken_at: Instant, trouble: &Trouble) -> String {
    serde_json::json!({
        "type": "snapshot", "source": source, "taken_at": taken_at.to_string(), "complete": false,
        "reason": trouble.reason(),
    })
    .to_string()
}
