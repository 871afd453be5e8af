//! The body of the loop: what is due at an instant is done. Nothing here waits or looks at a clock.

use std::collections::BTreeMap;

use super::ahead::{AtOnce, Pulls};
use super::setup::Setup;
use crate::alert::filter::Audience;
use crate::engine::{
    Engine, EngineError, Manifest, NO_SOURCE_BESIDE, Order, Pulled, Results, SourceSpec, Took,
};
use crate::evidence;
use crate::model::event::{CHECKPOINT_SCHEMA, Checkpoint, HEARTBEAT_SCHEMA, Heartbeat, State, hashed};
use crate::model::life::{Condition, SourceState};
use crate::model::{Duration, Instant};
use crate::schedule::{Board, Job};
use crate::store::{MISSED, NewNotice, Retention, Slot, SlotState, Store, StoreError};

/// How often old things are forgotten.
const PRUNE_EVERY: Duration = Duration::days(1);
/// The fact that says when old things were last forgotten.
const PRUNED: &str = "pruned";
/// The fact that says when each sink was last sent a sign of life.
const HEARTBEATS: &str = "heartbeats";

/// What the daemon does, without the waiting.
pub struct Core {
    engine: Engine,
    board: Board,
    setup: Setup,
    keep: Duration,
    /// Whether to judge though nothing is due: the configuration is another.
    rejudge: bool,
    /// The slots that are written down as due.
    written: BTreeMap<String, Instant>,
    /// Whether it is this one that does what is due.
    leads: bool,
    /// The term of leadership in which it does; 0 where nobody else could.
    epoch: u64,
}

/// What came of one look at the board.
#[derive(Debug, Default)]
pub struct Ticked {
    /// The run, if there was one.
    pub run: Option<Manifest>,
    /// Signs of life that were put into the outbox.
    pub heartbeats: u64,
}

