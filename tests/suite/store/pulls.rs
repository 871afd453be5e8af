//! Taking in pulls: what is counted, what is kept, and which names must be judged again.

use std::collections::BTreeMap;

use counterfoil::model::RecordType as T;
use counterfoil::model::life::{Counts, Difference, SourceState};
use counterfoil::store::{Batch, Ingested, Pull, Store, TIE_CLAIMS, TIE_NAMES};

use super::Home;
use super::toy::{ASKS, HOLDS, LINKS, Toy, at, dirty, hand_over, life, pull, read, records, try_pull};
use crate::reference::estates::Dice;

fn counts(before: u64, now: u64, added: u64, removed: u64, changed: u64) -> Counts {
    Counts { before, now, added, removed, changed }
}

fn of<const N: usize>(all: [(T, Counts); N]) -> Difference {
    Difference { of: BTreeMap::from(all) }
}

pub fn changes_are_counted_by_type(home: &dyn Home) {
    let mut store = home.open();
    let grant = |key: &str, says| Toy::grant(key, says, 1, "vpn");
    let person = |key: &str, says| Toy::identity(key, says, &[2]);
    let first = pull(&mut *store, "a", &[grant("1", 0), grant("2", 0), grant("3", 0), person("p", 0)]);
    assert_eq!(first, of([(T::Identity, counts(0, 1, 1, 0, 0)), (T::Grant, counts(0, 3, 3, 0, 0))]));
    let second = pull(&mut *store, "a", &[grant("2", 9), grant("3", 0), grant("4", 0), grant("5", 0)]);
    assert_eq!(second, of([(T::Identity, counts(1, 0, 0, 1, 0)), (T::Grant, counts(3, 4, 2, 1, 1))]));
    let third = pull(&mut *store, "a", &[grant("5", 0), grant("4", 0), grant("3", 0), grant("2", 9)]);
    assert!(third.is_none(), "whatever the order: {third:?}");
    assert_eq!(third, of([(T::Identity, counts(0, 0, 0, 0, 0)), (T::Grant, counts(4, 4, 0, 0, 0))]));
    let other = pull(&mut *store, "b", &[grant("2", 9)]);
    assert_eq!(other, of([(T::Grant, counts(0, 1, 1, 0, 0))]), "each source for itself");
    // The hash is that of what is held, whatever came before.
    let sha = |store: &mut dyn Store, source: &str| {
        let run = store.open_run(at(0)).unwrap();
        let held = [grant("2", 9), person("p", 3)];
        match try_pull(store, run, source, &held, false, &mut |_| Ok(())).unwrap() {
            Ingested::Taken { sha256, .. } => sha256,
            Ingested::Held { .. } => panic!("held"),
        }
    };
    let (one, two) = (sha(&mut *store, "a"), sha(&mut *store, "c"));
    assert_eq!(one, two);
    assert_eq!(one.len(), 64);
}

pub fn a_pull_that_is_held_leaves_nothing(home: &dyn Home) {
    let mut store = home.open();
    let grant = |key: &str, says| Toy::grant(key, says, 1, "vpn");
    pull(&mut *store, "a", &[grant("1", 0), grant("2", 0)]);
    dirty(&mut *store);
    let before = records(&*store, None);
    let run = store.open_run(at(1)).unwrap();
    let mut shown = None;
    let held = try_pull(&mut *store, run, "a", &[grant("2", 5), grant("9", 0)], false, &mut |difference| {
        shown = Some(difference.clone());
        Err("too much".to_owned())
    });
    let difference = of([(T::Grant, counts(2, 2, 1, 1, 1))]);
    assert_eq!(shown.as_ref(), Some(&difference));
    assert_eq!(held.unwrap(), Ingested::Held { difference, reason: "too much".to_owned() });
    assert_eq!(records(&*store, None), before);
    assert_eq!(store.dirty(9).unwrap(), (vec![], 0));
    let again = pull(&mut *store, "a", &[grant("1", 0), grant("2", 0)]);
    assert!(again.is_none(), "{again:?}");
    // A source of which nothing was ever kept is held the same.
    let none = try_pull(&mut *store, run, "new", &[grant("7", 0)], false, &mut |_| Err(String::new()));
    assert!(matches!(none.unwrap(), Ingested::Held { .. }));
    assert_eq!(store.sources().unwrap().iter().filter(|s| s.id == "new").count(), 0);
}

