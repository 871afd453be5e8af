//! `reconcile`: records in, findings out, once and without a store.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Args, ValueEnum};

use super::batches::write_in_order;
use super::progress::Progress;
use super::{Done, Outcome, STDOUT, Stop, fault, note, writing};
use crate::config::{Config, instant};
use crate::controls::Controls;
use crate::intake::{self, Rejects, Source, Taken};
use crate::judge::{Builder, Judgement, Teller, World, judge};
use crate::model::Instant;
use crate::model::finding::{Finding, Severity};
use crate::report::{self, Format, Head, Lines, Standings, Style, Summary};

/// How many findings one thread renders at a time: about a megabyte.
const BATCH: usize = 512;

/// `counterfoil reconcile …`
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// Records to judge: a JSONL file (`.gz` and `.zst` are decompressed), or `-` for standard input; may be given
    /// several times. Without it the sources of the configuration are pulled.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["config", "partition"])]
    pub(super) records: Vec<PathBuf>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Judge the partition on standard input: rows of `counterfoil shard`, sorted by their bytes. Each line of output stands
    /// behind its place among those of all partitions.
    #[arg(long, conflicts_with_all = ["records", "skip_bad_records"])]
    pub(super) partition: bool,
    /// Where to count what a partition held and what was found; standard error when absent.
    #[arg(long, value_name = "FILE", requires = "partition", conflicts_with = "records")]
    pub(super) summary: Option<PathBuf>,
    /// Print one sorted stream for a tool that has one: homes, verdicts and findings, each behind its home, its kind and its
    /// place, and in the end what `--summary` writes.
    #[arg(long, requires = "partition", conflicts_with_all = ["records", "summary", "verdicts"])]
    pub(super) tagged: bool,
    /// Where the rows stand that every partition needs, for partitions that do not hold them: what `counterfoil shard --plan`
    /// wrote.
    #[arg(long, value_name = "PLAN", requires = "partition", conflicts_with = "records")]
    pub(super) shared: Option<PathBuf>,
    /// Take what a cluster judged, from the folder it left it in, as a run of the daemon: findings move, alerts are queued and
    /// delivered. The store then holds no records of its own.
    #[arg(
        long,
        value_name = "RUN",
        requires = "config",
        conflicts_with_all = ["records", "partition", "skip_bad_records", "now"]
    )]
    pub(super) judged: Option<PathBuf>,
    #[command(flatten)]
    pub(super) how: How,
    /// Pass over lines that are no records, and count their source as incomplete.
    #[arg(long)]
    pub(super) skip_bad_records: bool,
    /// Where such lines go.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "counterfoil-rejects.jsonl",
        requires = "skip_bad_records"
    )]
    pub(super) rejects: PathBuf,
}

/// How records are judged and findings told.
#[derive(Debug, Args)]
pub(super) struct How {
    /// The instant to judge at, RFC 3339 with an offset; the clock's when absent (the demo has its own).
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    pub(super) now: Option<Instant>,
    /// The form of the findings; `table` on a terminal and `jsonl` elsewhere when absent.
    #[arg(long, value_enum)]
    pub(super) format: Option<FormatWord>,
    /// How many findings of one check the table lists; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(super) rows: usize,
    /// The OCSF class of `--format ocsf`: 2008 IAM Analysis, 2004 Detection, 2003 Compliance.
    #[arg(long, value_name = "CLASS", default_value_t = 2008, value_parser = ocsf_class)]
    pub(super) ocsf_class: u16,
    /// Write each grant's verdict to this file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(super) verdicts: Option<PathBuf>,
    /// Exit with status 1 when a finding that no exception accepts is at or above this severity.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(super) fail_on: Option<SeverityWord>,
    /// Threads to use; as many as there are processors when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,
}

/// The word for a format.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FormatWord {
    /// For a person.
    Table,
    /// One finding a line.
    Jsonl,
    /// One JSON array.
    Json,
    /// One short line a finding: its id, whom and what it is about, and who answers, without words and proof.
    Compact,
    /// One OCSF 1.6.0 event a line.
    Ocsf,
}

/// The word for a severity.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[allow(missing_docs, reason = "the words say it")]
pub(super) enum SeverityWord {
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityWord> for Severity {
    fn from(word: SeverityWord) -> Self {
        match word {
            SeverityWord::Low => Self::Low,
            SeverityWord::Medium => Self::Medium,
            SeverityWord::High => Self::High,
            SeverityWord::Critical => Self::Critical,
        }
    }
}

fn ocsf_class(word: &str) -> Result<u16, String> {
    match word {
        "2008" => Ok(2008),
        "2004" => Ok(2004),
        "2003" => Ok(2003),
        _ => Err("expected 2008, 2004 or 2003".to_owned()),
    }
}

impl Reconcile {
    pub(super) fn run(self) -> Outcome {
        self.run_and_suggest(vec![])
    }

