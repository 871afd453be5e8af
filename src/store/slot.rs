//! Slots: the instants at which jobs are due, and what became of each. Whoever does a job may die in it; the next one sees
//! here what was begun and not ended.

use crate::model::Instant;

/// How many slots that nobody ran are written down when a job is late: the latest of them.
pub const MISSED: usize = 100;

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotState {
    /// Its time has come.
    Due,
    /// It is being run.
    Running,
    /// It was run: what it did and this are one step.
    Done,
    /// Nobody ran it, and a later slot of its job stands for it.
    Missed,
}

impl SlotState {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Due, Self::Running, Self::Done, Self::Missed];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Running => "running",
            Self::Done => "done",
            Self::Missed => "missed",
        }
    }
}

/// A slot of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The name of the job's schedule.
    pub job: String,
    /// When it is due.
    pub slot: Instant,
    /// What became of it.
    pub state: SlotState,
    /// In which term of leadership that was said; 0 where nobody else can lead.
    pub epoch: u64,
    /// When.
    pub at: Instant,
}
