//! One input: how it is opened, decompressed, read in blocks, and read again where a line must be compared.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::rows::FRAME;
use super::{BLOCK, IntakeError};
use crate::model::MAX_LINE;

/// How many bits of a locator hold the offset in an input: 256 TiB.
pub(super) const OFFSET_BITS: u32 = 48;
/// How much of a line is kept: as much as a record may have, with the frame of a row before it and its end behind it, and
/// one more, so that it is known to be too long.
const ROOM: usize = MAX_LINE + FRAME + 2;
/// How many inputs a locator can tell apart.
pub(super) const MAX_INPUTS: usize = 1 << 16;

/// Where records come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file; `.gz` and `.zst` are decompressed.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// An open file that may have no name any more: what was pulled a moment ago.
    Open {
        /// What to call it in messages.
        name: String,
        /// The file, plain JSON lines.
        file: Arc<File>,
    },
    /// A text in memory.
    Text {
        /// What to call it in messages.
        name: String,
        /// The text.
        text: Vec<u8>,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::Open { name, .. } | Self::Text { name, .. } => f.write_str(name),
        }
    }
}

impl Source {
    /// The size in bytes as it lies on disk, where that is known: what progress is measured against.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File(path) => std::fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len()),
            Self::Stdin => None,
            Self::Open { file, .. } => file.metadata().ok().map(|m| m.len()),
            Self::Text { text, .. } => Some(text.len() as u64),
        }
    }
}

/// An open input.
#[derive(Debug)]
pub(super) struct Input {
    source: Source,
    /// What came from standard input or a pipe, which cannot be read twice.
    copy: Option<File>,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Input {
    pub(super) fn open(source: &Source, number: usize) -> Result<Self, IntakeError> {
        if number >= MAX_INPUTS {
            return Err(IntakeError::TooMany);
        }
        Ok(Self { source: source.clone(), copy: None })
    }

    /// The lines, for the first time.
    pub(super) fn lines<'a>(
        &'a mut self,
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Result<Lines<'a>, IntakeError> {
        let file = self.source.to_string();
        let fail = |error| IntakeError::Io { file: file.clone(), error };
        let reader: Box<dyn Read + Send> = match &self.source {
            Source::Text { text, .. } => Box::new(text.as_slice()),
            Source::Open { file: open, .. } => {
                Box::new(Counted { from: from_start(open).map_err(fail)?, progress })
            }
            Source::Stdin => {
                let copy = tempfile::tempfile().map_err(fail)?;
                self.copy = Some(copy.try_clone().map_err(fail)?);
                Box::new(Tee { from: io::stdin(), to: io::BufWriter::new(copy) })
            }
            Source::File(path) => {
                let opened = File::open(path).map_err(fail)?;
                let plain = opened.metadata().map_err(fail)?.is_file();
                let raw = Counted { from: opened, progress };
                let reader = decompressed(&self.source, raw).map_err(fail)?;
                if plain {
                    reader
                } else {
                    let copy = tempfile::tempfile().map_err(fail)?;
                    self.copy = Some(copy.try_clone().map_err(fail)?);
                    Box::new(Tee { from: reader, to: io::BufWriter::new(copy) })
                }
            }
        };
        Ok(Lines::new(file, reader))
    }

    /// The lines, where nobody asks for them again.
    pub(super) fn lines_once<'a>(
        &'a mut self,
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Result<Lines<'a>, IntakeError> {
        let file = self.source.to_string();
        let fail = |error| IntakeError::Io { file: file.clone(), error };
        let reader: Box<dyn Read + Send> = match &self.source {
            Source::Stdin => Box::new(io::stdin()),
            Source::File(path) => text_of(path, progress).map_err(fail)?,
            Source::Open { .. } | Source::Text { .. } => return self.lines(progress),
        };
        Ok(Lines::new(file, reader))
    }

    /// The lines once more.
    pub(super) fn again(&mut self) -> io::Result<Lines<'_>> {
        let reader: Box<dyn Read + Send> = match (&mut self.copy, &self.source) {
            (Some(copy), _) => {
                copy.seek(SeekFrom::Start(0))?;
                Box::new(copy)
            }
            (None, Source::Text { text, .. }) => Box::new(io::Cursor::new(text)),
            (None, Source::Open { file, .. }) => Box::new(from_start(file)?),
            (None, Source::File(path)) => decompressed(&self.source, File::open(path)?)?,
            (None, Source::Stdin) => return Err(io::Error::other("standard input was not read yet")),
        };
        let file = self.source.to_string();
        Ok(Lines::new(file, reader))
    }
}

/// The same file from its start.
fn from_start(file: &File) -> io::Result<File> {
    let mut again = file.try_clone()?;
    again.seek(SeekFrom::Start(0))?;
    Ok(again)
}

/// The text of a file, of which nothing is read twice; `progress` is told what is read of it as it lies on disk.
pub(super) fn text_of<'a>(
    path: &std::path::Path,
    progress: &'a (dyn Fn(u64) + Sync),
) -> io::Result<Box<dyn Read + Send + 'a>> {
    decompressed(&Source::File(path.to_owned()), Counted { from: File::open(path)?, progress })
}

/// Decompresses by the name of the file.
fn decompressed<'a>(source: &Source, raw: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let Source::File(path) = source else { return Ok(Box::new(raw)) };
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    Ok(match extension.as_deref() {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 18, raw))),
        Some("zst") => Box::new(zstd::Decoder::new(raw)?),
        _ => Box::new(raw),
    })
}

