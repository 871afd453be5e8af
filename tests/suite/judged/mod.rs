//! What a cluster judged, taken as a run: the same comes of it as of judging everything here.

mod alike;
mod files;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use counterfoil::engine::{Engine, EngineError, Home, Results, Took};
use counterfoil::intake::Source;
use counterfoil::intake::judged::{FORMAT as JUDGED, Judged};
use counterfoil::intake::partition::Partition;
use counterfoil::intake::rows::{FORMAT, Judge, Sum};
use counterfoil::intake::shard::{Cut, shard};
use counterfoil::judge::{self, Said, Settings, World, judge};
use counterfoil::model::Instant;
use counterfoil::model::finding::FINDING_SCHEMA;
use counterfoil::report::{order_of_finding, order_of_verdict};
use serde_json::{Value, json};

/// The lines of one partition, as a cluster leaves them, and how many verdicts and findings there are with the sum of these.
pub fn partition(rows: &[String], batch: usize, settings: &Settings) -> (Vec<String>, (u64, u64, Sum)) {
    let text: String = rows.iter().flat_map(|row| [row.as_str(), "\n"]).collect();
    let mut partition = Partition::open(text.as_bytes(), batch).unwrap();
    let now = partition.judge().now;
    let (mut lines, mut told) = (vec![], (0, 0, Sum::default()));
    while let Some(b) = partition.next_batch().unwrap() {
        let world = World::new(b.estate, settings);
        let mut judgement = judge(&world, settings, now, 1, &|_| {});
        judgement.stay_home(&b.homes).unwrap();
        for (home, said) in judgement.by_home(&b.homes) {
            let mut line = vec![];
            let (kind, json) = match said {
                Said::Here => (1, "{}".to_owned()),
                Said::Verdict(at) => {
                    let verdict = judgement.verdict_at(at).unwrap();
                    order_of_verdict(&verdict, &mut line);
                    told.0 += 1;
                    (2, serde_json::to_string(&verdict).unwrap())
                }
                Said::Finding(at) => {
                    let finding = judgement.finding(at, &()).unwrap();
                    assert_eq!(finding.schema, FINDING_SCHEMA);
                    order_of_finding(&finding, &mut line);
                    told.1 += 1;
                    told.2.add(finding.id.as_bytes());
                    (3, serde_json::to_string(&finding).unwrap())
                }
            };
            let place = String::from_utf8(line).unwrap();
            lines.push(format!("{home}\t{kind}\t{place}\t{json}\n"));
        }
    }
    let mut summary = json!({"by": "partition", "verdicts": told.0, "findings": told.1,
        "findings_sum": told.2, "snapshots": partition.snapshots()});
    take(&mut summary, partition.judge());
    take(&mut summary, partition.tally());
    lines.push(format!("~\t9\t\t{summary}\n"));
    (lines, told)
}

fn take(to: &mut Value, from: &impl serde::Serialize) {
    let from = serde_json::to_value(from).unwrap();
    to.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
}

/// Judges records in partitions, and leaves what a cluster leaves. `assign` says to which partition a home goes.
pub fn leave(
    folder: &Path,
    text: &str,
    settings: &Settings,
    now: Instant,
    assign: &mut dyn FnMut(&str) -> usize,
) {
    let judge = Judge { format: FORMAT.to_owned(), program: "p".to_owned(), settings: "s".to_owned(), now };
    let source = Source::Text { name: "records".to_owned(), text: text.as_bytes().to_vec() };
    let mut out = vec![];
    let how = Cut { judge: judge.clone(), threads: 1, rejects: None, progress: &|_| {} };
    let sharded = shard(&[source], how, &mut out).unwrap().unwrap();
    let rows = String::from_utf8(out).unwrap();
    let mut parts: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut where_to: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.lines() {
        let home = row.split('\t').next().unwrap();
        if home != "*" {
            let part = *where_to.entry(home).or_insert_with(|| assign(home));
            parts.entry(part).or_default().push(row.to_owned());
        }
    }
    let shared: Vec<String> = rows.lines().filter(|row| row.starts_with("*\t")).map(str::to_owned).collect();
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder.join("judged")).unwrap();
    let (mut all, mut sum) = ((0, 0), Sum::default());
    let partitions = parts.len();
    for (n, mut part) in parts {
        part.extend(shared.clone());
        part.sort_unstable();
        let (lines, told) = partition(&part, if n % 2 == 0 { usize::MAX } else { 0 }, settings);
        all = (all.0 + told.0, all.1 + told.1);
        sum.merge(told.2);
        fs::write(folder.join(format!("judged/part-{n:05}")), lines.concat()).unwrap();
    }
    let mut cut = json!({"by": "shard", "records": sharded.records, "rejected": 0});
    take(&mut cut, &judge);
    take(&mut cut, &sharded.tally);
    fs::write(folder.join("cut.jsonl"), format!("{cut}\n")).unwrap();
    let run = json!({"format": JUDGED, "judge": judge, "grants": sharded.tally.grants, "verdicts": all.0,
        "findings": all.1, "partitions": partitions, "findings_sum": sum});
    fs::write(folder.join("run.json"), run.to_string()).unwrap();
}

/// Takes what is in a folder, so much in one transaction. `breaks` says whether it breaks off, each time that it is asked.
pub fn take_into(
    engine: &mut Engine,
    folder: &Path,
    at_once: usize,
    breaks: &dyn Fn() -> bool,
) -> Result<Took, EngineError> {
    let judged = Judged::open(folder).unwrap();
    let summaries = judged.check(&|_| {}, &mut |_| {}).unwrap();
    let snapshots = summaries[0].snapshots.clone();
    assert!(summaries.iter().all(|s| s.snapshots == snapshots));
    let mut homes = judged.homes(&|_| {});
    engine.take_judged(Results {
        now: judged.run.judge.now,
        of: serde_json::to_string(&judged.run).unwrap(),
        snapshots,
        doubtful: vec![],
        at_once,
        next: &mut || {
            if breaks() {
                return Err("broken off".to_owned());
            }
            Ok(homes.next_home().unwrap().map(|of| Home {
                token: match of.home {
                    judge::Home::Nobody => 0,
                    judge::Home::Of(start) => start.cast_signed(),
                },
                verdicts: of.verdicts,
                findings: of.findings,
            }))
        },
        stop: breaks,
    })
}
