//! What waits in the outbox and what becomes of it; how full it is, and what was given up, for those who look after it.

use crate::model::Instant;
use crate::model::event::Group;

/// A message in the outbox, with what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The rows it is made of.
    pub rows: Vec<i64>,
    /// The message's id, the same on every retry.
    pub message: String,
    /// When it was made.
    pub at: Instant,
    /// How often it was tried.
    pub attempts: u32,
    /// What it says.
    pub content: Content,
}

/// What a message in the outbox says, as JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Events, in their order.
    Events {
        /// Each event.
        bodies: Vec<String>,
        /// What they have in common.
        group: Option<Group>,
    },
    /// A digest or a sign of life.
    Notice {
        /// `digest`, `heartbeat` or `checkpoint`.
        kind: String,
        /// As JSON.
        body: String,
    },
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Delivered: forget it.
    Delivered,
    /// To be tried again then.
    Retry {
        /// When.
        at: Instant,
        /// Why it was not taken.
        reason: String,
    },
    /// Given up: kept for a person to look at.
    Dead {
        /// Why.
        reason: String,
    },
}

/// How full the outbox of one sink is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxCount {
    /// The sink.
    pub sink: String,
    /// Rows that wait to be sent, muted ones not counted.
    pub waiting: u64,
    /// Rows given up.
    pub dead: u64,
    /// When the oldest that waits was made.
    pub oldest: Option<Instant>,
}

/// A row that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The row.
    pub row: i64,
    /// The sink.
    pub sink: String,
    /// The message's id.
    pub message: String,
    /// The finding, where it is about one.
    pub finding: Option<String>,
    /// When it was made.
    pub at: Instant,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was given up.
    pub reason: String,
}
