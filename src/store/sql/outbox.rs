//! The outbox: what has still to be told, in the order in which it happened to each finding.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::model::Duration;
use crate::model::event::{Group, hashed};

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
pub(super) fn event(tx: &dyn Db, run: u64, event: &NewEvent) -> Result<i64> {
    let sql = "INSERT INTO event (id, finding, run, at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = tx.add(
        Numbered::Event,
        sql,
        params![event.id, event.finding, number(run), ms(event.at), event.body],
    )?;
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
        tx.run(
            sql,
            params![letter.sink, state, event.id, event.finding, row, letter.grouped, ms(event.at), ms(due)],
        )?;
    }
    Ok(row)
}

/// Writes a notice. Of signs of life, and of checkpoints, only the latest waits: a receiver that is away for a month is not told seven hundred
/// times, when it is back, that all was well.
pub(super) fn notice(db: &dyn Db, n: &NewNotice) -> Result<()> {
    if n.kind == HEARTBEAT || n.kind == CHECKPOINT {
        let older = "DELETE FROM outbox WHERE sink = ?1 AND state = 0 AND notice_kind = ?2";
        db.run(older, params![n.sink.as_str(), n.kind.as_str()])?;
    }
    let sql =
        "INSERT INTO outbox (sink, state, message, notice_kind, notice_body, created_at, due_at, attempts)
        VALUES (?1, 0, ?2, ?3, ?4, ?5, ?5, 0)";
    db.run(sql, params![n.sink, n.id, n.kind, n.body, ms(n.at)])
}

/// Makes messages of what waited for the end of a run: for each sink one for each group. From here on it is fixed what
/// a message holds, so that it is the same on every retry.
///
/// A finding that went from one group to another is in two messages, and the later must wait for the earlier. Two
/// findings that changed places would have them wait for each other; so what came after a change of groups stands in a
/// message of its own.
pub(super) fn seal(tx: &dyn Db, run: u64) -> Result<()> {
    let sql = "SELECT row, sink, group_key, finding FROM outbox WHERE state = 1 ORDER BY row";
    let mut places: HashMap<(String, Option<String>), (String, u32)> = HashMap::new();
    let mut waiting: Vec<(i64, String, String, u32)> = vec![];
    tx.rows(sql, params![], &mut |row| {
        let (number, sink, group): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let place = places.entry((sink.clone(), row.get(3)?)).or_insert_with(|| (group.clone(), 0));
        if place.0 != group {
            *place = (group.clone(), place.1 + 1);
        }
        waiting.push((number, sink, group, place.1));
        Ok(())
    })?;
    let count = "SELECT count(*) FROM finding WHERE group_key = ?1 AND state = 0";
    let fix = "UPDATE outbox SET state = 0, message = ?2, group_open = ?3 WHERE row = ?1";
    let mut open: HashMap<String, i64> = HashMap::new();
    for (row, sink, group, place) in waiting {
        let later = if place == 0 { String::new() } else { format!("\n{place}") };
        let message = hashed("m1:", &format!("{run}\n{sink}\n{group}{later}"));
        let open = match open.get(&group) {
            Some(n) => *n,
            None => {
                let n = tx.int(count, params![group])?;
                open.insert(group, n);
                n
            }
        };
        tx.run(fix, params![row, message, open])?;
    }
    Ok(())
}

pub(super) fn letters(db: &dyn Db, sink: &str, now: Instant, limit: usize) -> Result<Vec<Letter>> {
    let messages = messages(db, None, sink, now, limit)?;
    messages.into_iter().map(|(message, _)| letter(db, sink, message)).collect()
}

/// Whether there is anything for a sink that this member may take.
pub(super) fn any(db: &dyn Db, member: &str, sink: &str, now: Instant) -> Result<bool> {
    Ok(!messages(db, Some(member), sink, now, 1)?.is_empty())
}

/// The same for one of several that send: what it gets nobody else gets while it is there. A message that another sends
/// holds up what comes after it, as one that waits does.
pub(super) fn claim(
    tx: &dyn Db,
    member: &str,
    sink: &str,
    now: Instant,
    limit: usize,
) -> Result<Vec<Letter>> {
    let found = messages(tx, Some(member), sink, now, limit)?;
    // The first row of a message stands for all of it, so that nobody gets a part. Between the question and this another may
    // have taken it, or have sent it.
    let rows: Vec<i64> = found.iter().map(|(_, row)| *row).collect();
    let free = free(member);
    let lock =
        format!("SELECT row FROM outbox WHERE row = ?1 AND state = 0 AND {free} FOR UPDATE SKIP LOCKED");
    let mut ours: HashSet<i64> = HashSet::new();
    tx.rows_of(&lock, &rows, &mut |row| {
        ours.insert(row.get(0)?);
        Ok(())
    })?;
    let take = "UPDATE outbox SET claimed_by = ?3 WHERE sink = ?1 AND message = ?2 AND state = 0";
    let mut letters = vec![];
    for (message, _) in found.into_iter().filter(|(_, row)| ours.contains(row)) {
        tx.run(take, params![sink, message, member])?;
        letters.push(letter(tx, sink, message)?);
    }
    Ok(letters)
}

