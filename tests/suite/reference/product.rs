//! The product's judge, asked through the library and answered in the form of the slow reading.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use counterfoil::controls::Controls;
use counterfoil::judge::{Builder, Estate, Judgement, Locator, Settings, World, checks, judge};
use counterfoil::model::{Instant, parse_line};
use counterfoil::report::{Lines, write_compact, write_line};
use serde_json::{Value, json};

use super::estate::{grant_key, request_key};
use super::estates::estate;
use super::properties::{assert_same, renamed};
use super::values::{flag, list, text, time};
use super::{Finding, GrantKey, Outcome, Verdict};

/// What the product says of an estate, and when it would look again at each grant.
pub struct Answer {
    pub outcome: Outcome,
    pub rechecks: BTreeMap<GrantKey, Option<i64>>,
}

/// The settings of a case; `None` where they are refused.
pub fn settings(config: &Value) -> Option<Settings> {
    let part = |name: &str, absent: Value| config.get(name).cloned().unwrap_or(absent);
    Some(Settings {
        checks: serde_json::from_value(part("checks", json!({}))).ok()?,
        birthrights: serde_json::from_value(part("birthright", json!([]))).ok()?,
        accountability: serde_json::from_value(part("accountability", json!({}))).ok()?,
    })
}

/// Judges with the product; `None` where a record or the configuration is refused.
pub fn ask(records: &[Value], config: &Value, now: &str, threads: usize) -> Option<Answer> {
    let lines: Vec<Vec<u8>> = records.iter().map(|record| record.to_string().into_bytes()).collect();
    let mut builder = Builder::default();
    for (at, line) in lines.iter().enumerate() {
        builder.add(parse_line(line).ok()?, Locator(at as u64), line);
    }
    let estate = builder
        .finish(&mut |places, show| {
            for place in places {
                show(*place, &lines[place.0 as usize]);
            }
            Ok(())
        })
        .unwrap();
    Some(answer(estate, &settings(config)?, Instant::parse(now).unwrap(), threads))
}

/// What the product says of an estate.
pub fn answer(estate: Estate, settings: &Settings, now: Instant, threads: usize) -> Answer {
    let world = World::new(estate, settings);
    let judgement = judge(&world, settings, now, threads, &|_| {});
    assert_written(&judgement);
    let printed: Vec<Value> =
        judgement.findings(&()).map(|finding| serde_json::to_value(finding).unwrap()).collect();
    assert_in_order(&printed);
    let mut outcome = Outcome { findings: printed.iter().map(finding).collect(), verdicts: Vec::new() };
    let mut rechecks = BTreeMap::new();
    for verdict in judgement.verdicts() {
        let printed = serde_json::to_value(verdict).unwrap();
        let said = read_verdict(&printed);
        rechecks.insert(said.grant.clone(), time(&printed, "recheck_at"));
        outcome.verdicts.push(said);
    }
    outcome.findings.sort();
    outcome.verdicts.sort();
    Answer { outcome, rechecks }
}

/// Holds what is told in one place of memory and written by hand against what the serializer makes of each finding
/// made alone.
fn assert_written(judgement: &Judgement<'_>) {
    static CONTROLS: LazyLock<Controls> = LazyLock::new(|| {
        let names: Vec<&str> = checks::all().map(|check| check.name).collect();
        Controls::embedded(&names).unwrap()
    });
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (mut lines, mut told, mut short, mut alone, mut short_alone) =
        (Lines::default(), vec![], vec![], vec![], vec![]);
    let all = 0..judgement.len() + 1;
    judgement.teller(&*CONTROLS).tell_all(all.clone(), |finding| lines.write(finding, &mut told));
    judgement.outliner().tell_all(all.clone(), |finding| write_compact(finding, &mut short));
    for finding in all.filter_map(|place| judgement.finding(place, &*CONTROLS)) {
        write_line(&finding, &mut alone).unwrap();
        write_compact(&finding, &mut short_alone);
    }
    assert_eq!(text(told), text(alone));
    assert_eq!(text(short), text(short_alone));
}

/// "Output order: by severity (critical first), check, system, account, entitlement, scope, request id."
fn assert_in_order(findings: &[Value]) {
    let place = |finding: &Value| {
        let severity =
            ["critical", "high", "medium", "low"].iter().position(|s| Some(*s) == text(finding, "severity"));
        let grant = finding.get("grant").cloned().unwrap_or_default();
        let of_grant =
            ["system", "account", "entitlement", "scope"].map(|name| text(&grant, name).map(str::to_string));
        let request = finding.get("request").and_then(|request| text(request, "id")).map(str::to_string);
        (severity, text(finding, "check").unwrap().to_string(), of_grant, request)
    };
    assert!(findings.is_sorted_by_key(place), "out of order: {findings:#?}");
}

