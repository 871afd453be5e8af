//! What can go wrong in a pull, and where.

use std::fmt;

/// The place an error speaks of: a file, perhaps an entry of an archive, perhaps a row and a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Path of the file as the caller gave it; for an entry of a zip, `export.zip!name`.
    pub file: String,
    /// Row within the file, from 1, headers not counted.
    pub row: Option<u64>,
    /// Line within the decoded text, from 1.
    pub line: Option<u64>,
    /// Column within that line, from 1.
    pub column: Option<u64>,
}

impl Place {
    /// A place that is a whole file.
    #[must_use]
    pub fn file(name: impl Into<String>) -> Self {
        Self { file: name.into(), ..Self::default() }
    }

    /// The same place, at a row.
    #[must_use]
    pub fn at_row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    /// The same place, at a line.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        Ok(())
    }
}

/// Why a pull stopped. Its text is lower case and complete: the place, what was found, what to do.
#[derive(Debug)]
pub enum PullError {
    /// A connector, its manifest or its map is at fault, or there is none of that name.
    Connector(String),
    /// A setting is missing, unknown, or of the wrong type.
    Setting(String),
    /// The input is at fault at a place that no later row can be trusted behind.
    Input {
        /// Where.
        place: Place,
        /// What was found and what was expected.
        message: String,
    },
    /// One row is at fault; others can still be read.
    Row {
        /// Where.
        place: Place,
        /// What was found and what was expected.
        message: String,
    },
    /// The product could not be asked, or refused to answer.
    Asked(String),
    /// The records could not be handed on.
    Output(std::io::Error),
}

impl PullError {
    /// An error in the input as such.
    pub fn input(place: Place, message: impl Into<String>) -> Self {
        Self::Input { place, message: message.into() }
    }

    /// An error in one row.
    pub fn row(place: Place, message: impl Into<String>) -> Self {
        Self::Row { place, message: message.into() }
    }
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connector(message) | Self::Setting(message) | Self::Asked(message) => f.write_str(message),
            Self::Input { place, message } | Self::Row { place, message } => write!(f, "{place}: {message}"),
            Self::Output(error) => write!(f, "cannot write the records: {error}"),
        }
    }
}

impl std::error::Error for PullError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Output(error) => Some(error),
            _ => None,
        }
    }
}
