//! Judging some names again, and what that makes of the findings that are remembered.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::part::{Catalogue, Part};
use super::prepare::{grant_key, name_token};
use super::{EngineError, PullOutcome, Run, sorted};
use crate::alert::freeze::{Doubt, is_frozen, rests_on};
use crate::alert::group;
use crate::alert::life::{self, Gone, Now, Seen, Step};
use crate::judge::{Judgement, World, judge_part};
use crate::model::event::{Cause, State};
use crate::model::finding::{Finding, Outcome, Standing, Verdict};
use crate::model::life::Life;
use crate::model::{Instant, RecordType};
use crate::store::{Batch, Hash, KeptVerdict, Token, hash};

impl Run<'_> {
    /// Judges these names again, and keeps what comes of it, in one transaction.
    pub(super) fn rejudge(
        &mut self,
        catalogue: &Catalogue,
        doubts: &[Doubt],
        names: &[Token],
    ) -> Result<(), EngineError> {
        let part = Part::load(&*self.store, catalogue, names)?;
        let (homes, done) = (part.homes, part.done);
        let world = World::new(part.estate, &self.rules.settings);
        let judgement = judge_part(&world, &self.rules.settings, self.now, self.rules.threads);
        let mut batch =
            Batch { run: self.id, done, homes: sorted(homes.iter().copied()), ..Batch::default() };
        let standings = self.verdicts(&judgement, &homes, &mut batch);
        for (home, at) in judgement.waits() {
            let home = name_token(&home);
            if homes.contains(&home) {
                batch.rechecks.push((home, at));
            }
        }
        let known = self.store.lives_at(&batch.homes)?;
        // In the order of their ids, so that the same input is told in the same order.
        let mut known: BTreeMap<String, Life> = known.into_iter().map(|l| (l.id.clone(), l)).collect();
        let mut told: HashSet<String> = HashSet::new();
        for place in 0..judgement.len() {
            let Some(home) = judgement.home(place).map(|h| name_token(&h)).filter(|h| homes.contains(h))
            else {
                continue;
            };
            let Some(finding) = judgement.finding(place, &*self.rules.controls) else { continue };
            // Two grants that differ only in the systems of their paths share an id; the first, and worst, stands for both.
            if !told.insert(finding.id.clone()) {
                continue;
            }
            let old = match known.remove(&finding.id) {
                Some(life) => Some(life),
                // Kept under another name until now.
                None => self.store.life(&finding.id)?,
            };
            self.seen(finding, home, old, doubts, &mut batch);
        }
        for life in known.into_values() {
            let gone = self.gone(&life, |key| standings.get(&key).copied());
            self.absent(life, gone, doubts, &mut batch);
        }
        self.manifest.homes += batch.homes.len() as u64;
        self.manifest.grants += batch.verdicts.len() as u64;
        Ok(self.store.commit(batch)?)
    }

    /// Takes the verdicts of the homes; how every grant of the part stands, by its key.
    fn verdicts(
        &self,
        judgement: &Judgement<'_>,
        homes: &HashSet<Token>,
        batch: &mut Batch,
    ) -> HashMap<Hash, Standing> {
        let mut standings = HashMap::new();
        for kept in judgement.kept() {
            let v = kept.verdict;
            let grant = grant_of(&v);
            standings.insert(grant, v.standing);
            let home = name_token(&kept.home);
            if !homes.contains(&home) {
                continue;
            }
            let recheck_at = if kept.awaits_sight { Some(self.now) } else { v.recheck_at };
            batch.rechecks.extend(recheck_at.map(|at| (home, at)));
            batch.verdicts.push(kept_verdict(v, grant, home));
        }
        standings
    }

    /// A finding is there.
    pub(super) fn seen(
        &mut self,
        mut finding: Finding<'_>,
        home: Token,
        old: Option<Life>,
        doubts: &[Doubt],
        batch: &mut Batch,
    ) {
        let exception = finding.exception.take();
        let accepted = life::acceptance(&finding, exception.as_ref(), self.now, &self.rules.life);
        if let Some(a) = &accepted {
            batch.rechecks.push((home, a.until));
        } else if let Some(e) = &exception {
            // One that reaches too far holds from when it does not.
            batch.rechecks.push((home, e.expires_at.minus(self.rules.life.max_exception)));
        }
        finding.now = Instant::MIN;
        let material = material_of(&finding);
        let fresh = fresh(&finding, home, material, old.as_ref().map_or(0, |old| old.body.len()));
        let now = Now { at: self.now, run: self.id };
        let mut last = None;
        if let Some(old) = old.as_ref().filter(|old| old.quiet_at.is_some()) {
            wake_when_quiet(old, home, self.now, batch);
            last = serde_json::from_str::<Finding<'_>>(&old.body).ok().map(|f| material_of(&f));
        }
        let seen = Seen { material, last, fresh, exception: accepted };
        let step = life::seen(old.as_ref(), seen, now, &self.rules.life);
        let Some(mut life) = step.life.clone() else { return };
        if step.told.is_some() && is_frozen(&life.check, life.system.as_deref(), true, doubts) {
            self.freeze(home, batch);
            let is_new = old.is_none_or(|old| old.state == State::Resolved);
            if is_new && self.manifest.still.len() < MAX_STILL {
                self.manifest.still.push(life.body);
            }
            return;
        }
        finding.exception = exception;
        let event = self.event(&step, &mut life, finding);
        keep(life, event, batch);
    }

    /// A finding that is remembered is not there.
    pub(super) fn absent(&mut self, old: Life, gone: Gone, doubts: &[Doubt], batch: &mut Batch) {
        if old.state == State::Resolved {
            return;
        }
        let home = old.home;
        wake_when_quiet(&old, home, self.now, batch);
        let off = gone == Gone::CheckOff;
        if !off && is_frozen(&old.check, old.system.as_deref(), false, doubts) {
            self.freeze(home, batch);
            return;
        }
        let now = Now { at: self.now, run: self.id };
        let step: Step = life::absent(&old, gone, now, &self.rules.life);
        let Some(mut life) = step.life.clone() else { return };
        let event = match serde_json::from_str::<Finding<'static>>(&life.body) {
            Ok(finding) => self.event(&step, &mut life, finding),
            Err(e) => {
                tracing::error!(finding = life.id, error = %e, "what is kept of a finding cannot be read");
                None
            }
        };
        keep(life, event, batch);
    }

    /// Something keeps still now, and is looked at again in the next run.
    fn freeze(&mut self, home: Token, batch: &mut Batch) {
        self.manifest.frozen += 1;
        if home != 0 {
            batch.rechecks.push((home, self.now));
        }
    }

    /// Why a finding is no longer there. `standing` knows how the grants that are there stand.
    pub(super) fn gone(&self, life: &Life, standing: impl Fn(Hash) -> Option<Standing>) -> Gone {
        let own = self.rules.settings.checks.overrides.get(&life.check);
        if own.is_some_and(|own| own.enabled == Some(false)) {
            return Gone::CheckOff;
        }
        match life.grant.map(standing) {
            None => Gone::NotSeen,
            Some(None) if self.manifest.sources.iter().any(|s| s.outcome == PullOutcome::Retired) => {
                Gone::Retired
            }
            Some(None) => Gone::Revoked,
            Some(Some(s)) if s.outcome() == Outcome::Justified => Gone::Approved,
            Some(Some(_)) => Gone::NotSeen,
        }
    }

    /// A finding that nobody came across is not there; why, follows from how its grant stands in the store.
    pub(super) fn unseen(
        &mut self,
        life: Life,
        doubts: &[Doubt],
        batch: &mut Batch,
    ) -> Result<(), EngineError> {
        let standing = match life.grant {
            Some(key) => self.store.verdict(key)?.map(|v| v.standing),
            None => None,
        };
        let gone = self.gone(&life, |_| standing);
        self.absent(life, gone, doubts, batch);
        Ok(())
    }

    /// Counts on what was absent before, and that nothing made anybody judge again: it is absent still. Only a run that
    /// read something can say so.
    pub(super) fn sweep(&mut self, doubts: &[Doubt]) -> Result<(), EngineError> {
        let taken = |id: &str| {
            let mut of_run = self.manifest.sources.iter();
            of_run.any(|s| s.id == id && matches!(s.outcome, PullOutcome::Taken { .. }))
        };
        let read: Vec<&[RecordType]> =
            self.specs.iter().filter(|s| taken(&s.id)).map(|s| s.provides.as_slice()).collect();
        if read.is_empty() {
            return Ok(());
        }
        let mut batch = Batch { run: self.id, ..Batch::default() };
        for life in self.store.absent_before(self.id, MAX_SWEPT)? {
            // A run that read nothing of what the finding rests on could not have shown it. A source that does not say what
            // it provides may provide anything.
            let rests = rests_on(&life.check);
            if !read.iter().any(|types| types.is_empty() || types.iter().any(|t| rests.contains(t))) {
                continue;
            }
            self.unseen(life, doubts, &mut batch)?;
        }
        // What keeps still is asked again by `absent_before` itself.
        batch.rechecks.clear();
        Ok(self.store.commit(batch)?)
    }
}

