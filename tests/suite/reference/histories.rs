//! Remembering must not change what is found: after any history of pulls, changes, clock steps and changes of the
//! configuration, what the store holds is what judging everything anew would say.

use std::io::Cursor;

use counterfoil::alert::{guard, life};
use counterfoil::engine::{Engine, Order, Past, Pulled, Rules, SourceSpec, estate_at};
use counterfoil::model::event::State;
use counterfoil::model::{Instant, RecordType};
use counterfoil::store::{KeptVerdict, Sqlite};
use serde_json::{Value, json};

use super::estates::{Dice, estate};
use super::product::{Answer, answer, ask, finding, settings};
use super::values::{instant, text, written};
use super::{Finding, GrantKey, Verdict};

const SOURCES: [&str; 2] = ["left", "right"];

/// A record that comes and goes.
struct Thing {
    record: Value,
    source: usize,
    live: bool,
    /// Whether the pull puts its own time on it.
    stamped: bool,
}

/// The rules under which findings follow what is judged at once: absent once is resolved, and nothing flaps.
fn rules(config: &Value) -> Option<Rules> {
    Some(Rules {
        settings: settings(config)?,
        controls: Box::new(()),
        frameworks: json!([]),
        life: life::Rules {
            resolve_after: 1,
            flapping_changes: 1_000_000,
            max_exception: counterfoil::model::Duration::days(100_000),
            ..life::Rules::default()
        },
        guard: guard::Limits { records: u64::MAX, percent: 100 },
        mutes: vec![],
        listeners: vec![],
        teams: vec![],
        threads: 1,
    })
}

fn pulled(things: &[Thing], source: usize, taken_at: &str) -> Vec<Value> {
    let live = things.iter().filter(|t| t.live && t.source == source);
    let mut lines: Vec<Value> = live
        .map(|t| {
            let mut record = t.record.clone();
            if t.stamped {
                record["observed_at"] = json!(taken_at);
            }
            record
        })
        .collect();
    let all: Vec<&str> = RecordType::ALL.iter().map(|t| t.as_str()).collect();
    lines.push(json!({"type": "snapshot", "source": SOURCES[source], "taken_at": taken_at, "complete": true,
        "provides": all}));
    lines
}

fn kept(v: &KeptVerdict) -> Verdict {
    let path: Vec<Value> = serde_json::from_str(&v.path).unwrap();
    let step = |s: &Value| (text(s, "system").map(str::to_owned), text(s, "entitlement").unwrap().to_owned());
    Verdict {
        grant: GrantKey {
            system: v.system.clone(),
            account: v.account.clone(),
            entitlement: v.entitlement.clone(),
            scope: v.scope.clone(),
            path: path.iter().map(step).collect(),
        },
        subject: v.subject.clone(),
        standing: v.standing.as_str().to_owned(),
        verdict: serde_json::to_value(v.standing.outcome()).unwrap().as_str().unwrap().to_owned(),
        request: v.request.clone(),
    }
}

