//! postgres

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Ask, Fetched};
use crate::connect::error::PullError;

/// `[source.postgres]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Where it is.
    pub url: String,
}

/// Asks everything the manifest says.
///
/// # Errors
/// When nothing could be had.
pub fn fetch(_ask: &Ask<'_>, _site: &Site) -> Result<Fetched, PullError> {
    Err(PullError::Asked("not yet".to_owned()))
}

/// Asks one thing.
///
/// # Errors
/// What does not work.
pub fn probe(_ask: &Ask<'_>, _site: &Site) -> Result<(), PullError> {
    Err(PullError::Asked("not yet".to_owned()))
}
