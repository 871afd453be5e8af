//! Finding records: by the names they are tied to, by their numbers, and as they once were.

use super::*;

pub(super) fn catalogue(db: &dyn Db, show: &mut dyn FnMut(&str, &str)) -> Result<()> {
    let sql = "SELECT s.name, r.body FROM record r JOIN source s ON s.id = r.source
        WHERE r.until_run IS NULL AND r.kind IN (1, 2, 3, 4, 5, 10, 11) ORDER BY r.id";
    db.rows(sql, params![], &mut |row| {
        show(row.get(0)?, row.get(1)?);
        Ok(())
    })
}

pub(super) fn tied(
    db: &dyn Db,
    ties: &[u8],
    tokens: &[Token],
    show: &mut dyn FnMut(i64, &str, &str),
) -> Result<()> {
    // Numbers of ours, and few of them.
    let ties: Vec<String> = ties.iter().map(ToString::to_string).collect();
    let sql = format!(
        "SELECT r.id, s.name, r.body FROM tie t JOIN record r ON r.id = t.record JOIN source s ON s.id = r.source
        WHERE t.token = ?1 AND t.tie IN ({})",
        ties.join(", ")
    );
    if ties.is_empty() {
        return Ok(());
    }
    db.rows_of(&sql, tokens, &mut |row| shown(row, show))
}

pub(super) fn twins(db: &dyn Db, show: &mut dyn FnMut(i64, Hash)) -> Result<()> {
    // In this order: there are few twins, and many records.
    let then = db.dialect().then();
    let sql = format!(
        "SELECT r.id, r.key FROM twin t CROSS JOIN source s
        {then} record r ON r.source = s.id AND r.key = t.key AND r.until_run IS NULL"
    );
    db.rows(&sql, params![], &mut |row| {
        show(row.get(0)?, row.get(1)?);
        Ok(())
    })
}

pub(super) fn numbered(db: &dyn Db, rows: &[i64], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
    let sql = "SELECT r.id, s.name, r.body FROM record r JOIN source s ON s.id = r.source WHERE r.id = ?1";
    db.rows_of(sql, rows, &mut |row| shown(row, show))
}

pub(super) fn keyed(db: &dyn Db, key: Hash, show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
    // In this order: there are few sources, and each is asked in the index.
    let then = db.dialect().then();
    let sql = format!(
        "SELECT r.id, s.name, r.body FROM source s
        {then} record r ON r.source = s.id AND r.key = ?1 AND r.until_run IS NULL ORDER BY r.id"
    );
    db.rows(&sql, params![key], &mut |row| shown(row, show))
}

pub(super) fn systems_held(db: &dyn Db) -> Result<Vec<String>> {
    db.all("SELECT DISTINCT system FROM system_held ORDER BY system", params![], |row| row.get(0))
}

pub(super) fn at_run(
    db: &dyn Db,
    run: Option<u64>,
    of: Option<RecordType>,
    show: &mut dyn FnMut(i64, &str, &str),
) -> Result<()> {
    // In the order of the rows: nothing has to be sorted, however many there are.
    let sql = "SELECT r.id, s.name, r.body FROM record r JOIN source s ON s.id = r.source
        WHERE r.from_run <= ?1 AND (r.until_run IS NULL OR r.until_run > ?1) AND (cast(?2 AS BIGINT) IS NULL OR r.kind = ?2)
        ORDER BY r.id";
    let kind = of.map(|kind| place(&RecordType::ALL, &kind));
    db.rows(sql, params![run.map_or(i64::MAX, number), kind], &mut |row| shown(row, show))
}

pub(super) fn events_until(db: &dyn Db, run: u64, show: &mut dyn FnMut(&str)) -> Result<()> {
    db.rows("SELECT body FROM event WHERE run <= ?1 ORDER BY row", params![number(run)], &mut |row| {
        show(row.get(0)?);
        Ok(())
    })
}

pub(super) fn events_of(db: &dyn Db, finding: &str, limit: usize) -> Result<Vec<String>> {
    let sql = "SELECT body FROM event WHERE finding = ?1 ORDER BY row DESC LIMIT ?2";
    db.all(sql, params![finding, number(limit as u64)], |row| row.get(0))
}

fn shown(row: &dyn Row, show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
    show(row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(())
}
