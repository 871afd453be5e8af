//! The outbox: in which order messages go, what is in them, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::model::event::State;
use counterfoil::model::life::Life;
use counterfoil::model::{Duration, Instant};
use counterfoil::store::{Batch, Content, DeadLetter, Fate, Letter, NewEvent, OutboxCount, Store};

use super::Home;
use super::toy::{at, close, event, life, tell};
use crate::reference::estates::Dice;

/// The events in a message.
fn told(letter: &Letter) -> Vec<String> {
    let Content::Events { bodies, .. } = &letter.content else { panic!("{letter:?}") };
    let id = |body: &String| body.trim_start_matches("{\"event\":\"").trim_end_matches("\"}").to_owned();
    bodies.iter().map(id).collect()
}

fn waiting(store: &dyn Store, sink: &str, now: i64) -> Vec<Vec<String>> {
    store.letters(sink, at(now), 99).unwrap().iter().map(told).collect()
}

fn settle(store: &mut dyn Store, sink: &str, now: i64, fate: &Fate) -> usize {
    let letters = store.letters(sink, at(now), 99).unwrap();
    let fates: Vec<(Letter, Fate)> = letters.into_iter().map(|l| (l, fate.clone())).collect();
    store.settle(&fates).unwrap();
    fates.len()
}

fn retry(seconds: i64) -> Fate {
    Fate::Retry { at: at(seconds), reason: "busy".to_owned() }
}

fn dead() -> Fate {
    Fate::Dead { reason: "no such field".to_owned() }
}

fn grouped(state: State, group: &str, id: &str) -> Life {
    Life { state, group: Some(group.to_owned()), ..life(id, 1) }
}

pub fn of_a_finding_the_first_word_goes_first(home: &dyn Home) {
    let mut store = home.open();
    let both = [("siem", None), ("file", None)];
    let events = vec![
        event("a1", "a", 0, &both),
        event("b1", "b", 1, &both[..1]),
        event("a2", "a", 2, &both),
        event("c1", "c", 3, &both),
    ];
    tell(&mut *store, 1, vec![], events);
    assert_eq!(waiting(&*store, "siem", 9), [["a1"], ["b1"], ["c1"]]);
    assert_eq!(waiting(&*store, "file", 9), [["a1"], ["c1"]]);
    assert_eq!(store.letters("siem", at(9), 2).unwrap().len(), 2, "no more than asked for");
    let first = &store.letters("siem", at(9), 1).unwrap()[0];
    assert_eq!((first.message.as_str(), first.at, first.attempts), ("a1", at(0), 0));
    assert!(matches!(&first.content, Content::Events { group: None, .. }));
    // While the first word on `a` is put off, the second waits too, and nobody else does.
    store.settle(&[(first.clone(), retry(100))]).unwrap();
    assert_eq!(waiting(&*store, "siem", 9), [["b1"], ["c1"]]);
    settle(&mut *store, "siem", 9, &Fate::Delivered);
    assert_eq!(waiting(&*store, "siem", 9), [[""; 0]; 0]);
    assert_eq!(waiting(&*store, "siem", 100), [["a1"]]);
    settle(&mut *store, "siem", 100, &Fate::Delivered);
    assert_eq!(waiting(&*store, "siem", 100), [["a2"]]);
    assert_eq!(waiting(&*store, "file", 9), [["a1"], ["c1"]], "each sink for itself");
    // What was given up no longer holds anybody up.
    settle(&mut *store, "file", 9, &dead());
    assert_eq!(waiting(&*store, "file", 9), [["a2"]]);
}

