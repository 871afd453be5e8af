//! `simulate`: what another configuration, or other records, would change about the findings, before it is in force.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::reconcile::SeverityWord;
use super::store::Configured;
use super::{Done, Outcome, STDOUT, Stop, fault, writing};
use crate::audit::{Moved, Question, Simulated, What, simulate};
use crate::config::Config;
use crate::model::finding::{Finding, Severity};
use crate::model::{Instant, norm, parse_line};
use crate::report::text::{grouped, shown};

/// How large a file of records may be, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// `counterfoil simulate …`
#[derive(Debug, Args)]
pub(super) struct Simulate {
    #[command(flatten)]
    configured: Configured,
    /// The configuration to compare with; what the last run judged with when absent.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Records (JSON lines) that would stand beside what is known, and in the place of those of the same key: a policy, say.
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// The instant to judge at, RFC 3339 with an offset; that of the last run when absent.
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    now: Option<Instant>,
    /// The form of the answer.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
    /// How many findings of each kind of change the text lists; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: usize,
    /// Exit with status 1 when a finding would be added at or above this severity.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<SeverityWord>,
    /// Threads to use; as many as there are processors when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// The word for a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person.
    Text,
    /// Each finding that would be added, removed or changed as a line of JSON, and at last the counts.
    Json,
}

impl Simulate {
    pub(super) fn run(self) -> Outcome {
        let (config, store) = self.configured.open()?;
        let against = match &self.against {
            Some(path) => Some(super::report::today(&Config::load(path)?)?),
            None => None,
        };
        let last = store.runs(1)?.first().map_or(Instant::MIN, |run| run.started_at);
        let records = match &self.records {
            Some(path) => read_records(path, self.now.unwrap_or(last).max(last))?,
            None => vec![],
        };
        let question = Question {
            against,
            new: super::report::today(&config)?,
            records: &records,
            at: self.now,
            threads: super::reconcile::threads(self.threads),
        };
        let mut out = BufWriter::new(io::stdout().lock());
        let most = if self.rows == 0 { usize::MAX } else { self.rows };
        let mut told = Told { config: &config, sinks: BTreeMap::new(), lists: BTreeMap::new(), most };
        let mut worst = None;
        let counts = simulate(&*store, &question, &mut |moved| {
            if moved.what == What::Added && moved.finding.exception.is_none() {
                worst = worst.max(Some(moved.finding.severity));
            }
            told.messages(moved);
            match self.format {
                Form::Text => told.list(moved),
                Form::Json => write_line(&mut out, moved)?,
            }
            Ok(())
        })?;
        let written = match self.format {
            Form::Text => told.write(&mut out, &counts),
            Form::Json => {
                let line = serde_json::json!({"change": "total", "counts": counts, "messages": told.sinks});
                writeln!(out, "{line}")
            }
        };
        written.and_then(|()| out.flush()).map_err(writing(STDOUT))?;
        let failing = self.fail_on.is_some_and(|limit| worst >= Some(Severity::from(limit)));
        Ok(if failing { Done::Failing } else { Done::Well })
    }
}

/// The lines of a file of records, seen at the instant of the question, so that they stand in the place of older ones.
fn read_records(path: &Path, at: Instant) -> Result<Vec<String>, Stop> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|e| fault(format!("{shown}: cannot be read: {e}")))?;
    let size = file.metadata().map_or(0, |m| m.len());
    if size > MAX_FILE {
        return Err(fault(format!(
            "{shown}: {size} bytes; records for a simulation have at most {MAX_FILE}"
        )));
    }
    let seen = Instant::from_unix_ms(at.unix_ms() + 1).to_string();
    let mut lines = vec![];
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|e| fault(format!("{shown}:{number}: {e}")))?;
        if line.trim().is_empty() {
            continue;
        }
        parse_line(line.as_bytes()).map_err(|e| fault(format!("{shown}:{number}: {e}")))?;
        let mut record: serde_json::Value = serde_json::from_str(&line)?;
        if let Some(record) = record.as_object_mut() {
            record.insert("observed_at".to_owned(), seen.clone().into());
        }
        lines.push(record.to_string());
    }
    Ok(lines)
}

