//! Reads a time by its shape: RFC 3339, RFC 822, epoch numbers, and what Jira, ServiceNow and spreadsheets write.

use super::names::{AFTER_NOON, BEFORE_NOON, FILLERS, ZONES, month};
use super::{Order, Read};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use regex::Regex;
use std::sync::LazyLock;

/// Why a text could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Not of a shape known.
    NotUnderstood,
    /// A 31 February.
    Impossible,
    /// Day and month can be either.
    Order,
}

/// Longest text that is looked at, in bytes.
const MAX_TEXT: usize = 128;

static TIME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,:](\d{1,9}))?)?").ok());
static COMPACT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?$").ok()
});
static OFFSET: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:UTC|GMT)?([+\x{2212}-])(\d{1,2})(?::?(\d{2}))?$").ok());

/// An offset such as `+0200`, `+02:00`, `GMT+2`.
pub(super) fn offset(text: &str) -> Option<Offset> {
    let parts = OFFSET.as_ref()?.captures(text)?;
    let hours: i32 = parts.get(2)?.as_str().parse().ok()?;
    let minutes: i32 = parts.get(3).map_or(Some(0), |minutes| minutes.as_str().parse().ok())?;
    if hours > 18 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    let seconds = if parts.get(1)?.as_str() == "+" { seconds } else { -seconds };
    Offset::from_seconds(seconds).ok()
}

/// Reads a time.
pub(super) fn read(text: &str, order: Option<Order>) -> Result<Read, Why> {
    if text.len() > MAX_TEXT {
        return Err(Why::NotUnderstood);
    }
    if let Some(read) = digits(text)? {
        return Ok(read);
    }
    let Some(shape) = TIME.as_ref() else { return Err(Why::NotUnderstood) };
    let Some(found) = shape.captures(text) else {
        let date = date(text, order)?;
        return Ok(Read::Local(date.to_datetime(Time::midnight())));
    };
    let all = found.get(0).ok_or(Why::NotUnderstood)?;
    let before = text.get(..all.start()).unwrap_or_default();
    let after = text.get(all.end()..).unwrap_or_default();
    let number = |index: usize| found.get(index).and_then(|part| part.as_str().parse::<i8>().ok());
    let (hour, minute) = (number(1).ok_or(Why::NotUnderstood)?, number(2).ok_or(Why::NotUnderstood)?);
    let second = number(3).unwrap_or(0);
    let fraction = found.get(4).map_or(0, |part| nanoseconds(part.as_str()));

    let (before, early) = marker_at_end(before);
    let (after, late) = marker_at_start(after);
    let hour = match early.or(late) {
        Some(half) => twelve(hour, half).ok_or(Why::Impossible)?,
        None => hour,
    };
    let time = Time::new(hour, minute, second, fraction).map_err(|_| Why::Impossible)?;
    let (zone, rest) = zone_at_start(after)?;
    let before = before.trim_end_matches(['T', 't', ' ', ',']);
    let joined = format!("{before} {rest}");
    let local = date(&joined, order)?.to_datetime(time);
    Ok(zone.map_or(Read::Local(local), |zone| Read::Offset(local, zone)))
}

/// Epoch numbers, and dates written without separators (`20250701013500Z`, as directories write them).
fn digits(text: &str) -> Result<Option<Read>, Why> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if only_digits && (9..=13).contains(&text.len()) && text.len() != 11 {
        let number: i64 = text.parse().map_err(|_| Why::NotUnderstood)?;
        let millis = if text.len() <= 10 { number * 1000 } else { number };
        let timestamp = Timestamp::from_millisecond(millis).map_err(|_| Why::Impossible)?;
        return Ok(Some(Read::Instant(timestamp)));
    }
    let Some(parts) = COMPACT.as_ref().and_then(|shape| shape.captures(text)) else {
        return if only_digits { Err(Why::NotUnderstood) } else { Ok(None) };
    };
    let number = |index: usize| parts.get(index).and_then(|part| part.as_str().parse::<i16>().ok());
    let small = |index: usize| number(index).and_then(|value| i8::try_from(value).ok());
    let date = civil(number(1), small(2), small(3))?;
    let time = Time::new(small(4).unwrap_or(0), small(5).unwrap_or(0), small(6).unwrap_or(0), 0)
        .map_err(|_| Why::Impossible)?;
    let local = date.to_datetime(time);
    Ok(Some(match parts.get(7).map(|part| part.as_str()) {
        Some("Z") => Read::Offset(local, Offset::UTC),
        Some(text) => Read::Offset(local, offset(text).ok_or(Why::Impossible)?),
        None => Read::Local(local),
    }))
}

