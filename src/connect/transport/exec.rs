//! exec: a program that prints what a connector reads.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Ask;
use crate::connect::error::PullError;

/// `[source.exec]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The program and its arguments. No shell is in between.
    pub command: Vec<String>,
}

/// Runs the program; what it printed.
///
/// # Errors
/// When it cannot be run, or does not end well.
pub fn run(_ask: &Ask<'_>, _site: &Site) -> Result<tempfile::NamedTempFile, PullError> {
    Err(PullError::Asked("not yet".to_owned()))
}

/// Looks whether the program is there.
///
/// # Errors
/// When it is not.
pub fn probe(_ask: &Ask<'_>, _site: &Site) -> Result<(), PullError> {
    Err(PullError::Asked("not yet".to_owned()))
}
