//! One store judges all records itself, another takes what partitions of the same records said: after any history both hold,
//! log and tell the same.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use counterfoil::alert::{guard, life};
use counterfoil::engine::{Engine, EngineError, Manifest, Order, Pulled, Rules, SourceSpec, Took};
use counterfoil::model::event::State;
use counterfoil::model::life::Life;
use counterfoil::model::{Duration, Instant, RecordType};
use counterfoil::sink::Audience;
use counterfoil::store::{Accepted, Content, Fate, KeptVerdict, Sqlite, Store};
use serde_json::{Value, json};

use super::{leave, take_into};
use crate::life::bench::listener;
use crate::reference::estates::{Dice, estate};
use crate::reference::product::settings;
use crate::reference::values::{instant, written};
use crate::store::{Database, Home};

/// Under which nothing is held.
fn rules(config: &Value, life: life::Rules) -> Option<Rules> {
    Some(Rules {
        settings: settings(config)?,
        controls: Box::new(()),
        frameworks: json!([]),
        life,
        guard: guard::Limits { records: u64::MAX, percent: 100 },
        mutes: vec![],
        listeners: vec![listener("siem", Audience::Machines), listener("chat", Audience::People)],
        teams: vec![],
        threads: 1,
    })
}

/// What a store holds, as texts: what must be the same whoever judged.
#[derive(Debug, PartialEq)]
struct Held {
    lives: Vec<Life>,
    verdicts: Vec<KeptVerdict>,
    standings: Vec<String>,
    events: BTreeSet<String>,
    letters: BTreeMap<&'static str, BTreeSet<String>>,
}

fn held(engine: &mut Engine, now: Instant) -> Held {
    let store = engine.store();
    let mut lives = vec![];
    store.lives(&State::ALL, &mut |life| lives.push(Life { home: 0, ..life })).unwrap();
    lives.sort_by(|a, b| a.id.cmp(&b.id));
    let mut verdicts = vec![];
    // Where sources become stale, a verdict of all judged at once says so too.
    store.verdicts(&mut |v| verdicts.push(KeptVerdict { home: 0, recheck_at: None, ..v })).unwrap();
    let standings = store.standings().unwrap().iter().filter(|s| s.2 > 0).map(|s| format!("{s:?}")).collect();
    let mut events = BTreeSet::new();
    store
        .events_until(u64::MAX >> 1, &mut |text| assert!(events.insert(text.to_owned()), "twice: {text}"))
        .unwrap();
    let mut letters: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for sink in ["siem", "chat"] {
        loop {
            let some = store.letters(sink, now, 1000).unwrap();
            if some.is_empty() {
                break;
            }
            for letter in &some {
                let text = match &letter.content {
                    Content::Events { bodies, group } => {
                        let bodies: BTreeSet<&String> = bodies.iter().collect();
                        format!("{group:?} {bodies:?}")
                    }
                    Content::Notice { kind, body } => format!("{kind} {body}"),
                };
                assert!(letters.entry(sink).or_default().insert(text));
            }
            let fates: Vec<_> = some.into_iter().map(|l| (l, Fate::Delivered)).collect();
            store.settle(&fates).unwrap();
        }
    }
    Held { lives, verdicts, standings, events, letters }
}

/// The numbers of a run that do not depend on what was judged again.
fn counted(m: &Manifest) -> String {
    let Manifest { run, now, first, judged, outcomes, events, created, terms, configuration, .. } = m;
    format!("{run} {now} {first} {judged} {outcomes:?} {events:?} {created:?} {terms:?} {configuration:?}")
}

fn differ(what: &str, a: &Held, b: &Held) {
    fn only<'h, T: PartialEq + std::fmt::Debug + 'h>(
        a: impl IntoIterator<Item = &'h T>,
        b: impl IntoIterator<Item = &'h T>,
    ) -> String {
        let b: Vec<&T> = b.into_iter().collect();
        a.into_iter().filter(|x| !b.contains(x)).map(|x| format!("  {x:?}\n")).collect()
    }
    let both = |x: String, y: String| format!("only here\n{x}only from elsewhere\n{y}");
    assert!(
        a.lives == b.lives,
        "{what}: lives: {}",
        both(only(&a.lives, &b.lives), only(&b.lives, &a.lives))
    );
    let (x, y) = (only(&a.verdicts, &b.verdicts), only(&b.verdicts, &a.verdicts));
    assert!(a.verdicts == b.verdicts, "{what}: verdicts: {}", both(x, y));
    let (x, y) = (only(&a.events, &b.events), only(&b.events, &a.events));
    assert!(a.events == b.events, "{what}: events: {}", both(x, y));
    assert_eq!(a, b, "{what}");
}

