//! Names that must be judged again, verdicts, and keeping what a judgement says, all at once.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::evidence::Kind;

/// Lets a name be judged again.
pub(super) const MARK: &str = "INSERT INTO dirty (token) VALUES (?1) ON CONFLICT DO NOTHING";

pub(super) fn dirty(db: &dyn Db, limit: usize) -> Result<(Vec<Token>, u64)> {
    let sql = "SELECT token FROM dirty ORDER BY token LIMIT ?1";
    let tokens = db.all(sql, params![number(limit as u64)], |row| row.get(0))?;
    Ok((tokens, count(db.int("SELECT count(*) FROM dirty", params![])?)))
}

/// Every name that something is judged under, or was.
pub(super) fn mark_all(tx: &dyn Db) -> Result<()> {
    for names in [
        "SELECT token FROM tie WHERE tie < 4",
        "SELECT home FROM finding WHERE home <> 0",
        "SELECT home FROM verdict WHERE TRUE",
    ] {
        tx.run(&format!("INSERT INTO dirty {names} ON CONFLICT DO NOTHING"), params![])?;
    }
    Ok(())
}

pub(super) fn mark(tx: &dyn Db, tokens: &[Token]) -> Result<()> {
    tokens.iter().try_for_each(|token| tx.run(MARK, params![token]))
}

pub(super) fn mark_due(db: &dyn Db, now: Instant) -> Result<()> {
    let sql = "INSERT INTO dirty SELECT home FROM recheck WHERE at <= ?1 ON CONFLICT DO NOTHING";
    db.run(sql, params![ms(now)])
}

pub(super) fn commit(tx: &dyn Db, batch: &Batch) -> Result<()> {
    verdicts_of(tx, batch)?;
    rechecks_of(tx, batch)?;
    for life in &batch.lives {
        findings::put(tx, life)?;
    }
    if !batch.events.is_empty() {
        let mut log = evidence::Appender::open(tx)?;
        for event in &batch.events {
            let row = outbox::event(tx, batch.run, event)?;
            log.add(Kind::Event, row, &event.body)?;
        }
        log.close()?;
    }
    let done = "DELETE FROM dirty WHERE token = ?1";
    batch.done.iter().try_for_each(|token| tx.run(done, params![token]))
}

/// Replaces the verdicts under the homes. Most are what they were, and those are left alone: to write one touches a page of
/// three indexes, and each page is written twice.
fn verdicts_of(tx: &dyn Db, batch: &Batch) -> Result<()> {
    // Of several of one grant the last stands.
    let mut new: HashMap<Hash, &KeptVerdict> = batch.verdicts.iter().map(|v| (v.grant, v)).collect();
    let held = format!("SELECT {COLUMNS}, row FROM verdict WHERE home = ?1");
    let mut ended: Vec<(i64, String, Standing)> = vec![];
    tx.rows_of(&held, &batch.homes, &mut |row| {
        let old = read(row)?;
        if new.get(&old.grant).is_some_and(|new| **new == old) {
            new.remove(&old.grant);
        } else {
            ended.push((row.get(12)?, old.system, old.standing));
        }
        Ok(())
    })?;
    for (row, system, standing) in ended {
        tx.run("DELETE FROM verdict WHERE row = ?1", params![row])?;
        tally(tx, &system, place(&Standing::ALL, &standing), -1)?;
    }
    // In the order in which they came, so that the same input is kept in the same order.
    for verdict in &batch.verdicts {
        if new.get(&verdict.grant).is_some_and(|last| std::ptr::eq(*last, verdict)) {
            put(tx, verdict)?;
        }
    }
    Ok(())
}

/// Replaces the times at which the homes are judged again; those of others can only come nearer.
fn rechecks_of(tx: &dyn Db, batch: &Batch) -> Result<()> {
    let mut new: BTreeMap<Token, i64> = BTreeMap::new();
    for (home, at) in &batch.rechecks {
        let at = ms(*at);
        new.entry(*home).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    let mut ended: Vec<Token> = vec![];
    tx.rows_of("SELECT home, at FROM recheck WHERE home = ?1", &batch.homes, &mut |row| {
        let (home, old): (Token, i64) = (row.get(0)?, row.get(1)?);
        if new.get(&home) == Some(&old) {
            new.remove(&home);
        } else {
            ended.push(home);
        }
        Ok(())
    })?;
    for home in ended {
        tx.run("DELETE FROM recheck WHERE home = ?1", params![home])?;
    }
    let sql = format!(
        "INSERT INTO recheck (home, at) VALUES (?1, ?2)
        ON CONFLICT (home) DO UPDATE SET at = {}(recheck.at, excluded.at)",
        tx.dialect().lesser()
    );
    new.iter().try_for_each(|(home, at)| tx.run(&sql, params![home, at]))
}

fn tally(tx: &dyn Db, system: &str, standing: i64, by: i64) -> Result<()> {
    let sql = tx.dialect().pick(
        "INSERT INTO standing_count (system, standing, count) VALUES (?1, ?2, ?3)
        ON CONFLICT (system, standing) DO UPDATE SET count = standing_count.count + excluded.count",
        "INSERT INTO standing_count (system, standing, count) VALUES (?1, ?2, ?3)
        ON CONFLICT (md5(system), standing) DO UPDATE SET count = standing_count.count + excluded.count",
    );
    tx.run(sql, params![system, standing, by])?;
    Ok(())
}

fn put(tx: &dyn Db, v: &KeptVerdict) -> Result<()> {
    // A grant whose subject changed may still stand under its old name, when that is judged later in the run.
    let sql = tx.dialect().pick(
        "INSERT INTO standing_count (system, standing, count)
        SELECT system, standing, -1 FROM verdict WHERE grant_key = ?1
        ON CONFLICT (system, standing) DO UPDATE SET count = standing_count.count + excluded.count",
        "INSERT INTO standing_count (system, standing, count)
        SELECT system, standing, -1 FROM verdict WHERE grant_key = ?1
        ON CONFLICT (md5(system), standing) DO UPDATE SET count = standing_count.count + excluded.count",
    );
    tx.run(sql, params![v.grant])?;
    tx.run("DELETE FROM verdict WHERE grant_key = ?1", params![v.grant])?;
    let standing = place(&Standing::ALL, &v.standing);
    let sql =
        "INSERT INTO verdict (grant_key, home, system, account, entitlement, scope, path, subject, standing,
        request_source, request_id, recheck_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    tx.run(
        sql,
        params![
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
        ],
    )?;
    tally(tx, &v.system, standing, 1)
}

pub(super) const COLUMNS: &str =
    "grant_key, home, system, account, entitlement, scope, path, subject, standing, request_source,
    request_id, recheck_at";

pub(super) fn verdict(db: &dyn Db, grant: Hash) -> Result<Option<KeptVerdict>> {
    let sql = format!("SELECT {COLUMNS} FROM verdict WHERE grant_key = ?1");
    db.one(&sql, params![grant], read)
}

pub(super) fn verdicts(db: &dyn Db, show: &mut dyn FnMut(KeptVerdict)) -> Result<()> {
    db.rows(&format!("SELECT {COLUMNS} FROM verdict ORDER BY grant_key"), params![], &mut |row| {
        show(read(row)?);
        Ok(())
    })
}

pub(super) fn read(row: &dyn Row) -> Result<KeptVerdict> {
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
        request: row.get::<Option<String>>(9)?.zip(row.get::<Option<String>>(10)?),
        recheck_at: row.get::<Option<i64>>(11)?.map(at),
    })
}

