//! The lives of findings, and the exceptions that people gave.

use super::*;

pub(super) const COLUMNS: &str = "id, home, check_name, system, source, grant_key, severity, standing, state, episode, seq,
    first_seen, changed_at, material, absent, absent_run, changes, quiet_at, acceptance, cause, owner, group_key, told,
    body, account, subject, request";

pub(super) fn put(tx: &dyn Db, life: &Life) -> Result<()> {
    let sql = format!(
        "INSERT INTO finding ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
            ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)
         ON CONFLICT (id) DO UPDATE SET home = excluded.home, system = excluded.system, source = excluded.source,
            grant_key = excluded.grant_key, severity = excluded.severity, standing = excluded.standing,
            state = excluded.state, episode = excluded.episode, seq = excluded.seq, first_seen = excluded.first_seen,
            changed_at = excluded.changed_at, material = excluded.material, absent = excluded.absent,
            absent_run = excluded.absent_run, changes = excluded.changes, quiet_at = excluded.quiet_at,
            acceptance = excluded.acceptance, cause = excluded.cause, owner = excluded.owner,
            group_key = excluded.group_key, told = excluded.told, body = excluded.body,
            account = excluded.account, subject = excluded.subject, request = excluded.request"
    );
    let json = |e: serde_json::Error| StoreError::Other(e.to_string());
    let changes: Vec<i64> = life.changes.iter().map(|t| ms(*t)).collect();
    let acceptance = life.acceptance.as_ref().map(serde_json::to_string).transpose().map_err(json)?;
    tx.run(
        &sql,
        params![
            life.id,
            life.home,
            life.check,
            life.system,
            life.source,
            life.grant,
            place(&Severity::ALL, &life.severity),
            life.standing.map(|s| place(&Standing::ALL, &s)),
            place(&State::ALL, &life.state),
            life.episode,
            life.seq,
            ms(life.first_seen),
            ms(life.changed_at),
            life.material,
            life.absent,
            number(life.absent_run),
            list(&changes),
            life.quiet_at.map(ms),
            acceptance,
            life.cause.as_str(),
            life.owner,
            life.group,
            serde_json::to_string(&life.told).map_err(json)?,
            life.body,
            life.account,
            life.subject,
            life.request.as_ref().map(|(source, id)| format!("{source}\n{id}")),
        ],
    )?;
    Ok(())
}

pub(super) fn read(row: &dyn Row) -> Result<Life> {
    let broken = |e: serde_json::Error| StoreError::Broken(format!("a finding's life: {e}"));
    let changes: Vec<i64> = listed(row, 16)?;
    let acceptance: Option<String> = row.get(18)?;
    let cause: String = row.get(19)?;
    let request: Option<String> = row.get(26)?;
    Ok(Life {
        id: row.get(0)?,
        home: row.get(1)?,
        check: row.get(2)?,
        system: row.get(3)?,
        source: row.get(4)?,
        grant: row.get(5)?,
        severity: word(&Severity::ALL, row.get(6)?)?,
        standing: row.get::<Option<i64>>(7)?.map(|s| word(&Standing::ALL, s)).transpose()?,
        state: word(&State::ALL, row.get(8)?)?,
        episode: row.get(9)?,
        seq: row.get(10)?,
        first_seen: at(row.get(11)?),
        changed_at: at(row.get(12)?),
        material: row.get(13)?,
        absent: row.get(14)?,
        absent_run: count(row.get(15)?),
        changes: changes.into_iter().map(at).collect(),
        quiet_at: row.get::<Option<i64>>(17)?.map(at),
        acceptance: acceptance.map(|text| serde_json::from_str(&text).map_err(broken)).transpose()?,
        cause: serde_json::from_value(cause.into()).map_err(broken)?,
        owner: row.get(20)?,
        group: row.get(21)?,
        told: listed(row, 22)?,
        body: row.get(23)?,
        account: row.get(24)?,
        subject: row.get(25)?,
        request: request.and_then(|r| r.split_once('\n').map(|(s, id)| (s.to_owned(), id.to_owned()))),
    })
}

