//! Instants and durations, as the records state them.
//!
//! An instant is UTC milliseconds between the years 0000 and 9999; it is read from RFC 3339 text **with** an
//! offset and from nothing else, because a time without an offset would have to be guessed. Arithmetic
//! saturates at the ends of that range, so that no input can overflow. Nothing here reads a clock.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

const MS_PER_DAY: i64 = 86_400_000;
/// Milliseconds from 0000-01-01 to 1970-01-01; instants are stored counted from there, plus one, so that an
/// optional instant needs no more room than an instant.
const ORIGIN: i64 = 62_167_219_200_000;

/// A point in time, to the millisecond, UTC.
///
/// ```
/// use counterfoil::model::Instant;
/// let a: Instant = "2026-05-01T12:00:00+02:00".parse()?;
/// assert_eq!(a.to_string(), "2026-05-01T10:00:00Z");
/// assert!("2026-05-01T12:00:00".parse::<Instant>().is_err(), "no offset, no instant");
/// # Ok::<(), counterfoil::model::TimeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

/// Why a text is not an instant or a duration: what was expected instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeError(&'static str);

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TimeError {}

impl Instant {
    /// The earliest instant, 0000-01-01T00:00:00Z.
    pub const MIN: Self = Self(NonZeroU64::MIN);
    /// The latest instant, 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self::from_unix_ms(253_402_300_799_999);

    /// From milliseconds since 1970-01-01T00:00:00Z, brought into range.
    #[must_use]
    pub const fn from_unix_ms(ms: i64) -> Self {
        let shifted = ms.saturating_add(ORIGIN);
        let clamped = if shifted < 0 {
            0
        } else if shifted > ORIGIN + 253_402_300_799_999 {
            ORIGIN + 253_402_300_799_999
        } else {
            shifted
        };
        Self(NonZeroU64::MIN.saturating_add(clamped.unsigned_abs()))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0.get().cast_signed() - 1 - ORIGIN
    }

    /// This much later, ending at [`Instant::MAX`].
    #[must_use]
    pub const fn plus(self, d: Duration) -> Self {
        Self::from_unix_ms(self.unix_ms().saturating_add(d.ms()))
    }

    /// This much earlier, ending at [`Instant::MIN`].
    #[must_use]
    pub const fn minus(self, d: Duration) -> Self {
        Self::from_unix_ms(self.unix_ms().saturating_sub(d.ms()))
    }

    /// How long from `earlier` to this; `None` when this is the earlier one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.unix_ms() - earlier.unix_ms()).ok().map(Duration)
    }

    /// Reads RFC 3339 with an offset (`Z`, `+02:00`); finer digits than a millisecond are cut off, a leap
    /// second counts as the last second before it.
    ///
    /// # Errors
    /// Says what an instant looks like when the text is anything else.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        const WANT: TimeError = TimeError(
            "a time as RFC 3339 with an offset, such as 2026-06-01T09:30:00Z or 2026-06-01T09:30:00+02:00",
        );
        let bytes = text.as_bytes();
        let (head, rest) = bytes.split_at_checked(19).ok_or(WANT)?;
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't', h1, h2, b':', n1, n2, b':', s1, s2] =
            head
        else {
            return Err(WANT);
        };
        let two = |a: u8, b: u8| -> Result<i64, TimeError> {
            if a.is_ascii_digit() && b.is_ascii_digit() {
                Ok(i64::from(a - b'0') * 10 + i64::from(b - b'0'))
            } else {
                Err(WANT)
            }
        };
        let year = two(y1, y2)? * 100 + two(y3, y4)?;
        let (month, day) = (two(m1, m2)?, two(d1, d2)?);
        let (hour, minute, second) = (two(h1, h2)?, two(n1, n2)?, two(s1, s2)?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return Err(TimeError("a time whose day exists in the calendar"));
        }
        if hour > 23 || minute > 59 || second > 60 {
            return Err(TimeError("a time between 00:00:00 and 23:59:59"));
        }
        let (ms, rest) = fraction(rest).ok_or(WANT)?;
        let offset = match rest {
            [b'Z' | b'z'] => 0,
            &[sign @ (b'+' | b'-'), h1, h2, b':', n1, n2] => {
                let (h, n) = (two(h1, h2)?, two(n1, n2)?);
                if h > 23 || n > 59 {
                    return Err(TimeError("an offset between -23:59 and +23:59"));
                }
                (h * 60 + n) * if sign == b'+' { 1 } else { -1 }
            }
            [] => {
                return Err(TimeError(
                    "an offset behind the time (Z, +02:00): a time without one is never guessed",
                ));
            }
            _ => return Err(WANT),
        };
        let seconds = (hour * 60 + minute - offset) * 60 + second.min(59);
        Ok(Self::from_unix_ms(days_from_civil(year, month, day) * MS_PER_DAY + seconds * 1000 + ms))
    }
}

