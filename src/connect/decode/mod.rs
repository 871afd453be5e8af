//! From a file to rows: what it is packed in, its encoding, its format, its shape, and one JSON value per row.

pub mod archive;
pub mod encoding;
mod json;
mod meter;
mod recognise;
mod table;
pub(crate) mod value;
mod xlsx;
pub(super) mod xml;

use super::error::{Place, PullError};
use super::limits::MAX_ROWS;
use super::manifest::{Format, Shape};
use super::settings::Settings;
use archive::Input;
pub use recognise::{Recognised, recognise};
use serde_json::Value;
use std::io::{BufReader, Read};
use std::rc::Rc;

/// What the map gets for one row.
#[derive(Debug)]
pub struct Row {
    /// The row as JSON; the module of each format says how.
    pub value: Value,
    /// Number of the row within the file, from 1.
    pub number: u64,
    /// The line it starts on, where the format has lines.
    pub line: Option<u64>,
}

/// Takes each row of a file, or what is wrong with it. An error it returns ends the reading.
pub type RowSink<'a> = dyn FnMut(Result<Row, PullError>, &str) -> Result<(), PullError> + 'a;

/// Reads all rows of an input whose shape is known. Returns their number.
///
/// # Errors
/// What is wrong with the input as such, or what `sink` returned.
pub fn rows(
    input: &Input,
    recognised: &Recognised,
    shape: &Shape,
    settings: &Settings,
    sink: &mut RowSink<'_>,
) -> Result<u64, PullError> {
    input.meter.restart();
    // Progress counts from here: what was read to recognise the file is read again.
    input.meter.raw.set(0);
    let mut counted = 0u64;
    let mut counting = |row: Result<Row, PullError>, at: &str| {
        counted += 1;
        if counted > MAX_ROWS {
            return Err(input.error(format!("more than {MAX_ROWS} rows")));
        }
        sink(row, at)
    };
    match recognised.format {
        Format::Json => json::rows(input, recognised, shape, &mut counting)?,
        Format::Jsonl => json::lines(input, recognised, &mut counting)?,
        Format::Csv => table::rows(input, recognised, &mut counting)?,
        Format::Xml => xml::rows(input, recognised, shape, &mut counting)?,
        Format::Xlsx => xlsx::rows(input, recognised, settings, &mut counting)?,
    }
    Ok(counted)
}

impl Input {
    /// Reads the text from the start, in the encoding recognised.
    fn with_text<T>(
        &self,
        encoding: &'static encoding_rs::Encoding,
        read: impl FnOnce(BufReader<&mut dyn Read>) -> Result<T, PullError>,
    ) -> Result<T, PullError> {
        let mut kept = None;
        let result = self.with_bytes(|bytes| {
            let mut text = encoding::TextReader::new(bytes, encoding, Rc::clone(&self.meter));
            read(BufReader::with_capacity(64 << 10, &mut text)).map_err(|error| {
                kept = Some(error);
                String::new()
            })
        });
        match (result, kept) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(error),
        }
    }

    /// The place of a row.
    fn place(&self, row: u64) -> Place {
        Place::file(self.shown.clone()).at_row(row)
    }
}
