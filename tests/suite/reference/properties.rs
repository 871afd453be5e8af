//! What must hold of any judge, whatever it says: order, repetition and strangers change nothing.

use serde_json::{Value, json};

use super::compare::{Judge, difference};
use super::estates::{Dice, estate, estate_with_twins};
use super::values::text;
use super::{Outcome, judge};

/// The fields that hold a name of something in the estate.
const NAMES: [&str; 21] = [
    "id",
    "aliases",
    "account",
    "system",
    "systems",
    "entitlement",
    "owner",
    "manager",
    "requester",
    "beneficiaries",
    "approver",
    "on_behalf_of",
    "policy",
    "workflow",
    "granted_by",
    "ticket",
    "reviewer",
    "from",
    "to",
    "by",
    "source",
];

/// "The order of the lines […] never change[s] the result."
pub fn order_of_lines_changes_nothing(judge: Judge, seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let (records, config, now) = if seed % 3 == 0 { estate_with_twins(seed) } else { estate(seed) };
        let first = judge(&records, &config, &now).unwrap();
        let mut dice = Dice::new(seed ^ 0x5eed);
        for _ in 0..3 {
            let mut other = records.clone();
            dice.shuffle(&mut other);
            assert_same(seed, &first, &judge(&other, &config, &now).unwrap());
        }
    }
}

/// The same line twice is the same line once.
pub fn repeated_lines_change_nothing(judge: Judge, seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let (records, config, now) = estate(seed);
        let first = judge(&records, &config, &now).unwrap();
        let mut dice = Dice::new(seed ^ 0x5eed);
        let mut other = records.clone();
        for record in &records {
            if dice.percent(40) {
                let at = dice.below(other.len() + 1);
                other.insert(at, record.clone());
            }
        }
        assert_same(seed, &first, &judge(&other, &config, &now).unwrap());
    }
}

/// People, systems, grants and tickets that share no name with the estate change nothing that is said of it.
pub fn strangers_change_nothing(judge: Judge, seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let (records, config, now) = estate(seed);
        let has = |kind: &str| records.iter().any(|record| text(record, "type") == Some(kind));
        // Whether there is a directory, or a catalogue of policies, does matter; so do doubtful sources.
        let strangers: Vec<Value> = estate(seed + 1_000_000)
            .0
            .into_iter()
            .filter(|record| match text(record, "type").unwrap() {
                kind @ ("identity" | "policy") => has(kind),
                kind => kind != "snapshot",
            })
            .map(|record| renamed(record, MARK))
            .collect();
        let both = [records.clone(), strangers].concat();
        let first = judge(&records, &config, &now).unwrap();
        let mut second = judge(&both, &config, &now).unwrap();
        let strange = |name: &str| name.starts_with(MARK);
        second.findings.retain(|finding| {
            let names = [
                finding.grant.as_ref().map(|grant| &grant.system),
                finding.request.as_ref().filter(|_| finding.grant.is_none()).map(|(source, _)| source),
                finding.alias.as_ref(),
                finding.source.as_ref(),
            ];
            !names.into_iter().flatten().any(|name| strange(name))
        });
        second.verdicts.retain(|verdict| !strange(&verdict.grant.system));
        assert_same(seed, &first, &second);
    }
}

const MARK: &str = "stranger ";

/// The record with every name in it made another, so that it shares none with an estate without that mark.
pub fn renamed(mut record: Value, with: &str) -> Value {
    fn mark(value: &mut Value, with: &str) {
        match value {
            Value::String(name) => *name = format!("{with}{name}"),
            Value::Array(items) => items.iter_mut().for_each(|item| {
                if item.is_string() {
                    mark(item, with);
                } else {
                    *item = renamed(item.clone(), with);
                }
            }),
            _ => {}
        }
    }
    for (name, value) in record.as_object_mut().unwrap() {
        if NAMES.contains(&name.as_str())
            || value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
        {
            mark(value, with);
        }
    }
    record
}

pub fn assert_same(seed: u64, first: &Outcome, second: &Outcome) {
    if let Some(text) = difference(first, second) {
        panic!("seed {seed}: before (reference) and after (product):\n{text}");
    }
}

/// The slow reading has to keep the properties too.
#[test]
fn the_slow_reading_keeps_them() {
    let reading: Judge = &|records, config, now| Some(judge(records, config, now));
    order_of_lines_changes_nothing(reading, 0..100);
    repeated_lines_change_nothing(reading, 100..250);
    strangers_change_nothing(reading, 250..400);
}

#[test]
fn strangers_share_no_name() {
    let record =
        json!({"type": "grant", "system": "a", "path": [{"system": "b", "entitlement": "c"}], "scope": "d"});
    let marked = json!({"type": "grant", "system": "stranger a", "scope": "d",
        "path": [{"system": "stranger b", "entitlement": "stranger c"}]});
    assert_eq!(renamed(record, MARK), marked);
}
