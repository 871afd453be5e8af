//! One process on one store: a lock that the system gives back however the process ends.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The lock on a store, held until this is dropped.
#[derive(Debug)]
pub struct ProcessLock {
    _file: File,
}

/// Why the lock cannot be had.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it.
    Taken {
        /// The store.
        store: PathBuf,
        /// The id of that process, where it can be told.
        process: Option<u32>,
    },
    /// The file of the lock cannot be used.
    Unusable {
        /// The file of the lock.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { store, process } => {
                f.write_str("another counterfoil")?;
                if let Some(process) = process {
                    write!(f, " (process {process})")?;
                }
                write!(f, " is running on this store: {}", store.display())
            }
            Self::Unusable { file, error } => {
                write!(f, "{}: the lock of the store cannot be taken: {error}", file.display())?;
                match error.kind() {
                    std::io::ErrorKind::NotFound => f.write_str("; the folder must be there"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Taken { .. } => None,
            Self::Unusable { error, .. } => Some(error),
        }
    }
}

impl ProcessLock {
    /// Takes the lock on a store, or says who has it; never waits. It is on `STORE.lock` beside the store, which stays
    /// behind: whoever removed it could remove the lock of a process that has just taken it.
    ///
    /// # Errors
    /// When another process has it, or this one already, or the file cannot be made or locked.
    pub fn take(store: &Path) -> Result<Self, LockError> {
        let mut name = OsString::from(store);
        name.push(".lock");
        let path = PathBuf::from(name);
        let unusable = |error| LockError::Unusable { file: path.clone(), error };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Taken { store: store.to_owned(), process: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // The id is for people alone; that it cannot be written, on a full disk, say, is no reason not to run.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// The id that the holder wrote. It may not have come to that yet.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
