//! The evidence pack: the same bytes whenever an instant is asked for, counts that add up, and forms that others accept.

mod forms;
mod simulate;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use counterfoil::audit::{
    Asked, Assessed, AuditError, BySeverity, Pack, Status, Tables, Top, gather, html, oscal,
};
use counterfoil::controls::Controls;
use counterfoil::engine::{Rules, Terms};
use counterfoil::evidence::seal;
use counterfoil::judge::checks;
use counterfoil::model::event::State;
use counterfoil::model::{Duration, Instant};
use counterfoil::store::{Accepted, Retention, Store};
use serde_json::{Value, json};

use crate::life::{ALICE, BOSS, Bench, How, grant, ticket, unguarded};
use crate::reference::estates::Dice;

/// Holds nothing, and so may accept anything.
const OPS: &str = "ops@corp.example";
const DAY: Duration = Duration::days(1);

/// Rules with every check and every framework, and nothing is held.
fn all_rules() -> Rules {
    let names: Vec<&str> = checks::all().map(|c| c.name).collect();
    let controls = Controls::embedded(&names).unwrap();
    let frameworks = controls.to_json();
    let mut all = Rules { frameworks, controls: Box::new(controls), ..unguarded(&names) };
    // What is read once a day is not old the next.
    all.settings.checks.thresholds.source_max_age = Duration::days(3);
    all
}

/// Terms of another day, which must not matter.
fn other_terms() -> Terms {
    Terms { version: "9.9.9".to_owned(), settings: unguarded(&[]).settings, frameworks: Value::Null }
}

fn asked(at: Option<Instant>) -> Asked {
    Asked { at, from: None, today: other_terms(), list: 1_000, threads: 2 }
}

/// A file in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The tables by name, and the pack.
fn tables(store: &dyn Store, asked: &Asked) -> (BTreeMap<String, String>, Pack) {
    let mut tables = Tables::begin(&mut |_| Ok(Kept::default())).unwrap();
    let pack = gather(store, asked, &mut tables).unwrap();
    let text = |kept: Kept| String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let files = tables.finish(&pack).unwrap();
    (files.into_iter().map(|(name, kept)| (name.to_owned(), text(kept))).collect(), pack)
}

/// Every form of a pack, as one text.
fn everything(store: &dyn Store, asked: &Asked) -> String {
    let (files, pack) = tables(store, asked);
    format!("{files:#?}\n{}\n{:#}", html(&pack), oscal(&pack))
}

fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// Ten days: access nobody approved, some that is approved, some that is taken away, an exception, and trouble.
fn history() -> (Bench, Vec<Instant>) {
    let mut bench = Bench::new(all_rules());
    let mut past = vec![];
    bench.put("tickets", ticket("SEC-1", "approved", &[ALICE]));
    for account in ["alice", "boss", "ghost", "late"] {
        bench.put("iam", grant(account));
    }
    for day in 0..10 {
        match day {
            2 => bench.drop("iam", "\"late\""),
            3 => {
                let id = open_of(&mut bench, "unapproved-grant").remove(0);
                let accepted = Accepted {
                    finding: id,
                    check: "unapproved-grant".to_owned(),
                    by: OPS.to_owned(),
                    reason: "quarter end".to_owned(),
                    until: bench.now.plus(Duration::days(4)),
                    at: bench.now,
                };
                bench.engine.store().accept(&accepted).unwrap();
            }
            5 => drop(bench.how.insert("tickets".to_owned(), How::Failed)),
            6 => bench.put("iam", grant("unseen")),
            8 => drop(bench.how.insert("tickets".to_owned(), How::Whole)),
            _ => {}
        }
        past.push(bench.now);
        bench.pull();
        checkpoint(&mut bench);
        bench.now = bench.now.plus(DAY);
    }
    (bench, past)
}

fn checkpoint(bench: &mut Bench) {
    let unsigned = |size, root| Ok((seal(size, root, None).unwrap().1, vec![]));
    bench.engine.store().checkpoint(bench.now, &mut { unsigned }).unwrap();
}

fn open_of(bench: &mut Bench, check: &str) -> Vec<String> {
    bench.lives(&[State::Open]).into_iter().filter(|l| l.check == check).map(|l| l.id).collect()
}