/// Nanoseconds of the digits behind the point.
pub(super) fn nanoseconds(digits: &str) -> i32 {
    let padded: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
    padded.parse().unwrap_or(0)
}

/// A half of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Before,
    After,
}

/// The hour of twenty-four of an hour of twelve.
pub(super) fn twelve(hour: i8, half: Half) -> Option<i8> {
    match (hour, half) {
        (12, Half::Before) => Some(0),
        (12, Half::After) => Some(12),
        (1..=11, Half::Before) => Some(hour),
        (1..=11, Half::After) => Some(hour + 12),
        _ => None,
    }
}

fn markers() -> impl Iterator<Item = (&'static str, Half)> {
    let before = BEFORE_NOON.iter().map(|marker| (*marker, Half::Before));
    before.chain(AFTER_NOON.iter().map(|marker| (*marker, Half::After)))
}

/// Takes a marker of the half of the day off the start.
pub(super) fn marker_at_start(text: &str) -> (&str, Option<Half>) {
    let trimmed = text.trim_start();
    for (marker, half) in markers() {
        let Some(start) = trimmed.get(..marker.len().min(trimmed.len())) else { continue };
        if start.to_lowercase() == marker {
            let rest = trimmed.get(start.len()..).unwrap_or_default();
            if !rest.starts_with(char::is_alphabetic) {
                return (rest.trim_start_matches('.'), Some(half));
            }
        }
    }
    (text, None)
}

/// Takes a marker off the end, as Chinese, Japanese and Korean write it.
fn marker_at_end(text: &str) -> (&str, Option<Half>) {
    let trimmed = text.trim_end();
    for (marker, half) in markers() {
        if !marker.is_ascii()
            && let Some(rest) = trimmed.strip_suffix(marker)
        {
            return (rest, Some(half));
        }
    }
    (text, None)
}

/// Takes an offset or a zone of RFC 822 off the start. A comment in brackets behind it goes as well.
fn zone_at_start(text: &str) -> Result<(Option<Offset>, &str), Why> {
    let trimmed = text.trim_start();
    let end = trimmed.find([' ', '(', '[', ',']).unwrap_or(trimmed.len());
    let (word, rest) = trimmed.split_at(end);
    let known = ZONES.iter().find(|(name, _)| *name == word.to_lowercase());
    let found = match known {
        Some((_, minutes)) => Offset::from_seconds(minutes * 60).ok(),
        None => offset(word),
    };
    let Some(found) = found else { return Ok((None, trimmed)) };
    let rest = rest.trim();
    let bracketed =
        (rest.starts_with('(') && rest.ends_with(')')) || (rest.starts_with('[') && rest.ends_with(']'));
    // `GMT +0200` names its zone twice; the number is the exact one.
    if let Some(finer) = offset(rest) {
        return Ok((Some(finer), ""));
    }
    Ok((Some(found), if bracketed { "" } else { rest }))
}

/// A number of a date, with its count of digits.
#[derive(Debug, Clone, Copy)]
struct Number {
    value: i16,
    digits: usize,
}

