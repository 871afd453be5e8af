//! What must hold of all that happened and all that arrived, looked at after each step and once more at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use counterfoil::model::Instant;
use counterfoil::model::event::{Cause, Event, State, hashed};
use counterfoil::sink::Filter;

use super::inbox::Got;

/// Reads the log of events, and keeps the books of each receiver.
pub struct Ledger {
    db: rusqlite::Connection,
    seed: u64,
    /// The last row read.
    row: i64,
    log: Vec<Event<'static>>,
    by_id: BTreeMap<String, usize>,
    /// The last number told of each finding.
    told: BTreeMap<String, (u32, u32)>,
    /// What arrived, by receiver and id.
    content: BTreeMap<(String, String), String>,
    arrived: BTreeSet<(String, String)>,
    /// The last number that each receiver has of each finding.
    heard: BTreeMap<(String, String), u32>,
    transcript: String,
    pub copies: usize,
}

/// A receiver whose books must be whole.
pub struct Account<'a> {
    pub id: &'a str,
    pub filter: &'a Filter,
    /// Whether some messages were given up in between, and came later than what followed them.
    pub replayed: bool,
}

impl Ledger {
    pub fn new(path: &Path, seed: u64) -> Ledger {
        Ledger {
            db: rusqlite::Connection::open(path).unwrap(),
            seed,
            row: 0,
            log: vec![],
            by_id: BTreeMap::new(),
            told: BTreeMap::new(),
            content: BTreeMap::new(),
            arrived: BTreeSet::new(),
            heard: BTreeMap::new(),
            transcript: String::new(),
            copies: 0,
        }
    }

    /// The events since the last time.
    pub fn read(&mut self) -> Vec<Event<'static>> {
        let mut statement =
            self.db.prepare_cached("SELECT row, body FROM event WHERE row > ?1 ORDER BY row").unwrap();
        let rows =
            statement.query_map([self.row], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
        let mut new: Vec<Event<'static>> = vec![];
        for row in rows {
            let (row, body): (i64, String) = row.unwrap();
            self.row = row;
            new.push(serde_json::from_str(&body).unwrap());
        }
        for event in &new {
            let (episode, seq) = self.told.entry(event.finding.id.clone()).or_insert((1, 0));
            assert_eq!(event.seq, *seq + 1, "seed {}: a number is missing: {event:?}", self.seed);
            let again = event.cause == Cause::Reopened
                || (event.cause == Cause::Flapping && event.episode == *episode + 1);
            assert_eq!(event.episode, *episode + u32::from(again), "seed {}: {event:?}", self.seed);
            (*episode, *seq) = (event.episode, event.seq);
            assert!(self.by_id.insert(event.id.clone(), self.log.len()).is_none(), "an id twice");
            self.log.push(event.clone());
        }
        new
    }

    /// Nothing is told that rests on a source in doubt.
    pub fn keeps_still(&self, events: &[Event<'_>], doubtful: &BTreeSet<String>, now: Instant) {
        for e in
            events.iter().filter(|e| e.finding.check != "source-incomplete" && e.cause != Cause::CheckOff)
        {
            let system = e.finding.grant.as_ref().map(|g| g.system.clone().into_owned()).unwrap_or_default();
            let tickets = !matches!(&*e.finding.check, "departed-identity" | "orphan-account");
            for source in doubtful {
                let rests = match source.as_str() {
                    "hr" => true,
                    "tickets" => tickets,
                    grants => grants == system,
                };
                assert!(!rests, "seed {}, {now}: {source} is in doubt, and yet: {e:?}", self.seed);
            }
        }
    }

    /// Enters what arrived.
    pub fn arrived(&mut self, got: &Got, replayed: bool) {
        let seed = self.seed;
        self.transcript += &format!("{} {} {} {}\n", got.at, got.sink, got.id, got.content);
        let key = (got.sink.clone(), got.id.clone());
        if let Some(before) = self.content.insert(key, got.content.clone()) {
            assert_eq!(before, got.content, "seed {seed}: one id, and two contents");
            self.copies += 1;
        }
        for event in &got.events {
            let Some(place) = self.by_id.get(&event.id) else {
                panic!("seed {seed}: not in the log: {event:?}")
            };
            assert_eq!(self.log[*place], *event, "seed {seed}: not as it is in the log");
            if self.arrived.insert((got.sink.clone(), event.id.clone())) && !replayed {
                let last = self.heard.entry((got.sink.clone(), event.finding.id.clone())).or_default();
                assert!(event.seq > *last, "seed {seed}: {} hears {} after {last}", got.sink, event.seq);
                *last = event.seq;
            }
        }
    }

    /// What a receiver must have of the log.
    pub fn whole(&self, account: &Account<'_>, except: &dyn Fn(&Event<'_>) -> bool) {
        let member = |_: &str, _: &str| false;
        let mut last: BTreeMap<&str, u32> = BTreeMap::new();
        // What a receiver was told of once, it is told on until that is resolved.
        let mut told: BTreeMap<&str, u32> = BTreeMap::new();
        let mut meant: BTreeSet<&str> = BTreeSet::new();
        for e in &self.log {
            let follows = told.get(&*e.finding.id) == Some(&e.episode);
            if !account.filter.passes(&e.finding, &member) && !follows {
                continue;
            }
            meant.insert(&e.id);
            if e.state == State::Resolved {
                told.remove(&*e.finding.id);
            } else {
                told.insert(&e.finding.id, e.episode);
            }
        }
        for e in self.log.iter().filter(|e| meant.contains(&*e.id) && !except(e)) {
            let arrived = self.arrived.contains(&(account.id.to_owned(), e.id.clone()));
            assert!(arrived, "seed {}: {} never heard {e:?}", self.seed, account.id);
            let last = last.entry(&e.finding.id).or_default();
            assert!(account.replayed || e.seq > *last);
            *last = e.seq;
        }
        for (sink, id) in self.arrived.iter().filter(|(sink, _)| sink == account.id) {
            let event = &self.log[self.by_id[id]];
            assert!(meant.contains(&*event.id), "seed {}: {sink} is told {event:?}", self.seed);
        }
    }

    /// Whether a finding that is open is one that was told so last.
    pub fn last_word(&self, finding: &str) -> Option<State> {
        self.log.iter().rev().find(|e| e.finding.id == finding).map(|e| e.state)
    }

    pub fn events(&self) -> usize {
        self.log.len()
    }

    pub fn causes(&self) -> BTreeMap<&'static str, usize> {
        let mut causes = BTreeMap::new();
        self.log.iter().for_each(|e| *causes.entry(e.cause.as_str()).or_default() += 1);
        causes
    }

    pub fn transcript(&self) -> String {
        hashed("", &self.transcript)
    }
}
