//! Runs, facts, and how sources stand.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::*;

pub(super) fn open(db: &mut Connection, at: Instant) -> Result<u64> {
    db.execute("INSERT INTO run (started_at) VALUES (?1)", [ms(at)])?;
    Ok(count(db.last_insert_rowid()))
}

pub(super) fn close(tx: &Transaction<'_>, close: &Close<'_>) -> Result<()> {
    for (name, value) in close.meta {
        set_meta(tx, name, value)?;
    }
    for notice in &close.notices {
        outbox::notice(tx, notice)?;
    }
    outbox::seal(tx, close.run)?;
    tx.execute(
        "UPDATE run SET ended_at = ?2, manifest = ?3 WHERE id = ?1",
        params![number(close.run), ms(close.at), close.manifest],
    )?;
    evidence::ended(tx, close.run, close.manifest)
}

pub(super) fn last(db: &Connection, limit: usize) -> Result<Vec<RunRow>> {
    let mut statement = db.prepare_cached(&format!("{RUN} ORDER BY id DESC LIMIT ?1"))?;
    let rows = statement.query_map([number(limit as u64)], run_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The last that had ended at an instant. A clock that was set back may have made an earlier run end later; it is the order
/// of the runs that counts.
pub(super) fn ended_by(db: &Connection, at: Instant) -> Result<Option<RunRow>> {
    let mut statement = db.prepare_cached(&format!("{RUN} WHERE ended_at <= ?1 ORDER BY id DESC LIMIT 1"))?;
    Ok(statement.query_row([ms(at)], run_row).optional()?)
}

pub(super) fn ended(db: &Connection, last: u64, show: &mut dyn FnMut(RunRow)) -> Result<()> {
    let mut statement =
        db.prepare_cached(&format!("{RUN} WHERE id <= ?1 AND ended_at IS NOT NULL ORDER BY id"))?;
    for row in statement.query_map([number(last)], run_row)? {
        show(row?);
    }
    Ok(())
}

const RUN: &str = "SELECT id, started_at, ended_at, manifest FROM run";

fn run_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: count(row.get(0)?),
        started_at: at(row.get(1)?),
        ended_at: row.get::<_, Option<i64>>(2)?.map(at),
        manifest: row.get(3)?,
    })
}

pub(super) fn meta(db: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

pub(super) fn set_meta(db: &Connection, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.prepare_cached(sql)?.execute([name, value])?;
    Ok(())
}

pub(super) fn sources(db: &Connection) -> Result<Vec<SourceState>> {
    let mut statement = db.prepare_cached("SELECT state FROM source ORDER BY name")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|text| {
        serde_json::from_str(&text?).map_err(|e| StoreError::Broken(format!("the state of a source: {e}")))
    })
    .collect()
}

pub(super) fn save_source(db: &Connection, state: &SourceState) -> Result<()> {
    let text = serde_json::to_string(state).map_err(|e| StoreError::Other(e.to_string()))?;
    let sql = "INSERT INTO source (name, state) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET state = excluded.state";
    db.prepare_cached(sql)?.execute([&state.id, &text])?;
    Ok(())
}

/// The number of a source, given to it when it is first met.
pub(super) fn source_number(db: &Connection, name: &str) -> Result<i64> {
    let find = "SELECT id FROM source WHERE name = ?1";
    if let Some(id) = db.prepare_cached(find)?.query_row([name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    save_source(db, &SourceState { id: name.to_owned(), ..SourceState::default() })?;
    Ok(db.prepare_cached(find)?.query_row([name], |row| row.get(0))?)
}
