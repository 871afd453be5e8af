//! `reconcile --partition`: one partition in, what is at home in it out, each line behind its place among all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::batches::write_in_order;
use super::gate::{self, By, Seen, Told};
use super::reconcile::How;
use super::{Done, Outcome, STDOUT, Stop, fault, writing};
use crate::config::Config;
use crate::controls::Controls;
use crate::intake::partition::{BATCH, Partition};
use crate::intake::rows::Sum;
use crate::judge::{Judgement, Teller, World, judge};
use crate::model::finding::{Finding, Severity};
use crate::report::{Format, Lines, order_of_finding, order_of_verdict, write_compact};

/// How many findings one thread renders at a time.
const EACH: usize = 512;

/// What was told so far.
#[derive(Default)]
struct Telling {
    told: Told,
    worst: Option<Severity>,
}

/// Judges the partition on standard input, and leaves a line that counts it.
pub(super) fn run(config: &Config, how: &How, summary: Option<&Path>) -> Outcome {
    let format = match how.format.map(|_| how.format()) {
        None | Some(Format::Jsonl) => Format::Jsonl,
        Some(Format::Compact) => Format::Compact,
        Some(other) => {
            return Err(fault(format!(
                "--partition prints lines that are put in order later: found --format {other}, expected jsonl or compact"
            )));
        }
    };
    let controls = super::checks::controls(config.controls.as_deref())?;
    let settings = config.settings();
    let mut partition = Partition::open(io::stdin().lock(), BATCH)?;
    let theirs = partition.judge().clone();
    let ours = gate::judge_of(config, &controls, how.now.unwrap_or(theirs.now))?;
    for (what, found, expected) in [
        ("program", &theirs.program, &ours.program),
        ("settings", &theirs.settings, &ours.settings),
        ("now", &theirs.now.to_string(), &ours.now.to_string()),
    ] {
        if found != expected {
            return Err(fault(format!(
                "the partition: line 1: was cut for {what} `{found}`, and this is `{expected}`"
            )));
        }
    }
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
        told: Some(telling.told),
    };
    gate::leave(&seen, summary)?;
    let failing = how.fail_on.is_some_and(|limit| telling.worst >= Some(Severity::from(limit)));
    Ok(if failing { Done::Failing } else { Done::Well })
}

fn write_verdicts(judgement: &Judgement<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut line = vec![];
    for verdict in judgement.verdicts() {
        line.clear();
        order_of_verdict(&verdict, &mut line);
        line.push(b'\t');
        serde_json::to_writer(&mut line, &verdict)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
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
        let begin = || (begin(), None, Sum::default());
        let render = |((teller, lines), worst, sum): &mut ((Teller<'a>, L), Option<Severity>, Sum),
                      batch: usize,
                      out: &mut Vec<u8>| {
            teller.tell_all(batch * EACH..(batch + 1) * EACH, |finding| {
                if finding.exception.is_none() {
                    *worst = (*worst).max(Some(finding.severity));
                }
                sum.add(finding.id.as_bytes());
                order_of_finding(finding, out);
                out.push(b'\t');
                line(lines, finding, out);
            });
            Ok(())
        };
        let workers = write_in_order(io::stdout(), all.div_ceil(EACH), threads, begin, render, |_| {})
            .map_err(writing(STDOUT))?;
        self.told.findings += all as u64;
        for (_, worst, sum) in workers {
            self.worst = self.worst.max(worst);
            self.told.findings_sum.merge(sum);
        }
        Ok(())
    }
}
