//! Cron in a time zone, by `croner`, which searches over any calendar that answers a few questions; here the calendar is
//! that of `jiff`, with the time zones built into the program, so that the same slots come out on every machine.

use std::cmp::Ordering;
use std::sync::LazyLock;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Direction, Resolution, Weekday};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// How long the text may be.
const LONGEST_TEXT: usize = 200;
const HOUR: i64 = 3600;
/// Hours the search is moved on when it stops at a gap; the longest ever, where the date line was moved, had 24.
const HOURS_ACROSS_A_GAP: i64 = 30;

/// A cron and its time zone.
#[derive(Debug, Clone)]
pub struct Cron {
    cron: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    /// Reads five fields, or one of the words with `@`.
    pub fn new(text: &str, zone: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(LONGEST_TEXT).collect();
        if shown.len() != text.len() {
            return Err(format!("`cron` = `{shown}…`: expected at most {LONGEST_TEXT} characters"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|e| {
            format!(
                "`cron` = `{shown}`: {e}; expected minute, hour, day of the month, month and day of the week, \
                 such as `17 */2 * * 1-5`, or one of @hourly, @daily, @weekly, @monthly, @yearly"
            )
        })?;
        let zone = match zone {
            "UTC" => TimeZone::UTC,
            name => ZONES.get(name).map_err(|_| {
                format!("`time_zone` = `{name}`: there is no such zone; expected one such as Europe/Berlin")
            })?,
        };
        let this = Self { cron, zone };
        match this.search(0, Direction::Forward, false) {
            Ok(_) => Ok(this),
            Err(_) => Err(format!("`cron` = `{shown}`: no such day ever comes")),
        }
    }

    /// The first slot after an instant, both in milliseconds since 1970.
    pub fn next_after(&self, ms: i64) -> Option<i64> {
        let second = ms.div_euclid(1000);
        let found = self.search(second, Direction::Forward, false).ok().or_else(|| {
            let hour = second.div_euclid(HOUR) * HOUR;
            (1..=HOURS_ACROSS_A_GAP).find_map(|n| self.search(hour + n * HOUR, Direction::Forward, true).ok())
        });
        found.map(|second| second * 1000)
    }

    /// The latest slot up to and including an instant, both in milliseconds since 1970.
    pub fn latest_until(&self, ms: i64) -> Option<i64> {
        let second = ms.div_euclid(1000);
        let found = self.search(second, Direction::Backward, true).ok().or_else(|| {
            let hour = second.div_euclid(HOUR) * HOUR;
            (0..=HOURS_ACROSS_A_GAP)
                .find_map(|n| self.search(hour - n * HOUR - 1, Direction::Backward, true).ok())
        });
        found.map(|second| second * 1000)
    }

    /// One search. Besides the ends of the calendar, it stops at a gap of more than two hours, in which the wanted time
    /// lies; hence the steps above.
    fn search(&self, second: i64, direction: Direction, inclusive: bool) -> Result<i64, CronError> {
        let start = Local { second, zone: &self.zone };
        let found = match direction {
            Direction::Forward => self.cron.find_next_occurrence(&start, inclusive),
            Direction::Backward => self.cron.find_previous_occurrence(&start, inclusive),
        };
        found.map(|local| local.second)
    }
}

/// A second since 1970, seen in a time zone.
#[derive(Clone, Debug)]
struct Local<'z> {
    second: i64,
    zone: &'z TimeZone,
}

impl Local<'_> {
    /// What the clock on the wall shows. The years that `Instant` holds are well within those that `jiff` holds; should
    /// that ever change, the end of the calendar is shown.
    fn wall(&self) -> DateTime {
        match Timestamp::from_second(self.second) {
            Ok(timestamp) => self.zone.to_datetime(timestamp),
            Err(_) if self.second < 0 => DateTime::MIN,
            Err(_) => DateTime::MAX,
        }
    }

    /// The instant at which a clock with this offset shows this.
    fn at(&self, wall: DateTime, offset: Offset) -> Result<Self, CronError> {
        let timestamp = offset.to_timestamp(wall).map_err(|_| CronError::InvalidTime)?;
        Ok(Self { second: timestamp.as_second(), zone: self.zone })
    }
}

impl CronDateTime for Local<'_> {
    fn to_civil(&self) -> CivilDateTime {
        let wall = self.wall();
        let part = |n: i8| u32::from(n.unsigned_abs());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(i32::from(wall.year()), part(wall.month()), part(wall.day())),
            CivilTime::from_parts_unchecked(part(wall.hour()), part(wall.minute()), part(wall.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::from(
            self.wall().weekday().to_sunday_zero_offset().unsigned_abs(),
        ))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |n: u32| i8::try_from(n).map_err(|_| CronError::InvalidDate);
        let wall = DateTime::new(
            i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        Ok(match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => Resolution::Single(self.at(wall, offset)?),
            AmbiguousOffset::Fold { before, after } => {
                Resolution::Ambiguous(self.at(wall, before)?, self.at(wall, after)?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        Some(Self { second: self.second.checked_add(seconds)?, zone: self.zone })
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.second.cmp(&other.second)
    }
}
