//! `reconcile --partition`: one partition in, what is at home in it out, each line behind its place among all.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use hashbrown::HashSet;
use serde::Serialize;

use super::batches::write_in_order;
use super::gate::{self, By, Seen, Told};
use super::reconcile::How;
use super::{Done, Outcome, STDOUT, Stop, fault, writing};
use crate::config::Config;
use crate::controls::Controls;
use crate::intake::partition::{BATCH, Partition};
use crate::intake::rows::Sum;
use crate::judge::{Home, Judgement, Said, Teller, World, judge};
use crate::model::finding::{Finding, Severity, Verdict};
use crate::report::{Format, Lines, order_of_finding, order_of_verdict, write_compact};

/// How many findings one thread renders at a time.
const EACH: usize = 512;

/// What ends a tagged stream: whoever takes it must know which sources are in doubt.
#[derive(Serialize)]
struct Ended<'p> {
    #[serde(flatten)]
    seen: &'p Seen,
    snapshots: Vec<serde_json::Value>,
}

/// What was told so far.
#[derive(Default)]
struct Telling {
    told: Told,
    worst: Option<Severity>,
}

/// Judges the partition on standard input, and leaves a line that counts it. With `tagged` all that is told goes to
/// standard output, sorted by home.
pub(super) fn run(
    config: &Config,
    how: &How,
    shared: Option<&Path>,
    summary: Option<&Path>,
    tagged: bool,
) -> Outcome {
    let format = match how.format.map(|_| how.format()) {
        None | Some(Format::Jsonl) => Format::Jsonl,
        Some(Format::Compact) if !tagged => Format::Compact,
        Some(other) => {
            let expected = if tagged { "jsonl" } else { "jsonl or compact" };
            return Err(fault(format!(
                "--partition prints lines that are put in order later: found --format {other}, expected {expected}"
            )));
        }
    };
    let controls = super::checks::controls(config.controls.as_deref())?;
    let settings = config.settings();
    let rows = io::stdin().lock();
    let mut partition = match shared {
        None => Partition::open(rows, BATCH)?,
        Some(path) => {
            let shown = path.display().to_string();
            let shared = File::open(path).map_err(|e| fault(format!("{shown}: cannot be read: {e}")))?;
            Partition::open_with(&shown, BufReader::with_capacity(1 << 18, shared), rows, BATCH)?
        }
    };
    let theirs = partition.judge().clone();
    let ours = gate::judge_of(config, &controls, how.now.unwrap_or(theirs.now))?;
    gate::same_judge(partition.header_in(), &theirs, &ours)?;
    let mut verdicts = match &how.verdicts {
        None => None,
        Some(path) => {
            let shown = path.display().to_string();
            let file = File::create(path).map_err(writing(&shown))?;
            Some((BufWriter::with_capacity(1 << 18, file), shown))
        }
    };
    let mut telling = Telling::default();
    while let Some(batch) = partition.next_batch()? {
        let world = World::with_threads(batch.estate, &settings, how.threads());
        let mut judgement = judge(&world, &settings, theirs.now, how.threads(), &|_| {});
        judgement.stay_home(&batch.homes)?;
        if let Some((out, shown)) = &mut verdicts {
            write_verdicts(&judgement, out).map_err(writing(shown))?;
        }
        telling.told.verdicts += judgement.outcomes().iter().sum::<u64>();
        telling.told.findings += judgement.len() as u64;
        if tagged {
            telling.write_by_home(&judgement, &batch.homes, &controls, how.threads())?;
            continue;
        }
        match format {
            Format::Compact => {
                let begin = || (judgement.outliner(), ());
                let line = |(): &mut (), f: &Finding<'_>, out: &mut Vec<u8>| write_compact(f, out);
                telling.write(judgement.len(), how.threads(), begin, line)?;
            }
            _ => {
                let begin = || (judgement.teller(&controls as &Controls), Lines::default());
                telling.write(judgement.len(), how.threads(), begin, Lines::write)?;
            }
        }
    }
    if let Some((mut out, shown)) = verdicts {
        out.flush().map_err(writing(&shown))?;
    }
    let seen = Seen {
        by: By::Partition,
        judge: theirs,
        records: None,
        rejected: None,
        tally: partition.tally().clone(),
        slice: None,
        told: Some(telling.told),
    };
    if tagged {
        let ended = Ended { seen: &seen, snapshots: partition.snapshots() };
        super::say(format_args!("~\t9\t\t{}", serde_json::to_string(&ended)?))?;
    } else {
        gate::leave(&seen, summary)?;
    }
    let failing = how.fail_on.is_some_and(|limit| telling.worst >= Some(Severity::from(limit)));
    Ok(if failing { Done::Failing } else { Done::Well })
}

