//! What is told outside: that something happened to a finding, where everything stands, and that Counterfoil lives.
//!
//! Each carries an id that is the same however often it is sent, so that whoever receives it twice can tell.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::finding::{Finding, Severity};
use super::time::Instant;

/// The schema name every event carries.
pub const EVENT_SCHEMA: &str = "counterfoil.event/1";
/// The schema name every digest carries.
pub const DIGEST_SCHEMA: &str = "counterfoil.digest/1";
/// The schema name every heartbeat carries.
pub const HEARTBEAT_SCHEMA: &str = "counterfoil.heartbeat/1";
/// The schema name every checkpoint carries.
pub const CHECKPOINT_SCHEMA: &str = "counterfoil.checkpoint/1";

/// What kind of change an event tells, in the words of OCSF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// The finding is new.
    Create,
    /// The finding is known, and something about it that matters changed.
    Update,
    /// The finding is resolved.
    Close,
}

impl Activity {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Close => "close",
        }
    }
}

/// Where a finding is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It holds, and somebody has to do something.
    Open,
    /// It holds, and a valid exception accepts it for a time.
    Accepted,
    /// It no longer holds.
    Resolved,
}

impl State {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Open, Self::Accepted, Self::Resolved];

    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Resolved => "resolved",
        }
    }
}

/// Why an event is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Seen for the first time.
    Detected,
    /// Severity, request, standing or who answers changed.
    Changed,
    /// It was resolved, and is there again.
    Reopened,
    /// It changed so often that it is held open and said no more until it is quiet.
    Flapping,
    /// An exception accepts it.
    Suppressed,
    /// The exception that accepted it ended, was withdrawn or cannot be read.
    ExceptionEnded,
    /// The grant grew beyond what the exception accepted.
    ExceptionOutgrown,
    /// Resolved: the access is gone.
    Revoked,
    /// Resolved: the access is still there, and an approval now covers it.
    Approved,
    /// Resolved: the records no longer show what was wrong.
    SourceChanged,
    /// Resolved: the check was switched off.
    CheckOff,
}

impl Cause {
    /// The word used in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Changed => "changed",
            Self::Reopened => "reopened",
            Self::Flapping => "flapping",
            Self::Suppressed => "suppressed",
            Self::ExceptionEnded => "exception-ended",
            Self::ExceptionOutgrown => "exception-outgrown",
            Self::Revoked => "revoked",
            Self::Approved => "approved",
            Self::SourceChanged => "source-changed",
            Self::CheckOff => "check-off",
        }
    }
}

/// One thing that happened to one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event<'a> {
    /// Always [`EVENT_SCHEMA`].
    pub schema: Cow<'a, str>,
    /// `e1:` and a hash of the finding's id, its episode and the event's number: the same on every retry.
    pub id: String,
    /// What kind of change.
    pub activity: Activity,
    /// Why it is told.
    pub cause: Cause,
    /// Where the finding is now.
    pub state: State,
    /// How often the finding has come (1: never resolved and back).
    pub episode: u32,
    /// The number of this event in the finding's life, from 1, over all episodes. What arrives out of order can be
    /// put in order by it.
    pub seq: u32,
    /// When the finding was first seen, over all episodes.
    pub first_seen: Instant,
    /// When this happened.
    pub time: Instant,
    /// The run that found it.
    pub run: u64,
    /// Whether the finding was there when Counterfoil first looked: then nothing new happened, and nobody need be woken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub initial: bool,
    /// The finding as it is now; for a resolved one, as it last was.
    pub finding: Finding<'a>,
}

/// The id of the event with this number in the life of a finding: `e1:` and lower-case hex SHA-256 of
/// `["FINDING",EPISODE,SEQ]`.
#[must_use]
pub fn event_id(finding: &str, episode: u32, seq: u32) -> String {
    // A finding's id holds no sign that JSON would escape.
    hashed("e1:", &format!("[\"{finding}\",{episode},{seq}]"))
}

/// `PREFIX` and the lower-case hex SHA-256 of a text.
#[must_use]
pub fn hashed(prefix: &str, text: &str) -> String {
    let mut id = String::with_capacity(prefix.len() + 64);
    id.push_str(prefix);
    push_hash(text, &mut id);
    id
}