    /// Runs, and below a table says what to try next: commands, and what each shows.
    pub(super) fn run_and_suggest(self, hints: Vec<(String, String)>) -> Outcome {
        let config = self.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        if self.partition {
            let (shared, summary) = (self.shared.as_deref(), self.summary.as_deref());
            return super::partition::run(&config, &self.how, shared, summary, self.tagged);
        }
        if let Some(folder) = &self.judged {
            return super::judged::reconcile(&config, folder, &self.how);
        }
        if self.records.is_empty() && remembers(&config) {
            return super::remember::reconcile(&config, self.config.as_deref(), &self.how);
        }
        let now = self.how.now.unwrap_or_else(|| instant(SystemTime::now()));
        let mut rejects = self.skip_bad_records.then(|| Rejects::at(&self.rejects));
        let sources = if self.records.is_empty() {
            vec![pull_all(&config, self.config.as_deref())?]
        } else {
            self.records.iter().map(|path| intake::source_of_argument(path)).collect()
        };
        let taken = read(Builder::default(), &sources, self.how.threads(), rejects.as_mut(), now)?;
        if let Some(rejects) = &mut rejects {
            rejects.finish()?;
            if taken.rejected > 0 {
                let (n, path) = (taken.rejected, rejects.path().display());
                note(format_args!("{n} lines are no records and were passed over; they are in {path}"));
            }
        }
        conclude(taken, &config, now, &self.how, hints)
    }
}

impl How {
    pub(super) fn threads(&self) -> usize {
        threads(self.threads)
    }

    /// How findings are shown.
    pub(super) fn options(&self, terminal: bool) -> report::Options {
        let (no_color, term) = (std::env::var("NO_COLOR").ok(), std::env::var("TERM").ok());
        let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
        let mut options = report::Options {
            style: Style::choose(terminal, no_color.as_deref(), term.as_deref(), width),
            rows: if self.rows == 0 { usize::MAX } else { self.rows },
            ..report::Options::default()
        };
        if let Some(class) = report::ocsf::Class::ALL.into_iter().find(|c| c.uid() == self.ocsf_class) {
            options.ocsf.class = class;
        }
        options
    }

    pub(super) fn format(&self) -> Format {
        match self.format {
            Some(FormatWord::Table) => Format::Table,
            Some(FormatWord::Jsonl) => Format::Jsonl,
            Some(FormatWord::Json) => Format::Json,
            Some(FormatWord::Compact) => Format::Compact,
            Some(FormatWord::Ocsf) => Format::Ocsf,
            None if io::stdout().is_terminal() => Format::Table,
            None => Format::Jsonl,
        }
    }
}

/// Whether a configuration asks for what is found to be remembered and told.
pub(super) fn remembers(config: &Config) -> bool {
    config.store.is_some() || !config.sink.is_empty()
}

/// As many threads as were asked for, else as many as there are processors.
pub(super) fn threads(asked: Option<u16>) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or_else(processors, usize::from)
}

/// Pulls every source of a configuration into one file of records. The file has no name: however the program ends,
/// nobody finds the records lying about.
pub(super) fn pull_all(config: &Config, file: Option<&Path>) -> Result<Source, Stop> {
    let mut sources = config.sources()?;
    for source in &mut sources {
        source.options.worker = std::env::current_exe().ok();
    }
    if sources.is_empty() {
        let file = file.unwrap_or(Path::new("the configuration")).display();
        return Err(fault(format!("{file}: has no [[source]]; add one, or give --records FILE")));
    }
    let spool = Arc::new(tempfile::tempfile()?);
    let mut out = BufWriter::with_capacity(1 << 18, spool.as_ref());
    for source in &sources {
        let summary = super::pull::pull(source, &mut |line| writeln!(out, "{line}"))?;
        super::pull::tell(&source.options.source, &summary);
    }
    out.flush().map_err(writing("the file of pulled records"))?;
    drop(out);
    Ok(Source::Open { name: "the records that were pulled".to_owned(), file: spool })
}

/// Reads records, with a bar.
pub(super) fn read(
    builder: Builder,
    sources: &[Source],
    threads: usize,
    rejects: Option<&mut Rejects>,
    now: Instant,
) -> Result<Taken, Stop> {
    let total = sources.iter().map(Source::size).sum();
    let bar = Progress::on_stderr().reading(total);
    let counter = bar.counter();
    let options = intake::Options { threads, rejects, now, progress: &counter };
    Ok(intake::read_into(builder, sources, options)?)
}

