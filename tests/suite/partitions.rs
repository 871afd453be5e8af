//! Partitions: however records are cut, what the partitions say together is what one run says, byte for byte.

pub mod filter;
mod slices;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use counterfoil::controls::Controls;
use counterfoil::intake::partition::{Partition, PartitionError};
use counterfoil::intake::rows::{FORMAT, Judge, Tally};
use counterfoil::intake::shard::{Cut, Sharded, shard};
use counterfoil::intake::{self, Source};
use counterfoil::judge::{Judgement, Settings, World, checks, judge};
use counterfoil::model::Instant;
use counterfoil::report::{Lines, order_of_finding, order_of_verdict, write_compact};
use serde_json::Value;

use crate::reference::estates::{Dice, estate, estate_with_twins};
use crate::reference::product::settings;

/// Findings in full, findings in short, verdicts.
type Told = [Vec<Vec<u8>>; 3];

static CONTROLS: LazyLock<Controls> = LazyLock::new(|| {
    let names: Vec<&str> = checks::all().map(|check| check.name).collect();
    Controls::embedded(&names).unwrap()
});

/// All that a judgement says, a line each; behind its place among all, where that is asked for.
fn told(judgement: &Judgement<'_>, placed: bool) -> Told {
    let [mut full, mut short, mut verdicts] = Told::default();
    let mut lines = Lines::default();
    let all = 0..judgement.len();
    judgement.teller(&*CONTROLS).tell_all(all.clone(), |f| {
        let mut line = vec![];
        if placed {
            order_of_finding(f, &mut line);
            line.push(b'\t');
        }
        lines.write(f, &mut line);
        full.push(line);
    });
    judgement.outliner().tell_all(all, |f| {
        let mut line = vec![];
        if placed {
            order_of_finding(f, &mut line);
            line.push(b'\t');
        }
        write_compact(f, &mut line);
        short.push(line);
    });
    for verdict in judgement.verdicts() {
        let mut line = vec![];
        if placed {
            order_of_verdict(&verdict, &mut line);
            line.push(b'\t');
        }
        serde_json::to_writer(&mut line, &verdict).unwrap();
        line.push(b'\n');
        verdicts.push(line);
    }
    [full, short, verdicts]
}

/// What one run says.
fn whole(text: &str, settings: &Settings, now: Instant) -> Told {
    let taken = intake::read_text("records", text, 1, now).unwrap();
    let world = World::new(taken.estate, settings);
    told(&judge(&world, settings, now, 1, &|_| {}), false)
}

fn cut(text: &str, threads: usize, now: Instant) -> (Vec<String>, Sharded) {
    let judge = Judge { format: FORMAT.to_owned(), program: "p".to_owned(), settings: "s".to_owned(), now };
    let source = Source::Text { name: "records".to_owned(), text: text.as_bytes().to_vec() };
    let mut out = vec![];
    let how = Cut { judge, threads, rejects: None, progress: &|_| {} };
    let sharded = shard(&[source], how, &mut out).unwrap().unwrap();
    (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), sharded)
}

/// The rows of each partition, sorted; `assign` says to which a home goes.
fn partitions(rows: &[String], assign: &mut dyn FnMut(&str) -> usize) -> Vec<Vec<String>> {
    let mut where_to: BTreeMap<&str, usize> = BTreeMap::new();
    let mut parts: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for row in rows {
        let home = row.split('\t').next().unwrap();
        if home != "*" {
            let part = *where_to.entry(home).or_insert_with(|| assign(home));
            parts.entry(part).or_default().push(row.clone());
        }
    }
    let shared = rows.iter().filter(|row| row.starts_with("*\t"));
    let mut parts: Vec<Vec<String>> = parts.into_values().collect();
    for part in &mut parts {
        part.extend(shared.clone().cloned());
        part.sort_unstable();
    }
    parts
}

/// What one partition says, and what it counted.
fn judged(rows: &[String], batch: usize, settings: &Settings) -> Result<(Told, Tally), PartitionError> {
    let text: String = rows.iter().flat_map(|row| [row.as_str(), "\n"]).collect();
    let mut partition = Partition::open(text.as_bytes(), batch)?;
    let now = partition.judge().now;
    let mut all = Told::default();
    while let Some(b) = partition.next_batch()? {
        let world = World::new(b.estate, settings);
        let mut judgement = judge(&world, settings, now, 1, &|_| {});
        judgement.stay_home(&b.homes).unwrap();
        for (all, more) in all.iter_mut().zip(told(&judgement, true)) {
            all.extend(more);
        }
    }
    Ok((all, partition.tally().clone()))
}

