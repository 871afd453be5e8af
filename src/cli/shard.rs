//! `shard`: records in, rows for partitions out; and the gate behind them.

use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::gate::{self, By, Seen};
use super::progress::Progress;
use super::reconcile::threads;
use super::{Done, Outcome, STDOUT, note, writing};
use crate::config::{Config, instant};
use crate::intake::shard::{Cut, shard};
use crate::intake::{self, Rejects, Source};
use crate::model::Instant;

/// `counterfoil shard …`
#[derive(Debug, Args)]
pub(super) struct Shard {
    /// Records to cut: a JSONL file (`.gz` and `.zst` are decompressed), or `-` for standard input; may be given several
    /// times.
    #[arg(long, value_name = "FILE", required_unless_present = "check")]
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
        requires = "skip_bad_records"
    )]
    rejects: PathBuf,
    /// Where to count what was cut; standard error when absent.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Instead of cutting: hold what was counted when the records were cut and when each partition was judged against each
    /// other.
    #[arg(long, value_name = "SUMMARY", num_args = 1.., conflicts_with_all = ["records", "config", "now", "summary", "skip_bad_records"])]
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
        let config = self.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        let controls = super::checks::controls(config.controls.as_deref())?;
        let now = self.now.unwrap_or_else(|| instant(SystemTime::now()));
        let judge = gate::judge_of(&config, &controls, now)?;
        let sources: Vec<Source> = self.records.iter().map(|path| intake::source_of_argument(path)).collect();
        let mut rejects = self.skip_bad_records.then(|| Rejects::at(&self.rejects));
        let bar = Progress::on_stderr().reading(sources.iter().map(Source::size).sum());
        let sharded = {
            let counter = bar.counter();
            let cut = Cut {
                judge: judge.clone(),
                threads: threads(self.threads),
                rejects: rejects.as_mut(),
                progress: &counter,
            };
            let mut out = BufWriter::with_capacity(1 << 18, io::stdout());
            shard(&sources, cut, &mut out)?.map_err(writing(STDOUT))?
        };
        drop(bar);
        if let Some(rejects) = &mut rejects {
            rejects.finish()?;
            if sharded.rejected > 0 {
                let (n, path) = (sharded.rejected, rejects.path().display());
                note(format_args!("{n} lines are no records and were passed over; they are in {path}"));
            }
        }
        let seen = Seen {
            by: By::Shard,
            judge,
            records: Some(sharded.records),
            rejected: Some(sharded.rejected),
            tally: sharded.tally,
            told: None,
        };
        gate::leave(&seen, self.summary.as_deref())?;
        Ok(Done::Well)
    }
}
