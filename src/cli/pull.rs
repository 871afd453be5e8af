//! `pull`: one source's records, as JSON lines.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::progress::{Asking, Progress, counted};
use super::{Done, Outcome, STDOUT, Stop, fault, note, writing};
use crate::config::{Config, newest};
use crate::connect::transport::{Doing, Origin};
use crate::connect::{Catalog, Job, PullError, PullOptions, PullSummary, Settings};
use crate::model::Instant;

/// `counterfoil pull …`
#[derive(Debug, Args)]
pub(super) struct Pull {
    /// The configuration that has the source.
    #[arg(long, value_name = "FILE", requires = "source", conflicts_with_all = ["connector", "file", "set"])]
    config: Option<PathBuf>,
    /// The source's id: one of the configuration, or what to call these files.
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// The connector that reads the files.
    #[arg(long, value_name = "NAME", required_unless_present = "config", requires = "file")]
    connector: Option<String>,
    /// A file to read; may be given several times.
    #[arg(long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// A setting of the connector; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// When the export was taken; the newest modification time of the files when absent.
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    taken_at: Option<Instant>,
    /// A folder of connectors that add to those built in or stand in their place.
    #[arg(long, value_name = "DIR")]
    connectors: Option<PathBuf>,
    /// Pass over bad rows, and call the pull incomplete.
    #[arg(long, visible_alias = "skip-bad-records")]
    skip_bad_rows: bool,
}

impl Pull {
    pub(super) fn run(self) -> Outcome {
        let prepared = self.prepare()?;
        let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
        let summary = pull(&prepared, &mut |line| writeln!(out, "{line}"))?;
        out.flush().map_err(writing(STDOUT))?;
        tell(&prepared.options.source, &summary);
        Ok(Done::Well)
    }

    fn prepare(self) -> Result<Job, Stop> {
        let mut prepared = match (&self.config, &self.connector) {
            (Some(file), _) => {
                let config = Config::load(file)?;
                let id = self.source.unwrap_or_default();
                super::config::prepared(&config, file, &id)?
            }
            (None, name) => {
                let catalog = Catalog::load(self.connectors.as_deref()).map_err(fault)?;
                let connector = catalog.get(name.as_deref().unwrap_or_default()).map_err(fault)?.clone();
                let settings = Settings::parse(&connector.manifest, self.set.iter().map(String::as_str))
                    .map_err(fault)?;
                let source = self.source.unwrap_or_else(|| connector.name().to_owned());
                let taken_at = newest(&self.file).unwrap_or(Instant::MIN).to_string();
                let options = PullOptions { source, taken_at, skip_bad_rows: false, worker: None };
                let (origin, folder) = (Origin::Files(Ok(self.file)), PathBuf::new());
                Job { connector, settings, options, origin, folder, keep: None }
            }
        };
        if let Some(taken_at) = self.taken_at {
            if !matches!(prepared.origin, Origin::Files(_)) {
                return Err(fault("--taken-at goes with files: what is asked for is taken when it is asked"));
            }
            prepared.options.taken_at = taken_at.to_string();
        }
        prepared.options.skip_bad_rows |= self.skip_bad_rows;
        // A map that is not built in runs as a process of its own: this program once more.
        prepared.options.worker = std::env::current_exe().ok();
        Ok(prepared)
    }
}

/// Pulls a source, with a bar; `sink` gets each record as a line without its line end.
pub(super) fn pull(source: &Job, sink: &mut dyn FnMut(&str) -> io::Result<()>) -> Result<PullSummary, Stop> {
    let id = &source.options.source;
    let named = |e: &dyn std::fmt::Display| fault(format!("source `{id}`: {e}"));
    source.check_files().map_err(|e| named(&e))?;
    let result = match &source.origin {
        Origin::Files(_) => {
            let total = source.files().iter().map(|f| std::fs::metadata(f).map(|m| m.len()).ok()).sum();
            let bar = Progress::on_stderr().reading(total);
            // A file is read more than once; the bar shows the furthest point reached in each.
            let mut reached = std::collections::HashMap::new();
            let mut progress = |p: crate::connect::Progress<'_>| {
                let before = reached.entry(p.file.to_owned()).or_insert(0);
                bar.advance(p.bytes.min(p.size).saturating_sub(*before));
                *before = p.bytes.min(p.size).max(*before);
            };
            source.pull(sink, &mut progress, &|_| false)
        }
        _ => {
            let line = Progress::on_stderr().asking();
            let watch = watching(id, &line);
            source.pull(sink, &mut |p| line.mapped(p.rows, p.records), &watch)
        }
    };
    result.map_err(|e| match e {
        PullError::Output(e) => writing("the records")(e),
        other => named(&other),
    })
}

/// Shows what goes on with a source that is asked. It is never broken off: who is at a terminal ends the program.
pub(super) fn watching(source: &str, line: &Asking) -> impl Fn(&Doing<'_>) -> bool {
    move |doing| {
        line.see(doing, &|said| note(format_args!("source `{source}`: {said}")));
        false
    }
}

/// Says what came of a pull, where a person should know.
pub(super) fn tell(source: &str, summary: &PullSummary) {
    let requests = match summary.requests {
        0 => String::new(),
        n => format!("{}, ", counted(n, "request")),
    };
    let (rows, records) = (counted(summary.rows, "row"), counted(summary.records, "record"));
    note(format_args!("source `{source}`: {requests}{rows}, {records}"));
    for reject in &summary.rejects {
        note(format_args!("source `{source}`: passed over: {reject}"));
    }
    for reason in &summary.reasons {
        note(format_args!("source `{source}` is not complete: {reason}"));
    }
    if summary.orphans > 0 {
        note(format_args!("source `{source}`: {} parts belong to no record of it", summary.orphans));
    }
}
