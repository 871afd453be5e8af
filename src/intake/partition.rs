//! Rows in, the estates of a partition out, one batch of homes after another.
//!
//! The order of the rows is checked as they are read: what every partition needs comes first and must be whole, then one
//! home after another. So a batch of homes can be judged as soon as the first row of the next one is there, and memory
//! holds what all share and one batch, or one home where that is larger, however long the partition is.

use std::collections::HashSet as Seen;
use std::fmt;
use std::io::{self, BufRead, Read};

use hashbrown::HashSet;
use serde::Deserialize;

use super::rows::{Count, FRAME, For, Header, Judge, Kind, Row, Tally};
use crate::judge::{Builder, Estate, Home, Locator, TieError};
use crate::model::{BadRecord, MAX_LINE, Record, parse_line};

/// How many bytes of rows are judged at once.
pub const BATCH: usize = 64 << 20;

/// How much longer a batch is at least than what has to be read again for each.
const SHARE: usize = 4;

/// What standard input is called.
const PARTITION: &str = "the partition";

/// Why a partition cannot be judged.
#[derive(Debug)]
pub enum PartitionError {
    /// It, or the file of what every partition needs, could not be read.
    Io {
        /// Which.
        file: String,
        /// What went wrong.
        error: io::Error,
    },
    /// A line is not what it should be.
    Line {
        /// Where.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A row holds no record.
    Bad {
        /// Where.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with the record.
        error: BadRecord,
    },
    /// Something is missing as a whole.
    Missing {
        /// Where.
        file: String,
        /// What.
        what: String,
    },
    /// Two records of one key could not be compared.
    Tie(TieError),
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { file, error } => write!(f, "{file}: cannot be read: {error}"),
            Self::Line { file, line, what } => write!(f, "{file}: line {line}: {what}"),
            Self::Bad { file, line, error } => write!(f, "{file}: line {line}: {error}"),
            Self::Missing { file, what } => write!(f, "{file}: {what}"),
            Self::Tie(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for PartitionError {}

/// Lines, one behind the other, each with its end.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    /// The number of its first line.
    first: u64,
}

impl Text {
    fn lines(&self) -> impl Iterator<Item = (u64, usize, &[u8])> {
        let mut start = 0;
        (self.first..).zip(memchr::memchr_iter(b'\n', &self.bytes)).map(move |(number, end)| {
            let from = std::mem::replace(&mut start, end + 1);
            (number, from, self.bytes.get(from..end).unwrap_or(&[]))
        })
    }

    /// The record in the line that starts here.
    fn record_at(&self, at: usize) -> &[u8] {
        let rest = self.bytes.get(at..).unwrap_or(&[]);
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        Row::of(rest.get(..end).unwrap_or(&[])).map_or(&[], |row| row.json)
    }
}

/// Reads rows, one after another.
#[derive(Debug)]
struct Rows<R> {
    from: R,
    /// What it is called.
    file: String,
    /// How many lines were read.
    read: u64,
    last: Option<(For, Kind, u64)>,
}

impl<R: BufRead> Rows<R> {
    fn new(file: &str, from: R) -> Self {
        Self { from, file: file.to_owned(), read: 0, last: None }
    }

    /// What is wrong with the line that was read last.
    fn fault(&self, what: impl Into<String>) -> PartitionError {
        PartitionError::Line { file: self.file.clone(), line: self.read, what: what.into() }
    }

    fn missing(&self, what: impl Into<String>) -> PartitionError {
        PartitionError::Missing { file: self.file.clone(), what: what.into() }
    }

    /// Puts the next line behind others, with its end; `false` when there is none.
    fn line(&mut self, to: &mut Vec<u8>) -> Result<bool, PartitionError> {
        let start = to.len();
        let room = (MAX_LINE + FRAME + 1) as u64;
        let read = self.from.by_ref().take(room).read_until(b'\n', to);
        read.map_err(|error| PartitionError::Io { file: self.file.clone(), error })?;
        if to.len() == start {
            return Ok(false);
        }
        self.read += 1;
        if to.last() != Some(&b'\n') {
            if (to.len() - start) as u64 == room {
                return Err(self.fault(format!("a line of more than {} bytes", room - 1)));
            }
            to.push(b'\n');
        }
        Ok(true)
    }

    /// Takes the line that was read last apart, and sees to it that it stands behind the one before it.
    fn row<'a>(&mut self, line: &'a [u8]) -> Result<Row<'a>, PartitionError> {
        let row = Row::of(line.strip_suffix(b"\n").unwrap_or(line))
            .map_err(|e| self.fault(format!("expected {e}")))?;
        let place = Some(row.place());
        if place <= self.last {
            return Err(self.fault(if place == self.last {
                "stands there twice"
            } else {
                "is out of order: rows must be sorted by their bytes (LC_ALL=C sort)"
            }));
        }
        self.last = place;
        Ok(row)
    }
}

