//! The past: after any history of pulls, the records as they were after each run.

use std::collections::BTreeMap;
use std::io::Cursor;

use counterfoil::alert::{guard, life};
use counterfoil::engine::{Engine, Order, Pulled, Rules, SourceSpec};
use counterfoil::judge::Settings;
use counterfoil::model::{Instant, RecordType};
use counterfoil::store::Store;

use super::Home;
use super::toy::{Toy, at, close, read, records, try_pull};
use crate::reference::estates::Dice;

/// A run, when it began, and the records after it: source and line.
type Past = (u64, Instant, Vec<(String, String)>);
/// When a source was last pulled, and what it held.
type LastPull = (String, Vec<String>);

const SOURCES: [&str; 3] = ["left", "right", "third"];

/// Pulls at random for so many runs; what every run left behind, and when it began.
pub fn play(store: &mut dyn Store, dice: &mut Dice, runs: usize) -> Vec<Past> {
    let kinds = [RecordType::Grant, RecordType::Identity, RecordType::Policy, RecordType::Request];
    let mut held: BTreeMap<&str, Vec<Toy>> = BTreeMap::new();
    let mut past = vec![];
    for number in 0..runs {
        let began = at(number as i64 * 3600);
        let run = store.open_run(began).unwrap();
        for source in SOURCES {
            if !dice.percent(60) {
                continue;
            }
            let mut now: Vec<Toy> = held.get(source).cloned().unwrap_or_default();
            now.retain(|_| dice.percent(85));
            for toy in &mut now {
                toy.says += u64::from(dice.percent(15));
            }
            for _ in 0..dice.below(4) {
                let key = format!("k{}", dice.below(15));
                let kind = kinds[dice.below(4)];
                if now.iter().any(|toy| toy.key == key && toy.kind == kind) {
                    continue;
                }
                let who = dice.below(6) as i64;
                now.push(match kind {
                    RecordType::Grant => Toy::grant(&key, 0, who, ["vpn", "pg"][dice.below(2)]),
                    kind => Toy::new(kind, &key, 0, &[(dice.below(5) as u8, who)]),
                });
            }
            dice.shuffle(&mut now);
            let outcome = dice.below(10);
            let mut admit = |_: &_| if outcome == 0 { Err("held".to_owned()) } else { Ok(()) };
            let taken = try_pull(store, run, source, &now, outcome == 1, &mut admit);
            assert_eq!(taken.is_err(), outcome == 1);
            if outcome > 1 {
                held.insert(source, now);
            }
        }
        if dice.percent(4) {
            store.retire(run, "third", &read).unwrap();
            held.remove("third");
        }
        if dice.percent(90) {
            close(store, run);
        }
        let mut all: Vec<(String, String)> = vec![];
        for (source, toys) in &held {
            all.extend(toys.iter().map(|toy| ((*source).to_owned(), toy.body())));
        }
        all.sort();
        assert_eq!(records(store, None), all, "run {run}");
        past.push((run, began, all));
    }
    past
}

pub fn every_past_run_can_be_seen_as_it_was(home: &dyn Home) {
    let mut store = home.open();
    let past = play(&mut *store, &mut Dice::new(3), 60);
    drop(store);
    let store = home.open();
    for (run, _, all) in &past {
        assert_eq!(records(&*store, Some(*run)), *all, "run {run}");
    }
    assert!(past.last().is_some_and(|(run, _, all)| *run == 60 && all.len() > 10), "the history is blind");
    assert_eq!(records(&*store, Some(0)), []);
}

/// What the engine keeps, with the time of its source's last pull put in, is byte for byte what was pulled.
pub fn the_engine_keeps_every_line_as_it_came(home: &dyn Home) {
    let rules = Rules {
        settings: Settings::default(),
        controls: Box::new(()),
        frameworks: serde_json::Value::Null,
        life: life::Rules::default(),
        guard: guard::Limits { records: u64::MAX, percent: 100 },
        mutes: vec![],
        listeners: vec![],
        teams: vec![],
        threads: 1,
    };
    let mut engine = Engine::new(home.open(), rules);
    let specs: Vec<SourceSpec> =
        SOURCES.iter().map(|id| SourceSpec { id: (*id).to_owned(), provides: vec![], by: None }).collect();
    let mut dice = Dice::new(5);
    let mut held: BTreeMap<&str, (String, Vec<String>)> = BTreeMap::new();
    let mut past: Vec<(u64, BTreeMap<&str, LastPull>)> = vec![];
    for number in 0..25 {
        let now = at(number * 5_000);
        let mut due = vec![];
        for source in SOURCES {
            if number > 0 && dice.percent(40) {
                continue;
            }
            let taken_at = now.to_string();
            let there: Vec<usize> = (0..14).filter(|_| dice.percent(70)).collect();
            let mut lines: Vec<String> = there
                .into_iter()
                .map(|n| {
                    let odd = ["", r#","x":"@""#, r#","x":"\"observed_at\":\"@\"","é":1e3"#][dice.below(3)];
                    // Seen with this pull, or at a time of its own.
                    let seen = if n % 3 == 0 { "2026-01-01T00:00:00Z" } else { &taken_at };
                    format!(
                        r#"{{"type":"grant","system":"vpn","account":"a{n}","entitlement":"use","observed_at":"{seen}"{odd}}}"#
                    )
                })
                .collect();
            lines.push(format!(
                r#"{{"type":"snapshot","source":"{source}","taken_at":"{taken_at}","complete":true,"provides":["grant"]}}"#
            ));
            due.push(source.to_owned());
            held.insert(source, (taken_at, lines));
        }
        let order = Order { now, sources: &specs, due: &due, judge: number % 5 == 0, stop: &|| false };
        let manifest = engine
            .run(&order, &mut |source| {
                let (taken_at, lines) = &held[source];
                let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
                Pulled::Records { taken_at: taken_at.clone(), lines: Box::new(Cursor::new(lines)) }
            })
            .unwrap();
        past.push((manifest.run, held.clone()));
    }
    for (run, held) in past {
        let mut stamped = vec![];
        for (source, body) in records(engine.store(), Some(run)) {
            let own = format!("\"observed_at\":\"{}\"", held[source.as_str()].0);
            stamped.push((source, body.replace("\"observed_at\":\"@\"", &own)));
        }
        let mut expected: Vec<(String, String)> = vec![];
        for (source, (_, lines)) in &held {
            expected.extend(lines.iter().map(|line| ((*source).to_owned(), line.clone())));
        }
        stamped.sort();
        expected.sort();
        assert_eq!(stamped, expected, "run {run}");
    }
}
