//! The evidence log in SQLite: entries added in the transaction of what they speak of, checkpoints, and reading it all.

use super::*;
use crate::evidence::tree::{Frontier, Node, Place, inclusion, leaf, node};
use crate::evidence::{Action, Deed, Entry, InForce, KEPT_EVERY, Kept, Kind, Log, PROGRAM};

/// Adds entries within one transaction; what was added counts when [`Appender::close`] was called.
pub(super) struct Appender<'t> {
    tx: &'t dyn Db,
    tree: Frontier,
}

impl<'t> Appender<'t> {
    pub(super) fn open(tx: &'t dyn Db) -> Result<Self> {
        Ok(Self { tx, tree: frontier(tx)? })
    }

    /// The entry that is added next.
    pub(super) fn next(&self) -> u64 {
        self.tree.size()
    }

    /// Adds an entry with this text.
    pub(super) fn add(&mut self, kind: Kind, row: i64, text: &str) -> Result<()> {
        let index = number(self.tree.size());
        let hash = leaf(text.as_bytes());
        let sql = "INSERT INTO evidence (idx, kind, row, hash) VALUES (?1, ?2, ?3, ?4)";
        let kind = place(&Kind::ALL, &kind);
        self.tx.run(sql, params![index, kind, row, hash])?;
        let mut whole = vec![];
        self.tree.push(hash, |at, node| {
            if at.level > 0 && at.level % KEPT_EVERY == 0 {
                whole.push((at, *node));
            }
        });
        for (at, node) in whole {
            let sql = "INSERT INTO evidence_node (level, idx, hash) VALUES (?1, ?2, ?3)";
            self.tx.run(sql, params![at.level, number(at.index), node])?;
        }
        Ok(())
    }

    /// Adds an action.
    pub(super) fn act(&mut self, action: &Action) -> Result<()> {
        let (index, text) = (number(self.next()), action.text());
        let sql = "INSERT INTO evidence_action (idx, body) VALUES (?1, ?2)";
        self.tx.run(sql, params![index, text])?;
        self.add(Kind::Action, index, &text)
    }

    /// Writes down how far the log goes now.
    pub(super) fn close(self) -> Result<()> {
        let sql = "INSERT INTO evidence_tree (one, size, nodes) VALUES (1, ?1, ?2)
            ON CONFLICT (one) DO UPDATE SET size = excluded.size, nodes = excluded.nodes";
        let nodes = self.tree.nodes().as_flattened();
        self.tx.run(sql, params![number(self.tree.size()), nodes])?;
        Ok(())
    }
}

fn frontier(db: &dyn Db) -> Result<Frontier> {
    let kept = db.one("SELECT size, nodes FROM evidence_tree", params![], |row| {
        Ok((row.get::<i64>(0)?, row.get::<&[u8]>(1)?.to_owned()))
    })?;
    let Some((size, nodes)) = kept else { return Ok(Frontier::default()) };
    let (nodes, rest) = nodes.as_chunks::<32>();
    let tree = Frontier::of(count(size), nodes.to_vec()).filter(|_| rest.is_empty());
    tree.ok_or_else(|| StoreError::Broken("the tree of the evidence log is none".to_owned()))
}

/// Adds an action, alone.
pub(super) fn act(tx: &dyn Db, action: &Action) -> Result<()> {
    let mut log = Appender::open(tx)?;
    log.act(action)?;
    log.close()
}

pub(super) fn accepted(tx: &dyn Db, a: &Accepted) -> Result<()> {
    act(tx, &acceptance(a))
}

fn acceptance(a: &Accepted) -> Action {
    let deed = Deed::Accepted {
        finding: a.finding.clone(),
        check: a.check.clone(),
        reason: a.reason.clone(),
        until: a.until,
    };
    Action::new(a.at, Some(&a.by), deed)
}

/// Adds a run that ended.
pub(super) fn ended(tx: &dyn Db, run: u64, manifest: &str) -> Result<()> {
    let mut log = Appender::open(tx)?;
    log.add(Kind::Run, number(run), manifest)?;
    log.close()
}

