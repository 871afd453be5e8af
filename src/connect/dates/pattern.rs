//! Reads a time by a pattern a site gives, in the notation of `strptime`.
//!
//! Known: `%Y %y %m %d %e %H %k %I %l %M %S %f` (digits of a fraction) `%b %B %h` (month names in every language
//! known) `%p %P %z %Z %a %A %s %T %D %F %R %n %t %%`. A blank stands for any run of blanks; the whole text must fit.

use super::Read;
use super::auto::{Half, civil, joined, marker_at_start, nanoseconds, offset, twelve};
use super::names::{ZONES, month};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::Offset;

#[derive(Default)]
struct Parts {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    minute: i8,
    second: i8,
    fraction: i32,
    half: Option<Half>,
    offset: Option<Offset>,
    epoch: Option<i64>,
}

/// Reads `text` by `pattern`; none where it does not fit.
pub(super) fn read(text: &str, pattern: &str) -> Option<Read> {
    let mut parts = Parts::default();
    let rest = fit(text, pattern, &mut parts, 0)?;
    if !rest.trim().is_empty() {
        return None;
    }
    if let Some(seconds) = parts.epoch {
        return Timestamp::from_second(seconds).ok().map(Read::Instant);
    }
    let hour = match parts.half {
        Some(half) => twelve(parts.hour, half)?,
        None => parts.hour,
    };
    let date = civil(parts.year, parts.month, parts.day).ok()?;
    let local = joined(date, Time::new(hour, parts.minute, parts.second, parts.fraction).ok()?);
    Some(parts.offset.map_or(Read::Local(local), |offset| Read::Offset(local, offset)))
}

fn fit<'t>(mut text: &'t str, pattern: &str, parts: &mut Parts, depth: u8) -> Option<&'t str> {
    let mut signs = pattern.chars();
    while let Some(sign) = signs.next() {
        if sign.is_whitespace() {
            text = text.trim_start();
            continue;
        }
        if sign != '%' {
            text = text.strip_prefix(sign)?;
            continue;
        }
        text = match signs.next()? {
            'Y' => number(text, 4, &mut parts.year)?,
            'y' => {
                let rest = number(text, 2, &mut parts.year)?;
                parts.year = parts.year.map(|year| if year < 70 { 2000 + year } else { 1900 + year });
                rest
            }
            'm' => number(text, 2, &mut parts.month)?,
            'd' | 'e' => number(text.trim_start(), 2, &mut parts.day)?,
            'H' | 'k' | 'I' | 'l' => plain(text.trim_start(), 2, &mut parts.hour)?,
            'M' => plain(text, 2, &mut parts.minute)?,
            'S' => plain(text, 2, &mut parts.second)?,
            'f' => {
                let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                if end == 0 || end > 9 {
                    return None;
                }
                parts.fraction = nanoseconds(text.get(..end)?);
                text.get(end..)?
            }
            'b' | 'B' | 'h' => {
                let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
                parts.month = Some(month(text.get(..end)?)?);
                let rest = text.get(end..)?;
                rest.strip_prefix('.').unwrap_or(rest)
            }
            'a' | 'A' => {
                let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
                if end == 0 {
                    return None;
                }
                text.get(end..)?
            }
            'p' | 'P' => {
                let (rest, half) = marker_at_start(text);
                parts.half = Some(half?);
                rest
            }
            'z' | 'Z' => {
                let end = text.find(char::is_whitespace).unwrap_or(text.len());
                let word = text.get(..end)?;
                let named = ZONES.iter().find(|(name, _)| *name == word.to_lowercase());
                parts.offset = match named {
                    Some((_, minutes)) => Offset::from_seconds(minutes * 60).ok(),
                    None => offset(word),
                };
                parts.offset?;
                text.get(end..)?
            }
            's' => {
                let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                parts.epoch = Some(text.get(..end)?.parse().ok()?);
                text.get(end..)?
            }
            'T' if depth == 0 => fit(text, "%H:%M:%S", parts, 1)?,
            'R' if depth == 0 => fit(text, "%H:%M", parts, 1)?,
            'D' if depth == 0 => fit(text, "%m/%d/%y", parts, 1)?,
            'F' if depth == 0 => fit(text, "%Y-%m-%d", parts, 1)?,
            'n' | 't' => text.trim_start(),
            '%' => text.strip_prefix('%')?,
            _ => return None,
        };
    }
    Some(text)
}

fn number<'t, N: std::str::FromStr>(text: &'t str, most: usize, slot: &mut Option<N>) -> Option<&'t str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()).min(most);
    *slot = Some(text.get(..end)?.parse().ok()?);
    text.get(end..)
}

fn plain<'t>(text: &'t str, most: usize, slot: &mut i8) -> Option<&'t str> {
    let mut read = None;
    let rest = number(text, most, &mut read)?;
    *slot = read?;
    Some(rest)
}