pub fn a_pull_that_breaks_off_leaves_nothing(home: &dyn Home) {
    let mut store = home.open();
    let grant = |key: &str, says| Toy::grant(key, says, 1, "vpn");
    pull(&mut *store, "a", &[grant("1", 0), Toy::new(T::System, "vpn", 0, &[(TIE_NAMES, 5)])]);
    dirty(&mut *store);
    let before = records(&*store, None);
    let run = store.open_run(at(1)).unwrap();
    let mut asked = false;
    let records_now = [grant("1", 1), grant("2", 0), Toy::new(T::Policy, "p", 0, &[])];
    let broken = try_pull(&mut *store, run, "a", &records_now, true, &mut |_| {
        asked = true;
        Ok(())
    });
    assert!(broken.unwrap_err().to_string().contains("the export broke off"));
    assert!(!asked, "what broke off is not weighed");
    assert_eq!(records(&*store, None), before);
    assert_eq!(records(&*store, Some(run)), before);
    assert_eq!(store.dirty(9).unwrap(), (vec![], 0));
    assert_eq!(store.systems_held().unwrap(), ["vpn"]);
}

/// A model: of the lines of a pull the one that says most stands for each key.
pub fn of_lines_of_one_key_one_stands_whatever_their_order(home: &dyn Home) {
    let mut store = home.open();
    let mut dice = Dice::new(11);
    let mut held: BTreeMap<String, Toy> = BTreeMap::new();
    let systems = ["vpn", "pg"];
    // Enough on each system that none is the first or the last.
    let many: Vec<Toy> = (0..8).map(|n| Toy::grant(&format!("m{n}"), 0, 1, systems[n % 2])).collect();
    pull(&mut *store, "other", &many);
    for round in 0..120 {
        let mut lines: Vec<Toy> = vec![];
        for key in 0..12 {
            for _ in 0..[0, 1, 1, 2, 3][dice.below(5)] {
                lines.push(Toy::grant(
                    &format!("g{key}"),
                    dice.below(3) as u64,
                    key,
                    systems[key as usize % 2],
                ));
            }
        }
        dice.shuffle(&mut lines);
        let mut now: BTreeMap<String, Toy> = BTreeMap::new();
        for line in &lines {
            let standing = now.entry(line.key.clone()).or_insert_with(|| line.clone());
            if line.says > standing.says {
                *standing = line.clone();
            }
        }
        let added = now.keys().filter(|k| !held.contains_key(*k)).count() as u64;
        let removed = held.keys().filter(|k| !now.contains_key(*k)).count() as u64;
        let changed =
            now.iter().filter(|(k, toy)| held.get(*k).is_some_and(|old| old != *toy)).count() as u64;
        let found = pull(&mut *store, "a", &lines).total();
        let expected = counts(held.len() as u64, now.len() as u64, added, removed, changed);
        assert_eq!(found, expected, "round {round}: {lines:#?}\n{held:#?}");
        let kept: Vec<String> =
            records(&*store, None).into_iter().filter(|(s, _)| s == "a").map(|(_, body)| body).collect();
        let mut bodies: Vec<String> = now.values().map(Toy::body).collect();
        bodies.sort();
        assert_eq!(kept, bodies, "round {round}");
        for key in 0..12 {
            let mut tied = vec![];
            store
                .tied(&[HOLDS], &[key], &mut |_, source, body| {
                    if source == "a" {
                        tied.push(body.to_owned());
                    }
                })
                .unwrap();
            let expected: Vec<String> = now.get(&format!("g{key}")).map(Toy::body).into_iter().collect();
            assert_eq!(tied, expected, "round {round}: found by its name");
        }
        held = now;
    }
}

/// Enough grants on a system that the next is neither the first nor the last.
fn some_on(store: &mut dyn Store, system: &str) {
    let many: Vec<Toy> = (0..4).map(|n| Toy::grant(&format!("{system} {n}"), 0, 900, system)).collect();
    pull(store, &format!("some on {system}"), &many);
    dirty(store);
}

