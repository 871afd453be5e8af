//! The gate behind a run in partitions: what the partitions say they judged, held against what was cut.
//!
//! Every command that cuts or judges leaves a line that counts what it saw. Counts and sums of hashes add up over the
//! partitions: a row that is lost, doubled or changed, a home in two partitions, or another judge shows before anything is
//! told.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Done, Outcome, Stop, fault, note, say, writing};
use crate::config::Config;
use crate::controls::Controls;
use crate::intake::rows::{FORMAT, Judge, Sum, Tally};
use crate::model::Instant;
use crate::model::event::hashed;

/// What a command that cut or judged saw, as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Who.
    pub(super) by: By,
    #[serde(flatten)]
    pub(super) judge: Judge,
    /// Records that were read, and lines that were none; of a partition absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) rejected: Option<u64>,
    #[serde(flatten)]
    pub(super) tally: Tally,
    /// Of a slice: which, and of how many.
    #[serde(flatten)]
    pub(super) slice: Option<Slice>,
    #[serde(flatten)]
    pub(super) told: Option<Told>,
}

/// Which slice was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slice {
    pub(super) slice: u16,
    pub(super) slices: u64,
}

/// Who saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    Shard,
    Slice,
    Partition,
}

/// What came out of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Grants judged; those that another record of the same grant stands for are not.
    pub(super) verdicts: u64,
    pub(super) findings: u64,
    /// Over the ids of all findings.
    pub(super) findings_sum: Sum,
}

/// Who judges here, under this configuration.
pub(super) fn judge_of(config: &Config, controls: &Controls, now: Instant) -> Result<Judge, Stop> {
    let said = serde_json::to_string(&(config.settings(), controls.to_json()))?;
    Ok(Judge {
        format: FORMAT.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        settings: hashed("", &said),
        now,
    })
}

/// Refuses what was cut for another judge than this one.
pub(super) fn same_judge(file: &str, theirs: &Judge, ours: &Judge) -> Result<(), Stop> {
    for (what, found, expected) in [
        ("program", &theirs.program, &ours.program),
        ("settings", &theirs.settings, &ours.settings),
        ("now", &theirs.now.to_string(), &ours.now.to_string()),
    ] {
        if found != expected {
            return Err(fault(format!(
                "{file}: line 1: was cut for {what} `{found}`, and this is `{expected}`"
            )));
        }
    }
    Ok(())
}

/// Leaves the line in a file, or on standard error.
pub(super) fn leave(seen: &Seen, file: Option<&Path>) -> Result<(), Stop> {
    let line = serde_json::to_string(seen)?;
    match file {
        None => note(line),
        Some(path) => {
            let shown = path.display().to_string();
            let mut out = File::create(path).map_err(writing(&shown))?;
            writeln!(out, "{line}").map_err(writing(&shown))?;
        }
    }
    Ok(())
}

/// Holds the lines of these files against each other.
pub(super) fn check(files: &[PathBuf]) -> Outcome {
    let mut all = vec![];
    for path in files {
        let shown = path.display();
        let open = File::open(path).map_err(|e| fault(format!("{shown}: cannot be read: {e}")))?;
        for (number, line) in (1..).zip(BufReader::new(open).lines()) {
            let line = line.map_err(|e| fault(format!("{shown}: cannot be read: {e}")))?;
            let line = line.strip_prefix("counterfoil: ").unwrap_or(&line);
            let seen: Seen =
                serde_json::from_str(line).map_err(|e| fault(format!("{shown}: line {number}: {e}")))?;
            all.push(seen);
        }
    }
    let (grants, told) = agree(&all).map_err(fault)?;
    let partitions = all.iter().filter(|s| s.by == By::Partition).count();
    let (verdicts, findings, sum) = (told.verdicts, told.findings, told.findings_sum);
    say(format_args!(
        "{partitions} partitions judged all {grants} grants ({verdicts} verdicts, {findings} findings, sum {sum})"
    ))?;
    Ok(Done::Well)
}

/// Who will judge, what was cut, all at once or in slices, each of them once, and whether the homes are known: slices share
/// them.
fn cut_of(all: &[Seen]) -> Result<(&Judge, Tally, bool), String> {
    let mut cuts = all.iter().filter(|s| s.by == By::Shard);
    let slices: Vec<&Seen> = all.iter().filter(|s| s.by == By::Slice).collect();
    let first = match (cuts.next(), cuts.next(), slices.first()) {
        (Some(cut), None, None) => return Ok((&cut.judge, cut.tally.clone(), true)),
        (None, None, Some(first)) => *first,
        _ => {
            return Err(
                "expected the line of one `shard`, or those of all its slices, and those of all partitions"
                    .to_owned(),
            );
        }
    };
    let (mut tally, mut numbers) = (Tally::of_nobody(), BTreeSet::new());
    let of = |seen: &Seen| seen.slice.ok_or("the line of a slice does not say which");
    let expected = of(first)?.slices;
    for seen in slices {
        let Slice { slice, slices } = of(seen)?;
        if seen.judge != first.judge || slices != expected {
            return Err(format!("slice {slice} was cut by another plan than slice {}", of(first)?.slice));
        }
        if !numbers.insert(slice) {
            return Err(format!("slice {slice} was cut twice"));
        }
        tally.merge(&seen.tally);
    }
    if numbers.len() as u64 != expected {
        return Err(format!("{} slices were cut, and {expected} were planned", numbers.len()));
    }
    Ok((&first.judge, tally, false))
}

/// How many grants all partitions saw, and what they told together, where they saw what was cut, each thing once.
///
/// That no home was judged in two partitions shows here only where one program cut everything. Slices share homes, and the
/// rows of a home that was torn apart add up; whoever puts the judged lines together sees to it that each home has one.
pub(super) fn agree(all: &[Seen]) -> Result<(u64, Told), String> {
    let (judge, cut, knows_homes) = cut_of(all)?;
    let (mut sum, mut told) = (Tally::default(), Told::default());
    for part in all.iter().filter(|s| s.by == By::Partition) {
        if part.judge != *judge {
            let [found, expected] =
                [&part.judge, judge].map(|j| serde_json::to_string(j).unwrap_or_default());
            return Err(format!("a partition was judged by {found}, and cut for {expected}"));
        }
        sum.merge(&part.tally);
        let t = part.told.unwrap_or_default();
        told.verdicts = told.verdicts.saturating_add(t.verdicts);
        told.findings = told.findings.saturating_add(t.findings);
        told.findings_sum.merge(t.findings_sum);
    }
    let counts = |t: &Tally| {
        let counts = [
            ("grants", t.grants),
            ("requests", t.requests),
            ("usages", t.usages),
            ("certifications", t.certifications),
        ];
        let mut all = counts.map(|(what, n)| (what, n.to_string())).to_vec();
        if knows_homes {
            all.push(("homes", t.homes.to_string()));
            all.push(("the sum of the homes", t.homes_sum.to_string()));
        }
        all.push(("the sum of the rows", t.rows_sum.to_string()));
        all
    };
    for ((what, found), (_, expected)) in counts(&sum).into_iter().zip(counts(&cut)) {
        if found != expected {
            return Err(format!("{what}: the partitions saw {found}, and {expected} were cut"));
        }
    }
    if told.verdicts > sum.grants {
        return Err(format!("{} verdicts for {} grants", told.verdicts, sum.grants));
    }
    Ok((cut.grants, told))
}
