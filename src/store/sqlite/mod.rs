//! The store in one SQLite file: WAL, every commit on disk before it counts, one writer.

mod evidence;
mod findings;
mod held;
mod judging;
mod keeping;
mod looking;
mod outbox;
mod reading;
mod records;
mod runs;
mod schema;
mod touch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::*;
pub use evidence::{Evidence, Shown};

/// How long to wait for another program that writes, before giving up.
const BUSY: Duration = Duration::from_secs(30);

/// A store in one file.
#[derive(Debug)]
pub struct Sqlite {
    db: Connection,
    path: PathBuf,
}

impl Sqlite {
    /// Opens a store, or begins one where there is none; brings an older one up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or written, belongs to another program, or to a newer version of this one.
    pub fn open(path: &Path) -> Result<Self> {
        // One without content is what is left when somebody ended the program just after it began the file.
        let new = std::fs::metadata(path).map_or(true, |m| m.is_file() && m.len() == 0);
        let db = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(|e| StoreError::from(e).at(path))?;
        if new {
            private(path).map_err(|e| StoreError::ReadOnly(format!("{}: {e}", path.display())))?;
        }
        let mut store = Self { db, path: path.to_owned() };
        store.prepare().map_err(|e| e.at(path))?;
        Ok(store)
    }

    /// Opens a store to read it, while others may write: nothing of it is changed.
    ///
    /// # Errors
    /// When the file cannot be opened, belongs to another program, or to another version of this one.
    pub fn open_read(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|e| StoreError::from(e).at(path))?;
        let store = Self { db, path: path.to_owned() };
        store.db.busy_timeout(BUSY)?;
        schema::current(&store.db).map_err(|e| e.at(path))?;
        Ok(store)
    }

    /// A store that is gone when it is closed: for trials and tests.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn in_memory() -> Result<Self> {
        let mut store = Self { db: Connection::open_in_memory()?, path: PathBuf::new() };
        store.prepare()?;
        Ok(store)
    }

    fn prepare(&mut self) -> Result<()> {
        self.db.busy_timeout(BUSY)?;
        // Before anything is written: what is no database, another program's, or newer, stays as it is.
        schema::recognise(&self.db)?;
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        self.db.pragma_update(None, "synchronous", "FULL")?;
        self.db.pragma_update(None, "foreign_keys", "ON")?;
        // What is inserted in no order touches a page of an index each; those should not go to the disk and back. 256 MiB;
        // negative counts in KiB, and it is taken only when it is needed.
        self.db.pragma_update(None, "cache_size", -262_144)?;
        self.db.pragma_update(None, "temp_store", "MEMORY")?;
        self.db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        // Pages that every commit writes again reach the file once for many commits: 64 MiB of the log, as it is left behind.
        self.db.pragma_update(None, "wal_autocheckpoint", 16_384)?;
        self.db.set_prepared_statement_cache_capacity(128);
        schema::migrate(&mut self.db)
    }

    fn begin(&mut self) -> Result<Transaction<'_>> {
        let begun = self.db.transaction_with_behavior(TransactionBehavior::Immediate);
        begun.map_err(|e| StoreError::from(e).at(&self.path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What is kept is nobody else's business.
#[cfg(unix)]
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn ms(t: Instant) -> i64 {
    t.unix_ms()
}

fn at(ms: i64) -> Instant {
    Instant::from_unix_ms(ms)
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The place of a word in the list of all, and back: for what is stored as a small number.
fn place<T: PartialEq>(all: &[T], one: &T) -> i64 {
    all.iter().position(|x| x == one).map_or(-1, |p| i64::try_from(p).unwrap_or(-1))
}

fn word<T: Copy>(all: &[T], place: i64) -> Result<T> {
    usize::try_from(place)
        .ok()
        .and_then(|p| all.get(p).copied())
        .ok_or_else(|| StoreError::Broken(format!("a number that stands for no word: {place}")))
}

/// Numbers as a list for `json_each`: one prepared statement whatever their count.
fn list(numbers: &[i64]) -> String {
    let mut text = String::with_capacity(numbers.len() * 20 + 2);
    text.push('[');
    for (i, n) in numbers.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&n.to_string());
    }
    text.push(']');
    text
}

impl Store for Sqlite {
    fn open_run(&mut self, at: Instant) -> Result<u64> {
        runs::open(&mut self.db, at)
    }

    fn close_run(&mut self, close: Close<'_>) -> Result<()> {
        let tx = self.begin()?;
        runs::close(&tx, &close)?;
        Ok(tx.commit()?)
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRow>> {
        runs::last(&self.db, limit)
    }

    fn run_at(&self, at: Instant) -> Result<Option<RunRow>> {
        runs::ended_by(&self.db, at)
    }

    fn ended_runs(&self, last: u64, show: &mut dyn FnMut(RunRow)) -> Result<()> {
        runs::ended(&self.db, last, show)
    }

    fn events_until(&self, run: u64, show: &mut dyn FnMut(&str)) -> Result<()> {
        reading::events_until(&self.db, run, show)
    }

    fn events_of(&self, finding: &str, limit: usize) -> Result<Vec<String>> {
        reading::events_of(&self.db, finding, limit)
    }

    fn meta(&self, name: &str) -> Result<Option<String>> {
        runs::meta(&self.db, name)
    }

    fn set_meta(&mut self, name: &str, value: &str) -> Result<()> {
        runs::set_meta(&self.db, name, value)
    }

    fn sources(&self) -> Result<Vec<SourceState>> {
        runs::sources(&self.db)
    }

    fn save_source(&mut self, state: &SourceState) -> Result<()> {
        runs::save_source(&self.db, state)
    }

    fn ingest(&mut self, pull: &Pull<'_>, feed: &mut Feed<'_>, admit: &mut Admit<'_>) -> Result<Ingested> {
        let tx = self.begin()?;
        let taken = records::ingest(&tx, pull, feed, admit)?;
        match taken {
            Ingested::Taken { .. } => tx.commit()?,
            Ingested::Held { .. } => tx.rollback()?,
        }
        Ok(taken)
    }

    fn retire(&mut self, run: u64, source: &str, reader: &Reader<'_>) -> Result<()> {
        let tx = self.begin()?;
        records::retire(&tx, run, source, reader)?;
        Ok(tx.commit()?)
    }

    fn catalogue(&self, show: &mut dyn FnMut(&str, &str)) -> Result<()> {
        reading::catalogue(&self.db, show)
    }

    fn tied(&self, ties: &[u8], tokens: &[Token], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        reading::tied(&self.db, ties, tokens, show)
    }

    fn twins(&self, show: &mut dyn FnMut(i64, Hash)) -> Result<()> {
        reading::twins(&self.db, show)
    }

    fn numbered(&self, rows: &[i64], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        reading::numbered(&self.db, rows, show)
    }

    fn keyed(&self, key: Hash, show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        reading::keyed(&self.db, key, show)
    }

    fn systems_held(&self) -> Result<Vec<String>> {
        reading::systems_held(&self.db)
    }

    fn holds(&self, kind: RecordType) -> Result<bool> {
        records::holds(&self.db, kind)
    }

    fn records_at(
        &self,
        run: Option<u64>,
        of: Option<RecordType>,
        show: &mut dyn FnMut(i64, &str, &str),
    ) -> Result<()> {
        reading::at_run(&self.db, run, of, show)
    }

    fn dirty(&self, limit: usize) -> Result<(Vec<Token>, u64)> {
        judging::dirty(&self.db, limit)
    }

    fn mark_all(&mut self) -> Result<()> {
        let tx = self.begin()?;
        judging::mark_all(&tx)?;
        Ok(tx.commit()?)
    }

    fn mark(&mut self, tokens: &[Token]) -> Result<()> {
        let tx = self.begin()?;
        judging::mark(&tx, tokens)?;
        Ok(tx.commit()?)
    }

    fn mark_due(&mut self, now: Instant) -> Result<()> {
        judging::mark_due(&self.db, now)
    }

    fn lives_at(&self, homes: &[Token]) -> Result<Vec<Life>> {
        findings::at_homes(&self.db, homes)
    }

    fn life(&self, id: &str) -> Result<Option<Life>> {
        findings::one(&self.db, id)
    }

    fn absent_before(&self, run: u64, limit: usize) -> Result<Vec<Life>> {
        findings::absent_before(&self.db, run, limit)
    }

    fn lives(&self, states: &[State], show: &mut dyn FnMut(Life)) -> Result<()> {
        findings::each(&self.db, states, show)
    }

    fn find(&self, which: &Which, page: &Page) -> Result<Found> {
        looking::find(&self.db, which, page)
    }

    fn group(&self, which: &Which, by: GroupBy, limit: u32) -> Result<Vec<GroupCount>> {
        looking::group(&self.db, which, by, limit)
    }

    fn commit(&mut self, batch: Batch) -> Result<()> {
        let tx = self.begin()?;
        judging::commit(&tx, &batch)?;
        Ok(tx.commit()?)
    }

    fn verdict(&self, grant: Hash) -> Result<Option<KeptVerdict>> {
        judging::verdict(&self.db, grant)
    }

    fn verdicts(&self, show: &mut dyn FnMut(KeptVerdict)) -> Result<()> {
        judging::verdicts(&self.db, show)
    }

    fn grants(&self, which: &WhichGrants, after: u64, limit: u32) -> Result<GrantsFound> {
        looking::grants(&self.db, which, after, limit)
    }

    fn standings(&self) -> Result<Vec<(String, Standing, u64)>> {
        judging::standings(&self.db)
    }

    fn finding_counts(&self) -> Result<Vec<FindingCount>> {
        findings::counts(&self.db)
    }

    fn accept(&mut self, accepted: &Accepted) -> Result<()> {
        let tx = self.begin()?;
        findings::accept(&tx, accepted)?;
        evidence::accepted(&tx, accepted)?;
        Ok(tx.commit()?)
    }

    fn accepted(&self, now: Instant) -> Result<Vec<Accepted>> {
        findings::accepted(&self.db, now)
    }

    fn letters(&self, sink: &str, now: Instant, limit: usize) -> Result<Vec<Letter>> {
        outbox::letters(&self.db, sink, now, limit)
    }

    fn settle(&mut self, fates: &[(Letter, Fate)]) -> Result<()> {
        let tx = self.begin()?;
        outbox::settle(&tx, fates)?;
        Ok(tx.commit()?)
    }

    fn notify(&mut self, notice: &NewNotice) -> Result<()> {
        outbox::notice(&self.db, notice)
    }

    fn unmute(&mut self, now: Instant) -> Result<()> {
        let tx = self.begin()?;
        outbox::unmute(&tx, now)?;
        Ok(tx.commit()?)
    }

    fn outbox(&self) -> Result<Vec<OutboxCount>> {
        outbox::counts(&self.db)
    }

    fn dead_letters(&self, sink: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>> {
        outbox::dead(&self.db, sink, limit)
    }

    fn replay(&mut self, sink: Option<&str>, now: Instant) -> Result<u64> {
        outbox::replay(&self.db, sink, now)
    }

    fn drop_other_sinks(&mut self, kept: &[String]) -> Result<u64> {
        outbox::drop_others(&self.db, kept)
    }

    fn act(&mut self, action: &Action) -> Result<()> {
        let tx = self.begin()?;
        evidence::act(&tx, action)?;
        Ok(tx.commit()?)
    }

    fn decide(&mut self, state: &SourceState, action: &Action) -> Result<()> {
        let tx = self.begin()?;
        runs::save_source(&tx, state)?;
        evidence::act(&tx, action)?;
        Ok(tx.commit()?)
    }

    fn last_checkpoint(&self) -> Result<Option<String>> {
        Ok(self.evidence()?.last_checkpoint()?.map(|kept| kept.note))
    }

    fn checkpoint_at(&self, at: Instant) -> Result<Option<String>> {
        evidence::checkpoint_at(&self.db, at)
    }

    fn entry(&self, which: &EntryOf) -> Result<Option<Shown>> {
        self.evidence()?.entry(which)
    }

    fn checkpoint(&mut self, now: Instant, seal: &mut Seal<'_>) -> Result<Option<u64>> {
        // Asked again and again; mostly there is nothing to do, and nobody should wait for the right to write.
        if !evidence::grew(&self.db)? {
            return Ok(None);
        }
        let tx = self.begin()?;
        let size = evidence::checkpoint(&tx, now, seal)?;
        tx.commit()?;
        Ok(size)
    }

    fn backup(&self, path: &Path) -> Result<()> {
        keeping::backup(&self.db, path)
    }

    fn history(&self) -> Result<Option<History>> {
        keeping::history(&self.db)
    }

    fn prune(&mut self, retention: Retention) -> Result<u64> {
        let tx = self.begin()?;
        let rows = keeping::prune(&tx, retention)?;
        tx.commit()?;
        Ok(rows)
    }

    fn check_writable(&mut self) -> Result<()> {
        let tx = self.begin()?;
        runs::set_meta(&tx, "written", "")?;
        Ok(tx.rollback()?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::model::event::Cause;

    /// A store with this many of everything that grows.
    fn filled(n: i64, grouped: bool) -> Sqlite {
        let mut store = Sqlite::in_memory().unwrap();
        let at = |s: i64| Instant::from_unix_ms(s * 1000);
        let life = |i: i64| Life {
            id: format!("f{i}"),
            home: i,
            check: "c".to_owned(),
            system: None,
            source: None,
            account: None,
            subject: None,
            request: None,
            grant: None,
            severity: Severity::High,
            standing: None,
            state: State::Open,
            episode: 1,
            seq: 1,
            first_seen: at(0),
            changed_at: at(0),
            material: [0; 16],
            absent: u32::from(i % 2 == 0),
            absent_run: 1,
            changes: vec![],
            quiet_at: None,
            told: vec![],
            acceptance: None,
            cause: Cause::Detected,
            owner: None,
            group: grouped.then(|| "g".to_owned()),
            body: String::new(),
        };
        let event = |i: i64| NewEvent {
            id: format!("e{i}"),
            finding: format!("f{i}"),
            at: at(0),
            body: String::new(),
            letters: vec![NewLetter {
                sink: "s".to_owned(),
                grouped: grouped.then(|| "g".to_owned()),
                muted_until: None,
            }],
        };
        store
            .commit(Batch {
                run: 1,
                lives: (0..n).map(life).collect(),
                events: (0..n).map(event).collect(),
                rechecks: (0..n).map(|i| (i, at(100))).collect(),
                ..Batch::default()
            })
            .unwrap();
        store.mark(&(0..n).collect::<Vec<_>>()).unwrap();
        let sql = "INSERT INTO tie (token, tie, record) VALUES (?1, 2, ?1)";
        (0..n).for_each(|i| _ = store.db.execute(sql, [i]).unwrap());
        let close = Close { run: 1, at: at(0), manifest: "", meta: &[], notices: vec![] };
        store.close_run(close).unwrap();
        store
    }

    /// How many steps of its machine SQLite takes for something.
    fn steps(store: &mut Sqlite, ask: impl Fn(&mut Sqlite)) -> u64 {
        // What is prepared once is not counted.
        ask(store);
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let hook = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        store.db.progress_handler(1, Some(hook)).unwrap();
        ask(store);
        store.db.progress_handler(1, None::<fn() -> bool>).unwrap();
        count.load(Ordering::Relaxed)
    }

    type Ask = fn(&mut Sqlite);

    /// Asked of a hundred times as much, these questions take the same number of steps: none of them goes through a table.
    #[test]
    fn what_is_asked_all_the_time_costs_the_same_however_much_there_is() {
        let now = Instant::from_unix_ms(1_000);
        let asks: [(&str, Ask); 9] = [
            ("letters", |s| assert_eq!(s.letters("s", Instant::from_unix_ms(1_000), 5).unwrap().len(), 5)),
            ("tied", |s| s.tied(&[0, 1, 2], &[3, 4], &mut |_, _, _| {}).unwrap()),
            ("lives_at", |s| assert_eq!(s.lives_at(&[3, 4]).unwrap().len(), 2)),
            ("dirty", |s| assert_eq!(s.dirty(5).unwrap().0.len(), 5)),
            ("absent_before", |s| assert_eq!(s.absent_before(2, 5).unwrap().len(), 5)),
            ("life", |s| assert!(s.life("f3").unwrap().is_some())),
            ("verdict", |s| assert!(s.verdict([3; 16]).unwrap().is_none())),
            ("mark_due", |s| s.mark_due(Instant::from_unix_ms(1_000)).unwrap()),
            ("letters, nothing for it", |s| {
                assert!(s.letters("other", Instant::from_unix_ms(1_000), 5).unwrap().is_empty());
            }),
        ];
        let (mut few, mut many) = (filled(40, false), filled(4_000, false));
        assert!(few.letters("s", now, 99).unwrap().len() == 40);
        for (name, ask) in asks {
            let (small, large) = (steps(&mut few, ask), steps(&mut many, ask));
            assert!(small > 5 && large <= small + small / 4, "{name}: {small} steps, then {large}");
        }
    }

    /// Of people's messages each row is looked at a few times, and not once for every other row.
    #[test]
    fn a_message_of_many_events_costs_as_much_as_its_events() {
        let ask: Ask = |s| {
            let letters = s.letters("s", Instant::from_unix_ms(1_000), 5).unwrap();
            assert!(matches!(letters.as_slice(), [one] if one.rows.len() > 30));
        };
        let (few, many) = (steps(&mut filled(40, true), ask), steps(&mut filled(4_000, true), ask));
        assert!(many < few * 150, "{few} steps, then {many}");
    }

    /// Set on the connection and kept nowhere else: whoever opens the file from outside cannot see it.
    #[test]
    fn a_commit_is_on_disk_before_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
        let number = |name: &str| -> i64 {
            store.db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
        };
        // 2 is FULL.
        assert_eq!((number("synchronous"), number("foreign_keys"), number("busy_timeout")), (2, 1, 30_000));
    }

    /// The plans of what is asked all the time, as SQLite makes them: by an index, never through a table.
    #[test]
    fn nothing_is_looked_for_by_going_through_a_table() {
        let store = filled(40, true);
        store.db.execute_batch("ANALYZE").unwrap();
        for sql in [
            "SELECT token FROM dirty ORDER BY token LIMIT 5",
            "SELECT 1 FROM tie t JOIN record r ON r.id = t.record WHERE t.token = 1 AND t.tie = 2",
            "SELECT 1 FROM finding WHERE home = 1",
            "SELECT 1 FROM finding WHERE absent > 0 AND absent_run < 5 ORDER BY absent_run, row LIMIT 5",
            "SELECT 1 FROM finding WHERE group_key = 'g' AND state = 0",
            "SELECT 1 FROM record WHERE source = 1 AND key = x'00' AND until_run IS NULL",
        ] {
            let mut statement = store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<String> = rows.map(rusqlite::Result::unwrap).collect();
            let sorted = plan.iter().any(|line| line.contains("TEMP B-TREE"));
            let scans = plan.iter().any(|line| line.starts_with("SCAN") && !line.contains("dirty"));
            assert!(!scans && !sorted, "{sql}: {plan:?}");
        }
    }
}
