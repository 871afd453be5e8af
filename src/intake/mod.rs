//! Reading record files: JSONL, plain or as gzip or zstd, from files or standard input, into an estate.
//!
//! Input is read in blocks that end at a line end. Each thread takes the next block, parses its lines into a part of an
//! estate, and puts that behind all that came before when its turn comes: what comes of it is the same with any number
//! of threads. Memory holds a block and a part for each thread, and the estate, however long the input is.

pub mod cut;
mod input;
pub mod judged;
pub mod partition;
pub mod plan;
mod reject;
pub mod rows;
mod scan;
pub mod shard;
pub mod survey;
mod threads;
mod torn;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;

pub use input::Source;
use input::{Block, Input, OFFSET_BITS};
pub use reject::Rejects;

use crate::judge::{Builder, Estate, Locator, TieError};
use crate::model::line::source_of;
use crate::model::{BadRecord, Instant, Record, RecordType, parse_line};

/// How much is read at once; a single longer line makes its block longer. In tests so little that few lines are many blocks.
const BLOCK: usize = if cfg!(test) { 300 } else { 4 * 1024 * 1024 };

/// Why a source with rejected lines is not complete.
const REJECTED: &str = "records were rejected";

/// Why records could not be read.
#[derive(Debug)]
pub enum IntakeError {
    /// A file could not be opened, read or decompressed.
    Io {
        /// The file.
        file: String,
        /// What went wrong.
        error: io::Error,
    },
    /// A line is no record.
    Bad {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        error: BadRecord,
    },
    /// A line is not what it should be.
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// What was surveyed, planned and cut in slices does not fit together.
    Plan(String),
    /// Two records of one key could not be compared.
    Tie(TieError),
    /// More files than can be told apart.
    TooMany,
    /// The file for rejected lines could not be written.
    Rejects {
        /// The file.
        file: String,
        /// What went wrong.
        error: io::Error,
    },
}

impl fmt::Display for IntakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { file, error } => write!(f, "{file}: cannot be read: {error}"),
            Self::Bad { file, line, error } => write!(f, "{file}: line {line}: {error}"),
            Self::Line { file, line, what } => write!(f, "{file}: line {line}: {what}"),
            Self::Plan(what) => f.write_str(what),
            Self::Tie(e) => write!(f, "{e}"),
            Self::TooMany => write!(f, "more than {} files of records", input::MAX_INPUTS),
            Self::Rejects { file, error } => write!(f, "{file}: cannot be written: {error}"),
        }
    }
}

impl std::error::Error for IntakeError {}

/// What was read.
#[derive(Debug)]
pub struct Taken {
    /// The records.
    pub estate: Estate,
    /// How many lines were records.
    pub records: u64,
    /// How many lines were rejected.
    pub rejected: u64,
}

/// How to read.
pub struct Options<'a> {
    /// Threads that parse (at least one).
    pub threads: usize,
    /// Where bad lines go; `None` stops at the first.
    pub rejects: Option<&'a mut Rejects>,
    /// The instant at which a source with rejected lines is marked incomplete.
    pub now: Instant,
    /// Told how many more bytes (as they stand in the file) are read.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// Reads all sources into an estate.
///
/// # Errors
/// When a file cannot be read, or a line is no record and bad lines are not to be skipped.
pub fn read(sources: &[Source], options: Options<'_>) -> Result<Taken, IntakeError> {
    read_into(Builder::default(), sources, options)
}

/// As [`read`], with a builder of the caller's.
///
/// # Errors
/// As [`read`].
pub fn read_into(builder: Builder, sources: &[Source], options: Options<'_>) -> Result<Taken, IntakeError> {
    let (threads, now, progress) = (options.threads, options.now, options.progress);
    let mut inputs = vec![];
    let mut whole = Whole {
        builder,
        records: 0,
        rejected: 0,
        rejects: options.rejects,
        incomplete: BTreeSet::new(),
        file: String::new(),
    };
    for (number, source) in sources.iter().enumerate() {
        inputs.push(Input::open(source, number)?);
        let Some(input) = inputs.last_mut() else { continue };
        whole.file = source.to_string();
        threads::read(input.lines(progress)?, number, threads, &mut whole)?;
    }
    let Whole { mut builder, records, rejected, incomplete, .. } = whole;
    for source in &incomplete {
        mark_incomplete(&mut builder, source, now);
    }
    let mut fetch =
        |places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])| fetch(&mut inputs, places, show);
    let estate = builder.finish_with(threads, &mut fetch).map_err(IntakeError::Tie)?;
    Ok(Taken { estate, records, rejected })
}

/// What has been taken in so far, of all inputs.
struct Whole<'a> {
    builder: Builder,
    records: u64,
    rejected: u64,
    rejects: Option<&'a mut Rejects>,
    /// Sources of which lines were rejected.
    incomplete: BTreeSet<String>,
    /// What the input is called.
    file: String,
}

/// What the lines of one block come to.
struct Digest<'b> {
    records: u64,
    bad: Vec<Bad<'b>>,
}

/// A line that is no record.
struct Bad<'b> {
    line: u64,
    bytes: &'b [u8],
    error: BadRecord,
}

impl Whole<'_> {
    /// Takes in what comes next.
    fn take(&mut self, part: &mut Builder, digest: Digest<'_>) -> Result<(), IntakeError> {
        self.builder.append(part);
        self.records += digest.records;
        for Bad { line, bytes, error } in digest.bad {
            let Some(rejects) = self.rejects.as_deref_mut() else {
                return Err(IntakeError::Bad { file: self.file.clone(), line, error });
            };
            self.rejected += 1;
            rejects.write(&self.file, line, bytes, &error)?;
            self.incomplete.insert(source_of(bytes).unwrap_or_else(|| self.file.clone()));
        }
        Ok(())
    }
}