pub fn a_group_is_sealed_when_the_run_ends(home: &dyn Home) {
    let mut store = home.open();
    let run = store.open_run(at(0)).unwrap();
    let chat = |group: &'static str| [("chat", Some(group)), ("siem", None)];
    let lives = vec![
        grouped(State::Open, "g", "a"),
        grouped(State::Open, "g", "b"),
        grouped(State::Open, "g", "other"),
        grouped(State::Open, "h", "c"),
    ];
    let events = vec![
        event("a1", "a", 0, &chat("g")),
        event("c1", "c", 0, &chat("h")),
        event("b1", "b", 0, &chat("g")),
    ];
    tell(&mut *store, run, lives, events);
    assert_eq!(waiting(&*store, "chat", 9), [[""; 0]; 0], "the run has not ended");
    assert_eq!(waiting(&*store, "siem", 9), [["a1"], ["c1"], ["b1"]], "who is told alone need not wait");
    close(&mut *store, run);
    let sealed = store.letters("chat", at(9), 9).unwrap();
    assert_eq!(sealed.iter().map(told).collect::<Vec<_>>(), [vec!["a1", "b1"], vec!["c1"]]);
    let open = |letter: &Letter| match &letter.content {
        Content::Events { group: Some(group), .. } => (group.key.clone(), group.open),
        other => panic!("{other:?}"),
    };
    assert_eq!(sealed.iter().map(open).collect::<Vec<_>>(), [("g".to_owned(), 3), ("h".to_owned(), 1)]);

    // Later runs change nothing about what was sealed, however often it is tried.
    let again = store.open_run(at(10)).unwrap();
    let lives = vec![grouped(State::Resolved, "g", "a"), grouped(State::Open, "g", "d")];
    tell(&mut *store, again, lives, vec![event("a2", "a", 10, &chat("g")), event("d1", "d", 10, &chat("g"))]);
    close(&mut *store, again);
    settle(&mut *store, "chat", 9, &retry(20));
    drop(store);
    let mut store = home.open();
    let tried = store.letters("chat", at(20), 9).unwrap();
    for (then, now) in sealed.iter().zip(&tried) {
        assert_eq!(*now, Letter { attempts: 1, ..then.clone() });
    }
    assert_eq!(tried.len(), 2, "what has a later word on `a` waits for the first");
    settle(&mut *store, "chat", 20, &Fate::Delivered);
    let next = store.letters("chat", at(20), 9).unwrap();
    assert_eq!(next.iter().map(told).collect::<Vec<_>>(), [["a2", "d1"]]);
    assert_eq!(open(&next[0]), ("g".to_owned(), 3), "b, the other and d");
    assert_ne!(next[0].message, sealed[0].message, "another message of the same group");
}

pub fn findings_that_change_groups_do_not_wait_for_each_other(home: &dyn Home) {
    let mut store = home.open();
    // A run that was broken off, and the one that ended after it.
    for run in [1, 2] {
        store.open_run(at(run)).unwrap();
    }
    let chat = |group: &'static str| [("chat", Some(group))];
    tell(&mut *store, 1, vec![], vec![event("a1", "a", 0, &chat("g")), event("b1", "b", 0, &chat("h"))]);
    tell(&mut *store, 2, vec![], vec![event("a2", "a", 1, &chat("h")), event("b2", "b", 1, &chat("g"))]);
    close(&mut *store, 2);
    let mut order = vec![];
    for _ in 0..9 {
        order.extend(waiting(&*store, "chat", 9).into_iter().flatten());
        settle(&mut *store, "chat", 9, &Fate::Delivered);
    }
    assert_eq!(order, ["a1", "b1", "a2", "b2"]);
}

pub fn what_becomes_of_a_message(home: &dyn Home) {
    let mut store = home.open();
    tell(
        &mut *store,
        1,
        vec![],
        (0..4).map(|n| event(&format!("e{n}"), &format!("f{n}"), n, &[("siem", None)])).collect(),
    );
    assert_eq!(
        store.outbox().unwrap(),
        [OutboxCount { sink: "siem".to_owned(), waiting: 4, dead: 0, oldest: Some(at(0)) }]
    );
    let letters = store.letters("siem", at(9), 9).unwrap();
    let fates = [Fate::Delivered, retry(50), dead(), retry(60)];
    let fates: Vec<(Letter, Fate)> = letters.into_iter().zip(fates).collect();
    store.settle(&fates).unwrap();
    assert_eq!(
        store.outbox().unwrap(),
        [OutboxCount { sink: "siem".to_owned(), waiting: 2, dead: 1, oldest: Some(at(1)) }]
    );
    let listed = store.dead_letters(None, 9).unwrap();
    let expected = DeadLetter {
        row: fates[2].0.rows[0],
        sink: "siem".to_owned(),
        message: "e2".to_owned(),
        finding: Some("f2".to_owned()),
        at: at(2),
        attempts: 1,
        reason: "no such field".to_owned(),
    };
    assert_eq!(listed, [expected]);
    assert_eq!(store.dead_letters(Some("siem"), 9).unwrap(), listed);
    assert_eq!(store.dead_letters(Some("other"), 9).unwrap(), []);
    assert_eq!(store.dead_letters(None, 0).unwrap(), []);
    // Fates that come late, of rows that are gone, do nothing.
    store.settle(&fates[..1]).unwrap();
    let tries: Vec<u32> = store.letters("siem", at(60), 9).unwrap().iter().map(|l| l.attempts).collect();
    assert_eq!(tries, [1, 1]);
    // The id of an event is one of a kind, for ever.
    let twice = Batch { events: vec![event("e0", "f9", 5, &[])], ..Batch::default() };
    assert!(store.commit(twice).is_err());
}