/// What every partition needs.
#[derive(Debug)]
struct Shared {
    judge: Judge,
    text: Text,
    held: Vec<String>,
    /// Where it was read from.
    file: String,
}

impl Shared {
    /// Reads it; behind it comes the first row of a home, if there is one.
    fn read<R: BufRead>(rows: &mut Rows<R>, alone: bool) -> Result<(Self, Text), PartitionError> {
        let mut line = vec![];
        if !rows.line(&mut line)? {
            return Err(rows.missing("is empty: it has no header"));
        }
        let row = rows.row(&line)?;
        if row.kind != Kind::Header {
            return Err(rows.fault("expected the header; is it sorted with LC_ALL=C?"));
        }
        let header = Header::of(row.json).map_err(|e| rows.fault(e))?;
        let (mut text, mut next) = (Text { bytes: vec![], first: 2 }, Text::default());
        let (mut held, mut count) = (vec![], Count::default());
        loop {
            let start = text.bytes.len();
            if !rows.line(&mut text.bytes)? {
                break;
            }
            let line = text.bytes.get(start..).unwrap_or(&[]);
            // What else stands there is not for us.
            if alone && !line.starts_with(b"*") {
                text.bytes.truncate(start);
                continue;
            }
            let row = rows.row(line)?;
            match (row.to, row.kind) {
                (For::Every, Kind::Held) => {
                    let on: HeldOn =
                        serde_json::from_slice(row.json).map_err(|e| rows.fault(e.to_string()))?;
                    held.push(on.system);
                }
                (For::Every, Kind::Shared) => {}
                (For::Every, _) => return Err(rows.fault("a second header")),
                (For::One(_), _) => {
                    next = Text { bytes: text.bytes.split_off(start), first: rows.read };
                    break;
                }
            }
            count.add(line.strip_suffix(b"\n").unwrap_or(line));
        }
        if count != (Count { rows: header.shared, sum: header.shared_sum }) {
            return Err(rows.missing(format!(
                "has {} of the rows that every partition needs, with the sum {}; expected {} with the sum {}",
                count.rows, count.sum, header.shared, header.shared_sum
            )));
        }
        Ok((Self { judge: header.judge, text, held, file: rows.file.clone() }, next))
    }
}

/// A partition that is read.
#[derive(Debug)]
pub struct Partition<R> {
    rows: Rows<R>,
    /// How many bytes of rows are judged at once.
    batch: usize,
    shared: Shared,
    /// The first row of the next batch.
    next: Text,
    tally: Tally,
}

/// Homes that are whole, with all that decides about them.
#[derive(Debug)]
pub struct Batch {
    /// The records.
    pub estate: Estate,
    /// What is told of these is what judging everything would tell.
    pub homes: HashSet<Home>,
}

#[derive(Deserialize)]
struct HeldOn {
    system: String,
}

impl<R: BufRead> Partition<R> {
    /// Reads what every partition needs. `batch` says how many bytes of rows are judged at once ([`BATCH`]).
    ///
    /// # Errors
    /// When that is not whole, or not in order.
    pub fn open(from: R, batch: usize) -> Result<Self, PartitionError> {
        let mut rows = Rows::new(PARTITION, from);
        let (shared, next) = Shared::read(&mut rows, false)?;
        Ok(Self { rows, batch, shared, next, tally: Tally::default() })
    }

    /// As [`Self::open`], where what every partition needs stands at the start of a file, and the partition holds rows of
    /// homes only; it may have none.
    ///
    /// # Errors
    /// As there, and when the first row cannot be read.
    pub fn open_with(
        file: &str,
        shared: impl BufRead,
        from: R,
        batch: usize,
    ) -> Result<Self, PartitionError> {
        let (shared, _) = Shared::read(&mut Rows::new(file, shared), true)?;
        let mut rows = Rows::new(PARTITION, from);
        let mut next = Text { bytes: vec![], first: 1 };
        if rows.line(&mut next.bytes)? && rows.row(&next.bytes)?.to == For::Every {
            return Err(rows.fault(format!("a row that every partition needs: those are read from {file}")));
        }
        Ok(Self { rows, batch, shared, next, tally: Tally::default() })
    }

