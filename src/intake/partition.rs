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

use super::rows::{FRAME, For, Header, Judge, Kind, Row, Sum, Tally};
use crate::judge::{Builder, Estate, Home, Locator, TieError};
use crate::model::{BadRecord, MAX_LINE, parse_line};

/// How many bytes of rows are judged at once.
pub const BATCH: usize = 64 << 20;

/// How much longer a batch is at least than what has to be read again for each.
const SHARE: usize = 4;

/// Why a partition cannot be judged.
#[derive(Debug)]
pub enum PartitionError {
    /// It could not be read.
    Io(io::Error),
    /// A line is not what it should be.
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A row holds no record.
    Bad {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with the record.
        error: BadRecord,
    },
    /// Something is missing as a whole.
    Missing(String),
    /// Two records of one key could not be compared.
    Tie(TieError),
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "the partition cannot be read: {e}"),
            Self::Line { line, what } => write!(f, "the partition: line {line}: {what}"),
            Self::Bad { line, error } => write!(f, "the partition: line {line}: {error}"),
            Self::Missing(what) => write!(f, "the partition: {what}"),
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

/// A partition that is read.
#[derive(Debug)]
pub struct Partition<R> {
    from: R,
    /// How many bytes of rows are judged at once.
    batch: usize,
    judge: Judge,
    shared: Text,
    held: Vec<String>,
    /// The first row of the next batch.
    next: Text,
    /// How many lines were read.
    read: u64,
    last: Option<(For, Kind, u64)>,
    tally: Tally,
    over: bool,
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
        let judge = Judge {
            format: String::new(),
            program: String::new(),
            settings: String::new(),
            now: crate::model::Instant::MIN,
        };
        let mut p = Self {
            from,
            batch,
            judge,
            shared: Text { bytes: vec![], first: 2 },
            held: vec![],
            next: Text::default(),
            read: 0,
            last: None,
            tally: Tally::default(),
            over: false,
        };
        let fault = |line, what: &str| PartitionError::Line { line, what: what.to_owned() };
        let mut line = vec![];
        if !p.line(&mut line)? {
            return Err(PartitionError::Missing("is empty: it has no header".to_owned()));
        }
        let row = Row::of(line.strip_suffix(b"\n").unwrap_or(&line))
            .map_err(|e| fault(1, &format!("expected {e}")))?;
        if row.kind != Kind::Header {
            return Err(fault(1, "expected the header; is it sorted with LC_ALL=C?"));
        }
        // The format first: a header of another one may say other things.
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let bad = |e: serde_json::Error| fault(1, &format!("the header: {e}"));
        let format: Format = serde_json::from_slice(row.json).map_err(bad)?;
        if format.format != super::rows::FORMAT {
            let what =
                format!("the header: found format `{}`, expected `{}`", format.format, super::rows::FORMAT);
            return Err(fault(1, &what));
        }
        let header: Header = serde_json::from_slice(row.json).map_err(bad)?;
        p.last = Some(row.place());
        let (mut rows, mut sum) = (0, Sum::default());
        loop {
            let start = p.shared.bytes.len();
            let mut bytes = std::mem::take(&mut p.shared.bytes);
            let more = p.line(&mut bytes)?;
            p.shared.bytes = bytes;
            if !more {
                p.over = true;
                break;
            }
            let text = p.shared.bytes.get(start..).and_then(|t| t.strip_suffix(b"\n")).unwrap_or(&[]);
            let row = Row::of(text).map_err(|e| fault(p.read, &format!("expected {e}")))?;
            after(&mut p.last, &row, p.read)?;
            match (row.to, row.kind) {
                (For::Every, Kind::Held) => {
                    let held: HeldOn =
                        serde_json::from_slice(row.json).map_err(|e| fault(p.read, &e.to_string()))?;
                    p.held.push(held.system);
                }
                (For::Every, Kind::Shared) => {}
                (For::Every, _) => return Err(fault(p.read, "a second header")),
                (For::One(_), _) => {
                    p.next = Text { bytes: p.shared.bytes.split_off(start), first: p.read };
                    break;
                }
            }
            rows += 1;
            sum.add(text);
        }
        if (rows, sum) != (header.shared, header.shared_sum) {
            let what = format!(
                "has {rows} of the rows that every partition needs, with the sum {sum}; expected {} with the sum {}",
                header.shared, header.shared_sum
            );
            return Err(PartitionError::Missing(what));
        }
        p.judge = header.judge;
        Ok(p)
    }

    /// Who was to judge this, as the header says.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
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
        let enough = self.batch.max(self.shared.bytes.len().saturating_mul(SHARE));
        let mut start = 0;
        loop {
            let line = text.bytes.get(start..).and_then(|t| t.strip_suffix(b"\n")).unwrap_or(&[]);
            let number = self.read;
            let row = Row::of(line)
                .map_err(|e| PartitionError::Line { line: number, what: format!("expected {e}") })?;
            // Where the first stands was looked at when what comes before it ended.
            if last.is_some() {
                after(&mut self.last, &row, number)?;
            }
            let For::One(home) = row.to else {
                let what =
                    "a row that every partition needs, behind rows for this one; is it sorted with LC_ALL=C?";
                return Err(PartitionError::Line { line: number, what: what.to_owned() });
            };
            if last != Some(home) {
                if last.is_some() && start >= enough {
                    self.next = Text { bytes: text.bytes.split_off(start), first: number };
                    break;
                }
                last = Some(home);
                homes.insert(home);
                self.tally.count_home(home);
            }
            self.tally.count(row.kind, line);
            start = text.bytes.len();
            if self.over || !self.line(&mut text.bytes)? {
                self.over = true;
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
        self.held.iter().for_each(|system| builder.holds_elsewhere(system));
        let mut seen: Seen<u64> = Seen::new();
        let rows = self.shared.lines().map(|line| (SHARED, line));
        for (mark, (line, at, bytes)) in rows.chain(text.lines().map(|line| (0, line))) {
            let row = Row::of(bytes).map_err(|e| PartitionError::Line { line, what: e.to_owned() })?;
            match row.kind {
                Kind::Nobody if row.json != b"{}" => {
                    return Err(PartitionError::Line { line, what: "expected {}".to_owned() });
                }
                Kind::Header | Kind::Held | Kind::Nobody => continue,
                // One that several homes need is read once.
                Kind::Request | Kind::Usage | Kind::Certification if !seen.insert(row.number) => continue,
                _ => {}
            }
            let record = parse_line(row.json).map_err(|error| PartitionError::Bad { line, error })?;
            if Kind::of(&record) != row.kind {
                let what = "a record of another type than its row says".to_owned();
                return Err(PartitionError::Line { line, what });
            }
            builder.add(record, Locator(mark | at as u64), row.json);
        }
        builder
            .finish(&mut |places, show| {
                for place in places {
                    let from = if place.0 & SHARED == 0 { text } else { &self.shared };
                    let at = usize::try_from(place.0 & !SHARED).unwrap_or(usize::MAX);
                    show(*place, from.record_at(at));
                }
                Ok(())
            })
            .map_err(PartitionError::Tie)
    }

    /// Puts the next line behind others, with its end; `false` when there is none.
    fn line(&mut self, to: &mut Vec<u8>) -> Result<bool, PartitionError> {
        let start = to.len();
        let room = (MAX_LINE + FRAME + 1) as u64;
        self.from.by_ref().take(room).read_until(b'\n', to).map_err(PartitionError::Io)?;
        if to.len() == start {
            return Ok(false);
        }
        self.read += 1;
        if to.last() != Some(&b'\n') {
            if (to.len() - start) as u64 == room {
                let what = format!("a line of more than {} bytes", room - 1);
                return Err(PartitionError::Line { line: self.read, what });
            }
            to.push(b'\n');
        }
        Ok(true)
    }
}

/// Sees to it that a row stands behind the one before it.
fn after(last: &mut Option<(For, Kind, u64)>, row: &Row<'_>, line: u64) -> Result<(), PartitionError> {
    let place = Some(row.place());
    if place <= *last {
        let what = if place == *last {
            "stands there twice"
        } else {
            "is out of order: rows must be sorted by their bytes (LC_ALL=C sort)"
        };
        return Err(PartitionError::Line { line, what: what.to_owned() });
    }
    *last = place;
    Ok(())
}