fn write_line(out: &mut dyn Write, moved: &Moved<'_>) -> io::Result<()> {
    let line = serde_json::json!({"change": moved.what, "was": moved.was, "finding": moved.finding});
    writeln!(out, "{line}")
}

/// What is told of a simulation.
struct Told<'c> {
    config: &'c Config,
    /// By sink, how many events of findings that would be added, removed or changed it would be told.
    sinks: BTreeMap<String, [u64; 3]>,
    /// The first of each.
    lists: BTreeMap<usize, Vec<String>>,
    most: usize,
}

const CHANGES: [&str; 3] = ["added", "removed", "changed"];

fn place(what: What) -> usize {
    match what {
        What::Added => 0,
        What::Removed => 1,
        What::Changed => 2,
    }
}

impl Told<'_> {
    /// Counts whom a change would be told.
    fn messages(&mut self, moved: &Moved<'_>) {
        let config = self.config;
        let member = |who: &str, team: &str| {
            let mut of_name = config.team.iter().filter(|t| norm(&t.id) == *team);
            of_name.any(|t| t.members.iter().any(|m| norm(m) == *who))
        };
        let passes = |s: &crate::sink::Entry| s.filter.passes(moved.finding, &member);
        let routed = || config.sink.iter().any(|s| !s.filter.owners.is_empty() && passes(s));
        for sink in &config.sink {
            let counts = self.sinks.entry(sink.id.clone()).or_default();
            if passes(sink)
                && !(sink.filter.unrouted && routed())
                && let Some(n) = counts.get_mut(place(moved.what))
            {
                *n += 1;
            }
        }
    }

    fn list(&mut self, moved: &Moved<'_>) {
        let list = self.lists.entry(place(moved.what)).or_default();
        if list.len() < self.most {
            list.push(line(moved));
        }
    }

    fn write(&self, out: &mut dyn Write, counts: &Simulated) -> io::Result<()> {
        let at = counts.at.map_or_else(String::new, |at| at.to_string());
        let (before, after) = (counts.before.total(), counts.after.total());
        let run = counts.run;
        let [added, removed, changed] = counts.total();
        writeln!(
            out,
            "As of {at}, after run {run}: {} findings, {} with what is new",
            grouped(before),
            grouped(after)
        )?;
        if added + removed + changed == 0 {
            return writeln!(out, "Nothing would change.");
        }
        writeln!(out, "\n{:<28} {:>9} {:>9} {:>9}", "", CHANGES[0], CHANGES[1], CHANGES[2])?;
        let mut row = |name: &str, [a, b, c]: [u64; 3]| {
            writeln!(out, "{name:<28} {:>9} {:>9} {:>9}", grouped(a), grouped(b), grouped(c))
        };
        row("all", counts.total())?;
        for (severity, n) in counts.by_severity.iter().rev() {
            row(severity.as_str(), *n)?;
        }
        for (check, n) in &counts.by_check {
            row(check, *n)?;
        }
        for (sink, n) in &self.sinks {
            row(&format!("told to {}", shown(sink)), *n)?;
        }
        for (place, list) in &self.lists {
            let (word, all) = match place {
                0 => (CHANGES[0], added),
                1 => (CHANGES[1], removed),
                _ => (CHANGES[2], changed),
            };
            writeln!(out, "\n{word}:")?;
            for text in list {
                writeln!(out, "  {text}")?;
            }
            let more = all.saturating_sub(list.len() as u64);
            if more > 0 {
                writeln!(out, "  … and {} more (--rows 0 or --format json shows all)", grouped(more))?;
            }
        }
        Ok(())
    }
}

fn line(moved: &Moved<'_>) -> String {
    let f: &Finding<'_> = moved.finding;
    let was = match moved.was {
        Some(was) if was != f.severity => format!(" (was {})", was.as_str()),
        _ => String::new(),
    };
    let owner = crate::alert::group::owner(f).unwrap_or("nobody");
    let accepted = if f.exception.is_some() { ", accepted" } else { "" };
    format!("{}{was} {}: {} [{}{accepted}]", f.severity.as_str(), f.check, shown(&f.message), shown(owner))
}
