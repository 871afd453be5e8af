//! How Counterfoil is, as whoever runs it last said.

use std::sync::{PoisonError, RwLock};

use serde::Serialize;

use super::Metrics;

/// How many reasons are kept, and how many characters of each: they are read by people.
const MAX_REASONS: usize = 50;
const MAX_REASON: usize = 300;

/// How Counterfoil is. Shared between the one who says so and those who ask.
#[derive(Debug)]
pub struct Status {
    readiness: RwLock<Readiness>,
    /// The metrics.
    pub metrics: Metrics,
}

/// Whether Counterfoil does its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    ready: bool,
    reasons: Vec<String>,
}

impl Readiness {
    /// It does, unless there is a reason why not: a store that cannot be written, a source that is stale.
    #[must_use]
    pub fn new(reasons: impl IntoIterator<Item = String>) -> Self {
        let short = |reason: String| match reason.char_indices().nth(MAX_REASON) {
            Some((at, _)) => format!("{}…", reason.get(..at).unwrap_or("")),
            None => reason,
        };
        let mut reasons: Vec<String> = reasons.into_iter().map(short).collect();
        let all = reasons.len();
        if all > MAX_REASONS {
            reasons.truncate(MAX_REASONS);
            reasons.push(format!("and {} more", all - MAX_REASONS));
        }
        Self { ready: reasons.is_empty(), reasons }
    }

    /// Whether there is no reason why not.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Why it does not; each a sentence for people.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl Status {
    /// At the start: not ready, since nothing has been done yet. `version` is for the metrics.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let starting = "it has just started and has not finished a run yet".to_owned();
        Self { readiness: RwLock::new(Readiness::new([starting])), metrics: Metrics::new(version) }
    }

    /// Says anew whether Counterfoil does its work.
    pub fn set_readiness(&self, readiness: Readiness) {
        *self.readiness.write().unwrap_or_else(PoisonError::into_inner) = readiness;
    }

    /// What was last said.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