/// Reads `.digits`, if there is one: its milliseconds and what follows. `None` when there is no digit.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', tail)) = rest.split_first() else { return Some((0, rest)) };
    let digits = tail.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = tail.split_at_checked(digits).filter(|(d, _)| !d.is_empty())?;
    let ms = (0..3).fold(0, |ms, i| ms * 10 + i64::from(digits.get(i).map_or(0, |d| d - b'0')));
    Some((ms, rest))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar (years count from March, so that the
/// leap day is the last of its year).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Year, month and day of so many days after 0000-01-01: the inverse of [`days_from_civil`] but for where it counts from.
fn civil_from_days(days: u32) -> (u32, u32, u32) {
    // From the first of March 400 years before, so that nothing is negative.
    let z = days + 146_097 - 60;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u32::from(month <= 2);
    (year.saturating_sub(400), month, doy - (153 * mp + 2) / 5 + 1)
}

/// An instant as RFC 3339, UTC, with milliseconds only where there are some; made without a formatter, because there
/// may be millions.
#[derive(Debug, Clone, Copy)]
pub struct InstantText {
    bytes: [u8; 24],
    length: usize,
}

impl InstantText {
    /// The text; all of it is ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl Instant {
    /// The text of this instant.
    #[must_use]
    pub fn text(self) -> InstantText {
        // The last digit of a number.
        let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or(0);
        let ms = self.0.get() - 1;
        // Within ten thousand years both fit, and small numbers are divided faster.
        let (days, in_day) =
            ((ms / MS_PER_DAY.unsigned_abs()) as u32, (ms % MS_PER_DAY.unsigned_abs()) as u32);
        let (year, month, day) = civil_from_days(days);
        let (h, m, s, ms) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day % 1000);
        let (after_second, length) = if ms == 0 { (b'Z', 20) } else { (b'.', 24) };
        let bytes = [
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b'-',
            digit(month / 10),
            digit(month),
            b'-',
            digit(day / 10),
            digit(day),
            b'T',
            digit(h / 10),
            digit(h),
            b':',
            digit(m / 10),
            digit(m),
            b':',
            digit(s / 10),
            digit(s),
            after_second,
            digit(ms / 100),
            digit(ms / 10),
            digit(ms),
            b'Z',
        ];
        InstantText { bytes, length }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Instant {
    type Err = TimeError;
    fn from_str(s: &str) -> Result<Self, TimeError> {
        Self::parse(s)
    }
}

impl schemars::JsonSchema for Instant {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC" })
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.text().as_str())
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(FromText("a time as RFC 3339 with an offset", Self::parse))
    }
}

/// A length of time, to the millisecond, never negative.
///
/// ```
/// use counterfoil::model::Duration;
/// assert_eq!("P1DT12H".parse::<Duration>()?.ms(), 129_600_000);
/// assert_eq!("P90D".parse::<Duration>()?.to_string(), "P90D");
/// assert!("P1M".parse::<Duration>().is_err(), "a month has no fixed length");
/// # Ok::<(), counterfoil::model::TimeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(u64);

impl Duration {
    /// The longest duration: 10,000 years of 366 days; nothing in the records can outlast the calendar.
    pub const MAX: Self = Self::days(3_660_000);

