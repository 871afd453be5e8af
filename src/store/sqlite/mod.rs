//! The store in one SQLite file: WAL, every commit on disk before it counts, one writer.

mod backup;
mod schema;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{
    Connection, OpenFlags, Row as Found, ToSql, Transaction, TransactionBehavior, params_from_iter,
};

use super::sql::{Base, Db, Dialect, Each, Numbered, Row, Step, Touches, Value};
use super::{Evidence, Result, StoreError};
pub(super) use backup::begin;

/// How long to wait for another program that writes, before giving up.
const BUSY: Duration = Duration::from_secs(30);

/// A store in one file.
#[derive(Debug)]
pub struct Sqlite {
    pub(super) db: Connection,
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

    pub(super) fn begin(&self) -> Result<Transaction<'_>> {
        let begun = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate);
        begun.map_err(|e| StoreError::from(e).at(&self.path))
    }

    /// Leaves nothing beside the file.
    pub(super) fn into_one_file(self) -> Result<()> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.db.pragma_update(None, "journal_mode", "DELETE")?;
        Ok(())
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

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(n),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Ints(_) => {
                let what = "several numbers are no value of SQLite".into();
                return Err(rusqlite::Error::ToSqlConversionFailure(what));
            }
        }))
    }
}

impl Row for Found<'_> {
    fn value(&self, column: usize) -> Result<Value<'_>> {
        Ok(match self.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(n) => Value::Int(n),
            ValueRef::Text(text) => {
                Value::Text(std::str::from_utf8(text).map_err(|e| StoreError::Broken(e.to_string()))?)
            }
            ValueRef::Blob(bytes) => Value::Bytes(bytes),
            ValueRef::Real(_) => return Err(StoreError::Broken("a number that is not whole".to_owned())),
        })
    }
}

impl Db for Connection {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn run(&self, sql: &str, params: &[Value<'_>]) -> Result<()> {
        self.change(sql, params).map(drop)
    }

    fn change(&self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        Ok(self.prepare_cached(sql)?.execute(params_from_iter(params))? as u64)
    }

    fn add(&self, _: Numbered, sql: &str, params: &[Value<'_>]) -> Result<i64> {
        self.run(sql, params)?;
        Ok(self.last_insert_rowid())
    }

    fn rows(&self, sql: &str, params: &[Value<'_>], each: &mut Each<'_>) -> Result<()> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }

    fn first(&self, sql: &str, params: &[Value<'_>], show: &mut Each<'_>) -> Result<bool> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(params))?;
        match rows.next()? {
            Some(row) => show(row).map(|()| true),
            None => Ok(false),
        }
    }
}

/// A transaction that only reads: what is asked in it is of one moment.
struct Moment<'s>(Transaction<'s>);

impl Db for Moment<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn run(&self, sql: &str, params: &[Value<'_>]) -> Result<()> {
        Db::run(&*self.0, sql, params)
    }

    fn change(&self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        Db::change(&*self.0, sql, params)
    }

    fn add(&self, table: Numbered, sql: &str, params: &[Value<'_>]) -> Result<i64> {
        Db::add(&*self.0, table, sql, params)
    }

    fn rows(&self, sql: &str, params: &[Value<'_>], each: &mut Each<'_>) -> Result<()> {
        Db::rows(&*self.0, sql, params, each)
    }

    fn first(&self, sql: &str, params: &[Value<'_>], show: &mut Each<'_>) -> Result<bool> {
        Db::first(&*self.0, sql, params, show)
    }
}

impl Base for Sqlite {
    fn ask<T>(&self, step: &mut Step<'_, T>) -> Result<T> {
        step(&self.db)
    }

    fn at_once<T>(&self, step: &mut Step<'_, T>) -> Result<T> {
        let tx = self.db.unchecked_transaction()?;
        step(&*tx)
    }

    fn step<T>(&self, touches: Touches, step: &mut Step<'_, T>) -> Result<T> {
        self.once(touches, &mut |db| Ok((step(db)?, true)))
    }

    fn once<T>(&self, _: Touches, step: &mut Step<'_, (T, bool)>) -> Result<T> {
        let tx = self.begin()?;
        let (done, kept) = step(&*tx)?;
        if kept {
            tx.commit()?
        } else {
            tx.rollback()?
        }
        Ok(done)
    }

    fn log(&self) -> Result<Evidence<'_>> {
        Ok(Evidence::of(Box::new(Moment(self.db.unchecked_transaction()?))))
    }

    fn copy_to(&self, path: &Path) -> Result<()> {
        backup::backup(&self.db, path)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::*;
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
        let close = Close { run: 1, at: at(0), manifest: "", meta: &[], notices: vec![], slots: &[] };
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