pub fn names_of_what_changed_are_judged_again(home: &dyn Home) {
    let mut store = home.open();
    some_on(&mut *store, "vpn");
    let some = [Toy::grant("keep1", 0, 901, "vpn"), Toy::grant("keep2", 0, 901, "vpn")];
    let with = |more: &[Toy]| [&some[..], more].concat();
    pull(&mut *store, "a", &some);
    dirty(&mut *store);
    let asks = |says, who| Toy::new(T::Request, "r", says, &[(ASKS, who)]).naming(77);
    pull(&mut *store, "a", &with(&[Toy::grant("g", 0, 1, "vpn"), asks(0, 2)]));
    assert_eq!(dirty(&mut *store), [1, 2], "what is new; not those whom it only names");
    pull(&mut *store, "a", &with(&[Toy::grant("g", 0, 1, "vpn"), asks(0, 2)]));
    assert_eq!(dirty(&mut *store), [0; 0], "what did not change");
    pull(&mut *store, "a", &with(&[Toy::grant("g", 1, 1, "vpn"), asks(0, 3)]));
    assert_eq!(dirty(&mut *store), [1, 2, 3], "what changed: before and after");
    pull(&mut *store, "a", &some);
    assert_eq!(dirty(&mut *store), [1, 3], "what went");
    let used = [
        Toy::new(T::Usage, "u", 0, &[(HOLDS, 4)]),
        Toy::new(T::Certification, "c", 0, &[(HOLDS, 5), (TIE_NAMES, 6)]),
        Toy::new(T::Snapshot, "s", 0, &[(TIE_NAMES, 7)]),
    ];
    pull(&mut *store, "a", &with(&used));
    assert_eq!(dirty(&mut *store), [4, 5], "an end mark makes nobody judge again");
}

pub fn an_identity_that_changed_leads_to_those_who_name_it(home: &dyn Home) {
    let mut store = home.open();
    some_on(&mut *store, "vpn");
    let naming = |key: &str, holder, named| Toy::grant(key, 0, holder, "vpn").naming(named);
    let asks = Toy::new(T::Request, "r", 0, &[(ASKS, 22)]).naming(10);
    pull(
        &mut *store,
        "a",
        &[naming("g1", 20, 10), naming("g2", 21, 11), asks, Toy::grant("g3", 0, 23, "vpn")],
    );
    dirty(&mut *store);
    let person = |says, claims: &[i64]| [Toy::identity("p", says, claims)];
    pull(&mut *store, "people", &person(0, &[10]));
    assert_eq!(dirty(&mut *store), [10, 20, 22], "it is new");
    pull(&mut *store, "people", &person(1, &[10]));
    assert_eq!(dirty(&mut *store), [10, 20, 22], "it changed");
    pull(&mut *store, "people", &person(1, &[11]));
    assert_eq!(dirty(&mut *store), [10, 11, 20, 21, 22], "its name moved");
    pull(&mut *store, "people", &[]);
    assert_eq!(dirty(&mut *store), [11, 21], "it went");
    // A record of the catalogue that names it matters only where the name moves.
    pull(&mut *store, "catalogue", &[Toy::new(T::System, "vpn", 0, &[(TIE_NAMES, 10)])]);
    dirty(&mut *store);
    pull(&mut *store, "people", &person(0, &[10]));
    let all = dirty(&mut *store);
    assert!(all.contains(&23) && all.contains(&21), "{all:?}");
    pull(&mut *store, "people", &person(1, &[10]));
    assert_eq!(dirty(&mut *store), [10, 20, 22], "the same name, another word");
}

/// Everything is judged again, once.
fn leads_to_all(store: &mut dyn Store, what: &str) {
    let tokens = dirty(store);
    assert_eq!(tokens, [1, 2, 3, 4, 5, 6], "{what}");
}

pub fn what_belongs_to_all_leads_to_all(home: &dyn Home) {
    let mut store = home.open();
    let ties = [(TIE_CLAIMS, 1), (LINKS, 2)];
    let held: Vec<Toy> = (0..3).map(|n| Toy::grant(&format!("g{n}"), 0, 3, "vpn")).collect();
    pull(
        &mut *store,
        "a",
        &[
            &held[..],
            &[Toy::new(T::Identity, "p", 0, &ties), Toy::new(T::Request, "r", 0, &[(ASKS, 4)]).naming(99)],
        ]
        .concat(),
    );
    let kept = Batch {
        lives: vec![life("f", 5)],
        verdicts: vec![super::toy::verdict(1, 6, "vpn", counterfoil::model::finding::Standing::ALL[0])],
        ..Batch::default()
    };
    store.commit(kept).unwrap();
    dirty(&mut *store);
    store.mark_all().unwrap();
    leads_to_all(&mut *store, "asked for");
    for kind in [T::System, T::Workflow, T::Entitlement, T::Policy, T::Delegation] {
        for (says, what) in [(0, "new"), (1, "changed")] {
            pull(&mut *store, "c", &[Toy::new(kind, "one", says, &[])]);
            leads_to_all(&mut *store, &format!("{kind:?} {what}"));
        }
        pull(&mut *store, "c", &[Toy::new(kind, "one", 1, &[])]);
        assert_eq!(dirty(&mut *store), [0; 0], "{kind:?} the same");
        let mut shown = vec![];
        store.catalogue(&mut |source, body| shown.push((source.to_owned(), body.to_owned()))).unwrap();
        assert_eq!(shown, [("c".to_owned(), Toy::new(kind, "one", 1, &[]).body())]);
        pull(&mut *store, "c", &[]);
        leads_to_all(&mut *store, &format!("{kind:?} gone"));
    }
}