/// Judges what was read and tells what was found.
pub(super) fn conclude(
    taken: Taken,
    config: &Config,
    now: Instant,
    how: &How,
    hints: Vec<(String, String)>,
) -> Outcome {
    let controls = super::checks::controls(config.controls.as_deref())?;
    let settings = config.settings();
    let dropped = taken.estate.dropped();
    if dropped > 0 {
        let records = if dropped == 1 { "record" } else { "records" };
        note(format_args!("{dropped} {records} dropped, because another with the same key stands"));
    }
    let bar = Progress::on_stderr().judging(taken.estate.grant_count() as u64);
    let world = World::with_threads(taken.estate, &settings, how.threads());
    let judgement = judge(&world, &settings, now, how.threads(), &bar.counter());
    drop(bar);
    if let Some(path) = &how.verdicts {
        write_verdicts(&judgement, path)?;
    }
    let mut standings = Standings::default();
    judgement.standings().into_iter().for_each(|(s, n)| standings.add(s, n));
    let summary = Summary {
        standings: Some(standings),
        skipped_records: taken.rejected,
        dropped_duplicates: dropped,
        hints,
    };
    let worst = write_findings(&judgement, &controls, how, now, &summary)?;
    let failing = how.fail_on.is_some_and(|limit| worst.is_some_and(|worst| worst >= Severity::from(limit)));
    Ok(if failing { Done::Failing } else { Done::Well })
}

fn write_verdicts(judgement: &Judgement<'_>, path: &Path) -> Result<(), Stop> {
    let shown = path.display().to_string();
    let mut out = BufWriter::with_capacity(1 << 18, File::create(path).map_err(writing(&shown))?);
    for verdict in judgement.verdicts() {
        serde_json::to_writer(&mut out, &verdict).map_err(|e| writing(&shown)(e.into()))?;
        out.write_all(b"\n").map_err(writing(&shown))?;
    }
    out.flush().map_err(writing(&shown))
}

/// Writes the findings; the worst severity of those that no exception accepts.
fn write_findings(
    judgement: &Judgement<'_>,
    controls: &Controls,
    how: &How,
    now: Instant,
    summary: &Summary,
) -> Result<Option<Severity>, Stop> {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let bar = if terminal { Progress::hidden() } else { Progress::on_stderr() }
        .writing(Some(judgement.len() as u64));
    let (threads, counter) = (how.threads(), bar.counter());
    let by_batches = match how.format() {
        Format::Jsonl => {
            let begin = || (judgement.teller(controls), Lines::default());
            Some(write_lines(judgement.len(), threads, begin, Lines::write, &counter))
        }
        Format::Compact => {
            let begin = || (judgement.outliner(), ());
            Some(write_lines(
                judgement.len(),
                threads,
                begin,
                |(), f, out| report::write_compact(f, out),
                &counter,
            ))
        }
        _ => None,
    };
    if let Some(worst) = by_batches {
        return worst.map_err(writing(STDOUT));
    }
    let out = BufWriter::with_capacity(1 << 18, stdout.lock());
    let mut writer = report::writer(how.format(), how.options(terminal), out);
    let mut worst = None;
    writer.begin(&Head::new(now)).map_err(writing(STDOUT))?;
    for finding in judgement.findings(controls) {
        if finding.exception.is_none() {
            worst = worst.max(Some(finding.severity));
        }
        writer.finding(&finding).map_err(writing(STDOUT))?;
        bar.advance(1);
    }
    writer.end(summary).map_err(writing(STDOUT))?;
    Ok(worst)
}

/// Writes `all` findings as lines, a batch at a time.
fn write_lines<'a, L: Send>(
    all: usize,
    threads: usize,
    begin: impl Fn() -> (Teller<'a>, L) + Sync,
    line: impl Fn(&mut L, &Finding<'a>, &mut Vec<u8>) + Sync,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Option<Severity>> {
    let start = |batch: usize| batch * BATCH;
    let begin = || (begin(), None);
    let render =
        |((teller, lines), worst): &mut ((Teller<'a>, L), Option<Severity>), batch, out: &mut Vec<u8>| {
            teller.tell_all(start(batch)..start(batch + 1), |finding| {
                if finding.exception.is_none() {
                    *worst = (*worst).max(Some(finding.severity));
                }
                line(lines, finding, out);
            });
            Ok(())
        };
    let wrote = |batch: usize| progress((all - start(batch)).min(BATCH) as u64);
    // Each batch goes out in one write: standard output keeps nothing back of what ends in a line end.
    let workers = write_in_order(io::stdout(), all.div_ceil(BATCH), threads, begin, render, wrote)?;
    Ok(workers.into_iter().filter_map(|(_, worst)| worst).max())
}