#[test]
fn an_instant_gives_the_same_bytes_whatever_happens_later() {
    let (mut bench, past) = history();
    let instants: Vec<Instant> = past.iter().flat_map(|t| [*t, t.plus(Duration::hours(5))]).collect();
    let from = past[3];
    let ask = |at: Instant| Asked { from: Some(from.min(at)), ..asked(Some(at)) };
    let store = bench.engine.store();
    let then: Vec<String> = instants.iter().map(|at| everything(store, &ask(*at))).collect();
    for (at, then) in instants.iter().zip(&then) {
        assert!(everything(store, &ask(*at)) == *then, "{at}: twice");
    }
    // Other rules, other records, nobody, and a source less.
    bench.engine.set_rules(unguarded(&["orphan-account"]));
    for source in ["iam", "tickets", "hr"] {
        bench.held.get_mut(source).unwrap().clear();
    }
    bench.pull();
    checkpoint(&mut bench);
    bench.now = bench.now.plus(DAY);
    bench.specs.retain(|s| s.id != "tickets");
    bench.run(&["iam"]);
    for (at, then) in instants.iter().zip(&then) {
        let now = everything(bench.engine.store(), &ask(*at));
        assert!(now == *then, "{at}: after later runs");
    }
    // What is older than the period is forgotten.
    bench.engine.store().prune(Retention { before: from }).unwrap();
    let store = bench.engine.store();
    for (at, then) in instants.iter().zip(&then).filter(|(at, _)| **at >= from) {
        let now = everything(store, &ask(*at));
        assert!(now == *then, "{at}: after forgetting what was before {from}");
    }
    let refused = gather(store, &asked(Some(past[1])), &mut ()).unwrap_err();
    assert!(
        refused.to_string().contains(&format!("the first instant that it knows is {}", past[2])),
        "{refused}"
    );
}