pub fn the_first_and_last_grant_on_a_system_lead_to_all(home: &dyn Home) {
    let mut store = home.open();
    some_on(&mut *store, "vpn");
    let on = |key: &str, says| Toy::grant(key, says, 1, "pg");
    pull(&mut *store, "a", &[on("1", 0)]);
    assert_eq!(dirty(&mut *store), [1, 900], "the first on a system");
    assert_eq!(store.systems_held().unwrap(), ["pg", "vpn"]);
    pull(&mut *store, "a", &[on("1", 1)]);
    assert_eq!(dirty(&mut *store), [1], "the only one changed, and the system is held as before");
    pull(&mut *store, "a", &[on("1", 1), on("2", 0)]);
    assert_eq!(dirty(&mut *store), [1]);
    pull(&mut *store, "a", &[on("2", 0)]);
    assert_eq!(dirty(&mut *store), [1]);
    pull(&mut *store, "a", &[]);
    assert_eq!(dirty(&mut *store), [1, 900], "the last on a system");
    assert_eq!(store.systems_held().unwrap(), ["vpn"]);
}

pub fn an_exception_leads_to_the_findings_of_its_check(home: &dyn Home) {
    let mut store = home.open();
    let of = |id: &str, home, check: &str| counterfoil::model::life::Life {
        check: check.to_owned(),
        ..life(id, home)
    };
    let lives = vec![of("f1", 1, "self-approval"), of("f2", 2, "unused-grant"), of("f3", 0, "self-approval")];
    store.commit(Batch { lives, ..Batch::default() }).unwrap();
    let exception =
        |check: &str, says| Toy { check: Some(check.to_owned()), ..Toy::new(T::Exception, "e", says, &[]) };
    pull(&mut *store, "a", &[exception("self-approval", 0)]);
    assert_eq!(dirty(&mut *store), [1], "findings about sources are judged in every run anyway");
    pull(&mut *store, "a", &[exception("unused-grant", 0)]);
    assert_eq!(dirty(&mut *store), [1, 2], "before and after");
    pull(&mut *store, "a", &[]);
    assert_eq!(dirty(&mut *store), [2]);
}

pub fn what_two_sources_say_of_one_thing_leads_to_both(home: &dyn Home) {
    let mut store = home.open();
    some_on(&mut *store, "vpn");
    let twins = |store: &dyn Store| {
        let mut found = vec![];
        store.twins(&mut |row, key| found.push((key, row))).unwrap();
        found.sort_unstable();
        found
    };
    let one = Toy::new(T::Identity, "p", 0, &[(TIE_CLAIMS, 1)]);
    let other = Toy::new(T::Identity, "p", 5, &[(TIE_CLAIMS, 2)]);
    pull(&mut *store, "a", std::slice::from_ref(&one));
    assert_eq!((dirty(&mut *store), twins(&*store)), (vec![1], vec![]));
    pull(&mut *store, "b", std::slice::from_ref(&other));
    assert_eq!(dirty(&mut *store), [1, 2]);
    let found = twins(&*store);
    assert!(matches!(found.as_slice(), [(k1, r1), (k2, r2)] if k1 == k2 && r1 != r2), "{found:?}");
    let rows: Vec<i64> = found.iter().map(|(_, row)| *row).collect();
    let mut shown = vec![];
    store
        .numbered(&rows, &mut |row, source, body| shown.push((row, source.to_owned(), body.to_owned())))
        .unwrap();
    shown.sort();
    let bodies: Vec<(&str, String)> = shown.iter().map(|(_, s, b)| (s.as_str(), b.clone())).collect();
    assert_eq!(bodies, [("a", one.body()), ("b", other.body())]);
    // A pull that changes nothing makes its source the later one: which of the two stands may change.
    pull(&mut *store, "a", std::slice::from_ref(&one));
    assert_eq!(dirty(&mut *store), [1, 2]);
    pull(&mut *store, "b", &[]);
    assert_eq!(dirty(&mut *store), [1, 2]);
    assert_eq!(twins(&*store).len(), 1, "what is said of a key that two had is one record now");
    // Grants: by system; and requests.
    let grant = |holder| Toy::grant("g", 0, holder, "vpn");
    let request = |who| Toy::new(T::Request, "r", 0, &[(ASKS, who)]);
    pull(&mut *store, "c", &[grant(3), request(4)]);
    dirty(&mut *store);
    pull(&mut *store, "d", &[grant(5), request(6)]);
    let tokens = dirty(&mut *store);
    assert!([3, 4, 5, 6].iter().all(|t| tokens.contains(t)), "{tokens:?}");
}

