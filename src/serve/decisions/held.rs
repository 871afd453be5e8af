//! What is held to answer from: the index of all grants, when their requests were decided, and what each answer rests on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;

use super::request::{Asking, ways};
use crate::engine::{EngineError, estate_at};
use crate::judge::{Decide, Settings, World, judge_part};
use crate::model::life::SourceState;
use crate::model::{Duration, Instant};
use crate::store::{Store, StoreError};

/// An index and all that goes with it; nothing here changes.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) decide: Decide,
    /// When each request was decided, by a hash of its source and id, sorted.
    decided: Vec<(u64, Instant)>,
    hasher: RandomState,
    /// The sources that every answer rests on.
    everyone: BTreeSet<String>,
    /// The sources of grants: of all systems, and of some.
    everywhere: BTreeSet<String>,
    by_system: HashMap<u32, BTreeSet<String>>,
    /// How access was asked for so far, by system; and the sources of the requests.
    pub(super) ways: HashMap<u32, Asking>,
    requests: BTreeSet<String>,
    /// The instant judged at.
    pub(super) as_of: Instant,
    /// The last run that had ended.
    pub(super) run: Option<u64>,
    /// When anything could change by itself.
    pub(super) next_change: Option<Instant>,
}

/// Whether what an answer rests on is fresh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fresh {
    /// Why not, where it is not.
    pub(super) fault: Option<String>,
    /// Until when it is, should nothing be read anew.
    pub(super) until: Option<Instant>,
    /// When the oldest of it was taken.
    pub(super) oldest: Option<Instant>,
}

/// An index, and how fresh it is.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) held: Arc<Held>,
    /// Of systems that a source speaks of by name, and of all others.
    systems: HashMap<u32, Fresh>,
    others: Fresh,
}

impl Held {
    /// Reads and judges everything that is known; `offers`: also how access was asked for so far.
    ///
    /// # Errors
    /// When the store fails, or holds more grants than may be held.
    pub(super) fn build(
        store: &dyn Store,
        settings: &Settings,
        now: Instant,
        most: u64,
        offers: bool,
    ) -> Result<Self, String> {
        let failed = |e: EngineError| e.to_string();
        let asked = |e: StoreError| failed(e.into());
        let grants: u64 = store.standings().map_err(asked)?.iter().map(|(.., count)| count).sum();
        if grants > most {
            let why = format!("there are {grants} grants, and [serve.decisions] max_grants is {most}");
            return Err(why);
        }
        let run = store.runs(8).map_err(asked)?.iter().find(|run| run.ended_at.is_some()).map(|run| run.id);
        let world = World::new(estate_at(store, None, now).map_err(failed)?, settings);
        let judgement = judge_part(&world, settings, now, 1);
        let hasher = RandomState::new();
        let mut decided: Vec<_> =
            world.decided().map(|(request, at)| (hasher.hash_one(request), at)).collect();
        decided.sort_unstable();
        decided.shrink_to_fit();
        let (mut everyone, mut everywhere) = (BTreeSet::new(), BTreeSet::new());
        let mut by_system: HashMap<u32, BTreeSet<String>> = HashMap::new();
        for speaker in world.speakers() {
            let source = || speaker.source.to_owned();
            if speaker.everyone {
                everyone.insert(source());
            }
            if speaker.grants && speaker.systems.is_empty() {
                everywhere.insert(source());
            }
            if speaker.grants {
                speaker.systems.iter().for_each(|system| {
                    by_system.entry(*system).or_default().insert(source());
                });
            }
        }
        let (ways, requests) = if offers { ways(&world) } else { Default::default() };
        let decide = Decide::new(&judgement);
        let next_change = judgement.next_change();
        Ok(Self {
            decide,
            decided,
            hasher,
            everyone,
            everywhere,
            by_system,
            ways,
            requests,
            as_of: now,
            run,
            next_change,
        })
    }

    /// When a request was decided.
    pub(super) fn decided_at(&self, source: &str, id: &str) -> Option<Instant> {
        let hash = self.hasher.hash_one([source, id]);
        let at = self.decided.partition_point(|(held, _)| *held < hash);
        self.decided.get(at).filter(|(held, _)| *held == hash).map(|(_, at)| *at)
    }

    /// Whether a request of this name was decided: its id in any source, or `SOURCE:ID`.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.requests.iter().any(|source| {
            let own = name.strip_prefix(source.as_str()).and_then(|rest| rest.strip_prefix(':'));
            [Some(name), own].into_iter().flatten().any(|id| self.decided_at(source, id).is_some())
        })
    }
}

impl Ready {
    /// Says how fresh an index is, given how the sources stand.
    pub(super) fn new(held: Arc<Held>, sources: &[SourceState], max_age: Duration) -> Self {
        let states: BTreeMap<&str, &SourceState> = sources.iter().map(|s| (s.id.as_str(), s)).collect();
        let fresh = |own: Option<&BTreeSet<String>>| {
            let of_grants = own.into_iter().flatten().chain(&held.everywhere);
            let names: BTreeSet<&String> = of_grants.chain(&held.everyone).collect();
            let mut fresh = Fresh::default();
            let mut put = |why: String| {
                fresh.fault.get_or_insert(why);
            };
            if own.is_none_or(BTreeSet::is_empty) && held.everywhere.is_empty() {
                put("no source says that it tells of the grants of this system".to_owned());
            }
            let (mut until, mut oldest) = (None::<Instant>, None::<Instant>);
            for name in names {
                let state = states.get(name.as_str());
                if let Some(trouble) = state.and_then(|s| s.trouble.as_ref()) {
                    put(format!("source {name} is {}", trouble.as_str()));
                }
                match state.and_then(|s| Some((s.taken_at?, s.complete))) {
                    None => put(format!("source {name} was never read")),
                    Some((_, false)) => put(format!("source {name} is incomplete")),
                    Some((taken, true)) => {
                        let ends = taken.plus(max_age);
                        until = Some(until.map_or(ends, |until| until.min(ends)));
                        oldest = Some(oldest.map_or(taken, |oldest| oldest.min(taken)));
                    }
                }
            }
            Fresh { until, oldest, ..fresh }
        };
        let systems = held.by_system.iter().map(|(system, own)| (*system, fresh(Some(own)))).collect();
        let others = fresh(None);
        Self { held, systems, others }
    }

    /// Whether what an answer about a system rests on is fresh.
    pub(super) fn fresh(&self, system: &str) -> &Fresh {
        let number = self.held.decide.system(system);
        number.and_then(|number| self.systems.get(&number)).unwrap_or(&self.others)
    }
}