pub fn a_message_that_was_given_up_begins_anew(home: &dyn Home) {
    let mut store = home.open();
    let run = store.open_run(at(0)).unwrap();
    let events = vec![
        event("a1", "a", 0, &[("chat", Some("g")), ("siem", None)]),
        event("b1", "b", 0, &[("chat", Some("g"))]),
    ];
    tell(&mut *store, run, vec![grouped(State::Open, "g", "a")], events);
    close(&mut *store, run);
    let before = store.letters("chat", at(1), 9).unwrap();
    settle(&mut *store, "chat", 1, &dead());
    settle(&mut *store, "siem", 1, &dead());
    assert_eq!(store.dead_letters(Some("chat"), 9).unwrap().len(), 2, "one row for each event");
    assert_eq!(store.replay(Some("nobody"), at(5)).unwrap(), 0);
    assert_eq!(store.replay(Some("chat"), at(5)).unwrap(), 2);
    // The same message; and one that is older than messages may become gets its one more try.
    assert_eq!(store.letters("chat", at(5), 9).unwrap(), before);
    assert_eq!(store.letters("siem", at(5), 9).unwrap(), []);
    assert_eq!(store.replay(None, at(6)).unwrap(), 1);
    assert_eq!(waiting(&*store, "siem", 5), [[""; 0]; 0], "from then on");
    assert_eq!(waiting(&*store, "siem", 6), [["a1"]]);
    assert_eq!(store.dead_letters(None, 9).unwrap(), []);
}

pub fn a_clock_that_was_set_back_silences_nobody(home: &dyn Home) {
    let mut store = home.open();
    let year = 365 * 24 * 3600;
    let run = store.open_run(at(year)).unwrap();
    tell(&mut *store, run, vec![], vec![event("a1", "a", year, &[("siem", None), ("chat", Some("g"))])]);
    close(&mut *store, run);
    tell(&mut *store, run, vec![], vec![event("b1", "b", 0, &[("siem", None)])]);
    assert_eq!(waiting(&*store, "siem", 0), [["a1"], ["b1"]], "what was made, it is thought, next year");
    assert_eq!(waiting(&*store, "chat", 0), [["a1"]]);
    settle(&mut *store, "siem", year, &retry(year + 900));
    assert_eq!(waiting(&*store, "siem", 0), [["a1"], ["b1"]], "what was put off until then");
    // A receiver may ask to be left alone for a day, and is.
    let day = 24 * 3600;
    settle(&mut *store, "siem", 0, &retry(day));
    assert_eq!(waiting(&*store, "siem", 0), [["a1"]], "but for what is not even made yet");
    assert_eq!(waiting(&*store, "siem", day), [["a1"], ["b1"]]);
}

pub fn what_was_muted_is_told_while_it_holds(home: &dyn Home) {
    let mut store = home.open();
    let muted = |id: &str, finding: &str, group: Option<&str>| {
        let mut event = event(id, finding, 0, &[("chat", group)]);
        event.letters[0].muted_until = Some(at(100));
        event
    };
    let run = store.open_run(at(0)).unwrap();
    let resolved = Life { state: State::Resolved, ..life("over", 1) };
    let accepted = Life { state: State::Accepted, ..life("accepted", 1) };
    let events = vec![
        muted("holds1", "holds", Some("g")),
        muted("over1", "over", Some("g")),
        muted("moved1", "moved", Some("g")),
        muted("alone1", "alone", None),
        muted("gone1", "gone", None),
        muted("accepted1", "accepted", None),
    ];
    tell(
        &mut *store,
        run,
        vec![life("holds", 1), resolved, life("moved", 1), life("alone", 1), accepted],
        events,
    );
    let later = event("moved2", "moved", 1, &[("chat", Some("g"))]);
    tell(&mut *store, run, vec![], vec![later]);
    close(&mut *store, run);
    assert_eq!(waiting(&*store, "chat", 200), [["moved2"]], "a mute holds nobody else up");
    settle(&mut *store, "chat", 200, &Fate::Delivered);
    let silent = OutboxCount { sink: "chat".to_owned(), waiting: 0, dead: 0, oldest: None };
    assert_eq!(store.outbox().unwrap(), [silent], "what is muted does not wait");
    store.unmute(at(99)).unwrap();
    assert_eq!(waiting(&*store, "chat", 200), [[""; 0]; 0]);
    store.unmute(at(100)).unwrap();
    assert_eq!(waiting(&*store, "chat", 200), [["alone1"], ["accepted1"]]);
    let run = store.open_run(at(100)).unwrap();
    close(&mut *store, run);
    assert_eq!(
        waiting(&*store, "chat", 200),
        [["holds1"], ["alone1"], ["accepted1"]],
        "what is grouped with the run"
    );
    assert_eq!(store.outbox().unwrap()[0].waiting, 3, "the others are forgotten");
}