pub fn records_are_found_by_their_names(home: &dyn Home) {
    let mut store = home.open();
    let toy = Toy::new(T::Identity, "p", 0, &[(TIE_CLAIMS, 1), (LINKS, 1), (LINKS, 2)]).naming(3);
    pull(&mut *store, "a", &[toy.clone(), Toy::grant("g", 0, 1, "vpn")]);
    let tied = |ties: &[u8], tokens: &[i64]| {
        let mut found = vec![];
        store
            .tied(ties, tokens, &mut |_, source, body| {
                assert_eq!(source, "a");
                found.push(read(body).unwrap().kind);
            })
            .unwrap();
        found
    };
    assert_eq!(tied(&[TIE_CLAIMS], &[1, 2]), [T::Identity]);
    assert_eq!(tied(&[TIE_CLAIMS, LINKS], &[1]), [T::Identity, T::Identity], "once for each tie");
    assert_eq!(tied(&[HOLDS], &[1]), [T::Grant]);
    assert_eq!(tied(&[TIE_NAMES], &[3]), [T::Identity]);
    assert_eq!(tied(&[TIE_CLAIMS, LINKS, HOLDS], &[3, 4]), []);
}

pub fn a_source_that_is_let_go_leaves_its_history(home: &dyn Home) {
    let mut store = home.open();
    some_on(&mut *store, "vpn");
    pull(&mut *store, "a", &[Toy::grant("1", 0, 1, "pg"), Toy::new(T::Policy, "p", 0, &[])]);
    pull(&mut *store, "b", &[Toy::grant("2", 0, 2, "vpn")]);
    dirty(&mut *store);
    let before = records(&*store, None);
    let last = store.runs(1).unwrap()[0].id;
    let run = store.open_run(at(5)).unwrap();
    store.retire(run, "a", &read).unwrap();
    assert_eq!(records(&*store, Some(last)), before);
    let left: Vec<(String, String)> = before.iter().filter(|(s, _)| s != "a").cloned().collect();
    assert_eq!(records(&*store, None), left);
    assert_eq!(records(&*store, Some(run)), left);
    let tokens = dirty(&mut *store);
    assert!(tokens.contains(&2) && tokens.contains(&900), "{tokens:?}");
    assert_eq!(store.systems_held().unwrap(), ["vpn"]);
    let states = store.sources().unwrap();
    let state = states.iter().find(|s| s.id == "a").unwrap();
    assert_eq!((state.good_run, state.records), (None, 0));
    let back = pull(&mut *store, "a", &[Toy::grant("1", 0, 1, "pg")]);
    assert_eq!(back.total(), counts(0, 1, 1, 0, 0), "it comes back as a new one");
}

/// In one step: records without the time at which they were seen would mean nothing.
pub fn how_a_source_stands_is_remembered_with_its_records(home: &dyn Home) {
    let mut store = home.open();
    let mut ingest = |admit: Result<(), String>, records: u64| {
        let state = |difference: &Difference, sha256: &str| {
            Some(SourceState {
                id: "a".to_owned(),
                taken_at: Some(at(7)),
                records: difference.total().now + records,
                sha256: sha256.to_owned(),
                ..SourceState::default()
            })
        };
        let pull = Pull { run: 1, source: "a", reader: &read, settle: &|_, _| false, state: &state };
        let one = Toy::grant("1", records, 1, "vpn");
        store
            .ingest(&pull, &mut |keep| hand_over(std::slice::from_ref(&one), keep), &mut |_| admit.clone())
            .unwrap();
        store.sources().unwrap().into_iter().find(|s| s.id == "a")
    };
    assert_eq!(ingest(Err("no".to_owned()), 0), None, "held: nothing of it");
    let first = ingest(Ok(()), 0).unwrap();
    assert_eq!((first.records, first.taken_at, first.sha256.len()), (1, Some(at(7)), 64));
    assert_eq!(ingest(Err("no".to_owned()), 5), Some(first), "held: as it was");
    assert_eq!(ingest(Ok(()), 5).unwrap().records, 6);
}
