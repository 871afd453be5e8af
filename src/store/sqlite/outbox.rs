//! The outbox: what has still to be told, in the order in which it happened to each finding.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction, params};

use super::*;
use crate::model::Duration;
use crate::model::event::hashed;

const QUEUED: i64 = 0;
const WAITS: i64 = 1;
const MUTED: i64 = 2;
const DEAD: i64 = 3;

/// A kind of notice of which only the latest counts.
const HEARTBEAT: &str = "heartbeat";
/// Another: a checkpoint covers all before it.
const CHECKPOINT: &str = "checkpoint";
/// How far ahead a message can be put off: a receiver may ask for a day. What is due later was put off by a clock that has
/// been set back since, and is due.
const FURTHEST: Duration = Duration::hours(25);

/// Writes an event and who is to be told; its row.
pub(super) fn event(tx: &Transaction<'_>, run: u64, event: &NewEvent) -> Result<i64> {
    let sql = "INSERT INTO event (id, finding, run, at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.prepare_cached(sql)?.execute(params![
        event.id,
        event.finding,
        number(run),
        ms(event.at),
        event.body
    ])?;
    let row = tx.last_insert_rowid();
    let sql =
        "INSERT INTO outbox (sink, state, message, finding, event, group_key, created_at, due_at, attempts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)";
    for letter in &event.letters {
        let state = match (letter.muted_until, &letter.grouped) {
            (Some(_), _) => MUTED,
            (None, Some(_)) => WAITS,
            (None, None) => QUEUED,
        };
        let due = letter.muted_until.unwrap_or(event.at);
        tx.prepare_cached(sql)?.execute(params![
            letter.sink,
            state,
            event.id,
            event.finding,
            row,
            letter.grouped,
            ms(event.at),
            ms(due)
        ])?;
    }
    Ok(row)
}

/// Writes a notice. Of signs of life, and of checkpoints, only the latest waits: a receiver that is away for a month is not told seven hundred
/// times, when it is back, that all was well.
pub(super) fn notice(db: &Connection, n: &NewNotice) -> Result<()> {
    if n.kind == HEARTBEAT || n.kind == CHECKPOINT {
        let older = "DELETE FROM outbox WHERE sink = ?1 AND state = 0 AND notice_kind = ?2";
        db.prepare_cached(older)?.execute([n.sink.as_str(), n.kind.as_str()])?;
    }
    let sql =
        "INSERT INTO outbox (sink, state, message, notice_kind, notice_body, created_at, due_at, attempts)
        VALUES (?1, 0, ?2, ?3, ?4, ?5, ?5, 0)";
    db.prepare_cached(sql)?.execute(params![n.sink, n.id, n.kind, n.body, ms(n.at)])?;
    Ok(())
}

/// Makes messages of what waited for the end of a run: for each sink one for each group. From here on it is fixed what
/// a message holds, so that it is the same on every retry.
///
/// A finding that went from one group to another is in two messages, and the later must wait for the earlier. Two
/// findings that changed places would have them wait for each other; so what came after a change of groups stands in a
/// message of its own.
pub(super) fn seal(tx: &Transaction<'_>, run: u64) -> Result<()> {
    let sql = "SELECT row, sink, group_key, finding FROM outbox WHERE state = 1 ORDER BY row";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut places: HashMap<(String, Option<String>), (String, u32)> = HashMap::new();
    let mut waiting: Vec<(i64, String, String, u32)> = vec![];
    while let Some(row) = rows.next()? {
        let (number, sink, group): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let place = places.entry((sink.clone(), row.get(3)?)).or_insert_with(|| (group.clone(), 0));
        if place.0 != group {
            *place = (group.clone(), place.1 + 1);
        }
        waiting.push((number, sink, group, place.1));
    }
    let mut count = tx.prepare_cached("SELECT count(*) FROM finding WHERE group_key = ?1 AND state = 0")?;
    let mut fix =
        tx.prepare_cached("UPDATE outbox SET state = 0, message = ?2, group_open = ?3 WHERE row = ?1")?;
    let mut open: HashMap<String, i64> = HashMap::new();
    for (row, sink, group, place) in waiting {
        let later = if place == 0 { String::new() } else { format!("\n{place}") };
        let message = hashed("m1:", &format!("{run}\n{sink}\n{group}{later}"));
        let open = match open.get(&group) {
            Some(n) => *n,
            None => {
                let n = count.query_row([&group], |row| row.get(0))?;
                open.insert(group, n);
                n
            }
        };
        fix.execute(params![row, message, open])?;
    }
    Ok(())
}

