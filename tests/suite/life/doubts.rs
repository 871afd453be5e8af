//! Sources that cannot be believed: what rests on them keeps still in both directions, and one finding says so.

use counterfoil::engine::PullOutcome;
use counterfoil::model::Duration;
use counterfoil::model::event::{Event, State};
use counterfoil::model::finding::Severity;
use counterfoil::model::life::Trouble;
use serde_json::json;

use super::bench::{ALICE, Bench, How, grant, rules, said, ticket};

const UNAPPROVED: &str = "unapproved-grant";
const SOURCE: &str = "source-incomplete";

/// Twenty accounts whose access one ticket approves, and Alice, whom none does.
fn company() -> Bench {
    let mut bench = Bench::new(rules(&[UNAPPROVED, SOURCE]));
    for n in 0..20 {
        let person = format!("p{n}@corp.example");
        bench.put("hr", json!({"type": "identity", "id": person, "aliases": [format!("p{n}")]}));
        bench.put("iam", grant(&format!("p{n}")));
        bench.put("tickets", ticket(&format!("SEC-{n}"), "approved", &[&person]));
    }
    bench.put("iam", grant("alice"));
    assert_eq!(said(&bench.pull()), ["create detected open unapproved-grant"]);
    bench
}

fn source_finding(events: &[Event<'_>], what: &str, source: &str) -> Severity {
    assert_eq!(said(events), [format!("{what} source-incomplete")]);
    assert_eq!(events[0].finding.source.as_deref(), Some(source));
    events[0].finding.severity
}

/// Empties a source, and gives what it held.
fn empty(bench: &mut Bench, source: &str) -> Vec<serde_json::Value> {
    std::mem::take(bench.held.get_mut(source).unwrap())
}

fn approve(bench: &mut Bench, source: &str) -> u64 {
    let mut states = bench.engine.store().sources().unwrap();
    let state = states.iter_mut().find(|s| s.id == source).unwrap();
    let Some(Trouble::Held { now, run, .. }) = state.trouble else { panic!("{state:?} is not held") };
    state.approved = Some(now);
    bench.engine.store().save_source(state).unwrap();
    run
}

#[test]
fn an_empty_pull_of_any_source_changes_nothing_and_is_said_once() {
    for source in ["hr", "tickets", "iam"] {
        let mut bench = company();
        let held = empty(&mut bench, source);
        let severity = source_finding(&bench.hour(), "create detected open", source);
        assert_eq!(severity, Severity::Critical, "{source}: it is held");
        for _ in 0..5 {
            assert_eq!(bench.hour(), [], "{source}");
        }
        *bench.held.get_mut(source).unwrap() = held;
        assert_eq!(bench.hour(), [], "{source}: absent once");
        source_finding(&bench.hour(), "close source-changed resolved", source);
        assert_eq!(bench.lives(&[State::Open]).len(), 1, "{source}: Alice, as before");
    }
}

#[test]
fn what_is_held_names_one_run_for_as_long_as_pulls_are_like_it() {
    let mut bench = company();
    empty(&mut bench, "iam");
    let events = bench.hour();
    let first = approve(&mut bench, "iam");
    let told = serde_json::to_string(&events[0].finding).unwrap();
    assert!(told.contains(&format!("approve --run {first}")), "{told}");
    let mut states = bench.engine.store().sources().unwrap();
    let state = states.iter_mut().find(|s| s.id == "iam").unwrap();
    state.approved = None;
    bench.engine.store().save_source(state).unwrap();
    bench.hour();
    assert_eq!(approve(&mut bench, "iam"), first, "the one that people were told to approve");
}

#[test]
fn an_approved_change_passes_in_either_direction() {
    let mut bench = company();
    empty(&mut bench, "iam");
    bench.hour();
    approve(&mut bench, "iam");
    assert_eq!(said(&bench.hour()), ["close revoked resolved unapproved-grant"]);
    source_finding(&bench.hour(), "close source-changed resolved", "iam");

    let mut bench = company();
    empty(&mut bench, "tickets");
    bench.hour();
    approve(&mut bench, "tickets");
    let events = bench.hour();
    assert_eq!(events.len(), 20, "now everybody is accused: {:?}", said(&events));
    for n in 0..30 {
        bench.put("tickets", ticket(&format!("NEW-{n}"), "approved", &[ALICE]));
    }
    bench.hour();
    approve(&mut bench, "tickets");
    bench.hour();
    assert!(said(&bench.hour()).contains(&"close approved resolved unapproved-grant".to_owned()));
}

#[test]
fn another_change_than_the_approved_one_is_held_again() {
    let mut bench = company();
    let held = empty(&mut bench, "tickets");
    bench.hour();
    approve(&mut bench, "tickets");
    for n in 0..60 {
        bench.put("tickets", ticket(&format!("NEW-{n}"), "approved", &[ALICE]));
    }
    assert_eq!(bench.hour(), [], "sixty new ones are not what was looked at");
    *bench.held.get_mut("tickets").unwrap() = held;
    assert_eq!(bench.hour(), []);
}

#[test]
fn a_pull_that_is_not_whole_is_left_aside() {
    for source in ["hr", "tickets", "iam"] {
        for how in [How::Cut, How::Partial, How::Unmarked, How::Failed] {
            let mut bench = company();
            bench.how.insert(source.to_owned(), how);
            // What really changes meanwhile, in either direction, is told afterwards.
            bench.put("iam", grant("boss"));
            bench.drop("iam", "alice");
            let events: Vec<_> = bench.hour().into_iter().filter(|e| e.finding.check == SOURCE).collect();
            let severity = source_finding(&events, "create detected open", source);
            assert_eq!(severity, Severity::High, "{source} {how:?}");
            for _ in 0..3 {
                assert_eq!(bench.hour(), [], "{source} {how:?}");
            }
            if source == "iam" {
                assert_eq!(bench.lives(&[State::Open]).len(), 2, "Alice and the source: {how:?}");
            }
            bench.how.insert(source.to_owned(), How::Whole);
            bench.hour();
            bench.hour();
            let open = bench.lives(&[State::Open]);
            assert!(
                open.len() == 1 && open[0].body.contains("boss"),
                "{source} {how:?}: {:?}",
                open.iter().map(|l| &l.body).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_stale_source_freezes_in_both_directions() {
    let mut bench = company();
    bench.put("iam", grant("boss"));
    bench.drop("iam", "alice");
    bench.now = bench.now.plus(Duration::days(1));
    bench.run(&["hr", "iam"]);
    let events = bench.heard("siem");
    source_finding(&events, "create detected open", "tickets");
    bench.now = bench.now.plus(Duration::hours(1));
    bench.run(&["hr", "iam"]);
    assert_eq!(bench.heard("siem"), []);
    let events = bench.hour();
    let mut said = said(&events);
    said.sort();
    assert_eq!(said, ["close revoked resolved unapproved-grant", "create detected open unapproved-grant"]);
}

#[test]
fn only_what_rests_on_the_source_keeps_still() {
    let mut own = rules(&[UNAPPROVED, SOURCE, "departed-identity"]);
    own.settings.checks.thresholds.leaver_grace = Duration::hours(0);
    let mut bench = Bench::new(own);
    bench.put("iam", grant("alice"));
    bench.put("tickets", ticket("SEC-1", "approved", &[ALICE]));
    assert_eq!(bench.pull(), []);
    bench.how.insert("tickets".to_owned(), How::Failed);
    bench.change("hr", ALICE, |a| a["status"] = json!("departed"));
    let mut said = said(&bench.hour());
    said.sort();
    assert_eq!(said, ["create detected open departed-identity", "create detected open source-incomplete"]);
}

#[test]
fn the_first_pull_of_a_source_has_nothing_to_be_compared_with() {
    let mut bench = Bench::new(rules(&[UNAPPROVED]));
    for n in 0..50 {
        bench.put("iam", grant(&format!("p{n}")));
    }
    let manifest = bench.run(&["hr", "tickets", "iam"]);
    assert!(manifest.sources.iter().all(|s| matches!(s.outcome, PullOutcome::Taken { .. })), "{manifest:?}");
    assert_eq!(bench.heard("siem").len(), 50);
}

#[test]
fn a_source_that_fails_on_the_very_first_run_accuses_nobody() {
    for how in [How::Failed, How::Cut, How::Unmarked] {
        let mut bench = Bench::new(rules(&[UNAPPROVED, SOURCE]));
        bench.put("iam", grant("alice"));
        bench.put("tickets", ticket("SEC-1", "approved", &[ALICE]));
        bench.how.insert("tickets".to_owned(), how);
        source_finding(&bench.pull(), "create detected open", "tickets");
        assert_eq!(bench.hour(), [], "{how:?}");
        bench.how.insert("tickets".to_owned(), How::Whole);
        assert_eq!(bench.hour(), [], "{how:?}");
        source_finding(&bench.hour(), "close source-changed resolved", "tickets");
    }
}

#[test]
fn a_source_that_was_never_whole_shows_what_it_shows() {
    let mut bench = Bench::new(rules(&[UNAPPROVED, SOURCE]));
    for n in 0..6 {
        bench.put("iam", grant(&format!("p{n}")));
    }
    bench.how.insert("iam".to_owned(), How::Partial);
    let mut first = said(&bench.pull());
    first.sort();
    assert_eq!(first.len(), 4, "the three it shows, and that it is not whole: {first:?}");
    bench.drop("iam", "p0");
    assert_eq!(bench.hour(), [], "what it lacks now may be what it does not show");
}

#[test]
fn a_source_that_is_no_longer_configured_revokes_nothing() {
    let mut bench = company();
    bench.specs.retain(|s| s.id != "iam");
    assert_eq!(said(&bench.hour()), ["close source-changed resolved unapproved-grant"]);
    assert_eq!(bench.hour(), []);
    let state = bench.engine.store().sources().unwrap().into_iter().find(|s| s.id == "iam").unwrap();
    assert_eq!((state.good_run, state.trouble), (None, None));
}
