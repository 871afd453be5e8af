//! How fast rows become records: pulls of small rows through the maps of connectors that are shipped, from text to lines of
//! records, as the program does it. See `benches/README.md`.

#[path = "../shared/processor.rs"]
mod processor;
mod rows;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use counterfoil::connect::pull::{pull_fetched_on, pull_files_on};
use counterfoil::connect::transport::{Fetched, Writer};
use counterfoil::connect::{Catalog, Connector, PullOptions, PullSummary, Settings};
use criterion::{Criterion, Throughput};
use rows::{CASES, Case, FLAT_MANIFEST, FLAT_MAP};
use serde_json::Value;

/// Rows of each case, unless `ROWS` says another number.
const ROWS: u64 = 20_000;

/// Ends the program with what is wrong.
fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "benches/mapping: {error}");
        std::process::exit(2)
    })
}

/// A case that is ready to be pulled as often as needed.
struct Ready<'c> {
    case: &'static Case,
    connector: &'c Connector,
    settings: Settings,
    file: PathBuf,
}

impl<'c> Ready<'c> {
    fn new(case: &'static Case, catalog: &'c Catalog, folder: &Path, rows: u64) -> Self {
        let connector = must(catalog.get(case.connector));
        let table: toml::Table = must(toml::from_str(case.settings));
        let settings = must(Settings::from_table(&connector.manifest, &table));
        let file = folder.join(format!("{}.{}", case.connector, case.ending));
        let mut out = BufWriter::new(must(std::fs::File::create(&file)));
        must(out.write_all(case.head.as_bytes()));
        for row in 0..rows {
            must(writeln!(out, "{}", (case.row)(row)));
        }
        must(out.flush());
        Self { case, connector, settings, file }
    }

    /// Pulls everything once. The records are counted, and not kept.
    fn pull(&self, threads: usize) -> PullSummary {
        let options = PullOptions {
            source: "bench".to_owned(),
            taken_at: "2026-06-01T00:00:00Z".to_owned(),
            skip_bad_rows: false,
            worker: None,
        };
        let mut bytes = 0;
        let mut sink = |line: &str| {
            bytes += line.len();
            Ok(())
        };
        let (connector, settings) = (self.connector, &self.settings);
        must(match self.case.step {
            None => pull_files_on(
                threads,
                connector,
                settings,
                &options,
                std::slice::from_ref(&self.file),
                &mut sink,
                &mut |_| {},
            ),
            Some(step) => {
                let fetched = self.fetched(step);
                pull_fetched_on(threads, connector, settings, &options, fetched, &mut sink, &mut |_| {})
            }
        })
    }

    /// What a transport would have set aside. It is read once for each pull, like the answers themselves.
    fn fetched(&self, step: &str) -> Fetched {
        let text = must(std::fs::read_to_string(&self.file));
        let mut writer = must(Writer::new(step));
        for line in text.lines() {
            let row: Value = must(serde_json::from_str(line));
            must(writer.row(&row));
        }
        Fetched { batches: vec![must(writer.finish())], ..Fetched::default() }
    }
}

fn main() {
    let rows = std::env::var("ROWS").map_or(ROWS, |number| must(number.parse()));
    let folder = must(tempfile::tempdir());
    let flat = folder.path().join("connectors/flat");
    must(std::fs::create_dir_all(&flat));
    must(std::fs::write(flat.join("manifest.toml"), FLAT_MANIFEST));
    must(std::fs::write(flat.join("map.jq"), FLAT_MAP));
    must(std::fs::write(flat.join("README.md"), "# Flat\n"));
    let catalog = must(Catalog::load(Some(&folder.path().join("connectors"))));
    let ready: Vec<Ready<'_>> =
        CASES.iter().map(|case| Ready::new(case, &catalog, folder.path(), rows)).collect();
    if std::env::args().any(|argument| argument == "processor") {
        return processor(&ready);
    }
    let mut criterion = Criterion::default().configure_from_args();
    for ready in &ready {
        let mut group = criterion.benchmark_group(ready.case.connector);
        let records = ready.pull(1).records;
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(5))
            .throughput(Throughput::Elements(records));
        for threads in [1, 2] {
            group.bench_function(format!("{records} records, threads: {threads}"), |b| {
                b.iter(|| ready.pull(threads));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

/// One line for each case: time of the processor and on the clock, best of five. The processor's time says what a change
/// did also where others use the machine.
fn processor(ready: &[Ready<'_>]) {
    let mut out = std::io::stdout().lock();
    for ready in ready {
        for threads in [1, 2] {
            let mut best = (f64::MAX, f64::MAX);
            let mut records = 0;
            for _ in 0..5 {
                let (busy, clock) = (processor::spent(), Instant::now());
                records = ready.pull(threads).records;
                best = (best.0.min(processor::spent() - busy), best.1.min(clock.elapsed().as_secs_f64()));
            }
            let (each, a_second) = (best.0 * 1e6 / records as f64, records as f64 / best.1);
            let name = ready.case.connector;
            must(writeln!(
                out,
                "{name:<12} {threads} threads {records:>8} records {each:>8.2} µs of processor each {a_second:>10.0} a second"
            ));
        }
    }
}
