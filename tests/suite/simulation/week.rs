//! One week: the loop that the daemon is, with the time as a number, and what is done to it meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use counterfoil::alert::{guard, life, mute::Mute};
use counterfoil::daemon::{Core, Pause, Post, Setup, deliver};
use counterfoil::engine::{EngineError, Rules, SourceSpec};
use counterfoil::evidence::{self, Checkpoint, Signer, Witness};
use counterfoil::model::event::{Event, State};
use counterfoil::model::finding::Severity;
use counterfoil::model::life::Trouble;
use counterfoil::model::{Duration, Instant, RecordType};
use counterfoil::schedule::{Cadence, Schedule};
use counterfoil::sink::{Audience, Filter};
use counterfoil::store::{Accepted, Sqlite, Store};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::inbox::{Arrivals, Fault, Handle, inbox, lock};
use super::ledger::{Account, Ledger};
use super::plan::{END, SINKS, SOURCES, Turn, week};
use super::quiet::{Pulls, compare, doubtful};
use super::world::World;
use crate::life::{How, pulled};
use crate::reference::estates::Dice;
use crate::reference::product::settings;

/// A Friday; on the Sunday after it clocks in Europe go forward.
const START: &str = "2026-03-27T00:00:00Z";
const CHECKS: [&str; 6] = [
    "unapproved-grant",
    "pending-grant",
    "approval-expired",
    "departed-identity",
    "orphan-account",
    "source-incomplete",
];

/// What came of it.
pub struct Week {
    pub transcript: String,
    pub events: usize,
    pub causes: BTreeMap<&'static str, usize>,
    pub compared: usize,
    pub frozen: usize,
    pub copies: usize,
    pub stopped: usize,
}

struct Play {
    seed: u64,
    _folder: tempfile::TempDir,
    path: PathBuf,
    runtime: Runtime,
    core: Option<Core>,
    post: Post,
    arrivals: Arrivals,
    entered: usize,
    sinks: Vec<Handle>,
    pauses: Vec<Pause>,
    world: World,
    dice: Dice,
    how: [How; 4],
    empty: [bool; 4],
    pulls: Pulls,
    ledger: Ledger,
    variant: usize,
    /// By how much the clock is wrong.
    wrong: i64,
    stop_after: Option<usize>,
    came: Week,
}

fn config(variant: usize) -> Value {
    let mut checks = serde_json::Map::new();
    for check in counterfoil::judge::checks::all().filter(|c| !CHECKS.contains(&c.name)) {
        checks.insert(check.name.to_owned(), json!({"enabled": false}));
    }
    match variant % 4 {
        1 => drop(checks.insert("pending-grant".to_owned(), json!({"enabled": false}))),
        2 => drop(checks.insert("unapproved-grant".to_owned(), json!({"severity": "low"}))),
        _ => {}
    }
    json!({"checks": checks, "accountability": {"operator": "ops@corp.example"}})
}

/// What people are not told in one of the configurations.
fn mutes(variant: usize) -> Vec<Mute> {
    let text =
        "owner = 'ops'\nreason = 'migration'\nuntil = '2026-04-02T12:00:00Z'\nchecks = ['pending-grant']\n";
    if variant % 4 == 3 { vec![toml::from_str(text).unwrap()] } else { vec![] }
}

fn cadence(every: Option<&str>, cron: Option<&str>, zone: &str, jitter: &str) -> Cadence {
    Cadence {
        every: every.map(|d| d.parse().unwrap()),
        cron: cron.map(str::to_owned),
        time_zone: cron.map(|_| zone.to_owned()),
        jitter: Some(jitter.parse().unwrap()),
    }
}

fn schedules(seed: u64) -> Vec<Schedule> {
    let mut jobs = vec![
        ("pull hr", cadence(None, Some("30 5,17 * * *"), "America/New_York", "PT20M")),
        ("pull tickets", cadence(Some("PT1H"), None, "", "PT10M")),
        ("pull aws", cadence(None, Some("10 * * * *"), "Europe/Berlin", "PT5M")),
        ("pull git", cadence(None, Some("0 */2 * * *"), "Asia/Kolkata", "PT30M")),
    ];
    if seed % 2 == 1 {
        jobs.push(("reconcile", cadence(Some("PT1H"), None, "", "PT2M")));
    }
    jobs.iter().map(|(name, cadence)| Schedule::new(name, cadence).unwrap()).collect()
}

