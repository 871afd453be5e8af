//! What can go wrong with the store, in the words of whoever runs it.

use std::fmt;
use std::path::Path;

/// Why the store could not be used.
#[derive(Debug)]
pub enum StoreError {
    /// The disk is full.
    Full(String),
    /// The file or its folder cannot be written to.
    ReadOnly(String),
    /// It was written by a newer version of the program.
    Newer {
        /// The version of its schema.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// Another program has held it for too long.
    Busy(String),
    /// The server that keeps it cannot be reached, or the connection was lost.
    Unreachable(String),
    /// Another program leads since: whoever led before may change nothing more.
    Superseded(String),
    /// The server does not let us in, or does not let us do it.
    Refused(String),
    /// It is no store, or a broken one.
    Broken(String),
    /// Something else.
    Other(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(e) => write!(f, "the store's disk is full: {e}; nothing was changed; free some room"),
            Self::ReadOnly(e) => write!(f, "the store cannot be written to: {e}; nothing was changed"),
            Self::Newer { found, known } => write!(
                f,
                "the store has schema {found}, and this program knows schemas up to {known}; use the newer program that wrote it"
            ),
            Self::Busy(e) => write!(f, "another program holds the store: {e}; try again when it is done"),
            Self::Unreachable(e) => write!(f, "the store's server cannot be reached: {e}"),
            Self::Superseded(e) => {
                write!(
                    f,
                    "another counterfoil has taken over ({e}); nothing was changed, and it goes on from here"
                )
            }
            Self::Refused(e) => write!(f, "the store's server refuses: {e}"),
            Self::Broken(e) => write!(f, "the store is damaged, or no store: {e}; restore a backup"),
            Self::Other(e) => write!(f, "the store: {e}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// The same, with the file it is about.
    #[must_use]
    pub(super) fn at(self, path: &Path) -> Self {
        let named = |why: String| format!("{}: {why}", path.display());
        match self {
            Self::Full(why) => Self::Full(named(why)),
            Self::ReadOnly(why) => Self::ReadOnly(named(why)),
            Self::Busy(why) => Self::Busy(named(why)),
            Self::Unreachable(why) => Self::Unreachable(named(why)),
            Self::Refused(why) => Self::Refused(named(why)),
            Self::Superseded(why) => Self::Superseded(named(why)),
            Self::Broken(why) => Self::Broken(named(why)),
            Self::Other(why) => Self::Other(named(why)),
            newer @ Self::Newer { .. } => newer,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        // The file beside the store that all who use it share could not be made as long as it has to be.
        if e.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return Self::Full(e.to_string());
        }
        match e.sqlite_error_code() {
            Some(C::DiskFull) => Self::Full(e.to_string()),
            Some(C::ReadOnly | C::CannotOpen | C::PermissionDenied) => Self::ReadOnly(e.to_string()),
            Some(C::DatabaseBusy | C::DatabaseLocked) => Self::Busy(e.to_string()),
            Some(C::DatabaseCorrupt | C::NotADatabase) => Self::Broken(e.to_string()),
            _ => Self::Other(e.to_string()),
        }
    }
}
