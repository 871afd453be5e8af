//! Runs, facts, and how sources stand.

use super::*;

pub(super) fn open(db: &dyn Db, at: Instant) -> Result<u64> {
    let row = db.add(Numbered::Run, "INSERT INTO run (started_at) VALUES (?1)", params![ms(at)])?;
    Ok(count(row))
}

pub(super) fn close(tx: &dyn Db, close: &Close<'_>) -> Result<()> {
    for (name, value) in close.meta {
        set_meta(tx, name, value)?;
    }
    for notice in &close.notices {
        outbox::notice(tx, notice)?;
    }
    slots::put(tx, close.slots)?;
    outbox::seal(tx, close.run)?;
    tx.run(
        "UPDATE run SET ended_at = ?2, manifest = ?3 WHERE id = ?1",
        params![number(close.run), ms(close.at), close.manifest],
    )?;
    evidence::ended(tx, close.run, close.manifest)
}

pub(super) fn last(db: &dyn Db, limit: usize) -> Result<Vec<RunRow>> {
    db.all(&format!("{RUN} ORDER BY id DESC LIMIT ?1"), params![number(limit as u64)], run_row)
}

/// The last that had ended at an instant. A clock that was set back may have made an earlier run end later; it is the order
/// of the runs that counts.
pub(super) fn ended_by(db: &dyn Db, at: Instant) -> Result<Option<RunRow>> {
    db.one(&format!("{RUN} WHERE ended_at <= ?1 ORDER BY id DESC LIMIT 1"), params![ms(at)], run_row)
}

pub(super) fn ended(db: &dyn Db, last: u64, show: &mut dyn FnMut(RunRow)) -> Result<()> {
    let sql = format!("{RUN} WHERE id <= ?1 AND ended_at IS NOT NULL ORDER BY id");
    db.rows(&sql, params![number(last)], &mut |row| {
        show(run_row(row)?);
        Ok(())
    })
}

const RUN: &str = "SELECT id, started_at, ended_at, manifest FROM run";

fn run_row(row: &dyn Row) -> Result<RunRow> {
    Ok(RunRow {
        id: count(row.get(0)?),
        started_at: at(row.get(1)?),
        ended_at: row.get::<Option<i64>>(2)?.map(at),
        manifest: row.get(3)?,
    })
}

pub(super) fn meta(db: &dyn Db, name: &str) -> Result<Option<String>> {
    db.one("SELECT value FROM meta WHERE name = ?1", params![name], |row| row.get(0))
}

pub(in crate::store) fn set_meta(db: &dyn Db, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.run(sql, params![name, value])
}

pub(super) fn sources(db: &dyn Db) -> Result<Vec<SourceState>> {
    db.all("SELECT state FROM source ORDER BY name", params![], |row| {
        serde_json::from_str(row.get(0)?)
            .map_err(|e| StoreError::Broken(format!("the state of a source: {e}")))
    })
}

pub(super) fn save_source(db: &dyn Db, state: &SourceState) -> Result<()> {
    let text = serde_json::to_string(state).map_err(|e| StoreError::Other(e.to_string()))?;
    let sql = "INSERT INTO source (name, state) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET state = excluded.state";
    db.run(sql, params![state.id, text])
}

/// The number of a source, given to it when it is first met.
pub(super) fn source_number(db: &dyn Db, name: &str) -> Result<i64> {
    let find = "SELECT id FROM source WHERE name = ?1";
    if let Some(id) = db.one(find, params![name], |row| row.get(0))? {
        return Ok(id);
    }
    save_source(db, &SourceState { id: name.to_owned(), ..SourceState::default() })?;
    db.int(find, params![name])
}
