//! HTTP: the steps of a manifest, asked of a product.

mod site;

pub use site::{Auth, Site};

use super::{Ask, Fetched};
use crate::connect::error::PullError;

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