/// Begins the log of a store that was there before it had one: with what it holds, in the order in which it happened.
pub(in crate::store) fn begin(tx: &dyn Db) -> Result<()> {
    let mut log = Appender::open(tx)?;
    let (mut event_count, mut run_count, mut last, mut before) = (0, 0, 0, i64::MIN);
    let mut runs = |log: &mut Appender<'_>, from: i64, to: i64| {
        let sql =
            "SELECT id, manifest FROM run WHERE manifest IS NOT NULL AND id >= ?1 AND id < ?2 ORDER BY id";
        tx.rows(sql, params![from, to], &mut |row| {
            run_count += 1;
            log.add(Kind::Run, row.get(0)?, row.get(1)?)
        })
    };
    tx.rows("SELECT row, run, body, at FROM event ORDER BY row", params![], &mut |event| {
        // The runs that ended before it.
        let run: i64 = event.get(1)?;
        if run > before {
            runs(&mut log, before, run)?;
            before = run;
        }
        log.add(Kind::Event, event.get(0)?, event.get(2)?)?;
        last = event.get(3)?;
        event_count += 1;
        Ok(())
    })?;
    runs(&mut log, before, i64::MAX)?;
    let exceptions = findings::accepted(tx, Instant::MIN)?;
    for exception in &exceptions {
        log.act(&acceptance(exception))?;
    }
    if log.next() > 0 {
        let deed = Deed::Begun { events: event_count, runs: run_count, exceptions: exceptions.len() as u64 };
        log.act(&Action::new(at(last), Some(PROGRAM), deed))?;
    }
    log.close()
}

/// The entry of a run.
fn of_run(db: &dyn Db, run: i64) -> Result<Option<u64>> {
    let find = "SELECT idx FROM evidence WHERE kind = 1 AND row = ?1";
    Ok(db.one(find, params![run], |row| row.get(0))?.map(count))
}

/// The entry of an event. Their rows grow with the entries, and few entries are none: nothing has to be kept to find one.
fn of_event(db: &dyn Db, row: i64) -> Result<Option<u64>> {
    let (mut from, mut to) = (0, frontier(db)?.size());
    let sql = "SELECT idx, row FROM evidence WHERE idx >= ?1 AND idx < ?2 AND kind = 0 ORDER BY idx LIMIT 1";
    while from < to {
        let middle = from + (to - from) / 2;
        let asked = [Value::Int(number(middle)), Value::Int(number(to))];
        let found = db.one(sql, &asked, |r| Ok((r.get::<i64>(0)?, r.get::<i64>(1)?)))?;
        match found {
            Some((index, found)) if found == row => return Ok(Some(count(index))),
            Some((index, found)) if found < row => from = count(index) + 1,
            _ => to = middle,
        }
    }
    Ok(None)
}

/// What is about to be forgotten: gathered before it is, and written into the log as one entry.
pub(super) struct Forgetting {
    entries: Vec<u64>,
}

impl Forgetting {
    pub(super) fn new() -> Self {
        Self { entries: vec![] }
    }

    /// Marks the entries of these events or runs; `rows` selects their numbers, given the instant before which they
    /// happened.
    pub(super) fn mark(&mut self, tx: &dyn Db, kind: Kind, rows: &str, before: i64) -> Result<()> {
        let by = number(frontier(tx)?.size());
        let ends = tx.one(&format!("SELECT min(row), max(row) FROM ({rows}) x"), params![before], |r| {
            Ok((r.get::<Option<i64>>(0)?, r.get::<Option<i64>>(1)?))
        })?;
        let Some((Some(first), Some(last))) = ends else { return Ok(()) };
        // Rows that no entry speaks of are none of the log's; of those it has, these are the first and the last.
        let find = if kind == Kind::Run { of_run } else { of_event };
        let from = find(tx, first)?.unwrap_or(0);
        let to = find(tx, last)?.map_or(by, number);
        let sql = format!(
            "UPDATE evidence SET forgotten = ?2 WHERE idx BETWEEN ?4 AND ?5 AND kind = ?3 AND row IN ({rows})
             RETURNING idx"
        );
        let kind = place(&Kind::ALL, &kind);
        self.entries
            .extend(tx.all(&sql, params![before, by, kind, number(from), to], |row| Ok(count(row.get(0)?)))?);
        Ok(())
    }