/// Whether a row is free for this member. It must be said of the row itself: where another has taken it since the question
/// was asked, PostgreSQL asks this again of the row as it is then, and of no other table.
fn free(member: &str) -> String {
    format!("(claimed_by IS NULL OR claimed_by = '{member}' OR NOT counterfoil_there(claimed_by))")
}

/// The messages that may go, with the first row of each.
fn messages(
    db: &dyn Db,
    member: Option<&str>,
    sink: &str,
    now: Instant,
    limit: usize,
) -> Result<Vec<(String, i64)>> {
    let may = |row: &str| match member {
        Some(member) => {
            format!(" AND EXISTS (SELECT 1 FROM outbox c WHERE c.row = {row} AND {})", free(member))
        }
        None => String::new(),
    };
    // The first row of each message that may go: no other message with an earlier word on one of its findings waits.
    let by_message = by_message(db);
    let sql = format!(
        "SELECT o.message, o.first FROM (
            SELECT message, min(row) AS first FROM outbox
            WHERE sink = ?1 AND state = 0 AND (due_at <= ?2 OR created_at > ?2 OR due_at > ?4) GROUP BY message) o
        WHERE NOT EXISTS (
            SELECT 1 FROM outbox m {by_message} JOIN outbox p ON p.sink = m.sink AND p.finding = m.finding AND p.row < m.row
            WHERE m.sink = ?1 AND m.message = o.message AND p.state <= 1 AND p.message <> o.message){}
        ORDER BY o.first LIMIT ?3",
        may("o.first")
    );
    let single = format!("SELECT o.message, o.row FROM outbox o
        WHERE o.sink = ?1 AND o.state = 0 AND (o.due_at <= ?2 OR o.created_at > ?2 OR o.due_at > ?4)
            AND o.group_open IS NULL AND NOT EXISTS (
            SELECT 1 FROM outbox p WHERE p.sink = o.sink AND p.finding = o.finding AND p.row < o.row AND p.state <= 1){}
        ORDER BY o.row LIMIT ?3", may("o.row"));
    // Sinks whose rows are never grouped, which are those with many rows, are asked in the way that needs no sorting. Rows of
    // both kinds wait only where a sink became one of the other kind: then the first or the last is grouped, or will be.
    let grouped = "SELECT count(*) FROM (
        SELECT * FROM (SELECT group_open FROM outbox
            WHERE sink = ?1 AND state = 0 AND event IS NOT NULL ORDER BY row LIMIT 1) a
        UNION ALL SELECT * FROM (SELECT group_open FROM outbox
            WHERE sink = ?1 AND state = 0 AND event IS NOT NULL ORDER BY row DESC LIMIT 1) b) c
        WHERE c.group_open IS NOT NULL";
    let any = db.int(grouped, params![sink])? > 0;
    let sql = if any { &sql } else { &single };
    let (limit, furthest) = (number(limit as u64), ms(now.plus(FURTHEST)));
    db.all(sql, params![sink, ms(now), limit, furthest], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// SQLite may take another index for better, which it is not.
fn by_message(db: &dyn Db) -> &'static str {
    db.dialect().pick("INDEXED BY outbox_message", "")
}

fn letter(db: &dyn Db, sink: &str, message: String) -> Result<Letter> {
    let by_message = by_message(db);
    let sql = format!(
        "SELECT o.row, o.created_at, o.attempts, o.group_key, o.group_open, o.notice_kind, o.notice_body, e.body
        FROM outbox o {by_message} LEFT JOIN event e ON e.row = o.event
        WHERE o.sink = ?1 AND o.message = ?2 AND o.state = 0 ORDER BY o.row"
    );
    let mut letter = Letter {
        rows: vec![],
        message: message.clone(),
        at: Instant::MIN,
        attempts: 0,
        content: Content::Events { bodies: vec![], group: None },
    };
    db.rows(&sql, params![sink, message], &mut |row| {
        letter.rows.push(row.get(0)?);
        letter.at = at(row.get(1)?);
        letter.attempts = row.get(2)?;
        if let Some(kind) = row.get::<Option<String>>(5)? {
            letter.content = Content::Notice { kind, body: row.get(6)? };
            return Ok(());
        }
        if let Content::Events { bodies, group } = &mut letter.content {
            bodies.extend(row.get::<Option<String>>(7)?);
            let key: Option<String> = row.get(3)?;
            let open: Option<i64> = row.get(4)?;
            *group = key.zip(open).map(|(key, open)| Group { key, open: count(open) });
        }
        Ok(())
    })?;
    Ok(letter)
}

