//! Where the time of `reconcile --records` goes: reading, resolving, judging, writing, each on the clock and in processor
//! time, beside what merely parsing the same file costs.
//!
//! ```sh
//! cargo bench --bench stages -- ESTATE.jsonl [THREADS [--parse-only]]
//! ```
//!
//! The yardstick is the least that anybody could do who wants to know what the file says: every line parsed by serde_json
//! into a struct that borrows its texts, on the same number of threads, and dropped.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that meets what it does not expect should stop"
)]

#[path = "../shared/processor.rs"]
mod processor;
mod yardstick;

use std::path::Path;
use std::time::Instant as Tick;

use counterfoil::controls::Controls;
use counterfoil::intake::{self, Options, Source};
use counterfoil::judge::{Settings, World, checks, judge};
use counterfoil::model::Instant;
use counterfoil::report::{Lines, write_compact};

/// Says how long something took.
fn timed<T>(name: &str, what: impl FnOnce() -> T) -> (T, f64) {
    let (tick, before) = (Tick::now(), processor::spent());
    let done = what();
    let (clock, spent) = (tick.elapsed().as_secs_f64(), processor::spent() - before);
    println!("{name:<28} {clock:>8.2} s   {spent:>8.2} s of processor");
    (done, clock)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(file) = arguments.first() else {
        println!("no estate given; see benches/README.md");
        return;
    };
    let threads: usize = arguments.get(1).map_or(2, |n| n.parse().unwrap());
    let now: Instant = "2026-06-01T00:00:00Z".parse().unwrap();
    let settings = Settings::default();
    let names: Vec<&str> = checks::all().map(|check| check.name).collect();
    let controls = Controls::embedded(&names).unwrap();

    let (lines, yardstick) = timed("yardstick: parse only", || yardstick::parse(Path::new(file), threads));
    if arguments.iter().any(|a| a == "--parse-only") {
        return;
    }
    let whole = Tick::now();
    let options = Options { threads, rejects: None, now, progress: &|_| {} };
    let (taken, _) = timed("read", || intake::read(&[Source::File(file.into())], options).unwrap());
    assert_eq!(taken.records, lines);
    let (world, _) = timed("resolve", || World::with_threads(taken.estate, &settings, threads));
    let (judgement, _) = timed("judge", || judge(&world, &settings, now, threads, &|_| {}));
    let (long, writing) = timed("write jsonl, to nowhere", || {
        written(judgement.len(), threads, || {
            let (mut teller, mut lines) = (judgement.teller(&controls), Lines::default());
            move |place, out: &mut Vec<u8>| lines.write(teller.tell(place).unwrap(), out)
        })
    });
    let whole = whole.elapsed().as_secs_f64();
    let (short, shorter) = timed("write compact, to nowhere", || {
        written(judgement.len(), threads, || {
            let mut teller = judgement.outliner();
            move |place, out: &mut Vec<u8>| write_compact(teller.tell(place).unwrap(), out)
        })
    });
    println!(
        "{} findings, {} MB as jsonl, {} MB as compact",
        judgement.len(),
        long / 1_000_000,
        short / 1_000_000
    );
    println!(
        "all of it: {whole:.2} s with jsonl, {:.2} times the yardstick; {:.2} s with compact, {:.2} times",
        whole / yardstick,
        whole - writing + shorter,
        (whole - writing + shorter) / yardstick
    );
}

/// How many bytes come of all findings, rendered by this many threads, each with a renderer of its own.
fn written<R: FnMut(usize, &mut Vec<u8>)>(
    all: usize,
    threads: usize,
    renderer: impl Fn() -> R + Sync,
) -> usize {
    let share = all.div_ceil(threads).max(1);
    let render = |from: usize| {
        let (mut render, mut buffer, mut bytes) = (renderer(), vec![], 0);
        for place in from..(from + share).min(all) {
            buffer.clear();
            render(place, &mut buffer);
            bytes += buffer.len();
        }
        bytes
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..all)
            .step_by(share)
            .map(|from| {
                scope.spawn({
                    let render = &render;
                    move || render(from)
                })
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    })
}
