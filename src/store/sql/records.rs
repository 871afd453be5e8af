//! The records of the sources: taking in a pull, its history, and finding records by the names they are tied to.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::held::Held;
use super::systems::Systems;
use super::touch::Touch;
use super::*;
use crate::model::life::Counts;

/// Takes in a pull within a transaction, which the caller ends as the result says.
pub(super) fn ingest(
    tx: &dyn Db,
    pull: &Pull<'_>,
    feed: &mut Feed<'_>,
    admit: &mut Admit<'_>,
) -> Result<Ingested> {
    let source = runs::source_number(tx, pull.source)?;
    let counts = counts_of(tx, source)?;
    let held = Held::load(tx, source, counts.iter().map(|(_, n)| n).sum())?;
    take_in(tx, pull, (source, counts, held), feed, admit)
}

/// As [`ingest`], with the source's number, how many records of each type it has, and these records.
fn take_in(
    tx: &dyn Db,
    pull: &Pull<'_>,
    (source, counts, held): (i64, Vec<(RecordType, u64)>, Held),
    feed: &mut Feed<'_>,
    admit: &mut Admit<'_>,
) -> Result<Ingested> {
    let mut taking = Taking {
        tx,
        pull,
        source,
        held,
        seen: Rows::default(),
        ended: HashMap::new(),
        of: BTreeMap::new(),
        touch: Touch::new(tx),
        others: others(tx, source)?,
        tied: vec![],
        untied: HashSet::new(),
        systems: Systems::new(source),
        keys: Keys::load(tx, source)?,
    };
    for (kind, n) in counts {
        taking.of.insert(kind, Counts { before: n, ..Counts::default() });
    }
    feed(&mut |body, prepare| taking.line(&body, prepare))?;
    taking.remove_unseen()?;
    taking.write_ties()?;
    taking.touch_all_twins()?;
    taking.systems.write(tx)?;
    let Taking { mut of, touch, .. } = taking;
    for c in of.values_mut() {
        c.now = (c.before + c.added).saturating_sub(c.removed);
    }
    let difference = Difference { of };
    if let Err(reason) = admit(&difference) {
        return Ok(Ingested::Held { difference, reason });
    }
    let store = "INSERT INTO record_count (source, kind, count) VALUES (?1, ?2, ?3)
        ON CONFLICT (source, kind) DO UPDATE SET count = excluded.count";
    for (kind, c) in &difference.of {
        tx.run(store, params![source, place(&RecordType::ALL, kind), number(c.now)])?;
    }
    touch.finish(pull.reader)?;
    let sha256 = digest(tx, source)?;
    if let Some(state) = (pull.state)(&difference, &sha256) {
        runs::save_source(tx, &state)?;
    }
    Ok(Ingested::Taken { difference, sha256 })
}

/// Ends all records of a source.
pub(super) fn retire(tx: &dyn Db, run: u64, source: &str, reader: &Reader<'_>) -> Result<()> {
    let settle: &Settle<'_> = &|_, _| false;
    let pull = Pull { run, source, reader, settle, state: &|_, _| None };
    ingest(tx, &pull, &mut |_| Ok(()), &mut |_| Ok(()))?;
    let counts = "DELETE FROM record_count WHERE source = (SELECT id FROM source WHERE name = ?1)";
    tx.run(counts, params![source])?;
    // The row stays while history speaks of it; that it is no longer a source shows in its state.
    let gone = SourceState { id: source.to_owned(), ..SourceState::default() };
    runs::save_source(tx, &gone)
}

/// A set of row numbers, one bit each: memory does not grow with what a source holds.
#[derive(Default)]
struct Rows {
    bits: Vec<u64>,
}

