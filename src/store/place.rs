//! Where a store is: in a file, or in a database on a server.

use std::fmt;
use std::path::PathBuf;

use super::{Postgres, Result, Server, Sqlite, Store};

/// Where a store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// In an SQLite file.
    File(PathBuf),
    /// In a PostgreSQL database.
    Server(Box<Server>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(server) => write!(f, "{server}"),
        }
    }
}

impl Place {
    /// Opens the store, or begins one where there is none; brings an older one up to date.
    ///
    /// # Errors
    /// When it cannot be opened or written, belongs to another program, or to a newer version of this one.
    pub fn open(&self) -> Result<Box<dyn Store>> {
        Ok(match self {
            Self::File(path) => Box::new(Sqlite::open(path)?),
            Self::Server(server) => Box::new(Postgres::open(server)?),
        })
    }

    /// Opens the store to read it, while others may write: nothing of it is changed.
    ///
    /// # Errors
    /// When it cannot be opened, belongs to another program, or to another version of this one.
    pub fn open_read(&self) -> Result<Box<dyn Store>> {
        Ok(match self {
            Self::File(path) => Box::new(Sqlite::open_read(path)?),
            Self::Server(server) => Box::new(Postgres::open_read(server)?),
        })
    }

    /// Whether there is a store.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not let us in.
    pub fn is_there(&self) -> Result<bool> {
        match self {
            Self::File(path) => Ok(path.exists()),
            Self::Server(server) => Postgres::is_there(server),
        }
    }
}
