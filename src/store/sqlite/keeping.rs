//! Backup, and forgetting what is old.

use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::*;

pub(super) fn backup(db: &Connection, path: &Path) -> Result<()> {
    if path.exists() {
        return Err(StoreError::Other(format!(
            "{} exists already; a backup overwrites nothing",
            path.display()
        )));
    }
    let name =
        path.to_str().ok_or_else(|| StoreError::Other("the path of the backup is not UTF-8".to_owned()))?;
    db.execute("VACUUM INTO ?1", [name])?;
    private(path).map_err(|e| StoreError::Other(format!("{}: {e}", path.display())))
}

/// Nothing that is true now is forgotten, nor what has still to be told.
pub(super) fn prune(tx: &Transaction<'_>, retention: Retention) -> Result<u64> {
    let before = ms(retention.before);
    let steps = [
        "DELETE FROM record WHERE until_run IS NOT NULL
            AND until_run <= (SELECT coalesce(max(id), 0) FROM run WHERE started_at < ?1)",
        "DELETE FROM event WHERE at < ?1 AND row NOT IN (SELECT event FROM outbox WHERE event IS NOT NULL)
            AND finding IN (SELECT id FROM finding WHERE state = 2 AND changed_at < ?1)",
        "DELETE FROM finding WHERE state = 2 AND changed_at < ?1
            AND id NOT IN (SELECT finding FROM outbox WHERE finding IS NOT NULL)",
        "DELETE FROM accepted WHERE until < ?1",
        "DELETE FROM run WHERE started_at < ?1 AND id NOT IN (SELECT from_run FROM record)
            AND id NOT IN (SELECT run FROM event) AND id <> (SELECT max(id) FROM run)",
    ];
    let mut rows = 0;
    for step in steps {
        rows += tx.execute(step, [before])? as u64;
    }
    Ok(rows)
}
