//! What remembering costs: a first run on a large estate, a run in which nothing changed, and one in which one record in a
//! thousand did, next to judging everything without a store.
//!
//! ```sh
//! cargo bench --bench memory -- ESTATE.jsonl [CHANGED_PER_MILLE]
//! ```
//!
//! Pulling (reading the whole export, comparing it with what is held) and judging are timed apart: the first costs what
//! the export costs, the second what changed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that meets what it does not expect should stop"
)]

#[path = "../shared/processor.rs"]
mod processor;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant as Tick;

use counterfoil::alert::{guard, life};
use counterfoil::engine::{Engine, Manifest, Order, Pulled, Rules, SourceSpec};
use counterfoil::intake::{self, Options, Source};
use counterfoil::judge::{Settings, World, judge};
use counterfoil::model::{Instant, RecordType};
use counterfoil::store::Sqlite;

const FIRST: &str = "2026-06-01T00:00:00Z";
const LATER: &str = "2026-06-01T01:00:00Z";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(file) = arguments.first() else {
        println!("no estate given; see benches/README.md");
        return;
    };
    let per_mille: u64 = arguments.get(1).map_or(1, |n| n.parse().unwrap());
    let folder = tempfile::tempdir_in(Path::new(file).parent().unwrap()).unwrap();
    let changed = folder.path().join("changed.jsonl");
    let (records, touched) = change(Path::new(file), &changed, per_mille);
    println!("{records} records, of which {touched} change");

    let (tick, before) = (Tick::now(), processor::spent());
    let taken = intake::read(
        &[Source::File(file.into())],
        Options { threads: 2, rejects: None, now: at(FIRST), progress: &|_| {} },
    )
    .unwrap();
    let settings = Settings::default();
    let world = World::new(taken.estate, &settings);
    let findings = judge(&world, &settings, at(FIRST), 2, &|_| {}).findings(&()).count();
    let (took, spent) = (tick.elapsed().as_secs_f64(), processor::spent() - before);
    println!(
        "judging everything without a store    {took:>8.2} s   {spent:>8.2} s of processor   {findings} findings"
    );
    drop(world);

    let store = folder.path().join("store.db");
    let mut engine = Engine::new(Box::new(Sqlite::open(&store).unwrap()), rules());
    let step = |name: &str, engine: &mut Engine, now: &str, file: Option<&Path>, judge: bool| {
        let (tick, before) = (Tick::now(), processor::spent());
        let manifest = run(engine, now, file, judge);
        let (took, spent) = (tick.elapsed().as_secs_f64(), processor::spent() - before);
        println!(
            "{name:<36}  {took:>8.2} s   {spent:>8.2} s of processor   {} homes, {} grants, {} events",
            manifest.homes,
            manifest.grants,
            manifest.event_count()
        );
        [took, spent]
    };
    let mut first = step("first pull", &mut engine, FIRST, Some(Path::new(file)), false);
    add(&mut first, step("first judging", &mut engine, FIRST, None, true));
    step("pull, nothing changed", &mut engine, FIRST, Some(Path::new(file)), false);
    step("judging, nothing changed", &mut engine, FIRST, None, true);
    let mut later = step("pull, some changed", &mut engine, LATER, Some(&changed), false);
    add(&mut later, step("judging what changed", &mut engine, LATER, None, true));
    let [clock, spent] = [0, 1].map(|i| 100.0 * later[i] / first[i]);
    println!("a later run beside the first          {clock:>8.2} %   {spent:>8.2} % of its processor time");
    println!("the store: {} MB", std::fs::metadata(&store).unwrap().len() / 1_000_000);
    drop(engine);
    let tick = Tick::now();
    let engine = Engine::new(Box::new(Sqlite::open(&store).unwrap()), rules());
    println!("opening it                            {:>8.3} s", tick.elapsed().as_secs_f64());
    drop(engine);
}

fn add(to: &mut [f64; 2], more: [f64; 2]) {
    to.iter_mut().zip(more).for_each(|(sum, n)| *sum += n);
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn rules() -> Rules {
    Rules {
        settings: Settings::default(),
        controls: Box::new(()),
        frameworks: serde_json::Value::Null,
        life: life::Rules::default(),
        guard: guard::Limits::default(),
        mutes: vec![],
        listeners: vec![],
        teams: vec![],
        threads: 2,
    }
}

fn run(engine: &mut Engine, now: &str, file: Option<&Path>, judge: bool) -> Manifest {
    let sources = [SourceSpec { id: "estate".to_owned(), provides: vec![], by: None }];
    let due: Vec<String> = file.iter().map(|_| "estate".to_owned()).collect();
    let order = Order { now: at(now), sources: &sources, due: &due, judge, stop: &|| false };
    engine
        .run(&order, &mut |_| {
            let all: Vec<&str> = RecordType::ALL.iter().map(|t| t.as_str()).collect();
            let end = format!(
                "{}\n",
                serde_json::json!({"type": "snapshot", "source": "estate", "taken_at": now, "complete": true, "provides": all})
            );
            let lines = BufReader::with_capacity(1 << 20, File::open(file.unwrap()).unwrap());
            let lines = Box::new(std::io::Read::chain(lines, std::io::Cursor::new(end)));
            Pulled::Records { taken_at: now.to_owned(), lines }
        })
        .unwrap()
}

/// Writes the estate with a few grants less, a few more and a few used since; how many records there are, and how many
/// differ.
fn change(from: &Path, to: &Path, per_mille: u64) -> (u64, u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to).unwrap());
    let (mut records, mut grants, mut touched) = (0, 0, 0);
    for line in BufReader::with_capacity(1 << 20, File::open(from).unwrap()).lines() {
        let line = line.unwrap();
        records += 1;
        if line.contains("\"type\":\"grant\"") {
            grants += 1;
            if grants % 1000 < per_mille {
                touched += 1;
                let mut grant: serde_json::Value = serde_json::from_str(&line).unwrap();
                match touched % 3 {
                    0 => continue,
                    1 => grant["last_used_at"] = FIRST.into(),
                    _ => {
                        writeln!(out, "{line}").unwrap();
                        grant["entitlement"] = "role-new".into();
                    }
                }
                writeln!(out, "{grant}").unwrap();
                continue;
            }
        }
        writeln!(out, "{line}").unwrap();
    }
    out.flush().unwrap();
    (records, touched)
}
