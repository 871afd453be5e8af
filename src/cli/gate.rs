//! The gate behind a run in partitions: what the partitions say they judged, held against what was cut.
//!
//! Every command that cuts or judges leaves a line that counts what it saw. Counts and sums of hashes add up over the
//! partitions: a row that is lost, doubled or changed, a home in two partitions, or another judge shows before anything is
//! told.

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
    #[serde(flatten)]
    pub(super) told: Option<Told>,
}

/// Who saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    Shard,
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
    let told = agree(&all).map_err(fault)?;
    let grants = all.iter().find(|s| s.by == By::Shard).map_or(0, |s| s.tally.grants);
    let partitions = all.len() - 1;
    let (verdicts, findings, sum) = (told.verdicts, told.findings, told.findings_sum);
    say(format_args!(
        "{partitions} partitions judged all {grants} grants ({verdicts} verdicts, {findings} findings, sum {sum})"
    ))?;
    Ok(Done::Well)
}

/// What all partitions told together, where they saw what was cut, each thing once.
fn agree(all: &[Seen]) -> Result<Told, String> {
    let mut cuts = all.iter().filter(|s| s.by == By::Shard);
    let (Some(cut), None) = (cuts.next(), cuts.next()) else {
        return Err("expected the line of one `shard`, and those of all partitions".to_owned());
    };
    let (mut sum, mut told) = (Tally::default(), Told::default());
    for part in all.iter().filter(|s| s.by == By::Partition) {
        if part.judge != cut.judge {
            let [found, expected] = [part, cut].map(|s| serde_json::to_string(&s.judge).unwrap_or_default());
            return Err(format!("a partition was judged by {found}, and cut for {expected}"));
        }
        sum.merge(&part.tally);
        let t = part.told.unwrap_or_default();
        told.verdicts = told.verdicts.saturating_add(t.verdicts);
        told.findings = told.findings.saturating_add(t.findings);
        told.findings_sum.merge(t.findings_sum);
    }
    let counts = |t: &Tally| {
        let named = [
            ("grants", t.grants),
            ("requests", t.requests),
            ("usages", t.usages),
            ("certifications", t.certifications),
            ("homes", t.homes),
        ];
        let sums = [("the sum of the rows", t.rows_sum), ("the sum of the homes", t.homes_sum)];
        let counts = named.map(|(what, n)| (what, n.to_string()));
        counts.into_iter().chain(sums.map(|(what, sum)| (what, sum.to_string())))
    };
    for ((what, found), (_, expected)) in counts(&sum).zip(counts(&cut.tally)) {
        if found != expected {
            return Err(format!("{what}: the partitions saw {found}, and {expected} were cut"));
        }
    }
    if told.verdicts > sum.grants {
        return Err(format!("{} verdicts for {} grants", told.verdicts, sum.grants));
    }
    Ok(told)
}