/// Counts what is read.
struct Counted<'a, R> {
    from: R,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        (self.progress)(n as u64);
        Ok(n)
    }
}

/// Keeps a copy of what is read.
struct Tee<R, W> {
    from: R,
    to: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.to.write_all(buffer.get(..n).unwrap_or(&[]))?;
        if n == 0 {
            self.to.flush()?;
        }
        Ok(n)
    }
}

/// Reads whole lines.
pub(super) struct Lines<'a> {
    file: String,
    reader: BufReader<Box<dyn Read + Send + 'a>>,
    /// Offset of the next block in the text.
    offset: u64,
    /// Number of the next line.
    line: u64,
    over: bool,
    /// The block ended within a line that is too long.
    unfinished: bool,
}

/// Some whole lines.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where the lines start: behind a byte order mark.
    from: usize,
    /// Where the bytes stand in the text.
    offset: u64,
    /// Number of its first line, from 1.
    pub(super) first_line: u64,
}

impl Block {
    /// The lines.
    pub(super) fn lines(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or(&[])
    }

    /// Where the lines stand in the text.
    pub(super) fn offset(&self) -> u64 {
        self.offset + self.from as u64
    }

    /// The number of the last line.
    pub(super) fn last_line(&self) -> u64 {
        let lines = self.lines();
        let whole = memchr::memchr_iter(b'\n', lines).count() as u64;
        self.first_line + whole + u64::from(lines.last() != Some(&b'\n')) - 1
    }

    /// Each line with its number, counted from 1 in the input.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, usize, &[u8])> {
        let lines = self.lines();
        let rest = (lines.last() != Some(&b'\n')).then_some(lines.len());
        let ends = memchr::memchr_iter(b'\n', lines).chain(rest);
        let mut start = 0;
        (self.first_line..).zip(ends).map(move |(number, end)| {
            let from = std::mem::replace(&mut start, end + 1);
            (number, from, lines.get(from..end).unwrap_or(&[]))
        })
    }
}

/// The blocks of an input, for several threads: each takes the next.
pub(super) struct Blocks<'l>(Mutex<(Lines<'l>, u64)>);

impl<'l> Blocks<'l> {
    /// Those that have not been read yet.
    pub(super) fn new(lines: Lines<'l>) -> Self {
        Self(Mutex::new((lines, 0)))
    }

    /// Reads the next one: its number, from 0, and whether there is one.
    pub(super) fn next(&self, block: &mut Block) -> (u64, Result<bool, IntakeError>) {
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, next) = &mut *rest;
        let number = *next;
        *next += 1;
        (number, lines.next_block(block))
    }
}

impl<'a> Lines<'a> {
    fn new(file: String, reader: Box<dyn Read + Send + 'a>) -> Self {
        let reader = BufReader::with_capacity(1 << 18, reader);
        Self { file, reader, offset: 0, line: 1, over: false, unfinished: false }
    }

    /// Whether the last block was the last.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Puts the next lines into the room of a block; `false` at the end.
    pub(super) fn next_block(&mut self, block: &mut Block) -> Result<bool, IntakeError> {
        let fail = |file: &str, error| IntakeError::Io { file: file.to_owned(), error };
        if std::mem::take(&mut self.unfinished) {
            self.offset += skip_line(&mut self.reader).map_err(|e| fail(&self.file, e))?;
        }
        let bytes = &mut block.bytes;
        bytes.clear();
        (block.from, block.offset, block.first_line) = (0, self.offset, self.line);
        if self.over {
            return Ok(false);
        }
        self.reader.by_ref().take(BLOCK as u64).read_to_end(bytes).map_err(|e| fail(&self.file, e))?;
        if bytes.len() < BLOCK {
            self.over = true;
        } else if bytes.last() != Some(&b'\n') {
            // The rest of the last line. Of one that is too long only so much is kept that it is known to be.
            let start = memchr::memrchr(b'\n', bytes).map_or(0, |i| i + 1);
            let room = ROOM.saturating_sub(bytes.len() - start);
            self.reader
                .by_ref()
                .take(room as u64)
                .read_until(b'\n', bytes)
                .map_err(|e| fail(&self.file, e))?;
            // What is left of it is passed over when more is asked for: an endless line is refused at once.
            self.unfinished = bytes.last() != Some(&b'\n');
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        self.offset += bytes.len() as u64;
        self.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.line += u64::from(bytes.last() != Some(&b'\n'));
        if block.offset == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
            block.from = 3;
        }
        Ok(true)
    }

    /// The line that starts at an offset not before the last one asked for.
    pub(super) fn line_at(&mut self, offset: u64) -> io::Result<Vec<u8>> {
        let gap = offset.saturating_sub(self.offset);
        let skipped = io::copy(&mut self.reader.by_ref().take(gap), &mut io::sink())?;
        let mut line = vec![];
        let read = self.reader.by_ref().take(ROOM as u64).read_until(b'\n', &mut line)?;
        self.offset += skipped + read as u64;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(line)
    }
}

/// Reads up to and with the next line end, keeping nothing; says how much that was.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (n, ended) = match memchr::memchr(b'\n', buffer) {
            Some(i) => (i + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(n);
        skipped += n as u64;
        if ended {
            return Ok(skipped);
        }
    }
}
