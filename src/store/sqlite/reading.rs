//! Finding records: by the names they are tied to, by their numbers, and as they once were.

use rusqlite::{Connection, params};

use super::*;

pub(super) fn catalogue(db: &Connection, show: &mut dyn FnMut(&str, &str)) -> Result<()> {
    let sql = "SELECT s.name, r.body FROM record r JOIN source s ON s.id = r.source
        WHERE r.until_run IS NULL AND r.kind IN (1, 2, 3, 4, 5, 10, 11) ORDER BY r.id";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        show(text(row, 0)?, text(row, 1)?);
    }
    Ok(())
}

pub(super) fn tied(
    db: &Connection,
    ties: &[u8],
    tokens: &[Token],
    show: &mut dyn FnMut(i64, &str, &str),
) -> Result<()> {
    let sql = "SELECT r.id, s.name, r.body FROM tie t JOIN record r ON r.id = t.record JOIN source s ON s.id = r.source
        WHERE t.token = ?1 AND t.tie = ?2";
    let mut statement = db.prepare_cached(sql)?;
    for token in tokens {
        for tie in ties {
            let mut rows = statement.query(params![token, tie])?;
            while let Some(row) = rows.next()? {
                show(row.get(0)?, text(row, 1)?, text(row, 2)?);
            }
        }
    }
    Ok(())
}

pub(super) fn twins(db: &Connection, show: &mut dyn FnMut(i64, Hash)) -> Result<()> {
    // In this order: there are few twins, and many records.
    let sql = "SELECT r.id, r.key FROM twin t CROSS JOIN source s
        CROSS JOIN record r ON r.source = s.id AND r.key = t.key AND r.until_run IS NULL";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        show(row.get(0)?, row.get(1)?);
    }
    Ok(())
}

pub(super) fn numbered(db: &Connection, rows: &[i64], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
    let sql = "SELECT r.id, s.name, r.body FROM record r JOIN source s ON s.id = r.source WHERE r.id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    for number in rows {
        let mut rows = statement.query([number])?;
        while let Some(row) = rows.next()? {
            show(row.get(0)?, text(row, 1)?, text(row, 2)?);
        }
    }
    Ok(())
}

pub(super) fn keyed(db: &Connection, key: Hash, show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
    // In this order: there are few sources, and each is asked in the index.
    let sql = "SELECT r.id, s.name, r.body FROM source s
        CROSS JOIN record r ON r.source = s.id AND r.key = ?1 AND r.until_run IS NULL ORDER BY r.id";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([key])?;
    while let Some(row) = rows.next()? {
        show(row.get(0)?, text(row, 1)?, text(row, 2)?);
    }
    Ok(())
}

pub(super) fn systems_held(db: &Connection) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT DISTINCT system FROM system_held ORDER BY system")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn at_run(
    db: &Connection,
    run: Option<u64>,
    of: Option<RecordType>,
    show: &mut dyn FnMut(i64, &str, &str),
) -> Result<()> {
    // In the order of the rows: nothing has to be sorted, however many there are.
    let sql = "SELECT r.id, s.name, r.body FROM record r JOIN source s ON s.id = r.source
        WHERE r.from_run <= ?1 AND (r.until_run IS NULL OR r.until_run > ?1) AND (?2 IS NULL OR r.kind = ?2)
        ORDER BY r.id";
    let mut statement = db.prepare_cached(sql)?;
    let kind = of.map(|kind| place(&RecordType::ALL, &kind));
    let mut rows = statement.query(params![run.map_or(i64::MAX, number), kind])?;
    while let Some(row) = rows.next()? {
        show(row.get(0)?, text(row, 1)?, text(row, 2)?);
    }
    Ok(())
}

pub(super) fn events_until(db: &Connection, run: u64, show: &mut dyn FnMut(&str)) -> Result<()> {
    let mut statement = db.prepare_cached("SELECT body FROM event WHERE run <= ?1 ORDER BY row")?;
    let mut rows = statement.query([number(run)])?;
    while let Some(row) = rows.next()? {
        show(text(row, 0)?);
    }
    Ok(())
}

pub(super) fn events_of(db: &Connection, finding: &str, limit: usize) -> Result<Vec<String>> {
    let sql = "SELECT body FROM event WHERE finding = ?1 ORDER BY row DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(rusqlite::params![finding, number(limit as u64)], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn text<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(|e| StoreError::Broken(e.to_string()))
}
