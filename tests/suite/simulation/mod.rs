//! Seven days of a daemon in seconds: one seed makes a company that changes, sources that fail, receivers that are away,
//! a clock that is set and a program that is restarted; what must always hold is looked at after each step.
//!
//! `COUNTERFOIL_DAYS_SEEDS=FROM..TO` plays other weeks than the usual ones.

pub mod inbox;
mod ledger;
mod plan;
mod quiet;
mod week;
mod world;

use week::play;

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("COUNTERFOIL_DAYS_SEEDS") {
        Ok(given) => {
            let (from, to) = given.split_once("..").unwrap();
            from.parse().unwrap()..to.parse().unwrap()
        }
        Err(_) => 0..3,
    }
}

#[test]
fn seven_days() {
    let mut causes = std::collections::BTreeMap::<_, usize>::new();
    let (mut compared, mut frozen, mut copies, mut stopped, mut weeks) = (0, 0, 0, 0, 0);
    for seed in seeds() {
        let week = play(seed);
        week.causes.into_iter().for_each(|(cause, n)| *causes.entry(cause).or_default() += n);
        (compared, frozen) = (compared + week.compared, frozen + week.frozen);
        (copies, stopped, weeks) = (copies + week.copies, stopped + week.stopped, weeks + 1);
    }
    // Weeks in which nothing happens show nothing.
    for cause in ["detected", "changed", "reopened", "revoked", "approved", "suppressed", "exception-ended"] {
        assert!(weeks < 3 || causes.contains_key(cause), "{cause}: {causes:?}");
    }
    let counts = [compared, frozen, copies, stopped];
    assert!(
        counts.iter().zip([50, 1, 1, 1]).all(|(n, least)| *n >= least * weeks),
        "{counts:?} in {weeks} weeks"
    );
}

#[test]
fn the_same_seed_is_the_same_week() {
    let one = play(1_000);
    let other = play(1_000);
    assert!(one.transcript == other.transcript && one.events > 100, "{} events", one.events);
    assert_ne!(one.transcript, play(1_001).transcript);
}
