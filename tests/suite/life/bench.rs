//! A small company with three sources on an engine with a store in memory, and two listeners: a program and people.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read};

use counterfoil::alert::{guard, life};
use counterfoil::engine::{Engine, Listener, Manifest, Order, Pulled, Rules, SourceSpec};
use counterfoil::judge::{CheckOverride, Settings, checks};
use counterfoil::model::event::{Event, State};
use counterfoil::model::life::Life;
use counterfoil::model::{Duration, Instant, RecordType};
use counterfoil::sink::{Audience, Filter};
use counterfoil::store::{Content, Fate, Letter, Sqlite, Store};
use serde_json::{Value, json};

pub const START: &str = "2026-06-01T12:00:00Z";
pub const HOUR: Duration = Duration::hours(1);
pub const ALICE: &str = "alice@corp.example";
pub const BOSS: &str = "boss@corp.example";

/// How a pull goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Whole,
    /// It breaks off while it is read.
    Cut,
    /// It ends with a mark that says it is not whole.
    Partial,
    /// It ends without a mark.
    Unmarked,
    Failed,
}

/// What follows from a cut in the middle of a file.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("connection reset"))
    }
}

/// A pull of these records by a source that provides records of one type; one of grants speaks of the system of its
/// name, and `iam` of all.
pub fn pulled(source: &str, provides: &str, records: &[Value], how: How, now: Instant) -> Pulled {
    let taken_at = now.to_string();
    let mut lines: Vec<String> = records.iter().map(|r| format!("{r}\n")).collect();
    let complete = how == How::Whole;
    let mut end = json!({"type": "snapshot", "source": source, "taken_at": taken_at, "complete": complete, "provides": [provides]});
    if !complete {
        end["reason"] = json!("page 2: HTTP 503");
        lines.truncate(lines.len() / 2);
    }
    if provides == "grant" && source != "iam" {
        end["systems"] = json!([source]);
    }
    match how {
        How::Failed => return Pulled::Failed("no route to host".to_owned()),
        How::Whole | How::Partial => lines.push(format!("{end}\n")),
        How::Cut | How::Unmarked => {}
    }
    let text = Cursor::new(lines.concat());
    let lines: Box<dyn BufRead + Send> =
        if how == How::Cut { Box::new(BufReader::new(text.chain(Broken))) } else { Box::new(text) };
    Pulled::Records { taken_at, lines }
}

/// Settings under which only these checks are on.
pub fn only(names: &[&str]) -> Settings {
    let mut settings = Settings::default();
    for check in checks::all().filter(|c| !names.contains(&c.name)) {
        let off = CheckOverride { enabled: Some(false), severity: None };
        settings.checks.overrides.insert(check.name.to_owned(), off);
    }
    settings.accountability.operator = Some("ops@corp.example".to_owned());
    settings.accountability.system_owner = Some("owner@corp.example".to_owned());
    settings
}

pub fn listener(id: &str, audience: Audience) -> Listener {
    Listener { id: id.to_owned(), audience, filter: Filter::default() }
}

pub fn rules(checks: &[&str]) -> Rules {
    Rules {
        settings: only(checks),
        controls: Box::new(()),
        frameworks: json!([]),
        life: life::Rules::default(),
        guard: guard::Limits::default(),
        mutes: vec![],
        listeners: vec![listener("siem", Audience::Machines), listener("chat", Audience::People)],
        teams: vec![],
        threads: 1,
    }
}

/// Rules under which no pull is held.
pub fn unguarded(checks: &[&str]) -> Rules {
    Rules { guard: guard::Limits { records: u64::MAX, percent: 100 }, ..rules(checks) }
}

pub struct Bench {
    pub engine: Engine,
    pub now: Instant,
    pub specs: Vec<SourceSpec>,
    /// What each source holds.
    pub held: BTreeMap<String, Vec<Value>>,
    /// How its next pulls go.
    pub how: BTreeMap<String, How>,
}

/// The sources, and what each provides.
const SOURCES: [(&str, RecordType); 3] =
    [("hr", RecordType::Identity), ("tickets", RecordType::Request), ("iam", RecordType::Grant)];

impl Bench {
    /// With Alice, her boss, and nothing granted yet.
    pub fn new(rules: Rules) -> Bench {
        Bench::on(Box::new(Sqlite::in_memory().unwrap()), rules)
    }

    /// The same, on this store.
    pub fn on(store: Box<dyn Store>, rules: Rules) -> Bench {
        let specs =
            SOURCES.map(|(id, t)| SourceSpec { id: id.to_owned(), provides: vec![t], by: None }).to_vec();
        let held = SOURCES.map(|(id, _)| (id.to_owned(), vec![])).into();
        let how = SOURCES.map(|(id, _)| (id.to_owned(), How::Whole)).into();
        let engine = Engine::new(store, rules);
        let mut bench = Bench { engine, now: START.parse().unwrap(), specs, held, how };
        for (id, alias) in [(ALICE, "alice"), (BOSS, "boss")] {
            bench.put("hr", json!({"type": "identity", "id": id, "aliases": [alias]}));
        }
        bench
    }

