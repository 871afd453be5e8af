//! The second day: what is asked is only what changed, and what comes out is the same as if everything was asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::connect::manifest::http::Step;

use super::super::case::Case;
use super::super::fault::{Fault, What};
use super::super::sit::{How, Sat, Sitting};
use super::{expected, within};

/// All files below a folder, with what they hold.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

/// What is left of two pulls, where everything that the first one kept is taken into the second.
struct Days<'c> {
    sitting: Sitting<'c>,
    keep: tempfile::TempDir,
    page_size: Option<u64>,
}

impl<'c> Days<'c> {
    /// After the first day.
    fn new(case: &'c Case) -> (Self, Sat) {
        Self::in_pages(case, None)
    }

    /// The same with pages of so many rows.
    fn in_pages(case: &'c Case, size: Option<usize>) -> (Self, Sat) {
        let sitting = Sitting::new(case);
        sitting.stub.most(size);
        let page_size = size.map(|size| size as u64);
        let days = Self { sitting, keep: tempfile::tempdir().unwrap(), page_size };
        let sat = days.pull();
        (days, sat)
    }

    fn pull(&self) -> Sat {
        let keep = Some(self.keep.path());
        self.sitting.pull(How { keep, page_size: self.page_size, ..How::default() })
    }
}

/// The state file names all others.
fn is_state(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "json")
}

/// A pull with what was kept of the day before equals one that asks for everything.
pub fn incremental(case: &Case) -> Vec<String> {
    if case.changed.is_none() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let mut fresh = Sitting::new(case);
    fresh.next_day();
    let full = fresh.pull(How::default());
    if case.updates() && full.is_whole() && full.wrong().is_empty() {
        let text: String = full.lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(case.folder.join("expected-2.jsonl"), text).unwrap();
    }
    wrong.extend(within("everything, the second day", full.differs(&expected(case, "expected-2.jsonl"))));

    let conditional = case.manifest().steps.iter().any(|step| step.conditional && case.wanted(step));
    let bare = conditional.then_some((Some(1), true));
    for (size, bare) in [(None, false), (Some(1), false)].into_iter().chain(bare) {
        let what = size.map_or("pages of all".to_owned(), |size| format!("pages of {size}"));
        let (mut days, first) = Days::in_pages(case, size);
        days.sitting.stub.bare(bare);
        wrong.extend(within(&what, first.differs(&expected(case, "expected.jsonl"))));
        let again = days.pull();
        wrong.extend(within(&format!("{what}, again"), again.differs(&expected(case, "expected.jsonl"))));
        // What is new may come on a page that was not there before, behind pages that are the same.
        days.sitting.next_day();
        let second = days.pull();
        wrong.extend(within(&format!("{what}, what changed"), second.differs(&full.lines)));
        // Where the newest come first, as many pages are read as have something new.
        for (sat, then) in [(&again, "nothing changed"), (&second, "some changed")] {
            let (sent, all) = (sat.seen.sent(), first.seen.sent());
            if size == Some(1) && sent >= all {
                wrong.push(format!("{what}: {then}, and {sent} rows were sent, after {all} the first time"));
            }
        }
    }
    wrong.extend(damaged(case, &full));
    wrong.extend(failed_between(case, &full));
    wrong.extend(forgotten(case, &full));
    wrong
}

/// Whatever is damaged of what was kept, everything is asked anew.
fn damaged(case: &Case, full: &Sat) -> Vec<String> {
    let mut wrong = Vec::new();
    let ways: [fn(&Path, &[u8]); 3] = [
        |path, bytes| fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        |path, _| fs::write(path, "").unwrap(),
        |path, _| fs::remove_file(path).unwrap(),
    ];
    // What is made of it does not depend on the product: one tries all ways, the others one.
    let ways = if case.name == "product" { &ways[..] } else { &ways[..1] };
    let (mut days, _) = Days::new(case);
    days.sitting.next_day();
    let files = contents(days.keep.path());
    for (number, damage) in ways.iter().enumerate() {
        for state in [true, false] {
            for path in contents(days.keep.path()).into_keys() {
                fs::remove_file(path).unwrap();
            }
            for (path, bytes) in &files {
                fs::write(path, bytes).unwrap();
                if is_state(path) == state {
                    damage(path, bytes);
                }
            }
            let sat = days.pull();
            let what = format!("damaged in way {number}, {}", if state { "the state" } else { "the rows" });
            wrong.extend(within(&what, sat.differs(&full.lines)));
            if sat.seen.sent() != full.seen.sent() {
                wrong.push(format!("{what}: {} rows were sent of {}", sat.seen.sent(), full.seen.sent()));
            }
        }
    }
    wrong
}

/// A pull that is not complete leaves what was kept as it was.
fn failed_between(case: &Case, full: &Sat) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut days, _) = Days::new(case);
    days.sitting.next_day();
    let state = |days: &Days<'_>| -> Vec<(PathBuf, Vec<u8>)> {
        contents(days.keep.path()).into_iter().filter(|(path, _)| is_state(path)).collect()
    };
    let before = state(&days);
    let all = case.made();
    let keeps = |steps: &[&Step]| steps.iter().any(|step| step.incremental.is_some());
    // The first, the last, and those of which something is kept.
    let chosen = |at: usize, steps: &[&Step]| at == 0 || at + 1 == all.len() || keeps(steps);
    let some = all.iter().enumerate().filter(|(at, (_, steps))| chosen(*at, steps)).take(5);
    for (_, (operation, _)) in some {
        let name = operation.name.clone();
        let what = format!("`{name}` failed in between");
        days.sitting.faults(vec![Fault::always(&name, What::Dropped)]);
        let failed = days.pull();
        if !failed.seen.calls.contains_key(&name) {
            return vec![format!("`{name}` is not asked on the second day: let something of it change")];
        }
        wrong.extend(within(&what, failed.passes_for_whole(&[])));
        if state(&days) != before {
            wrong.push(format!("{what}: what was kept is not what it was"));
        }
    }
    days.sitting.faults(Vec::new());
    wrong.extend(within("after all that failed in between", days.pull().differs(&full.lines)));
    wrong
}

/// The product does not know any more what changed since then.
fn forgotten(case: &Case, full: &Sat) -> Vec<String> {
    if case.spec.operations.iter().all(|operation| operation.delta.is_none()) {
        return Vec::new();
    }
    let (mut days, _) = Days::new(case);
    days.sitting.next_day();
    days.sitting.stub.forget();
    within("the address for changes is too old", days.pull().differs(&full.lines))
}
