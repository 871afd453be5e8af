//! Counts what is read from one file and stops at the limits.
//!
//! The libraries that parse keep their own buffers and know no limit, so the count is taken below them, in what
//! they read. What stopped the reading is kept here in full, because each of them wraps an I/O error its own way.

use crate::connect::limits::{MAX_DECODED_BYTES, MAX_RATIO, MAX_ROW_BYTES, RATIO_FREE_BYTES};
use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

/// Counters of one file, shared by the readers stacked on it.
#[derive(Debug)]
pub struct Meter {
    /// Bytes read from the disk so far, compressed as they may be.
    pub raw: Cell<u64>,
    decoded: Cell<u64>,
    row: Cell<u64>,
    row_limit: Cell<u64>,
    lines: Cell<u64>,
    quotes: Cell<u64>,
    fault: RefCell<Option<(String, u64)>>,
}

impl Meter {
    /// A meter at nought.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            raw: Cell::new(0),
            decoded: Cell::new(0),
            row: Cell::new(0),
            row_limit: Cell::new(MAX_ROW_BYTES),
            lines: Cell::new(0),
            quotes: Cell::new(0),
            fault: RefCell::new(None),
        })
    }

    /// A row ends here: the next one has the whole allowance again.
    pub fn next_row(&self) {
        self.row.set(0);
    }

    /// Sets the allowance of one row.
    pub fn set_row_limit(&self, bytes: u64) {
        self.row_limit.set(bytes);
        self.row.set(0);
    }

    /// Starts the lines, quotes and rows of a new pass over the text.
    pub fn restart(&self) {
        self.decoded.set(0);
        self.row.set(0);
        self.lines.set(0);
        self.quotes.set(0);
    }

    /// Double quotes seen so far in the text.
    #[must_use]
    pub fn quotes(&self) -> u64 {
        self.quotes.get()
    }

    /// Remembers what stopped the reading, and wraps it for the reader above.
    pub fn fail(&self, message: impl Into<String>) -> io::Error {
        let message = message.into();
        *self.fault.borrow_mut() = Some((message.clone(), self.lines.get() + 1));
        io::Error::other(message)
    }

    /// What stopped the reading, with the line it was at.
    pub fn take_fault(&self) -> Option<(String, u64)> {
        self.fault.borrow_mut().take()
    }

    /// Counts the lines of a piece of text.
    pub fn count_lines(&self, text: &[u8]) {
        self.lines.set(self.lines.get() + memchr::memchr_iter(b'\n', text).count() as u64);
    }

    /// Counts a piece of decoded text towards the row.
    ///
    /// # Errors
    /// The row is longer than it may be.
    pub fn text(&self, text: &[u8]) -> io::Result<()> {
        let row = self.row.get() + text.len() as u64;
        self.row.set(row);
        // A reader above may hold up to a chunk of the next row, so the limit is kept to within that much.
        if row > self.row_limit.get() + SLACK {
            return Err(self.fail(format!(
                "one row is longer than {} MiB: is a quote never closed, or is this one long line?",
                self.row_limit.get() >> 20
            )));
        }
        self.quotes.set(self.quotes.get() + memchr::memchr_iter(b'"', text).count() as u64);
        self.count_lines(text);
        Ok(())
    }
}

/// How far reading ahead may go past a row.
const SLACK: u64 = 256 << 10;

/// Counts the bytes that come from the disk.
pub struct RawReader<R> {
    inner: R,
    meter: Rc<Meter>,
}

impl<R> RawReader<R> {
    /// Counts `inner` in `meter`.
    pub fn new(inner: R, meter: Rc<Meter>) -> Self {
        Self { inner, meter }
    }
}

impl<R: Read> Read for RawReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.meter.raw.set(self.meter.raw.get() + read as u64);
        Ok(read)
    }
}

/// Stops a decompression that grows beyond reason.
pub struct CappedReader<R> {
    inner: R,
    meter: Rc<Meter>,
    raw_before: u64,
    produced: u64,
    /// Compressed size where it is known beforehand (an entry of a zip).
    compressed: Option<u64>,
    is_compressed: bool,
}

impl<R> CappedReader<R> {
    /// Caps a plain file: only its absolute size.
    pub fn plain(inner: R, meter: Rc<Meter>) -> Self {
        Self::build(inner, meter, None, false)
    }

    /// Caps a stream that is decompressed while its compressed bytes are counted in `meter`.
    pub fn stream(inner: R, meter: Rc<Meter>) -> Self {
        Self::build(inner, meter, None, true)
    }

    /// Caps an entry of a zip, whose compressed size is known.
    pub fn entry(inner: R, meter: Rc<Meter>, compressed: u64) -> Self {
        Self::build(inner, meter, Some(compressed), true)
    }

    fn build(inner: R, meter: Rc<Meter>, compressed: Option<u64>, is_compressed: bool) -> Self {
        let raw_before = meter.raw.get();
        Self { inner, meter, raw_before, produced: 0, compressed, is_compressed }
    }
}

impl<R: Read> Read for CappedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(out) {
            Ok(read) => read,
            Err(error) if self.is_compressed && error.kind() != io::ErrorKind::Interrupted => {
                return Err(self.meter.fail(format!("cannot be decompressed, is it cut off? ({error})")));
            }
            Err(error) => return Err(error),
        };
        self.produced += read as u64;
        if self.produced > MAX_DECODED_BYTES {
            return Err(self
                .meter
                .fail(format!("larger than {} MiB once decompressed", MAX_DECODED_BYTES >> 20)));
        }
        if self.is_compressed && self.produced > RATIO_FREE_BYTES {
            let compressed = self
                .compressed
                .unwrap_or_else(|| self.meter.raw.get().saturating_sub(self.raw_before))
                .max(1);
            if self.produced / compressed > MAX_RATIO {
                return Err(self.meter.fail(format!(
                    "grows more than {MAX_RATIO} times when decompressed: refused, as a decompression bomb would"
                )));
            }
        }
        Ok(read)
    }
}
