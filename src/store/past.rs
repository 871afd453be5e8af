//! Runs, and how far back what was known is kept.

use crate::model::Instant;

/// A finished or interrupted run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its number.
    pub id: u64,
    /// When it began.
    pub started_at: Instant,
    /// When it ended; `None` when it never did.
    pub ended_at: Option<Instant>,
    /// What was done, as JSON.
    pub manifest: Option<String>,
}

/// From when on everything is known as it was; what is older may have been forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// The first run after which all records are known.
    pub first_run: u64,
    /// From when on all events and runs are known.
    pub since: Instant,
}

/// What is older than this may be forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Record versions that ended, resolved findings, events and runs before this.
    pub before: Instant,
}