fn owned(record: &Value, name: &str) -> Option<String> {
    text(record, name).map(str::to_string)
}

fn part<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    record.get(name).filter(|value| !value.is_null())
}

pub fn finding(printed: &Value) -> Finding {
    let request = part(printed, "request");
    let grant = part(printed, "grant");
    let mut accountable: Vec<_> = list(printed, "accountable")
        .into_iter()
        .map(|one| (owned(one, "role").unwrap(), owned(one, "identity"), flag(one, "primary")))
        .collect();
    accountable.sort();
    Finding {
        check: owned(printed, "check").unwrap(),
        severity: owned(printed, "severity").unwrap(),
        standing: owned(printed, "standing"),
        grant: grant.map(grant_key),
        request: request.map(request_key),
        alias: owned(printed, "alias"),
        source: owned(printed, "source"),
        item: part(printed, "item").map(|item| item.as_u64().unwrap() as usize),
        beneficiary: owned(printed, "beneficiary"),
        accountable,
        id: owned(printed, "id").unwrap(),
        times: [
            request.and_then(|request| time(request, "decided_at")),
            request.and_then(|request| time(request, "end")),
            grant.and_then(|grant| time(grant, "last_used_at")),
        ],
    }
}

fn read_verdict(printed: &Value) -> Verdict {
    Verdict {
        grant: grant_key(printed),
        subject: owned(printed, "subject").unwrap(),
        standing: owned(printed, "standing").unwrap(),
        verdict: owned(printed, "verdict").unwrap(),
        request: part(printed, "request").map(request_key),
    }
}

pub fn product(records: &[Value], config: &Value, now: &str) -> Option<Outcome> {
    ask(records, config, now, 1).map(|answer| answer.outcome)
}

/// Which estates to compare; set `COUNTERFOIL_SEEDS=FROM..TO` to look at others.
fn compare(usual: Range<u64>) {
    let seeds = match std::env::var("COUNTERFOIL_SEEDS") {
        Ok(given) => {
            let (from, to) = given.split_once("..").unwrap();
            let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
            // The quarters share the work.
            let quarter = usual.start / QUARTER;
            let part = (to - from).div_ceil(4);
            from + quarter * part..(from + (quarter + 1) * part).min(to)
        }
        Err(_) => usual,
    };
    let text = super::compare::disagreements(seeds, &product, 3);
    assert!(text.is_empty(), "{text}");
}

/// How many estates each of the four comparisons looks at.
const QUARTER: u64 = 750;

#[test]
fn the_product_reads_the_specification_as_the_slow_reading_does_1() {
    compare(0..QUARTER);
}

#[test]
fn the_product_reads_the_specification_as_the_slow_reading_does_2() {
    compare(QUARTER..2 * QUARTER);
}

#[test]
fn the_product_reads_the_specification_as_the_slow_reading_does_3() {
    compare(2 * QUARTER..3 * QUARTER);
}

#[test]
fn the_product_reads_the_specification_as_the_slow_reading_does_4() {
    compare(3 * QUARTER..4 * QUARTER);
}

#[test]
fn the_product_keeps_the_properties() {
    use super::properties::*;
    order_of_lines_changes_nothing(&product, 3_000..3_250);
    repeated_lines_change_nothing(&product, 3_250..3_600);
    strangers_change_nothing(&product, 3_600..3_900);
}

/// Many estates side by side, so that there is work for every thread.
#[test]
fn the_number_of_threads_changes_nothing() {
    let town: Vec<Value> = (3_900..4_300)
        .flat_map(|seed| estate(seed).0.into_iter().map(move |record| renamed(record, &format!("{seed} "))))
        .collect();
    let (_, config, now) = estate(3_900);
    let one = ask(&town, &config, &now, 1).unwrap();
    assert!(one.outcome.verdicts.len() > 1_000);
    for threads in [2, 3, 16] {
        let more = ask(&town, &config, &now, threads).unwrap();
        assert_same(3_900, &one.outcome, &more.outcome);
        assert_eq!(one.rechecks, more.rechecks, "{threads} threads");
    }
}
