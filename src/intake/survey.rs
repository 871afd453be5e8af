//! The first reading: what has to be known of all records before any of them can be cut.
//!
//! Where all records are read by one program, that is kept in memory. Of a slice, which is a part of the records, it is
//! written as lines, and a plan is made of those of all slices:
//!
//! ```text
//! shared <tab> NUMBER <tab> JSON        a record that every partition needs
//! held <tab> SYSTEM                     a system on which grants are held, as JSON
//! request <tab> KEY <tab> PEOPLE        hashes of which request it is, and of whom it is for
//! request-of <tab> JSON                 a request of whose key there are several for different people
//! seen <tab> JSON                       what was counted; the last line of a slice
//! ```

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::io::{self, Write};

use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};

use super::input::Block;
use super::reject::Rejects;
use super::rows::{Count, For, Kind, Row, digits, put_json};
use super::scan::{How, Numbers, Pour, each_input};
use super::{IntakeError, OFFSET_BITS, Source};
use crate::judge::{Builder, Locator};
use crate::model::event::start_of_hash;
use crate::model::line::source_of;
use crate::model::record::Request;
use crate::model::{BadRecord, Record, parse_line};

/// How a slice is read.
pub struct Slice<'a> {
    /// Its number, below [`SLICES`](super::rows::SLICES).
    pub number: u16,
    /// The version of the program.
    pub program: &'a str,
    /// Threads that parse (at least one).
    pub threads: usize,
    /// Told how many more bytes (as they stand in the file) are read.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

impl Slice<'_> {
    pub(super) fn how(&self) -> How<'_> {
        How { again: false, threads: self.threads, progress: self.progress }
    }
}

/// What was counted in a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub(super) slice: u16,
    pub(super) program: String,
    /// How many lines were records.
    pub records: u64,
    /// How many lines were rejected.
    pub rejected: u64,
    /// The rows that every partition needs.
    #[serde(flatten)]
    pub(super) shared: Count,
    /// Sources of which lines were rejected.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) incomplete: BTreeSet<String>,
}

/// Whom each request is for, both as hashes.
#[derive(Debug, Default)]
pub(super) struct Requests {
    people: HashMap<u64, u64>,
    /// Those whose records disagree on it.
    pub(super) disputed: HashSet<u64>,
}

impl Requests {
    pub(super) fn add(&mut self, key: u64, people: u64) {
        if *self.people.entry(key).or_insert(people) != people {
            self.disputed.insert(key);
        }
    }
}

/// How requests are told apart.
pub(super) enum Hashing {
    /// Within one process: quick, and nobody can reckon with it.
    Own(RandomState),
    /// The same in every process.
    Common,
}

impl Hashing {
    /// A request by its key, and by whom it is for.
    pub(super) fn of(&self, r: &Request<'_>) -> (u64, u64) {
        let people = r.beneficiaries.iter().map(|b| &**b);
        match self {
            Self::Own(state) => {
                (state.hash_one((&*r.source, &*r.id)), state.hash_one(people.collect::<Vec<&str>>()))
            }
            Self::Common => (common([&*r.source, &*r.id].into_iter()), common(people)),
        }
    }
}

fn common<'a>(parts: impl Iterator<Item = &'a str>) -> u64 {
    let mut text = String::new();
    for part in parts {
        // With its length before it no text can be taken for two others. A text takes all that is written.
        let _ = write!(text, "{}:{part}", part.len());
    }
    start_of_hash(&text)
}

/// What is known after the first reading.
#[derive(Default)]
pub(super) struct Known {
    pub(super) records: u64,
    pub(super) rejected: u64,
    pub(super) incomplete: BTreeSet<String>,
    /// The systems on which grants are held, as they are written.
    pub(super) held: BTreeSet<String>,
    pub(super) requests: Requests,
    pub(super) shared: Count,
}

/// What a block comes to when it is read first.
pub(super) struct First {
    /// Identities and systems, where they are kept.
    pub(super) part: Option<Builder>,
    /// What is told of it, where nothing is kept.
    lines: Vec<u8>,
    records: u64,
    held: HashSet<String>,
    requests: Vec<(u64, u64)>,
    shared: Count,
    bad: Vec<(u64, Vec<u8>, BadRecord)>,
}

/// Reads a block of the input of this place, before which there are `start` lines; what it keeps goes to `part`.
pub(super) fn first(
    block: &Block,
    (input, start): (usize, u64),
    part: Option<Builder>,
    hashing: &Hashing,
    pass_over: bool,
) -> First {
    let mut made = First {
        part,
        lines: vec![],
        records: 0,
        held: HashSet::new(),
        requests: vec![],
        shared: Count::default(),
        bad: vec![],
    };
    let mut row = vec![];
    for (number, offset, bytes) in block.each() {
        let record = match parse_line(bytes) {
            Ok(record) => record,
            Err(error) => {
                made.bad.push((number, bytes.to_vec(), error));
                if !pass_over {
                    break;
                }
                continue;
            }
        };
        made.records += 1;
        match &record {
            Record::Grant(g) if !made.held.contains(&*g.system) => {
                made.held.insert(g.system.to_string());
            }
            Record::Request(r) => made.requests.push(hashing.of(r)),
            _ => {}
        }
        if Kind::of(&record) == Kind::Shared {
            row.clear();
            Row { to: For::Every, kind: Kind::Shared, number: start + number, json: bytes }.write(&mut row);
            made.shared.add(&row);
            if made.part.is_none() {
                // The number and the JSON stand in a row as they do here.
                made.lines.extend_from_slice(b"shared\t");
                made.lines.extend_from_slice(row.get(Row::NUMBER..).unwrap_or_default());
                made.lines.push(b'\n');
            }
        }
        if let Some(part) = &mut made.part
            && matches!(record, Record::Identity(_) | Record::System(_))
        {
            let place = (input as u64) << OFFSET_BITS | (block.offset() + offset as u64);
            part.add(record, Locator(place), bytes);
        }
    }
    made
}

