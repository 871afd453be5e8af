//! One finding: what is wrong, the proof, who answers and why, what clears it, what happened to it so far; and, for who may,
//! accepting it for a time.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::routes::Shared;
use super::super::sign_in::{Caller, Need};
use super::super::site::{Facts, Site};
use super::super::taken::Path;
use super::accept::{self, Filled};
use super::bits::{self, Person, Ticket};
use super::frame::framed;
use super::html::{Ago, Html, Name, put};
use crate::judge::checks;
use crate::model::Instant;
use crate::model::event::{Cause, Event, State};
use crate::model::finding::{Finding, GrantView};
use crate::model::life::Life;
use crate::store::Accepted;

/// How many things that happened are shown.
const EVENTS: usize = 50;

/// All that the page shows of the store.
pub(super) struct Seen {
    life: Life,
    /// Each as JSON, latest first.
    events: Vec<String>,
    accepted: Vec<Accepted>,
}

/// What is remembered of a finding.
pub(super) async fn look(site: &Site, id: String) -> Result<Seen, Refusal> {
    let now = site.now();
    site.shelf
        .with(move |store| {
            let none = || Refusal::missing("there is no finding of that id");
            let life = store.life(&id)?.ok_or_else(none)?;
            let mut accepted = store.accepted(now)?;
            accepted.retain(|a| a.finding == id);
            Ok(Seen { life, events: store.events_of(&id, EVENTS)?, accepted })
        })
        .await
}

pub(in crate::serve) async fn show(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let seen = look(&site, id).await?;
    Ok(page(&site, &caller, &seen, StatusCode::OK, &Filled::default()))
}

/// The page; `filled` is what stands in the form, and why it was not taken.
pub(super) fn page(
    site: &Site,
    caller: &Caller,
    seen: &Seen,
    status: StatusCode,
    filled: &Filled,
) -> Response {
    let (facts, now, life) = (site.facts(), site.now(), &seen.life);
    let said = bits::body(life);
    let title = said.as_ref().map_or(life.check.as_str(), |f| &f.title).to_owned();
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<nav class=\"crumbs\" aria-label=\"Where this is\"><a href=\"/findings\">Findings</a></nav>\n<div class=\"lead\"><p>"
        (life.severity) " " (life.state));
    if life.quiet_at.is_some() {
        p.raw(" <span class=\"state\">flapping</span>");
    }
    put!(p; "</p>\n<h1>" (title) "</h1>\n");
    match &said {
        Some(f) => put!(p; "<p class=\"message\">" (Name(&f.message)) "</p>\n"),
        None => {
            p.raw("<p class=\"empty\">It was resolved so long ago that what it said is no longer kept.</p>\n")
        }
    }
    p.raw("</div>\n<div class=\"grid side\">\n<div>\n");
    if let Some(f) = &said {
        clears(f, life, p);
        answers(f, p);
        proof(f, p);
    }
    events(&seen.events, now, p);
    if let Some(f) = &said {
        controls(f, &facts, p);
    }
    p.raw("</div>\n<div>\n");
    self::facts(life, said.as_ref(), now, p);
    exception(life, &seen.accepted, now, p);
    if life.state != State::Resolved && said.is_some() {
        let waits = seen.accepted.iter().any(|a| a.until > now) && life.state == State::Open;
        if caller.may(Need::Act) && !waits {
            accept::form(caller, &life.id, filled, now, facts.max_exception, p);
        } else if !waits {
            p.raw("<section class=\"card\"><h2>Accept for a time</h2><p class=\"soft\">An operator can do that.</p></section>\n");
        }
    }
    p.raw("</div>\n</div>");
    framed(status, Some(caller), "/findings", &title, &main)
}

fn clears(f: &Finding<'_>, life: &Life, p: &mut Html) {
    if life.state == State::Resolved {
        put!(p; "<section class=\"card\"><h2>Why it is resolved</h2>\n<p>" (cause(life.cause)) ".</p></section>\n");
    } else {
        put!(p; "<section class=\"card\"><h2>What clears it</h2>\n<p>" (&f.remediation) "</p>\n<p class=\"more\"><a href=\""
            (bits::check(&life.check)) "\">More on <code>" (&life.check) "</code></a></p></section>\n");
    }
    if !f.reasons.is_empty() {
        p.raw("<section class=\"card\"><h2>Why it fired</h2>\n<ul>");
        for reason in &f.reasons {
            put!(p; "<li>" (Name(reason)) "</li>\n");
        }
        p.raw("</ul></section>\n");
    }
}