impl Core {
    /// A core on a store. `keep` says for how long what is over is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(store: Box<dyn Store>, setup: Setup, keep: Duration) -> Result<Self, StoreError> {
        let mut core = Self::beside(store, setup, keep);
        core.begin()?;
        Ok(core)
    }

    /// A core that looks on while another runs on the store.
    #[must_use]
    pub fn beside(store: Box<dyn Store>, mut setup: Setup, keep: Duration) -> Self {
        let rules = std::mem::replace(&mut setup.rules, empty_rules());
        Self {
            engine: Engine::new(store, rules),
            board: Board::default(),
            setup,
            keep,
            rejudge: false,
            written: BTreeMap::new(),
            leads: false,
            epoch: 0,
        }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        fits(&self.engine, &self.setup)?;
        self.leads = true;
        self.lay_board()?;
        self.drop_other_sinks()
    }

    /// Goes on in place of whoever ran on the store before, in this term: from the slots that are not done.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn take_over(&mut self, store: Box<dyn Store>, epoch: u64) -> Result<(), StoreError> {
        self.engine.set_store(store);
        self.epoch = epoch;
        self.begin()
    }

    /// Lets another go on, and looks on.
    pub fn step_back(&mut self, store: Box<dyn Store>) {
        self.engine.set_store(store);
        self.leads = false;
    }

    /// Goes on with another configuration.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reload(&mut self, mut setup: Setup, keep: Duration) -> Result<(), StoreError> {
        fits(&self.engine, &setup)?;
        self.engine.set_rules(std::mem::replace(&mut setup.rules, empty_rules()));
        self.setup = setup;
        self.keep = keep;
        self.rejudge = true;
        if self.leads { self.begin() } else { Ok(()) }
    }

    fn lay_board(&mut self) -> Result<(), StoreError> {
        let done = self.engine.store().last_slots()?.into_iter().collect();
        self.board = Board::new(self.setup.schedules.clone(), &done);
        self.written.clear();
        Ok(())
    }

    fn drop_other_sinks(&mut self) -> Result<(), StoreError> {
        let dropped = self.engine.store().drop_other_sinks(&self.setup.sink_ids())?;
        if dropped > 0 {
            tracing::warn!(
                messages = dropped,
                "messages to sinks that are no longer configured were dropped"
            );
        }
        Ok(())
    }

    /// What follows from the configuration, but for the rules, which the engine has.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The store.
    pub fn store(&mut self) -> &mut dyn Store {
        self.engine.store()
    }

    /// How long a source may be old.
    #[must_use]
    pub fn source_max_age(&self) -> Duration {
        self.engine.rules().settings.checks.thresholds.source_max_age
    }

    /// What runs go by.
    #[must_use]
    pub fn rules(&self) -> &crate::engine::Rules {
        self.engine.rules()
    }

    /// Lets the next look judge what has to be judged, though nothing is due.
    pub fn judge_soon(&mut self) {
        self.rejudge = true;
    }

    /// When there will next be something to do.
    #[must_use]
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        self.board.next_wake(now)
    }

    /// Does everything that is due, and waits for each pull.
    ///
    /// # Errors
    /// As [`Core::tick_with`].
    pub fn tick(
        &mut self,
        now: Instant,
        stop: &dyn Fn() -> bool,
        pull: &mut dyn FnMut(&str) -> Pulled,
    ) -> Result<Ticked, EngineError> {
        self.tick_with(now, stop, &mut AtOnce(pull))
    }

    /// Does everything that is due; of the sources, those that are ready.
    ///
    /// # Errors
    /// When the store fails, or the run is asked to stop: what is due stays due.
    pub fn tick_with(
        &mut self,
        now: Instant,
        stop: &dyn Fn() -> bool,
        pulls: &mut dyn Pulls,
    ) -> Result<Ticked, EngineError> {
        let ticked = self.do_due(now, stop, pulls)?;
        self.checkpoint(now)?;
        Ok(ticked)
    }

    fn do_due(
        &mut self,
        now: Instant,
        stop: &dyn Fn() -> bool,
        pulls: &mut dyn Pulls,
    ) -> Result<Ticked, EngineError> {
        let mut ticked = Ticked { heartbeats: self.heartbeats(now)?, run: None };
        self.engine.store().unmute(now)?;
        self.prune(now)?;
        // What was judged elsewhere is judged again there.
        if self.engine.is_judged_elsewhere()? {
            return Ok(ticked);
        }
        let due = self.board.due(now);
        for job in &due.set_back {
            tracing::warn!(job = job.name, last = %job.last, "the clock was set back; the job goes on from now");
            self.engine.store().forget_slots_ahead(&job.name, now)?;
        }
        self.write_due(&due.jobs, now)?;
        if due.jobs.is_empty() && !self.rejudge {
            return Ok(ticked);
        }
        let source_of = |name: &str| name.strip_prefix("pull ").map(str::to_owned);
        let wanted: Vec<String> = due.jobs.iter().filter_map(|job| source_of(&job.name)).collect();
        let reconcile = due.jobs.iter().any(|job| job.name == "reconcile");
        // Nothing is lost by waiting: what is due stays due until it was taken in.
        let ready = match wanted.is_empty() {
            true => Some(vec![]),
            false => pulls.ready(&wanted, self.engine.is_first()?),
        };
        let Some(sources) = ready else { return Ok(ticked) };
        if sources.is_empty() && !wanted.is_empty() && !reconcile && !self.rejudge {
            return Ok(ticked);
        }
        let judge = self.rejudge || self.setup.judge_after_pull || reconcile;
        let order = Order { now, sources: &self.setup.sources, due: &sources, judge, stop };
        let taken = |name: &str| source_of(name).is_none_or(|source| sources.contains(&source));
        let of_run = due.jobs.iter().filter(|job| taken(&job.name));
        let slots: Vec<Slot> =
            of_run.map(|job| self.slot(&job.name, job.slot, SlotState::Running, now)).collect();
        self.engine.store().put_slots(&slots)?;
        ticked.run = Some(self.engine.run_for(&slots, &order, &mut |source| pulls.take(source))?);
        self.rejudge = false;
        for slot in &slots {
            self.board.done(&slot.job, slot.slot);
        }
        Ok(ticked)
    }

    fn slot(&self, job: &str, slot: Instant, state: SlotState, at: Instant) -> Slot {
        Slot { job: job.to_owned(), slot, state, epoch: self.epoch, at }
    }

    /// Writes down what has become due since this was last asked, and which slots before it nobody ran: so that whoever leads
    /// next, and whoever looks, sees what was to be done.
    fn write_due(&mut self, jobs: &[Job], now: Instant) -> Result<(), StoreError> {
        let mut slots = vec![];
        for job in jobs.iter().filter(|job| self.written.get(&job.name) != Some(&job.slot)) {
            let missed = self.board.missed(&job.name, job.slot, MISSED);
            slots.extend(missed.into_iter().map(|slot| self.slot(&job.name, slot, SlotState::Missed, now)));
            slots.push(self.slot(&job.name, job.slot, SlotState::Due, now));
        }
        if slots.is_empty() {
            return Ok(());
        }
        self.engine.store().put_slots(&slots)?;
        self.written.extend(slots.into_iter().filter(|s| s.state == SlotState::Due).map(|s| (s.job, s.slot)));
        Ok(())
    }

    /// Pulls everything and reconciles, whatever the schedules say.
    ///
    /// # Errors
    /// As [`Core::tick`].
    pub fn reconcile(
        &mut self,
        now: Instant,
        stop: &dyn Fn() -> bool,
        pull: &mut dyn FnMut(&str) -> Pulled,
    ) -> Result<Manifest, EngineError> {
        self.engine.store().unmute(now)?;
        let due: Vec<String> = self.setup.sources.iter().map(|s| s.id.clone()).collect();
        let order = Order { now, sources: &self.setup.sources, due: &due, judge: true, stop };
        let manifest = self.engine.run(&order, pull)?;
        self.checkpoint(now)?;
        Ok(manifest)
    }

    /// Takes what was judged elsewhere, as a run.
    ///
    /// # Errors
    /// When the store fails, or the results cannot be taken.
    pub fn take_judged(&mut self, results: Results<'_>) -> Result<Took, EngineError> {
        let now = results.now;
        self.engine.store().unmute(now)?;
        let took = self.engine.take_judged(results)?;
        self.checkpoint(now)?;
        Ok(took)
    }

    /// Makes a checkpoint where the evidence log grew; where it is signed, every sink that programs read is told.
    fn checkpoint(&mut self, now: Instant) -> Result<(), StoreError> {
        let signer = self.setup.signer.as_ref();
        let machines = self.setup.destinations.iter().map(|d| &d.listener);
        let told: Vec<&str> = match signer {
            Some(_) => machines.filter(|l| l.audience == Audience::Machines).map(|l| l.id.as_str()).collect(),
            None => vec![],
        };
        let made = self.engine.store().checkpoint(now, &mut |size, root| {
            let (head, note) = evidence::seal(size, root, signer).map_err(|e| e.to_string())?;
            let notice = |sink: &&str| {
                let id = hashed("k1:", &format!("{sink}\n{note}"));
                let body = Checkpoint {
                    schema: CHECKPOINT_SCHEMA.to_owned(),
                    id: id.clone(),
                    time: now,
                    origin: head.origin.clone(),
                    size,
                    root: evidence::base64(&root),
                    note: note.clone(),
                };
                let body = serde_json::to_string(&body).unwrap_or_default();
                NewNotice { sink: (*sink).to_owned(), id, kind: "checkpoint".to_owned(), body, at: now }
            };
            Ok((note.clone(), told.iter().map(notice).collect()))
        })?;
        if let Some(entries) = made {
            tracing::debug!(entries, signed = signer.is_some(), "checkpoint of the evidence log");
        }
        Ok(())
    }

    fn prune(&mut self, now: Instant) -> Result<(), StoreError> {
        let store = self.engine.store();
        let last = store.meta(PRUNED)?.and_then(|text| text.parse::<Instant>().ok());
        if last.is_some_and(|last| last <= now && now < last.plus(PRUNE_EVERY)) {
            return Ok(());
        }
        let rows = store.prune(Retention { before: now.minus(self.keep) })?;
        if rows > 0 {
            tracing::info!(rows, "what is older than is kept was forgotten");
        }
        store.set_meta(PRUNED, &now.to_string())
    }

    /// Puts a sign of life into the outbox for every sink whose time has come.
    fn heartbeats(&mut self, now: Instant) -> Result<u64, StoreError> {
        let max_age = self.source_max_age();
        let store = self.engine.store();
        let last = store.meta(HEARTBEATS)?;
        let mut last: BTreeMap<String, Instant> =
            last.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let due: Vec<_> = self
            .setup
            .destinations
            .iter()
            .filter_map(|d| Some((d.id().to_owned(), d.heartbeat?)))
            .filter(|(id, every)| last.get(id).is_none_or(|last| *last > now || last.plus(*every) <= now))
            .collect();
        if due.is_empty() {
            return Ok(0);
        }
        let mut beat = beat(store, &self.setup.sources, max_age, now)?;
        let queues = store.outbox()?;
        for (sink, every) in &due {
            let queue = queues.iter().find(|q| q.sink == *sink).cloned().unwrap_or_default();
            beat.id.clear();
            beat.waiting = queue.waiting;
            beat.dead = queue.dead;
            // Twice as long: one that is late is no alarm yet.
            beat.next_within_s = every.ms().unsigned_abs() / 500;
            // All of it, since a clock that is set back may come to the same instant twice.
            let all = serde_json::to_string(&beat).unwrap_or_default();
            beat.id = hashed("h1:", &format!("{sink}\n{all}"));
            let body = serde_json::to_string(&beat).unwrap_or_default();
            let kind = "heartbeat".to_owned();
            store.notify(&NewNotice { sink: sink.clone(), id: beat.id.clone(), kind, body, at: now })?;
            last.insert(sink.clone(), now);
        }
        let ids = self.setup.sink_ids();
        last.retain(|id, _| ids.contains(id));
        store.set_meta(HEARTBEATS, &serde_json::to_string(&last).unwrap_or_default())?;
        Ok(due.len() as u64)
    }
}