pub(super) fn letters(db: &Connection, sink: &str, now: Instant, limit: usize) -> Result<Vec<Letter>> {
    // What is listed is what is read: another handle may write in between.
    let db = &db.unchecked_transaction()?;
    // The first row of each message that may go: no other message with an earlier word on one of its findings waits.
    let sql = "SELECT o.message, o.first FROM (
            SELECT message, min(row) AS first FROM outbox
            WHERE sink = ?1 AND state = 0 AND (due_at <= ?2 OR created_at > ?2 OR due_at > ?4) GROUP BY message) o
        WHERE NOT EXISTS (
            SELECT 1 FROM outbox m INDEXED BY outbox_message JOIN outbox p ON p.sink = m.sink AND p.finding = m.finding AND p.row < m.row
            WHERE m.sink = ?1 AND m.message = o.message AND p.state <= 1 AND p.message <> o.message)
        ORDER BY o.first LIMIT ?3";
    let single = "SELECT o.message, o.row FROM outbox o
        WHERE o.sink = ?1 AND o.state = 0 AND (o.due_at <= ?2 OR o.created_at > ?2 OR o.due_at > ?4)
            AND o.group_open IS NULL AND NOT EXISTS (
            SELECT 1 FROM outbox p WHERE p.sink = o.sink AND p.finding = o.finding AND p.row < o.row AND p.state <= 1)
        ORDER BY o.row LIMIT ?3";
    // Sinks whose rows are never grouped, which are those with many rows, are asked in the way that needs no sorting. Rows of
    // both kinds wait only where a sink became one of the other kind: then the first or the last is grouped, or will be.
    let grouped = "SELECT max(grouped) FROM (
        SELECT * FROM (SELECT group_open IS NOT NULL AS grouped FROM outbox
            WHERE sink = ?1 AND state = 0 AND event IS NOT NULL ORDER BY row LIMIT 1)
        UNION ALL SELECT * FROM (SELECT group_open IS NOT NULL FROM outbox
            WHERE sink = ?1 AND state = 0 AND event IS NOT NULL ORDER BY row DESC LIMIT 1))";
    let any: Option<bool> = db.prepare_cached(grouped)?.query_row([sink], |row| row.get(0))?;
    let mut statement = db.prepare_cached(if any == Some(true) { sql } else { single })?;
    let asked = params![sink, ms(now), number(limit as u64), ms(now.plus(FURTHEST))];
    let rows = statement.query_map(asked, |row| row.get::<_, String>(0))?;
    let messages: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
    messages.into_iter().map(|message| letter(db, sink, message)).collect()
}

fn letter(db: &Connection, sink: &str, message: String) -> Result<Letter> {
    let sql = "SELECT o.row, o.created_at, o.attempts, o.group_key, o.group_open, o.notice_kind, o.notice_body, e.body
        FROM outbox o INDEXED BY outbox_message LEFT JOIN event e ON e.row = o.event
        WHERE o.sink = ?1 AND o.message = ?2 AND o.state = 0 ORDER BY o.row";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([sink, message.as_str()])?;
    let mut letter = Letter {
        rows: vec![],
        message: message.clone(),
        at: Instant::MIN,
        attempts: 0,
        content: Content::Events { bodies: vec![], group: None },
    };
    while let Some(row) = rows.next()? {
        letter.rows.push(row.get(0)?);
        letter.at = at(row.get(1)?);
        letter.attempts = row.get(2)?;
        if let Some(kind) = row.get::<_, Option<String>>(5)? {
            letter.content = Content::Notice { kind, body: row.get(6)? };
            continue;
        }
        if let Content::Events { bodies, group } = &mut letter.content {
            bodies.extend(row.get::<_, Option<String>>(7)?);
            let key: Option<String> = row.get(3)?;
            let open: Option<i64> = row.get(4)?;
            *group = key.zip(open).map(|(key, open)| Group { key, open: count(open) });
        }
    }
    Ok(letter)
}

