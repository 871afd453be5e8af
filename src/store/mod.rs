//! The store: what Counterfoil remembers. The last good snapshot of every source and how it came about, how each grant
//! stands, the life of every finding, and what has still to be told.
//!
//! ```text
//! pull ─▶ ingest ─▶ records, history ─┐            ┌─▶ verdicts, lives ─┐
//!            └────▶ names to judge ───┴─▶ judge ───┤    events          ├─ one transaction
//!                                                  └─▶ outbox ──────────┘
//! ```
//!
//! A trait, so that another database can stand behind it; what it asks for are whole steps, each of which happens or does
//! not. Nothing here knows what a name means or when a finding is over: whoever calls says which names a record is tied
//! to, and what a finding has become.

mod error;
mod past;
mod place;
mod postgres;
mod query;
mod queue;
mod slot;
mod sql;
mod sqlite;

pub use error::StoreError;
pub use past::{History, Retention, RunRow};
pub use place::Place;
pub use postgres::{Beat, Errand, LEASE, Member, Postgres, Present, Progress, Server, is_address};
pub use query::{
    EntryOf, FindingCount, Found, GrantsFound, GroupBy, GroupCount, OrderBy, Page, Which, WhichGrants,
};
pub use queue::{Content, DeadLetter, Fate, Letter, OutboxCount};
pub use slot::{MISSED, Slot, SlotState};
pub use sql::evidence::{Evidence, Shown};
pub use sqlite::Sqlite;

use sha2::{Digest, Sha256};

use crate::evidence::Action;
use crate::evidence::tree::Node;
use crate::model::event::{State, start_of_hash};
use crate::model::finding::{Severity, Standing};
use crate::model::life::{Difference, Life, SourceState};
use crate::model::{Instant, RecordType};

/// A name in its normal form, as a number: the first eight bytes of its SHA-256. Two names may share one; then more is
/// loaded than needed, and nothing else happens.
pub type Token = i64;

/// The token of a name.
#[must_use]
pub fn token(form: &str) -> Token {
    start_of_hash(form).cast_signed()
}

/// The first half of a SHA-256: keys and hashes of records.
pub type Hash = [u8; 16];

/// The [`type@Hash`] of some parts; no part can run into the next.
#[must_use]
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    sha.finalize().first_chunk::<16>().copied().unwrap_or_default()
}

type Result<T> = std::result::Result<T, StoreError>;

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Its type.
    pub kind: RecordType,
    /// What tells it apart from others of its source.
    pub key: Hash,
    /// The line, the time of the pull left out of it, so that it is the same from pull to pull.
    pub body: std::borrow::Cow<'a, str>,
    /// How it is tied to names: the tie's number and the token.
    pub ties: Vec<(u8, Token)>,
    /// Whether it belongs to every part of an estate.
    pub catalogue: bool,
    /// For a grant its system, as written.
    pub system: Option<std::borrow::Cow<'a, str>>,
    /// For an exception the check whose findings it may accept.
    pub check: Option<std::borrow::Cow<'a, str>>,
}

/// The number of the tie of a name that is somebody else's; see [`Prepared::ties`].
pub const TIE_NAMES: u8 = 4;
/// The number of the tie by which an identity claims a name.
pub const TIE_CLAIMS: u8 = 0;

/// Reads a kept line again.
pub type Reader<'a> = dyn Fn(&str) -> Option<Prepared<'static>> + 'a;

/// Decides between two records of one key that stand in one pull: whether the second stands.
pub type Settle<'a> = dyn Fn(&str, &str) -> bool + 'a;

/// A line of a pull as it is kept, before anybody looked at what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body<'a> {
    /// The line; see [`Prepared::body`].
    pub text: &'a str,
    /// Its hash.
    pub hash: Hash,
}

impl<'a> Body<'a> {
    /// A line with its hash.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, hash: hash([text.as_bytes()]) }
    }
}

/// Says what a line says, for whoever asks: most lines of a pull are held already, and then nobody does.
pub type Prepare<'a, 'l> = dyn FnMut() -> Result<Prepared<'l>> + 'a;

/// Takes one line of a pull. Of a line that the source holds, byte for byte, nothing needs to be asked: it was a record when
/// it was kept, and what tells it apart follows from the line alone. All others are asked, and so are end marks
/// ([`RecordType::Snapshot`]) even where they are held, since they speak of the pull itself.
pub type Keep<'a> = dyn for<'l> FnMut(Body<'l>, &mut Prepare<'_, 'l>) -> Result<()> + 'a;

/// Hands over the records of a pull, one call each.
pub type Feed<'a> = dyn FnMut(&mut Keep<'_>) -> Result<()> + 'a;