    /// Writes down what was forgotten.
    pub(super) fn close(mut self, tx: &dyn Db, before: Instant) -> Result<()> {
        self.entries.sort_unstable();
        match Deed::forgotten(&self.entries) {
            Some(deed) => act(tx, &Action::new(before, Some(PROGRAM), deed)),
            None => Ok(()),
        }
    }
}

/// Whether there are entries that no checkpoint covers.
pub(super) fn grew(db: &dyn Db) -> Result<bool> {
    let sql = "SELECT coalesce((SELECT size FROM evidence_tree), 0) > coalesce((SELECT max(size) FROM checkpoint), 0)";
    Ok(db.int(sql, params![])? != 0)
}

/// Makes a checkpoint, where the log grew since the last one.
pub(super) fn checkpoint(tx: &dyn Db, now: Instant, seal: &mut Seal<'_>) -> Result<Option<u64>> {
    if !grew(tx)? {
        return Ok(None);
    }
    let tree = frontier(tx)?;
    let (note, notices) = seal(tree.size(), tree.root()).map_err(StoreError::Other)?;
    tx.run(
        "INSERT INTO checkpoint (size, at, note) VALUES (?1, ?2, ?3)",
        params![number(tree.size()), ms(now), note],
    )?;
    for notice in &notices {
        outbox::notice(tx, notice)?;
    }
    Ok(Some(tree.size()))
}

/// The last checkpoint that was made by an instant.
pub(super) fn checkpoint_at(db: &dyn Db, at: Instant) -> Result<Option<String>> {
    let sql = "SELECT note FROM checkpoint WHERE at <= ?1 ORDER BY size DESC LIMIT 1";
    db.one(sql, params![ms(at)], |row| row.get(0))
}

/// The evidence log at one moment, whatever is written meanwhile.
pub struct Evidence<'s> {
    db: Box<dyn Db + 's>,
}

impl std::fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Evidence")
    }
}

/// An entry with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its place, from 0.
    pub index: u64,
    /// Its text.
    pub text: String,
    /// The hashes beside its way up to the root of the checkpoint.
    pub path: Vec<Node>,
    /// The smallest checkpoint of the store that covers it.
    pub checkpoint: Kept,
}

impl<'s> Evidence<'s> {
    /// Of a database at one moment.
    pub(in crate::store) fn of(db: Box<dyn Db + 's>) -> Self {
        Self { db }
    }

