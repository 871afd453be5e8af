//! The life of each finding up to a run, and what happened in a period: the events of the store, folded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;

use serde::{Deserialize, Serialize};

use super::pack::{Bounded, BySeverity, OpenAt, Rows};
use crate::engine::{EngineError, PullOutcome, each_manifest};
use crate::model::event::{Activity, Cause, State};
use crate::model::finding::Severity;
use crate::model::life::Difference;
use crate::model::{Duration, Instant, RecordType};
use crate::store::{Hash, Store, hash};

/// How many points a line over time has at most.
pub(super) const POINTS: usize = 200;
/// How many changes, and how many revocations, a pack lists.
const LISTED: usize = 500;
const DAY: i64 = 86_400_000;

/// Something that happened to a finding.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// In which run.
    pub run: u64,
    /// What.
    pub activity: Activity,
    /// Why.
    pub cause: Cause,
    /// Where the finding was then.
    pub state: State,
    /// The finding's id.
    pub finding: String,
    /// Its check.
    pub check: String,
    /// How bad it was.
    pub severity: Severity,
    /// Who it is about.
    pub subject: Option<String>,
    /// The grant's system.
    pub system: Option<String>,
    /// The grant's account.
    pub account: Option<String>,
    /// The grant's entitlement.
    pub entitlement: Option<String>,
    /// The grant's scope.
    pub scope: Option<String>,
    /// The request.
    pub request: Option<String>,
}

/// A grant that was found gone, and where that was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Revocation {
    /// What was told.
    pub change: Change,
    /// The pulls of that run which show it: source, when it was taken, and SHA-256.
    pub seen_in: Vec<SeenIn>,
    /// The source that had shown the grant, where its evidence says so.
    #[serde(skip)]
    source: Option<String>,
}

/// A pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenIn {
    /// The source.
    pub source: String,
    /// When it was taken.
    pub taken_at: Option<Instant>,
    /// SHA-256 of the snapshot.
    pub sha256: String,
}

/// Where a finding was after a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) state: State,
    pub(super) severity: Severity,
    pub(super) cause: Cause,
    pub(super) episode: u32,
    pub(super) seq: u32,
    pub(super) first_seen: Instant,
    /// When this episode began.
    pub(super) opened: Instant,
    pub(super) changed: Instant,
    /// Whether the judgement of the instant shows it too.
    pub(super) seen: bool,
}

/// The part of an event that is folded.
#[derive(Deserialize)]
struct Told {
    activity: Activity,
    cause: Cause,
    state: State,
    episode: u32,
    seq: u32,
    first_seen: Instant,
    time: Instant,
    run: u64,
    finding: About,
}

#[derive(Deserialize)]
struct About {
    id: String,
    check: String,
    severity: Severity,
    #[serde(default)]
    subject: Option<Subject>,
    #[serde(default)]
    grant: Option<Grant>,
    #[serde(default)]
    request: Option<Request>,
    #[serde(default)]
    evidence: Vec<Evidence>,
}

#[derive(Deserialize)]
struct Subject {
    id: String,
}

#[derive(Deserialize)]
struct Grant {
    system: String,
    account: String,
    entitlement: String,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    id: String,
}

#[derive(Deserialize)]
struct Evidence {
    source: Option<String>,
}

/// What the events say.
pub(super) struct Lives {
    pub(super) of: HashMap<Hash, Life>,
    pub(super) over_time: Vec<OpenAt>,
    pub(super) by_cause: BTreeMap<&'static str, u64>,
    pub(super) changes: Bounded<Change>,
    pub(super) revocations: Bounded<Revocation>,
}

/// The key under which the life of a finding is held: ids are hashes, but what a store holds may be anything.
pub(super) fn key(id: &str) -> Hash {
    hash([id.as_bytes()])
}

/// Folds the events of all runs up to this one; the period goes from `from` to `at`.
pub(super) fn fold(
    store: &dyn Store,
    run: u64,
    (from, at): (Instant, Instant),
    rows: &mut dyn Rows,
) -> Result<Lives, Fault> {
    let mut folding = Folding::new(from);
    let mut fault = None;
    store
        .events_until(run, &mut |body| {
            if fault.is_some() {
                return;
            }
            match serde_json::from_str::<Told>(body) {
                Ok(told) => fault = folding.add(told, rows).err().map(Fault::Output),
                Err(e) => fault = Some(Fault::Engine(EngineError::Broken(format!("an event: {e}")))),
            }
        })
        .map_err(EngineError::from)?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let mut lives = folding.finish(at);
    seen_in(store, run, &mut lives.revocations.listed)?;
    Ok(lives)
}

/// Why the fold broke off.
pub(super) enum Fault {
    Engine(EngineError),
    Output(io::Error),
}

impl From<EngineError> for Fault {
    fn from(e: EngineError) -> Self {
        Self::Engine(e)
    }
}

struct Folding {
    from: Instant,
    of: HashMap<Hash, Life>,
    open: BySeverity,
    accepted: u64,
    /// The end of the day that the next point stands for.
    next: Instant,
    points: Vec<OpenAt>,
    by_cause: BTreeMap<&'static str, u64>,
    changes: VecDeque<Change>,
    changed: u64,
    revocations: VecDeque<Revocation>,
    revoked: u64,
}

impl Folding {
    fn new(from: Instant) -> Self {
        Self {
            from,
            of: HashMap::new(),
            open: BySeverity::default(),
            accepted: 0,
            next: end_of_day(from),
            points: vec![],
            by_cause: BTreeMap::new(),
            changes: VecDeque::new(),
            changed: 0,
            revocations: VecDeque::new(),
            revoked: 0,
        }
    }

