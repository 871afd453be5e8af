//! The store in a PostgreSQL database: one writer at a time by a lock of the database, what is asked of one moment in one
//! transaction, and a connection that is made anew when it is lost. A change happens once, even where the connection was
//! lost while it was committed: then the server is asked what became of it.

mod copy;
mod errands;
mod fault;
mod lease;
mod line;
mod place;
mod schema;
mod speech;

use std::cell::{Ref, RefCell};
use std::path::Path;
use std::time::Duration;

pub use errands::{Errand, Progress};
pub use lease::{Beat, LEASE, Member, Present};
pub use place::{Server, is_address};

use super::sql::{Base, Step, Touches};
use super::{Evidence, Result, StoreError};
use fault::Again;
use line::Line;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long is waited before something is tried again.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(2)];

/// The lock of who writes, and of who brings the schema up to date.
const WRITING: i64 = 0x434e_5446_0001;
const SCHEMA: i64 = 0x434e_5446_0002;

const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A store on a server.
pub struct Postgres {
    server: Server,
    read_only: bool,
    line: RefCell<Option<Line>>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({})", self.server)
    }
}

impl Postgres {
    /// Opens a store, or begins one where there is none; brings an older one up to date.
    ///
    /// # Errors
    /// When the server cannot be reached or does not let us in, or the database belongs to another program, or to a newer
    /// version of this one.
    pub fn open(server: &Server) -> Result<Self> {
        let store = Self { server: server.clone(), read_only: false, line: RefCell::new(None) };
        store.patiently(schema::migrate)?;
        Ok(store)
    }

    /// Opens a store to read it: nothing of it is changed.
    ///
    /// # Errors
    /// As [`Postgres::open`], and when there is none or it is older.
    pub fn open_read(server: &Server) -> Result<Self> {
        let store = Self { server: server.clone(), read_only: true, line: RefCell::new(None) };
        store.patiently(schema::current)?;
        Ok(store)
    }

    /// Whether there is a store in a database.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub fn is_there(server: &Server) -> Result<bool> {
        let store = Self { server: server.clone(), read_only: true, line: RefCell::new(None) };
        store.patiently(|line| Ok(schema::recognise(line)? > 0))
    }

    /// Does something on a connection, and once more on a new one where it was lost.
    fn patiently<T>(&self, work: impl Fn(&Line) -> Result<T>) -> Result<T> {
        self.trying(|line| (work(line), line.again() != Again::No))
    }

    /// Does something on a connection, which also says whether it may be done again.
    fn trying<T>(&self, mut work: impl FnMut(&Line) -> (Result<T>, bool)) -> Result<T> {
        let mut pauses = PAUSES.iter();
        loop {
            let (failed, again) = match self.line() {
                Ok(line) => {
                    line.fresh();
                    match work(&line) {
                        (Ok(done), _) => return Ok(done),
                        (Err(e), again) => (e, again),
                    }
                }
                Err((e, again)) => (e, again == Again::Lost),
            };
            let Some(pause) = pauses.next().filter(|_| again) else { return Err(failed) };
            tracing::debug!(error = %failed, "the store is asked again");
            std::thread::sleep(*pause);
        }
    }

    /// The connection, made anew where there is none.
    fn line(&self) -> std::result::Result<Ref<'_, Line>, (StoreError, Again)> {
        let gone = self.line.borrow().as_ref().is_none_or(Line::is_gone);
        if gone {
            let nested =
                |_| (StoreError::Unreachable(format!("{}: the connection was lost", self.server)), Again::No);
            let mut place = self.line.try_borrow_mut().map_err(nested)?;
            *place = None;
            *place = Some(Line::connect(&self.server, self.read_only)?);
        }
        let none =
            || (StoreError::Unreachable(format!("{}: there is no connection", self.server)), Again::No);
        Ref::filter_map(self.line.borrow(), Option::as_ref).map_err(|_| none())
    }

    /// What became of a transaction whose end was not heard of.
    fn is_committed(&self, xid: &str) -> Result<bool> {
        let ask = format!("SELECT pg_xact_status('{xid}'::xid8)");
        let mut pauses = PAUSES.iter().cycle().take(4 * PAUSES.len());
        loop {
            let status = self.trying(|line| (line.tell(&ask), line.again() != Again::No))?;
            match status.as_deref() {
                Some("committed") => return Ok(true),
                Some("aborted") => return Ok(false),
                _ => {}
            }
            // The server may not have heard yet that we are gone.
            let Some(pause) = pauses.next() else {
                let why =
                    "the connection was lost during a commit, and the server does not say what became of it";
                return Err(StoreError::Unreachable(format!("{}: {why}", self.server)));
            };
            std::thread::sleep(*pause);
        }
    }

    /// One try at a change: what came of it, and whether it may be tried again.
    fn try_step<T>(&self, line: &Line, touches: Touches, step: &mut Step<'_, (T, bool)>) -> Tried<T> {
        let xid = match line.begin(begin(touches)) {
            Ok(xid) => xid.unwrap_or_default(),
            Err(e) => {
                line.roll_back();
                return if line.again() == Again::No { Tried::Failed(e, false) } else { Tried::Unreached(e) };
            }
        };
        let done = step(line).and_then(|(done, kept)| {
            if kept {
                line.flush()?;
            }
            Ok((done, kept))
        });
        match done {
            Ok((done, false)) => {
                line.roll_back();
                Tried::Done(done)
            }
            Ok((done, true)) => match line.tell(&self.commit()) {
                Ok(_) => Tried::Done(done),
                Err(_) if line.again() == Again::Lost => Tried::InDoubt(done, xid),
                Err(e) => self.broken_off(line, e),
            },
            Err(e) => self.broken_off(line, e),
        }
    }

    /// How a change ends. Whoever led and does so no longer finds out here, in one step with the end.
    fn commit(&self) -> String {
        match self.server.term() {
            Some(term) => format!("SELECT counterfoil_led({term}); COMMIT"),
            None => "COMMIT".to_owned(),
        }
    }

    fn broken_off<T>(&self, line: &Line, error: StoreError) -> Tried<T> {
        line.roll_back();
        Tried::Failed(error, line.again() != Again::No)
    }

    fn change<T>(&self, touches: Touches, repeat: bool, step: &mut Step<'_, (T, bool)>) -> Result<T> {
        let mut pauses = PAUSES.iter();
        loop {
            let tried = match self.line() {
                Ok(line) => {
                    line.fresh();
                    self.try_step(&line, touches, step)
                }
                // Nothing was begun.
                Err((e, Again::Lost)) if pauses.len() > 0 => Tried::Unreached(e),
                Err((e, _)) => return Err(e),
            };
            let failed = match tried {
                Tried::Done(done) => return Ok(done),
                Tried::InDoubt(done, xid) => match self.is_committed(&xid)? {
                    true => return Ok(done),
                    false if repeat => StoreError::Unreachable(format!("{}: a commit was lost", self.server)),
                    false => {
                        let why = "the connection was lost before it was kept; nothing was changed";
                        return Err(StoreError::Unreachable(format!("{}: {why}", self.server)));
                    }
                },
                Tried::Unreached(e) => e,
                Tried::Failed(e, again) if again && repeat => e,
                Tried::Failed(e, _) => return Err(e),
            };
            let Some(pause) = pauses.next() else { return Err(failed) };
            tracing::debug!(error = %failed, "a change of the store is tried again");
            std::thread::sleep(*pause);
        }
    }

    /// A connection of its own on which all that is asked is of one moment.
    fn moment(&self) -> Result<Line> {
        let line = Line::connect(&self.server, true).map_err(|(e, _)| e)?;
        line.begin(READ)?;
        Ok(line)
    }
}

