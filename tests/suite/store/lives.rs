//! What judging leaves behind: lives, verdicts and their tally, and exceptions.

use std::collections::BTreeMap;

use counterfoil::model::Instant;
use counterfoil::model::event::{Cause, State};
use counterfoil::model::finding::{Severity, Standing};
use counterfoil::model::life::{Acceptance, Life};
use counterfoil::store::{Accepted, Batch, FindingCount, KeptVerdict, Store};

use super::Home;
use super::toy::{at, close, dirty, event, life, tell, verdict};
use crate::reference::estates::Dice;

const CAUSES: [Cause; 11] = [
    Cause::Detected,
    Cause::Changed,
    Cause::Reopened,
    Cause::Flapping,
    Cause::Suppressed,
    Cause::ExceptionEnded,
    Cause::ExceptionOutgrown,
    Cause::Revoked,
    Cause::Approved,
    Cause::SourceChanged,
    Cause::CheckOff,
];

fn one<T: Copy>(dice: &mut Dice, all: &[T]) -> T {
    all[dice.below(all.len())]
}

fn text(dice: &mut Dice) -> String {
    let pieces =
        ["", "a", "é", "\u{0}", "'; DROP TABLE finding; --", "\u{202e}", "\"", "𝄞", "\n", "team:ops"];
    (0..dice.below(4)).map(|_| one(dice, &pieces)).collect()
}

fn maybe<T>(dice: &mut Dice, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    if dice.percent(50) { Some(make(dice)) } else { None }
}

fn instant(dice: &mut Dice) -> Instant {
    match dice.below(8) {
        0 => Instant::MIN,
        1 => Instant::MAX,
        _ => Instant::from_unix_ms(dice.below(4_000_000_000_000) as i64 - 1_000_000_000_000),
    }
}

fn bytes(dice: &mut Dice) -> [u8; 16] {
    std::array::from_fn(|_| dice.below(256) as u8)
}

fn number(dice: &mut Dice) -> i64 {
    let n = dice.below(usize::MAX) as i64;
    one(dice, &[0, 1, -1, i64::MIN, i64::MAX, n])
}

/// A life with anything in every field.
fn any_life(dice: &mut Dice, id: &str, check: &str) -> Life {
    Life {
        home: number(dice),
        check: check.to_owned(),
        system: maybe(dice, text),
        source: maybe(dice, text),
        account: maybe(dice, text),
        subject: maybe(dice, text),
        request: maybe(dice, |d| (text(d).replace(char::is_control, ""), text(d))),
        grant: maybe(dice, bytes),
        severity: one(dice, &Severity::ALL),
        standing: maybe(dice, |d| one(d, &Standing::ALL)),
        state: one(dice, &State::ALL),
        episode: one(dice, &[1, 2, u32::MAX]),
        seq: one(dice, &[0, 7, u32::MAX]),
        first_seen: instant(dice),
        changed_at: instant(dice),
        material: bytes(dice),
        absent: one(dice, &[0, 1, u32::MAX]),
        absent_run: one(dice, &[0, 5, i64::MAX as u64]),
        changes: (0..dice.below(4)).map(|_| instant(dice)).collect(),
        quiet_at: maybe(dice, instant),
        acceptance: maybe(dice, |d| Acceptance {
            by: text(d),
            reason: text(d),
            until: instant(d),
            severity: one(d, &Severity::ALL),
            standing: maybe(d, |d| one(d, &Standing::ALL)),
        }),
        cause: one(dice, &CAUSES),
        owner: maybe(dice, text),
        group: maybe(dice, text),
        told: (0..dice.below(3)).map(|_| text(dice)).collect(),
        body: text(dice),
        id: id.to_owned(),
    }
}

pub fn every_field_of_a_life_is_kept(home: &dyn Home) {
    let mut store = home.open();
    let mut dice = Dice::new(21);
    let mut kept: BTreeMap<String, Life> = BTreeMap::new();
    for _ in 0..300 {
        let id = format!("f{}", dice.below(60));
        // What a finding's check is stands in its id.
        let check = format!("check-{}", &id[1..]);
        let life = any_life(&mut dice, &id, &check);
        store.commit(Batch { lives: vec![life.clone()], ..Batch::default() }).unwrap();
        assert_eq!(store.life(&id).unwrap().as_ref(), Some(&life));
        kept.insert(id, life);
    }
    drop(store);
    let store = home.open();
    let mut all = vec![];
    store.lives(&State::ALL, &mut |life| all.push(life)).unwrap();
    assert_eq!(all, kept.into_values().collect::<Vec<_>>(), "in the order of their ids");
    let mut counted: Vec<FindingCount> = vec![];
    for l in &all {
        let same = |c: &&mut FindingCount| (&c.check, c.severity, c.state) == (&l.check, l.severity, l.state);
        match counted.iter_mut().find(same) {
            Some(c) => c.count += 1,
            None => counted.push(FindingCount {
                check: l.check.clone(),
                severity: l.severity,
                state: l.state,
                count: 1,
            }),
        }
    }
    let key = |c: &FindingCount| (c.check.clone(), c.severity, c.state);
    counted.sort_by_key(key);
    let mut counts = store.finding_counts().unwrap();
    counts.sort_by_key(key);
    assert_eq!(counts, counted);
}

