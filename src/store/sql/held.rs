//! What a source holds, in memory while a pull of it is taken in: by the hash of its body the row of each record.
//!
//! Nearly all lines of a pull are held already. Asking the database about each costs more than all the rest of the pull,
//! so the hashes are read once, in the order of the index, and asked here. That takes 24 bytes for each record and a third
//! as much again, since a table that is full is slow: 32 bytes, or 64 MB for two million records, until the pull is taken.

use std::hash::{BuildHasher, RandomState};

use super::*;

/// The records of a source, by the hashes of their bodies; end marks are not among them.
pub(super) struct Held {
    slots: Vec<Slot>,
    filled: usize,
    /// What places depend on: bodies come from outside, and whoever writes them shall not choose where they fall.
    seed: [u64; 2],
    /// Rows of end marks: each pull must be asked for its own, so they are never found by their bodies.
    marks: Vec<i64>,
}

/// A place in the table; row 0 is nobody's, and a negative one was ended.
#[derive(Clone, Copy, Default)]
struct Slot {
    hash: Hash,
    row: i64,
}

/// How many are put into the table together.
const AT_ONCE: usize = 256;

/// How many places a table has that is to hold so many records.
fn places(records: usize) -> usize {
    records.saturating_add(records / 3).saturating_add(8)
}

impl Held {
    /// A table with room for so many records.
    fn with_room(records: usize) -> Self {
        let random = RandomState::new();
        Self {
            slots: vec![Slot::default(); places(records)],
            filled: 0,
            seed: [random.hash_one(0_u8) | 1, random.hash_one(1_u8) | 1],
            marks: vec![],
        }
    }

    /// Reads what a source holds; `records` is how many there should be.
    pub(super) fn load(db: &dyn Db, source: i64, records: u64) -> Result<Self> {
        let mut held = Self::with_room(usize::try_from(records).unwrap_or(0));
        let sql = "SELECT hash, id FROM record WHERE source = ?1 AND until_run IS NULL";
        // Their places are all over the table: some at once, so that the processor need not wait for each.
        let mut some = Vec::with_capacity(AT_ONCE);
        db.rows(sql, params![source], &mut |row| {
            some.push(Slot { hash: row.get(0)?, row: row.get(1)? });
            if some.len() == AT_ONCE {
                held.add(&mut some);
            }
            Ok(())
        })?;
        held.add(&mut some);
        held.set_marks_aside(db, source)?;
        Ok(held)
    }

    /// Lets end marks not be found.
    fn set_marks_aside(&mut self, db: &dyn Db, source: i64) -> Result<()> {
        // Named with all types of the catalogue, so that its small index serves.
        let sql = "SELECT id, hash FROM record WHERE until_run IS NULL AND kind IN (1, 2, 3, 4, 5, 10, 11) AND kind = ?2
            AND source = ?1";
        db.rows(sql, params![source, place(&RecordType::ALL, &RecordType::Snapshot)], &mut |row| {
            self.marks.push(row.get(0)?);
            self.end(&row.get(1)?);
            Ok(())
        })
    }

    /// Where the search for a hash begins.
    fn start(&self, hash: &Hash) -> usize {
        let n = u128::from_ne_bytes(*hash);
        let (low, high) = (n as u64 ^ self.seed[0], (n >> 64) as u64 ^ self.seed[1]);
        let product = u128::from(low) * u128::from(high);
        let mixed = product as u64 ^ (product >> 64) as u64;
        // The upper half of the product with the number of places: evenly among them, without a division.
        let start = ((u128::from(mixed) * self.slots.len() as u128) >> 64) as usize;
        start.min(self.slots.len())
    }

    fn add(&mut self, some: &mut Vec<Slot>) {
        self.filled += some.len();
        if places(self.filled) > self.slots.len() {
            let larger = vec![Slot::default(); places(self.filled.saturating_mul(2))];
            for slot in std::mem::replace(&mut self.slots, larger).into_iter().filter(|s| s.row != 0) {
                self.put(slot);
            }
        }
        some.drain(..).for_each(|slot| self.put(slot));
    }

    fn put(&mut self, new: Slot) {
        let start = self.start(&new.hash);
        let (before, after) = self.slots.split_at_mut(start);
        if let Some(free) = after.iter_mut().chain(before).find(|slot| slot.row == 0) {
            *free = new;
        }
    }

    fn slot(&mut self, hash: &Hash) -> Option<&mut Slot> {
        let start = self.start(hash);
        let (before, after) = self.slots.split_at_mut(start);
        let mut on = after.iter_mut().chain(before);
        on.find(|slot| slot.row == 0 || slot.hash == *hash).filter(|slot| slot.row > 0)
    }

    /// The row that holds this body.
    pub(super) fn row(&mut self, hash: &Hash) -> Option<i64> {
        if self.filled == 0 { None } else { self.slot(hash).map(|slot| slot.row) }
    }

    /// A row was ended: its body is held no more.
    pub(super) fn end(&mut self, hash: &Hash) {
        if let Some(slot) = self.slot(hash) {
            slot.row = -slot.row;
        }
    }

    /// Finds nothing by its body any more, though all rows are known.
    #[cfg(test)]
    pub(super) fn forget_bodies(&mut self) {
        self.marks = self.rows().collect();
        self.slots.clear();
        self.filled = 0;
    }

    /// All rows that stood when this was loaded, in no order; of those ended since some.
    pub(super) fn rows(&self) -> impl Iterator<Item = i64> + '_ {
        self.slots.iter().map(|slot| slot.row).filter(|row| *row > 0).chain(self.marks.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: u64) -> Hash {
        hash([n.to_be_bytes().as_slice()])
    }

    #[test]
    fn what_is_held_is_found_and_nothing_else_however_little_room_was_asked_for() {
        for room in [0, 1, 1000, 5000] {
            let mut held = Held::with_room(room);
            assert_eq!(held.row(&of(1)), None);
            for n in 1..=2000 {
                held.add(&mut vec![Slot { hash: of(n), row: n.try_into().unwrap() }]);
            }
            for n in 1..=2000 {
                assert_eq!(held.row(&of(n)), Some(n.try_into().unwrap()));
            }
            assert!((2001..4000).all(|n| held.row(&of(n)).is_none()));
            (1..=2000).filter(|n| n % 3 == 0).for_each(|n| held.end(&of(n)));
            held.end(&of(9999));
            for n in 1..=2000 {
                assert_eq!(held.row(&of(n)).is_none(), n % 3 == 0);
            }
            let mut rows: Vec<i64> = held.rows().collect();
            rows.sort_unstable();
            assert_eq!(rows, (1..=2000).filter(|n| n % 3 != 0).collect::<Vec<i64>>());
        }
    }
}