impl Rows {
    /// Whether the row was not in it yet.
    fn add(&mut self, row: i64) -> bool {
        let row = usize::try_from(row).unwrap_or(0);
        if self.bits.len() <= row / 64 {
            self.bits.resize(row / 64 + 1, 0);
        }
        let Some(word) = self.bits.get_mut(row / 64) else { return false };
        let bit = 1 << (row % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn has(&self, row: i64) -> bool {
        let row = usize::try_from(row).unwrap_or(0);
        self.bits.get(row / 64).is_some_and(|word| word & (1 << (row % 64)) != 0)
    }
}

/// A pull being taken in.
struct Taking<'t> {
    tx: &'t dyn Db,
    pull: &'t Pull<'t>,
    source: i64,
    /// What the source held before this pull, but for what this pull ended.
    held: Held,
    /// Rows that the pull shows.
    seen: Rows,
    /// By the row of a version that this pull began, the one that it ended for it.
    ended: HashMap<i64, i64>,
    of: BTreeMap<RecordType, Counts>,
    touch: Touch<'t>,
    /// Other sources with records of a type.
    others: Vec<(RecordType, i64)>,
    /// Ties to be written, in the order of their names, which is that of the index: token, tie, record.
    tied: Vec<(Token, u8, i64)>,
    /// Records whose ties are not to be written after all.
    untied: HashSet<i64>,
    /// How many grants there are on the systems that the pull names.
    systems: Systems,
    keys: Keys,
}

/// Which keys the source may have, where asking for each takes a way to a server: eight bytes and some of each key.
struct Keys(Option<HashSet<u64>>);

impl Keys {
    fn load(tx: &dyn Db, source: i64) -> Result<Self> {
        if tx.dialect() == Dialect::Sqlite {
            return Ok(Self(None));
        }
        let mut keys = HashSet::new();
        let sql = "SELECT key FROM record WHERE source = ?1 AND until_run IS NULL";
        tx.rows(sql, params![source], &mut |row| {
            keys.insert(Self::short(&row.get(0)?));
            Ok(())
        })?;
        Ok(Self(Some(keys)))
    }

    fn short(key: &Hash) -> u64 {
        key.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// Whether there may be a record of this key; from now on there may.
    fn meet(&mut self, key: &Hash) -> bool {
        self.0.as_mut().is_none_or(|keys| !keys.insert(Self::short(key)))
    }
}

/// How many ties are held back to be sorted: 24 bytes each.
const MAX_TIED: usize = 4_000_000;

/// Whether there is any record of a type.
pub(super) fn holds(db: &dyn Db, kind: RecordType) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM record_count WHERE kind = ?1 AND count > 0)";
    Ok(db.int(sql, params![place(&RecordType::ALL, &kind)])? != 0)
}

/// The other sources that have identities or requests.
fn others(db: &dyn Db, own: i64) -> Result<Vec<(RecordType, i64)>> {
    let mut found = vec![];
    for kind in [RecordType::Identity, RecordType::Request] {
        let sql = "SELECT source FROM record_count WHERE kind = ?1 AND source <> ?2 AND count > 0";
        db.rows(sql, params![place(&RecordType::ALL, &kind), own], &mut |row| {
            found.push((kind, row.get(0)?));
            Ok(())
        })?;
    }
    Ok(found)
}

