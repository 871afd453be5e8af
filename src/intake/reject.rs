//! Where rejected lines go: a JSONL file of its own, so that nothing is lost and everything can be mended.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::IntakeError;
use crate::model::BadRecord;

/// How much of a line that is not UTF-8, or too long to be kept, is shown.
const SHOWN: usize = 1024;

/// The reject file; it is made when the first line is rejected.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

/// One rejected line.
#[derive(Serialize)]
struct Rejected<'a> {
    file: &'a str,
    line: u64,
    error: &'a BadRecord,
    /// The line, when it is UTF-8 and not too long.
    text: Option<&'a str>,
    /// Else the start of it, in hex.
    hex: Option<String>,
}

impl Serialize for BadRecord {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut s = s.serialize_struct("BadRecord", 3)?;
        s.serialize_field("field", &self.field)?;
        s.serialize_field("found", &self.found)?;
        s.serialize_field("expected", &self.expected)?;
        s.end()
    }
}

impl Rejects {
    /// A reject file at this path.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(
        &mut self,
        file: &str,
        line: u64,
        bytes: &[u8],
        error: &BadRecord,
    ) -> Result<(), IntakeError> {
        let fail = |path: &Path, error| IntakeError::Rejects { file: path.display().to_string(), error };
        let out = match &mut self.file {
            Some(out) => out,
            none => none.insert(BufWriter::new(File::create(&self.path).map_err(|e| fail(&self.path, e))?)),
        };
        let text = std::str::from_utf8(bytes).ok().filter(|t| t.len() <= crate::model::MAX_LINE);
        let start = bytes.get(..bytes.len().min(SHOWN)).unwrap_or(&[]);
        let hex = text.is_none().then(|| start.iter().map(|b| format!("{b:02x}")).collect());
        let mut json = serde_json::to_vec(&Rejected { file, line, error, text, hex }).unwrap_or_default();
        json.push(b'\n');
        out.write_all(&json).map_err(|e| fail(&self.path, e))
    }

    /// Makes sure that everything is on disk.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(&mut self) -> Result<(), IntakeError> {
        match &mut self.file {
            Some(out) => out
                .flush()
                .map_err(|error| IntakeError::Rejects { file: self.path.display().to_string(), error }),
            None => Ok(()),
        }
    }
}
