//! Shows that the random estates reach every check, every standing and both sides of the thresholds.

use std::collections::BTreeMap;

use super::people::CHECKS;
use super::values::{instant, written};
use super::{Outcome, estates, judge};

const SEEDS: u64 = 2_000;

#[test]
fn every_check_and_standing_happens_often() {
    let mut checks: BTreeMap<String, usize> = BTreeMap::new();
    let mut standings: BTreeMap<String, usize> = BTreeMap::new();
    let mut moved = [0usize; 2];
    for seed in 0..SEEDS {
        let (records, config, now) = estates::estate(seed);
        let outcome = judge(&records, &config, &now);
        for finding in &outcome.findings {
            *checks.entry(finding.check.clone()).or_default() += 1;
        }
        for verdict in &outcome.verdicts {
            *standings.entry(verdict.standing.clone()).or_default() += 1;
        }
        // Every fourth estate is also looked at a millisecond earlier and later.
        let steps: &[i64] = if seed % 4 == 0 { &[-1, 1] } else { &[] };
        for (count, step) in moved.iter_mut().zip(steps) {
            let other: Outcome = judge(&records, &config, &written(instant(&now) + step));
            *count += usize::from(other != outcome);
        }
    }
    let shown = format!("{checks:#?}\n{standings:#?}\nmoved by a millisecond: {moved:?}");
    for check in CHECKS {
        assert!(checks.get(check).is_some_and(|count| *count >= 60), "{check} is rare: {shown}");
    }
    assert_eq!(checks.len(), CHECKS.len(), "{shown}");
    let all = [
        "birthright",
        "revoked",
        "approved",
        "emergency",
        "expired",
        "pending",
        "denied",
        "exceeded",
        "unknown",
        "unapproved",
    ];
    for standing in all {
        assert!(standings.get(standing).is_some_and(|count| *count >= 60), "{standing} is rare: {shown}");
    }
    // One millisecond changes the outcome of many estates, so boundaries are where the instants are.
    assert!(moved.iter().all(|count| *count >= SEEDS as usize / 100), "{shown}");
}

#[test]
fn a_seed_makes_the_same_estate_twice() {
    for seed in 0..50 {
        assert_eq!(estates::estate(seed), estates::estate(seed));
    }
    assert_ne!(estates::estate(1), estates::estate(2));
}