fn answers(f: &Finding<'_>, p: &mut Html) {
    p.raw("<section class=\"card\"><h2>Who answers</h2>\n<table class=\"stack\"><thead class=\"visually-hidden\"><tr><th scope=\"col\">Who</th>\
           <th scope=\"col\">Role</th><th scope=\"col\">Duty</th></tr></thead><tbody>\n");
    for a in &f.accountable {
        put!(p; "<tr><th scope=\"row\">" (Person(a.identity.as_deref())));
        if a.primary {
            p.raw(" <span class=\"state\">first</span>");
        }
        put!(p; "</th><td>" (a.role.as_str().replace('_', " ")) "</td><td class=\"soft\">" (&a.duty) "</td></tr>\n");
    }
    p.raw("</tbody></table></section>\n");
}

fn proof(f: &Finding<'_>, p: &mut Html) {
    p.raw("<section class=\"card\"><h2>Proof</h2>\n");
    if f.evidence.is_empty() {
        p.raw("<p class=\"empty\">What is missing is the point: there is no record that would carry it.</p></section>\n");
        return;
    }
    p.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Proof\"><table><thead><tr><th scope=\"col\">Source</th>\
           <th scope=\"col\">Record</th><th scope=\"col\">Collected</th><th scope=\"col\">SHA-256</th></tr></thead><tbody>\n");
    for e in &f.evidence {
        put!(p; "<tr><td>" (e.source.as_deref().map(Name)) "</td><td>" (e.id.as_deref().map(Name)) "</td><td>" (e.collected_at)
            "</td><td>");
        if let Some(hash) = &e.sha256 {
            let head: String = hash.chars().take(12).collect();
            put!(p; "<code title=\"" (hash) "\">" (head) "…</code>");
        }
        p.raw("</td></tr>\n");
    }
    p.raw("</tbody></table></div></section>\n");
}

/// Why something was told, in words.
fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Detected => "Seen for the first time",
        Cause::Changed => "Severity, request, standing or who answers changed",
        Cause::Reopened => "It had been resolved, and is there again",
        Cause::Flapping => "It changed so often that it is held open until it is quiet",
        Cause::Suppressed => "An exception accepts it",
        Cause::ExceptionEnded => "The exception that accepted it ended",
        Cause::ExceptionOutgrown => "The access grew beyond what was accepted",
        Cause::Revoked => "The access is gone",
        Cause::Approved => "An approval covers the access now",
        Cause::SourceChanged => "The records no longer show what was wrong",
        Cause::CheckOff => "The check was switched off",
    }
}

fn events(events: &[String], now: Instant, p: &mut Html) {
    p.raw("<section class=\"card\"><h2>What happened</h2>\n");
    let read: Vec<Event<'_>> = events.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    if read.is_empty() {
        p.raw("<p class=\"empty\">Nothing of it is kept.</p></section>\n");
        return;
    }
    p.raw("<ol class=\"life\">\n");
    for e in &read {
        put!(p; "<li>" (e.severity_mark()) "<b>" (cause(e.cause)) "</b> <span class=\"soft\">" (e.time) ", " (Ago(e.time, now))
            " ago · run " (e.run) "</span></li>\n");
    }
    p.raw("</ol>\n");
    if events.len() == EVENTS {
        p.raw("<p class=\"more\">Earlier events are in the evidence log.</p>\n");
    }
    p.raw("</section>\n");
}

trait Mark {
    fn severity_mark(&self) -> Html;
}

impl Mark for Event<'_> {
    /// How bad it was, and where it stood, after this.
    fn severity_mark(&self) -> Html {
        let mut html = Html::default();
        let p = &mut html;
        put!(p; "<span class=\"marks\">" (self.state) " " (self.finding.severity) "</span>");
        html
    }
}