pub fn sinks_that_are_gone_are_forgotten(home: &dyn Home) {
    let mut store = home.open();
    let to = [("siem", None), ("chat", Some("g")), ("it's \"old\"", None)];
    tell(&mut *store, 1, vec![], vec![event("a1", "a", 0, &to), event("b1", "b", 0, &to)]);
    settle(&mut *store, "it's \"old\"", 1, &dead());
    assert_eq!(store.drop_other_sinks(&["siem".to_owned(), "new".to_owned()]).unwrap(), 4);
    assert_eq!(store.outbox().unwrap().len(), 1);
    assert_eq!(waiting(&*store, "siem", 1), [["a1"], ["b1"]]);
    assert_eq!(store.drop_other_sinks(&[]).unwrap(), 2);
    assert_eq!(store.outbox().unwrap(), []);
}

/// Whatever happens, in which runs and with which fates: of a finding no sink hears the second word before the first,
/// no message changes from one try to the next, and in the end everybody has heard everything.
pub fn order_is_kept_in_any_history(home: &dyn Home) {
    let mut dice = Dice::new(31);
    let mut store = home.open();
    let sinks = ["siem", "chat", "pager"];
    let mut made: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    let mut heard: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    let mut sealed: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut seqs = [0_u32; 6];
    let mut now = 0;
    let mut run = store.open_run(at(0)).unwrap();
    for step in 0..400 {
        now += 7;
        let ending = step >= 300;
        if !ending && dice.percent(50) {
            let mut events: Vec<NewEvent> = vec![];
            for _ in 0..dice.below(5) {
                let f = dice.below(6);
                seqs[f] += 1;
                let group = ["g", "h", "i"][dice.below(3)];
                let letters: Vec<(&str, Option<&str>)> =
                    sinks.iter().map(|sink| (*sink, (*sink != "siem").then_some(group))).collect();
                events.push(event(&format!("{f}-{}", seqs[f]), &format!("f{f}"), now, &letters));
                (0..3).for_each(|sink| _ = made.insert((sink, f), seqs[f]));
            }
            tell(&mut *store, run, vec![], events);
        }
        if ending || dice.percent(40) {
            if dice.percent(80) {
                close(&mut *store, run);
            }
            run = store.open_run(at(now)).unwrap();
        }
        for (number, sink) in sinks.iter().enumerate() {
            let letters = store.letters(sink, at(now), 1 + dice.below(4)).unwrap();
            let mut fates = vec![];
            let mut findings: BTreeSet<String> = BTreeSet::new();
            for letter in letters {
                let told = told(&letter);
                assert!(!told.is_empty(), "{letter:?}");
                let then = sealed
                    .entry(letter.message.clone())
                    .or_insert_with(|| ((*sink).to_owned(), told.clone()));
                assert!(then.1 == told, "step {step}: another message on another try");
                let own: BTreeSet<String> = told.iter().map(|e| e[..1].to_owned()).collect();
                assert!(own.is_disjoint(&findings), "step {step}: two messages of one finding at once");
                findings.extend(own);
                let fate = if ending { 0 } else { dice.below(3) };
                if fate == 0 {
                    for e in &told {
                        let (f, seq) = e.split_once('-').unwrap();
                        let (f, seq): (usize, u32) = (f.parse().unwrap(), seq.parse().unwrap());
                        let last = heard.insert((number, f), seq).unwrap_or(0);
                        assert_eq!(seq, last + 1, "step {step}: {sink} hears of {f}");
                    }
                    fates.push((letter, Fate::Delivered));
                } else {
                    fates.push((letter, retry(now + dice.below(40) as i64)));
                }
            }
            store.settle(&fates).unwrap();
        }
    }
    assert_eq!(heard, made);
    let clock: Instant = at(now).plus(Duration::days(1));
    assert!(sinks.iter().all(|sink| store.letters(sink, clock, 9).unwrap().is_empty()));
    assert_eq!(store.outbox().unwrap(), []);
}
