//! `jsonl` and `json`: the findings as they are, one line each or as one array.
//!
//! Each finding is put together in memory and handed over in one write. Characters a terminal would obey or
//! hide (see [`super::text::is_hidden`]) are written as `\u` escapes: the value is the same, the screen is safe.

use std::io::{self, Write};

use serde::Serialize;

use super::line::write_finding;
use super::{Head, Summary, Writer};
use crate::model::finding::Finding;
use crate::model::write_safe;

/// Appends a value as one line of compact JSON, with the line end.
///
/// # Errors
/// When the value cannot be JSON, which no type of this crate can be.
pub fn write_line<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> io::Result<()> {
    write_safe(value, buffer)?;
    buffer.push(b'\n');
    Ok(())
}

/// One finding a line.
pub struct JsonLines<W> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    /// A writer to `out`.
    pub fn new(out: W) -> Self {
        Self { out, buffer: Vec::new() }
    }
}

impl<W: Write> Writer for JsonLines<W> {
    fn begin(&mut self, _head: &Head<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finding(&mut self, finding: &Finding<'_>) -> io::Result<()> {
        self.buffer.clear();
        write_finding(finding, &mut self.buffer);
        self.buffer.push(b'\n');
        self.out.write_all(&self.buffer)
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}

/// One array of all findings, one element a line.
pub struct JsonArray<W> {
    out: W,
    buffer: Vec<u8>,
    any: bool,
}

impl<W: Write> JsonArray<W> {
    /// A writer to `out`.
    pub fn new(out: W) -> Self {
        Self { out, buffer: Vec::new(), any: false }
    }
}

impl<W: Write> Writer for JsonArray<W> {
    fn begin(&mut self, _head: &Head<'_>) -> io::Result<()> {
        self.out.write_all(b"[")
    }

    fn finding(&mut self, finding: &Finding<'_>) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(if self.any { b",\n" } else { b"\n" });
        self.any = true;
        write_finding(finding, &mut self.buffer);
        self.out.write_all(&self.buffer)
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.out.write_all(if self.any { b"\n]\n" } else { b"]\n" })?;
        self.out.flush()
    }
}
