//! The second reading: rows of records, where it is known what belongs where.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Write};

use super::input::Block;
use super::plan::Plan;
use super::rows::{Count, For, Kind, Row, Tally};
use super::scan::{Numbers, Pour, each_input};
use super::survey::{Hashing, Slice};
use super::{IntakeError, Source};
use crate::judge::{Home, Routes};
use crate::model::{BadRecord, Record, parse_line};

/// Where records belong.
pub(super) struct Places {
    pub(super) routes: Routes,
    pub(super) hashing: Hashing,
    /// The homes of each request whose records disagree on whom it is for, of all of them together.
    pub(super) disputed: HashMap<u64, BTreeSet<Home>>,
    /// For a slice: the systems on which grants were held when all slices were surveyed.
    pub(super) held: Option<HashSet<String>>,
}

/// What a block comes to when rows are made.
#[derive(Default)]
pub(super) struct Second {
    pub(super) rows: Vec<u8>,
    pub(super) records: u64,
    pub(super) rejected: u64,
    pub(super) tally: Tally,
    pub(super) homes: HashSet<Home>,
    pub(super) shared: Count,
    bad: Option<(u64, Fault)>,
}

/// Why a line has no rows.
enum Fault {
    NoRecord(BadRecord),
    Unplanned(String),
}

impl Second {
    /// Itself, or what is wrong with it.
    pub(super) fn or_fault(self, file: &str) -> Result<Self, IntakeError> {
        let file = || file.to_owned();
        match self.bad {
            None => Ok(self),
            Some((line, Fault::NoRecord(error))) => Err(IntakeError::Bad { file: file(), line, error }),
            Some((line, Fault::Unplanned(what))) => Err(IntakeError::Line { file: file(), line, what }),
        }
    }
}

/// Makes the rows of a block before which there are `start` lines. Those that every partition needs are only counted in a
/// slice, of which the homes are not: another slice may have the same.
pub(super) fn second(block: &Block, start: u64, places: &Places, pass_over: bool) -> Second {
    let mut made = Second { rows: Vec::with_capacity(block.lines().len() * 5 / 4), ..Second::default() };
    for (line, _, bytes) in block.each() {
        let record = match parse_line(bytes) {
            Ok(record) => record,
            Err(_) if pass_over => {
                made.rejected += 1;
                continue;
            }
            Err(error) => {
                made.bad = Some((line, Fault::NoRecord(error)));
                break;
            }
        };
        made.records += 1;
        let (kind, number) = (Kind::of(&record), start + line);
        let mut write = |to: For| {
            let from = made.rows.len();
            Row { to, kind, number, json: bytes }.write(&mut made.rows);
            let row = made.rows.get(from..).unwrap_or(&[]);
            match to {
                For::Every => made.shared.add(row),
                For::One(_) => made.tally.count(kind, row),
            }
            if to == For::Every && places.held.is_some() {
                made.rows.truncate(from);
            } else {
                made.rows.push(b'\n');
            }
        };
        let Some(mut homes) = places.routes.homes(&record) else {
            write(For::Every);
            continue;
        };
        if let Err(what) = places.widen(&record, &mut homes) {
            made.bad = Some((line, Fault::Unplanned(what)));
            break;
        }
        homes.iter().for_each(|home| write(For::One(*home)));
        if places.held.is_none() {
            made.homes.extend(homes);
        }
    }
    made
}

impl Places {
    /// Adds the homes at which a record is needed for others; what is wrong where nobody reckoned with it.
    fn widen(&self, record: &Record<'_>, homes: &mut Vec<Home>) -> Result<(), String> {
        match record {
            // Which of several records of one request stands is found out where any of them could count.
            Record::Request(r) if !self.disputed.is_empty() => {
                let Some(all) = self.disputed.get(&self.hashing.of(r).0) else { return Ok(()) };
                if !homes.iter().all(|home| all.contains(home)) {
                    return Err(format!(
                        "request `{}` of `{}` is in dispute, and the plan does not know of this record; were the lines `request-of` of all slices in it?",
                        &*r.id, &*r.source
                    ));
                }
                *homes = all.iter().copied().collect();
            }
            Record::Grant(g) if self.held.as_ref().is_some_and(|held| !held.contains(&*g.system)) => {
                return Err(format!(
                    "the plan does not know that grants are held on system `{}`",
                    &*g.system
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// What was cut of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sliced {
    /// How many lines were records.
    pub records: u64,
    /// How many lines were rejected.
    pub rejected: u64,
    /// The rows that are for one partition each, without homes.
    pub tally: Tally,
    /// How many slices there are.
    pub slices: u64,
}

/// Writes the rows of a slice that are for one partition each, and sees to it that it is what was surveyed.
///
/// # Errors
/// When a file cannot be read, the slice is another than was planned for, or a line is no record and bad lines are not to be
/// skipped; the inner error is one of writing.
pub fn cut_slice(
    sources: &[Source],
    slice: &Slice<'_>,
    plan: &Plan,
    pass_over: bool,
    out: &mut (dyn Write + Send),
) -> Result<io::Result<Sliced>, IntakeError> {
    let surveyed = plan.seen(slice.number)?;
    let mut pour = Pour::new(out);
    let mut cut = Sliced { records: 0, rejected: 0, tally: Tally::default(), slices: plan.slices() };
    let mut shared = Count::default();
    let make = |block: &Block, (_, start)| second(block, start, &plan.places, pass_over);
    let numbers = Numbers::of_slice(slice.number);
    let read = each_input(sources, numbers, &slice.how(), &make, &mut |made: Second, file| {
        let made = made.or_fault(file)?;
        cut.records += made.records;
        cut.rejected += made.rejected;
        cut.tally.merge(&made.tally);
        shared.merge(made.shared);
        pour.put(&made.rows)
    });
    let done = read.and_then(|_| {
        let found = (cut.records, cut.rejected, shared);
        let expected = (surveyed.records, surveyed.rejected, surveyed.shared);
        if found == expected {
            return Ok(cut);
        }
        let said = |(records, rejected, shared): (u64, u64, Count)| {
            format!(
                "{records} records, {rejected} bad lines and {} rows that all need with the sum {}",
                shared.rows, shared.sum
            )
        };
        Err(IntakeError::Plan(format!(
            "slice {} is not what was surveyed: it has {}, and had {}",
            slice.number,
            said(found),
            said(expected)
        )))
    });
    pour.end(done)
}
