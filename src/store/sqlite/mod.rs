//! The store in one SQLite file: WAL, every commit on disk before it counts, one writer.

mod findings;
mod judging;
mod keeping;
mod outbox;
mod records;
mod runs;
mod schema;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::*;

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
        let new = !path.exists();
        let db = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(|e| named(path, e))?;
        if new {
            private(path).map_err(|e| StoreError::ReadOnly(format!("{}: {e}", path.display())))?;
        }
        let mut store = Self { db, path: path.to_owned() };
        store.prepare().map_err(|e| match e {
            StoreError::ReadOnly(why) => StoreError::ReadOnly(format!("{}: {why}", path.display())),
            StoreError::Broken(why) => StoreError::Broken(format!("{}: {why}", path.display())),
            other => other,
        })?;
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
        // A file that is no database says so here.
        self.db.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        self.db.pragma_update(None, "synchronous", "FULL")?;
        self.db.pragma_update(None, "foreign_keys", "ON")?;
        // 64 MiB; negative counts in KiB.
        self.db.pragma_update(None, "cache_size", -65_536)?;
        self.db.pragma_update(None, "temp_store", "MEMORY")?;
        self.db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        self.db.set_prepared_statement_cache_capacity(128);
        schema::migrate(&mut self.db)
    }

    fn begin(&mut self) -> Result<Transaction<'_>> {
        Ok(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn named(path: &Path, e: rusqlite::Error) -> StoreError {
    match StoreError::from(e) {
        StoreError::ReadOnly(why) => StoreError::ReadOnly(format!("{}: {why}", path.display())),
        other => other,
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
        records::catalogue(&self.db, show)
    }

    fn tied(&self, ties: &[u8], tokens: &[Token], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        records::tied(&self.db, ties, tokens, show)
    }

    fn twins(&self, show: &mut dyn FnMut(i64, Hash)) -> Result<()> {
        records::twins(&self.db, show)
    }

    fn numbered(&self, rows: &[i64], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        records::numbered(&self.db, rows, show)
    }

    fn systems_held(&self) -> Result<Vec<String>> {
        records::systems_held(&self.db)
    }

    fn holds(&self, kind: RecordType) -> Result<bool> {
        records::holds(&self.db, kind)
    }

    fn records_at(&self, run: Option<u64>, show: &mut dyn FnMut(&str, &str)) -> Result<()> {
        records::at_run(&self.db, run, show)
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

    fn standings(&self) -> Result<Vec<(String, Standing, u64)>> {
        judging::standings(&self.db)
    }

    fn finding_counts(&self) -> Result<Vec<FindingCount>> {
        findings::counts(&self.db)
    }

    fn accept(&mut self, accepted: &Accepted) -> Result<()> {
        let tx = self.begin()?;
        findings::accept(&tx, accepted)?;
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

    fn backup(&self, path: &Path) -> Result<()> {
        keeping::backup(&self.db, path)
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