/// How many findings that keep still are shown to whoever looks.
const MAX_STILL: usize = 100_000;
/// How many findings that are absent are counted on in one run; the others wait for the next.
const MAX_SWEPT: usize = 100_000;

/// A finding that flaps is looked at again when it has been quiet for long enough, even if nothing else happens.
fn wake_when_quiet(life: &Life, home: Token, now: Instant, batch: &mut Batch) {
    if let Some(quiet_at) = life.quiet_at.filter(|quiet| now < *quiet && home != 0) {
        batch.rechecks.push((home, quiet_at));
    }
}

fn keep(life: Life, event: Option<crate::store::NewEvent>, batch: &mut Batch) {
    if let Some(quiet_at) = life.quiet_at {
        batch.rechecks.push((life.home, quiet_at));
    }
    batch.lives.push(life);
    batch.events.extend(event);
}

/// The key of the grant that a verdict is on.
pub(super) fn grant_of(v: &Verdict<'_>) -> Hash {
    let path: Vec<_> = v.path.iter().map(|s| (s.system.as_deref(), &*s.entitlement)).collect();
    grant_key(&v.system, &v.account, &v.entitlement, v.scope.as_deref(), &path)
}

pub(super) fn kept_verdict(v: Verdict<'_>, grant: Hash, home: Token) -> KeptVerdict {
    KeptVerdict {
        grant,
        home,
        path: serde_json::to_string(&v.path).unwrap_or_default(),
        system: v.system.into_owned(),
        account: v.account.into_owned(),
        entitlement: v.entitlement.into_owned(),
        scope: v.scope.map(|s| s.into_owned()),
        subject: v.subject.into_owned(),
        standing: v.standing,
        request: v.request.map(|r| (r.source.into_owned(), r.id.into_owned())),
        recheck_at: v.recheck_at,
    }
}

