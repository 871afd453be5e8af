//! What is remembered of a finding from run to run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{Cause, State};
use super::finding::{Severity, Standing};
use super::record::RecordType;
use super::time::{Duration, Instant};

/// A finding in memory: where it is in its life, and what was last said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// The finding's id.
    pub id: String,
    /// The token of the name it is judged under; 0 for findings about sources, which are judged in every run.
    pub home: i64,
    /// The check.
    pub check: String,
    /// The system it is about, where it is about one.
    pub system: Option<String>,
    /// The source, where it is about one.
    pub source: Option<String>,
    /// The account, where it is about a grant.
    pub account: Option<String>,
    /// Whose access it is, where it is about a grant.
    pub subject: Option<String>,
    /// Source and id of the request it rests on, where it rests on one.
    pub request: Option<(String, String)>,
    /// The key of the grant it is about, where it is about one.
    pub grant: Option<[u8; 16]>,
    /// The severity last told.
    pub severity: Severity,
    /// The standing last told.
    pub standing: Option<Standing>,
    /// Where it is.
    pub state: State,
    /// How often it has come, from 1.
    pub episode: u32,
    /// The number of the last event, from 1, over all episodes.
    pub seq: u32,
    /// When it was first seen, over all episodes.
    pub first_seen: Instant,
    /// When the last event happened.
    pub changed_at: Instant,
    /// A hash of what was last told that matters: severity, request, standing, who answers.
    pub material: [u8; 16],
    /// In how many runs in a row that could have shown it it was not there; 0 when it was there last.
    pub absent: u32,
    /// The last run that counted it as absent.
    pub absent_run: u64,
    /// When it last changed, latest last, as far back as flapping looks.
    pub changes: Vec<Instant>,
    /// Until when it is held open because it flaps; none when it does not.
    pub quiet_at: Option<Instant>,
    /// What accepts it, while it is accepted; what accepted it last, where that was outgrown.
    pub acceptance: Option<Acceptance>,
    /// Why the last event was told.
    pub cause: Cause,
    /// Who answers first.
    pub owner: Option<String>,
    /// What it has in common with others that are told together with it; none when it is told alone.
    pub group: Option<String>,
    /// The sinks that were told of it in this episode.
    pub told: Vec<String>,
    /// The finding as JSON, as it last was, its `now` left at the earliest instant.
    pub body: String,
}

/// What accepts a finding for a time, and what it was when that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when, exclusive.
    pub until: Instant,
    /// How bad it was then.
    pub severity: Severity,
    /// How the grant stood then.
    pub standing: Option<Standing>,
}

/// Where a source is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceState {
    /// Its id.
    pub id: String,
    /// The run that took its last good snapshot.
    pub good_run: Option<u64>,
    /// When that snapshot was taken.
    pub taken_at: Option<Instant>,
    /// Whether that snapshot was complete.
    pub complete: bool,
    /// Records of that snapshot.
    pub records: u64,
    /// SHA-256 of that snapshot, records in their stored form, in the order of their keys.
    pub sha256: String,
    /// When it was last tried.
    pub tried_at: Option<Instant>,
    /// Why the last try did not give a good snapshot; none when it did.
    pub trouble: Option<Trouble>,
    /// The number of records up to which, and from which on, somebody has approved a change.
    pub approved: Option<u64>,
}

/// How far what a source shows, and does not show, can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'s> {
    /// The last try did not give a good snapshot.
    Troubled(&'s Trouble),
    /// It never gave one.
    NeverRead,
    /// The last one is too old; when it was taken.
    Stale(Instant),
    /// The last one was not complete.
    Incomplete,
    /// The last one is complete, and not too old.
    Fresh,
}

impl SourceState {
    /// How it is at an instant; `max_age` is how old a snapshot may be.
    #[must_use]
    pub fn condition(&self, max_age: Duration, now: Instant) -> Condition<'_> {
        match (&self.trouble, self.taken_at) {
            (Some(trouble), _) => Condition::Troubled(trouble),
            (None, None) => Condition::NeverRead,
            (None, Some(taken)) if taken.plus(max_age) <= now => Condition::Stale(taken),
            (None, Some(_)) if !self.complete => Condition::Incomplete,
            (None, Some(_)) => Condition::Fresh,
        }
    }
}

/// Why the last try of a source did not give a good snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Trouble {
    /// It could not be read.
    Failed {
        /// Why.
        reason: String,
    },
    /// It broke off or was not whole, and there is an earlier snapshot that was.
    Partial {
        /// Why.
        reason: String,
    },
    /// So much changed at once that somebody must look first.
    Held {
        /// The run that pulled it; what `approve --run` names.
        run: u64,
        /// Records of the last good snapshot.
        before: u64,
        /// Records of the one that is held.
        now: u64,
        /// What is so much.
        reason: String,
    },
}

impl Trouble {
    /// Why, in words.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Failed { reason } => format!("the last pull failed: {reason}"),
            Self::Partial { reason } => {
                format!("the last pull was not complete and was left aside: {reason}")
            }
            Self::Held { run, reason, .. } => {
                format!(
                    "the pull of run {run} is held back: {reason}; approve it if that is right: counterfoil approve --run {run}"
                )
            }
        }
    }

    /// The word for it in metrics and lists.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::Partial { .. } => "partial",
            Self::Held { .. } => "held",
        }
    }
}

/// How one pull differs from the last good one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// By record type.
    pub of: BTreeMap<RecordType, Counts>,
}

/// Records of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In the last good snapshot.
    pub before: u64,
    /// In this one.
    pub now: u64,
    /// New.
    pub added: u64,
    /// Gone.
    pub removed: u64,
    /// Still there, and not the same.
    pub changed: u64,
}

impl Difference {
    /// Records of all types but end marks, which are new in every pull.
    #[must_use]
    pub fn total(&self) -> Counts {
        let records = self.of.iter().filter(|(kind, _)| **kind != RecordType::Snapshot);
        records.fold(Counts::default(), |a, (_, b)| Counts {
            before: a.before + b.before,
            now: a.now + b.now,
            added: a.added + b.added,
            removed: a.removed + b.removed,
            changed: a.changed + b.changed,
        })
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let t = self.total();
        t.added + t.removed + t.changed == 0
    }
}
