//! When a job is due: every so often, or by cron in a time zone, shifted a little so that not everything runs at once.
//!
//! Nothing here reads a clock or waits. A [`Schedule`] answers which slot comes after an instant and which was the last
//! one up to it; a [`Board`] keeps the last slot done of several jobs. However long the program slept, what it missed is
//! one slot, the latest, and finding it takes one search, not a walk over all that was missed.
//!
//! In a time zone that sets its clock forward and back, a job with exactly one time in the day runs exactly once a day:
//! a time that is left out runs at the first instant after the gap, one that comes twice runs at the first. A job with
//! several times a day (`*/15 * * * *`, `30 1,2 * * *`) follows the clock on the wall: what is left out is left out, and
//! what comes twice runs twice.

mod board;
mod cron;

pub use board::{Board, Due, Job, SetBack};

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::model::{Duration, Instant};
use cron::Cron;

/// How often a job may run at most.
const SHORTEST: Duration = Duration::minutes(1);
/// How far apart two runs may be: a job that comes less often is a date, not a schedule.
const LONGEST: Duration = Duration::days(366);
/// How far jitter may shift a job.
const WIDEST_JITTER: Duration = Duration::days(1);

/// When something runs: exactly one of `every` and `cron`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table: { every = \"PT1H\" } or { cron = \"0 3 * * *\" }")]
pub struct Cadence {
    /// How far apart two runs are, as an ISO 8601 duration from `PT1M` to `P366D`. Counted from 1970-01-01T00:00:00Z, so
    /// that it is the same after every start: `PT1H` is every full hour.
    #[schemars(with = "Option<String>")]
    pub every: Option<Duration>,
    /// Five fields: minute, hour, day of the month, month, day of the week (0 or 7 is Sunday); or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`.
    pub cron: Option<String>,
    /// The time zone in which `cron` is read, such as `Europe/Berlin`; `UTC` when absent.
    pub time_zone: Option<String>,
    /// Shifts the job by up to this much (ISO 8601, at most `P1D`, and less than `every`). How much follows from the
    /// job's name, so that it is always the same for one job and different for different ones. Not shifted when absent.
    #[schemars(with = "Option<String>")]
    pub jitter: Option<Duration>,
}

/// Why a cadence cannot be used: which job, which setting, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleError(String);

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScheduleError {}

/// The slots of one job: instants at which it is to run.
///
/// ```
/// use counterfoil::model::Instant;
/// use counterfoil::schedule::{Cadence, Schedule};
/// let cadence = Cadence { cron: Some("30 6 * * 1-5".into()), time_zone: Some("Europe/Berlin".into()), ..Cadence::default() };
/// let schedule = Schedule::new("pull jira", &cadence)?;
/// let friday: Instant = "2026-05-01T12:00:00+02:00".parse()?;
/// assert_eq!(schedule.next_after(friday), Some("2026-05-04T06:30:00+02:00".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    name: String,
    beat: Beat,
    /// How much later than its beat it runs, in milliseconds.
    shift: i64,
}

#[derive(Debug, Clone)]
enum Beat {
    /// Milliseconds, at least one.
    Every(i64),
    Cron(Box<Cron>),
}

impl Schedule {
    /// The schedule of the job of this name.
    ///
    /// # Errors
    /// When the cadence has not exactly one of `every` and `cron`, one of its values is out of range or unknown, or the
    /// cron names a day that never comes.
    pub fn new(name: &str, cadence: &Cadence) -> Result<Self, ScheduleError> {
        let wrong = |what: &dyn fmt::Display| ScheduleError(format!("the schedule of `{name}`: {what}"));
        let jitter = cadence.jitter.unwrap_or_default();
        if jitter > WIDEST_JITTER {
            return Err(wrong(&format_args!("`jitter` = {jitter}: expected at most {WIDEST_JITTER}")));
        }
        let beat = match (cadence.every, &cadence.cron) {
            (Some(every), None) => {
                if !(SHORTEST..=LONGEST).contains(&every) {
                    return Err(wrong(&format_args!(
                        "`every` = {every}: expected {SHORTEST} to {LONGEST}; a longer time is a job for `cron`"
                    )));
                }
                if cadence.time_zone.is_some() {
                    return Err(wrong(&"`time_zone` belongs to `cron`; `every` counts in UTC"));
                }
                if jitter >= every {
                    return Err(wrong(&format_args!(
                        "`jitter` = {jitter}: expected less than `every`, which is {every}"
                    )));
                }
                Beat::Every(every.ms())
            }
            (None, Some(text)) => {
                let zone = cadence.time_zone.as_deref().unwrap_or("UTC");
                Beat::Cron(Box::new(Cron::new(text, zone).map_err(|e| wrong(&e))?))
            }
            (None, None) => {
                return Err(wrong(&"neither `every` nor `cron`; say `every = \"PT1H\"`, for example"));
            }
            (Some(_), Some(_)) => return Err(wrong(&"both `every` and `cron`; keep one of them")),
        };
        Ok(Self { name: name.to_owned(), beat, shift: shift(name, jitter) })
    }

    /// The name of the job.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first slot after an instant; `None` when the calendar ends before it.
    #[must_use]
    pub fn next_after(&self, t: Instant) -> Option<Instant> {
        let t = t.unix_ms() - self.shift;
        let slot = match &self.beat {
            Beat::Every(ms) => (t.div_euclid(*ms) + 1) * ms,
            Beat::Cron(cron) => cron.next_after(t)?,
        };
        within(slot + self.shift)
    }

    /// The latest slot up to and including an instant; `None` when the calendar starts after it.
    #[must_use]
    pub fn latest_until(&self, t: Instant) -> Option<Instant> {
        let t = t.unix_ms() - self.shift;
        let slot = match &self.beat {
            Beat::Every(ms) => t.div_euclid(*ms) * ms,
            Beat::Cron(cron) => cron.latest_until(t)?,
        };
        within(slot + self.shift)
    }

    /// The latest slot after `after` and not after `now`: the one run in place of all that were missed. `None` when there
    /// is none, and when `after` is not before `now`, as it is once the clock was set back.
    #[must_use]
    pub fn last_due(&self, after: Instant, now: Instant) -> Option<Instant> {
        if after >= now {
            return None;
        }
        self.latest_until(now).filter(|slot| *slot > after)
    }
}

/// An instant, unless the calendar does not reach there.
fn within(ms: i64) -> Option<Instant> {
    Some(Instant::from_unix_ms(ms)).filter(|slot| slot.unix_ms() == ms)
}

/// How far the job of this name is shifted, in milliseconds: whole seconds, at least none and less than `window`. Comes
/// from a hash that is the same in every version and on every machine.
fn shift(name: &str, window: Duration) -> i64 {
    let window = window.ms() / 1000;
    let bytes = Sha256::digest(name.as_bytes());
    let number = bytes.iter().take(7).fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    number.checked_rem(window).unwrap_or(0) * 1000
}