/// Reads the date.
fn date(text: &str, order: Option<Order>) -> Result<Date, Why> {
    let mut numbers: Vec<Number> = Vec::new();
    let mut named: Option<i8> = None;
    let mut dotted = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| c.is_ascii_digit() == first.is_ascii_digit() && c.is_alphanumeric();
        let end = rest.find(|c: char| !same(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (token, tail) = rest.split_at(end);
        rest = tail;
        if first.is_ascii_digit() {
            let value = token.parse().map_err(|_| Why::NotUnderstood)?;
            numbers.push(Number { value, digits: token.len() });
        } else if first.is_alphabetic() {
            let counted = matches!(token, "月" | "월");
            if counted && let Some(number) = numbers.pop() {
                named = Some(i8::try_from(number.value).map_err(|_| Why::Impossible)?);
            } else if let Some(month) = month(token) {
                if named.replace(month).is_some() {
                    return Err(Why::NotUnderstood);
                }
            } else if !FILLERS.contains(&token.to_lowercase().as_str()) {
                return Err(Why::NotUnderstood);
            }
        } else {
            match first {
                '.' => dotted = true,
                '/' | '-' | ',' | ' ' | '\'' => {}
                _ => return Err(Why::NotUnderstood),
            }
        }
    }
    let slashed = text.contains(['/', '-']);
    match (named, numbers.as_slice()) {
        (Some(month), [a, b]) => with_month(month, *a, *b, order),
        (None, [a, b, c]) => all_numbers(*a, *b, *c, dotted && !slashed, order),
        _ => Err(Why::NotUnderstood),
    }
}

fn with_month(month: i8, a: Number, b: Number, order: Option<Order>) -> Result<Date, Why> {
    let (day, year) = match (a.digits, b.digits) {
        (4, 1 | 2) => (b, a),
        (1 | 2, 4) => (a, b),
        (2, 1 | 2) if order == Some(Order::Ymd) => (b, a),
        (1 | 2, 2) => (a, b),
        _ => return Err(Why::NotUnderstood),
    };
    civil(Some(full_year(year)), Some(month), i8::try_from(day.value).ok())
}

fn all_numbers(a: Number, b: Number, c: Number, dotted: bool, order: Option<Order>) -> Result<Date, Why> {
    let small = |number: Number| i8::try_from(number.value).ok();
    if b.digits > 2 {
        return Err(Why::NotUnderstood);
    }
    match (a.digits, c.digits) {
        (4, 1 | 2) => return civil(Some(a.value), small(b), small(c)),
        (1 | 2, 4) => {}
        (2, 1 | 2) if order == Some(Order::Ymd) => {
            return civil(Some(full_year(a)), small(b), small(c));
        }
        (1 | 2, 2) => {}
        _ => return Err(Why::NotUnderstood),
    }
    let year = Some(full_year(c));
    let day_first = civil(year, small(b), small(a));
    let month_first = civil(year, small(a), small(b));
    match order {
        Some(Order::Dmy) => day_first,
        Some(Order::Mdy) => month_first,
        // Year first was asked for, and the year is last: its two digits were handled above.
        Some(Order::Ymd) => Err(Why::NotUnderstood),
        None => match (day_first, month_first) {
            (Ok(day), Ok(month)) if day == month => Ok(day),
            (Ok(day), _) if dotted => Ok(day),
            (Ok(_), Ok(_)) => Err(Why::Order),
            (Ok(day), Err(_)) => Ok(day),
            (Err(_), _) if dotted => Err(Why::Impossible),
            (Err(_), other) => other,
        },
    }
}

/// Two digits stand for 1970 to 2069.
fn full_year(year: Number) -> i16 {
    match (year.digits, year.value) {
        (4, value) => value,
        (_, value @ 0..=69) => 2000 + value,
        (_, value) => 1900 + value,
    }
}

pub(super) fn civil(year: Option<i16>, month: Option<i8>, day: Option<i8>) -> Result<Date, Why> {
    match (year, month, day) {
        (Some(year), Some(month), Some(day)) if year > 0 => {
            Date::new(year, month, day).map_err(|_| Why::Impossible)
        }
        _ => Err(Why::Impossible),
    }
}

/// Joins a date and a time.
pub(super) fn joined(date: Date, time: Time) -> DateTime {
    date.to_datetime(time)
}