    /// The last checkpoint.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_checkpoint(&self) -> Result<Option<Kept>> {
        let sql = "SELECT size, at, note FROM checkpoint ORDER BY size DESC LIMIT 1";
        self.db.one(sql, params![], kept)
    }

    /// The entry of an event, by its id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of_event(&self, id: &str) -> Result<Option<u64>> {
        let row = self.db.one("SELECT row FROM event WHERE id = ?1", params![id], |row| row.get(0))?;
        row.map_or(Ok(None), |row| of_event(&*self.db, row))
    }

    /// The entry of a run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of_run(&self, run: u64) -> Result<Option<u64>> {
        of_run(&*self.db, number(run))
    }

    /// An entry with its proof; `None` where there is no such entry, its text was forgotten, or no checkpoint covers it yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn show(&self, index: u64) -> Result<Option<Shown>> {
        let sql = format!("{ENTRIES} WHERE v.idx = ?1");
        let text = self.db.one(&sql, params![number(index)], |row| row.get::<Option<String>>(5))?;
        let sql = "SELECT size, at, note FROM checkpoint WHERE size > ?1 ORDER BY size LIMIT 1";
        let checkpoint = self.db.one(sql, params![number(index)], kept)?;
        let (Some(Some(text)), Some(checkpoint)) = (text, checkpoint) else { return Ok(None) };
        let path = inclusion(index, checkpoint.size, &mut |place| self.node(place))?;
        Ok(Some(Shown { index, text, path, checkpoint }))
    }

    /// As [`Evidence::show`], by what the entry is of.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn entry(&self, which: &EntryOf) -> Result<Option<Shown>> {
        let index = match which {
            EntryOf::Place(index) => Some(*index),
            EntryOf::Event(id) => self.of_event(id)?,
            EntryOf::Run(run) => self.of_run(*run)?,
        };
        index.map_or(Ok(None), |index| self.show(index))
    }

    /// The hash of a perfect subtree, made of the nearest hashes that are kept.
    fn node(&self, place: Place) -> Result<Node> {
        let level = place.level - place.level % KEPT_EVERY;
        let (from, to) = (place.index << (place.level - level), (place.index + 1) << (place.level - level));
        let sql = match level {
            0 => "SELECT hash FROM evidence WHERE idx >= ?1 AND idx < ?2 ORDER BY idx",
            _ => "SELECT hash FROM evidence_node WHERE level = ?3 AND idx >= ?1 AND idx < ?2 ORDER BY idx",
        };
        let mut asked = vec![Value::Int(number(from)), Value::Int(number(to))];
        if level > 0 {
            asked.push(Value::Int(level.into()));
        }
        let mut hashes: Vec<Node> = self.db.all(sql, &asked, |row| row.get(0))?;
        if hashes.len() as u64 != to - from {
            let what = format!("{} hashes of the evidence log are missing below {place:?}", level);
            return Err(StoreError::Broken(what));
        }
        while hashes.len() > 1 {
            let (pairs, _) = hashes.as_chunks::<2>();
            hashes = pairs.iter().map(|[left, right]| node(left, right)).collect();
        }
        hashes.pop().ok_or_else(|| StoreError::Broken(format!("no hash of the evidence log at {place:?}")))
    }
}

fn kept(row: &dyn Row) -> Result<Kept> {
    Ok(Kept { size: count(row.get(0)?), at: at(row.get(1)?), note: row.get(2)? })
}

/// Entries with their texts.
const ENTRIES: &str =
    "SELECT v.idx, v.kind, v.row, v.hash, v.forgotten, coalesce(e.body, r.manifest, a.body), e.id, e.run
    FROM evidence v LEFT JOIN event e ON v.kind = 0 AND e.row = v.row
    LEFT JOIN run r ON v.kind = 1 AND r.id = v.row
    LEFT JOIN evidence_action a ON v.kind = 2 AND a.idx = v.row";

