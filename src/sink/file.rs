//! A file of JSON lines, or standard output: one event a line.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Sink, SinkError};

/// `[sink.file]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file; `-` is standard output.
    pub path: std::path::PathBuf,
}

impl super::Settings for Settings {
    fn build(&self, _folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        Err(SinkError("not built yet".to_owned()))
    }
}