impl Taking<'_> {
    fn counts(&mut self, kind: RecordType) -> &mut Counts {
        self.of.entry(kind).or_default()
    }

    fn line<'l>(&mut self, body: &Body<'l>, prepare: &mut Prepare<'_, 'l>) -> Result<()> {
        match self.held.row(&body.hash) {
            Some(row) => {
                self.seen.add(row);
                Ok(())
            }
            None => self.record(&prepare()?, body.hash),
        }
    }

    /// Takes a line that the source did not hold when the pull began, or that does not stand any more.
    fn record(&mut self, record: &Prepared<'_>, own: Hash) -> Result<()> {
        let find =
            "SELECT id, hash, from_run FROM record WHERE source = ?1 AND key = ?2 AND until_run IS NULL";
        let found: Option<(i64, Hash, i64)> = match self.keys.meet(&record.key) {
            true => self.tx.one(find, params![self.source, record.key], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?,
            false => None,
        };
        let Some((row, held, from_run)) = found else {
            self.counts(record.kind).added += 1;
            self.touch.record(record, None)?;
            self.touch_twins(record)?;
            self.hold(record.system.as_deref(), 1)?;
            return self.insert(record, &own).map(drop);
        };
        let first = self.seen.add(row);
        if held == own {
            return Ok(());
        }
        let old = self.body(row)?;
        if !first && !(self.pull.settle)(&old, &record.body) {
            return Ok(());
        }
        let before = (self.pull.reader)(&old);
        self.touch.record(record, before.as_ref())?;
        self.touch_twins(record)?;
        // A grant that changed is neither the first nor the last on its system.
        let system = before.as_ref().and_then(|b| b.system.as_deref());
        if system != record.system.as_deref() {
            self.hold(system, -1)?;
            self.hold(record.system.as_deref(), 1)?;
        }
        self.held.end(&held);
        let ended = if from_run == number(self.pull.run) {
            // Another line of this very pull: it never was a version of its own, and its number may be given away again.
            self.tied.retain(|(_, _, tied)| *tied != row);
            self.forget(row, before.as_ref())?;
            self.tx.run("DELETE FROM record WHERE id = ?1", params![row])?;
            self.ended.remove(&row)
        } else {
            self.counts(record.kind).changed += 1;
            self.end(row, before.as_ref())?;
            Some(row)
        };
        match ended {
            Some(ended) if self.hash(ended)? == own => self.revive(ended, record),
            Some(ended) => {
                let row = self.insert(record, &own)?;
                self.ended.insert(row, ended);
                Ok(())
            }
            None => self.insert(record, &own).map(drop),
        }
    }

    /// Lets a record be found by its names, once all that are held back are written.
    fn tie(&mut self, row: i64, record: &Prepared<'_>) -> Result<()> {
        self.untied.remove(&row);
        self.tied.extend(record.ties.iter().map(|(kind, token)| (*token, *kind, row)));
        if self.tied.len() >= MAX_TIED { self.write_ties() } else { Ok(()) }
    }

    /// Writes the ties that were held back.
    fn write_ties(&mut self) -> Result<()> {
        self.tied.sort_unstable();
        let sql = "INSERT INTO tie (token, tie, record) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        for (token, kind, row) in self.tied.drain(..).filter(|(_, _, row)| !self.untied.contains(row)) {
            self.tx.run(sql, params![token, kind, row])?;
        }
        self.untied.clear();
        Ok(())
    }

    /// An earlier line of this pull ended the version that stands after all: nothing changed.
    fn revive(&mut self, row: i64, record: &Prepared<'_>) -> Result<()> {
        self.tx.run("UPDATE record SET until_run = NULL WHERE id = ?1", params![row])?;
        let changed = &mut self.counts(record.kind).changed;
        *changed = changed.saturating_sub(1);
        self.tie(row, record)
    }

    fn hash(&self, row: i64) -> Result<Hash> {
        let found = self.tx.one("SELECT hash FROM record WHERE id = ?1", params![row], |row| row.get(0))?;
        found.ok_or_else(|| missing(row))
    }

    /// A record appeared, changed or went: what other sources say under the same key may stand now, or stand no more.
    fn touch_twins(&mut self, record: &Prepared<'_>) -> Result<()> {
        for source in self.others_with(record)? {
            let find = "SELECT body FROM record WHERE source = ?1 AND key = ?2 AND until_run IS NULL";
            let other =
                self.tx.one(find, params![source, record.key], |row| Ok((self.pull.reader)(row.get(0)?)))?;
            if let Some(other) = other.flatten() {
                let remember = "INSERT INTO twin (key) VALUES (?1) ON CONFLICT DO NOTHING";
                self.tx.run(remember, params![record.key])?;
                self.touch.record(&other, None)?;
            }
        }
        Ok(())
    }

    /// The other sources that may have a record of the same key. Most grants are of systems that one source alone knows.
    fn others_with(&mut self, record: &Prepared<'_>) -> Result<Vec<i64>> {
        let Some(system) = record.system.as_deref() else {
            let of_kind = self.others.iter().filter(|(kind, _)| *kind == record.kind);
            return Ok(of_kind.map(|(_, source)| *source).collect());
        };
        self.systems.others(self.tx, system)
    }

    /// This source was seen later than before: where another has records of the same key, others may stand now.
    fn touch_all_twins(&mut self) -> Result<()> {
        // In this order: there are few twins, and many records.
        let then = self.tx.dialect().then();
        let sql = format!(
            "SELECT r.body FROM twin t CROSS JOIN source s
            {then} record r ON r.source = s.id AND r.key = t.key AND r.until_run IS NULL
            WHERE EXISTS (SELECT 1 FROM record o WHERE o.source = ?1 AND o.key = t.key AND o.until_run IS NULL)"
        );
        let (touch, reader) = (&mut self.touch, self.pull.reader);
        self.tx.rows(&sql, params![self.source], &mut |row| match reader(row.get(0)?) {
            Some(record) => touch.record(&record, None),
            None => Ok(()),
        })
    }

    fn body(&self, row: i64) -> Result<String> {
        let found = self.tx.one("SELECT body FROM record WHERE id = ?1", params![row], |row| row.get(0))?;
        found.ok_or_else(|| missing(row))
    }

    fn insert(&mut self, record: &Prepared<'_>, own: &Hash) -> Result<i64> {
        let sql =
            "INSERT INTO record (source, kind, key, hash, from_run, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let kind = place(&RecordType::ALL, &record.kind);
        let (source, run) = (self.source, number(self.pull.run));
        let new = params![source, kind, record.key, own, run, record.body];
        let row = self.tx.add(Numbered::Record, sql, new)?;
        self.seen.add(row);
        self.tie(row, record)?;
        Ok(row)
    }

    /// Ends a version: it was true until this run.
    fn end(&mut self, row: i64, record: Option<&Prepared<'_>>) -> Result<()> {
        self.forget(row, record)?;
        let sql = "UPDATE record SET until_run = ?2 WHERE id = ?1";
        self.tx.run(sql, params![row, number(self.pull.run)])
    }

    /// Lets a record no longer be found by its names.
    fn forget(&mut self, row: i64, record: Option<&Prepared<'_>>) -> Result<()> {
        let Some(record) = record else { return Ok(()) };
        self.untied.insert(row);
        let untie = "DELETE FROM tie WHERE token = ?1 AND tie = ?2 AND record = ?3";
        record.ties.iter().try_for_each(|(kind, token)| self.tx.run(untie, params![token, kind, row]))
    }

    /// Counts a grant on a system. The first and the last on a system change what can be said of requests for it.
    fn hold(&mut self, system: Option<&str>, by: i64) -> Result<()> {
        let Some(system) = system else { return Ok(()) };
        let left = self.systems.add(self.tx, system, by)?;
        if left == 0 || left == by {
            self.touch.all = true;
        }
        Ok(())
    }

    /// Ends what was held and is not in the pull, in the order of the rows.
    fn remove_unseen(&mut self) -> Result<()> {
        let mut gone: Vec<i64> = self.held.rows().filter(|row| !self.seen.has(*row)).collect();
        gone.sort_unstable();
        for some in gone.chunks(REMOVED_AT_ONCE) {
            let mut old: Vec<(i64, i64, String)> = vec![];
            self.tx.rows_of("SELECT id, kind, body FROM record WHERE id = ?1", some, &mut |row| {
                old.push((row.get(0)?, row.get(1)?, row.get(2)?));
                Ok(())
            })?;
            old.sort_unstable_by_key(|(row, ..)| *row);
            for (row, kind, old) in old {
                self.counts(word(&RecordType::ALL, kind)?).removed += 1;
                let record = (self.pull.reader)(&old);
                if let Some(record) = &record {
                    self.touch.record(record, None)?;
                    self.touch_twins(record)?;
                    self.hold(record.system.as_deref(), -1)?;
                }
                self.end(row, record.as_ref())?;
            }
        }
        Ok(())
    }
}

