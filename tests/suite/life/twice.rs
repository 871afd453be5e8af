//! The same input twice writes nothing: after any history, a run that learns nothing tells nothing.

use counterfoil::alert::{guard, life};
use counterfoil::model::Duration;
use counterfoil::model::event::State;
use proptest::prelude::*;
use serde_json::json;

use super::bench::{ALICE, BOSS, Bench, How, grant, rules, said, ticket};

const SOURCES: [&str; 3] = ["hr", "tickets", "iam"];
const CHECKS: [&str; 6] = [
    "unapproved-grant",
    "source-incomplete",
    "departed-identity",
    "pending-grant",
    "approval-expired",
    "orphan-account",
];

/// One thing that happens.
#[derive(Debug, Clone)]
enum Turn {
    Grant(u8),
    Revoke(u8),
    Ticket(u8, bool),
    Untell(u8),
    Leave(bool),
    Except(u8, u8),
    How(u8, u8),
    Empty(u8),
    Wait(u32),
    Back(u32),
    Pull(u8),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Turn::Grant),
        2 => (0..4_u8).prop_map(Turn::Revoke),
        2 => (0..4_u8, any::<bool>()).prop_map(|(n, yes)| Turn::Ticket(n, yes)),
        1 => (0..4_u8).prop_map(Turn::Untell),
        1 => any::<bool>().prop_map(Turn::Leave),
        1 => (0..4_u8, 1..100_u8).prop_map(|(n, hours)| Turn::Except(n, hours)),
        1 => (0..3_u8, 0..5_u8).prop_map(|(source, how)| Turn::How(source, how)),
        1 => (0..3_u8).prop_map(Turn::Empty),
        2 => (1..90_000_u32).prop_map(Turn::Wait),
        1 => (1..90_000_u32).prop_map(Turn::Back),
        5 => (1..8_u8).prop_map(Turn::Pull),
    ]
}

fn account(n: u8) -> &'static str {
    ["alice", "boss", "carol", "dan"][usize::from(n)]
}

fn due(mask: u8) -> Vec<&'static str> {
    SOURCES.into_iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, s)| s).collect()
}

fn play(bench: &mut Bench, turn: Turn) {
    match turn {
        Turn::Grant(n) => {
            bench.drop("iam", account(n));
            bench.put("iam", grant(account(n)));
        }
        Turn::Revoke(n) => bench.drop("iam", account(n)),
        Turn::Ticket(n, approved) => {
            let id = format!("SEC-{n}");
            bench.drop("tickets", &id);
            let person = [ALICE, BOSS, "carol", "dan"][usize::from(n)];
            let mut ticket = ticket(&id, if approved { "approved" } else { "pending" }, &[person]);
            ticket["expires_at"] = json!(bench.now.plus(Duration::hours(20)).to_string());
            bench.put("tickets", ticket);
        }
        Turn::Untell(n) => bench.drop("tickets", &format!("SEC-{n}")),
        Turn::Leave(gone) => {
            let status = if gone { "departed" } else { "active" };
            bench.change("hr", ALICE, |a| a["status"] = json!(status));
        }
        Turn::Except(n, hours) => {
            let until = bench.now.plus(Duration::hours(hours.into())).to_string();
            let exception = json!({"type": "exception", "check": "unapproved-grant", "system": "aws",
                "account": account(n), "entitlement": "admin", "accepted_by": "ciso@corp.example", "reason": "known",
                "expires_at": until});
            bench.put("tickets", exception);
        }
        Turn::How(source, how) => {
            let how = [How::Whole, How::Cut, How::Partial, How::Unmarked, How::Failed][usize::from(how)];
            bench.how.insert(SOURCES[usize::from(source)].to_owned(), how);
        }
        Turn::Empty(source) if source > 0 => {
            bench.held.get_mut(SOURCES[usize::from(source)]).unwrap().clear()
        }
        Turn::Empty(_) => {}
        Turn::Wait(seconds) => bench.now = bench.now.plus(Duration::seconds(seconds.into())),
        Turn::Back(seconds) => bench.now = bench.now.minus(Duration::seconds(seconds.into())),
        Turn::Pull(mask) => drop(bench.run(&due(mask))),
    }
}

fn outbox(bench: &mut Bench) -> u64 {
    bench.engine.store().outbox().unwrap().iter().map(|q| q.waiting + q.dead).sum()
}

/// What is absent is absent once more after each run, until it is resolved: the one thing that a run which learns
/// nothing may still do.
fn counting(bench: &mut Bench) -> bool {
    bench.lives(&[State::Open, State::Accepted]).iter().any(|l| l.absent > 0)
}

/// How many histories; `COUNTERFOIL_HISTORIES_TWICE` says another number.
fn many() -> ProptestConfig {
    let cases = std::env::var("COUNTERFOIL_HISTORIES_TWICE").map_or(120, |n| n.parse().unwrap());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(many())]
    #[test]
    fn the_same_input_twice_writes_nothing(
        turns in prop::collection::vec(turn(), 1..30),
        resolve_after in 1..3_u32,
        wide in any::<bool>(),
    ) {
        let mut own = rules(&CHECKS);
        own.life = life::Rules { resolve_after, ..life::Rules::default() };
        own.guard = if wide { guard::Limits::default() } else { guard::Limits { records: 1, percent: 10 } };
        let mut bench = Bench::new(own);
        for turn in turns {
            play(&mut bench, turn);
        }
        bench.run(&SOURCES);
        if resolve_after > 1 {
            bench.run(&SOURCES);
        }
        let manifest = bench.run(&SOURCES);
        let told = said(&bench.heard("siem"));
        prop_assert!(manifest.event_count() == 0, "the same again: {:?}", told);
        let (before, frozen) = (outbox(&mut bench), manifest.frozen);
        bench.now = bench.now.plus(Duration::seconds(1));
        let manifest = bench.run(&[]);
        // Something may be due in just this second; then it is told, once.
        if manifest.event_count() > 0 {
            let manifest = bench.run(&[]);
            prop_assert_eq!(manifest.event_count(), 0);
        } else {
            prop_assert_eq!(outbox(&mut bench), before, "a second later");
        }
        let flapping = bench.lives(&[State::Open]).iter().any(|l| l.quiet_at.is_some());
        prop_assert!(flapping || frozen > 0 || !counting(&mut bench), "nothing is left half done");
    }
}
