//! One program on one store: by a lock beside the file, or by one that the server keeps.

use super::setup::SetupError;
use crate::lock::ProcessLock;
use crate::store::{Held, Place, Postgres};

/// The right to run on a store, until this is dropped.
#[derive(Debug)]
pub enum Hold {
    /// On a file.
    File(ProcessLock),
    /// On a database.
    Server(Box<Held>),
}

/// Takes the right to run on a store, or says who has it; never waits.
///
/// # Errors
/// When another process has it, or it cannot be asked for.
pub fn hold(place: &Place) -> Result<Hold, SetupError> {
    let fail = |e: &dyn std::fmt::Display| SetupError(e.to_string());
    match place {
        Place::File(path) => ProcessLock::take(path).map(Hold::File).map_err(|e| fail(&e)),
        Place::Server(server) => match Postgres::lock(server).map_err(|e| fail(&e))? {
            Some(held) => Ok(Hold::Server(Box::new(held))),
            None => Err(SetupError(format!(
                "another counterfoil is running on this store: {place}; pg_stat_activity shows from where it came"
            ))),
        },
    }
}