    /// A whole number of days of 24 hours.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self(days * 86_400_000)
    }

    /// A whole number of hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self(hours * 3_600_000)
    }

    /// A whole number of minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self(minutes * 60_000)
    }

    /// A whole number of seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// Milliseconds.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0.cast_signed()
    }

    /// Reads ISO 8601 weeks, days, hours, minutes and (with a fraction) seconds.
    ///
    /// # Errors
    /// For years and months, which have no fixed length, for negative and empty durations, for anything longer
    /// than [`Duration::MAX`], and for text that is no duration.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        const WANT: TimeError = TimeError("a duration such as P90D, P2W or PT8H");
        const LONG: TimeError = TimeError("a duration of at most 3,660,000 days");
        let mut rest = text.strip_prefix('P').ok_or(WANT)?;
        let (mut total, mut in_time, mut last) = (0u64, false, 0);
        if rest.is_empty() || rest.ends_with('T') {
            return Err(WANT);
        }
        while !rest.is_empty() {
            if let Some(time) = rest.strip_prefix('T') {
                if in_time {
                    return Err(WANT);
                }
                (in_time, rest) = (true, time);
            }
            let at = rest.find(|c: char| !c.is_ascii_digit()).ok_or(WANT)?;
            let (digits, tail) = rest.split_at_checked(at).filter(|(d, _)| !d.is_empty()).ok_or(WANT)?;
            let n: u64 = digits.parse().map_err(|_| LONG)?;
            let (ms, tail) =
                if in_time { fraction(tail.as_bytes()) } else { Some((0, tail.as_bytes())) }.ok_or(WANT)?;
            let fraction_given = tail.len() != rest.len() - at;
            let (unit, tail) = tail.split_first().ok_or(WANT)?;
            let (order, unit_ms) = match (in_time, unit) {
                (false, b'Y' | b'M') => {
                    return Err(TimeError(
                        "a duration in weeks, days or hours: years and months have no fixed length",
                    ));
                }
                (false, b'W') => (1, 7 * 86_400_000),
                (false, b'D') => (2, 86_400_000),
                (true, b'H') => (3, 3_600_000),
                (true, b'M') => (4, 60_000),
                (true, b'S') => (5, 1000),
                _ => return Err(WANT),
            };
            if order <= last || (fraction_given && order != 5) {
                return Err(WANT);
            }
            last = order;
            let part = n.checked_mul(unit_ms).and_then(|p| p.checked_add(ms.unsigned_abs()));
            total = part.and_then(|p| total.checked_add(p)).filter(|t| *t <= Self::MAX.0).ok_or(LONG)?;
            rest = rest.get(rest.len() - tail.len()..).ok_or(WANT)?;
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        f.write_str("P")?;
        if days > 0 || rest == 0 {
            write!(f, "{days}D")?;
        }
        if rest > 0 {
            f.write_str("T")?;
            let (h, m, s, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
            if h > 0 {
                write!(f, "{h}H")?;
            }
            if m > 0 {
                write!(f, "{m}M")?;
            }
            if ms > 0 {
                write!(f, "{s}.{ms:03}S")?;
            } else if s > 0 {
                write!(f, "{s}S")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Duration {
    type Err = TimeError;
    fn from_str(s: &str) -> Result<Self, TimeError> {
        Self::parse(s)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(FromText("a duration such as P90D, P2W or PT8H", Self::parse))
    }
}

/// Reads a value from text by a parse function; says what was expected when it is not text.
struct FromText<T>(&'static str, fn(&str) -> Result<T, TimeError>);

impl<T> Visitor<'_> for FromText<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_str<E: de::Error>(self, s: &str) -> Result<T, E> {
        (self.1)(s).map_err(|e| E::custom(format_args!("found `{s}`, expected {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_read_to_the_millisecond_and_nothing_is_guessed() {
        let at = |s: &str| Instant::parse(s).map(Instant::unix_ms);
        assert_eq!(at("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(at("2024-02-29T23:59:60.9999z"), Ok(1_709_251_199_999));
        assert_eq!(
            at("0000-01-01T00:00:00+23:59"),
            Ok(Instant::MIN.unix_ms()),
            "before the range: brought into it"
        );
        assert_eq!(at("9999-12-31T23:59:59.999-01:00"), Ok(Instant::MAX.unix_ms()));
        for bad in [
            "",
            "2026-06-01",
            "2026-06-01T00:00:00",
            "2026-06-01 00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-06-01T24:00:00Z",
            "2026-06-01T00:00:00+0200",
            "2026-06-01T00:00:00.Z",
            "2026-06-01T00:00:00+24:00",
            "+2026-06-01T00:00:00Z",
            "2026-06-01T00:00:00Zx",
            "２026-06-01T00:00:00Z",
        ] {
            assert!(Instant::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_a_fixed_length() {
        let ms = |s: &str| Duration::parse(s).map(Duration::ms);
        assert_eq!(ms("P2W"), Ok(14 * MS_PER_DAY));
        assert_eq!(ms("PT1.5S"), Ok(1500));
        assert_eq!(ms("P0D"), Ok(0));
        assert_eq!(Duration::MAX.ms(), 3_660_000 * MS_PER_DAY);
        for bad in [
            "",
            "P",
            "PT",
            "P1",
            "P1Y",
            "P1M",
            "-P1D",
            "P-1D",
            "1D",
            "P1DT",
            "PT1D",
            "P1D2W",
            "P1.5D",
            "PT1.5H",
            "P99999999999999999999D",
            "P3660001D",
            "P1D1D",
            "PT1HT1M",
        ] {
            assert!(Duration::parse(bad).is_err(), "{bad}");
        }
        assert!(ms("P1Y").unwrap_err().to_string().contains("no fixed length"));
    }

    proptest! {
        #[test]
        fn an_instant_survives_its_text(ms in -62_167_219_200_000i64..=253_402_300_799_999) {
            let i = Instant::from_unix_ms(ms);
            prop_assert_eq!(i.unix_ms(), ms);
            prop_assert_eq!(Instant::parse(&i.to_string()), Ok(i));
            let theirs = jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
            prop_assert_eq!(Instant::parse(&theirs), Ok(i));
        }

        #[test]
        fn a_duration_survives_its_text(ms in 0u64..=3_660_000 * 86_400_000) {
            prop_assert_eq!(Duration::parse(&Duration(ms).to_string()), Ok(Duration(ms)));
        }

        #[test]
        fn no_text_makes_it_panic(s in "\\PC*", t in "P?[0-9TPWDHMS.:Z+-]{0,30}") {
            let _ = (Instant::parse(&s), Duration::parse(&s), Instant::parse(&t), Duration::parse(&t));
        }
    }
}
