//! How fast the main job is: reading records, resolving names, judging, writing findings. See `benches/README.md`.

mod estate;
#[path = "../shared/processor.rs"]
mod processor;

use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::Duration;

use counterfoil::controls::Controls;
use counterfoil::intake::{Taken, read_text};
use counterfoil::judge::{Decide, Judgement, Question, Settings, Who, World, checks, judge};
use counterfoil::model::finding::Verdict;
use counterfoil::model::{Instant, parse_line};
use counterfoil::report::{Format, Head, Options, Summary, writer};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};

/// Grants of the estate, unless `GRANTS` says another number.
const GRANTS: u64 = 20_000;

/// Ends the program with what is wrong.
fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "benches/judge: {error}");
        std::process::exit(2)
    })
}

fn now() -> Instant {
    must(Instant::parse("2026-06-01T00:00:00Z"))
}

fn take(text: &str) -> Taken {
    must(read_text("bench", text, 1, now()))
}

fn written(judgement: &Judgement<'_>, controls: &Controls, format: Format) -> usize {
    let mut out = Vec::new();
    {
        let mut writer = writer(format, Options::default(), &mut out);
        must(writer.begin(&Head::new(now())));
        judgement.findings(controls).for_each(|finding| must(writer.finding(&finding)));
        must(writer.end(&Summary::default()));
    }
    out.len()
}

fn benches(criterion: &mut Criterion, grants: u64) {
    let mut text = Vec::new();
    let records = must(estate::write(grants, &mut text));
    let text = must(String::from_utf8(text));
    let bytes = text.len() as u64;
    let settings = Settings::default();
    let names: Vec<&str> = checks::all().map(|check| check.name).collect();
    let controls = must(Controls::embedded(&names));

    let mut group = criterion.benchmark_group(format!("{grants} grants"));
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Bytes(bytes));
    group.bench_function(format!("parse {records} lines"), |b| {
        b.iter(|| text.lines().filter(|line| parse_line(line.as_bytes()).is_ok()).count());
    });
    group.bench_function("read into an estate", |b| b.iter_with_large_drop(|| take(&text)));

    group.throughput(Throughput::Elements(grants));
    group.bench_function("resolve names", |b| {
        b.iter_batched(
            || take(&text).estate,
            |estate| World::new(estate, &settings),
            BatchSize::PerIteration,
        );
    });
    let world = World::new(take(&text).estate, &settings);
    group.bench_function("judge", |b| {
        b.iter_with_large_drop(|| judge(black_box(&world), &settings, now(), 1, &|_| {}));
    });

    let judgement = judge(&world, &settings, now(), 1, &|_| {});
    look_up(&mut group, &judgement);
    let findings = judgement.findings(&()).count() as u64;
    group.throughput(Throughput::Elements(findings));
    for format in Format::ALL {
        let name = format!("write {findings} findings as {format}");
        group.bench_function(name, |b| b.iter(|| written(&judgement, &controls, format)));
    }
    group.throughput(Throughput::Elements(grants));
    group.bench_function("write verdicts", |b| {
        b.iter(|| {
            let mut out = BufWriter::new(std::io::sink());
            judgement.verdicts().for_each(|verdict| must(serde_json::to_writer(&mut out, &verdict)));
        });
    });
    group.finish();
}

fn question<'v>(v: &'v Verdict<'_>) -> Question<'v> {
    Question {
        who: Who::Account(&v.account),
        system: &v.system,
        entitlement: &v.entitlement,
        scope: v.scope.as_deref(),
    }
}

/// Is this grant justified now? Each grant of the estate is asked for once, in an order that has nothing to do with where it
/// is kept, and as often a grant that nobody holds.
fn look_up(group: &mut BenchmarkGroup<'_, WallTime>, judgement: &Judgement<'_>) {
    let decide = Decide::new(judgement);
    let mut asked: Vec<_> = judgement.verdicts().enumerate().collect();
    asked.sort_by_key(|(number, _)| (*number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    group.throughput(Throughput::Elements(asked.len() as u64));
    let held: Vec<_> = asked.iter().map(|(_, v)| question(v)).collect();
    let none: Vec<_> = held.iter().map(|q| Question { entitlement: "role-none", ..*q }).collect();
    let ask = |questions: &[Question<'_>]| {
        questions.iter().filter(|q| decide.ask(black_box(q), now()).is_some_and(|a| a.stands)).count()
    };
    let together = |questions: &[Question<'_>]| {
        let stands = |some| decide.ask_all(some, now()).iter().flatten().filter(|a| a.stands).count();
        questions.chunks(50).map(stands).sum::<usize>()
    };
    // By the time of the processor: one thread asks, and others may use the machine.
    let mut time = |name: &str, work: &dyn Fn() -> usize| {
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let before = processor::spent();
                (0..times).for_each(|_| _ = black_box(work()));
                Duration::from_secs_f64(processor::spent() - before)
            });
        });
    };
    time("look up", &|| ask(&held));
    time("look up what nobody holds", &|| ask(&none));
    time("look up fifty at once", &|| together(&held));
    group.bench_function("index for looking up", |b| b.iter_with_large_drop(|| Decide::new(judgement)));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [command, grants, path] = arguments.as_slice()
        && command == "write-estate"
    {
        let mut out = BufWriter::new(must(std::fs::File::create(path)));
        must(estate::write(must(grants.parse()), &mut out));
        return must(out.flush());
    }
    let grants = std::env::var("GRANTS").map_or(GRANTS, |number| must(number.parse()));
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion, grants);
    criterion.final_summary();
}
