//! The slots of jobs.

use super::*;

const PUT: &str = "INSERT INTO slot (job, slot, state, epoch, at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (job, slot) DO UPDATE SET state = excluded.state, epoch = excluded.epoch, at = excluded.at
    WHERE slot.state <> 2";
/// A later slot stands for those before it.
const PASS_OVER: &str = "UPDATE slot SET state = 3, at = ?3 WHERE job = ?1 AND slot < ?2 AND state < 2";

/// Writes down what becomes of slots; what was done stays done.
pub(super) fn put(tx: &dyn Db, slots: &[Slot]) -> Result<()> {
    for slot in slots {
        let state = place(&SlotState::ALL, &slot.state);
        tx.run(PUT, params![slot.job, ms(slot.slot), state, number(slot.epoch), ms(slot.at)])?;
        if slot.state != SlotState::Missed {
            tx.run(PASS_OVER, params![slot.job, ms(slot.slot), ms(slot.at)])?;
        }
    }
    Ok(())
}

/// The last slot of each job that was done.
pub(super) fn last(db: &dyn Db) -> Result<Vec<(String, Instant)>> {
    let sql = "SELECT job, max(slot) FROM slot WHERE state = 2 GROUP BY job";
    db.all(sql, params![], |row| Ok((row.get(0)?, at(row.get(1)?))))
}

/// The latest slots of all jobs, the last first.
pub(super) fn latest(db: &dyn Db, limit: usize) -> Result<Vec<Slot>> {
    let sql = "SELECT job, slot, state, epoch, at FROM slot ORDER BY slot DESC, job LIMIT ?1";
    db.all(sql, params![number(limit as u64)], |row| {
        Ok(Slot {
            job: row.get(0)?,
            slot: at(row.get(1)?),
            state: word(&SlotState::ALL, row.get(2)?)?,
            epoch: count(row.get(3)?),
            at: at(row.get(4)?),
        })
    })
}

/// Forgets slots that lie ahead: the clock was set back, and they will come again.
pub(super) fn forget_ahead(tx: &dyn Db, job: &str, now: Instant) -> Result<()> {
    tx.run("DELETE FROM slot WHERE job = ?1 AND slot > ?2", params![job, ms(now)])
}
