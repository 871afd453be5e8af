//! What every store must do, whatever database stands behind it: each test is written against the trait and is run on
//! every home that stores have. What is particular to one stands in a file of its own.

mod history;
mod homes;
mod keeping;
mod lives;
mod looking;
mod members;
mod notices;
mod outbox;
pub mod postgres;
mod pulls;
mod shared;
mod sqlite;
mod toy;
pub mod wire;

use std::path::{Path, PathBuf};

pub use postgres::Database;

use counterfoil::store::{Sqlite, Store};
use tempfile::TempDir;

/// Where a store lives.
pub trait Home {
    /// A handle on the store; the first one begins it, a later one is another handle on the same.
    fn open(&self) -> Box<dyn Store>;

    /// A place for a file that is not there.
    fn spare(&self, name: &str) -> PathBuf;

    /// Opens what a backup wrote.
    fn open_copy(&self, path: &Path) -> Box<dyn Store>;
}

/// A store in an SQLite file.
pub struct File(TempDir);

impl File {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("counterfoil.db")
    }
}

impl Home for File {
    fn open(&self) -> Box<dyn Store> {
        Box::new(Sqlite::open(&self.path()).unwrap())
    }

    fn spare(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open_copy(&self, path: &Path) -> Box<dyn Store> {
        Box::new(Sqlite::open(path).unwrap())
    }
}
