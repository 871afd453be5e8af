//! Errands: pulls that the leader wants done and any member may do, one for each source. What was pulled comes back through the
//! database, so that it does not matter who did it; whoever dies in one leaves it to the next.

use std::io::{Read, Write};

use super::super::sql::{Base, Db, Touches, Value};
use super::super::{Result, StoreError};
use super::Postgres;

/// How many bytes of what was pulled stand in one row.
const PART: usize = 1 << 20;
/// How old what was pulled may be and still be taken in, where the leader changed meanwhile.
const STALE_MS: i64 = 10 * 60 * 1000;

/// Whether nobody does it: nobody took it, or whoever did is no longer there.
const FREE: &str = "(state = 0 OR (state = 1 AND NOT counterfoil_there(claimed_by)))";

/// How far an errand is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nobody did it yet.
    UnderWay,
    /// It is done: when the export was taken.
    Done(String),
    /// It failed: why.
    Failed(String),
}

/// An errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Its number.
    pub id: i64,
    /// The source to be pulled.
    pub source: String,
    /// How far it is.
    pub progress: Progress,
}

fn text(value: Value<'_>) -> String {
    if let Value::Text(text) = value { text.to_owned() } else { String::new() }
}

fn int(value: Value<'_>) -> i64 {
    if let Value::Int(n) = value { n } else { -1 }
}

impl Postgres {
    /// Wants a source to be pulled; where that is wanted already, nothing happens.
    ///
    /// # Errors
    /// When the store fails.
    pub fn want(&self, source: &str) -> Result<()> {
        // What somebody pulled for a leader that is gone, a while ago, is no news.
        let old = format!(
            "DELETE FROM errand WHERE source = ?1 AND state >= 2 AND at < counterfoil_now() - {STALE_MS}"
        );
        let put =
            "INSERT INTO errand (source, state, at) VALUES (?1, 0, counterfoil_now()) ON CONFLICT DO NOTHING";
        self.step(Touches::Outbox, &mut |db| {
            db.run(&old, &[Value::Text(source)])?;
            db.run(put, &[Value::Text(source)])
        })
    }

    /// All errands.
    ///
    /// # Errors
    /// When the store fails.
    pub fn errands(&self) -> Result<Vec<Errand>> {
        self.ask(&mut |db| {
            let mut all = vec![];
            let sql = "SELECT id, source, state, taken_at, reason FROM errand ORDER BY id";
            db.rows(sql, &[], &mut |row| {
                let progress = match int(row.value(2)?) {
                    2 => Progress::Done(text(row.value(3)?)),
                    3 => Progress::Failed(text(row.value(4)?)),
                    _ => Progress::UnderWay,
                };
                all.push(Errand { id: int(row.value(0)?), source: text(row.value(1)?), progress });
                Ok(())
            })?;
            Ok(all)
        })
    }

    /// Lets go of an errand, done or not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn drop_errand(&self, id: i64) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| db.run("DELETE FROM errand WHERE id = ?1", &[Value::Int(id)]))
    }

    /// Takes an errand that nobody does, of those this member can do.
    ///
    /// # Errors
    /// When the store fails.
    pub fn take_errand(&self, can: &dyn Fn(&str) -> bool) -> Result<Option<Errand>> {
        let Some(member) = self.member() else { return Ok(None) };
        let free = format!("SELECT id, source FROM errand WHERE {FREE} ORDER BY id");
        let find = |db: &dyn Db| {
            let mut found = vec![];
            db.rows(&free, &[], &mut |row| {
                found.push((int(row.value(0)?), text(row.value(1)?)));
                Ok(())
            })?;
            Ok(found)
        };
        // Asked every second; mostly there is none.
        let mut found = self.ask(&mut |db| find(db))?;
        found.retain(|(_, source)| can(source));
        let lock = format!("SELECT id FROM errand WHERE id = ?1 AND {FREE} FOR UPDATE SKIP LOCKED");
        let take = "UPDATE errand SET state = 1, claimed_by = ?2, at = counterfoil_now() WHERE id = ?1";
        for (id, source) in found {
            let got = self.step(Touches::Outbox, &mut |db| {
                let ours = db.first(&lock, &[Value::Int(id)], &mut |_| Ok(()))?;
                if ours {
                    db.run(take, &[Value::Int(id), Value::Text(member)])?;
                }
                Ok(ours)
            })?;
            if got {
                return Ok(Some(Errand { id, source, progress: Progress::UnderWay }));
            }
        }
        Ok(None)
    }

    /// Hands in what was pulled, compressed as the reader of it wants; `false` where the errand is no longer this member's.
    ///
    /// # Errors
    /// When the store fails, or what was pulled cannot be read.
    pub fn hand_in(&self, id: i64, taken_at: &str, pulled: &mut dyn Read) -> Result<bool> {
        let broken = |e: std::io::Error| StoreError::Other(format!("what was pulled cannot be read: {e}"));
        let put = "INSERT INTO errand_part (errand, part, bytes) VALUES (?1, ?2, ?3)";
        let mut part = vec![];
        self.once(Touches::Outbox, &mut |db| {
            if !self.conclude(db, id, 2, Some(taken_at), None)? {
                return Ok((false, false));
            }
            for number in 0.. {
                part.clear();
                (&mut *pulled).take(PART as u64).read_to_end(&mut part).map_err(broken)?;
                if part.is_empty() {
                    break;
                }
                db.run(put, &[Value::Int(id), Value::Int(number), Value::Bytes(&part)])?;
            }
            Ok((true, true))
        })
    }

    /// Says that an errand failed, and why.
    ///
    /// # Errors
    /// When the store fails.
    pub fn give_up(&self, id: i64, reason: &str) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| self.conclude(db, id, 3, None, Some(reason)).map(drop))
    }

    /// Leaves an errand to others.
    ///
    /// # Errors
    /// When the store fails.
    pub fn leave_errand(&self, id: i64) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| self.conclude(db, id, 0, None, None).map(drop))
    }

    fn conclude(
        &self,
        db: &dyn Db,
        id: i64,
        state: i64,
        taken_at: Option<&str>,
        reason: Option<&str>,
    ) -> Result<bool> {
        let sql = "UPDATE errand SET state = ?3, taken_at = ?4, reason = ?5, at = counterfoil_now()
            WHERE id = ?1 AND claimed_by = ?2 AND state = 1";
        let [taken_at, reason] = [taken_at, reason].map(|text| text.map_or(Value::Null, Value::Text));
        let member = self.member().unwrap_or_default();
        let values = [Value::Int(id), Value::Text(member), Value::Int(state), taken_at, reason];
        Ok(db.change(sql, &values)? > 0)
    }

    /// Writes down what was handed in.
    ///
    /// # Errors
    /// When the store fails, or it cannot be written.
    pub fn handed_in(&self, id: i64, to: &mut dyn Write) -> Result<()> {
        let full = |e: std::io::Error| StoreError::Other(format!("what was pulled cannot be set aside: {e}"));
        let sql = "SELECT bytes FROM errand_part WHERE errand = ?1 ORDER BY part";
        self.ask(&mut |db| {
            db.rows(sql, &[Value::Int(id)], &mut |row| match row.value(0)? {
                Value::Bytes(bytes) => to.write_all(bytes).map_err(full),
                _ => Ok(()),
            })
        })
    }
}
