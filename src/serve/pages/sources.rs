//! The sources: which are fresh, which are not and why; and, for who may, letting a held pull pass after a look at how it
//! differs.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::act;
use super::super::answer::Refusal;
use super::super::api::sources::{Stands, differences, stand};
use super::super::guard::spoken;
use super::super::routes::Shared;
use super::super::sign_in::{Caller, Need};
use super::super::taken::{Form, Path};
use super::bits;
use super::frame::{page, sentence, word};
use super::html::{Ago, Html, Name, Show, put};
use crate::model::Instant;
use crate::model::life::{Difference, Trouble};

/// How a source stands, as a word with a shape.
pub(super) struct Mark(pub(super) &'static str);

impl Show for Mark {
    fn show(&self, page: &mut Html) {
        let class = match self.0 {
            "fresh" => "fresh",
            "held" => "held",
            "failed" => "failed",
            _ => "doubt",
        };
        put!(page; "<span class=\"mark " (*class) "\">" (self.0) "</span>");
    }
}

pub(in crate::serve) async fn list(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let sources = stand(&site).await?;
    let held = differences(&site, &sources).await?;
    let now = site.now();
    let mut main = Html::default();
    let p = &mut main;
    p.raw("<h1>Sources</h1>\n<p class=\"soft intro\">What a source in doubt touches stands still: nothing is accused and nothing cleared by it.</p>\n");
    if sources.is_empty() {
        p.raw("<p class=\"empty\">No source is configured. Each needs a <code>[[source]]</code> in the configuration; \
               <code>counterfoil connectors</code> lists what can be read.</p>\n");
    }
    for s in sources.iter().filter(|s| matches!(s.trouble, Some(Trouble::Held { .. }))) {
        self::held(s, held.get(s.id.as_str()), &caller, p);
    }
    if !sources.is_empty() {
        table(&sources, now, p);
    }
    Ok(page(Some(&caller), "/sources", "Sources", &main))
}

fn held(s: &Stands, difference: Option<&Difference>, caller: &Caller, p: &mut Html) {
    let Some(Trouble::Held { run, before, now, reason }) = &s.trouble else { return };
    put!(p; "<section class=\"card note\"><h2>" (Name(&s.id)) ": the pull of run " (*run) " is held</h2>\n<p>" (sentence(reason)) " It has "
        (*now) " records; the last good one had " (*before) ".</p>\n");
    if let Some(difference) = difference {
        p.raw("<table class=\"stack narrow\"><thead><tr><th scope=\"col\">Records</th><th scope=\"col\" class=\"n\">Before</th><th scope=\"col\" class=\"n\">Now</th>\
               <th scope=\"col\" class=\"n\">New</th><th scope=\"col\" class=\"n\">Gone</th><th scope=\"col\" class=\"n\">Changed</th></tr></thead><tbody>\n");
        for (kind, c) in &difference.of {
            put!(p; "<tr><th scope=\"row\">" (kind.as_str()) "</th><td class=\"n\" data-label=\"Before\">" (c.before) "</td><td class=\"n\" data-label=\"Now\">"
                (c.now) "</td><td class=\"n\" data-label=\"New\">" (c.added) "</td><td class=\"n\" data-label=\"Gone\">" (c.removed)
                "</td><td class=\"n\" data-label=\"Changed\">" (c.changed) "</td></tr>\n");
        }
        p.raw("</tbody></table>\n");
    }
    if s.approved == Some(*now) {
        p.raw(
            "<p role=\"status\">Somebody has let it pass. It is taken in with the next run.</p></section>\n",
        );
        return;
    }
    if caller.may(Need::Act) {
        put!(p; "<form class=\"act\" method=\"post\" action=\"/sources/" (bits::segment(&s.id)) "/approve\">");
        word(caller, p);
        put!(p; "<input type=\"hidden\" name=\"run\" value=\"" (run.to_string()) "\"><p class=\"do\"><button>Let the pull of run " (*run)
            " pass</button></p></form>\n");
    } else {
        p.raw("<p class=\"soft\">An operator can let it pass, if that is how things are.</p>\n");
    }
    p.raw("</section>\n");
}

fn table(sources: &[Stands], now: Instant, p: &mut Html) {
    p.raw(
        "<table class=\"stack\"><caption class=\"visually-hidden\">Sources</caption><thead><tr><th scope=\"col\">State</th><th scope=\"col\">Source</th>\
         <th scope=\"col\">Read by</th><th scope=\"col\" class=\"n\">Records</th><th scope=\"col\" class=\"n\">Last good</th>\
         <th scope=\"col\" class=\"n\">Last tried</th></tr></thead><tbody>\n",
    );
    for s in sources {
        put!(p; "<tr><td class=\"s\">" (Mark(s.state)) "</td><th scope=\"row\"><a href=\"" (bits::findings(&[("source", &s.id)])) "\">" (Name(&s.id)) "</a>");
        if let Some(trouble) = &s.trouble {
            put!(p; "<span class=\"line\">" (Name(&why(trouble))) "</span>");
        }
        put!(p; "</th><td data-label=\"Read by\">" (&s.connector) "</td><td class=\"n\" data-label=\"Records\">" (s.records)
            "</td><td class=\"n\" data-label=\"Last good\">");
        match s.taken_at {
            Some(t) => put!(p; (Ago(t, now)) " ago"),
            None => p.raw("never"),
        }
        p.raw("</td><td class=\"n\" data-label=\"Last tried\">");
        match s.tried_at {
            Some(t) => put!(p; (Ago(t, now)) " ago"),
            None => p.raw("never"),
        }
        p.raw("</td></tr>\n");
    }
    p.raw("</tbody></table>\n");
}

fn why(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Held { run, .. } => format!("The pull of run {run} waits for somebody to look at it."),
        Trouble::Failed { reason } | Trouble::Partial { reason } => sentence(reason),
    }
}

/// What the form says.
#[derive(Debug, Deserialize)]
pub(in crate::serve) struct Sent {
    #[serde(default)]
    word: String,
    run: u64,
}

pub(in crate::serve) async fn approve(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(sent): Form<Sent>,
) -> Result<Response, Refusal> {
    spoken(&caller, &sent.word)?;
    act::approve(&site, &caller, id, sent.run).await?;
    Ok((StatusCode::SEE_OTHER, [(LOCATION, "/sources")]).into_response())
}
