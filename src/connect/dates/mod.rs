//! Times as exports write them, to RFC 3339 in UTC. Nothing is guessed.
//!
//! - A time without an offset needs a zone; without one it is refused, naming the setting `time_zone`.
//! - `01/02/2025` can be 1 February or 2 January; it is refused, naming `date_order`, unless an order is given. It is
//!   no question where one of the two is above 12 or both are the same, where the month is a name, where the year
//!   leads, or where full stops separate the parts (no locale of the CLDR writes the month first with full stops).
//! - A year of two digits stands last unless the order is `ymd`; 70 to 99 are 19xx, 00 to 69 are 20xx.
//! - A date without a time of day is its first moment in the zone.
//! - A local time that a change of the clock skips is moved on by the length of the gap; one that happens twice is
//!   its first occurrence (RFC 5545, what `jiff` calls *compatible*).
//! - Zone rules come from the time-zone database built in, never from the machine, so that the same input gives the
//!   same instants everywhere.

mod auto;
pub mod duration;
mod names;
mod pattern;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// The order of day, month and year where all are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Day first.
    Dmy,
    /// Month first.
    Mdy,
    /// Year first.
    Ymd,
}

impl Order {
    /// The order of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "dmy" => Some(Self::Dmy),
            "mdy" => Some(Self::Mdy),
            "ymd" => Some(Self::Ymd),
            _ => None,
        }
    }
}

/// A time that was read: what the wall clock said and, if it was said, how far that is from UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Read {
    /// An instant by itself (an epoch number).
    Instant(Timestamp),
    /// A time of day with its offset.
    Offset(DateTime, Offset),
    /// A time of day.
    Local(DateTime),
}

/// How to read a time.
#[derive(Debug, Clone, Default)]
pub struct Reading<'a> {
    /// Patterns to try in order (`%d/%m/%Y %H:%M`, with month names in any language known); none reads by shape.
    pub patterns: Option<Vec<&'a str>>,
    /// The zone of times without an offset.
    pub zone: Option<&'a str>,
    /// The order of day, month and year.
    pub order: Option<Order>,
}

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of this name: an IANA name, `UTC`, or a fixed offset such as `+02:00`.
///
/// # Errors
/// There is no zone of that name.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if matches!(name, "UTC" | "Z" | "Etc/UTC") {
        return Ok(TimeZone::UTC);
    }
    if let Some(offset) = auto::offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    ZONES.get(name).map_err(|_| format!("there is no time zone `{name}`"))
}

/// Is it an RFC 3339 time with an offset?
#[must_use]
pub fn is_rfc3339(text: &str) -> bool {
    static RFC3339: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        regex::Regex::new(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$").ok()
    });
    RFC3339.as_ref().is_some_and(|shape| shape.is_match(text)) && text.parse::<Timestamp>().is_ok()
}

/// The instant a text means, as RFC 3339 in UTC with milliseconds where there are any.
///
/// # Errors
/// Text that says what is wrong and, where a setting would help, which.
pub fn instant(text: &str, reading: &Reading<'_>) -> Result<String, String> {
    let shown = || text.chars().take(64).collect::<String>();
    let clean = clean(text);
    if clean.is_empty() {
        return Err("an empty text is no time".into());
    }
    let read = match &reading.patterns {
        Some(patterns) => patterns
            .iter()
            .find_map(|pattern| pattern::read(&clean, pattern))
            .ok_or_else(|| format!("`{}` fits none of the date formats {}", shown(), patterns.join(", ")))?,
        None => auto::read(&clean, reading.order).map_err(|why| match why {
            auto::Why::NotUnderstood => format!("`{}` is no time that is understood", shown()),
            auto::Why::Impossible => format!("`{}` is no time of the calendar", shown()),
            auto::Why::Order => format!(
                "`{}` can be read as day/month or month/day: set `date_order` to dmy, mdy or ymd",
                shown()
            ),
        })?,
    };
    let timestamp = match read {
        Read::Instant(timestamp) => timestamp,
        Read::Offset(local, offset) => {
            offset.to_timestamp(local).map_err(|_| format!("`{}` is out of range", shown()))?
        }
        Read::Local(local) => {
            let Some(name) = reading.zone else {
                return Err(format!(
                    "`{}` has no offset from UTC: set `time_zone` to the zone the export was written in",
                    shown()
                ));
            };
            zone(name)?.to_timestamp(local).map_err(|_| format!("`{}` is out of range", shown()))?
        }
    };
    written(timestamp).ok_or_else(|| format!("`{}` is out of range", shown()))
}

/// The instant of an epoch number: seconds below 10^11 (the year 5138), milliseconds from there.
///
/// # Errors
/// The number is negative or beyond the year 9999.
pub fn epoch(number: f64) -> Result<String, String> {
    let wrong = || format!("{number} is no epoch time: expected seconds or milliseconds since 1970");
    if !(0.0..1e15).contains(&number) {
        return Err(wrong());
    }
    let millis = if number < 1e11 { number * 1000.0 } else { number };
    // Below 10^15, so exactly representable.
    Timestamp::from_millisecond(millis.trunc() as i64).ok().and_then(written).ok_or_else(wrong)
}

/// RFC 3339 in UTC; milliseconds only where there are any, finer digits cut off.
fn written(timestamp: Timestamp) -> Option<String> {
    let utc = TimeZone::UTC.to_datetime(timestamp);
    if utc.year() < 1 {
        return None;
    }
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        utc.year(),
        utc.month(),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    );
    if utc.millisecond() != 0 {
        text.push_str(&format!(".{:03}", utc.millisecond()));
    }
    text.push('Z');
    Some(text)
}

/// Trims, and turns the blanks that typesetters love (no-break, narrow) into plain ones. Marks of writing direction go.
fn clean(text: &str) -> String {
    let plain = text.chars().filter_map(|c| match c {
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\t' | '\n' | '\r' => Some(' '),
        '\u{200e}' | '\u{200f}' | '\u{feff}' => None,
        other => Some(other),
    });
    plain.collect::<String>().trim().to_owned()
}