impl Known {
    /// Takes in what a block came to. Its requests are kept only where its identities are.
    pub(super) fn take(
        &mut self,
        made: First,
        file: &str,
        mut rejects: Option<&mut Rejects>,
    ) -> Result<(), IntakeError> {
        self.records += made.records;
        self.held.extend(made.held);
        self.shared.merge(made.shared);
        made.requests.into_iter().for_each(|(key, people)| self.requests.add(key, people));
        for (line, bytes, error) in made.bad {
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

/// Writes what has to be known of a slice.
///
/// # Errors
/// When a file cannot be read, or a line is no record and bad lines are not to be skipped; the inner error is one of writing.
pub fn survey(
    sources: &[Source],
    slice: &Slice<'_>,
    mut rejects: Option<&mut Rejects>,
    out: &mut (dyn Write + Send),
) -> Result<io::Result<Seen>, IntakeError> {
    let mut pour = Pour::new(out);
    let mut known = Known::default();
    let pass_over = rejects.is_some();
    let make = |block: &Block, place| first(block, place, None, &Hashing::Common, pass_over);
    let read =
        each_input(sources, Numbers::of_slice(slice.number), &slice.how(), &make, &mut |mut made, file| {
            let mut lines = std::mem::take(&mut made.lines);
            let mut held: Vec<&String> =
                made.held.iter().filter(|system| !known.held.contains(*system)).collect();
            held.sort_unstable();
            for system in held {
                lines.extend_from_slice(b"held\t");
                lines.extend_from_slice(serde_json::json!(system).to_string().as_bytes());
                lines.push(b'\n');
            }
            for (key, people) in std::mem::take(&mut made.requests) {
                // A vector takes all that is written.
                let _ = writeln!(lines, "request\t{key:016x}\t{people:016x}");
            }
            pour.put(&lines)?;
            known.take(made, file, rejects.as_deref_mut())
        });
    let done = read.and_then(|_| {
        let Known { records, rejected, incomplete, shared, .. } = known;
        let (slice, program) = (slice.number, slice.program.to_owned());
        let seen = Seen { slice, program, records, rejected, shared, incomplete };
        pour.put(format!("seen\t{}\n", serde_json::to_string(&seen).unwrap_or_default()).as_bytes())?;
        Ok(seen)
    });
    pour.end(done)
}

/// Writes the requests of a slice that have one of these keys.
///
/// # Errors
/// As [`survey`], where bad lines are passed over without a word: they were told of then.
pub fn survey_disputed(
    sources: &[Source],
    slice: &Slice<'_>,
    disputed: &Keys,
    pass_over: bool,
    out: &mut (dyn Write + Send),
) -> Result<io::Result<()>, IntakeError> {
    let mut pour = Pour::new(out);
    let make = |block: &Block, _| {
        let (mut lines, mut bad) = (vec![], None);
        for (number, _, bytes) in block.each() {
            match parse_line(bytes) {
                Ok(Record::Request(r)) if disputed.0.contains(&Hashing::Common.of(&r).0) => {
                    lines.extend_from_slice(b"request-of\t");
                    put_json(bytes, &mut lines);
                    lines.push(b'\n');
                }
                Ok(_) => {}
                Err(_) if pass_over => {}
                Err(error) => {
                    bad = Some((number, error));
                    break;
                }
            }
        }
        (lines, bad)
    };
    let numbers = Numbers::of_slice(slice.number);
    let read = each_input(sources, numbers, &slice.how(), &make, &mut |(lines, bad), file| {
        pour.put(&lines)?;
        bad.map_or(Ok(()), |(line, error)| Err(IntakeError::Bad { file: file.to_owned(), line, error }))
    });
    pour.end(read.map(drop))
}

/// The keys of requests, as [`survey`] wrote them.
#[derive(Debug, Default)]
pub struct Keys(HashSet<u64>);

impl Keys {
    /// From a text with a key in each line.
    ///
    /// # Errors
    /// When a line is none, with its number.
    pub fn of(text: &str) -> Result<Self, String> {
        let key = |(number, line): (usize, &str)| {
            let key = digits(line.as_bytes(), 16, 16);
            key.ok_or_else(|| {
                format!("line {}: expected the key of a request, 16 hexadecimal digits", number + 1)
            })
        };
        text.lines().enumerate().map(key).collect::<Result<_, _>>().map(Self)
    }
}
