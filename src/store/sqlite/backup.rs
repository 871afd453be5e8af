//! A copy of the whole store in a new file.

use std::path::Path;

use rusqlite::Connection;

use super::{Result, StoreError};

pub(super) fn backup(db: &Connection, path: &Path) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| StoreError::Other(format!("{}: {e}", path.display()));
    let name = path.to_str().ok_or_else(|| fail(&"the path of a backup must be UTF-8"))?;
    let file = begin(path)?;
    let copied = db.execute("VACUUM INTO ?1", [name]).map_err(StoreError::from);
    // SQLite leaves it to the system when a copy reaches the disk; a backup that was reported is there.
    let kept = copied.and_then(|_| file.sync_all().map_err(|e| fail(&e)));
    if kept.is_err() {
        let _ = std::fs::remove_file(path);
    }
    kept
}

/// A new file, empty and for nobody else to read while it is written.
pub(in crate::store) fn begin(path: &Path) -> Result<std::fs::File> {
    let fail = |e: &dyn std::fmt::Display| StoreError::Other(format!("{}: {e}", path.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => fail(&"it exists already; a backup overwrites nothing"),
        _ => fail(&e),
    })
}
