//! `reconcile --judged`: what a cluster judged becomes a run of the daemon. All of it is read and held against what was cut
//! before anything of it is taken.

use std::collections::BTreeSet;
use std::path::Path;

use super::gate::{self, By, Seen};
use super::progress::Progress;
use super::reconcile::How;
use super::{Done, Outcome, Stop, fault, note};
use crate::config::Config;
use crate::daemon::{Core, Hold};
use crate::engine::{self, Results, Took, taken_before};
use crate::intake::judged::{Homes, Judged, Run, Summary};
use crate::intake::rows::Judge;
use crate::judge;
use crate::model::event::hashed;

/// How many findings are printed at most: they are put in order in memory, and a cluster may have found many more.
const PRINTED: u64 = 1_000_000;

/// What was seen of results when all of them were read.
#[derive(Default)]
struct Checked {
    snapshots: Option<Vec<String>>,
    /// The sources that a finding is about.
    doubtful: Vec<String>,
}

pub(super) fn reconcile(config: &Config, folder: &Path, how: &How) -> Outcome {
    super::remember::start_log(config)?;
    if !config.source.is_empty() {
        return Err(fault(
            "--judged: the configuration has [[source]], and what was judged elsewhere does not go beside what is pulled; take \
             the tables out, or reconcile without --judged",
        ));
    }
    let judged = Judged::open(folder)?;
    let controls = super::checks::controls(config.controls.as_deref())?;
    let now = judged.run.judge.now;
    let of = name(&judged)?;
    let shown = folder.display();
    agrees(&judged.run.judge, &gate::judge_of(config, &controls, now)?)
        .map_err(|what| fault(format!("{shown}/run.json: {what}")))?;
    let place = super::store::place(config)?;
    let hold = Hold::lead(&place)?;
    // Before the time is spent to read it.
    let before = if place.is_there()? { taken_before(&*place.open()?, now, &of)? } else { None };
    let checked = if before.is_some() { Checked::default() } else { check(&judged, folder)? };
    let mut core = super::remember::core(config, controls, &hold, how)?;
    match take(&judged, checked, of, &mut core)? {
        Took::Run(manifest) => {
            let (_, worst) = super::remember::conclude(&mut core, &hold, *manifest, how, (now, PRINTED))?;
            Ok(super::remember::done(how, worst))
        }
        Took::Already(run) => {
            note(format_args!("{shown} is taken already, by run {run}"));
            // It may have been broken off just before the end.
            super::remember::deliver(&mut core, &hold, now)?;
            Ok(Done::Well)
        }
    }
}

/// Reads everything once more, and takes it.
fn take(judged: &Judged, checked: Checked, of: String, core: &mut Core) -> Result<Took, Stop> {
    let bar = Progress::on_stderr().reading(Some(judged.size()));
    let counter = bar.counter();
    let mut homes = judged.homes(&counter);
    let results = Results {
        now: judged.run.judge.now,
        of,
        snapshots: checked.snapshots,
        doubtful: checked.doubtful,
        at_once: engine::AT_ONCE,
        next: &mut || next(&mut homes),
        stop: &|| false,
    };
    Ok(core.take_judged(results)?)
}

/// What tells these results from all others: not in how many partitions they were judged, nor in which order the slices of the
/// records were cut.
fn name(judged: &Judged) -> Result<String, Stop> {
    let run = Run { partitions: 0, ..judged.run.clone() };
    let mut cut: Vec<&str> = judged.cut.iter().map(|(_, line)| line.as_str()).collect();
    cut.sort_unstable();
    Ok(hashed("e1:", &serde_json::to_string(&(run, cut))?))
}

/// Whether what was judged there is what would be judged here.
fn agrees(theirs: &Judge, ours: &Judge) -> Result<(), String> {
    for (what, found, expected) in [
        ("format", &theirs.format, &ours.format),
        ("program", &theirs.program, &ours.program),
        ("settings", &theirs.settings, &ours.settings),
        ("now", &theirs.now.to_string(), &ours.now.to_string()),
    ] {
        if found != expected {
            return Err(format!(
                "was judged with {what} `{found}`, and expected is `{expected}`; judge again with this program and configuration"
            ));
        }
    }
    Ok(())
}

/// Reads everything once, and holds it against what was cut.
fn check(judged: &Judged, folder: &Path) -> Result<Checked, Stop> {
    let bar = Progress::on_stderr().reading(Some(judged.size()));
    let counter = bar.counter();
    let mut doubtful = BTreeSet::new();
    let summaries = judged.check(&counter, &mut |home| {
        doubtful.extend(home.findings.into_iter().filter_map(|f| f.source.map(|s| s.into_owned())));
    })?;
    let mut all = vec![];
    for (at, line) in &judged.cut {
        let seen: Seen = serde_json::from_str(line).map_err(|e| fault(format!("{at}: {e}")))?;
        if seen.by == By::Partition {
            return Err(fault(format!("{at}: is of a partition, expected what was cut")));
        }
        all.push(seen);
    }
    for Summary { at, text, .. } in &summaries {
        let seen: Seen = serde_json::from_str(text).map_err(|e| fault(format!("{at}: the summary: {e}")))?;
        if seen.by != By::Partition {
            return Err(fault(format!("{at}: the summary is not of a partition")));
        }
        agrees(&seen.judge, &judged.run.judge).map_err(|what| fault(format!("{at}: the summary: {what}")))?;
        all.push(seen);
    }
    let shown = folder.display();
    let (grants, told) = gate::agree(&all).map_err(|what| fault(format!("{shown}: {what}; judge again")))?;
    let (run, partitions) = (&judged.run, summaries.len() as u64);
    for (what, found, expected) in [
        ("grants", grants.to_string(), run.grants.to_string()),
        ("verdicts", told.verdicts.to_string(), run.verdicts.to_string()),
        ("findings", told.findings.to_string(), run.findings.to_string()),
        ("partitions", partitions.to_string(), run.partitions.to_string()),
        ("the sum of the findings", told.findings_sum.to_string(), run.findings_sum.to_string()),
    ] {
        if found != expected {
            return Err(fault(format!(
                "{shown}: {what}: found {found}, and run.json says {expected}; judge again"
            )));
        }
    }
    let snapshots = snapshots(&summaries)?;
    Ok(Checked { snapshots, doubtful: doubtful.into_iter().collect() })
}

/// The end marks of the sources, which all partitions share.
fn snapshots(summaries: &[Summary]) -> Result<Option<Vec<String>>, Stop> {
    let Some(first) = summaries.first() else { return Ok(None) };
    match summaries.iter().find(|s| s.snapshots != first.snapshots) {
        None => Ok(first.snapshots.clone()),
        Some(other) => {
            Err(fault(format!("{}: has other snapshots than {}; judge again", other.at, first.at)))
        }
    }
}

/// The next home, as the engine takes it.
fn next(homes: &mut Homes<'_>) -> Result<Option<engine::Home>, String> {
    let home = homes.next_home().map_err(|e| e.to_string())?;
    Ok(home.map(|of| {
        let token = match of.home {
            judge::Home::Nobody => 0,
            judge::Home::Of(start) => start.cast_signed(),
        };
        engine::Home { token, verdicts: of.verdicts, findings: of.findings }
    }))
}