/// Parses the lines of a block into a part. Ends at the first that is no record, unless those are passed over.
fn digest<'b>(block: &'b Block, input: usize, pass_over: bool, part: &mut Builder) -> Digest<'b> {
    let mut digest = Digest { records: 0, bad: vec![] };
    for (line, start, bytes) in block.each() {
        match parse_line(bytes) {
            Ok(record) => {
                digest.records += 1;
                let place = (input as u64) << OFFSET_BITS | (block.offset() + start as u64);
                part.add(record, Locator(place), bytes);
            }
            Err(error) => {
                digest.bad.push(Bad { line, bytes, error });
                if !pass_over {
                    break;
                }
            }
        }
    }
    digest
}

/// Reads records from one text in memory: for embedded samples, tests and records that were just pulled.
///
/// # Errors
/// As [`read`], with `name` as the file.
pub fn read_text(name: &str, text: &str, threads: usize, now: Instant) -> Result<Taken, IntakeError> {
    let source = Source::Text { name: name.to_owned(), text: text.as_bytes().to_vec() };
    read(&[source], Options { threads, rejects: None, now, progress: &|_| {} })
}

/// Says of a source whose lines were rejected what a pull that broke off says of itself.
fn mark_incomplete(builder: &mut Builder, source: &str, now: Instant) {
    use crate::model::Text;
    let record = Record::Snapshot(crate::model::record::Snapshot {
        source: Text(source.into()),
        taken_at: now,
        complete: false,
        provides: RecordType::ALL.to_vec(),
        systems: vec![],
        count: None,
        reason: Some(Text(REJECTED.into())),
        native_id: None,
        observed_at: None,
        evidence: None,
    });
    builder.add(record, Locator(u64::MAX), source.as_bytes());
}

/// Reads lines again.
fn fetch(inputs: &mut [Input], places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])) -> io::Result<()> {
    let mut places = places.iter().copied().peekable();
    for (number, input) in inputs.iter_mut().enumerate() {
        let mut wanted = vec![];
        while let Some(place) = places.next_if(|p| (p.0 >> OFFSET_BITS) as usize == number) {
            wanted.push(place);
        }
        if wanted.is_empty() {
            continue;
        }
        let mut lines = input.again()?;
        for place in wanted {
            let line = lines.line_at(place.0 & ((1 << OFFSET_BITS) - 1))?;
            show(place, &line);
        }
    }
    Ok(())
}

/// A path of records, or `-` for standard input.
#[must_use]
pub fn source_of_argument(argument: &Path) -> Source {
    if argument.as_os_str() == "-" { Source::Stdin } else { Source::File(argument.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What came of a text: the rows, what was dropped, and the rejected lines or the error.
    fn read_with(text: &str, threads: usize, pass_over: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut rejects = Rejects::at(&folder.path().join("rejects"));
        let source = Source::Text { name: "text".to_owned(), text: text.as_bytes().to_vec() };
        let options = Options {
            threads,
            rejects: pass_over.then_some(&mut rejects),
            now: Instant::parse("2026-06-01T00:00:00Z").unwrap(),
            progress: &|_| {},
        };
        match read(&[source.clone(), source], options) {
            Err(e) => e.to_string(),
            Ok(taken) => {
                rejects.finish().unwrap();
                let rejected = std::fs::read_to_string(rejects.path()).unwrap_or_default();
                let e = &taken.estate;
                let names: Vec<&str> = e.grants.iter().map(|g| e.text(g.account)).collect();
                let rows = (&e.grants, &e.requests, &e.identities, &e.snapshots, e.dropped(), &e.pools.steps);
                format!("{} {} {names:?} {rows:?}\n{rejected}", taken.records, taken.rejected)
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_number_of_threads_makes_no_difference(
            lines in prop::collection::vec((0..12u8, 0..8u8), 0..120),
            threads in 2..5usize,
            pass_over in any::<bool>(),
        ) {
            let text: String = lines
                .iter()
                .map(|(kind, n)| match *kind {
                    0..4 => format!("{{\"type\":\"grant\",\"system\":\"s\",\"account\":\"a{n}\",\"entitlement\":\"e\",\"path\":[{{\"entitlement\":\"g\"}}]}}\n"),
                    4..6 => format!("{{\"type\":\"grant\",\"system\":\"s\",\"account\":\"a{n}\",\"entitlement\":\"e\",\"ticket\":\"t{kind}\"}}\n"),
                    6..8 => format!("{{\"type\":\"request\",\"source\":\"j\",\"id\":\"{n}\",\"state\":\"approved\",\"beneficiaries\":[\"a{n}\",\"b\"]}}\n"),
                    8..10 => format!("{{\"type\":\"identity\",\"id\":\"i{n}\",\"aliases\":[\"a{n}\"],\"observed_at\":\"2026-05-0{}T00:00:00Z\"}}\n", kind - 7),
                    10 => format!("{{\"type\":\"system\",\"id\":\"{}\"}}\n", "long".repeat(usize::from(*n) * 40 + 1)),
                    _ if *n == 0 => "{\"type\":\"grant\",\"source\":\"j\"}\n".to_owned(),
                    _ => String::new(),
                })
                .collect();
            prop_assert_eq!(read_with(&text, 1, pass_over), read_with(&text, threads, pass_over));
        }
    }
}