fn facts(life: &Life, said: Option<&Finding<'_>>, now: Instant, p: &mut Html) {
    p.raw("<section class=\"card\"><h2>About</h2>\n<dl class=\"facts\">");
    if let Some(g) = said.and_then(|f| f.grant.as_ref()) {
        grant(g, p);
    } else if let Some(system) = &life.system {
        put!(p; "<dt>System</dt><dd>" (Name(system)) "</dd>");
    }
    if let Some(source) = &life.source {
        put!(p; "<dt>Source</dt><dd><a href=\"/sources\">" (Name(source)) "</a></dd>");
    }
    if let Some(subject) = said.and_then(|f| f.subject.as_ref()) {
        put!(p; "<dt>Holder</dt><dd>" (Person(Some(&subject.id))) " <span class=\"soft\">"
            (subject.kind.as_deref().unwrap_or("no known identity")) "</span></dd>");
    }
    if let Some(standing) = life.standing {
        put!(p; "<dt>Standing</dt><dd>" (standing.as_str()) "</dd>");
    }
    if let Some(request) = said.and_then(|f| f.request.as_ref()) {
        put!(p; "<dt>Ticket</dt><dd>" (Ticket(request)) "<span class=\"line\">" (&request.state));
        if let Some(at) = request.decided_at {
            put!(p; ", decided " (at));
        }
        if let Some(end) = request.end {
            put!(p; ", ends " (end));
        }
        p.raw("</span></dd>");
    }
    put!(p; "<dt>First seen</dt><dd>" (life.first_seen) " <span class=\"soft\">" (Ago(life.first_seen, now)) " ago</span></dd>"
        "<dt>Last change</dt><dd>" (life.changed_at) "</dd>");
    if life.episode > 1 {
        put!(p; "<dt>Came back</dt><dd>" (life.episode - 1) " times</dd>");
    }
    put!(p; "<dt>Check</dt><dd><a href=\"" (bits::check(&life.check)) "\">" (&life.check) "</a></dd><dt>Id</dt><dd><code class=\"id\">"
        (&life.id) "</code></dd></dl>\n");
    if let Some(g) = said.and_then(|f| f.grant.as_ref()) {
        let to = bits::grant(&g.system, &g.account, &g.entitlement, g.scope.as_deref());
        put!(p; "<p class=\"do\"><a class=\"button\" href=\"" (to) "\">The chain behind this grant</a></p>");
    }
    p.raw("</section>\n");
}

fn grant(g: &GrantView<'_>, p: &mut Html) {
    put!(p; "<dt>System</dt><dd><a href=\"" (bits::findings(&[("system", &g.system)])) "\">" (Name(&g.system)) "</a></dd><dt>Account</dt><dd>"
        (Name(&g.account)) "</dd><dt>Entitlement</dt><dd>" (Name(&g.entitlement)) "</dd>");
    if let Some(scope) = &g.scope {
        put!(p; "<dt>Scope</dt><dd>" (Name(scope)) "</dd>");
    }
    if !g.path.is_empty() {
        let path: Vec<&str> = g.path.iter().map(|step| &*step.entitlement).collect();
        put!(p; "<dt>Through</dt><dd>" (Name(&path.join(" → "))) "</dd>");
    }
    if let Some(at) = g.granted_at {
        put!(p; "<dt>Granted</dt><dd>" (at));
        if let Some(by) = &g.granted_by {
            put!(p; " by " (Name(by)));
        }
        p.raw("</dd>");
    }
    if let Some(at) = g.expires_at {
        put!(p; "<dt>Ends</dt><dd>" (at) "</dd>");
    }
    match g.last_used_at {
        Some(at) => put!(p; "<dt>Last used</dt><dd>" (at) "</dd>"),
        None => p.raw("<dt>Last used</dt><dd class=\"soft\">not known</dd>"),
    }
}

fn exception(life: &Life, accepted: &[Accepted], now: Instant, p: &mut Html) {
    if let Some(a) = life.acceptance.as_ref().filter(|_| life.state == State::Accepted) {
        put!(p; "<section class=\"card note\"><h2>Accepted</h2>\n<p>By " (Person(Some(&a.by))) " until " (a.until) ", for another "
            (Ago(a.until, now)) ".</p>\n<blockquote>" (Name(&a.reason)) "</blockquote></section>\n");
        return;
    }
    for a in accepted.iter().filter(|_| life.state == State::Open) {
        put!(p; "<section class=\"card note\" role=\"status\"><h2>Accepted</h2>\n<p>By " (Person(Some(&a.by))) " until " (a.until)
            ". It takes effect with the next run.</p>\n<blockquote>" (Name(&a.reason)) "</blockquote></section>\n");
    }
}

fn controls(f: &Finding<'_>, facts: &Facts, p: &mut Html) {
    let known = checks::by_name(&f.check).is_some();
    if f.controls.is_empty() {
        return;
    }
    p.raw("<section class=\"card\"><h2>Controls it breaches</h2>\n<table class=\"stack\"><thead class=\"visually-hidden\"><tr><th scope=\"col\">Control</th>\
           <th scope=\"col\">What it asks</th><th scope=\"col\">Framework</th></tr></thead><tbody>\n");
    for c in &f.controls {
        let title = super::checks::control(facts, &c.framework, &c.id).filter(|_| known);
        put!(p; "<tr><th scope=\"row\" class=\"short\">" (Name(&c.id)) "</th><td>" (title) "</td><td class=\"soft\">"
            (super::checks::framework(facts, &c.framework)) "</td></tr>\n");
    }
    p.raw("</tbody></table></section>\n");
}
