//! Names that must be judged again, verdicts, and keeping what a judgement says, all at once.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::*;

pub(super) fn dirty(db: &Connection, limit: usize) -> Result<(Vec<Token>, u64)> {
    let mut statement = db.prepare_cached("SELECT token FROM dirty ORDER BY token LIMIT ?1")?;
    let rows = statement.query_map([number(limit as u64)], |row| row.get(0))?;
    let tokens = rows.collect::<rusqlite::Result<_>>()?;
    let all: i64 = db.prepare_cached("SELECT count(*) FROM dirty")?.query_row([], |row| row.get(0))?;
    Ok((tokens, count(all)))
}

/// Every name that something is judged under, or was.
pub(super) fn mark_all(tx: &Transaction<'_>) -> Result<()> {
    tx.execute_batch(
        "INSERT OR IGNORE INTO dirty SELECT token FROM tie WHERE tie < 4;
         INSERT OR IGNORE INTO dirty SELECT home FROM finding WHERE home <> 0;
         INSERT OR IGNORE INTO dirty SELECT home FROM verdict;",
    )?;
    Ok(())
}

pub(super) fn mark(tx: &Transaction<'_>, tokens: &[Token]) -> Result<()> {
    let mut mark = tx.prepare_cached("INSERT OR IGNORE INTO dirty (token) VALUES (?1)")?;
    tokens.iter().try_for_each(|token| mark.execute([token]).map(drop))?;
    Ok(())
}

pub(super) fn mark_due(db: &Connection, now: Instant) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO dirty SELECT home FROM recheck WHERE at <= ?1")?
        .execute([ms(now)])?;
    Ok(())
}

pub(super) fn commit(tx: &Transaction<'_>, batch: &Batch) -> Result<()> {
    for home in &batch.homes {
        forget_home(tx, *home)?;
    }
    for verdict in &batch.verdicts {
        put(tx, verdict)?;
    }
    let recheck = "INSERT INTO recheck (home, at) VALUES (?1, ?2)
        ON CONFLICT (home) DO UPDATE SET at = min(at, excluded.at)";
    for (home, at) in &batch.rechecks {
        tx.prepare_cached(recheck)?.execute([*home, ms(*at)])?;
    }
    for life in &batch.lives {
        findings::put(tx, life)?;
    }
    for event in &batch.events {
        outbox::event(tx, batch.run, event)?;
    }
    let mut done = tx.prepare_cached("DELETE FROM dirty WHERE token = ?1")?;
    batch.done.iter().try_for_each(|token| done.execute([token]).map(drop))?;
    Ok(())
}

fn forget_home(tx: &Transaction<'_>, home: Token) -> Result<()> {
    let mut gone = tx.prepare_cached("DELETE FROM verdict WHERE home = ?1 RETURNING system, standing")?;
    let mut rows = gone.query([home])?;
    while let Some(row) = rows.next()? {
        tally(tx, row.get_ref(0)?.as_str().unwrap_or_default(), row.get(1)?, -1)?;
    }
    tx.prepare_cached("DELETE FROM recheck WHERE home = ?1")?.execute([home])?;
    Ok(())
}

fn tally(tx: &Transaction<'_>, system: &str, standing: i64, by: i64) -> Result<()> {
    let sql = "INSERT INTO standing_count (system, standing, count) VALUES (?1, ?2, ?3)
        ON CONFLICT (system, standing) DO UPDATE SET count = count + excluded.count";
    tx.prepare_cached(sql)?.execute(params![system, standing, by])?;
    Ok(())
}

fn put(tx: &Transaction<'_>, v: &KeptVerdict) -> Result<()> {
    // A grant whose subject changed may still stand under its old name, when that is judged later in the run.
    let mut old = tx.prepare_cached("DELETE FROM verdict WHERE grant_key = ?1 RETURNING system, standing")?;
    let old: Option<(String, i64)> =
        old.query_row([v.grant], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((system, standing)) = old {
        tally(tx, &system, standing, -1)?;
    }
    let standing = place(&Standing::ALL, &v.standing);
    let sql =
        "INSERT INTO verdict (grant_key, home, system, account, entitlement, scope, path, subject, standing,
        request_source, request_id, recheck_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    tx.prepare_cached(sql)?.execute(params![
        v.grant,
        v.home,
        v.system,
        v.account,
        v.entitlement,
        v.scope,
        v.path,
        v.subject,
        standing,
        v.request.as_ref().map(|(source, _)| source),
        v.request.as_ref().map(|(_, id)| id),
        v.recheck_at.map(ms),
    ])?;
    tally(tx, &v.system, standing, 1)
}

const COLUMNS: &str =
    "grant_key, home, system, account, entitlement, scope, path, subject, standing, request_source,
    request_id, recheck_at";

pub(super) fn verdict(db: &Connection, grant: Hash) -> Result<Option<KeptVerdict>> {
    let sql = format!("SELECT {COLUMNS} FROM verdict WHERE grant_key = ?1");
    let found = db.prepare_cached(&sql)?.query_row([grant], |row| Ok(read(row))).optional()?;
    found.transpose()
}

pub(super) fn verdicts(db: &Connection, show: &mut dyn FnMut(KeptVerdict)) -> Result<()> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM verdict ORDER BY grant_key"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        show(read(row)?);
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<KeptVerdict> {
    Ok(KeptVerdict {
        grant: row.get(0)?,
        home: row.get(1)?,
        system: row.get(2)?,
        account: row.get(3)?,
        entitlement: row.get(4)?,
        scope: row.get(5)?,
        path: row.get(6)?,
        subject: row.get(7)?,
        standing: word(&Standing::ALL, row.get(8)?)?,
        request: row.get::<_, Option<String>>(9)?.zip(row.get::<_, Option<String>>(10)?),
        recheck_at: row.get::<_, Option<i64>>(11)?.map(at),
    })
}

pub(super) fn standings(db: &Connection) -> Result<Vec<(String, Standing, u64)>> {
    let sql = "SELECT system, standing, count FROM standing_count WHERE count > 0 ORDER BY system, standing";
    let mut statement = db.prepare_cached(sql)?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    rows.map(|row| {
        let (system, standing, n) = row?;
        Ok((system, word(&Standing::ALL, standing)?, count(n)))
    })
    .collect()
}