/// A list in a column. Most are empty, and of those there are many.
fn listed<T: serde::de::DeserializeOwned>(row: &dyn Row, column: usize) -> Result<Vec<T>> {
    match row.get(column)? {
        "[]" => Ok(vec![]),
        text => serde_json::from_str(text).map_err(|e| StoreError::Broken(format!("a finding's life: {e}"))),
    }
}

pub(super) fn at_homes(db: &dyn Db, homes: &[Token]) -> Result<Vec<Life>> {
    let sql = format!("SELECT {COLUMNS} FROM finding WHERE home = ?1");
    let mut lives = vec![];
    db.rows_of(&sql, homes, &mut |row| {
        lives.push(read(row)?);
        Ok(())
    })?;
    Ok(lives)
}

pub(super) fn one(db: &dyn Db, id: &str) -> Result<Option<Life>> {
    db.one(&format!("SELECT {COLUMNS} FROM finding WHERE id = ?1"), params![id], read)
}

pub(super) fn absent_before(db: &dyn Db, run: u64, limit: usize) -> Result<Vec<Life>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM finding WHERE absent > 0 AND absent_run < ?1 ORDER BY absent_run, row LIMIT ?2"
    );
    db.all(&sql, params![number(run), number(limit as u64)], read)
}

pub(super) fn each(db: &dyn Db, states: &[State], show: &mut dyn FnMut(Life)) -> Result<()> {
    // Numbers of ours, and few of them.
    let places: Vec<String> = states.iter().map(|s| place(&State::ALL, s).to_string()).collect();
    if places.is_empty() {
        return Ok(());
    }
    let sql = format!("SELECT {COLUMNS} FROM finding WHERE state IN ({}) ORDER BY id", places.join(", "));
    db.rows(&sql, params![], &mut |row| {
        show(read(row)?);
        Ok(())
    })
}

/// Asked after every run: an index has all of it, in this order.
const COUNTS: &str = "SELECT check_name, severity, state, count(*) FROM finding
    GROUP BY check_name, severity, state ORDER BY check_name, severity, state";

pub(super) fn counts(db: &dyn Db) -> Result<Vec<FindingCount>> {
    db.all(COUNTS, params![], |row| {
        Ok(FindingCount {
            check: row.get(0)?,
            severity: word(&Severity::ALL, row.get(1)?)?,
            state: word(&State::ALL, row.get(2)?)?,
            count: count(row.get(3)?),
        })
    })
}

pub(super) fn accept(tx: &dyn Db, a: &Accepted) -> Result<()> {
    tx.run(
        "INSERT INTO accepted (finding, check_name, by, reason, until, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (finding, at) DO UPDATE SET check_name = excluded.check_name, by = excluded.by,
            reason = excluded.reason, until = excluded.until",
        params![a.finding, a.check, a.by, a.reason, ms(a.until), ms(a.at)],
    )?;
    tx.run(
        "INSERT INTO dirty SELECT home FROM finding WHERE id = ?1 AND home <> 0 ON CONFLICT DO NOTHING",
        params![a.finding],
    )
}

pub(super) fn accepted(db: &dyn Db, now: Instant) -> Result<Vec<Accepted>> {
    let sql = "SELECT finding, check_name, by, reason, until, at FROM accepted WHERE until > ?1 ORDER BY finding, at";
    db.all(sql, params![ms(now)], |row| {
        Ok(Accepted {
            finding: row.get(0)?,
            check: row.get(1)?,
            by: row.get(2)?,
            reason: row.get(3)?,
            until: at(row.get(4)?),
            at: at(row.get(5)?),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;

    #[test]
    fn counting_findings_reads_none_of_them() {
        let store = Sqlite::in_memory().unwrap();
        let mut statement = store.db.prepare(&format!("EXPLAIN QUERY PLAN {COUNTS}")).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<String> = rows.map(rusqlite::Result::unwrap).collect();
        assert!(matches!(plan.as_slice(), [one] if one.contains("COVERING INDEX")), "{plan:?}");
    }
}