fn write_verdicts(judgement: &Judgement<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut line = vec![];
    for verdict in judgement.verdicts() {
        line.clear();
        write_verdict(&verdict, &mut line)?;
        out.write_all(&line)?;
    }
    Ok(())
}

/// A line: a verdict behind its place.
fn write_verdict(verdict: &Verdict<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    order_of_verdict(verdict, line);
    line.push(b'\t');
    serde_json::to_writer(&mut *line, verdict)?;
    line.push(b'\n');
    Ok(())
}

/// Counts what one thread told.
#[derive(Default)]
struct Heard {
    worst: Option<Severity>,
    sum: Sum,
}

impl Heard {
    fn hear(&mut self, finding: &Finding<'_>) {
        if finding.exception.is_none() {
            self.worst = self.worst.max(Some(finding.severity));
        }
        self.sum.add(finding.id.as_bytes());
    }
}

impl Telling {
    /// Writes `all` findings of a judgement.
    fn write<'a, L: Send>(
        &mut self,
        all: usize,
        threads: usize,
        begin: impl Fn() -> (Teller<'a>, L) + Sync,
        line: impl Fn(&mut L, &Finding<'a>, &mut Vec<u8>) + Sync,
    ) -> Result<(), Stop> {
        let begin = || (begin(), Heard::default());
        let render =
            |((teller, lines), heard): &mut ((Teller<'a>, L), Heard), batch: usize, out: &mut Vec<u8>| {
                teller.tell_all(batch * EACH..(batch + 1) * EACH, |finding| {
                    heard.hear(finding);
                    order_of_finding(finding, out);
                    out.push(b'\t');
                    line(lines, finding, out);
                });
                Ok(())
            };
        let workers = write_in_order(io::stdout(), all.div_ceil(EACH), threads, begin, render, |_| {})
            .map_err(writing(STDOUT))?;
        workers.into_iter().for_each(|(_, heard)| self.take(heard));
        Ok(())
    }

    /// Writes all that a judgement says, home by home.
    fn write_by_home<'a>(
        &mut self,
        judgement: &'a Judgement<'a>,
        homes: &HashSet<Home>,
        controls: &'a Controls,
        threads: usize,
    ) -> Result<(), Stop> {
        let all = judgement.by_home(homes);
        let begin = || (judgement.teller(controls), Lines::default(), Heard::default());
        let render =
            |(teller, lines, heard): &mut (Teller<'a>, Lines<'a>, Heard), batch: usize, out: &mut Vec<u8>| {
                for (home, said) in all.chunks(EACH).nth(batch).unwrap_or_default() {
                    match said {
                        Said::Here => writeln!(out, "{home}\t1\t\t{{}}")?,
                        Said::Verdict(at) => {
                            let Some(verdict) = judgement.verdict_at(*at) else { continue };
                            write!(out, "{home}\t2\t")?;
                            write_verdict(&verdict, out)?;
                        }
                        Said::Finding(at) => {
                            let Some(finding) = teller.tell(*at) else { continue };
                            heard.hear(finding);
                            write!(out, "{home}\t3\t")?;
                            order_of_finding(finding, out);
                            out.push(b'\t');
                            lines.write(finding, out);
                        }
                    }
                }
                Ok(())
            };
        let count = all.len().div_ceil(EACH);
        let workers = write_in_order(io::stdout(), count, threads, begin, render, |_| {});
        workers.map_err(writing(STDOUT))?.into_iter().for_each(|(.., heard)| self.take(heard));
        Ok(())
    }

    fn take(&mut self, heard: Heard) {
        self.worst = self.worst.max(heard.worst);
        self.told.findings_sum.merge(heard.sum);
    }
}