fn any_verdict(dice: &mut Dice, grant: u8) -> KeptVerdict {
    KeptVerdict {
        home: dice.below(5) as i64,
        system: one(dice, &["vpn", "pg", "AWS é"]).to_owned(),
        account: text(dice),
        entitlement: text(dice),
        scope: maybe(dice, text),
        path: text(dice),
        subject: text(dice),
        standing: one(dice, &Standing::ALL),
        request: maybe(dice, |d| (text(d), text(d))),
        recheck_at: maybe(dice, instant),
        grant: [grant; 16],
    }
}

fn verdicts(store: &dyn Store) -> Vec<KeptVerdict> {
    let mut all = vec![];
    store.verdicts(&mut |v| all.push(v)).unwrap();
    all
}

pub fn every_field_of_a_verdict_is_kept(home: &dyn Home) {
    let mut store = home.open();
    let mut dice = Dice::new(22);
    for _ in 0..200 {
        let grant = dice.below(30) as u8;
        let v = any_verdict(&mut dice, grant);
        store.commit(Batch { verdicts: vec![v.clone()], ..Batch::default() }).unwrap();
        assert_eq!(store.verdict(v.grant).unwrap(), Some(v));
    }
    let all = verdicts(&*store);
    assert!(all.is_sorted_by_key(|v| v.grant) && all.len() > 25, "in the order of the grants' keys");
    assert_eq!(store.verdict([99; 16]).unwrap(), None);
}

pub fn the_tally_is_what_counting_would_say(home: &dyn Home) {
    let mut store = home.open();
    let mut dice = Dice::new(23);
    let mut held: BTreeMap<u8, KeptVerdict> = BTreeMap::new();
    for round in 0..150 {
        let homes: Vec<i64> = (0..5).filter(|_| dice.percent(40)).collect();
        held.retain(|_, v| !homes.contains(&v.home));
        let mut batch = Batch { homes: homes.clone(), ..Batch::default() };
        for grant in 0..20 {
            // A grant may stand under a home that was not judged now: its subject moved.
            if dice.percent(20) && !homes.is_empty() {
                let v = KeptVerdict { home: one(&mut dice, &homes), ..any_verdict(&mut dice, grant) };
                held.insert(grant, v.clone());
                batch.verdicts.push(v);
            }
        }
        store.commit(batch).unwrap();
        assert_eq!(verdicts(&*store), held.values().cloned().collect::<Vec<_>>(), "round {round}");
        let mut tally: BTreeMap<(String, String), u64> = BTreeMap::new();
        for v in held.values() {
            *tally.entry((v.system.clone(), v.standing.as_str().to_owned())).or_default() += 1;
        }
        let kept = store.standings().unwrap().into_iter();
        let kept: BTreeMap<_, _> =
            kept.map(|(s, standing, n)| ((s, standing.as_str().to_owned()), n)).collect();
        assert_eq!(kept, tally, "round {round}");
    }
}

pub fn what_is_kept_of_a_batch_is_all_or_nothing(home: &dyn Home) {
    let mut store = home.open();
    let run = store.open_run(at(0)).unwrap();
    store.mark(&[1, 2, 3]).unwrap();
    let first = verdict(1, 1, "vpn", Standing::ALL[0]);
    store
        .commit(Batch {
            run,
            verdicts: vec![first.clone()],
            rechecks: vec![(1, at(500))],
            lives: vec![life("f1", 1)],
            events: vec![event("e1", "f1", 0, &[("siem", None)])],
            ..Batch::default()
        })
        .unwrap();
    let letters = store.letters("siem", at(10), 9).unwrap();
    // The id of the second event was told before: a commit that would tell it twice is none.
    let broken = store.commit(Batch {
        run,
        done: vec![1, 2],
        homes: vec![1],
        verdicts: vec![verdict(2, 1, "pg", Standing::ALL[1])],
        rechecks: vec![(2, at(1))],
        lives: vec![Life { episode: 9, ..life("f1", 1) }, life("f2", 2)],
        events: vec![event("e2", "f2", 1, &[("siem", None)]), event("e1", "f1", 1, &[("siem", None)])],
    });
    assert!(broken.is_err());
    for handle in [store, home.open()] {
        assert_eq!(verdicts(&*handle), std::slice::from_ref(&first));
        assert_eq!(handle.standings().unwrap(), [("vpn".to_owned(), Standing::ALL[0], 1)]);
        assert_eq!(handle.life("f1").unwrap(), Some(life("f1", 1)));
        assert_eq!(handle.life("f2").unwrap(), None);
        assert_eq!(handle.dirty(9).unwrap(), (vec![1, 2, 3], 3));
        assert_eq!(handle.letters("siem", at(10), 9).unwrap(), letters);
    }
    let mut store = home.open();
    assert_eq!(dirty(&mut *store), [1, 2, 3]);
    store.mark_due(at(499)).unwrap();
    assert_eq!(store.dirty(9).unwrap().1, 0, "nor what was to be judged then");
    // An end of a run that names a message twice is none either: nothing of it is kept.
    close(&mut *store, run);
}