fn open(path: &std::path::Path) -> Box<dyn Store> {
    Box::new(Sqlite::open(path).unwrap())
}

impl Play {
    fn new(seed: u64) -> Play {
        // In memory where there is a folder for that: nothing here loses power.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = folder.path().join("store.db");
        let arrivals = Arrivals::default();
        let mut dice = Dice::new(seed);
        let world = World::new(&mut dice, START.parse().unwrap());
        let high = Filter { min_severity: Some(Severity::High), ..Filter::default() };
        let hour = Some(Duration::hours(1));
        let sinks = vec![
            inbox(SINKS[0], Audience::Machines, Filter::default(), 5, hour, &arrivals),
            inbox(SINKS[1], Audience::Machines, high, 1, hour, &arrivals),
            inbox(SINKS[2], Audience::Machines, Filter::default(), 50, None, &arrivals),
            inbox(SINKS[3], Audience::People, Filter::default(), 3, Some(Duration::days(1)), &arrivals),
        ];
        let post = Post::new(open(&path));
        let ledger = Ledger::new(&path, seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let came = Week {
            transcript: String::new(),
            events: 0,
            causes: BTreeMap::new(),
            compared: 0,
            frozen: 0,
            copies: 0,
            stopped: 0,
        };
        Play {
            seed,
            _folder: folder,
            path,
            runtime,
            core: None,
            post,
            arrivals,
            entered: 0,
            pauses: vec![Pause::default(); sinks.len()],
            sinks,
            world,
            dice,
            how: [How::Whole; 4],
            empty: [false; 4],
            pulls: Pulls::new(),
            ledger,
            variant: 0,
            wrong: 0,
            stop_after: None,
            came,
        }
    }

    fn setup(&self) -> Setup {
        let own = Rules {
            settings: settings(&config(self.variant)).unwrap(),
            controls: Box::new(()),
            frameworks: Value::Null,
            life: life::Rules::default(),
            guard: guard::Limits { records: 8, percent: 20 },
            mutes: mutes(self.variant),
            listeners: self.sinks.iter().map(|s| s.to.listener.clone()).collect(),
            teams: vec![],
            threads: 1,
        };
        let provides = |id: &str| match id {
            "hr" => RecordType::Identity,
            "tickets" => RecordType::Request,
            _ => RecordType::Grant,
        };
        let spec = |id: &&str| SourceSpec { id: (*id).to_owned(), provides: vec![provides(id)], by: None };
        Setup {
            rules: own,
            sources: SOURCES.iter().map(spec).collect(),
            destinations: self.sinks.iter().map(|s| s.to.clone()).collect(),
            schedules: schedules(self.seed),
            judge_after_pull: self.seed.is_multiple_of(2),
            signer: Some(signer()),
        }
    }

    fn clock(&self, t: Instant) -> Instant {
        Instant::from_unix_ms(t.unix_ms() + self.wrong)
    }

    /// The program starts, or goes on after it was down.
    fn start(&mut self) {
        let core = Core::new(open(&self.path), self.setup(), Duration::days(400)).unwrap();
        self.core = Some(core);
        self.pauses = vec![Pause::default(); self.sinks.len()];
    }

    /// One look at the board; whether there may be more to do at once.
    fn tick(&mut self, now: Instant) {
        let mut core = self.core.take().unwrap();
        let (world, how, empty, pulls) = (&self.world, &self.how, &self.empty, &mut self.pulls);
        let mut pull = |source: &str| {
            let place = SOURCES.iter().position(|s| *s == source).unwrap();
            let records = if empty[place] { vec![] } else { world.records(source) };
            let provides = match source {
                "hr" => "identity",
                "tickets" => "request",
                _ => "grant",
            };
            if how[place] == How::Whole {
                pulls.insert((source.to_owned(), now.to_string()), records.clone());
            }
            pulled(source, provides, &records, how[place], now)
        };
        let asked = std::cell::Cell::new(0);
        let stop_after = self.stop_after;
        let stop = || {
            asked.set(asked.get() + 1);
            stop_after.is_some_and(|most| asked.get() > most)
        };
        let ticked = core.tick(now, &stop, &mut pull);
        let events = self.ledger.read();
        let doubtful = doubtful(core.store(), now);
        self.ledger.keeps_still(&events, &doubtful.iter().cloned().collect::<BTreeSet<_>>(), now);
        match ticked {
            Ok(ticked) => {
                let next = core.next_wake(now);
                assert!(next.is_none_or(|next| next > now), "seed {}, {now}: still due", self.seed);
                if let Some(run) = ticked.run {
                    let mut read: Vec<&str> = run.sources.iter().map(|s| s.id.as_str()).collect();
                    read.dedup();
                    assert_eq!(read.len(), run.sources.len(), "seed {}: a source twice", self.seed);
                    assert_eq!(run.event_count(), events.len() as u64);
                    self.came.frozen += run.frozen as usize;
                    if run.judged && doubtful.is_empty() && run.frozen == 0 {
                        let what = format!("seed {}, {now}", self.seed);
                        compare(core.store(), &self.pulls, &config(self.variant), now, &what);
                        self.came.compared += 1;
                    }
                }
            }
            Err(EngineError::Stopped) => {
                self.came.stopped += 1;
                self.stop_after = None;
            }
            Err(e) => panic!("seed {}, {now}: {e}", self.seed),
        }
        self.core = Some(core);
    }

    /// Every sink empties its part of the outbox, as far as its receiver lets it.
    fn deliver(&mut self, now: Instant) {
        for (sink, pause) in self.sinks.iter().zip(&mut self.pauses) {
            for _ in 0..1_000 {
                let sent = self.runtime.block_on(deliver(&self.post, &sink.to, pause, now)).unwrap();
                if sent.taken + sent.refused == 0 {
                    break;
                }
            }
        }
        let arrivals = lock(&self.arrivals);
        for got in &arrivals[self.entered..] {
            self.ledger.arrived(got, got.sink == "lake");
        }
        self.entered = arrivals.len();
    }

    fn turn(&mut self, turn: Turn, t: Instant) -> Option<Duration> {
        let now = self.clock(t);
        match turn {
            Turn::Pulls(source, how) => self.how[source] = how,
            Turn::Empty(source, empty) => self.empty[source] = empty,
            Turn::Fault(sink, fault) => self.sinks[sink].set(fault),
            Turn::Clock(wrong) => self.wrong = wrong,
            Turn::Stop(after) => self.stop_after = Some(after),
            Turn::Stir => self.world.stir(&mut self.dice, t),
            Turn::Replay => drop(self.post.store().replay(None, now).unwrap()),
            Turn::Down(time) => {
                self.core = None;
                return Some(time);
            }
            Turn::Reload(variant) => {
                self.variant = variant;
                let setup = self.setup();
                self.core.as_mut().unwrap().reload(setup, Duration::days(400)).unwrap();
            }
            Turn::Accept(hours) => self.accept(now, hours),
            Turn::Approve => self.approve(),
        }
        None
    }

    /// Somebody, through another handle on the store, as a command has it.
    fn accept(&mut self, now: Instant, hours: u64) {
        let mut lives = vec![];
        self.post.store().lives(&[State::Open], &mut |life| lives.push(life)).unwrap();
        lives.retain(|l| l.home != 0);
        if lives.is_empty() {
            return;
        }
        let life = &lives[self.dice.below(lives.len())];
        let accepted = Accepted {
            finding: life.id.clone(),
            check: life.check.clone(),
            by: "ciso@corp.example".to_owned(),
            reason: "known".to_owned(),
            until: now.plus(Duration::hours(hours)),
            at: now,
        };
        self.post.store().accept(&accepted).unwrap();
    }

    fn approve(&mut self) {
        let mut store = self.post.store();
        for mut state in store.sources().unwrap() {
            if let Some(Trouble::Held { now, .. }) = state.trouble {
                state.approved = Some(now);
                store.save_source(&state).unwrap();
            }
        }
    }

    /// When something is to be done next.
    fn next(&self, t: Instant, turn: Option<Instant>) -> Instant {
        let now = self.clock(t);
        let real = |at: Instant| Instant::from_unix_ms(at.unix_ms() - self.wrong);
        let wake = self.core.as_ref().and_then(|core| core.next_wake(now)).map(real);
        let paused = self.pauses.iter().filter_map(|p| p.until).map(real).filter(|at| *at > t).min();
        let longest = t.plus(Duration::hours(1));
        let soonest = t.plus(Duration::seconds(1));
        [wake, paused, turn, Some(longest)].into_iter().flatten().min().unwrap_or(longest).max(soonest)
    }

    /// The log is whole, and agrees with every checkpoint that a receiver got.
    fn evidence(&self) {
        let heads: Vec<Witness> = lock(&self.arrivals)
            .iter()
            .filter(|got| got.content.contains("counterfoil.checkpoint/1"))
            .flat_map(|got| Checkpoint::parse_all(&got.content).unwrap())
            .map(|checkpoint| Witness { name: "the receiver".to_owned(), checkpoint })
            .collect();
        let store = Sqlite::open_read(&self.path).unwrap();
        let keys = [signer().verifier().clone()];
        let report = evidence::verify(&store.evidence().unwrap(), &keys, &heads).unwrap();
        assert!(report.faults.is_empty() && report.notes.is_empty(), "seed {}: {report:#?}", self.seed);
        assert!(
            report.witnessed > 0 && report.signed == Some(report.entries),
            "seed {}: {report:#?}",
            self.seed
        );
        assert_eq!(report.kinds[0], self.ledger.events() as u64);
    }

    fn end(mut self) -> Week {
        let waiting: Vec<_> = self.post.store().outbox().unwrap();
        assert!(waiting.iter().all(|q| q.waiting + q.dead == 0), "seed {}: {waiting:?}", self.seed);
        let told = |e: &Event<'_>| {
            // What people are not told: the first run, what was accepted at once, and what a mute held back.
            e.initial || (e.seq == 1 && e.state == State::Accepted) || e.finding.check == "pending-grant"
        };
        for sink in &self.sinks {
            let filter = &sink.to.listener.filter;
            let account = Account { id: sink.id(), filter, replayed: sink.id() == "lake" };
            let people = sink.to.listener.audience == Audience::People;
            self.ledger.whole(&account, &|e| people && told(e));
            assert_eq!(sink.fault(), Fault::None);
        }
        self.evidence();
        let core = self.core.as_mut().unwrap();
        let mut lives = vec![];
        core.store().lives(&State::ALL, &mut |life| lives.push(life)).unwrap();
        for life in lives {
            assert_eq!(self.ledger.last_word(&life.id), Some(life.state), "seed {}: {life:#?}", self.seed);
        }
        let (copies, events) = (self.ledger.copies, self.ledger.events());
        Week {
            transcript: self.ledger.transcript(),
            events,
            copies,
            causes: self.ledger.causes(),
            ..self.came
        }
    }
}

/// The key of Go's own tests.
fn signer() -> Signer {
    Signer::parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").unwrap()
}

/// Plays the week of a seed.
pub fn play(seed: u64) -> Week {
    let start: Instant = START.parse().unwrap();
    let mut play = Play::new(seed);
    let mut turns = week(seed, start).into_iter().peekable();
    let mut t = start;
    play.start();
    while t < start.plus(END) {
        while let Some((_, turn)) = turns.next_if(|(at, _)| *at <= t) {
            if let Some(time) = play.turn(turn, t) {
                t = t.plus(time);
                play.start();
            }
        }
        let now = play.clock(t);
        play.tick(now);
        play.deliver(now);
        t = play.next(t, turns.peek().map(|(at, _)| *at));
    }
    play.end()
}