/// What of a finding matters: severity, standing, request, who answers.
fn material_of(f: &Finding<'_>) -> Hash {
    let text = json(&(f.severity, f.standing, &f.request, &f.accountable), 512);
    hash([text.as_bytes()])
}

/// A value as JSON, with room for so many bytes from the start.
fn json(value: &impl serde::Serialize, room: usize) -> String {
    let mut text = Vec::with_capacity(room);
    let written = serde_json::to_writer(&mut text, value);
    written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default()
}

/// The life that a finding would begin; `room` is about how long it is as a text.
fn fresh(f: &Finding<'_>, home: Token, material: Hash, room: usize) -> Life {
    let grant = f.grant.as_ref().map(|g| {
        let path: Vec<_> = g.path.iter().map(|s| (s.system.as_deref(), &*s.entitlement)).collect();
        grant_key(&g.system, &g.account, &g.entitlement, g.scope.as_deref(), &path)
    });
    Life {
        id: f.id.clone(),
        home,
        check: f.check.clone().into_owned(),
        system: f.grant.as_ref().map(|g| g.system.clone().into_owned()),
        source: f.source.as_ref().map(|s| s.clone().into_owned()),
        account: f.grant.as_ref().map(|g| g.account.clone().into_owned()),
        subject: f.subject.as_ref().map(|s| s.id.clone().into_owned()),
        request: f.request.as_ref().map(|r| (r.source.clone().into_owned(), r.id.clone().into_owned())),
        grant,
        severity: f.severity,
        standing: f.standing,
        state: State::Open,
        episode: 1,
        seq: 0,
        first_seen: f.now,
        changed_at: f.now,
        material,
        absent: 0,
        absent_run: 0,
        changes: vec![],
        quiet_at: None,
        acceptance: None,
        cause: Cause::Detected,
        owner: group::owner(f).map(str::to_owned),
        group: group::key(f),
        told: vec![],
        body: json(f, room),
    }
}
