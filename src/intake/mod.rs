//! Reading record files: JSONL, plain or as gzip or zstd, from files or standard input, into an estate.
//!
//! Input is read in blocks that end at a line end; a block's lines are parsed by all threads at once and taken
//! into the estate in their order. Memory holds one block and the estate, however long the input is.

mod input;
mod reject;

use std::fmt;
use std::io;
use std::path::Path;

use input::Input;
pub use input::Source;
pub use reject::Rejects;

use crate::judge::{Builder, Estate, Locator, TieError};
use crate::model::line::source_of;
use crate::model::{BadRecord, Instant, Record, RecordType, parse_line};

/// How much is read at once; a single longer line makes its block longer.
const BLOCK: usize = 8 * 1024 * 1024;

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
    pub progress: &'a dyn Fn(u64),
}

/// Reads all sources into an estate.
///
/// # Errors
/// When a file cannot be read, or a line is no record and bad lines are not to be skipped.
pub fn read(sources: &[Source], mut options: Options<'_>) -> Result<Taken, IntakeError> {
    let mut builder = Builder::default();
    let (mut inputs, mut records, mut rejected) = (vec![], 0, 0);
    let mut incomplete: Vec<String> = vec![];
    for (number, source) in sources.iter().enumerate() {
        inputs.push(Input::open(source, number)?);
        let Some(input) = inputs.last_mut() else { continue };
        let mut lines = input.lines(options.progress)?;
        while let Some(block) = lines.next_block()? {
            let parsed = parse_block(block.bytes, options.threads);
            for line in parsed {
                let place = Place { input: number, offset: block.offset, number: block.first_line };
                match line.record {
                    Ok(record) => {
                        records += 1;
                        builder.add(record, place.locator(line.start), line.bytes);
                    }
                    Err(error) => {
                        let number = place.number + line.number;
                        let Some(rejects) = options.rejects.as_deref_mut() else {
                            return Err(IntakeError::Bad { file: source.to_string(), line: number, error });
                        };
                        rejected += 1;
                        rejects.write(&source.to_string(), number, line.bytes, &error)?;
                        incomplete.push(source_of(line.bytes).unwrap_or_else(|| source.to_string()));
                        incomplete.sort_unstable();
                        incomplete.dedup();
                    }
                }
            }
        }
    }
    for source in &incomplete {
        mark_incomplete(&mut builder, source, options.now);
    }
    let mut fetch =
        |places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])| fetch(&mut inputs, places, show);
    let estate = builder.finish(&mut fetch).map_err(IntakeError::Tie)?;
    Ok(Taken { estate, records, rejected })
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
        reason: Some(Text("records were rejected".into())),
        native_id: None,
        observed_at: None,
        evidence: None,
    });
    builder.add(record, Locator(u64::MAX), source.as_bytes());
}

/// Where a block stands.
#[derive(Clone, Copy)]
struct Place {
    input: usize,
    offset: u64,
    number: u64,
}

impl Place {
    /// The input's number and the offset in its text, in one.
    fn locator(self, start: usize) -> Locator {
        Locator((self.input as u64) << input::OFFSET_BITS | (self.offset + start as u64))
    }
}

/// One line of a block, parsed.
struct Parsed<'b> {
    record: Result<Record<'b>, BadRecord>,
    bytes: &'b [u8],
    /// Offset in the block.
    start: usize,
    /// Lines before it in the block.
    number: u64,
}

/// Parses the lines of a block, each thread a run of them.
fn parse_block(block: &[u8], threads: usize) -> Vec<Parsed<'_>> {
    let mut parts = vec![];
    let mut rest = 0;
    while rest < block.len() {
        let want = (rest + block.len().div_ceil(threads.max(1))).min(block.len());
        let tail = block.get(want..).unwrap_or(&[]);
        let end = memchr::memchr(b'\n', tail).map_or(block.len(), |i| want + i + 1);
        parts.push((rest, block.get(rest..end).unwrap_or(&[])));
        rest = end;
    }
    let mut all: Vec<Parsed<'_>> = vec![];
    std::thread::scope(|scope| {
        let mut parts = parts.into_iter();
        let first = parts.next();
        let others: Vec<_> = parts.map(|part| scope.spawn(move || parse_part(part))).collect();
        all = first.map(parse_part).unwrap_or_default();
        for other in others {
            let before = all.len() as u64;
            let parsed = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.extend(parsed.into_iter().map(|p| Parsed { number: p.number + before, ..p }));
        }
    });
    all
}

/// Parses a run of lines that starts at this offset of its block.
fn parse_part((offset, part): (usize, &[u8])) -> Vec<Parsed<'_>> {
    let mut parsed = vec![];
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', part).chain((part.last() != Some(&b'\n')).then_some(part.len())) {
        let bytes = part.get(start..end).unwrap_or(&[]);
        parsed.push(Parsed {
            record: parse_line(bytes),
            bytes,
            start: offset + start,
            number: parsed.len() as u64,
        });
        start = end + 1;
    }
    parsed
}

/// Reads lines again.
fn fetch(inputs: &mut [Input], places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])) -> io::Result<()> {
    let mut places = places.iter().copied().peekable();
    for (number, input) in inputs.iter_mut().enumerate() {
        let mut wanted = vec![];
        while let Some(place) = places.next_if(|p| (p.0 >> input::OFFSET_BITS) as usize == number) {
            wanted.push(place);
        }
        if wanted.is_empty() {
            continue;
        }
        let mut lines = input.again()?;
        for place in wanted {
            let line = lines.line_at(place.0 & ((1 << input::OFFSET_BITS) - 1))?;
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