/// Plays one history; how many of its steps were compared whole.
fn play(seed: u64, steps: usize) -> usize {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let (_, mut config, now) = estate(seed * 3);
    let mut now = instant(&now);
    let mut things: Vec<Thing> = vec![];
    for part in 0..3 {
        for record in estate(seed * 3 + part).0 {
            let stamped = record.get("observed_at").is_none() && dice.percent(40);
            things.push(Thing { record, source: dice.below(2), live: dice.percent(60), stamped });
        }
    }
    let Some(own) = rules(&config) else { return 0 };
    let mut engine = Engine::new(Box::new(Sqlite::in_memory().unwrap()), own);
    let specs: Vec<SourceSpec> =
        SOURCES.iter().map(|id| SourceSpec { id: (*id).to_owned(), provides: vec![], by: None }).collect();
    let mut held: [Vec<Value>; 2] = [vec![], vec![]];
    let mut compared = 0;
    let mut past: Vec<(Instant, Answer)> = vec![];
    for step in 0..steps {
        if step > 0 {
            now += [1, 60_000, 3_600_000, 86_400_000, 9 * 86_400_000][dice.below(5)]
                * (1 + dice.below(9) as i64)
                / 3;
        }
        let at = written(now);
        if dice.percent(10) {
            let (_, other, _) = estate(seed * 3 + 1 + dice.below(2) as u64);
            if let Some(own) = rules(&other) {
                engine.set_rules(own);
                config = other;
            }
        }
        let mut due = vec![];
        for source in 0..2 {
            if step == 0 || dice.percent(70) {
                let many = dice.percent(20);
                for t in things.iter_mut().filter(|t| t.source == source) {
                    t.live ^= dice.percent(if many { 40 } else { 6 });
                }
                held[source] = pulled(&things, source, &at);
                due.push(SOURCES[source].to_owned());
            }
        }
        let order = Order {
            now: Instant::parse(&at).unwrap(),
            sources: &specs,
            due: &due,
            judge: true,
            stop: &|| false,
        };
        let manifest = engine
            .run(&order, &mut |source| {
                let place = SOURCES.iter().position(|s| *s == source).unwrap();
                let lines: String = held[place].iter().map(|line| format!("{line}\n")).collect();
                Pulled::Records { taken_at: at.clone(), lines: Box::new(Cursor::new(lines)) }
            })
            .unwrap();

        let everything: Vec<Value> = held.iter().flatten().cloned().collect();
        let Some(answer) = ask(&everything, &config, &at, 1) else { panic!("seed {seed}: refused") };
        let mut verdicts: Vec<Verdict> = vec![];
        engine.store().verdicts(&mut |v| verdicts.push(kept(&v))).unwrap();
        verdicts.sort();
        assert!(
            verdicts == answer.outcome.verdicts,
            "seed {seed}, step {step}: verdicts differ:\n{}",
            difference(&verdicts, &answer.outcome.verdicts, |v| format!(
                "{} {} {}",
                v.grant.account, v.standing, v.subject
            ))
        );
        let mut counted: u64 = 0;
        engine.store().standings().unwrap().iter().for_each(|(_, _, n)| counted += n);
        assert_eq!(counted, verdicts.len() as u64, "seed {seed}, step {step}: the tally");
        let mut judged = answer.outcome.findings.clone();
        past.retain(|(at, _)| *at != order.now);
        past.push((order.now, answer));
        if manifest.frozen > 0 {
            continue;
        }
        let mut findings: Vec<Finding> = vec![];
        let states = [State::Open, State::Accepted];
        engine
            .store()
            .lives(&states, &mut |life| findings.push(finding(&serde_json::from_str(&life.body).unwrap())))
            .unwrap();
        findings.sort();
        // Two grants that differ only in the systems of their paths share an id, and one finding is kept of them.
        let twice: Vec<String> = judged
            .windows(2)
            .flat_map(|w| w.iter().filter(|f| judged.iter().filter(|o| o.id == f.id).count() > 1))
            .map(|f| f.id.clone())
            .collect();
        for id in &twice {
            assert_eq!(findings.iter().filter(|f| f.id == *id).count(), 1, "seed {seed}, step {step}");
        }
        judged.retain(|f| !twice.contains(&f.id));
        findings.retain(|f| !twice.contains(&f.id));
        assert!(
            findings == judged,
            "seed {seed}, step {step}: findings differ:\n{}",
            difference(&findings, &judged, |f| format!(
                "{} {} {:?} {:?} {:?} {:?}",
                f.check,
                f.severity,
                f.grant.as_ref().map(|g| (&g.system, &g.account, &g.entitlement, &g.scope)),
                f.request,
                f.beneficiary,
                f.alias
            ))
        );
        compared += 1;
    }
    look_back(seed, engine, &past);
    compared
}

/// After all of it, each instant is seen as it was: with the records and the settings of then.
fn look_back(seed: u64, mut engine: Engine, past: &[(Instant, Answer)]) {
    let store = &*engine.store();
    for (at, then) in past {
        let known = Past::at(store, *at).unwrap().unwrap();
        let estate = estate_at(store, Some(known.run.id), *at).unwrap();
        let again = answer(estate, &known.terms.unwrap().settings, *at, 1).outcome;
        assert!(again.verdicts == then.outcome.verdicts, "seed {seed}, {at}: other verdicts");
        assert!(again.findings == then.outcome.findings, "seed {seed}, {at}: other findings");
    }
    let before = Instant::from_unix_ms(past.first().map_or(0, |(at, _)| at.unix_ms() - 1));
    assert!(Past::at(store, before).unwrap().is_none(), "before the first run nothing was known");
}

fn difference<T: PartialEq>(kept: &[T], judged: &[T], show: impl Fn(&T) -> String) -> String {
    let only = |a: &[T], b: &[T], what: &str| -> String {
        a.iter().filter(|x| !b.contains(x)).map(|x| format!("  only {what}: {}\n", show(x))).collect()
    };
    only(kept, judged, "kept") + &only(judged, kept, "judged")
}

#[test]
fn what_is_remembered_is_what_judging_everything_would_say() {
    let seeds = match std::env::var("COUNTERFOIL_HISTORIES") {
        Ok(given) => {
            let (from, to) = given.split_once("..").unwrap();
            from.parse().unwrap()..to.parse().unwrap()
        }
        Err(_) => 0..150,
    };
    let (mut all, mut whole) = (0, 0);
    for seed in seeds {
        whole += play(seed, 8);
        all += 8;
    }
    assert!(whole * 3 > all, "the histories are blind: only {whole} of {all} steps had nothing in doubt");
}