    fn add(&mut self, told: Told, rows: &mut dyn Rows) -> io::Result<()> {
        self.pass(told.time);
        let (id, severity) = (key(&told.finding.id), told.finding.severity);
        let old = self.of.get(&id).copied();
        if let Some(old) = old {
            self.count(old.state, old.severity, false);
        }
        self.count(told.state, severity, true);
        let begins = old.is_none_or(|old| old.state == State::Resolved || old.episode != told.episode);
        let life = Life {
            state: told.state,
            severity,
            cause: told.cause,
            episode: told.episode,
            seq: told.seq,
            first_seen: told.first_seen,
            opened: old.filter(|_| !begins).map_or(told.time, |old| old.opened),
            changed: told.time,
            seen: false,
        };
        self.of.insert(id, life);
        if told.time >= self.from {
            self.tell(told, rows)?;
        }
        Ok(())
    }

    fn count(&mut self, state: State, severity: Severity, comes: bool) {
        let n = match state {
            State::Open => self.open.of_mut(severity),
            State::Accepted => &mut self.accepted,
            State::Resolved => return,
        };
        *n = if comes { *n + 1 } else { n.saturating_sub(1) };
    }

    /// Notes how all stood at the end of each day that is over.
    fn pass(&mut self, time: Instant) {
        while self.next <= time && self.next < Instant::MAX {
            self.points.push(OpenAt { at: self.next, open: self.open, accepted: self.accepted });
            self.next = self.next.plus(Duration::days(1));
        }
    }

    fn tell(&mut self, told: Told, rows: &mut dyn Rows) -> io::Result<()> {
        *self.by_cause.entry(told.cause.as_str()).or_default() += 1;
        let f = told.finding;
        let source = f.evidence.into_iter().find_map(|e| e.source);
        let grant = f.grant;
        let change = Change {
            at: told.time,
            run: told.run,
            activity: told.activity,
            cause: told.cause,
            state: told.state,
            finding: f.id,
            check: f.check,
            severity: f.severity,
            subject: f.subject.map(|s| s.id),
            system: grant.as_ref().map(|g| g.system.clone()),
            account: grant.as_ref().map(|g| g.account.clone()),
            scope: grant.as_ref().and_then(|g| g.scope.clone()),
            entitlement: grant.map(|g| g.entitlement),
            request: f.request.map(|r| r.id),
        };
        rows.change(&change)?;
        if change.cause == Cause::Revoked {
            self.revoked += 1;
            keep_last(&mut self.revocations, Revocation { change: change.clone(), seen_in: vec![], source });
        }
        self.changed += 1;
        keep_last(&mut self.changes, change);
        Ok(())
    }

    fn finish(mut self, at: Instant) -> Lives {
        self.pass(Instant::from_unix_ms(at.unix_ms() - 1));
        self.points.push(OpenAt { at, open: self.open, accepted: self.accepted });
        let more = |all: u64, listed: usize| all.saturating_sub(listed as u64);
        Lives {
            of: self.of,
            over_time: thinned(self.points),
            by_cause: self.by_cause,
            changes: Bounded { more: more(self.changed, self.changes.len()), listed: self.changes.into() },
            revocations: Bounded {
                more: more(self.revoked, self.revocations.len()),
                listed: self.revocations.into(),
            },
        }
    }
}

fn keep_last<T>(list: &mut VecDeque<T>, new: T) {
    if list.len() == LISTED {
        list.pop_front();
    }
    list.push_back(new);
}

fn end_of_day(t: Instant) -> Instant {
    Instant::from_unix_ms(t.unix_ms().div_euclid(DAY).saturating_add(1).saturating_mul(DAY))
}

/// At most [`POINTS`] of these: the first, the last and others as far apart as can be.
pub(super) fn thinned<T>(points: Vec<T>) -> Vec<T> {
    let all = points.len();
    if all <= POINTS {
        return points;
    }
    let last = POINTS - 1;
    let mut next = 0;
    let wanted = |next: usize| next * (all - 1) / last;
    let keep = |(place, point): (usize, T)| {
        (place == wanted(next)).then(|| {
            next += 1;
            point
        })
    };
    points.into_iter().enumerate().filter_map(keep).collect()
}

/// Whether fewer grants were in a pull, or others.
fn takes_grants(difference: &Difference) -> bool {
    difference.of.get(&RecordType::Grant).is_some_and(|n| n.removed > 0)
}

/// Looks up the pulls that showed grants to be gone.
fn seen_in(store: &dyn Store, last: u64, revocations: &mut [Revocation]) -> Result<(), EngineError> {
    if revocations.is_empty() {
        return Ok(());
    }
    each_manifest(store, last, &mut |manifest| {
        for r in revocations.iter_mut().filter(|r| r.change.run == manifest.run) {
            let of_it = |id: &str| r.source.as_deref().is_none_or(|source| source == id);
            let pulls = manifest.sources.iter().filter(|line| of_it(&line.id));
            r.seen_in = pulls
                .filter_map(|line| match &line.outcome {
                    PullOutcome::Taken { difference, sha256 } if takes_grants(difference) => Some(SeenIn {
                        source: line.id.clone(),
                        taken_at: line.taken_at,
                        sha256: sha256.clone(),
                    }),
                    _ => None,
                })
                .collect();
        }
    })
}