/// What all partitions say, in the final order.
fn together(parts: &[Vec<String>], batch: usize, settings: &Settings) -> (Told, Tally) {
    let (mut all, mut sum) = (Told::default(), Tally::default());
    for part in parts {
        let (told, tally) = judged(part, batch, settings).unwrap();
        for (all, more) in all.iter_mut().zip(told) {
            all.extend(more);
        }
        sum.merge(&tally);
    }
    for lines in &mut all {
        lines.sort_unstable();
        for line in lines {
            let place = line.iter().position(|b| *b == b'\t').unwrap();
            line.drain(..=place);
        }
    }
    (all, sum)
}

fn lines_of(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn assert_alike(seed: u64, how: &str, found: &Told, expected: &Told) {
    for ((what, found), expected) in ["jsonl", "compact", "verdicts"].iter().zip(found).zip(expected) {
        let text = |lines: &[Vec<u8>]| String::from_utf8(lines.concat()).unwrap();
        let (found, expected) = (text(found), text(expected));
        if found != expected {
            let only = |a: &str, b: &str| -> String {
                a.lines().filter(|l| !b.contains(l)).map(|l| format!("  {l}\n")).collect()
            };
            panic!(
                "seed {seed}, {how}, {what}: only partitions\n{}only whole\n{}",
                only(&found, &expected),
                only(&expected, &found)
            );
        }
    }
}

/// Cuts an estate in every way, and holds what comes out against one run.
fn compare(seed: u64, records: &[Value], config: &Value, now: &str) -> usize {
    let (settings, now) = (settings(config).unwrap(), Instant::parse(now).unwrap());
    let text = lines_of(records);
    let expected = whole(&text, &settings, now);
    let mut dice = Dice::new(seed ^ 0x5eed);
    let (rows, sharded) = cut(&text, 1 + seed as usize % 3, now);
    let (mut again, _) = cut(&text, 4, now);
    let mut rows_again = rows.clone();
    again.sort_unstable();
    rows_again.sort_unstable();
    assert_eq!(rows_again, again, "the number of threads");
    let n = 1 + dice.below(7);
    let mut next = 0;
    let ways: [(&str, Vec<Vec<String>>); 3] = [
        ("at random", partitions(&rows, &mut |_| dice.below(n))),
        ("all in one", partitions(&rows, &mut |_| 0)),
        (
            "each alone",
            partitions(&rows, &mut |_| {
                next += 1;
                next
            }),
        ),
    ];
    for (how, parts) in ways {
        for batch in [usize::MAX, 0] {
            let (told, tally) = together(&parts, batch, &settings);
            assert_alike(seed, how, &told, &expected);
            assert_eq!(tally, sharded.tally, "seed {seed}, {how}: the gate");
        }
    }
    n
}

#[test]
fn any_partitions_say_together_what_one_run_says() {
    let mut many = 0;
    for seed in 50_000..50_400 {
        let (records, config, now) = estate(seed);
        many += usize::from(compare(seed, &records, &config, &now) > 1);
    }
    for seed in 50_400..50_450 {
        let (records, config, now) = estate_with_twins(seed);
        compare(seed, &records, &config, &now);
    }
    assert!(many > 200);
}

/// A small estate in which one request is for two, and an account belongs to nobody.
fn small() -> (Vec<String>, Sharded, Settings) {
    let text = r#"{"type":"identity","id":"a"}
{"type":"identity","id":"b"}
{"type":"system","id":"s"}
{"type":"grant","system":"s","account":"a","entitlement":"e"}
{"type":"grant","system":"s","account":"b","entitlement":"e"}
{"type":"grant","system":"s","account":"c","entitlement":"e"}
{"type":"request","source":"j","id":"1","state":"approved","beneficiaries":["a","b"],"access":[{"system":"s","entitlement":"e"}]}
"#;
    let now = Instant::parse("2026-06-01T00:00:00Z").unwrap();
    let (mut rows, sharded) = cut(text, 1, now);
    rows.sort_unstable();
    (rows, sharded, Settings::default())
}

#[test]
fn rows_that_are_lost_doubled_or_out_of_order_are_refused_or_caught_by_the_gate() {
    let (rows, sharded, settings) = small();
    let error = |rows: &[String]| judged(rows, usize::MAX, &settings).unwrap_err().to_string();
    let (_, tally) = judged(&rows, 0, &settings).unwrap();
    assert_eq!((tally.homes, tally.requests, tally.grants), (4, 2, 3));
    assert_eq!(tally, sharded.tally);
    for (at, row) in rows.iter().enumerate() {
        let mut lost = rows.clone();
        lost.remove(at);
        if row.starts_with('*') {
            let error = error(&lost);
            assert!(
                error.contains(if at == 0 { "expected the header" } else { "every partition needs" }),
                "{error}"
            );
        } else {
            assert_ne!(judged(&lost, 0, &settings).unwrap().1, sharded.tally, "lost {row}");
        }
        let mut doubled = rows.clone();
        doubled.insert(at, row.clone());
        let error_of_double = error(&doubled);
        let line = format!("line {}: stands there twice", at + 2);
        assert!(error_of_double.contains(&line), "{error_of_double}");
        if at > 0 {
            let mut turned = rows.clone();
            turned.swap(at - 1, at);
            let error = error(&turned);
            let says = |what: &str| error.contains(what);
            let place = match at {
                1 => "line 1: expected the header; is it sorted with LC_ALL=C?".to_owned(),
                // The last of those that all need came too late.
                _ if !row.starts_with('*') && rows[at - 1].starts_with('*') => {
                    "every partition needs".to_owned()
                }
                _ => format!("line {}: is out of order: rows must be sorted by their bytes", at + 1),
            };
            assert!(says(&place), "{error}");
        }
        if at > 0 {
            let mut broken = rows.clone();
            broken[at].pop();
            // Of the copies of one request the first is read.
            let seen = judged(&broken, usize::MAX, &settings);
            assert!(seen.is_err() || seen.is_ok_and(|(_, tally)| tally != sharded.tally), "cut short: {row}");
        }
    }
    // A home in two partitions: each row once, and yet judged wrongly.
    let shared: Vec<String> = rows.iter().filter(|row| row.starts_with('*')).cloned().collect();
    let own: Vec<String> = rows.iter().filter(|row| !row.starts_with('*')).cloned().collect();
    for at in 1..own.len() {
        let parts = [&own[..at], &own[at..]].map(|part| [shared.clone(), part.to_vec()].concat());
        let (_, sum) = together(&parts, usize::MAX, &settings);
        let split = own[at - 1].split('\t').next() == own[at].split('\t').next();
        assert_eq!(sum != sharded.tally, split, "cut before {}", own[at]);
    }
    // A row at a home that is another's: what says the gate is not even asked.
    let grant = rows.iter().position(|row| row.contains("\"account\":\"c\"")).unwrap();
    let mut astray = rows.clone();
    astray[grant] = format!("0000000000000000{}", &rows[grant][16..]);
    astray.sort_unstable();
    let text: String = astray.iter().flat_map(|row| [row.as_str(), "\n"]).collect();
    let mut partition = Partition::open(text.as_bytes(), usize::MAX).unwrap();
    let batch = partition.next_batch().unwrap().unwrap();
    let world = World::new(batch.estate, &settings);
    let now = partition.judge().now;
    let mut judgement = judge(&world, &settings, now, 1, &|_| {});
    let error = judgement.stay_home(&batch.homes).unwrap_err().to_string();
    assert_eq!(error, "the grant of account `c` on system `s` is not at home here");
}

#[test]
fn another_format_is_refused_whatever_else_its_header_says() {
    let (mut rows, _, settings) = small();
    rows[0] = "*\t0\t000000000000\t{\"format\":\"counterfoil.partition/2\",\"more\":[]}".to_owned();
    let error = judged(&rows, 0, &settings).unwrap_err().to_string();
    assert_eq!(
        error,
        "the partition: line 1: the header: found format `counterfoil.partition/2`, expected `counterfoil.partition/1`"
    );
    assert_eq!(
        judged(&[], 0, &settings).unwrap_err().to_string(),
        "the partition: is empty: it has no header"
    );
}

/// Two records of one request that are for different people: which stands counts wherever either could.
#[test]
fn records_of_one_request_meet_though_they_are_for_others() {
    let request = |people: &str, seen: &str| {
        format!(
            r#"{{"type":"request","source":"j","id":"1","state":"approved","beneficiaries":{people},"observed_at":"{seen}","decided_at":"2026-01-01T00:00:00Z","access":[{{"system":"s","entitlement":"e"}}]}}"#
        )
    };
    let now = Instant::parse("2026-06-01T00:00:00Z").unwrap();
    for people in [r#"["b"]"#, "[]", r#"["b","a"]"#] {
        let text = [
            r#"{"type":"grant","system":"s","account":"a","entitlement":"e"}"#.to_owned(),
            r#"{"type":"grant","system":"s","account":"b","entitlement":"f"}"#.to_owned(),
            request(r#"["a"]"#, "2026-05-01T00:00:00Z"),
            request(people, "2026-05-02T00:00:00Z"),
        ]
        .join("\n");
        let settings = Settings::default();
        let (rows, sharded) = cut(&text, 1, now);
        let mut next = 0;
        let parts = partitions(&rows, &mut |_| {
            next += 1;
            next
        });
        let (told, tally) = together(&parts, 0, &settings);
        assert_alike(0, people, &told, &whole(&text, &settings, now));
        assert_eq!(tally, sharded.tally);
    }
}

/// Spellings of one account are held by different people, and a use or a certification names them all.
#[test]
fn uses_and_reviews_come_to_everybody_who_could_hold_the_account() {
    let now = Instant::parse("2026-06-01T00:00:00Z").unwrap();
    let mut lines = vec![
        r#"{"type":"identity","id":"A@x","accounts":[{"system":"s","account":"u1"},{"system":"S2","account":"solo"}]}"#.to_owned(),
        r#"{"type":"identity","id":"b@x","aliases":["Bob"],"accounts":[{"system":"s","account":"U1"}]}"#.to_owned(),
        r#"{"type":"system","id":"s","aliases":["Es"]}"#.to_owned(),
    ];
    for account in ["u1", "U1", " u1", "bob", "BOB", "B@X", "nobody", "Nobody "] {
        for system in ["s", "ES", "s2"] {
            lines.push(format!(
                r#"{{"type":"grant","system":"{system}","account":"{account}","entitlement":"e"}}"#
            ));
        }
    }
    lines.extend(["solo", "SOLO"].map(|account| {
        format!(r#"{{"type":"grant","system":"s2","account":"{account}","entitlement":"e"}}"#)
    }));
    let about = [("es", "U1 "), ("s2", "u1"), ("S", "bOB"), ("s", "b@x"), ("s", "NOBODY"), ("S2", "Solo")];
    for (system, account) in about {
        lines.push(format!(
            r#"{{"type":"usage","system":"{system}","account":"{account}","last_used_at":"2026-05-01T00:00:00Z"}}"#
        ));
        lines.push(format!(
            r#"{{"type":"certification","system":"{system}","account":"{account}","reviewer":"r","decided_at":"2026-05-02T00:00:00Z","decision":"revoked"}}"#
        ));
    }
    let text = lines.join("\n");
    let settings = Settings::default();
    let expected = whole(&text, &settings, now);
    // Each spelling of the system is matched: on `s2` nobody uses what is held under other names than `u1` and `solo`.
    let count = |lines: &[Vec<u8>], what: &str| {
        lines.iter().filter(|line| std::str::from_utf8(line).unwrap().contains(what)).count()
    };
    assert_eq!(count(&expected[2], "\"standing\":\"revoked\""), 8 * 2 + 3 + 2);
    let (rows, sharded) = cut(&text, 1, now);
    let homes = |kind: &str| -> BTreeMap<&str, usize> {
        let parts = rows.iter().map(|row| row.split('\t').collect::<Vec<_>>());
        let mut homes = BTreeMap::new();
        parts.filter(|parts| parts[1] == kind).for_each(|parts| *homes.entry(parts[0]).or_default() += 1);
        homes
    };
    // A, B, the contested `u1`, and `nobody`; of the uses, `U1` on `s` comes to three.
    assert_eq!(homes("6").len(), 4);
    assert_eq!((homes("4").len(), homes("4").values().sum::<usize>()), (4, 8));
    assert_eq!(homes("4"), homes("5"));
    let mut next = 0;
    let parts = partitions(&rows, &mut |_| {
        next += 1;
        next
    });
    let (told, tally) = together(&parts, 0, &settings);
    assert_alike(0, "each alone", &told, &expected);
    assert_eq!(tally, sharded.tally);
}
