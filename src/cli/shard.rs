//! `shard`: records in, rows for partitions out, all at once or slice by slice; and the gate behind them.

use std::fs::read_to_string;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{ArgGroup, Args};

use super::gate::{self, By, Seen};
use super::progress::Progress;
use super::reconcile::threads;
use super::{Done, Outcome, STDOUT, Stop, fault, note, say, writing};
use crate::config::{Config, instant};
use crate::intake::cut::cut_slice;
use crate::intake::plan::{Plan, plan};
use crate::intake::rows::{Judge, SLICES};
use crate::intake::shard::{Cut, shard};
use crate::intake::survey::{Keys, Slice, survey, survey_disputed};
use crate::intake::{self, Rejects, Source};
use crate::model::Instant;

/// The version that surveys, plans and cuts.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// `counterfoil shard …`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("part").args(["survey", "with"]))]
pub(super) struct Shard {
    /// Records to cut: a JSONL file (`.gz` and `.zst` are decompressed), or `-` for standard input; may be given several
    /// times.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["check", "plan"])]
    records: Vec<PathBuf>,
    /// The configuration that the partitions will be judged with.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The instant to judge at, RFC 3339 with an offset; the clock's when absent.
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    now: Option<Instant>,
    /// Pass over lines that are no records, and count their source as incomplete.
    #[arg(long)]
    skip_bad_records: bool,
    /// Where such lines go.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "counterfoil-rejects.jsonl",
        requires = "skip_bad_records",
        conflicts_with_all = ["with", "disputed"]
    )]
    rejects: PathBuf,
    /// Where to count what was cut; standard error when absent.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["survey", "plan", "tagged"])]
    summary: Option<PathBuf>,
    /// The records are a slice of all: write what has to be known of all slices before any can be cut.
    #[arg(long, requires = "slice", conflicts_with_all = ["config", "now"])]
    survey: bool,
    /// Write the requests whose keys stand in this file, one a line: those that are for different people in different records.
    #[arg(long, value_name = "FILE", requires = "survey", conflicts_with = "with")]
    disputed: Option<PathBuf>,
    /// Make the plan by which slices are cut.
    #[arg(
        long,
        requires = "survey_lines",
        conflicts_with_all = ["records", "part", "slice", "skip_bad_records"]
    )]
    plan: bool,
    /// What was surveyed of all slices, in any order; `request` lines may be left out.
    #[arg(long, value_name = "FILE", requires = "plan", num_args = 1.., conflicts_with_all = ["records", "check"])]
    survey_lines: Vec<PathBuf>,
    /// The records are a slice of all: cut them by this plan into those rows that not all partitions need.
    #[arg(long, value_name = "PLAN", requires = "slice")]
    with: Option<PathBuf>,
    /// The number of the slice; each has its own.
    #[arg(long, value_name = "N", requires = "part", value_parser = clap::value_parser!(u16).range(..i64::from(SLICES)))]
    slice: Option<u16>,
    /// Print what was counted behind the rows, as their last line.
    #[arg(long, requires = "with", conflicts_with = "survey")]
    tagged: bool,
    /// Instead of cutting: hold what was counted when the records were cut and when each partition was judged against each
    /// other.
    #[arg(long, value_name = "SUMMARY", num_args = 1.., conflicts_with_all = ["records", "config", "now", "summary", "skip_bad_records", "part", "slice", "plan"])]
    check: Vec<PathBuf>,
    /// Threads to use; as many as there are processors when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Shard {
    pub(super) fn run(self) -> Outcome {
        if !self.check.is_empty() {
            return gate::check(&self.check);
        }
        let read = if self.plan { &self.survey_lines } else { &self.records };
        let sources: Vec<Source> = read.iter().map(|path| intake::source_of_argument(path)).collect();
        let bar = Progress::on_stderr().reading(sources.iter().map(Source::size).sum());
        let left = {
            let counter = bar.counter();
            let mut out = BufWriter::with_capacity(1 << 18, io::stdout());
            self.make(&sources, (threads(self.threads), &counter), &mut out)?
        };
        drop(bar);
        left.note.into_iter().for_each(note);
        match left.seen {
            Some(seen) if self.tagged => {
                let slice = seen.slice.map_or(0, |slice| slice.slice);
                say(format_args!("~\t9\t{slice:012}\t{}", serde_json::to_string(&seen)?))?;
            }
            Some(seen) => gate::leave(&seen, self.summary.as_deref())?,
            None => {}
        }
        Ok(Done::Well)
    }

    fn make(
        &self,
        sources: &[Source],
        (threads, progress): (usize, &(dyn Fn(u64) + Sync)),
        out: &mut (impl Write + Send),
    ) -> Result<Left, Stop> {
        if self.plan {
            let planned =
                plan(sources, &self.judge()?, (threads, progress), out)?.map_err(writing(STDOUT))?;
            let said = format!(
                "{} slices with {} records are planned for, {} requests are in dispute",
                planned.slices, planned.records, planned.disputed
            );
            return Ok(Left { note: Some(said), seen: None });
        }
        let mut rejects = self.skip_bad_records.then(|| Rejects::at(&self.rejects));
        if let Some(number) = self.slice {
            let slice = Slice { number, program: PROGRAM, threads, progress };
            return match &self.with {
                Some(path) => self.cut_slice(sources, path, &slice, out),
                None => self.survey(sources, &slice, rejects.as_mut(), out),
            };
        }
        let judge = self.judge()?;
        let cut = Cut { judge: judge.clone(), threads, rejects: rejects.as_mut(), progress };
        let sharded = shard(sources, cut, out)?.map_err(writing(STDOUT))?;
        let seen = Seen {
            by: By::Shard,
            judge,
            records: Some(sharded.records),
            rejected: Some(sharded.rejected),
            tally: sharded.tally,
            slice: None,
            told: None,
        };
        Ok(Left { note: rejected(rejects.as_mut(), sharded.rejected)?, seen: Some(seen) })
    }

    /// Who will judge.
    fn judge(&self) -> Result<Judge, Stop> {
        let config = self.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        let controls = super::checks::controls(config.controls.as_deref())?;
        gate::judge_of(&config, &controls, self.now.unwrap_or_else(|| instant(SystemTime::now())))
    }

    fn survey(
        &self,
        records: &[Source],
        slice: &Slice<'_>,
        mut rejects: Option<&mut Rejects>,
        out: &mut (impl Write + Send),
    ) -> Result<Left, Stop> {
        let named = |e: intake::IntakeError| fault(format!("slice {}: {e}", slice.number));
        if let Some(path) = &self.disputed {
            let shown = path.display();
            let text = read_to_string(path).map_err(|e| fault(format!("{shown}: cannot be read: {e}")))?;
            let keys = Keys::of(&text).map_err(|e| fault(format!("{shown}: {e}")))?;
            let told = survey_disputed(records, slice, &keys, self.skip_bad_records, out);
            told.map_err(named)?.map_err(writing(STDOUT))?;
            return Ok(Left { note: None, seen: None });
        }
        let seen = survey(records, slice, rejects.as_deref_mut(), out);
        let seen = seen.map_err(named)?.map_err(writing(STDOUT))?;
        Ok(Left { note: rejected(rejects, seen.rejected)?, seen: None })
    }

    fn cut_slice(
        &self,
        records: &[Source],
        path: &Path,
        slice: &Slice<'_>,
        out: &mut (impl Write + Send),
    ) -> Result<Left, Stop> {
        let plan = Plan::read(&intake::source_of_argument(path), slice.threads)?;
        let theirs = plan.judge().clone();
        let ours =
            Judge { program: PROGRAM.to_owned(), now: self.now.unwrap_or(theirs.now), ..theirs.clone() };
        let ours = if self.config.is_some() { Judge { now: ours.now, ..self.judge()? } } else { ours };
        gate::same_judge(&path.display().to_string(), &theirs, &ours)?;
        let cut = cut_slice(records, slice, &plan, self.skip_bad_records, out);
        let cut = cut.map_err(|e| fault(format!("slice {}: {e}", slice.number)))?.map_err(writing(STDOUT))?;
        let seen = Seen {
            by: By::Slice,
            judge: theirs,
            records: Some(cut.records),
            rejected: Some(cut.rejected),
            tally: cut.tally,
            slice: Some(gate::Slice { slice: slice.number, slices: cut.slices }),
            told: None,
        };
        Ok(Left { note: None, seen: Some(seen) })
    }
}

/// What is said in the end.
struct Left {
    note: Option<String>,
    seen: Option<Seen>,
}

/// Says where lines are that are no records.
fn rejected(rejects: Option<&mut Rejects>, rejected: u64) -> Result<Option<String>, Stop> {
    let Some(rejects) = rejects else { return Ok(None) };
    rejects.finish()?;
    let path = rejects.path().display();
    let said = || format!("{rejected} lines are no records and were passed over; they are in {path}");
    Ok((rejected > 0).then(said))
}