/// What came of a try.
enum Tried<T> {
    Done(T),
    /// The end was not heard of; the transaction's id.
    InDoubt(T, String),
    /// There was no connection.
    Unreached(StoreError),
    /// It did not happen; whether it helps to try again.
    Failed(StoreError, bool),
}

/// How a change begins: it has an id, by which one can ask what became of it, and its turn.
fn begin(touches: Touches) -> &'static str {
    match touches {
        Touches::All => {
            const { assert!(WRITING == 74_003_700_383_745) };
            "BEGIN; SELECT pg_advisory_xact_lock(74003700383745); SELECT pg_current_xact_id()::text"
        }
        Touches::Outbox => "BEGIN; SELECT pg_current_xact_id()::text",
    }
}

impl Base for Postgres {
    fn ask<T>(&self, step: &mut Step<'_, T>) -> Result<T> {
        self.trying(|line| {
            let done = step(line);
            (done, line.again() != Again::No && !line.has_shown())
        })
    }

    fn at_once<T>(&self, step: &mut Step<'_, T>) -> Result<T> {
        self.trying(|line| {
            let done = line.begin(READ).and_then(|_| step(line)).and_then(|done| {
                line.tell("COMMIT")?;
                Ok(done)
            });
            if done.is_err() {
                line.roll_back();
            }
            (done, line.again() != Again::No)
        })
    }

    fn step<T>(&self, touches: Touches, step: &mut Step<'_, T>) -> Result<T> {
        self.change(touches, true, &mut |db| Ok((step(db)?, true)))
    }

    fn once<T>(&self, touches: Touches, step: &mut Step<'_, (T, bool)>) -> Result<T> {
        self.change(touches, false, step)
    }

    fn member(&self) -> Option<&str> {
        self.server.member()
    }

    fn log(&self) -> Result<Evidence<'_>> {
        Ok(Evidence::of(Box::new(self.moment()?)))
    }

    fn copy_to(&self, path: &Path) -> Result<()> {
        copy::to_file(&self.moment()?, path)
    }
}
