//! All that a store on a server holds, in a new SQLite file: a backup that can be opened as it is.

use std::path::Path;

use super::super::sql::{Base, Db, Touches, Value};
use super::super::sqlite::{Sqlite, begin};
use super::super::{Result, StoreError};

/// The tables, in an order in which none speaks of one that comes later, with what their rows are put in order by.
const TABLES: [(&str, &str); 22] = [
    ("meta", "name"),
    ("run", "id"),
    ("source", "id"),
    ("record", "id"),
    ("record_count", "source, kind"),
    ("system_held", "system, source"),
    ("twin", "key"),
    ("tie", "token, tie, record"),
    ("dirty", "token"),
    ("recheck", "home"),
    ("verdict", "row"),
    ("standing_count", "system, standing"),
    ("finding", "row"),
    ("event", "row"),
    ("outbox", "row"),
    ("accepted", "finding, at"),
    ("slot", "job, slot"),
    ("evidence", "idx"),
    ("evidence_action", "idx"),
    ("evidence_node", "level, idx"),
    ("evidence_tree", "one"),
    ("checkpoint", "size"),
];

/// Copies everything to a file that is not there.
pub(super) fn to_file(from: &dyn Db, path: &Path) -> Result<()> {
    let file = begin(path)?;
    let copied = fill(from, path);
    let fail = |e: std::io::Error| StoreError::Other(format!("{}: {e}", path.display()));
    let kept = copied.and_then(|()| file.sync_all().map_err(fail));
    if kept.is_err() {
        for end in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            let _ = std::fs::remove_file(name);
        }
    }
    kept
}

fn fill(from: &dyn Db, path: &Path) -> Result<()> {
    let store = Sqlite::open(path)?;
    store.step(Touches::All, &mut |to| {
        // A new store has a log already, which is empty.
        to.run("DELETE FROM evidence_tree", &[])?;
        for (table, order) in &TABLES {
            copy(from, to, table, order)?;
        }
        Ok(())
    })?;
    store.into_one_file()
}

/// Copies the rows of a table.
pub(in crate::store) fn copy(from: &dyn Db, to: &dyn Db, table: &str, order: &str) -> Result<()> {
    let columns = columns(to, table)?;
    let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
    let (names, marks) = (columns.join(", "), marks.join(", "));
    let put = format!("INSERT INTO {table} ({names}) VALUES ({marks})");
    from.rows(&format!("SELECT {names} FROM {table} ORDER BY {order}"), &[], &mut |row| {
        let values: Result<Vec<Value<'_>>> = (0..columns.len()).map(|column| row.value(column)).collect();
        to.run(&put, &values?)
    })
}

/// The columns of a table of an SQLite store.
fn columns(db: &dyn Db, table: &str) -> Result<Vec<String>> {
    let mut columns = vec![];
    db.rows("SELECT name FROM pragma_table_info(?1)", &[Value::Text(table)], &mut |row| {
        if let Value::Text(name) = row.value(0)? {
            columns.push(name.to_owned());
        }
        Ok(())
    })?;
    match columns.is_empty() {
        true => Err(StoreError::Broken(format!("there is no table {table}"))),
        false => Ok(columns),
    }
}