pub(super) fn standings(db: &dyn Db) -> Result<Vec<(String, Standing, u64)>> {
    let sql = "SELECT system, standing, count FROM standing_count WHERE count > 0 ORDER BY system, standing";
    db.all(sql, params![], |row| Ok((row.get(0)?, word(&Standing::ALL, row.get(1)?)?, count(row.get(2)?))))
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;

    /// Batches at random against what they say: the verdicts and times of their homes are replaced, and nothing else.
    #[test]
    fn what_is_left_alone_is_what_would_have_been_written() {
        let mut state: u64 = 3;
        let mut dice = move |below: u8| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u8::try_from((state >> 33) % u64::from(below)).unwrap()
        };
        let mut store = Sqlite::in_memory().unwrap();
        let mut verdicts: BTreeMap<Hash, KeptVerdict> = BTreeMap::new();
        let mut rechecks: BTreeMap<Token, i64> = BTreeMap::new();
        for _ in 0..400 {
            let homes = (1..6).filter(|_| dice(2) == 0).collect();
            let mut batch = Batch { homes, ..Batch::default() };
            for _ in 0..dice(12) {
                let Some(home) = batch.homes.get(usize::from(dice(5))) else { continue };
                batch.verdicts.push(KeptVerdict {
                    grant: [dice(9); 16],
                    home: *home,
                    system: ["x", "y"][usize::from(dice(2))].to_owned(),
                    account: "a".to_owned(),
                    entitlement: "e".to_owned(),
                    scope: None,
                    path: "[]".to_owned(),
                    subject: "s".to_owned(),
                    standing: Standing::ALL[usize::from(dice(2))],
                    request: None,
                    recheck_at: (dice(3) == 0).then(|| at(i64::from(dice(2)))),
                });
            }
            batch.rechecks = (0..dice(6)).map(|_| (i64::from(dice(7)), at(i64::from(dice(4))))).collect();
            verdicts.retain(|_, v| !batch.homes.contains(&v.home));
            verdicts.extend(batch.verdicts.iter().map(|v| (v.grant, v.clone())));
            rechecks.retain(|home, _| !batch.homes.contains(home));
            for (home, at) in &batch.rechecks {
                let first = rechecks.entry(*home).or_insert(i64::MAX);
                *first = ms(*at).min(*first);
            }
            store.commit(batch).unwrap();
            let mut held = vec![];
            store.verdicts(&mut |v| held.push(v)).unwrap();
            assert_eq!(held, verdicts.values().cloned().collect::<Vec<_>>());
            let mut statement = store.db.prepare("SELECT home, at FROM recheck").unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(rows.collect::<rusqlite::Result<BTreeMap<_, _>>>().unwrap(), rechecks);
            let standings = store.standings().unwrap();
            assert_eq!(standings.iter().map(|(_, _, n)| *n).sum::<u64>(), verdicts.len() as u64);
            for (system, standing, n) in standings {
                let same = |v: &&KeptVerdict| v.system == system && v.standing == standing;
                assert_eq!(verdicts.values().filter(same).count() as u64, n);
            }
        }
        // The same once more writes nothing.
        let all: Vec<KeptVerdict> = verdicts.into_values().collect();
        let mut homes: Vec<Token> = rechecks.keys().copied().chain(all.iter().map(|v| v.home)).collect();
        homes.sort_unstable();
        homes.dedup();
        let times = rechecks.into_iter().map(|(home, ms)| (home, at(ms))).collect();
        let before = store.db.total_changes();
        store.commit(Batch { homes, verdicts: all, rechecks: times, ..Batch::default() }).unwrap();
        assert_eq!(store.db.total_changes(), before);
    }
}