pub(super) fn settle(tx: &Transaction<'_>, fates: &[(Letter, Fate)]) -> Result<()> {
    for (letter, fate) in fates {
        for row in &letter.rows {
            match fate {
                Fate::Delivered => tx.prepare_cached("DELETE FROM outbox WHERE row = ?1")?.execute([row])?,
                Fate::Retry { at, reason } => tx
                    .prepare_cached(
                        "UPDATE outbox SET due_at = ?2, attempts = attempts + 1, reason = ?3 WHERE row = ?1",
                    )?
                    .execute(params![row, ms(*at), reason])?,
                Fate::Dead { reason } => tx
                    .prepare_cached(
                        "UPDATE outbox SET state = 3, attempts = attempts + 1, reason = ?2 WHERE row = ?1",
                    )?
                    .execute(params![row, reason])?,
            };
        }
        if let (Fate::Dead { .. }, Content::Notice { kind, .. }) = (fate, &letter.content)
            && kind == HEARTBEAT
        {
            one_dead_heartbeat(tx, &letter.rows)?;
        }
    }
    Ok(())
}

/// A receiver that refuses signs of life refuses all of them: the last one tells it.
fn one_dead_heartbeat(tx: &Transaction<'_>, rows: &[i64]) -> Result<()> {
    let older = "DELETE FROM outbox WHERE sink = (SELECT sink FROM outbox WHERE row = ?1) AND state = 3
        AND notice_kind = ?2 AND row < ?1";
    for row in rows {
        tx.prepare_cached(older)?.execute(params![row, HEARTBEAT])?;
    }
    Ok(())
}

pub(super) fn unmute(tx: &Transaction<'_>, now: Instant) -> Result<()> {
    // A finding that is over is told where it was told before: where the first that was muted is not that it is there.
    let sql = "SELECT o.row, o.group_key, (
            SELECT NOT EXISTS (SELECT 1 FROM event l WHERE l.finding = f.id AND l.row > e.row) AND (f.state <> 2 OR (
                SELECT json_extract(b.body, '$.activity') <> 'create' AND json_extract(b.body, '$.cause') <> 'reopened'
                FROM outbox m JOIN event b ON b.row = m.event
                WHERE m.sink = o.sink AND m.finding = o.finding AND m.state = ?1 ORDER BY m.row LIMIT 1))
            FROM finding f JOIN event e ON e.row = o.event WHERE f.id = o.finding)
        FROM outbox o WHERE o.state = ?1 AND o.due_at <= ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([MUTED, ms(now)])?;
    let mut ended: Vec<(i64, Option<String>, bool)> = vec![];
    while let Some(row) = rows.next()? {
        ended.push((row.get(0)?, row.get(1)?, row.get::<_, Option<bool>>(2)?.unwrap_or(false)));
    }
    for (row, group, holds) in ended {
        if holds {
            let state = if group.is_some() { WAITS } else { QUEUED };
            tx.prepare_cached("UPDATE outbox SET state = ?2 WHERE row = ?1")?.execute([row, state])?;
        } else {
            tx.prepare_cached("DELETE FROM outbox WHERE row = ?1")?.execute([row])?;
        }
    }
    Ok(())
}

pub(super) fn counts(db: &Connection) -> Result<Vec<OutboxCount>> {
    let sql = "SELECT sink, sum(state < 2), sum(state = 3), min(CASE WHEN state < 2 THEN created_at END)
        FROM outbox GROUP BY sink ORDER BY sink";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(OutboxCount {
            sink: row.get(0)?,
            waiting: count(row.get(1)?),
            dead: count(row.get(2)?),
            oldest: row.get::<_, Option<i64>>(3)?.map(at),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn dead(db: &Connection, sink: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>> {
    let sql = "SELECT row, sink, message, finding, created_at, attempts, reason FROM outbox
        WHERE state = 3 AND (?1 IS NULL OR sink = ?1) ORDER BY row LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![sink, number(limit as u64)], |row| {
        Ok(DeadLetter {
            row: row.get(0)?,
            sink: row.get(1)?,
            message: row.get(2)?,
            finding: row.get(3)?,
            at: at(row.get(4)?),
            attempts: row.get(5)?,
            reason: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A message begins anew: one that is too old to be tried again is given its one try.
pub(super) fn replay(db: &Connection, sink: Option<&str>, now: Instant) -> Result<u64> {
    let sql = "UPDATE outbox SET state = ?3, due_at = ?2, attempts = 0 WHERE state = ?4 AND (?1 IS NULL OR sink = ?1)";
    let n = db.execute(sql, params![sink, ms(now), QUEUED, DEAD])?;
    Ok(n as u64)
}

pub(super) fn drop_others(db: &Connection, kept: &[String]) -> Result<u64> {
    let kept = serde_json::to_string(kept).map_err(|e| StoreError::Other(e.to_string()))?;
    let n = db.execute("DELETE FROM outbox WHERE sink NOT IN (SELECT value FROM json_each(?1))", [kept])?;
    Ok(n as u64)
}
