//! Accepting a finding for a time: the form, and what comes of it.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::act;
use super::super::answer::Refusal;
use super::super::guard::spoken;
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::taken::{Form, Path};
use super::bits;
use super::finding;
use super::frame::{sentence, word};
use super::html::{Html, put};
use crate::alert::accept::MAX_REASON;
use crate::model::{Duration, Instant};

/// What the form says.
#[derive(Debug, Deserialize)]
pub(in crate::serve) struct Sent {
    #[serde(default)]
    word: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    reason: String,
}

/// What stands in the form, and why it was not taken.
#[derive(Debug, Default)]
pub(super) struct Filled {
    until: String,
    reason: String,
    wrong: Option<String>,
}

pub(in crate::serve) async fn accept(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(given): Form<Sent>,
) -> Result<Response, Refusal> {
    spoken(&caller, &given.word)?;
    let Sent { until, reason, .. } = given;
    let read = day(&until).ok_or_else(|| {
        let why = format!("`{until}` is no day; expected one such as 2026-06-01");
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why)
    });
    let done = match read {
        Ok(end) => act::accept(&site, &caller, id.clone(), end, reason.trim().to_owned()).await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(()) => Ok((StatusCode::SEE_OTHER, [(LOCATION, bits::finding(&id))]).into_response()),
        Err(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let filled = Filled { until, reason, wrong: Some(refusal.why) };
            let seen = finding::look(&site, id).await?;
            Ok(finding::page(&site, &caller, &seen, refusal.status, &filled))
        }
        Err(refusal) => Err(refusal),
    }
}

/// The beginning of a day in UTC; or an instant that was written out.
fn day(text: &str) -> Option<Instant> {
    let text = text.trim();
    Instant::parse(&format!("{text}T00:00:00Z")).or_else(|_| Instant::parse(text)).ok()
}

/// The form. An exception has an owner, a reason and an end: the first is whoever sends it.
pub(super) fn form(caller: &Caller, id: &str, filled: &Filled, now: Instant, most: Duration, p: &mut Html) {
    let days = most.ms() / 86_400_000;
    let first = |t: Instant| t.to_string().chars().take(10).collect::<String>();
    put!(p; "<section class=\"card\" aria-labelledby=\"h-accept\">\n<h2 id=\"h-accept\">Accept for a time</h2>\n<form class=\"act\" method=\"post\" action=\""
        (bits::finding(id)) "/accept\">\n");
    word(caller, p);
    if let Some(wrong) = &filled.wrong {
        put!(p; "<p class=\"wrong\" role=\"alert\" id=\"wrong\">" (sentence(wrong)) "</p>\n");
    }
    put!(p; "<label class=\"field\"><span>Until</span><input type=\"date\" name=\"until\" required aria-describedby=\"until-help\" min=\""
        (first(now.plus(Duration::days(1)))) "\" max=\"" (first(now.plus(most))) "\" value=\"" (&filled.until) "\"></label>\n"
        "<p class=\"help\" id=\"until-help\">It ends when this day begins (UTC), at most " (days.unsigned_abs()) " days from now.</p>\n"
        "<label class=\"field\"><span>Reason</span><textarea name=\"reason\" rows=\"3\" required maxlength=\"" (MAX_REASON.to_string())
        "\"");
    if filled.wrong.is_some() {
        p.raw(" aria-describedby=\"wrong\"");
    }
    put!(p; ">" (&filled.reason) "</textarea></label>\n<p class=\"help\">Whoever audits this reads it, with your name.</p>\n"
        "<p class=\"do\"><button>Accept</button></p>\n</form></section>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight() {
        assert_eq!(day(" 2026-06-10 ").unwrap().to_string(), "2026-06-10T00:00:00Z");
        assert_eq!(day("2026-06-10T02:00:00+02:00").unwrap().to_string(), "2026-06-10T00:00:00Z");
        assert!(day("").is_none() && day("tomorrow").is_none() && day("2026-02-30").is_none());
    }
}