/// Appends the lower-case hex SHA-256 of a text.
pub fn push_hash(text: &str, out: &mut String) {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut hex = [[0; 2]; 32];
    for (pair, byte) in hex.iter_mut().zip(digest) {
        // Both digits at once, each in a byte of its own; letters come 39 signs after `9`.
        let nibbles = u16::from(byte >> 4) | u16::from(byte & 15) << 8;
        let letters = (nibbles + 0x0606) >> 4 & 0x0101;
        *pair = (nibbles + 0x3030 + letters * 39).to_le_bytes();
    }
    let hex = hex.as_flattened();
    out.push_str(std::str::from_utf8(hex).unwrap_or_default());
}

/// The first eight bytes of the SHA-256 of a text, as a number.
#[must_use]
pub fn start_of_hash(text: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// How many findings there are, of what kind and on whose desk: what people are told after the first run, in place of
/// an alert for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Digest {
    /// Always [`DIGEST_SCHEMA`].
    pub schema: String,
    /// The same on every retry.
    pub id: String,
    /// As of when.
    pub time: Instant,
    /// The run it sums up.
    pub run: u64,
    /// Open findings by severity (`critical`, `high`, `medium`, `low`).
    pub by_severity: BTreeMap<Severity, u64>,
    /// Open findings by check.
    pub by_check: BTreeMap<String, u64>,
    /// Open findings by who answers first, most first, at most twenty; an office that nobody holds is `null`.
    pub by_owner: Vec<Desk>,
    /// Grants that are justified.
    pub justified: u64,
    /// All grants.
    pub grants: u64,
}

/// How much lies on one desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Desk {
    /// Who; `null` where nobody holds the office.
    pub identity: Option<String>,
    /// How many findings.
    pub findings: u64,
}

/// That Counterfoil is alive, and whether what it looks at is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// Always [`HEARTBEAT_SCHEMA`].
    pub schema: String,
    /// The same on every retry.
    pub id: String,
    /// When it was made.
    pub time: Instant,
    /// The version of the program.
    pub version: String,
    /// The last finished run and its end; `null` before the first.
    pub last_run: Option<Instant>,
    /// Open findings by severity.
    pub open: BTreeMap<Severity, u64>,
    /// Sources that are stale, partial, failed or held, by id, with the reason.
    pub doubtful_sources: BTreeMap<String, String>,
    /// Messages to this sink that wait, and that were given up.
    pub waiting: u64,
    /// Messages to this sink that it refused for good.
    pub dead: u64,
    /// How long after this the next one is due at the latest, in seconds: a receiver that hears nothing for longer
    /// should raise the alarm.
    pub next_within_s: u64,
}

/// How far the evidence log went, signed: whoever keeps it can tell later whether what was written until then is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// Always [`CHECKPOINT_SCHEMA`].
    pub schema: String,
    /// The same on every retry.
    pub id: String,
    /// When it was made.
    pub time: Instant,
    /// The log: the name of its key.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The root of their tree (RFC 6962), in base64.
    pub root: String,
    /// The checkpoint as it was signed, in the form of <https://c2sp.org/tlog-checkpoint>.
    pub note: String,
}

/// Events that are told together: one message for fifty grants of one bad ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What they have in common, the same from run to run: `g1:` and a hash of check and request, say.
    pub key: String,
    /// How many findings of the group are open now; none: the whole of it is resolved.
    pub open: u64,
}

/// What one message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice<'a> {
    /// One event or, for sinks that people read, all of one group.
    Events {
        /// In the order in which they happened.
        events: Vec<Event<'a>>,
        /// What they have in common; none for an event that is told alone.
        group: Option<Group>,
    },
    /// Where everything stands after the first run.
    Digest(Digest),
    /// A sign of life.
    Heartbeat(Heartbeat),
    /// How far the evidence log went.
    Checkpoint(Checkpoint),
}

/// One message to one sink: what is sent, retried and receipted as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// The same on every retry: of an event told alone the event's id, of a notice its own.
    pub id: String,
    /// When it was made.
    pub time: Instant,
    /// What it says.
    pub notice: Notice<'a>,
}

impl Message<'_> {
    /// The worst severity it tells of; `None` when it tells of no finding.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        match &self.notice {
            Notice::Events { events, .. } => events.iter().map(|e| e.finding.severity).max(),
            Notice::Digest(_) | Notice::Heartbeat(_) | Notice::Checkpoint(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_a_hash_of_what_tells_it_apart() {
        let id = event_id("f1:ab", 1, 2);
        assert_eq!(id, hashed("e1:", r#"["f1:ab",1,2]"#));
        assert_eq!(id.len(), 3 + 64);
        assert!(
            id != event_id("f1:ab", 2, 2) && id != event_id("f1:ab", 1, 3) && id != event_id("f1:ac", 1, 2)
        );
    }
}