    /// Where the header stands.
    #[must_use]
    pub fn header_in(&self) -> &str {
        &self.shared.file
    }

    /// Who was to judge this, as the header says.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.shared.judge
    }

    /// The end marks of the sources, as every partition has them.
    #[must_use]
    pub fn snapshots(&self) -> Vec<serde_json::Value> {
        let rows = self.shared.text.lines().filter_map(|(.., line)| Row::of(line).ok());
        // What does not hold the word is none, unless it is written another way.
        let may_be = |json: &[u8]| {
            memchr::memmem::find(json, b"snapshot").is_some() || memchr::memchr(b'\\', json).is_some()
        };
        let marks = rows.filter(|row| row.kind == Kind::Shared && may_be(row.json));
        let marks = marks.filter(|row| matches!(parse_line(row.json), Ok(Record::Snapshot(_))));
        marks.filter_map(|row| serde_json::from_slice(row.json).ok()).collect()
    }

    /// What was read of the rows that are for this partition alone.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The next homes; `None` at the end.
    ///
    /// # Errors
    /// When a row is broken or out of order.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, PartitionError> {
        let mut text = std::mem::take(&mut self.next);
        if text.bytes.is_empty() {
            return Ok(None);
        }
        let mut homes = HashSet::new();
        let mut last = None;
        let enough = self.batch.max(self.shared.text.bytes.len().saturating_mul(SHARE));
        let mut start = 0;
        loop {
            let line = text.bytes.get(start..).and_then(|t| t.strip_suffix(b"\n")).unwrap_or(&[]);
            // Where the first stands was looked at when what comes before it ended.
            let row = if last.is_some() {
                self.rows.row(line)?
            } else {
                Row::of(line).map_err(|e| self.rows.fault(format!("expected {e}")))?
            };
            let For::One(home) = row.to else {
                let what =
                    "a row that every partition needs, behind rows for this one; is it sorted with LC_ALL=C?";
                return Err(self.rows.fault(what));
            };
            if last != Some(home) {
                if last.is_some() && start >= enough {
                    self.next = Text { bytes: text.bytes.split_off(start), first: self.rows.read };
                    break;
                }
                last = Some(home);
                homes.insert(home);
                self.tally.count_home(home);
            }
            self.tally.count(row.kind, line);
            start = text.bytes.len();
            if !self.rows.line(&mut text.bytes)? {
                break;
            }
        }
        let estate = self.estate(&text)?;
        Ok(Some(Batch { estate, homes }))
    }

    fn estate(&self, text: &Text) -> Result<Estate, PartitionError> {
        /// Marks places in what is shared.
        const SHARED: u64 = 1 << 62;
        let mut builder = Builder::default();
        self.shared.held.iter().for_each(|system| builder.holds_elsewhere(system));
        let mut seen: Seen<u64> = Seen::new();
        let rows = self.shared.text.lines().map(|line| (SHARED, line));
        for (mark, (line, at, bytes)) in rows.chain(text.lines().map(|line| (0, line))) {
            let file = || if mark == SHARED { &self.shared.file } else { &self.rows.file }.clone();
            let fault = |what: &str| PartitionError::Line { file: file(), line, what: what.to_owned() };
            let row = Row::of(bytes).map_err(fault)?;
            match row.kind {
                Kind::Nobody if row.json != b"{}" => {
                    return Err(fault("expected {}"));
                }
                Kind::Header | Kind::Held | Kind::Nobody => continue,
                // One that several homes need is read once.
                Kind::Request | Kind::Usage | Kind::Certification if !seen.insert(row.number) => continue,
                _ => {}
            }
            let record =
                parse_line(row.json).map_err(|error| PartitionError::Bad { file: file(), line, error })?;
            if Kind::of(&record) != row.kind {
                return Err(fault("a record of another type than its row says"));
            }
            builder.add(record, Locator(mark | at as u64), row.json);
        }
        builder
            .finish(&mut |places, show| {
                for place in places {
                    let from = if place.0 & SHARED == 0 { text } else { &self.shared.text };
                    let at = usize::try_from(place.0 & !SHARED).unwrap_or(usize::MAX);
                    show(*place, from.record_at(at));
                }
                Ok(())
            })
            .map_err(PartitionError::Tie)
    }
}