impl Log for Evidence<'_> {
    type Error = StoreError;

    fn frontier(&self) -> Result<Frontier> {
        frontier(&*self.db)
    }

    fn entries(&self, show: &mut dyn FnMut(Entry<'_>)) -> Result<()> {
        self.db.rows(&format!("{ENTRIES} ORDER BY v.idx"), params![], &mut |row| {
            let run: Option<i64> = row.get(7)?;
            show(Entry {
                index: count(row.get(0)?),
                kind: word(&Kind::ALL, row.get(1)?)?,
                row: row.get(2)?,
                hash: row.get(3)?,
                forgotten: row.get::<Option<i64>>(4)?.map(count),
                text: row.get(5)?,
                event: row.get::<Option<&str>>(6)?.zip(run.map(count)),
            });
            Ok(())
        })
    }

    fn kept(&self, place: Place) -> Result<Option<Node>> {
        let sql = "SELECT hash FROM evidence_node WHERE level = ?1 AND idx = ?2";
        self.db.one(sql, params![place.level, number(place.index)], |row| row.get(0))
    }

    fn checkpoints(&self) -> Result<Vec<Kept>> {
        self.db.all("SELECT size, at, note FROM checkpoint ORDER BY size", params![], kept)
    }

    fn strays(&self, limit: usize) -> Result<Vec<String>> {
        let sql = "SELECT 'event ' || id || ' of run ' || run FROM event
                WHERE row NOT IN (SELECT row FROM evidence WHERE kind = 0)
            UNION ALL SELECT 'run ' || id FROM run
                WHERE manifest IS NOT NULL AND id NOT IN (SELECT row FROM evidence WHERE kind = 1)
            UNION ALL SELECT 'the action of entry ' || idx FROM evidence_action
                WHERE idx NOT IN (SELECT row FROM evidence WHERE kind = 2)
            LIMIT ?1";
        self.db.all(sql, params![number(limit as u64)], |row| row.get(0))
    }

    fn exceptions(&self) -> Result<Vec<InForce>> {
        let all = findings::accepted(&*self.db, Instant::MIN)?.into_iter();
        Ok(all.map(|a| InForce { finding: a.finding, by: a.by, reason: a.reason, until: a.until }).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::super::{Sqlite, Store};
    use super::*;
    use crate::evidence::tree::{includes, leaf, root_of};

    /// A log of so many entries: every hundredth is a run, the rows of events have gaps.
    fn filled(n: i64) -> Sqlite {
        let store = Sqlite::in_memory().unwrap();
        let tx = store.begin().unwrap();
        let mut log = Appender::open(&*tx).unwrap();
        for i in 0..n {
            let kind = if i % 100 == 99 { Kind::Run } else { Kind::Event };
            log.add(kind, i * 3, &i.to_string()).unwrap();
        }
        log.close().unwrap();
        tx.commit().unwrap();
        store
    }

    /// Deep enough that hashes of two levels are kept. What they make is what the entries make.
    #[test]
    fn what_is_kept_of_the_tree_is_the_tree() {
        let store = filled(66_000);
        let log = store.evidence().unwrap();
        let tree = log.frontier().unwrap();
        assert_eq!(tree.size(), 66_000);
        let levels = "SELECT count(DISTINCT level) FROM evidence_node";
        assert_eq!(log.db.int(levels, params![]).unwrap(), 2);
        let mut plain = Frontier::default();
        for i in 0..66_000 {
            plain.push(leaf(i.to_string().as_bytes()), |_, _| {});
            let size = plain.size();
            if [1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 65_791, 65_793, 66_000].contains(&size) {
                let root = root_of(size, &mut |place| log.node(place)).unwrap();
                assert_eq!(root, plain.root(), "{size}");
            }
        }
        assert_eq!(plain, tree);
        for index in [0, 1, 255, 256, 65_535, 65_536, 65_999] {
            let path = inclusion(index, 66_000, &mut |place| log.node(place)).unwrap();
            let entry = leaf(index.to_string().as_bytes());
            assert!(includes(&entry, index, 66_000, &path, &plain.root()), "{index}");
        }
    }

    #[test]
    fn an_entry_is_found_by_its_row() {
        let store = filled(1_000);
        for i in 0..1_000 {
            let (event, run) = (of_event(&store.db, i * 3).unwrap(), of_run(&store.db, i * 3).unwrap());
            let found = Some(count(i));
            assert_eq!((event, run), if i % 100 == 99 { (None, found) } else { (found, None) }, "{i}");
            assert_eq!(of_event(&store.db, i * 3 + 1).unwrap(), None);
        }
        assert_eq!(of_event(&Sqlite::in_memory().unwrap().db, 0).unwrap(), None);
    }

    /// Adding an entry, asking for a root and making a proof cost about the same however long the log is.
    #[test]
    fn a_long_log_costs_no_more_than_a_short_one() {
        let steps = |n: i64| {
            let mut store = filled(n);
            let count = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&count);
            let hook = move || {
                counter.fetch_add(1, Ordering::Relaxed);
                false
            };
            store.db.progress_handler(1, Some(hook)).unwrap();
            let mut log = Appender::open(&store.db).unwrap();
            log.add(Kind::Event, n * 3, "one more").unwrap();
            log.close().unwrap();
            let added = count.swap(0, Ordering::Relaxed);
            let log = store.evidence().unwrap();
            inclusion(5, super::count(n), &mut |place| log.node(place)).unwrap();
            assert!(of_event(&*log.db, 15).unwrap() == Some(5));
            (added, count.load(Ordering::Relaxed))
        };
        let ((add, prove), (add_more, prove_more)) = (steps(600), steps(30_600));
        assert!(add_more <= add + add / 4, "{add} steps, then {add_more}");
        // A level more of what is kept: at most 256 hashes more.
        assert!(prove_more <= prove + 256 * 8, "{prove} steps, then {prove_more}");
    }
}