/// How one history went.
#[derive(Default)]
struct Tale {
    steps: usize,
    events: usize,
    frozen: u64,
    resolved: usize,
    accepted: usize,
}

fn play(seed: u64, steps: usize, here: Box<dyn Store>, elsewhere: Box<dyn Store>) -> Tale {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let (_, mut config, now) = estate(seed * 3);
    let mut now = instant(&now);
    let mut things: Vec<(Value, bool)> = vec![];
    for part in 0..3 {
        things.extend(estate(seed * 3 + part).0.into_iter().map(|record| (record, dice.percent(60))));
    }
    let life = || match seed % 3 {
        0 => life::Rules { resolve_after: 1, ..life::Rules::default() },
        1 => {
            life::Rules { flapping_changes: 2, flapping_window: Duration::days(30), ..life::Rules::default() }
        }
        _ => life::Rules { max_exception: Duration::days(100_000), ..life::Rules::default() },
    };
    let mut tale = Tale::default();
    let [Some(a), Some(b)] = [rules(&config, life()), rules(&config, life())] else { return tale };
    let (mut a, mut b) = (Engine::new(here, a), Engine::new(elsewhere, b));
    let all = RecordType::ALL.to_vec();
    let specs = [SourceSpec { id: "all".to_owned(), provides: all.clone(), by: None }];
    let folder = tempfile::tempdir().unwrap();
    for step in 0..steps {
        if step > 0 {
            now += [1, 60_000, 3_600_000, 86_400_000, 9 * 86_400_000][dice.below(5)]
                * (1 + dice.below(9) as i64);
            let many = dice.percent(20);
            things.iter_mut().for_each(|t| t.1 ^= dice.percent(if many { 40 } else { 6 }));
        }
        if dice.percent(10) {
            let (_, other, _) = estate(seed * 3 + 1 + dice.below(2) as u64);
            if let [Some(x), Some(y)] = [rules(&other, life()), rules(&other, life())] {
                a.set_rules(x);
                b.set_rules(y);
                config = other;
            }
        }
        let at = written(now);
        let at_instant = Instant::parse(&at).unwrap();
        let mut lines: String = things.iter().filter(|t| t.1).map(|t| format!("{}\n", t.0)).collect();
        let complete = step == 0 || !dice.percent(20);
        let names: Vec<&str> = all.iter().map(|t| t.as_str()).collect();
        // The source of all of them is whole each time; what is not is said of others, by their records.
        let mark =
            json!({"type": "snapshot", "source": "all", "taken_at": at, "complete": true, "provides": names});
        lines.push_str(&format!("{mark}\n"));
        if !complete {
            let few = [["grant"], ["request"], ["identity"]][dice.below(3)];
            let mark = json!({"type": "snapshot", "source": "other", "taken_at": at, "complete": false,
                "reason": "HTTP 503", "provides": few});
            lines.push_str(&format!("{mark}\n"));
        }
        let order = Order {
            now: at_instant,
            sources: &specs,
            due: &["all".to_owned()],
            judge: true,
            stop: &|| false,
        };
        let one = a
            .run(&order, &mut |_| Pulled::Records {
                taken_at: at.clone(),
                lines: Box::new(Cursor::new(lines.clone())),
            })
            .unwrap();
        let parts = 1 + dice.below(6);
        let settings = settings(&config).unwrap();
        leave(folder.path(), &lines, &settings, at_instant, &mut |_| dice.below(parts));
        let at_once = [1, 10, 1000][dice.below(3)];
        // Now and then it breaks off, and is begun again.
        while dice.percent(30) {
            let left = Cell::new(dice.below(40));
            let breaks = || left.replace(left.get().saturating_sub(1)) == 0;
            match take_into(&mut b, folder.path(), at_once, &breaks) {
                Err(EngineError::Results(why)) => assert_eq!(why, "broken off"),
                Err(EngineError::Stopped) => {}
                Ok(_) => break,
                Err(e) => panic!("{e}"),
            }
        }
        let other = match take_into(&mut b, folder.path(), at_once, &|| false) {
            Ok(Took::Run(manifest)) => Some(*manifest),
            Ok(Took::Already(run)) => {
                assert_eq!(run, one.run);
                None
            }
            Err(e) => panic!("{e}"),
        };
        let what = format!("seed {seed}, step {step}");
        if let Some(other) = &other {
            assert_eq!(counted(&one), counted(other), "{what}");
        }
        let (x, y) = (held(&mut a, at_instant), held(&mut b, at_instant));
        differ(&what, &x, &y);
        assert!(
            matches!(take_into(&mut b, folder.path(), 1, &|| true), Ok(Took::Already(run)) if run == one.run)
        );
        tale.steps += 1;
        tale.events = x.events.len();
        tale.frozen += one.frozen;
        tale.resolved += x.lives.iter().filter(|l| l.state == State::Resolved).count();
        tale.accepted += x.lives.iter().filter(|l| l.state == State::Accepted).count();
        // Somebody accepts something.
        let open: Vec<&Life> = x.lives.iter().filter(|l| l.state == State::Open).collect();
        if !open.is_empty() && dice.percent(50) {
            let life = open[dice.below(open.len())];
            let accepted = Accepted {
                finding: life.id.clone(),
                check: life.check.clone(),
                by: "reviewer@corp.example".to_owned(),
                reason: "known".to_owned(),
                until: at_instant.plus(Duration::hours(1 + 40 * dice.below(9) as u64)),
                at: at_instant,
            };
            a.store().accept(&accepted).unwrap();
            b.store().accept(&accepted).unwrap();
        }
    }
    tale
}

