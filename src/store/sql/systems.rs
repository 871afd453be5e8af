//! How many grants a source has on each system, while a pull of it is taken in.

use std::collections::BTreeMap;

use super::*;

/// Of how many systems this is held in memory before it is written.
const MANY: usize = 10_000;

/// What is known of a system.
#[derive(Default)]
struct Known {
    /// How many grants this source has on it.
    count: i64,
    /// How many the database says it has.
    written: i64,
    /// The other sources that have some.
    others: Vec<i64>,
}

/// The systems that were met: asked for once, and written together.
pub(super) struct Systems {
    source: i64,
    met: BTreeMap<String, Known>,
}

impl Systems {
    pub(super) fn new(source: i64) -> Self {
        Self { source, met: BTreeMap::new() }
    }

    fn known(&mut self, tx: &dyn Db, system: &str) -> Result<&mut Known> {
        if !self.met.contains_key(system) {
            if self.met.len() >= MANY {
                self.write(tx)?;
            }
            let mut known = Known::default();
            let sql = "SELECT source, count FROM system_held WHERE system = ?1";
            tx.rows(sql, params![system], &mut |row| {
                match row.get(0)? {
                    own if own == self.source => known.written = row.get(1)?,
                    other => known.others.push(other),
                }
                Ok(())
            })?;
            known.count = known.written;
            self.met.insert(system.to_owned(), known);
        }
        Ok(self.met.entry(system.to_owned()).or_default())
    }

    /// Counts grants on a system; how many there are now.
    pub(super) fn add(&mut self, tx: &dyn Db, system: &str, by: i64) -> Result<i64> {
        let known = self.known(tx, system)?;
        known.count += by;
        Ok(known.count)
    }

    /// The other sources that have grants on a system.
    pub(super) fn others(&mut self, tx: &dyn Db, system: &str) -> Result<Vec<i64>> {
        Ok(self.known(tx, system)?.others.clone())
    }

    /// Writes what changed, and forgets the rest.
    pub(super) fn write(&mut self, tx: &dyn Db) -> Result<()> {
        let put = tx.dialect().pick(
            "INSERT INTO system_held (system, source, count) VALUES (?1, ?2, ?3)
            ON CONFLICT (system, source) DO UPDATE SET count = excluded.count",
            "INSERT INTO system_held (system, source, count) VALUES (?1, ?2, ?3)
            ON CONFLICT (md5(system), source) DO UPDATE SET count = excluded.count",
        );
        let gone = "DELETE FROM system_held WHERE system = ?1 AND source = ?2";
        for (system, known) in std::mem::take(&mut self.met) {
            match known.count {
                same if same == known.written => {}
                0 => tx.run(gone, params![system, self.source])?,
                count => tx.run(put, params![system, self.source, count])?,
            }
        }
        Ok(())
    }
}
