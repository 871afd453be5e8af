//! What a run did, for its manifest, the log and whoever asked for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Instant;
use crate::model::event::{Activity, hashed};
use crate::model::finding::{Outcome, Severity};
use crate::model::life::Difference;

/// What came of the pull of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum PullOutcome {
    /// It is the last good snapshot now.
    Taken {
        /// How it differs from the one before.
        difference: Difference,
        /// SHA-256 of the snapshot.
        sha256: String,
    },
    /// It was not whole, and was left aside.
    Partial {
        /// Why.
        reason: String,
    },
    /// It changes too much at once, and is held.
    Held {
        /// The run to approve: the first of those whose pulls were like this one.
        run: u64,
        /// Why.
        reason: String,
        /// How it differs.
        difference: Difference,
    },
    /// It could not be read.
    Failed {
        /// Why.
        reason: String,
    },
    /// It is no longer configured, and its records have ended.
    Retired,
}

/// One source in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// Its id.
    pub id: String,
    /// When its export was taken.
    pub taken_at: Option<Instant>,
    /// How it was read: the connector, and by which way. `None` where an earlier version read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: PullOutcome,
}

/// What a run did. Chained: each names the hash of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The run.
    pub run: u64,
    /// The instant it speaks of.
    pub now: Instant,
    /// Whether it was the first that was ever finished.
    pub first: bool,
    /// Whether it judged; otherwise it only took in pulls.
    pub judged: bool,
    /// Whether everything was judged, because settings or doubts changed.
    pub judged_all: bool,
    /// What everything was judged with, and which absences proved nothing.
    #[serde(skip)]
    pub facts: Vec<(String, String)>,
    /// A hash of what everything was judged with.
    pub configuration: Option<String>,
    /// By which name the terms it judged by are kept; `None` where it did not judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// How many grants were justified, unjustified and not known when it had judged.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<Outcome, u64>,
    /// The sources that were pulled, or retired.
    pub sources: Vec<SourceLine>,
    /// Homes that were judged.
    pub homes: u64,
    /// Grants that were judged.
    pub grants: u64,
    /// Events, by activity.
    pub events: BTreeMap<String, u64>,
    /// New findings, by severity.
    pub created: BTreeMap<Severity, u64>,
    /// Findings that kept still because a source is in doubt.
    pub frozen: u64,
    /// Findings that are there and are not told while a source is in doubt, as JSON; for whoever looks, not for the log.
    #[serde(skip)]
    pub still: Vec<String>,
    /// The hash of the manifest before this.
    pub previous: Option<String>,
}

impl Manifest {
    pub(super) fn new(run: u64, now: Instant, first: bool, previous: Option<String>) -> Self {
        Self {
            run,
            now,
            first,
            judged: false,
            judged_all: first,
            facts: vec![],
            configuration: None,
            terms: None,
            outcomes: BTreeMap::new(),
            sources: vec![],
            homes: 0,
            grants: 0,
            events: BTreeMap::new(),
            created: BTreeMap::new(),
            frozen: 0,
            still: vec![],
            previous,
        }
    }

    pub(super) fn count(&mut self, activity: Activity) {
        *self.events.entry(activity.as_str().to_owned()).or_default() += 1;
    }

    /// How many events of all kinds.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.events.values().sum()
    }

    /// The hash by which the next manifest names this one.
    #[must_use]
    pub fn hash(&self) -> String {
        hashed("r1:", &serde_json::to_string(self).unwrap_or_default())
    }
}