#[test]
fn whoever_judges_the_same_is_held_logged_and_told() {
    let mut all = Tale::default();
    for seed in 0..42 {
        let store = || Box::new(Sqlite::in_memory().unwrap());
        let tale = play(seed, 7, store(), store());
        all.steps += tale.steps;
        all.events += tale.events;
        all.frozen += tale.frozen;
        all.resolved += tale.resolved;
        all.accepted += tale.accepted;
    }
    let Tale { steps, events, frozen, resolved, accepted } = all;
    assert!(
        steps > 200 && events > 700 && frozen > 100 && resolved > 100 && accepted > 50,
        "{steps} {events} {frozen} {resolved} {accepted}"
    );
}

#[test]
fn in_postgresql_it_is_the_same() {
    for seed in 0..4 {
        let Some(database) = Database::new() else { return };
        let tale = play(seed, 4, Box::new(Sqlite::in_memory().unwrap()), database.open());
        assert!(tale.steps == 0 || tale.events > 0);
    }
}

#[test]
fn what_moved_to_another_home_while_it_was_held_still_is_not_missing_where_it_was() {
    let flapping =
        life::Rules { flapping_changes: 2, flapping_window: Duration::days(1), ..life::Rules::default() };
    let mut engine =
        Engine::new(Box::new(Sqlite::in_memory().unwrap()), rules(&json!({"checks": {}}), flapping).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let grant = json!({"type": "grant", "system": "s", "account": "u1", "entitlement": "e"});
    let nobody = json!({"type": "identity", "id": "boss@corp.example"});
    let owner =
        json!({"type": "identity", "id": "a@corp.example", "accounts": [{"system": "s", "account": "u1"}]});
    let start = Instant::parse("2026-06-01T00:00:00Z").unwrap();
    let mut homes = BTreeSet::new();
    for (hour, records, state, absent) in [
        (0, vec![&grant, &nobody], State::Open, 0),
        // It is closed, and that is one change too many.
        (1, vec![&nobody], State::Open, 1),
        // It is there again, and somebody else's.
        (2, vec![&grant, &nobody, &owner], State::Open, 0),
        (3, vec![&grant, &nobody, &owner], State::Open, 0),
        (40, vec![&grant, &nobody, &owner], State::Open, 0),
        (41, vec![&nobody, &owner], State::Resolved, 0),
    ] {
        let text: String = records.iter().map(|record| format!("{record}\n")).collect();
        let now = start.plus(Duration::hours(hour));
        leave(folder.path(), &text, &settings(&json!({})).unwrap(), now, &mut |home| {
            home.len() + hour as usize % 2
        });
        assert!(matches!(take_into(&mut engine, folder.path(), 1, &|| false), Ok(Took::Run(_))));
        let mut life = None;
        let mut find = |l: Life| life = Some(l).filter(|l| l.check == "unapproved-grant").or(life.take());
        engine.store().lives(&State::ALL, &mut find).unwrap();
        let life = life.unwrap();
        homes.insert(life.home);
        assert_eq!((life.state, life.absent), (state, absent), "after {hour} hours");
    }
    assert_eq!(homes.len(), 2);
}
