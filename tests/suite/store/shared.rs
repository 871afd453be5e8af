//! Runs, facts and sources; and that two handles share one store.

use std::time::{Duration, Instant};

use counterfoil::model::RecordType;
use counterfoil::model::life::{SourceState, Trouble};
use counterfoil::store::{Batch, Close, RunRow, StoreError};

use super::Home;
use super::toy::{Toy, at, close, life, pull, records, tell, try_pull};

pub fn runs_and_facts_are_remembered(home: &dyn Home) {
    let mut store = home.open();
    assert_eq!(store.runs(9).unwrap(), []);
    let first = store.open_run(at(1)).unwrap();
    let second = store.open_run(at(2)).unwrap();
    assert!(second > first && first > 0);
    let state = SourceState { id: "a".to_owned(), ..SourceState::default() };
    let closing = Close {
        run: second,
        at: at(3),
        manifest: "{\"é\":1}",
        meta: &[("judged", "1"), ("empty", "")],
        notices: vec![],
        slots: &[],
    };
    store.save_source(&state).unwrap();
    store.close_run(closing).unwrap();
    store.set_meta("judged", "2").unwrap();
    drop(store);
    let store = home.open();
    let ended = RunRow {
        id: second,
        started_at: at(2),
        ended_at: Some(at(3)),
        manifest: Some("{\"é\":1}".to_owned()),
    };
    let broken_off = RunRow { id: first, started_at: at(1), ended_at: None, manifest: None };
    assert_eq!(store.runs(9).unwrap(), [ended.clone(), broken_off], "the latest first");
    assert_eq!(store.runs(1).unwrap(), [ended]);
    assert_eq!(store.meta("judged").unwrap().as_deref(), Some("2"));
    assert_eq!(store.meta("empty").unwrap().as_deref(), Some(""));
    assert_eq!(store.meta("none").unwrap(), None);
    assert_eq!(store.sources().unwrap(), [state]);
}

pub fn sources_are_remembered(home: &dyn Home) {
    let mut store = home.open();
    let held = Trouble::Held { run: 7, before: 100, now: 3, reason: "97 are gone".to_owned() };
    let full = SourceState {
        id: "b é".to_owned(),
        good_run: Some(6),
        taken_at: Some(at(5)),
        complete: true,
        records: 100,
        sha256: "ab".repeat(32),
        tried_at: Some(at(6)),
        trouble: Some(held),
        approved: Some(3),
    };
    store.save_source(&full).unwrap();
    let failed = Some(Trouble::Failed { reason: "no such file".to_owned() });
    let other = SourceState { id: "a".to_owned(), trouble: failed, ..SourceState::default() };
    store.save_source(&other).unwrap();
    assert_eq!(store.sources().unwrap(), [other.clone(), full.clone()]);
    let partial = Some(Trouble::Partial { reason: "cut".to_owned() });
    let full = SourceState { trouble: partial, approved: None, ..full };
    store.save_source(&full).unwrap();
    // Records come in under the name it has.
    pull(&mut *store, "a", &[Toy::new(RecordType::Policy, "p", 0, &[])]);
    assert_eq!(home.open().sources().unwrap(), [other, full]);
}

pub fn two_handles_see_the_same(home: &dyn Home) {
    let mut writer = home.open();
    let mut reader = home.open();
    let run = writer.open_run(at(0)).unwrap();
    pull(&mut *writer, "a", &[Toy::grant("g", 0, 1, "vpn")]);
    assert_eq!(records(&*reader, None), records(&*writer, None));
    tell(&mut *writer, run, vec![life("f", 1)], vec![super::toy::event("e", "f", 0, &[("siem", None)])]);
    let letters = reader.letters("siem", at(0), 9).unwrap();
    assert_eq!(letters.len(), 1);
    // What one has in its hands the other does not see: a pull half taken in is none.
    let mut within = vec![];
    let outcome = try_pull(&mut *writer, run, "a", &[], false, &mut |_| {
        within = records(&*reader, None);
        Ok(())
    });
    assert!(outcome.is_ok() && within.len() == 1, "{within:?}");
    assert_eq!(records(&*reader, None), []);
    let letters: Vec<_> = letters.into_iter().map(|l| (l, counterfoil::store::Fate::Delivered)).collect();
    reader.settle(&letters).unwrap();
    assert_eq!(writer.outbox().unwrap(), []);
    close(&mut *writer, run);
    assert!(reader.runs(2).unwrap().iter().any(|r| r.ended_at.is_some()));
}

/// Who comes while another writes waits, and does not fail.
pub fn a_writer_waits_for_another(home: &dyn Home) {
    let mut first = home.open();
    let mut second = home.open();
    let long = Duration::from_millis(300);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let run = first.open_run(at(0)).unwrap();
            let grants = [Toy::grant("g", 0, 1, "vpn")];
            try_pull(&mut *first, run, "a", &grants, false, &mut |_| {
                sender.send(()).unwrap();
                std::thread::sleep(long);
                Ok(())
            })
            .unwrap();
        });
        receiver.recv().unwrap();
        let began = Instant::now();
        second.commit(Batch { lives: vec![life("f", 1)], ..Batch::default() }).unwrap();
        assert!(began.elapsed() > long / 3, "it did not wait");
        assert_eq!(records(&*second, None).len(), 1, "it came after");
    });
    // Both write at once, again and again; nothing is lost.
    std::thread::scope(|scope| {
        for (name, store) in [("x", &mut first), ("y", &mut second)] {
            scope.spawn(move || {
                for n in 0..40 {
                    tell(&mut **store, 1, vec![life(&format!("{name}{n}"), n)], vec![]);
                    store.mark(&[n]).unwrap();
                }
            });
        }
    });
    let mut lives = 0;
    home.open().lives(&counterfoil::model::event::State::ALL, &mut |_| lives += 1).unwrap();
    assert_eq!(lives, 81);
}

pub fn whether_it_can_be_written_to(home: &dyn Home) {
    let mut store = home.open();
    store.check_writable().unwrap();
    assert_eq!(store.meta("written").unwrap(), None, "asking leaves nothing behind");
    let full = StoreError::Full("no room".to_owned()).to_string();
    assert!(full.contains("nothing was changed"), "{full}");
}
