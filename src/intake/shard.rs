//! Records in, rows out: each record framed with the homes at which it is needed.
//!
//! The input is read twice. The first time what decides where things belong is kept (identities and systems, and which
//! requests stand more than once), the second time rows are written, in the order of the input; a third time between the two
//! where records of one request disagree on whom it is for. Memory holds identities, systems and 24 bytes for each request
//! and each home, however many grants there are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;
use std::io::{self, Write};

use foldhash::quality::RandomState;
use serde_json::json;

use super::input::{Block, Input, Lines};
use super::reject::Rejects;
use super::rows::{Count, For, Header, Judge, Kind, Row, Tally};
use super::scan::scan;
use super::{IntakeError, OFFSET_BITS, Source, fetch};
use crate::judge::{Builder, Home, Locator, Routes};
use crate::model::line::source_of;
use crate::model::record::Request;
use crate::model::{BadRecord, Record, RecordType, parse_line};

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

/// What is known after the first reading.
struct Known {
    builder: Builder,
    records: u64,
    rejected: u64,
    incomplete: BTreeSet<String>,
    /// The systems on which grants are held, as they are written.
    held: BTreeSet<String>,
    /// By the key of each request whom it is for, both as hashes.
    requests: HashMap<u64, u64>,
    /// Those whose records disagree on it.
    disputed: HashSet<u64>,
    shared: Count,
}

/// What a block comes to when it is read first.
struct First {
    part: Builder,
    records: u64,
    held: HashSet<String>,
    requests: Vec<(u64, u64)>,
    shared: Count,
    bad: Vec<(u64, Vec<u8>, BadRecord)>,
}

/// What a block comes to when rows are made.
#[derive(Default)]
struct Second {
    rows: Vec<u8>,
    tally: Tally,
    homes: HashSet<Home>,
    shared: Count,
    bad: Option<(u64, BadRecord)>,
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
    let Cut { judge, threads, mut rejects, progress } = cut;
    let pass_over = rejects.is_some();
    let (mut inputs, mut starts) = (vec![], vec![]);
    let hasher = RandomState::default();
    let mut known = Known {
        builder: Builder::default(),
        records: 0,
        rejected: 0,
        incomplete: BTreeSet::new(),
        held: BTreeSet::new(),
        requests: HashMap::new(),
        disputed: HashSet::new(),
        shared: Count::default(),
    };
    let mut lines = 0;
    for (number, source) in sources.iter().enumerate() {
        inputs.push(Input::open(source, number)?);
        let Some(input) = inputs.last_mut() else { continue };
        let (file, start) = (source.to_string(), lines);
        starts.push(start);
        let empty = known.builder.part();
        let make = |block: &Block| first(block, empty.part(), (number, start), &hasher, pass_over);
        scan(input.lines(progress)?, threads, &|block| (make(block), last_line(block)), &mut |(
            made,
            last,
        )| {
            lines = start + last;
            known.take(made, &file, rejects.as_deref_mut())
        })?;
    }
    let marks: Vec<Vec<u8>> = known.incomplete.iter().map(|s| mark(s, judge.now)).collect();
    let held =
        known.held.iter().map(|system| (Kind::Held, json!({ "system": system }).to_string().into_bytes()));
    let more: Vec<(Kind, Vec<u8>)> = held.chain(marks.into_iter().map(|mark| (Kind::Shared, mark))).collect();
    let extra: Vec<Vec<u8>> = (lines + 1..)
        .zip(&more)
        .map(|(number, (kind, json))| line(&Row { to: For::Every, kind: *kind, number, json }))
        .collect();
    extra.iter().for_each(|row| known.shared.add(row));

