//! Where rows come from, for the pull that maps them: an input that was recognised, or what a transport set aside.

use serde_json::Value;

use super::decode::{self, Recognised, Row, RowSink, archive};
use super::error::{Place, PullError};
use super::manifest::Shape;
use super::settings::Settings;
use super::transport::Batch;

/// Rows of one shape.
pub(super) enum Feed {
    /// A file, or an entry of an archive.
    File(Box<File>),
    /// A step of a transport.
    Batch(Batch),
}

/// An input and what is known of it.
pub(super) struct File {
    /// The input.
    pub input: archive::Input,
    /// What it was recognised as.
    pub recognised: Recognised,
    /// Its shape.
    pub shape: Shape,
}

impl Feed {
    /// Name of the shape, `$shape` for the map.
    pub fn shape(&self) -> &str {
        match self {
            Self::File(file) => &file.shape.name,
            Self::Batch(batch) => &batch.shape,
        }
    }

    /// How messages call it.
    pub fn shown(&self) -> &str {
        match self {
            Self::File(file) => &file.input.shown,
            Self::Batch(batch) => &batch.shape,
        }
    }

    /// `$file` for the map, and what a record without an id is called after.
    pub fn base(&self) -> &str {
        match self {
            Self::File(file) => &file.input.base,
            Self::Batch(batch) => &batch.shape,
        }
    }

    /// `$head` for the map.
    pub fn head(&self) -> &Value {
        match self {
            Self::File(file) => &file.recognised.head,
            Self::Batch(batch) => &batch.head,
        }
    }

    /// Bytes read so far and in all, for a bar.
    pub fn bytes(&self) -> (u64, u64) {
        match self {
            Self::File(file) => (file.input.meter.raw.get(), file.input.disk_size()),
            Self::Batch(_) => (0, 0),
        }
    }

    /// The place of a row.
    pub fn place(&self, number: u64, line: Option<u64>) -> Place {
        Place { line, ..Place::file(self.shown()).at_row(number) }
    }

    /// The number of rows at which the product cuts off what it exports.
    pub fn suspicious_rows(&self) -> Option<u64> {
        match self {
            Self::File(file) => file.shape.suspicious_rows,
            Self::Batch(_) => None,
        }
    }

    /// Reads all rows. Returns their number.
    ///
    /// # Errors
    /// What is wrong with the input as such, or what `sink` returned.
    pub fn rows(&self, settings: &Settings, sink: &mut RowSink<'_>) -> Result<u64, PullError> {
        match self {
            Self::File(file) => decode::rows(&file.input, &file.recognised, &file.shape, settings, sink),
            Self::Batch(batch) => {
                let place = || Place::file(batch.shape.clone());
                let lost = |e: std::io::Error| {
                    PullError::input(place(), format!("what was set aside cannot be read: {e}"))
                };
                let mut number = 0;
                for value in batch.read().map_err(lost)? {
                    number += 1;
                    let row = value.map_err(lost)?;
                    let row = row.map(|value| Row { value, number, line: None });
                    sink(row.map_err(|message| PullError::row(place().at_row(number), message)), "")?;
                }
                Ok(number)
            }
        }
    }
}
