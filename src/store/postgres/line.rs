//! One connection to the server, and what is asked over it. Changes wait in a buffer and go together, since each way to the
//! server and back takes longer than what is done there; whatever asks something sends them before.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Error, NoTls, RowStream, SimpleQueryMessage, Statement};

use super::super::StoreError;
use super::super::sql::{Db, Dialect, Each, Numbered, Value};
use super::fault::{Again, meaning};
use super::place::Server;
use super::speech::{Answer, Owned, numbered, with_number};

/// How many changes wait at the most, and how many bytes of them.
const WAITING: usize = 400;
const WAITING_BYTES: usize = 1 << 20;
/// How many rows are taken at a time.
const AT_ONCE: usize = 256;
/// How many statements are kept prepared.
const PREPARED: usize = 256;
/// The oldest version that can say what became of a transaction: 13.
const OLDEST: i64 = 130_000;

/// What holds for everything that is asked. A commit is on disk before it counts, and no lock is waited for forever.
const SETTINGS: &str =
    "SET lock_timeout = '30s'; SET statement_timeout = 0; SET TimeZone = 'UTC'; SET jit = off;
    SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning;
    SET idle_in_transaction_session_timeout = 0;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A connection.
pub(super) struct Line {
    // Before the runtime, which carries it.
    client: Client,
    runtime: Option<Runtime>,
    place: String,
    prepared: RefCell<HashMap<String, Statement>>,
    waiting: RefCell<Vec<(Statement, Vec<Owned>)>>,
    waiting_bytes: Cell<usize>,
    /// Answers that are being read, the innermost last.
    readings: RefCell<Vec<Reading>>,
    /// The last numbers given in this transaction: of records, of events.
    given: [Cell<Option<i64>>; 2],
    again: Cell<Again>,
    /// Whether anything was shown to whoever asked.
    shown: Cell<bool>,
    /// How long an answer may take, where that matters.
    patience: Option<Duration>,
}

/// An answer that is being read.
struct Reading {
    stream: Option<Pin<Box<RowStream>>>,
    ahead: VecDeque<tokio_postgres::Row>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Line {
    /// Connects.
    pub(super) fn connect(server: &Server, read_only: bool) -> Result<Self, (StoreError, Again)> {
        Self::connecting(server, read_only, None)
    }

    /// Connects, for who cannot wait long: neither for the connection nor for any answer.
    pub(super) fn connect_within(
        server: &Server,
        read_only: bool,
        patience: Duration,
    ) -> Result<Self, (StoreError, Again)> {
        Self::connecting(server, read_only, Some(patience))
    }

    fn connecting(
        server: &Server,
        read_only: bool,
        patience: Option<Duration>,
    ) -> Result<Self, (StoreError, Again)> {
        let place = server.to_string();
        let other = |e: &dyn std::fmt::Display| (StoreError::Other(format!("{place}: {e}")), Again::No);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| other(&e))?;
        let tls = server.tls().map_err(|e| (e, Again::No))?;
        let client = runtime.block_on(async {
            let entering = async {
                match tls {
                    Some(tls) => {
                        let (client, carried) = server.config().connect(tls).await?;
                        tokio::spawn(carried);
                        Ok::<Client, Error>(client)
                    }
                    None => {
                        let (client, carried) = server.config().connect(NoTls).await?;
                        tokio::spawn(carried);
                        Ok(client)
                    }
                }
            };
            let within = patience.unwrap_or(super::CONNECT);
            match tokio::time::timeout(within, entering).await {
                Ok(entered) => entered.map_err(|e| meaning(&e, &place)),
                Err(_) => {
                    let why = format!("{place}: no answer within {} s", within.as_secs());
                    Err((StoreError::Unreachable(why), Again::Lost))
                }
            }
        })?;
        let line = Self {
            client,
            runtime: Some(runtime),
            place,
            prepared: RefCell::default(),
            waiting: RefCell::default(),
            waiting_bytes: Cell::new(0),
            readings: RefCell::default(),
            given: [Cell::new(None), Cell::new(None)],
            again: Cell::new(Again::No),
            shown: Cell::new(false),
            patience,
        };
        line.set_up(read_only).map_err(|e| (e, line.again.get()))?;
        Ok(line)
    }

    fn set_up(&self, read_only: bool) -> Result<()> {
        self.tell(SETTINGS)?;
        if read_only {
            self.tell("SET default_transaction_read_only = on")?;
        }
        let version = self.tell("SHOW server_version_num")?.and_then(|text| text.parse::<i64>().ok());
        if version.is_none_or(|version| version < OLDEST) {
            return Err(StoreError::Other(format!("{}: expected PostgreSQL 13 or newer", self.place)));
        }
        match self.tell("SHOW server_encoding")?.as_deref() {
            Some("UTF8") => Ok(()),
            _ => Err(StoreError::Other(format!(
                "{}: the database must have the encoding UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
                self.place
            ))),
        }
    }

