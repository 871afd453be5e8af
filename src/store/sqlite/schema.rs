//! The schema of the SQLite store, as the steps that lead to it. A step that was once released never changes; the next
//! one is added below it. Going back is refused: an older program would not know what it must keep true.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::super::StoreError;

/// The steps; the schema's version is their number.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
];
/// The step that brings the evidence log.
const EVIDENCE: u32 = 3;

/// The version of the schema of a store; 0 where there is none yet.
///
/// # Errors
/// When the store is newer than this program, or no store.
pub(super) fn recognise(db: &Connection) -> Result<u32, StoreError> {
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let any: Option<i64> =
        db.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |row| row.get(0)).optional()?;
    if application != APPLICATION && any.is_some() {
        return Err(StoreError::Broken("the file is a database of another program".to_owned()));
    }
    let found: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(found) }
}

/// Whether a store has the newest schema, for who only reads.
///
/// # Errors
/// As [`recognise`], and when it is older.
pub(super) fn current(db: &Connection) -> Result<(), StoreError> {
    let (found, known) = (recognise(db)?, STEPS.len());
    if found as usize == known {
        return Ok(());
    }
    let what = format!(
        "it has schema {found} and is read with schema {known}; `counterfoil store show` brings it up to date"
    );
    Err(StoreError::Other(what))
}

/// Brings a store to the newest schema, each step in a transaction of its own.
///
/// # Errors
/// As [`recognise`].
pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    loop {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = recognise(&tx)?;
        let Some(step) = STEPS.get(found as usize) else { return Ok(()) };
        tx.execute_batch(step)?;
        if found + 1 == EVIDENCE {
            super::super::sql::evidence::begin(&*tx)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", found + 1)?;
        tx.commit()?;
    }
}

/// `CNTF`, so that a file tells what it is.
const APPLICATION: i32 = 0x434e_5446;
