//! How full the outbox is, and what of it was given up: for those who look after it.

use crate::model::Instant;

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
