//! `recheck_at`: until that instant nothing that is said of the grant may change with no new record.

use std::collections::BTreeSet;

use serde_json::Value;

use super::estates::estate;
use super::product::{Answer, ask};
use super::values::{duration, instant, written};
use super::{Estate, Finding, GrantKey, Verdict};

/// Every instant and every length of time that is written anywhere in a record.
fn times_in(value: &Value, instants: &mut BTreeSet<i64>, spans: &mut BTreeSet<i64>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| times_in(value, instants, spans)),
        Value::Array(items) => items.iter().for_each(|value| times_in(value, instants, spans)),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => {
            instants.insert(instant(text));
        }
        Value::String(text) if text.starts_with('P') && text.parse::<jiff::Span>().is_ok() => {
            spans.insert(duration(text));
        }
        _ => {}
    }
}

const THRESHOLDS: [&str; 13] = [
    "expiry_grace",
    "grant_tolerance",
    "revocation_lag",
    "revocation_sla",
    "provisioning_window",
    "fulfilment_window",
    "unused_after",
    "unused_after_high_risk",
    "leaver_grace",
    "emergency_ratify_within",
    "agent_max_ttl",
    "agent_review_every",
    "source_max_age",
];

/// The instants after now at which something may change: a time of a record, plus a length a record names, plus a
/// threshold; each also one millisecond later, for what must be exceeded.
fn instants_that_matter(records: &[Value], config: &Value, now: i64) -> BTreeSet<i64> {
    let (mut instants, mut spans) = (BTreeSet::new(), BTreeSet::from([0]));
    records.iter().for_each(|record| times_in(record, &mut instants, &mut spans));
    let nothing: Vec<Value> = Vec::new();
    let estate = Estate::new(&nothing, config, now);
    let thresholds: Vec<i64> = THRESHOLDS.iter().map(|name| estate.threshold(name)).chain([0]).collect();
    let mut all = BTreeSet::new();
    for at in &instants {
        for span in &spans {
            for threshold in &thresholds {
                all.extend([at + span + threshold, at + span + threshold + 1]);
            }
        }
    }
    all.into_iter().filter(|at| *at > now).collect()
}

/// Everything that is said of one grant.
fn said_of<'a>(answer: &'a Answer, grant: &GrantKey) -> (Vec<&'a Finding>, Vec<&'a Verdict>) {
    (
        answer.outcome.findings.iter().filter(|finding| finding.grant.as_ref() == Some(grant)).collect(),
        answer.outcome.verdicts.iter().filter(|verdict| verdict.grant == *grant).collect(),
    )
}

#[test]
fn nothing_changes_before_its_recheck() {
    let mut changed_at_recheck = 0;
    let mut rechecks = 0;
    for seed in 5_000..5_080 {
        let (records, config, now_text) = estate(seed);
        let now = instant(&now_text);
        let first = ask(&records, &config, &now_text, 1).unwrap();
        let matter = instants_that_matter(&records, &config, now);
        // The nearest instants, and those around each recheck.
        let mut tried: BTreeSet<i64> = matter.iter().copied().take(15).collect();
        tried.extend(matter.iter().copied().step_by((matter.len() / 15).max(1)));
        tried.extend([now + 1, now + 400 * super::values::DAY]);
        for recheck in first.rechecks.values().flatten() {
            assert!(*recheck > now, "seed {seed}: a recheck that is not after now");
            assert!(matter.contains(recheck), "seed {seed}: nothing can change at {}", written(*recheck));
            tried.extend([recheck - 1, *recheck]);
        }
        for at in tried.into_iter().filter(|at| *at > now) {
            let later = ask(&records, &config, &written(at), 1).unwrap();
            for (grant, recheck) in &first.rechecks {
                let same = said_of(&first, grant) == said_of(&later, grant);
                if recheck.is_none_or(|recheck| at < recheck) {
                    assert!(
                        same,
                        "seed {seed}: from {now_text} to {}, before {:?}: {grant:?}\n{:#?}\n{:#?}",
                        written(at),
                        recheck.map(written),
                        said_of(&first, grant),
                        said_of(&later, grant),
                    );
                } else if *recheck == Some(at) {
                    rechecks += 1;
                    changed_at_recheck += usize::from(!same);
                }
            }
        }
    }
    // A recheck that comes too early is allowed, but it must not be the rule: it is what makes a later run cheap.
    assert!(rechecks > 100, "{rechecks}");
    assert!(changed_at_recheck * 3 > rechecks, "{changed_at_recheck} of {rechecks}");
}