/// How many records that are gone are read together.
const REMOVED_AT_ONCE: usize = 64;

fn missing(row: i64) -> StoreError {
    StoreError::Broken(format!("record {row} is missing"))
}

fn counts_of(db: &dyn Db, source: i64) -> Result<Vec<(RecordType, u64)>> {
    db.all("SELECT kind, count FROM record_count WHERE source = ?1", params![source], |row| {
        Ok((word(&RecordType::ALL, row.get(0)?)?, count(row.get(1)?)))
    })
}

/// SHA-256 over keys and hashes of the live records, in the order of the keys.
fn digest(db: &dyn Db, source: i64) -> Result<String> {
    let sql = "SELECT key, hash FROM record WHERE source = ?1 AND until_run IS NULL ORDER BY key";
    let mut sha = Sha256::new();
    // Small pieces cost more to hand over than to hash.
    let mut some = Vec::with_capacity(8192);
    db.rows(sql, params![source], &mut |row| {
        some.extend_from_slice(row.get(0)?);
        some.extend_from_slice(row.get(1)?);
        if some.len() >= 8160 {
            sha.update(&some);
            some.clear();
        }
        Ok(())
    })?;
    sha.update(&some);
    Ok(sha.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::super::Sqlite;
    use super::*;

    /// Lines of five words: type, key, what it says, a name, and a system or `-`.
    fn reader(body: &str) -> Option<Prepared<'static>> {
        let words: Vec<&str> = body.split(' ').collect();
        let [kind, key, _, name, system] = words.as_slice() else { return None };
        let kind = RecordType::ALL.into_iter().find(|t| t.as_str() == *kind)?;
        let name: Token = name.parse().ok()?;
        let ties = if kind == RecordType::Identity {
            vec![(TIE_CLAIMS, name), (1, name + 10)]
        } else {
            vec![(2, name), (TIE_NAMES, name + 1)]
        };
        Some(Prepared {
            kind,
            key: hash([kind.as_str().as_bytes(), key.as_bytes()]),
            body: body.to_owned().into(),
            ties,
            catalogue: kind == RecordType::System,
            system: (*system != "-").then(|| (*system).to_owned().into()),
            check: None,
        })
    }

    /// Everything the store holds that a pull may change, row for row.
    fn everything(db: &Connection) -> Vec<String> {
        let mut all = vec![];
        for table in ["record", "record_count", "system_held", "twin", "tie", "dirty", "source"] {
            let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<_> = (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
                all.push(format!("{table}: {}", values.join(", ")));
            }
        }
        all
    }

    /// Takes in a pull; without looking into the table of what is held when `plainly`.
    fn take(
        store: &mut Sqlite,
        run: u64,
        source: &str,
        lines: &[String],
        plainly: bool,
        pass: bool,
    ) -> Ingested {
        let tx = store.begin().unwrap();
        // The one that says more stands.
        let says = |line: &str| line.split(' ').nth(2).map(str::to_owned);
        let settle = |first: &str, second: &str| says(second) > says(first);
        let pull = Pull { run, source, reader: &reader, settle: &settle, state: &|_, _| None };
        let number = runs::source_number(&*tx, source).unwrap();
        let mut held = Held::load(&*tx, number, 0).unwrap();
        if plainly {
            held.forget_bodies();
        }
        let start = (number, counts_of(&*tx, number).unwrap(), held);
        let mut feed = |keep: &mut Keep<'_>| {
            lines.iter().try_for_each(|line| {
                keep(Body::new(line), &mut || Ok(Prepared { body: line.into(), ..reader(line).unwrap() }))
            })
        };
        let mut admit = |_: &Difference| if pass { Ok(()) } else { Err(String::new()) };
        let taken = take_in(&*tx, &pull, start, &mut feed, &mut admit).unwrap();
        match taken {
            Ingested::Taken { .. } => tx.commit().unwrap(),
            Ingested::Held { .. } => tx.rollback().unwrap(),
        }
        taken
    }

    /// Pulls at random: repeated lines, several lines of one key in any order, changes back and forth, the same run twice,
    /// two sources of the same keys.
    #[test]
    fn what_is_held_is_only_a_shorter_way() {
        let mut state: u64 = 7;
        let mut dice = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..60 {
            let (mut short, mut plain) = (Sqlite::in_memory().unwrap(), Sqlite::in_memory().unwrap());
            let mut run = 1;
            for _ in 0..12 {
                let source = ["a", "b"][dice(4) / 3];
                let lines: Vec<String> = (0..dice(25))
                    .map(|_| {
                        let kind = ["grant", "grant", "identity", "system", "snapshot"][dice(5)];
                        let system = if kind == "grant" { ["x", "y"][dice(2)] } else { "-" };
                        format!("{kind} {} {} {} {system}", dice(6), dice(3), dice(2))
                    })
                    .collect();
                run += dice(3).min(1) as u64;
                let pass = dice(8) > 0;
                for store in [&mut short, &mut plain] {
                    store.db.execute("DELETE FROM dirty", []).unwrap();
                }
                let one = take(&mut short, run, source, &lines, false, pass);
                let two = take(&mut plain, run, source, &lines, true, pass);
                assert_eq!(one, two, "{lines:?}");
                assert_eq!(everything(&short.db), everything(&plain.db), "{lines:?}");
            }
        }
    }
}