/// Whoever has the checkpoint that a pack names, from a receiver, can hold the log against the pack.
#[test]
fn a_pack_names_the_last_checkpoint_that_was_made_by_then() {
    let (mut bench, past) = history();
    let store = bench.engine.store();
    let mut named = vec![];
    for at in &past {
        let pack = gather(store, &asked(Some(at.plus(Duration::hours(1)))), &mut ()).unwrap();
        let named_here = pack.head.checkpoint.clone().unwrap();
        assert!(html(&pack).contains(&named_here.replace('+', "&#43;")) || html(&pack).contains(&named_here));
        assert!(oscal(&pack).to_string().contains(&named_here));
        named.push(named_here);
    }
    let last = store.last_checkpoint().unwrap().unwrap();
    assert_eq!(named.last().unwrap().replace(' ', "\n") + "\n", last);
    let sizes: Vec<u64> = named.iter().map(|n| n.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert!(sizes.is_sorted_by(|a, b| a < b), "{sizes:?}");
}

/// Forgetting leaves what a later instant rests on, also where that is the last word of a source that has long been silent.
#[test]
fn what_was_forgotten_is_refused_and_never_told_wrongly() {
    let mut bench = Bench::new(all_rules());
    bench.put("iam", grant("alice"));
    bench.how.insert("hr".to_owned(), How::Failed);
    let mut past = vec![];
    for day in 0..12 {
        past.push(bench.now);
        match day {
            0 => bench.run(&["iam", "tickets", "hr"]),
            1 => bench.run(&["hr"]),
            day if day % 3 == 0 => {
                bench.put("iam", grant(&format!("p{day}")));
                bench.run(&["iam"])
            }
            _ => bench.run(&["tickets"]),
        };
        bench.now = bench.now.plus(DAY);
    }
    for before in 1..11 {
        let from = past[before];
        let ask = |at: Instant| Asked { from: Some(from), ..asked(Some(at)) };
        let at: Vec<Instant> = past[before..].to_vec();
        let then: Vec<String> = at.iter().map(|at| everything(bench.engine.store(), &ask(*at))).collect();
        assert!(then[0].contains("no route to host"), "the trouble of a source that was last tried long ago");
        bench.engine.store().prune(Retention { before: from }).unwrap();
        let now: Vec<String> = at.iter().map(|at| everything(bench.engine.store(), &ask(*at))).collect();
        assert!(now == then, "forgetting what was before day {before}");
        // One instant earlier is either refused, or the last run that is kept whole.
        let earlier = from.minus(Duration::hours(1));
        assert!(gather(bench.engine.store(), &asked(Some(earlier)), &mut ()).is_ok());
        if before > 1 {
            let refused = gather(bench.engine.store(), &asked(Some(past[before - 2])), &mut ());
            assert!(matches!(refused, Err(AuditError::NotKnown(..))), "day {before}");
        }
    }
}

#[test]
fn before_the_first_run_nothing_is_known_and_that_is_said() {
    let mut empty = Bench::new(all_rules());
    let refused = gather(empty.engine.store(), &asked(None), &mut ()).unwrap_err().to_string();
    assert!(refused.contains("knows no run that ended"), "{refused}");
    let (mut bench, past) = history();
    let before = past[0].minus(Duration::hours(1));
    let refused = gather(bench.engine.store(), &asked(Some(before)), &mut ()).unwrap_err().to_string();
    let expected = format!(
        "what was known at {before} is not in the store; the first instant that it knows is {}",
        past[0]
    );
    assert_eq!(refused, expected);
}

#[test]
fn a_pack_tells_what_happened() {
    let (mut bench, past) = history();
    let store = bench.engine.store();
    // On the sixth day the tickets could not be read; `unseen` came on the seventh.
    let (files, pack) = tables(store, &asked(Some(past[6])));
    let tickets = pack.population.iter().find(|s| s.id == "tickets").unwrap();
    assert_eq!(
        (tickets.status, tickets.taken_at, tickets.tried_at),
        (Status::Failed, Some(past[4]), Some(past[6]))
    );
    let why = tickets.why.as_deref().unwrap_or_default();
    assert!(why.ends_with("no route to host") && tickets.missing.is_some(), "{why}");
    let unseen: Vec<_> =
        rows(&files["findings.csv"]).into_iter().filter(|r| r["account"] == "unseen").collect();
    assert!(
        unseen.iter().any(|r| r["note"] == "not told while a source was in doubt" && r["opened"].is_empty())
    );
    assert!(pack.findings.untold > 0 && pack.head.cautions.iter().any(|c| c.contains("1 of 3 sources")));
    let grants = rows(&files["grants.csv"]);
    let of = |account: &str| grants.iter().find(|r| r["account"] == account).unwrap();
    assert_eq!((of("alice")["verdict"].as_str(), of("alice")["request"].as_str()), ("justified", "SEC-1"));
    assert_eq!(
        (of("boss")["verdict"].as_str(), of("boss")["subject_kind"].as_str()),
        ("unjustified", "human")
    );
    assert!(grants.iter().all(|r| r["account"] != "late"), "it was taken away on the third day");

    // That it was taken away is shown by the pull of that day.
    let taken = &pack.revocations.listed[0];
    assert_eq!((taken.change.account.as_deref(), taken.change.at), (Some("late"), past[2]));
    assert_eq!((taken.seen_in[0].source.as_str(), taken.seen_in[0].taken_at), ("iam", Some(past[2])));
    let (_, then) = tables(store, &asked(Some(past[2])));
    let iam = then.population.iter().find(|s| s.id == "iam").unwrap();
    assert_eq!(Some(taken.seen_in[0].sha256.as_str()), iam.sha256.as_deref());

    // The exception, while it lasts.
    let (_, pack) = tables(store, &asked(Some(past[4])));
    let e = &pack.exceptions.listed[0];
    assert_eq!(
        (e.by.as_str(), e.reason.as_str(), e.findings, e.given),
        (OPS, "quarter end", 1, Some(past[3]))
    );
    assert_eq!(pack.findings.accepted.total(), 1);
    let (_, later) = tables(store, &asked(Some(past[9])));
    assert_eq!((later.exceptions.total(), later.findings.accepted.total()), (0, 0));
    assert!(later.changes_by_cause["exception-ended"] >= 1 && later.changes_by_cause["revoked"] >= 1);

    // Without an instant it is that of the last run, until the next.
    let (_, last) = tables(store, &asked(None));
    assert_eq!((last.head.as_of, last.head.run), (past[9], 10));
    assert_eq!(last.head.terms.as_deref().map(|t| &t[..3]), Some("t1:"), "its own terms, not those of today");
    assert!(last.population.iter().all(|s| s.status == Status::Complete));
}

#[test]
fn a_control_passes_only_where_all_could_be_seen() {
    let (mut bench, past) = history();
    let of = |pack: &Pack, id: &str| {
        let mut all = pack.frameworks.iter().flat_map(|f| &f.controls);
        all.find(|c| c.id == id).map(|c| (c.result, c.gaps.clone(), c.open)).unwrap()
    };
    let store = bench.engine.store();
    let (_, whole) = tables(store, &asked(Some(past[9])));
    let (_, doubtful) = tables(store, &asked(Some(past[6])));
    // Conflicting duties: nothing is found either day; only when the tickets were read does that say anything.
    assert_eq!(of(&whole, "A.5.3"), (Assessed::Pass, vec![], 0));
    let (result, gaps, _) = of(&doubtful, "A.5.3");
    assert_eq!(
        (result, gaps.as_slice()),
        (Assessed::NotAssessable, &["source tickets is failed".to_owned()][..])
    );
    let (result, _, open) = of(&doubtful, "A.5.16");
    assert!(result == Assessed::Fail && open > 0, "an orphan is an orphan");
    let none = whole.frameworks.iter().flat_map(|f| &f.controls).filter(|c| {
        c.gaps.iter().any(|g| g == "nothing is held by agent" || g == "nothing is held by service or agent")
    });
    assert!(none.count() > 0, "controls for agents say that there are none");
    // A check that is off shows nothing.
    let mut own = all_rules();
    let off = counterfoil::judge::CheckOverride { enabled: Some(false), severity: None };
    own.settings.checks.overrides.insert("self-approval".to_owned(), off);
    bench.engine.set_rules(own);
    bench.pull();
    let (_, pack) = tables(bench.engine.store(), &asked(None));
    let (result, gaps, _) = of(&pack, "A.5.3");
    assert_eq!((result, gaps), (Assessed::NotAssessable, vec!["check self-approval is off".to_owned()]));
}

fn sum(top: &Top<BySeverity>) -> u64 {
    top.listed.iter().map(|n| n.count.total()).sum::<u64>() + top.rest.total()
}

/// Random histories: each count of the open findings has the same sum, each row is counted, and what is told as open is open.
#[test]
fn counts_add_up() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let mut bench = Bench::new(all_rules());
        let accounts = ["alice", "boss", "ghost", "svc-a", "=cmd", "p1", "p2", "p3"];
        for day in 0..7 {
            for account in accounts {
                let holds = format!("\"account\":\"{account}\"");
                bench.drop("iam", &holds);
                if dice.percent(60) {
                    let mut own = grant(account);
                    own["system"] = json!(["aws", "vpn", "db"][dice.below(3)]);
                    bench.put("iam", own);
                }
            }
            if dice.percent(40) {
                bench.put(
                    "tickets",
                    ticket(&format!("SEC-{day}"), "approved", &[[ALICE, BOSS][dice.below(2)]]),
                );
            }
            for source in ["iam", "tickets", "hr"] {
                let how = if dice.percent(20) { How::Failed } else { How::Whole };
                bench.how.insert(source.to_owned(), how);
            }
            if dice.percent(30) {
                let open = bench.lives(&[State::Open]);
                if let Some(life) = open.first().cloned() {
                    let (until, at) = (bench.now.plus(Duration::days(2)), bench.now);
                    let (by, reason) = (OPS.to_owned(), "for now".to_owned());
                    let accepted = Accepted { finding: life.id, check: life.check, by, reason, until, at };
                    bench.engine.store().accept(&accepted).unwrap();
                }
            }
            bench.pull();
            let (files, pack) = tables(bench.engine.store(), &asked(None));
            let (open, counted) = (pack.findings.open.total(), &pack.findings);
            let place = format!("seed {seed}, day {day}");
            assert_eq!(
                counted.by_check.iter().map(|n| n.count.total()).sum::<u64>(),
                open,
                "{place}: by check"
            );
            assert_eq!(sum(&counted.by_system), open, "{place}: by system");
            assert_eq!(sum(&counted.by_person), open, "{place}: by person");
            assert_eq!(counted.by_age.iter().map(BySeverity::total).sum::<u64>(), open, "{place}: by age");
            let listed = rows(&files["findings.csv"]);
            let is_open = listed.iter().filter(|r| r["state"] == "open").count() as u64;
            assert_eq!(
                (is_open, listed.len() as u64),
                (open, open + counted.accepted.total()),
                "{place}: rows"
            );
            assert_eq!(pack.list.total(), listed.len() as u64, "{place}: the list");
            let mut ids: Vec<&String> = listed.iter().map(|r| &r["id"]).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), listed.len(), "{place}: each once");
            let grants = rows(&files["grants.csv"]);
            let c = &pack.coverage;
            let by_system: u64 = c.by_system.listed.iter().map(|n| n.count.total()).sum();
            assert_eq!(by_system + c.by_system.rest.total(), c.all.total(), "{place}: grants by system");
            assert_eq!(c.by_kind.values().map(|n| n.total()).sum::<u64>(), c.all.total(), "{place}: by kind");
            assert_eq!(c.by_standing.values().sum::<u64>(), c.all.total(), "{place}: by standing");
            assert_eq!(grants.len() as u64, c.all.total(), "{place}: rows of grants");
            // Before there is any grant there is nothing to count.
            let last = pack.coverage_over_time.last().map(|p| p.grants).unwrap_or_default();
            assert_eq!(last, c.all, "{place}: what the run counted is what is judged again");
            // What had been told by then is what the store holds as open and accepted.
            let told = pack.open_over_time.last().unwrap();
            assert_eq!(told.open.total(), bench_count(&mut bench, State::Open), "{place}: open lives");
            let with_life = listed.iter().filter(|r| !r["opened"].is_empty()).count() as u64;
            assert_eq!(with_life, told.open.total() + told.accepted, "{place}: all that was told is listed");
            assert_eq!(told.accepted, bench_count(&mut bench, State::Accepted), "{place}: accepted lives");
            bench.now = bench.now.plus(DAY);
        }
    }
}

fn bench_count(bench: &mut Bench, state: State) -> u64 {
    bench.lives(&[state]).len() as u64
}
