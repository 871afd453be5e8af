//! Records in, rows out: each record framed with the homes at which it is needed.
//!
//! The input is read twice. The first time what decides where things belong is kept (identities and systems, and which
//! requests stand more than once), the second time rows are written, in the order of the input; a third time between the two
//! where records of one request disagree on whom it is for. Memory holds identities, systems and 24 bytes for each request
//! and each home, however many grants there are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Write};

use foldhash::quality::RandomState;

use super::cut::{Places, Second, second};
use super::input::{Block, Input, Lines};
use super::plan::{extra_rows, header_row};
use super::reject::Rejects;
use super::rows::{Count, Judge, NOBODY, Tally};
use super::scan::{How, Numbers, Pour, each_input, scan};
use super::survey::{Hashing, Known, first};
use super::{IntakeError, Source, fetch};
use crate::judge::{Builder, Home, Locator, Routes};
use crate::model::{Record, parse_line};

/// How to cut.
pub struct Cut<'a> {
    /// Who will judge the partitions.
    pub judge: Judge,
    /// Threads that parse (at least one).
    pub threads: usize,
    /// Where bad lines go; `None` stops at the first.
    pub rejects: Option<&'a mut Rejects>,
    /// Told how many more bytes (as they stand in the file) are read the first time.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// What was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharded {
    /// How many lines were records.
    pub records: u64,
    /// How many lines were rejected.
    pub rejected: u64,
    /// The rows that are for one partition each.
    pub tally: Tally,
}

/// Writes the rows of all records.
///
/// # Errors
/// When a file cannot be read, or a line is no record and bad lines are not to be skipped; the inner error is one of writing.
pub fn shard(
    sources: &[Source],
    cut: Cut<'_>,
    out: &mut (dyn Write + Send),
) -> Result<io::Result<Sharded>, IntakeError> {
    let mut pour = Pour::new(out);
    let done = cut_all(sources, cut, &mut pour);
    pour.end(done)
}

fn cut_all(sources: &[Source], cut: Cut<'_>, pour: &mut Pour<'_>) -> Result<Sharded, IntakeError> {
    let Cut { judge, threads, mut rejects, progress } = cut;
    let pass_over = rejects.is_some();
    let (mut known, mut builder) = (Known::default(), Builder::default());
    let empty = builder.part();
    let hashing = Hashing::Own(RandomState::default());
    let make = |block: &Block, place| first(block, place, Some(empty.part()), &hashing, pass_over);
    let how = How { again: true, threads, progress };
    let (inputs, next) = each_input(sources, Numbers::ALL, &how, &make, &mut |mut made, file| {
        made.part.iter_mut().for_each(|part| builder.append(part));
        known.take(made, file, rejects.as_deref_mut())
    })?;
    let extra = extra_rows(&known.held, &known.incomplete, judge.now, next..);
    extra.iter().for_each(|row| known.shared.add(row));

    let Known { requests, shared, records, rejected, .. } = known;
    let (mut inputs, starts): (Vec<Input>, Vec<u64>) = inputs.into_iter().unzip();
    let mut again =
        |places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])| fetch(&mut inputs, places, show);
    let routes = Routes::new(builder.finish_with(threads, &mut again).map_err(IntakeError::Tie)?);
    let mut wider: HashMap<u64, BTreeSet<Home>> = HashMap::new();
    if !requests.disputed.is_empty() {
        for input in &mut inputs {
            reread(input, &mut |lines| {
                let make = |block: &Block| disputes(block, &requests.disputed, (&routes, &hashing));
                scan(lines, threads, &make, &mut |found| {
                    for (key, homes) in found {
                        wider.entry(key).or_default().extend(homes);
                    }
                    Ok(())
                })
            })?;
        }
    }
    drop(requests);

    let mut seen = Count::default();
    let mut line = |line: &[u8]| pour.put(line).and_then(|()| pour.put(b"\n"));
    line(&header_row(judge, shared))?;
    for row in &extra {
        seen.add(row);
        line(row)?;
    }
    line(NOBODY)?;
    let mut sharded = Sharded { records, rejected, tally: Tally::of_nobody() };
    let mut homes: HashSet<Home> = HashSet::new();
    let places = Places { routes, hashing, disputed: wider, held: None };
    for (input, start) in inputs.iter_mut().zip(starts) {
        let file = input.to_string();
        reread(input, &mut |lines| {
            let make = |block: &Block| second(block, start, &places, pass_over);
            scan(lines, threads, &make, &mut |made: Second| {
                let made = made.or_fault(&file)?;
                seen.merge(made.shared);
                sharded.tally.merge(&made.tally);
                homes.extend(made.homes);
                pour.put(&made.rows)
            })
        })?;
    }
    if seen != shared {
        let error = io::Error::other("it changed while it was read");
        return Err(IntakeError::Io { file: "the input".to_owned(), error });
    }
    homes.into_iter().for_each(|home| sharded.tally.count_home(home));
    Ok(sharded)
}

/// Goes through an input once more.
fn reread(
    input: &mut Input,
    make: &mut dyn FnMut(Lines<'_>) -> Result<(), IntakeError>,
) -> Result<(), IntakeError> {
    let file = input.to_string();
    make(input.again().map_err(|error| IntakeError::Io { file, error })?)
}

/// The homes of the requests whose records disagree.
fn disputes(
    block: &Block,
    disputed: &HashSet<u64>,
    (routes, hashing): (&Routes, &Hashing),
) -> Vec<(u64, Vec<Home>)> {
    let mut found = vec![];
    for (.., bytes) in block.each() {
        if let Ok(record) = parse_line(bytes)
            && let Record::Request(r) = &record
        {
            let (key, _) = hashing.of(r);
            if disputed.contains(&key) {
                found.push((key, routes.homes(&record).unwrap_or_default()));
            }
        }
    }
    found
}