    let Known { builder, disputed, shared, records, rejected, .. } = known;
    let mut again =
        |places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])| fetch(&mut inputs, places, show);
    let routes = Routes::new(builder.finish_with(threads, &mut again).map_err(IntakeError::Tie)?);
    let reread = |input: &mut Input, make: &mut dyn FnMut(Lines<'_>) -> Result<(), IntakeError>| {
        let file = input.to_string();
        let lines = input.again().map_err(|error| IntakeError::Io { file, error })?;
        make(lines)
    };
    let mut wider: HashMap<u64, BTreeSet<Home>> = HashMap::new();
    if !disputed.is_empty() {
        for input in &mut inputs {
            reread(input, &mut |lines| {
                scan(lines, threads, &|block| disputes(block, &disputed, &routes, &hasher), &mut |found| {
                    for (key, homes) in found {
                        wider.entry(key).or_default().extend(homes);
                    }
                    Ok(())
                })
            })?;
        }
    }

    let header = Header { judge, shared: shared.rows, shared_sum: shared.sum };
    let json = serde_json::to_vec(&header).unwrap_or_default();
    let mut head = line(&Row { to: For::Every, kind: Kind::Header, number: 0, json: &json });
    head.push(b'\n');
    let mut seen = Count::default();
    for row in &extra {
        seen.add(row);
        head.extend_from_slice(row);
        head.push(b'\n');
    }
    let mut sharded = Sharded { records, rejected, tally: Tally::default() };
    let mut homes: HashSet<Home> = HashSet::from([Home::Nobody]);
    let nobody = line(&Row { to: For::One(Home::Nobody), kind: Kind::Nobody, number: 0, json: b"{}" });
    sharded.tally.count(Kind::Nobody, &nobody);
    head.extend_from_slice(&nobody);
    head.push(b'\n');
    let mut wrote = out.write_all(&head);
    for (input, start) in inputs.iter_mut().zip(starts) {
        let file = input.to_string();
        reread(input, &mut |lines| {
            let make = |block: &Block| second(block, start, (&routes, &wider, &hasher), pass_over);
            scan(lines, threads, &make, &mut |made: Second| {
                if let Some((line, error)) = made.bad {
                    return Err(IntakeError::Bad { file: file.clone(), line, error });
                }
                seen.merge(made.shared);
                sharded.tally.merge(&made.tally);
                homes.extend(made.homes);
                if wrote.is_ok() {
                    wrote = out.write_all(&made.rows);
                }
                // When nobody takes the rows any more there is no use in making them.
                if wrote.is_ok() { Ok(()) } else { Err(IntakeError::TooMany) }
            })
        })
        .or_else(|e| if wrote.is_err() { Ok(()) } else { Err(e) })?;
        if let Err(e) = wrote {
            return Ok(Err(e));
        }
    }
    if seen != shared {
        let error = io::Error::other("it changed while it was read");
        return Err(IntakeError::Io { file: "the input".to_owned(), error });
    }
    homes.into_iter().for_each(|home| sharded.tally.count_home(home));
    Ok(out.flush().map(|()| sharded))
}

/// The number of the last line of a block, in its input.
fn last_line(block: &Block) -> u64 {
    let lines = block.lines();
    let whole = memchr::memchr_iter(b'\n', lines).count() as u64;
    block.first_line + whole + u64::from(lines.last() != Some(&b'\n')) - 1
}

fn line(row: &Row<'_>) -> Vec<u8> {
    let mut line = vec![];
    row.write(&mut line);
    line
}

/// The line that says of a source that not all of its records could be read.
fn mark(source: &str, now: crate::model::Instant) -> Vec<u8> {
    let provides: Vec<&str> = RecordType::ALL.iter().map(|kind| kind.as_str()).collect();
    let mark = json!({
        "type": "snapshot", "source": source, "taken_at": now, "complete": false, "provides": provides,
        "reason": super::REJECTED,
    });
    mark.to_string().into_bytes()
}

/// A request by its key, and by whom it is for.
fn of_request(r: &Request<'_>, hasher: &RandomState) -> (u64, u64) {
    let people: Vec<&str> = r.beneficiaries.iter().map(|b| &**b).collect();
    (hasher.hash_one((&*r.source, &*r.id)), hasher.hash_one(people))
}

