//! Two judges on the same estates: what differs, made small enough to read.

use std::fmt::{Debug, Write as _};

use serde_json::{Value, json};

use super::{Estate, Outcome, estates, judge};

/// A judge under comparison: records, configuration, `now`. `None` where it refuses the records.
pub type Judge<'a> = &'a dyn Fn(&[Value], &Value, &str) -> Option<Outcome>;

/// What one judge says and the other does not, line by line; `None` where they agree.
pub fn difference(reference: &Outcome, other: &Outcome) -> Option<String> {
    let mut text = String::new();
    only("reference", &reference.findings, &other.findings, &mut text);
    only("product  ", &other.findings, &reference.findings, &mut text);
    only("reference", &reference.verdicts, &other.verdicts, &mut text);
    only("product  ", &other.verdicts, &reference.verdicts, &mut text);
    (!text.is_empty()).then_some(text)
}

/// The items of `mine` that `theirs` lacks, counted: a finding told twice is not a finding told once.
fn only<T: PartialEq + Debug>(who: &str, mine: &[T], theirs: &[T], text: &mut String) {
    let count = |all: &[T], one: &T| all.iter().filter(|other| *other == one).count();
    for (at, one) in mine.iter().enumerate() {
        let seen_before = count(&mine[..at], one);
        if seen_before >= count(theirs, one) {
            writeln!(text, "  only {who}: {one:?}").unwrap();
        }
    }
}

/// Drops records, then fields, then configuration, as long as `fails` still holds.
pub fn shrink(
    records: &[Value],
    config: &Value,
    fails: &dyn Fn(&[Value], &Value) -> bool,
) -> (Vec<Value>, Value) {
    let mut records = records.to_vec();
    let mut config = config.clone();
    loop {
        let size = records.len() + records.iter().map(weight).sum::<usize>() + weight(&config);
        let mut at = 0;
        while at < records.len() {
            let without: Vec<Value> = [&records[..at], &records[at + 1..]].concat();
            if fails(&without, &config) {
                records = without;
            } else {
                at += 1;
            }
        }
        for at in 0..records.len() {
            let mut one = records[at].clone();
            thin(&mut one, &mut |smaller| {
                let mut changed = records.clone();
                changed[at] = smaller.clone();
                fails(&changed, &config)
            });
            records[at] = one;
        }
        let mut smaller = config.clone();
        thin(&mut smaller, &mut |smaller| fails(&records, smaller));
        config = smaller;
        if records.len() + records.iter().map(weight).sum::<usize>() + weight(&config) == size {
            return (records, config);
        }
    }
}

/// How many fields and items a value has, at every depth.
fn weight(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(|value| 1 + weight(value)).sum(),
        Value::Array(items) => items.iter().map(|value| 1 + weight(value)).sum(),
        _ => 0,
    }
}

/// Removes fields and items of `value`, one at a time and at every depth, while `still` holds of what is left.
fn thin(value: &mut Value, still: &mut dyn FnMut(&Value) -> bool) {
    let mut tried = 0;
    loop {
        let all = pointers(value, "");
        let Some(pointer) = all.get(tried) else { return };
        let mut smaller = value.clone();
        remove(&mut smaller, pointer);
        if still(&smaller) {
            *value = smaller;
        } else {
            tried += 1;
        }
    }
}

fn pointers(value: &Value, here: &str) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (format!("{here}/{name}"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (format!("{here}/{at}"), value)).collect()
        }
        _ => Vec::new(),
    };
    below
        .into_iter()
        .flat_map(|(path, value)| [vec![path.clone()], pointers(value, &path)].concat())
        .collect()
}

fn remove(value: &mut Value, pointer: &str) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(last)),
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        _ => unreachable!(),
    }
}

/// Compares over seeds; the text tells the first few disagreements, shrunk, with their seeds.
pub fn disagreements(seeds: impl Iterator<Item = u64>, other: Judge, most: usize) -> String {
    let mut text = String::new();
    let mut told = 0;
    for seed in seeds {
        let (records, config, now) = estates::estate(seed);
        let differs = |records: &[Value], config: &Value| {
            let readable =
                |record: &Value| counterfoil::model::parse_line(record.to_string().as_bytes()).is_ok();
            if !records.iter().all(readable) || Estate::of_twins(records) {
                return None;
            }
            let theirs = other(records, config, &now)?;
            difference(&judge(records, config, &now), &theirs)
        };
        let refused = other(&records, &config, &now).is_none();
        if !refused && differs(&records, &config).is_none() {
            continue;
        }
        writeln!(text, "seed {seed}, now {now}").unwrap();
        if refused {
            writeln!(text, "  the records were refused").unwrap();
        } else {
            // The estate is made smaller while the same kind of difference remains.
            let (small, config) =
                shrink(&records, &config, &|records, config| differs(records, config).is_some());
            small.iter().for_each(|record| writeln!(text, "    {record}").unwrap());
            writeln!(text, "    config {config}").unwrap();
            text += &differs(&small, &config).unwrap();
        }
        told += 1;
        if told == most {
            break;
        }
    }
    text
}

/// A comparison that cannot see a fault is worth nothing: faults are planted, and each must be seen and made small.
#[test]
fn planted_faults_are_seen_and_made_small() {
    let faults: [(&str, Judge); 3] = [
        ("a check that is never told", &|records, config, now| {
            let mut outcome = judge(records, config, now);
            outcome.findings.retain(|finding| finding.check != "insufficient-approvals");
            Some(outcome)
        }),
        ("an end that still counts at its own instant", &|records, config, now| {
            let later: Vec<Value> = records.to_vec().iter_mut().map(one_later).collect();
            Some(judge(&later, config, now))
        }),
        ("a finding told twice", &|records, config, now| {
            let mut outcome = judge(records, config, now);
            if let Some(last) = outcome.findings.last().cloned() {
                outcome.findings.push(last);
            }
            Some(outcome)
        }),
    ];
    for (name, fault) in faults {
        let text = disagreements(0..400, fault, 1);
        assert!(text.contains("only"), "{name} was not seen");
        let records = text.lines().filter(|line| line.starts_with("    {")).count();
        assert!(records <= 6, "{name} was not made small:\n{text}");
    }
}

fn one_later(record: &mut Value) -> Value {
    if let Some(end) =
        super::values::time(record, "expires_at").filter(|_| record["type"] == json!("request"))
    {
        record["expires_at"] = json!(super::values::written(end + 1));
    }
    record.clone()
}

#[test]
fn every_record_of_an_estate_can_be_read() {
    for seed in 0..300 {
        for record in estates::estate(seed).0 {
            if let Err(error) = counterfoil::model::parse_line(record.to_string().as_bytes()) {
                panic!("seed {seed}: {record}: {error:?}");
            }
        }
    }
}

#[test]
fn two_readings_that_agree_differ_in_nothing() {
    let same: Judge = &|records, config, now| Some(judge(records, config, now));
    assert_eq!(disagreements(0..20, same, 1), "");
}