pub fn lives_are_found_by_home_state_and_absence(home: &dyn Home) {
    let mut store = home.open();
    let absent = |id: &str, home, absent, absent_run| Life { absent, absent_run, ..life(id, home) };
    let lives = vec![
        life("a", 1),
        absent("b", 1, 1, 3),
        absent("c", 2, 2, 1),
        absent("d", 2, 0, 1),
        Life { state: State::Resolved, ..absent("e", 0, 1, 2) },
        Life { state: State::Accepted, ..life("f", 0) },
    ];
    store.commit(Batch { lives, ..Batch::default() }).unwrap();
    let ids = |lives: Vec<Life>| lives.into_iter().map(|l| l.id).collect::<Vec<_>>();
    let sorted = |homes: &[i64]| {
        let mut found = ids(store.lives_at(homes).unwrap());
        found.sort();
        found
    };
    assert_eq!(sorted(&[1]), ["a", "b"]);
    assert_eq!(sorted(&[0, 2, 7]), ["c", "d", "e", "f"]);
    assert_eq!(ids(store.absent_before(4, 9).unwrap()), ["c", "e", "b"], "those not looked at longest first");
    assert_eq!(ids(store.absent_before(3, 9).unwrap()), ["c", "e"]);
    assert_eq!(ids(store.absent_before(3, 1).unwrap()), ["c"]);
    assert_eq!(ids(store.absent_before(1, 9).unwrap()), [""; 0]);
    let in_states = |states: &[State]| {
        let mut found = vec![];
        store.lives(states, &mut |l| found.push(l.id)).unwrap();
        found
    };
    assert_eq!(in_states(&[State::Open]), ["a", "b", "c", "d"]);
    assert_eq!(in_states(&[State::Accepted, State::Resolved]), ["e", "f"]);
    assert_eq!(in_states(&[]), [""; 0]);
}

pub fn what_is_due_is_marked(home: &dyn Home) {
    let mut store = home.open();
    let rechecks = vec![(1, at(10)), (1, at(5)), (1, at(20)), (2, at(6)), (-3, at(5))];
    store.commit(Batch { homes: vec![1, 2], rechecks, ..Batch::default() }).unwrap();
    for (now, due) in [(4, vec![]), (5, vec![-3, 1]), (6, vec![-3, 1, 2])] {
        store.mark_due(at(now)).unwrap();
        assert_eq!(dirty(&mut *store), due, "{now}");
    }
    store.commit(Batch { homes: vec![1, -3], rechecks: vec![(-3, at(50))], ..Batch::default() }).unwrap();
    store.mark_due(at(49)).unwrap();
    assert_eq!(dirty(&mut *store), [2], "what was judged anew waits for its new time");
    store.mark(&[9, 8, 9]).unwrap();
    store.mark(&[8]).unwrap();
    assert_eq!(store.dirty(1).unwrap(), (vec![8], 2), "some of them, and how many there are");
    assert_eq!(dirty(&mut *store), [8, 9]);
}

pub fn an_exception_is_remembered_until_it_ends(home: &dyn Home) {
    let mut store = home.open();
    tell(&mut *store, 1, vec![life("f", 7), life("source", 0)], vec![]);
    let given = |finding: &str, reason: &str, until, when| Accepted {
        finding: finding.to_owned(),
        check: "orphan-account".to_owned(),
        by: "olga é".to_owned(),
        reason: reason.to_owned(),
        until: at(until),
        at: at(when),
    };
    let all = [given("f", "first", 100, 1), given("f", "longer", 200, 2), given("source", "s", 150, 1)];
    for one in &all {
        store.accept(one).unwrap();
    }
    assert_eq!(dirty(&mut *store), [7], "its finding is judged again; findings about sources are anyway");
    let store = home.open();
    assert_eq!(store.accepted(at(99)).unwrap(), all);
    assert_eq!(store.accepted(at(100)).unwrap(), all[1..], "until then, exclusive");
    assert_eq!(store.accepted(at(200)).unwrap(), []);
}