/// Lets a pull pass, or says why not.
pub type Admit<'a> = dyn FnMut(&Difference) -> std::result::Result<(), String> + 'a;

/// A pull to be taken in.
pub struct Pull<'a> {
    /// The run.
    pub run: u64,
    /// The source.
    pub source: &'a str,
    /// How lines are read again.
    pub reader: &'a Reader<'a>,
    /// Which of two records of one key stands.
    pub settle: &'a Settle<'a>,
    /// How the source stands once the pull is taken, given how it differs and its hash; remembered in the same step, since
    /// records mean nothing without the time at which they were seen. `None` leaves that as it is.
    pub state: &'a Concluded<'a>,
}

/// See [`Pull::state`].
pub type Concluded<'a> = dyn Fn(&Difference, &str) -> Option<SourceState> + 'a;

/// What came of taking in a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ingested {
    /// It is the last good snapshot now.
    Taken {
        /// How it differs from the one before.
        difference: Difference,
        /// SHA-256 of the snapshot (hex).
        sha256: String,
    },
    /// It was not let pass; nothing of it was kept.
    Held {
        /// How it differs.
        difference: Difference,
        /// Why.
        reason: String,
    },
}

/// A verdict as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVerdict {
    /// The grant's key: a hash of system, account, entitlement, scope and path.
    pub grant: Hash,
    /// The token of the name it was judged under.
    pub home: Token,
    /// System, as the grant names it.
    pub system: String,
    /// Account.
    pub account: String,
    /// Entitlement.
    pub entitlement: String,
    /// Scope.
    pub scope: Option<String>,
    /// Path, as JSON.
    pub path: String,
    /// The subject's key.
    pub subject: String,
    /// How it stands.
    pub standing: Standing,
    /// Source and id of the controlling request.
    pub request: Option<(String, String)>,
    /// When it could change by itself; sources that become stale are left out.
    pub recheck_at: Option<Instant>,
}

/// One event for the log of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its id.
    pub id: String,
    /// The finding's.
    pub finding: String,
    /// When.
    pub at: Instant,
    /// As JSON.
    pub body: String,
    /// Who is to be told, and when.
    pub letters: Vec<NewLetter>,
}

/// That a sink is to be told of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLetter {
    /// The sink.
    pub sink: String,
    /// Whether it is told together with others of its group when the run ends.
    pub grouped: Option<String>,
    /// Muted until then.
    pub muted_until: Option<Instant>,
}

/// Some homes judged anew, to be kept in one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// The run.
    pub run: u64,
    /// Names that are done with.
    pub done: Vec<Token>,
    /// The homes judged: all verdicts and times kept under them are replaced.
    pub homes: Vec<Token>,
    /// Their verdicts.
    pub verdicts: Vec<KeptVerdict>,
    /// When each home must be judged again.
    pub rechecks: Vec<(Token, Instant)>,
    /// Lives that changed.
    pub lives: Vec<Life>,
    /// What happened.
    pub events: Vec<NewEvent>,
}

/// The end of a run, in one transaction.
#[derive(Debug)]
pub struct Close<'a> {
    /// The run.
    pub run: u64,
    /// When it ended.
    pub at: Instant,
    /// What was done, as JSON.
    pub manifest: &'a str,
    /// Facts to remember.
    pub meta: &'a [(&'a str, &'a str)],
    /// Notices that are no events, one for each sink: sink, message id, kind and JSON.
    pub notices: Vec<NewNotice>,
    /// The slots of jobs that this run was for: they are done with it.
    pub slots: &'a [Slot],
}

/// A digest or a sign of life for one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// The sink.
    pub sink: String,
    /// The message's id.
    pub id: String,
    /// `digest`, `heartbeat` or `checkpoint`.
    pub kind: String,
    /// As JSON.
    pub body: String,
    /// When it was made.
    pub at: Instant,
}

/// An exception that a person gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The finding.
    pub finding: String,
    /// Its check.
    pub check: String,
    /// Who accepted it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when, exclusive.
    pub until: Instant,
    /// When it was given.
    pub at: Instant,
}

/// Makes the checkpoint of a log of this size and root: its note, and what is told of it. Or says why not.
pub type Seal<'a> = dyn FnMut(u64, Node) -> std::result::Result<(String, Vec<NewNotice>), String> + 'a;