    pub fn put(&mut self, source: &str, record: Value) {
        self.held.get_mut(source).unwrap().push(record);
    }

    /// The records of a source that hold this text.
    pub fn change(&mut self, source: &str, holds: &str, change: impl Fn(&mut Value)) {
        let mut found =
            self.held.get_mut(source).unwrap().iter_mut().filter(|r| r.to_string().contains(holds));
        let first = found.next().unwrap_or_else(|| panic!("no record of {source} holds {holds}"));
        change(first);
        found.for_each(change);
    }

    pub fn drop(&mut self, source: &str, holds: &str) {
        self.held.get_mut(source).unwrap().retain(|r| !r.to_string().contains(holds));
    }

    /// A run in which these sources are pulled.
    pub fn run(&mut self, due: &[&str]) -> Manifest {
        let due: Vec<String> = due.iter().map(|s| (*s).to_owned()).collect();
        let now = self.now;
        let order = Order { now, sources: &self.specs, due: &due, judge: true, stop: &|| false };
        let (held, how) = (&self.held, &self.how);
        self.engine
            .run(&order, &mut |source| {
                let provides = SOURCES.iter().find(|(id, _)| *id == source).unwrap().1;
                pulled(source, provides.as_str(), &held[source], how[source], now)
            })
            .unwrap()
    }

    /// A run in which every source is pulled, and what the program was told of it.
    pub fn pull(&mut self) -> Vec<Event<'static>> {
        let due: Vec<String> = self.specs.iter().map(|s| s.id.clone()).collect();
        self.run(&due.iter().map(String::as_str).collect::<Vec<_>>());
        self.heard("siem")
    }

    /// The same, an hour later.
    pub fn hour(&mut self) -> Vec<Event<'static>> {
        self.now = self.now.plus(HOUR);
        self.pull()
    }

    /// The messages that wait for a sink, which are then delivered.
    pub fn letters(&mut self, sink: &str) -> Vec<Letter> {
        let mut all = vec![];
        loop {
            let letters = self.engine.store().letters(sink, self.now, 1000).unwrap();
            if letters.is_empty() {
                return all;
            }
            let fates: Vec<_> = letters.iter().map(|l| (l.clone(), Fate::Delivered)).collect();
            self.engine.store().settle(&fates).unwrap();
            all.extend(letters);
        }
    }

    /// The events that a sink is told.
    pub fn heard(&mut self, sink: &str) -> Vec<Event<'static>> {
        self.letters(sink).iter().flat_map(events).collect()
    }

    pub fn lives(&mut self, states: &[State]) -> Vec<Life> {
        let mut lives = vec![];
        self.engine.store().lives(states, &mut |life| lives.push(life)).unwrap();
        lives
    }

    /// The one finding there is.
    pub fn life(&mut self) -> Life {
        let mut lives = self.lives(&State::ALL);
        assert_eq!(lives.len(), 1, "{lives:#?}");
        lives.remove(0)
    }
}

pub fn events(letter: &Letter) -> Vec<Event<'static>> {
    match &letter.content {
        Content::Events { bodies, .. } => bodies.iter().map(|b| serde_json::from_str(b).unwrap()).collect(),
        Content::Notice { .. } => vec![],
    }
}

/// Activity, cause and state of events, as short texts.
pub fn said(events: &[Event<'_>]) -> Vec<String> {
    let short = |e: &Event<'_>| {
        format!("{} {} {} {}", e.activity.as_str(), e.cause.as_str(), e.state.as_str(), e.finding.check)
    };
    events.iter().map(short).collect()
}

pub fn grant(account: &str) -> Value {
    json!({"type": "grant", "source": "iam", "system": "aws", "account": account, "entitlement": "admin",
        "granted_at": "2026-05-20T12:00:00Z"})
}

/// A ticket for these people, decided by the boss.
pub fn ticket(id: &str, state: &str, people: &[&str]) -> Value {
    let decided = json!([{"approver": BOSS, "decision": "approved", "decided_at": "2026-05-20T10:00:00Z"}]);
    let approvals = if state == "approved" { decided } else { json!([]) };
    json!({"type": "request", "source": "tickets", "id": id, "state": state, "requester": ALICE,
        "beneficiaries": people, "access": [{"system": "aws", "entitlement": "admin"}], "approvals": approvals,
        "requested_at": "2026-05-19T12:00:00Z", "justification": "on call"})
}
