//! What was fetched, set aside on the disk until it is mapped: rows as JSON lines, one file without a name for each step. A
//! pull can be as large as the disk has room, and rows are read as often as the map needs them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use serde::de::DeserializeSeed;
use serde_json::Value;

use crate::connect::decode::value::{Build, Notes};
use crate::connect::limits::MAX_DOCUMENT_BYTES;

/// The rows of one step while they come in.
#[derive(Debug)]
pub struct Writer {
    shape: String,
    head: Value,
    out: BufWriter<File>,
    rows: u64,
}

impl Writer {
    /// A file without a name for the rows of this step.
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn new(shape: &str) -> io::Result<Self> {
        let out = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        Ok(Self { shape: shape.to_owned(), head: Value::Null, out, rows: 0 })
    }

    /// What the map sees as `$head`.
    pub fn head(&mut self, head: Value) {
        self.head = head;
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn row(&mut self, row: &Value) -> io::Result<()> {
        self.rows += 1;
        serde_json::to_writer(&mut self.out, row)?;
        self.out.write_all(b"\n")
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// All rows are in.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(self) -> io::Result<Batch> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Batch { shape: self.shape, head: self.head, file, rows: self.rows })
    }
}

/// The rows of one step, to be read as often as needed, by one reader at a time.
#[derive(Debug)]
pub struct Batch {
    /// The name of the step.
    pub shape: String,
    /// What the map sees as `$head`.
    pub head: Value,
    /// How many rows there are.
    pub rows: u64,
    file: File,
}

impl Batch {
    /// The rows in their order, from the first. A row that cannot be taken (a NUL character, too deep) is said to be so; the
    /// next one can be.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> io::Result<impl Iterator<Item = io::Result<Result<Value, String>>>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let mut lines = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        Ok(std::iter::from_fn(move || {
            line.clear();
            match lines.by_ref().take(MAX_DOCUMENT_BYTES).read_until(b'\n', &mut line) {
                Ok(0) => None,
                Ok(_) => Some(Ok(parse(&line))),
                Err(e) => Some(Err(e)),
            }
        }))
    }
}

fn parse(line: &[u8]) -> Result<Value, String> {
    let mut notes = Notes::default();
    let mut reader = serde_json::Deserializer::from_slice(line);
    let value = Build { notes: &mut notes, depth: 0 }.deserialize(&mut reader).map_err(|e| e.to_string())?;
    notes.fault.map_or(Ok(value), Err)
}
