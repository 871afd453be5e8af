//! `Retry-After`: how long somebody asks to be left alone.

use reqwest::header::HeaderValue;

use crate::model::{Duration, Instant};

/// The longest that somebody can ask to be left alone.
const MAX_REST: Duration = Duration::days(1);

/// How long the header asks for: seconds, or until a date. A date that has passed asks for nothing.
#[must_use]
pub fn retry_after(value: &HeaderValue, now: Instant) -> Option<Duration> {
    rest(value.to_str().ok()?, now)
}

fn rest(text: &str, now: Instant) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let longest = MAX_REST.ms().unsigned_abs() / 1000;
        let seconds = text.parse().unwrap_or(longest).min(longest);
        return Some(Duration::seconds(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let date = Instant::from_unix_ms(i64::try_from(date.as_millis()).ok()?);
    Some(date.since(now).unwrap_or_default().min(MAX_REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_asked_for_in_seconds_or_until_a_date_and_for_a_day_at_most() {
        let now: Instant = "2026-06-01T12:00:00Z".parse().unwrap();
        let asked = |text: &str| rest(text, now).map(|d| d.to_string());
        assert_eq!(asked("120").as_deref(), Some("PT2M"));
        assert_eq!(asked(" 0 ").as_deref(), Some("P0D"));
        assert_eq!(asked("99999999999999999999999999").as_deref(), Some("P1D"));
        assert_eq!(asked("Mon, 01 Jun 2026 12:00:30 GMT").as_deref(), Some("PT30S"));
        assert_eq!(asked("Mon, 01 Jun 2026 11:00:00 GMT").as_deref(), Some("P0D"), "it has passed");
        assert_eq!(asked("Fri, 01 Jun 2029 11:00:00 GMT").as_deref(), Some("P1D"));
        for nonsense in ["", "-5", "soon", "1.5"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }
}
