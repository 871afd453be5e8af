//! Backups, and forgetting what is old.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use counterfoil::model::event::State;
use counterfoil::model::finding::Standing;
use counterfoil::model::life::Life;
use counterfoil::store::{Batch, Fate, Retention, Store};

use super::Home;
use super::history::play;
use super::toy::{Toy, at, close, event, life, pull, records, tell, verdict};
use crate::reference::estates::Dice;

/// Everything that can be asked of a store, as a text.
pub fn everything(store: &dyn Store) -> String {
    let mut all = String::new();
    let mut add = |what: String| all.push_str(&(what + "\n"));
    for run in store.runs(1_000).unwrap() {
        add(format!("{run:?} {:?}", records(store, Some(run.id))));
    }
    add(format!("{:?} {:?}", store.sources().unwrap(), records(store, None)));
    store.lives(&State::ALL, &mut |l| add(format!("{l:?}"))).unwrap();
    add(format!("{:?} {:?}", store.standings().unwrap(), store.finding_counts().unwrap()));
    add(format!("{:?} {:?}", store.outbox().unwrap(), store.dead_letters(None, 99).unwrap()));
    add(format!("{:?} {:?}", store.dirty(1_000).unwrap(), store.accepted(at(0)).unwrap()));
    for sink in ["siem", "chat"] {
        add(format!("{:?}", store.letters(sink, at(1_000_000_000), 1_000).unwrap()));
    }
    all
}

/// A backup that is made while somebody writes holds the store between two of its steps.
pub fn a_backup_of_a_store_in_use_is_whole(home: &dyn Home) {
    let mut store = home.open();
    play(&mut *store, &mut Dice::new(41), 20);
    let quiet = home.spare("quiet.db");
    store.backup(&quiet).unwrap();
    assert_eq!(everything(&*home.open_copy(&quiet)), everything(&*store));
    private(&quiet);
    let reader = home.open();
    let done = AtomicBool::new(false);
    let copies: Vec<_> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut n: u8 = 0;
            while !done.load(Ordering::Relaxed) {
                n = n.wrapping_add(1);
                let grants: Vec<Toy> =
                    (0..u64::from(n % 50)).map(|g| Toy::grant(&g.to_string(), 0, 1, "vpn")).collect();
                pull(&mut *store, "busy", &grants);
                let verdicts = vec![verdict(n, 1, "vpn", Standing::ALL[usize::from(n) % 10])];
                store.commit(Batch { verdicts, ..Batch::default() }).unwrap();
            }
        });
        let copies: Vec<_> = (0..4)
            .map(|n| {
                let path = home.spare(&format!("copy-{n}.db"));
                reader.backup(&path).unwrap();
                path
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        copies
    });
    for path in copies {
        let mut copy = home.open_copy(&path);
        let mut counted = 0;
        copy.verdicts(&mut |_| counted += 1).unwrap();
        let tally: u64 = copy.standings().unwrap().iter().map(|(_, _, n)| n).sum();
        assert_eq!(tally, counted);
        let busy = records(&*copy, None).iter().filter(|(s, _)| s == "busy").count() as u64;
        // What a pull of nothing removes is what was held.
        assert_eq!(pull(&mut *copy, "busy", &[]).total().removed, busy);
        private(&path);
    }
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(not(unix))]
fn private(_: &Path) {}

