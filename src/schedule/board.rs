//! Which of several jobs are due. The last slot done of each goes in and out as data, so that it can be stored.

use std::collections::BTreeMap;

use crate::model::Instant;

use super::Schedule;

/// Several jobs, each with the last of its slots that is done.
#[derive(Debug, Clone, Default)]
pub struct Board {
    jobs: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    schedule: Schedule,
    last: Option<Instant>,
}

/// A job, and the slot for which it is to run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The name of its schedule.
    pub name: String,
    /// The slot, for [`Board::done`]. Not the time it runs at: that may be later.
    pub slot: Instant,
}

/// A job whose last slot lay so far in the future that the clock must have been set back since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBack {
    /// The name of its schedule.
    pub name: String,
    /// The last slot as it was; it counts as done now.
    pub last: Instant,
}

/// What is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// What is to run, the earliest slot first; a job at most once, however many of its slots were missed.
    pub jobs: Vec<Job>,
    /// Jobs that would have kept still until the clock is where it once was. Each is said once.
    pub set_back: Vec<SetBack>,
}

impl Board {
    /// These jobs, with the last slots as [`Board::state`] gave them. What it says of jobs that are no more is dropped; a
    /// job it does not know never ran, and is due at once. Of two schedules of one name the later counts.
    #[must_use]
    pub fn new(schedules: impl IntoIterator<Item = Schedule>, state: &BTreeMap<String, Instant>) -> Self {
        let entry = |schedule: Schedule| {
            let last = state.get(schedule.name()).copied();
            (schedule.name().to_owned(), Entry { schedule, last })
        };
        Self { jobs: schedules.into_iter().map(entry).collect() }
    }

    /// What is due. A job stays due until [`Board::done`] is told, so whoever runs it must know that it is running.
    pub fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        for (name, entry) in &mut self.jobs {
            if let Some(last) = entry.last.filter(|last| entry.is_too_far_ahead(*last, now)) {
                due.set_back.push(SetBack { name: name.clone(), last });
                entry.last = Some(now);
            }
            if let Some(slot) = entry.due(now) {
                due.jobs.push(Job { name: name.clone(), slot });
            }
        }
        due.jobs.sort_by_key(|job| job.slot);
        due
    }

    /// The slots of a job between the last that was done and this one, which stands for them all; the latest, at most so many.
    #[must_use]
    pub fn missed(&self, name: &str, slot: Instant, most: usize) -> Vec<Instant> {
        let Some((entry, last)) = self.jobs.get(name).and_then(|entry| Some((entry, entry.last?))) else {
            return vec![];
        };
        let before = |slot: &Instant| {
            let end = Instant::from_unix_ms(slot.unix_ms().saturating_sub(1));
            entry.schedule.last_due(last, end).filter(|earlier| earlier < slot)
        };
        std::iter::successors(before(&slot), before).take(most).collect()
    }

    /// When [`Board::due`] will next have something to say: `now` when it has already, `None` when it never will.
    #[must_use]
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        let wake = |entry: &Entry| match entry.last {
            Some(last) if entry.is_too_far_ahead(last, now) => Some(now),
            _ if entry.due(now).is_some() => Some(now),
            Some(last) => entry.schedule.next_after(last.max(now)),
            None => entry.schedule.next_after(now),
        };
        self.jobs.values().filter_map(wake).min()
    }

    /// A slot is done, and with it all before it. A job of another name is passed over.
    pub fn done(&mut self, name: &str, slot: Instant) {
        if let Some(entry) = self.jobs.get_mut(name) {
            entry.last = entry.last.max(Some(slot));
        }
    }

    /// The last slot done of every job that ever ran.
    #[must_use]
    pub fn state(&self) -> BTreeMap<String, Instant> {
        self.jobs.iter().filter_map(|(name, entry)| Some((name.clone(), entry.last?))).collect()
    }
}

impl Entry {
    fn due(&self, now: Instant) -> Option<Instant> {
        match self.last {
            Some(last) => self.schedule.last_due(last, now),
            None => self.schedule.latest_until(now),
        }
    }

    /// Whether the last slot is further ahead than its next slot is from it. One period is tolerated: clocks are put
    /// right by seconds all the time, and a slot that was just done must not run again for that.
    fn is_too_far_ahead(&self, last: Instant, now: Instant) -> bool {
        let ahead = last.since(now).filter(|ahead| ahead.ms() > 0);
        let period = self.schedule.next_after(last).and_then(|next| next.since(last));
        ahead.is_some_and(|ahead| period.is_none_or(|period| ahead > period))
    }
}
