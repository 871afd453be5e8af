//! What the headers of an answer say of how much may be asked.

use std::time::Duration as Wait;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::connect::dates;
use crate::connect::manifest::http::{Limits, ResetAs};
use crate::model::Instant;

/// The longest wait that a product can ask for: beyond, it is said that the product cannot be asked now.
const MAX_REST: Wait = Wait::from_secs(2 * 3600);
/// A little more than what is asked for, since clocks differ.
const MARGIN: Wait = Wait::from_secs(1);

/// How long nothing is asked, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// For how long.
    pub pause: Wait,
    /// Why.
    pub why: String,
}

/// Where an answer says that no request is left, how long until there are new ones.
pub(super) fn exhausted(limits: &Limits, headers: &HeaderMap, now: Instant) -> Option<Rest> {
    let text = |name: &Option<String>| headers.get(name.as_deref()?)?.to_str().ok().map(str::trim);
    let remaining: f64 = text(&limits.remaining)?.parse().ok()?;
    if remaining >= 1.0 {
        return None;
    }
    let reset = text(&limits.reset)?;
    let pause = match limits.reset_as {
        ResetAs::Seconds => Wait::try_from_secs_f64(reset.parse().ok()?).ok()?,
        ResetAs::EpochSeconds => {
            until(Instant::from_unix_ms(reset.parse::<i64>().ok()?.checked_mul(1000)?), now)
        }
        ResetAs::Time => until(time(reset)?, now),
    };
    let pause = pause.saturating_add(MARGIN).min(MAX_REST);
    Some(Rest { pause, why: "no request is left for now".to_owned() })
}

/// A time in RFC 3339, which may lack its seconds (`2026-06-01T10:00Z`, as Jira writes it).
fn time(text: &str) -> Option<Instant> {
    let whole = match text.strip_suffix('Z') {
        Some(rest) if rest.len() == 16 => format!("{rest}:00Z"),
        _ => text.to_owned(),
    };
    dates::is_rfc3339(&whole).then(|| Instant::parse(&whole).ok()).flatten()
}

fn until(time: Instant, now: Instant) -> Wait {
    time.since(now).map_or(Wait::ZERO, |d| Wait::from_millis(d.ms().unsigned_abs()))
}

/// How long an answer asks to be left alone.
pub(super) fn retry_after(headers: &HeaderMap, now: Instant) -> Option<Wait> {
    let asked = crate::net::retry_after(headers.get(RETRY_AFTER)?, now)?;
    Some(Wait::from_millis(asked.ms().unsigned_abs()).min(MAX_REST))
}

/// Does the text say one of these codes, as a word of its own?
pub(super) fn says(text: &str, codes: &[String]) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    codes.iter().any(|code| {
        text.match_indices(code.as_str()).any(|(at, found)| {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|t| t.chars().next());
            !before.is_some_and(word) && !after.is_some_and(word)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_vendor_says_in_its_own_way_when_to_ask_again() {
        let now: Instant = "2026-06-01T10:00:00Z".parse().unwrap();
        let limits = |reset_as| Limits {
            remaining: Some("x-rate-limit-remaining".to_owned()),
            reset: Some("x-rate-limit-reset".to_owned()),
            reset_as,
            ..Limits::default()
        };
        let rest = |reset_as, remaining, reset| {
            let headers = headers(&[("X-Rate-Limit-Remaining", remaining), ("X-Rate-Limit-Reset", reset)]);
            exhausted(&limits(reset_as), &headers, now).map(|rest| rest.pause.as_secs())
        };
        assert_eq!(rest(ResetAs::EpochSeconds, "0", "1780308030"), Some(31));
        assert_eq!(rest(ResetAs::EpochSeconds, "7", "1780308030"), None, "there are some left");
        assert_eq!(rest(ResetAs::EpochSeconds, "0", "5"), Some(1), "it has passed");
        assert_eq!(rest(ResetAs::EpochSeconds, "0", "soon"), None);
        assert_eq!(rest(ResetAs::Seconds, "0", "12"), Some(13));
        assert_eq!(rest(ResetAs::Seconds, "0", "-12"), None);
        assert_eq!(rest(ResetAs::Time, "0", "2026-06-01T10:02Z"), Some(121));
        assert_eq!(rest(ResetAs::Time, "0", "2036-06-01T10:02:00Z"), Some(7200), "but not for ever");
        let after = |text| retry_after(&headers(&[("retry-after", text)]), now).map(|wait| wait.as_secs());
        assert_eq!(after("7"), Some(7));
        assert_eq!(after("Mon, 01 Jun 2026 10:00:09 GMT"), Some(9));
        assert_eq!(after("99999999999"), Some(7200));
        assert_eq!(after("-1"), None);
        assert_eq!(after("whenever"), None);
    }

    #[test]
    fn a_code_is_a_word() {
        let codes = ["Throttling".to_owned()];
        assert!(says("<Code>Throttling</Code>", &codes));
        assert!(says("{\"__type\":\"com.amazon#Throttling\"}", &codes));
        assert!(!says("<Code>NotThrottlingAtAll</Code>", &codes));
        assert!(!says("", &codes));
    }
}