    /// Whether it can be used no more.
    pub(super) fn is_gone(&self) -> bool {
        self.client.is_closed() || self.again.get() == Again::Lost
    }

    /// Whether the last failure may be tried again: nothing was shown of what was asked.
    pub(super) fn again(&self) -> Again {
        self.again.get()
    }

    /// Whether anything was shown since this was last asked to forget it.
    pub(super) fn has_shown(&self) -> bool {
        self.shown.get()
    }

    /// Begins anew: nothing failed, nothing was shown, no number was given.
    pub(super) fn fresh(&self) {
        if self.readings.borrow().is_empty() {
            self.again.set(Again::No);
            self.shown.set(false);
        }
    }

    fn fail(&self, error: &Error) -> StoreError {
        let (what, again) = meaning(error, &self.place);
        self.again.set(if self.client.is_closed() { Again::Lost } else { again });
        what
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T> {
        let Some(runtime) = &self.runtime else {
            return Err(StoreError::Other(format!("{}: the connection is closed", self.place)));
        };
        let Some(patience) = self.patience else {
            return runtime.block_on(work).map_err(|e| self.fail(&e));
        };
        match runtime.block_on(async { tokio::time::timeout(patience, work).await }) {
            Ok(done) => done.map_err(|e| self.fail(&e)),
            Err(_) => {
                self.again.set(Again::Lost);
                let why = format!("{}: no answer within {} s", self.place, patience.as_secs());
                Err(StoreError::Unreachable(why))
            }
        }
    }

    /// Says something without parameters; the first value of the last row that came of it.
    pub(super) fn tell(&self, sql: &str) -> Result<Option<String>> {
        self.read_all_ahead()?;
        let said = self.wait(self.client.simple_query(sql))?;
        let row = said.iter().rev().find_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        });
        Ok(row.flatten())
    }

    /// Begins a transaction.
    pub(super) fn begin(&self, sql: &str) -> Result<Option<String>> {
        self.drop_waiting();
        self.given.iter().for_each(|given| given.set(None));
        self.tell(sql)
    }

    /// Ends a transaction without a trace. What fails in that shows when the connection is used again.
    pub(super) fn roll_back(&self) {
        self.drop_waiting();
        if !self.client.is_closed() {
            let again = self.again.get();
            let _ = self.tell("ROLLBACK");
            if self.again.get() != Again::Lost {
                self.again.set(again);
            }
        }
    }

    fn drop_waiting(&self) {
        self.waiting.borrow_mut().clear();
        self.waiting_bytes.set(0);
    }

    fn statement(&self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.prepared.borrow().get(sql) {
            return Ok(statement.clone());
        }
        self.read_all_ahead()?;
        let statement = self.wait(self.client.prepare(&numbered(sql)))?;
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() >= PREPARED {
            prepared.clear();
        }
        prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Sends what waits, and waits until it is done.
    pub(super) fn flush(&self) -> Result<()> {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        self.waiting_bytes.set(0);
        if waiting.is_empty() {
            return Ok(());
        }
        self.read_all_ahead()?;
        self.wait(async {
            // Each is sent when it is first looked at: in their order, before any answer is waited for.
            let mut sent = Vec::with_capacity(waiting.len());
            for (statement, values) in &waiting {
                let mut change = Box::pin(self.client.execute_raw(statement, values));
                let first = std::future::poll_fn(|cx| Poll::Ready(change.as_mut().poll(cx))).await;
                match first {
                    Poll::Ready(done) => drop(done?),
                    Poll::Pending => sent.push(change),
                }
            }
            for change in sent {
                change.await?;
            }
            Ok(())
        })
    }

    /// Answers come in the order of the questions: what is still being read is taken into memory before the next is asked.
    fn read_all_ahead(&self) -> Result<()> {
        let mut readings = self.readings.borrow_mut();
        for reading in readings.iter_mut().filter(|reading| reading.stream.is_some()) {
            self.read(reading, usize::MAX)?;
        }
        Ok(())
    }

    fn read(&self, reading: &mut Reading, most: usize) -> Result<()> {
        let Some(mut stream) = reading.stream.take() else { return Ok(()) };
        let ended = self.wait(async {
            let mut taken = 0;
            while taken < most {
                match stream.next().await {
                    Some(row) => reading.ahead.push_back(row?),
                    None => return Ok(true),
                }
                taken += 1;
            }
            Ok(false)
        })?;
        if !ended {
            reading.stream = Some(stream);
        }
        Ok(())
    }

    fn ask(&self, sql: &str, params: &[Value<'_>]) -> Result<Reading> {
        self.flush()?;
        let statement = self.statement(sql)?;
        self.read_all_ahead()?;
        let values: Vec<Owned> = params.iter().map(|value| Owned::from(*value)).collect();
        let stream = self.wait(self.client.query_raw(&statement, &values))?;
        Ok(Reading { stream: Some(Box::pin(stream)), ahead: VecDeque::new() })
    }

    /// The next row of the answer that is read innermost.
    fn next(&self, place: usize) -> Result<Option<Answer>> {
        let mut readings = self.readings.borrow_mut();
        let Some(reading) = readings.get_mut(place) else { return Ok(None) };
        if reading.ahead.is_empty() {
            self.read(reading, AT_ONCE)?;
        }
        Ok(reading.ahead.pop_front().map(Answer::new))
    }

    /// The next number of a table whose rows only we number, while nobody else may.
    fn number(&self, table: Numbered) -> Result<i64> {
        let (given, last) = match table {
            Numbered::Record => (&self.given[0], "SELECT coalesce(max(id), 0) FROM record"),
            // Those that were forgotten are still named by their entries, whose rows grow.
            _ => (
                &self.given[1],
                "SELECT coalesce((SELECT row FROM evidence WHERE kind = 0 ORDER BY idx DESC LIMIT 1), 0)",
            ),
        };
        let last = match given.get() {
            Some(last) => last,
            None => {
                let found = Cell::new(0);
                self.first(last, &[], &mut |row| {
                    if let Value::Int(n) = row.value(0)? {
                        found.set(n);
                    }
                    Ok(())
                })?;
                found.get()
            }
        };
        given.set(Some(last + 1));
        Ok(last + 1)
    }
}

impl Db for Line {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn run(&self, sql: &str, params: &[Value<'_>]) -> Result<()> {
        let statement = self.statement(sql)?;
        let values: Vec<Owned> = params.iter().map(|value| Owned::from(*value)).collect();
        let bytes: usize = values.iter().map(Owned::size).sum();
        self.waiting_bytes.set(self.waiting_bytes.get() + bytes);
        let waiting = {
            let mut waiting = self.waiting.borrow_mut();
            waiting.push((statement, values));
            waiting.len()
        };
        match waiting >= WAITING || self.waiting_bytes.get() >= WAITING_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn change(&self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        self.flush()?;
        let statement = self.statement(sql)?;
        self.read_all_ahead()?;
        let values: Vec<Owned> = params.iter().map(|value| Owned::from(*value)).collect();
        self.wait(self.client.execute_raw(&statement, &values))
    }

    fn add(&self, table: Numbered, sql: &str, params: &[Value<'_>]) -> Result<i64> {
        let column = match table {
            Numbered::Run => {
                let mut row = None;
                self.first(&format!("{sql} RETURNING id"), params, &mut |found| {
                    row = if let Value::Int(n) = found.value(0)? { Some(n) } else { None };
                    Ok(())
                })?;
                return row.ok_or_else(|| StoreError::Broken("a new row has no number".to_owned()));
            }
            Numbered::Record => "id",
            Numbered::Event => "row",
        };
        let row = self.number(table)?;
        let mut params = params.to_vec();
        params.push(Value::Int(row));
        self.run(&with_number(sql, column, params.len()), &params)?;
        Ok(row)
    }

    fn rows(&self, sql: &str, params: &[Value<'_>], each: &mut Each<'_>) -> Result<()> {
        let reading = self.ask(sql, params)?;
        let place = self.readings.borrow().len();
        self.readings.borrow_mut().push(reading);
        let shown = loop {
            match self.next(place) {
                Ok(Some(row)) => {
                    self.shown.set(true);
                    if let Err(e) = each(&row) {
                        break Err(e);
                    }
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        self.readings.borrow_mut().truncate(place);
        shown
    }

    fn first(&self, sql: &str, params: &[Value<'_>], show: &mut Each<'_>) -> Result<bool> {
        let mut reading = self.ask(sql, params)?;
        self.read(&mut reading, 1)?;
        // What comes after it is thrown away as it comes.
        drop(reading.stream.take());
        match reading.ahead.pop_front() {
            Some(row) => show(&Answer::new(row)).map(|()| true),
            None => Ok(false),
        }
    }
}