pub fn a_backup_overwrites_nothing(home: &dyn Home) {
    let store = home.open();
    let path = home.spare("backup.db");
    for content in ["", "somebody's thesis"] {
        std::fs::write(&path, content).unwrap();
        let refused = store.backup(&path).unwrap_err().to_string();
        assert!(refused.contains("backup.db: it exists already; a backup overwrites nothing"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    let nowhere = store.backup(&home.spare("no/such/folder.db")).unwrap_err().to_string();
    assert!(nowhere.contains("folder.db"), "{nowhere}");
}

/// A random past with findings, verdicts and messages; then all that is older than some moment is forgotten.
pub fn what_is_true_or_untold_is_never_forgotten(home: &dyn Home) {
    let mut store = home.open();
    let mut dice = Dice::new(43);
    let past = play(&mut *store, &mut dice, 40);
    let states = State::ALL;
    for (number, (run, began, _)) in past.iter().enumerate() {
        let seconds = number as i64 * 3600;
        let mut batch = Batch { run: *run, ..Batch::default() };
        for n in 0..4 {
            let id = format!("f{number}-{n}");
            let state = states[dice.below(3)];
            batch.lives.push(Life { state, changed_at: *began, ..life(&id, n) });
            let sinks: &[(&str, Option<&str>)] = &[("siem", None), ("chat", Some("g"))];
            for k in 0..=dice.below(3) {
                let told = &sinks[..dice.below(3)];
                batch.events.push(event(&format!("{id}-{k}"), &id, seconds, told));
            }
        }
        batch.verdicts.push(verdict(number as u8, 1, "vpn", Standing::ALL[number % 10]));
        store.commit(batch).unwrap();
        close(&mut *store, *run);
        for sink in ["siem", "chat"] {
            let letters = store.letters(sink, at(seconds), 99).unwrap();
            let fates = letters.into_iter().filter(|_| dice.percent(70)).map(|l| match l.rows[0] % 7 {
                0 => (l, Fate::Dead { reason: String::new() }),
                _ => (l, Fate::Delivered),
            });
            let fates: Vec<_> = fates.collect();
            store.settle(&fates).unwrap();
        }
    }
    let of = |store: &dyn Store| {
        let mut told = vec![
            format!("{:?}", store.outbox().unwrap()),
            format!("{:?}", store.dead_letters(None, 999).unwrap()),
        ];
        for sink in ["siem", "chat"] {
            told.push(format!("{:?}", store.letters(sink, at(1_000_000), 999).unwrap()));
        }
        store.lives(&[State::Open, State::Accepted], &mut |l| told.push(format!("{l:?}"))).unwrap();
        store.verdicts(&mut |v| told.push(format!("{v:?}"))).unwrap();
        told.push(format!("{:?} {:?}", store.standings().unwrap(), records(store, None)));
        told
    };
    let before = of(&*store);
    let (mut last, mut forgotten) = (0, 0);
    for keep_from in [0, 7, 8, 25, 39, 40] {
        let limit = at(keep_from * 3600);
        forgotten += store.prune(Retention { before: limit }).unwrap();
        assert_eq!(of(&*store), before, "{keep_from}");
        for (run, _, all) in past.iter().filter(|(_, began, _)| *began >= limit) {
            assert_eq!(records(&*store, Some(*run)), *all, "run {run} is young enough");
        }
        assert_eq!(store.prune(Retention { before: limit }).unwrap(), 0, "once is enough");
        assert!(forgotten >= last);
        last = forgotten;
    }
    assert!(forgotten > 100, "hardly anything was forgotten: {forgotten}");
    let mut resolved = vec![];
    store.lives(&[State::Resolved], &mut |l| resolved.extend((!l.body.is_empty()).then_some(l.id))).unwrap();
    for id in resolved {
        let outbox: Vec<_> = store.dead_letters(None, 999).unwrap();
        let waits = ["siem", "chat"]
            .iter()
            .any(|s| format!("{:?}", store.letters(s, at(1_000_000), 999)).contains(&id));
        let waits = waits || outbox.iter().any(|l| l.finding.as_deref() == Some(&id));
        let follows = everything(&*store).contains(&id);
        assert!(waits || follows, "{id} is over, told and old");
    }
}

/// Even where the clock was wrong when the finding was there.
pub fn a_finding_that_comes_back_after_all_was_forgotten_goes_on_counting(home: &dyn Home) {
    let mut store = home.open();
    let (day, ahead) = (24 * 3600, 900 * 24 * 3600);
    let run = store.open_run(at(ahead)).unwrap();
    tell(&mut *store, run, vec![life("f", 1)], vec![event("f-1", "f", ahead, &[])]);
    let run = store.open_run(at(0)).unwrap();
    let over = Life { state: State::Resolved, changed_at: at(0), ..life("f", 1) };
    tell(&mut *store, run, vec![over], vec![event("f-2", "f", 0, &[])]);
    // The last run before what is kept stays: what was known at its beginning rests on it.
    store.open_run(at(1)).unwrap();
    store.open_run(at(day)).unwrap();
    store.prune(Retention { before: at(day) }).unwrap();
    let left = store.life("f").unwrap().unwrap();
    assert_eq!((left.body.as_str(), left.state, left.seq), ("", State::Resolved, life("f", 1).seq));
    assert!(store.runs(9).unwrap().iter().all(|r| r.id != run), "nothing speaks of it any more");
    tell(&mut *store, run, vec![life("f", 1)], vec![event("f-1", "f", day, &[("siem", None)])]);
    assert_eq!(store.letters("siem", at(day), 9).unwrap().len(), 1);
    assert_eq!(store.life("f").unwrap(), Some(life("f", 1)));
}
