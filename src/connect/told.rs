//! What a pull is told, and what it tells.

use std::path::PathBuf;

/// What the caller decides about a pull.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Id of the source: what records carry as `source`.
    pub source: String,
    /// When the export was taken, RFC 3339 with an offset: what records carry as `observed_at`.
    pub taken_at: String,
    /// Pass over bad rows, count them, and call the pull incomplete.
    pub skip_bad_rows: bool,
    /// The program that serves as [`worker`](super::map::worker) for a map that was not shipped with this one. Without
    /// it such a map runs here, and nothing stops it.
    pub worker: Option<PathBuf>,
}

/// How far a pull has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file being read.
    pub file: &'a str,
    /// Bytes read from it so far (each file is read more than once).
    pub bytes: u64,
    /// Its size on disk.
    pub size: u64,
    /// Rows of all files so far.
    pub rows: u64,
    /// Records handed on so far.
    pub records: u64,
}

/// What came of a pull.
#[derive(Debug, Clone, Default)]
pub struct PullSummary {
    /// Rows read.
    pub rows: u64,
    /// Records handed on, the end mark not counted.
    pub records: u64,
    /// Rows passed over as bad.
    pub bad_rows: u64,
    /// The first of them, as messages with their place.
    pub rejects: Vec<String>,
    /// Parts that fitted no record.
    pub orphans: u64,
    /// Requests that were made.
    pub requests: u64,
    /// Why the pull is not complete; empty when it is.
    pub reasons: Vec<String>,
}