/// What became of messages. What another has taken meanwhile, because this member was taken for dead, is its business; but
/// what was delivered is.
pub(super) fn settle(tx: &dyn Db, member: Option<&str>, fates: &[(Letter, Fate)]) -> Result<()> {
    let (free, own) = match member {
        Some(member) => (", claimed_by = NULL", format!(" AND claimed_by = '{member}'")),
        None => ("", String::new()),
    };
    let retry = format!(
        "UPDATE outbox SET due_at = ?2, attempts = attempts + 1, reason = ?3{free} WHERE row = ?1{own}"
    );
    let dead = format!(
        "UPDATE outbox SET state = 3, attempts = attempts + 1, reason = ?2{free} WHERE row = ?1{own}"
    );
    for (letter, fate) in fates {
        for row in &letter.rows {
            match fate {
                Fate::Delivered => tx.run("DELETE FROM outbox WHERE row = ?1", params![row])?,
                Fate::Retry { at, reason } => tx.run(&retry, params![row, ms(*at), reason])?,
                Fate::Dead { reason } => tx.run(&dead, params![row, reason])?,
            }
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
fn one_dead_heartbeat(tx: &dyn Db, rows: &[i64]) -> Result<()> {
    let older = "DELETE FROM outbox WHERE sink = (SELECT sink FROM outbox WHERE row = ?1) AND state = 3
        AND notice_kind = ?2 AND row < ?1";
    for row in rows {
        tx.run(older, params![row, HEARTBEAT])?;
    }
    Ok(())
}

pub(super) fn unmute(tx: &dyn Db, now: Instant) -> Result<()> {
    // A finding that is over is told where it was told before: where the first that was muted is not that it is there.
    let [activity, cause] = ["activity", "cause"].map(|name| tx.dialect().field("b.body", name));
    let sql = format!(
        "SELECT o.row, o.group_key, (
            SELECT NOT EXISTS (SELECT 1 FROM event l WHERE l.finding = f.id AND l.row > e.row) AND (f.state <> 2 OR (
                SELECT {activity} <> 'create' AND {cause} <> 'reopened'
                FROM outbox m JOIN event b ON b.row = m.event
                WHERE m.sink = o.sink AND m.finding = o.finding AND m.state = ?1 ORDER BY m.row LIMIT 1))
            FROM finding f JOIN event e ON e.row = o.event WHERE f.id = o.finding)
        FROM outbox o WHERE o.state = ?1 AND o.due_at <= ?2"
    );
    let ended: Vec<(i64, Option<String>, bool)> = tx.all(&sql, params![MUTED, ms(now)], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<Option<bool>>(2)?.unwrap_or(false)))
    })?;
    for (row, group, holds) in ended {
        if holds {
            let state = if group.is_some() { WAITS } else { QUEUED };
            tx.run("UPDATE outbox SET state = ?2 WHERE row = ?1", params![row, state])?;
        } else {
            tx.run("DELETE FROM outbox WHERE row = ?1", params![row])?;
        }
    }
    Ok(())
}

pub(super) fn counts(db: &dyn Db) -> Result<Vec<OutboxCount>> {
    let sql = "SELECT sink, count(*) FILTER (WHERE state < 2), count(*) FILTER (WHERE state = 3),
            min(CASE WHEN state < 2 THEN created_at END)
        FROM outbox GROUP BY sink ORDER BY sink";
    db.all(sql, params![], |row| {
        Ok(OutboxCount {
            sink: row.get(0)?,
            waiting: count(row.get(1)?),
            dead: count(row.get(2)?),
            oldest: row.get::<Option<i64>>(3)?.map(at),
        })
    })
}

pub(super) fn dead(db: &dyn Db, sink: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>> {
    let sql = "SELECT row, sink, message, finding, created_at, attempts, reason FROM outbox
        WHERE state = 3 AND (cast(?1 AS TEXT) IS NULL OR sink = ?1) ORDER BY row LIMIT ?2";
    db.all(sql, params![sink, number(limit as u64)], |row| {
        Ok(DeadLetter {
            row: row.get(0)?,
            sink: row.get(1)?,
            message: row.get(2)?,
            finding: row.get(3)?,
            at: at(row.get(4)?),
            attempts: row.get(5)?,
            reason: row.get::<Option<String>>(6)?.unwrap_or_default(),
        })
    })
}

/// A message begins anew: one that is too old to be tried again is given its one try.
pub(super) fn replay(db: &dyn Db, sink: Option<&str>, now: Instant) -> Result<u64> {
    let sql = "UPDATE outbox SET state = ?3, due_at = ?2, attempts = 0
        WHERE state = ?4 AND (cast(?1 AS TEXT) IS NULL OR sink = ?1)";
    db.change(sql, params![sink, ms(now), QUEUED, DEAD])
}

pub(super) fn drop_others(db: &dyn Db, kept: &[String]) -> Result<u64> {
    let sinks: Vec<String> = db.all("SELECT DISTINCT sink FROM outbox", params![], |row| row.get(0))?;
    let mut dropped = 0;
    for sink in sinks.iter().filter(|sink| !kept.contains(sink)) {
        dropped += db.change("DELETE FROM outbox WHERE sink = ?1", params![sink])?;
    }
    Ok(dropped)
}
