//! The life of a finding through the engine: pulls in, events out.

use counterfoil::model::event::{Event, State};
use counterfoil::model::finding::{Severity, Standing};
use counterfoil::model::{Duration, Instant};
use counterfoil::store::Accepted;
use serde_json::{Value, json};

use super::bench::{ALICE, BOSS, Bench, grant, rules, said, ticket, unguarded};

const UNAPPROVED: &str = "unapproved-grant";

/// Alice holds what nobody approved, and that has been told.
fn held() -> Bench {
    let mut bench = Bench::new(unguarded(&[UNAPPROVED]));
    bench.put("iam", grant("alice"));
    assert_eq!(said(&bench.pull()), ["create detected open unapproved-grant"]);
    bench
}

fn one(events: Vec<Event<'static>>) -> Event<'static> {
    assert_eq!(events.len(), 1, "{:?}", said(&events));
    events.into_iter().next().unwrap()
}

fn entitlement(risk: &str) -> Value {
    json!({"type": "entitlement", "source": "iam", "system": "aws", "id": "admin", "risk": risk})
}

fn exception(by: &str, reason: &str, until: Instant) -> Value {
    json!({"type": "exception", "check": UNAPPROVED, "system": "aws", "account": "alice", "entitlement": "admin",
        "accepted_by": by, "reason": reason, "expires_at": until.to_string()})
}

#[test]
fn a_finding_opens_and_says_all_that_is_known() {
    let mut bench = Bench::new(unguarded(&[UNAPPROVED]));
    bench.put("iam", grant("alice"));
    let event = one(bench.pull());
    assert_eq!((event.episode, event.seq, event.first_seen), (1, 1, bench.now));
    assert!(event.initial);
    assert_eq!(event.finding.severity, Severity::High);
    assert_eq!(bench.hour(), [], "and nothing more while nothing changes");
}

#[test]
fn severity_and_who_answers_are_told_and_the_last_use_is_not() {
    let mut bench = held();
    bench.change("iam", "grant", |g| g["last_used_at"] = json!("2026-06-01T12:30:00Z"));
    assert_eq!(bench.hour(), [], "the last use");
    bench.change("iam", "grant", |g| {
        g["evidence"] = json!({"source": "iam", "id": "x", "sha256": "0".repeat(64)})
    });
    assert_eq!(bench.hour(), [], "the evidence");
    let body = bench.life().body;
    assert!(body.contains("2026-06-01T12:30:00Z"), "but it is remembered: {body}");
    bench.put("iam", entitlement("high"));
    let event = one(bench.hour());
    assert_eq!(said(std::slice::from_ref(&event)), ["update changed open unapproved-grant"]);
    assert_eq!((event.finding.severity, event.seq), (Severity::Critical, 2));
    bench.put("iam", json!({"type": "system", "source": "iam", "id": "aws", "owner": BOSS}));
    let event = one(bench.hour());
    assert_eq!((event.seq, event.cause.as_str()), (3, "changed"));
    let primary: Vec<_> = event.finding.accountable.iter().filter(|a| a.primary).collect();
    assert!(primary.iter().any(|a| a.identity.as_deref() == Some(BOSS)), "{primary:?}");
}

#[test]
fn the_request_and_the_standing_are_told() {
    let mut bench = Bench::new(unguarded(&["departed-identity"]));
    bench.change("hr", ALICE, |a| {
        a["status"] = json!("departed");
        a["status_since"] = json!("2026-05-25T12:00:00Z");
    });
    bench.put("iam", grant("alice"));
    assert_eq!(one(bench.pull()).finding.standing, Some(Standing::Unapproved));
    bench.put("tickets", ticket("SEC-1", "pending", &[ALICE]));
    let event = one(bench.hour());
    assert_eq!(said(std::slice::from_ref(&event)), ["update changed open departed-identity"]);
    assert_eq!(event.finding.standing, Some(Standing::Pending));
    bench.change("tickets", "SEC-1", |t| *t = ticket("SEC-1", "approved", &[ALICE]));
    assert_eq!(one(bench.hour()).finding.standing, Some(Standing::Approved));
    bench.put("tickets", ticket("SEC-2", "approved", &[ALICE]));
    let event = one(bench.hour());
    assert_eq!(event.finding.request.unwrap().id, "SEC-2", "the greater id of two decided together");
}

#[test]
fn what_is_approved_now_is_resolved_by_the_second_run() {
    let mut bench = held();
    bench.put("tickets", ticket("SEC-1", "approved", &[ALICE]));
    assert_eq!(bench.hour(), []);
    assert_eq!(said(&bench.hour()), ["close approved resolved unapproved-grant"]);
    assert_eq!(bench.hour(), []);
}

#[test]
fn a_run_that_read_nothing_does_not_count() {
    let mut bench = held();
    bench.put("tickets", ticket("SEC-1", "approved", &[ALICE]));
    assert_eq!(bench.hour(), []);
    bench.now = bench.now.plus(Duration::minutes(1));
    bench.run(&[]);
    assert_eq!(bench.heard("siem"), []);
    assert_eq!(said(&bench.hour()), ["close approved resolved unapproved-grant"]);
}

#[test]
fn what_is_revoked_is_resolved_at_once_and_comes_back_as_the_next_episode() {
    let mut bench = held();
    let begun = bench.now;
    bench.drop("iam", "alice");
    assert_eq!(said(&bench.hour()), ["close revoked resolved unapproved-grant"]);
    bench.put("iam", grant("alice"));
    let event = one(bench.hour());
    assert_eq!(said(std::slice::from_ref(&event)), ["update reopened open unapproved-grant"]);
    assert_eq!((event.episode, event.seq, event.first_seen), (2, 3, begun));
    assert!(!event.initial);
}

#[test]
fn a_check_that_is_switched_off_resolves_what_it_found() {
    let mut bench = held();
    bench.engine.set_rules(rules(&[]));
    assert_eq!(said(&bench.hour()), ["close check-off resolved unapproved-grant"]);
    bench.engine.set_rules(rules(&[UNAPPROVED]));
    assert_eq!(said(&bench.hour()), ["update reopened open unapproved-grant"]);
}

#[test]
fn an_exception_accepts_for_a_time() {
    let mut bench = held();
    let until = bench.now.plus(Duration::hours(5));
    bench.put("tickets", exception(BOSS, "migration", until));
    let event = one(bench.hour());
    assert_eq!(said(std::slice::from_ref(&event)), ["update suppressed accepted unapproved-grant"]);
    assert_eq!(event.finding.exception.unwrap().expires_at, until);
    assert_eq!(bench.hour(), []);
    bench.now = until;
    bench.run(&[]);
    let event = one(bench.heard("siem"));
    assert_eq!(said(std::slice::from_ref(&event)), ["update exception-ended open unapproved-grant"]);
    assert_eq!(event.finding.exception, None);
}

#[test]
fn an_exception_that_a_person_gave_does_the_same() {
    let mut bench = held();
    let life = bench.life();
    let until = bench.now.plus(Duration::hours(5));
    let accepted = Accepted {
        finding: life.id,
        check: life.check,
        by: BOSS.to_owned(),
        reason: "migration".to_owned(),
        until,
        at: bench.now,
    };
    bench.engine.store().accept(&accepted).unwrap();
    bench.run(&[]);
    assert_eq!(said(&bench.heard("siem")), ["update suppressed accepted unapproved-grant"]);
    assert_eq!(bench.hour(), []);
    bench.now = until;
    bench.run(&[]);
    assert_eq!(said(&bench.heard("siem")), ["update exception-ended open unapproved-grant"]);
}

#[test]
fn not_everything_that_calls_itself_an_exception_is_one() {
    let end = |bench: &Bench| bench.now.plus(Duration::days(7));
    for (what, make) in [
        (
            "by the subject",
            (|b, end| exception(ALICE, "mine", end(b))) as fn(&Bench, fn(&Bench) -> Instant) -> Value,
        ),
        ("by the subject under another name", |b, end| exception(" ALICE ", "mine", end(b))),
        ("without a reason", |b, end| exception(BOSS, " ", end(b))),
        ("over", |b, _| exception(BOSS, "x", b.now)),
        ("for too long", |b, _| exception(BOSS, "x", b.now.plus(Duration::days(370)))),
        ("for another check", |b, end| {
            let mut e = exception(BOSS, "x", end(b));
            e["check"] = json!("pending-grant");
            e
        }),
        ("for another account", |b, end| {
            let mut e = exception(BOSS, "x", end(b));
            e["account"] = json!("bob");
            e
        }),
    ] {
        let mut bench = held();
        let record = make(&bench, end);
        bench.put("tickets", record);
        assert_eq!(bench.hour(), [], "{what}");
        assert_eq!(bench.life().state, State::Open, "{what}");
    }
}

#[test]
fn an_exception_that_reaches_too_far_holds_from_when_it_does_not() {
    let mut bench = held();
    bench.put("tickets", exception(BOSS, "x", bench.now.plus(Duration::days(370))));
    assert_eq!(bench.hour(), []);
    bench.now = bench.now.plus(Duration::days(6));
    assert_eq!(said(&bench.pull()), ["update suppressed accepted unapproved-grant"]);
}

#[test]
fn what_outgrows_its_exception_is_open_and_needs_another() {
    let mut bench = held();
    let until = bench.now.plus(Duration::days(7));
    bench.put("tickets", exception(BOSS, "migration", until));
    bench.hour();
    bench.put("iam", entitlement("high"));
    assert_eq!(said(&bench.hour()), ["update exception-outgrown open unapproved-grant"]);
    assert_eq!(bench.hour(), []);
    bench.change("iam", "grant", |g| g["last_used_at"] = json!("2026-06-01T12:30:00Z"));
    assert_eq!(bench.hour(), [], "looked at again, and the same exception does not accept it");
    bench.change("tickets", "migration", |e| e["reason"] = json!("seen, and still"));
    bench.now = bench.now.plus(Duration::days(2));
    assert_eq!(said(&bench.pull()), ["update suppressed accepted unapproved-grant"]);
}

#[test]
fn a_shorter_reach_of_exceptions_holds_from_the_next_run() {
    let mut bench = held();
    bench.put("tickets", exception(BOSS, "migration", bench.now.plus(Duration::days(30))));
    bench.hour();
    let mut shorter = rules(&[UNAPPROVED]);
    shorter.life.max_exception = Duration::days(7);
    bench.engine.set_rules(shorter);
    assert_eq!(said(&bench.hour()), ["update exception-ended open unapproved-grant"]);
}

#[test]
fn an_orphan_is_one_though_nobody_else_is_judged_with_it() {
    let mut bench = Bench::new(unguarded(&["orphan-account"]));
    bench.put("iam", grant("svc"));
    assert_eq!(said(&bench.pull()), ["create detected open orphan-account"]);
    for hour in 0..3 {
        bench.change("iam", "svc", |g| g["last_used_at"] = json!(format!("2026-06-01T0{hour}:00:00Z")));
        assert_eq!(bench.hour(), []);
    }
    bench.put("iam", grant("other"));
    assert_eq!(said(&bench.hour()), ["create detected open orphan-account"]);
    let people = std::mem::take(bench.held.get_mut("hr").unwrap());
    bench.hour();
    bench.hour();
    assert!(bench.lives(&[State::Open]).is_empty(), "with no directory every account would be one");
    *bench.held.get_mut("hr").unwrap() = people;
    assert_eq!(bench.hour().len(), 2);
}

/// Alice's grant goes and comes back until that is flapping.
fn flapping() -> Bench {
    let mut bench = held();
    bench.drop("iam", "alice");
    bench.hour();
    bench.put("iam", grant("alice"));
    assert_eq!(said(&bench.hour()), ["update reopened open unapproved-grant"]);
    bench.drop("iam", "alice");
    assert_eq!(said(&bench.hour()), ["update flapping open unapproved-grant"]);
    bench
}

#[test]
fn what_flaps_is_said_once_and_told_as_it_is_when_it_is_quiet() {
    let mut bench = flapping();
    for _ in 0..3 {
        bench.put("iam", grant("alice"));
        assert_eq!(bench.hour(), []);
        bench.drop("iam", "alice");
        assert_eq!(bench.hour(), []);
    }
    assert_eq!(bench.life().state, State::Open, "held open, though the grant is gone");
    for hour in 1..24 {
        assert_eq!(bench.hour(), [], "hour {hour}");
    }
    assert_eq!(said(&bench.hour()), ["close revoked resolved unapproved-grant"]);
    let life = bench.life();
    assert_eq!((life.quiet_at, life.episode, life.seq), (None, 2, 5));
}

#[test]
fn what_flaps_is_quiet_though_it_is_looked_at_every_hour() {
    let mut bench = flapping();
    for hour in 1..24 {
        bench.change("hr", ALICE, |a| a["name"] = json!(format!("Alice {hour}")));
        assert_eq!(bench.hour(), [], "hour {hour}");
    }
    bench.change("hr", ALICE, |a| a["name"] = json!("Alice"));
    assert_eq!(said(&bench.hour()), ["close revoked resolved unapproved-grant"]);
}

#[test]
fn what_flapped_and_stayed_is_open_and_needs_no_word() {
    let mut bench = flapping();
    bench.put("iam", grant("alice"));
    for _ in 0..50 {
        assert_eq!(bench.hour(), []);
    }
    assert_eq!(bench.life().state, State::Open);
    bench.drop("iam", "alice");
    assert_eq!(said(&bench.hour()), ["close revoked resolved unapproved-grant"], "and flaps no more");
}

#[test]
fn an_exception_for_what_flaps_holds_when_it_is_quiet() {
    let mut bench = flapping();
    bench.put("iam", grant("alice"));
    bench.put("tickets", exception(BOSS, "known", bench.now.plus(Duration::days(30))));
    for _ in 1..=24 {
        assert_eq!(bench.hour(), []);
    }
    assert_eq!(said(&bench.hour()), ["update suppressed accepted unapproved-grant"]);
}

#[test]
fn a_clock_that_ran_ahead_leaves_nothing_behind() {
    let mut bench = Bench::new(unguarded(&["approval-expired", UNAPPROVED]));
    let mut until = ticket("SEC-1", "approved", &[ALICE]);
    until["expires_at"] = json!("2026-07-01T12:00:00Z");
    bench.put("tickets", until);
    bench.put("iam", grant("alice"));
    assert_eq!(bench.pull(), []);
    let right = bench.now;
    bench.now = "2027-06-01T12:00:00Z".parse().unwrap();
    assert_eq!(said(&bench.pull()), ["create detected open approval-expired"]);
    bench.now = right.plus(Duration::hours(1));
    bench.pull();
    bench.hour();
    assert_eq!(
        bench.life().state,
        State::Resolved,
        "once the clock is right, the approval is in force again"
    );
}