/// Sees to it that nothing is pulled into a store of what was judged elsewhere.
fn fits(engine: &Engine, setup: &Setup) -> Result<(), StoreError> {
    if setup.sources.is_empty() || !engine.is_judged_elsewhere()? {
        return Ok(());
    }
    Err(StoreError::Other(NO_SOURCE_BESIDE.to_owned()))
}

/// What every sign of life says.
fn beat(
    store: &dyn Store,
    sources: &[SourceSpec],
    max_age: Duration,
    now: Instant,
) -> Result<Heartbeat, StoreError> {
    let mut open = BTreeMap::new();
    for c in store.finding_counts()?.into_iter().filter(|c| c.state == State::Open) {
        *open.entry(c.severity).or_default() += c.count;
    }
    let known = store.sources()?;
    let in_doubt = sources.iter().filter_map(|spec| {
        let state = known.iter().find(|s| s.id == spec.id);
        doubt(state, max_age, now).map(|why| (spec.id.clone(), why))
    });
    Ok(Heartbeat {
        schema: HEARTBEAT_SCHEMA.to_owned(),
        id: String::new(),
        time: now,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        last_run: store.runs(8)?.into_iter().find_map(|run| run.ended_at),
        open,
        doubtful_sources: in_doubt.collect(),
        waiting: 0,
        dead: 0,
        next_within_s: 0,
    })
}

/// Why what a source does not show proves nothing; `None` when it does.
fn doubt(state: Option<&SourceState>, max_age: Duration, now: Instant) -> Option<String> {
    match state.map_or(Condition::NeverRead, |s| s.condition(max_age, now)) {
        Condition::Troubled(trouble) => Some(trouble.reason()),
        Condition::NeverRead => Some("it was never read".to_owned()),
        Condition::Stale(taken_at) => Some(format!("it was last read {taken_at}")),
        Condition::Incomplete => Some("its last pull was not complete".to_owned()),
        Condition::Fresh => None,
    }
}

fn empty_rules() -> crate::engine::Rules {
    crate::engine::Rules {
        settings: crate::judge::Settings::default(),
        controls: Box::new(()),
        frameworks: serde_json::Value::Null,
        life: crate::alert::life::Rules::default(),
        guard: crate::alert::guard::Limits::default(),
        mutes: vec![],
        listeners: vec![],
        teams: vec![],
        threads: 1,
    }
}