fn first(
    block: &Block,
    mut part: Builder,
    (input, start): (usize, u64),
    hasher: &RandomState,
    pass_over: bool,
) -> First {
    let (mut records, mut held, mut requests) = (0, HashSet::new(), vec![]);
    let (mut shared, mut bad) = (Count::default(), vec![]);
    let mut row = vec![];
    for (number, offset, bytes) in block.each() {
        let record = match parse_line(bytes) {
            Ok(record) => record,
            Err(error) => {
                bad.push((number, bytes.to_vec(), error));
                if !pass_over {
                    break;
                }
                continue;
            }
        };
        records += 1;
        match &record {
            Record::Grant(g) if !held.contains(&*g.system) => drop(held.insert(g.system.to_string())),
            Record::Request(r) => requests.push(of_request(r, hasher)),
            _ => {}
        }
        if Kind::of(&record) == Kind::Shared {
            row.clear();
            Row { to: For::Every, kind: Kind::Shared, number: start + number, json: bytes }.write(&mut row);
            shared.add(&row);
        }
        if matches!(record, Record::Identity(_) | Record::System(_)) {
            let place = (input as u64) << OFFSET_BITS | (block.offset() + offset as u64);
            part.add(record, Locator(place), bytes);
        }
    }
    First { part, records, held, requests, shared, bad }
}

impl Known {
    fn take(
        &mut self,
        made: First,
        file: &str,
        mut rejects: Option<&mut Rejects>,
    ) -> Result<(), IntakeError> {
        let First { mut part, records, held, requests, shared, bad } = made;
        self.builder.append(&mut part);
        self.records += records;
        self.held.extend(held);
        self.shared.merge(shared);
        for (key, people) in requests {
            if *self.requests.entry(key).or_insert(people) != people {
                self.disputed.insert(key);
            }
        }
        for (line, bytes, error) in bad {
            let Some(rejects) = rejects.as_deref_mut() else {
                return Err(IntakeError::Bad { file: file.to_owned(), line, error });
            };
            self.rejected += 1;
            rejects.write(file, line, &bytes, &error)?;
            self.incomplete.insert(source_of(&bytes).unwrap_or_else(|| file.to_owned()));
        }
        Ok(())
    }
}

/// The homes of the requests whose records disagree.
fn disputes(
    block: &Block,
    disputed: &HashSet<u64>,
    routes: &Routes,
    hasher: &RandomState,
) -> Vec<(u64, Vec<Home>)> {
    let mut found = vec![];
    for (.., bytes) in block.each() {
        if let Ok(record) = parse_line(bytes)
            && let Record::Request(r) = &record
        {
            let (key, _) = of_request(r, hasher);
            if disputed.contains(&key) {
                found.push((key, routes.homes(&record).unwrap_or_default()));
            }
        }
    }
    found
}

fn second(
    block: &Block,
    start: u64,
    (routes, wider, hasher): (&Routes, &HashMap<u64, BTreeSet<Home>>, &RandomState),
    pass_over: bool,
) -> Second {
    let mut made = Second { rows: Vec::with_capacity(block.lines().len() * 5 / 4), ..Second::default() };
    for (number, _, bytes) in block.each() {
        let record = match parse_line(bytes) {
            Ok(record) => record,
            Err(_) if pass_over => continue,
            Err(error) => {
                made.bad = Some((number, error));
                break;
            }
        };
        let (kind, number) = (Kind::of(&record), start + number);
        let mut write = |to: For| {
            let from = made.rows.len();
            Row { to, kind, number, json: bytes }.write(&mut made.rows);
            let row = made.rows.get(from..).unwrap_or(&[]);
            match to {
                For::Every => made.shared.add(row),
                For::One(_) => made.tally.count(kind, row),
            }
            made.rows.push(b'\n');
        };
        let Some(mut homes) = routes.homes(&record) else {
            write(For::Every);
            continue;
        };
        // Which of several records of one request stands is found out where any of them could count.
        if let Record::Request(r) = &record
            && !wider.is_empty()
            && let Some(all) = wider.get(&of_request(r, hasher).0)
        {
            homes = all.iter().copied().collect();
        }
        homes.iter().for_each(|home| write(For::One(*home)));
        made.homes.extend(homes);
    }
    made
}