/// What is kept, and the steps in which it changes. What happens to findings, each run that ends, and each exception is an
/// entry of the evidence log by the same step.
pub trait Store: Send {
    // ------------------------------------------------------------------------------------------------ runs, facts
    /// Begins a run.
    fn open_run(&mut self, at: Instant) -> Result<u64>;
    /// Ends a run: what waited for its end is sealed and may be sent.
    fn close_run(&mut self, close: Close<'_>) -> Result<()>;
    /// The last runs, latest first.
    fn runs(&self, limit: usize) -> Result<Vec<RunRow>>;
    /// The last run that had ended at an instant.
    fn run_at(&self, at: Instant) -> Result<Option<RunRow>>;
    /// Shows the runs that ended, oldest first, up to and with this one.
    fn ended_runs(&self, last: u64, show: &mut dyn FnMut(RunRow)) -> Result<()>;
    /// A fact.
    fn meta(&self, name: &str) -> Result<Option<String>>;
    /// Remembers a fact.
    fn set_meta(&mut self, name: &str, value: &str) -> Result<()>;
    /// The last slot of each job that was done.
    fn last_slots(&self) -> Result<Vec<(String, Instant)>>;
    /// The latest slots of all jobs, the last first.
    fn slots(&self, limit: usize) -> Result<Vec<Slot>>;
    /// Writes down what becomes of slots; one that was done stays done, and earlier ones of its job that nobody ran are missed.
    fn put_slots(&mut self, slots: &[Slot]) -> Result<()>;
    /// Forgets the slots of a job that lie ahead.
    fn forget_slots_ahead(&mut self, job: &str, now: Instant) -> Result<()>;

    // ----------------------------------------------------------------------------------------------------- sources
    /// All sources that were ever tried.
    fn sources(&self) -> Result<Vec<SourceState>>;
    /// Remembers how a source stands.
    fn save_source(&mut self, state: &SourceState) -> Result<()>;
    /// Takes in a pull: what is new, gone or changed, with its history, and the names that must be judged again; all of it
    /// or nothing.
    fn ingest(&mut self, pull: &Pull<'_>, feed: &mut Feed<'_>, admit: &mut Admit<'_>) -> Result<Ingested>;
    /// Lets go of a source that is no longer configured: its records end with this run.
    fn retire(&mut self, run: u64, source: &str, reader: &Reader<'_>) -> Result<()>;

    // ----------------------------------------------------------------------------------------------------- records
    /// Shows the records that belong to every part: source and line.
    fn catalogue(&self, show: &mut dyn FnMut(&str, &str)) -> Result<()>;
    /// Shows the records that are tied to some names in one of these ways, each once for each tie: the record's number,
    /// source, and line.
    fn tied(&self, ties: &[u8], tokens: &[Token], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()>;
    /// Shows the records of identities and requests whose key two sources have: the record's number and its key.
    fn twins(&self, show: &mut dyn FnMut(i64, Hash)) -> Result<()>;
    /// Shows records by their numbers: number, source, and line.
    fn numbered(&self, rows: &[i64], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()>;
    /// Shows the records that are told apart by a key, one for each source that has it: the record's number, source, and line.
    fn keyed(&self, key: Hash, show: &mut dyn FnMut(i64, &str, &str)) -> Result<()>;
    /// The systems on which grants are held.
    fn systems_held(&self) -> Result<Vec<String>>;
    /// Whether there is any record of a type.
    fn holds(&self, kind: RecordType) -> Result<bool>;
    /// Shows all records, or all of a type, as they were after a run (`None`: as they are): the record's number, source and
    /// line, in an order that does not change as long as nothing is forgotten.
    fn records_at(
        &self,
        run: Option<u64>,
        of: Option<RecordType>,
        show: &mut dyn FnMut(i64, &str, &str),
    ) -> Result<()>;

    // ----------------------------------------------------------------------------------------------------- judging
    /// Some of the names that must be judged again, and how many there are.
    fn dirty(&self, limit: usize) -> Result<(Vec<Token>, u64)>;
    /// Lets everything be judged again.
    fn mark_all(&mut self) -> Result<()>;
    /// Lets these names be judged again.
    fn mark(&mut self, tokens: &[Token]) -> Result<()>;
    /// Lets what changes by itself until then be judged again.
    fn mark_due(&mut self, now: Instant) -> Result<()>;
    /// The lives of the findings kept under some homes.
    fn lives_at(&self, homes: &[Token]) -> Result<Vec<Life>>;
    /// The life of a finding.
    fn life(&self, id: &str) -> Result<Option<Life>>;
    /// The lives that were absent before this run, and were not looked at in it.
    fn absent_before(&self, run: u64, limit: usize) -> Result<Vec<Life>>;
    /// Shows the lives in a state, in the order of their ids.
    fn lives(&self, states: &[State], show: &mut dyn FnMut(Life)) -> Result<()>;
    /// Some findings, a page at a time.
    fn find(&self, which: &Which, page: &Page) -> Result<Found>;
    /// Some findings counted by what they have in common, the worst group first, and of two as bad the larger.
    fn group(&self, which: &Which, by: GroupBy, limit: u32) -> Result<Vec<GroupCount>>;
    /// Keeps what came of judging some homes.
    fn commit(&mut self, batch: Batch) -> Result<()>;
    /// How a grant stands.
    fn verdict(&self, grant: Hash) -> Result<Option<KeptVerdict>>;
    /// Shows every verdict, in the order of the grants' keys.
    fn verdicts(&self, show: &mut dyn FnMut(KeptVerdict)) -> Result<()>;
    /// Some grants with how they stand, in the order in which they were kept: at most this many of those after a place.
    fn grants(&self, which: &WhichGrants, after: u64, limit: u32) -> Result<GrantsFound>;
    /// How many grants stand how, by system.
    fn standings(&self) -> Result<Vec<(String, Standing, u64)>>;
    /// How many findings there are, by check, severity and state.
    fn finding_counts(&self) -> Result<Vec<FindingCount>>;

    // -------------------------------------------------------------------------------------------------- exceptions
    /// Remembers an exception and lets its finding be judged again.
    fn accept(&mut self, accepted: &Accepted) -> Result<()>;
    /// The exceptions that have not ended.
    fn accepted(&self, now: Instant) -> Result<Vec<Accepted>>;

    // ------------------------------------------------------------------------------------------------------ events
    /// Shows the events of all runs up to and with this one, in the order in which they happened, as JSON.
    fn events_until(&self, run: u64, show: &mut dyn FnMut(&str)) -> Result<()>;
    /// The last events of a finding, latest first, as JSON.
    fn events_of(&self, finding: &str, limit: usize) -> Result<Vec<String>>;

    // ------------------------------------------------------------------------------------------------------ outbox
    /// The next messages for a sink that may be tried at `now`, oldest first, at most this many. Of a finding with several
    /// only the first, so that order is kept. Where several programs share the store, they are this one's until it says what
    /// became of them, or is no longer there.
    fn letters(&self, sink: &str, now: Instant, limit: usize) -> Result<Vec<Letter>>;
    /// What became of messages.
    fn settle(&mut self, fates: &[(Letter, Fate)]) -> Result<()>;
    /// Puts a notice into the outbox.
    fn notify(&mut self, notice: &NewNotice) -> Result<()>;
    /// Lets go what mutes held back: to be sent where the finding still is as it was said, to be forgotten where not.
    fn unmute(&mut self, now: Instant) -> Result<()>;
    /// How full the outbox is, by sink.
    fn outbox(&self) -> Result<Vec<OutboxCount>>;
    /// Rows given up.
    fn dead_letters(&self, sink: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>>;
    /// Lets rows given up be tried again: all of a sink, or of all; how many.
    fn replay(&mut self, sink: Option<&str>, now: Instant) -> Result<u64>;
    /// Forgets messages to sinks that are no longer configured.
    fn drop_other_sinks(&mut self, kept: &[String]) -> Result<u64>;

    // ---------------------------------------------------------------------------------------------------- evidence
    /// Writes down what somebody did.
    fn act(&mut self, action: &Action) -> Result<()>;
    /// Remembers how a source stands because somebody decided it, and writes that down.
    fn decide(&mut self, state: &SourceState, action: &Action) -> Result<()>;
    /// The last checkpoint: its note.
    fn last_checkpoint(&self) -> Result<Option<String>>;
    /// The last checkpoint that was made by an instant: its note.
    fn checkpoint_at(&self, at: Instant) -> Result<Option<String>>;
    /// An entry with its proof; `None` where there is no such entry, its text was forgotten, or no checkpoint covers it yet.
    fn entry(&self, which: &EntryOf) -> Result<Option<Shown>>;
    /// Makes a checkpoint and tells it, where the log grew since the last one; of how many entries.
    fn checkpoint(&mut self, now: Instant, seal: &mut Seal<'_>) -> Result<Option<u64>>;

    /// The evidence log as it is now.
    fn evidence(&self) -> Result<Evidence<'_>>;

    // ----------------------------------------------------------------------------------------------------- keeping
    /// Copies the whole store to a new file, while it is in use.
    fn backup(&self, path: &std::path::Path) -> Result<()>;
    /// From when on everything is known; `None` where nothing was ever forgotten.
    fn history(&self) -> Result<Option<History>>;
    /// Forgets what is old; how many rows. Of a finding only its life is left, without what it said.
    fn prune(&mut self, retention: Retention) -> Result<u64>;
    /// Whether it can be written to.
    fn check_writable(&mut self) -> Result<()>;
}
