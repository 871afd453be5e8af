//! What a log is to whoever reads it: entries in their order, and what is kept beside them.

use super::tree::{Frontier, Node, Place};
use crate::model::Instant;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something happened to a finding; the text is the event as programs are told it.
    Event,
    /// A run ended; the text is its manifest.
    Run,
    /// Somebody did something; the text is the action.
    Action,
}

impl Kind {
    /// All kinds, in the order of the numbers under which they are kept.
    pub const ALL: [Self; 3] = [Self::Event, Self::Run, Self::Action];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Run => "run",
            Self::Action => "action",
        }
    }
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its place, from 0.
    pub index: u64,
    /// What it is.
    pub kind: Kind,
    /// The row of its text: of events and runs it grows from entry to entry.
    pub row: i64,
    /// The hash of its text, as the tree holds it.
    pub hash: Node,
    /// The entry that says that its text was forgotten.
    pub forgotten: Option<u64>,
    /// Its text, where that is there.
    pub text: Option<&'a str>,
    /// Of an event its id and its run.
    pub event: Option<(&'a str, u64)>,
}

/// A checkpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The size under which it is kept.
    pub size: u64,
    /// When it was made.
    pub at: Instant,
    /// The note, or the bare text where nobody signed it.
    pub note: String,
}

/// An exception that is in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InForce {
    /// The finding.
    pub finding: String,
    /// Who accepted it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Instant,
}

/// A log that can be read from its beginning to its end. All answers are of one moment.
pub trait Log {
    /// Why it could not be read.
    type Error;

    /// The tree as it is kept.
    ///
    /// # Errors
    /// When the log cannot be read, or what is kept is no tree.
    fn frontier(&self) -> Result<Frontier, Self::Error>;

    /// Shows every entry, in order.
    ///
    /// # Errors
    /// As [`Log::frontier`].
    fn entries(&self, show: &mut dyn FnMut(Entry<'_>)) -> Result<(), Self::Error>;

    /// The hash of a perfect subtree, where it is kept: entries, and every eighth level above them.
    ///
    /// # Errors
    /// As [`Log::frontier`].
    fn kept(&self, place: Place) -> Result<Option<Node>, Self::Error>;

    /// The checkpoints, by size.
    ///
    /// # Errors
    /// As [`Log::frontier`].
    fn checkpoints(&self) -> Result<Vec<Kept>, Self::Error>;

    /// Events and finished runs that no entry speaks of, at most so many, each in words.
    ///
    /// # Errors
    /// As [`Log::frontier`].
    fn strays(&self, limit: usize) -> Result<Vec<String>, Self::Error>;

    /// The exceptions in force.
    ///
    /// # Errors
    /// As [`Log::frontier`].
    fn exceptions(&self) -> Result<Vec<InForce>, Self::Error>;
}
