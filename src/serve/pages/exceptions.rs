//! Exceptions: which findings are accepted, by whom, why and until when; what ends soon stands first.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::Uri;
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::ask::{MAX_OFFSET, number, parameters};
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::bits::{self, Person};
use super::frame::page;
use super::html::{Ago, Day, Html, Name, put};
use crate::model::event::State;
use crate::model::life::Life;
use crate::model::{Duration, Instant};
use crate::store::{Accepted, Found, OrderBy, Page, Store, StoreError, Which};

/// How many rows a page has.
const ROWS: u32 = 100;
/// What ends within this is said to end soon.
const SOON: Duration = Duration::days(14);
/// How many of those that wait for a run are shown.
const WAITING: usize = 100;

/// What is accepted, and what will be with the next run.
fn look(
    store: &mut dyn Store,
    now: Instant,
    offset: u64,
) -> Result<(Found, Vec<(Accepted, Life)>), StoreError> {
    let which = Which { states: vec![State::Accepted], ..Which::default() };
    let page = Page { order: OrderBy::Until, descending: false, offset, limit: ROWS };
    let found = store.find(&which, &page)?;
    let began = store.runs(20)?.into_iter().find(|r| r.ended_at.is_some()).map(|r| r.started_at);
    let mut waiting = vec![];
    for accepted in store.accepted(now)?.into_iter().filter(|a| began.is_none_or(|began| a.at >= began)) {
        if waiting.len() == WAITING {
            break;
        }
        if let Some(life) = store.life(&accepted.finding)?.filter(|life| life.state == State::Open) {
            waiting.push((accepted, life));
        }
    }
    Ok((found, waiting))
}

pub(in crate::serve) async fn list(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut offset = 0;
    for (name, value) in parameters(&uri)? {
        let given = (name == "offset").then(|| number(&value, MAX_OFFSET));
        let bad = || Refusal::bad(format!("`{name}`: there is no such parameter here; there is offset"));
        offset =
            given.ok_or_else(bad)?.map_err(|why| Refusal::bad(format!("`offset` = `{value}`: {why}")))?;
    }
    let now = site.now();
    let (found, waiting) = site.shelf.with(move |store| Ok::<_, Refusal>(look(store, now, offset)?)).await?;
    let mut main = Html::default();
    let p = &mut main;
    p.raw("<h1>Exceptions</h1>\n<p class=\"soft intro\">A finding that is accepted for a time, by somebody who answers for it. To accept one, open it \
           under <a href=\"/findings\">Findings</a>.</p>\n");
    if !waiting.is_empty() {
        p.raw("<section class=\"card note\"><h2>Take effect with the next run</h2>\n");
        head(p);
        for (a, life) in &waiting {
            row(life, &a.by, &a.reason, a.until, now, p);
        }
        p.raw("</tbody></table></section>\n");
    }
    if found.lives.is_empty() {
        if waiting.is_empty() {
            p.raw("<p class=\"empty\">No exception is in force.</p>\n");
        }
        return Ok(page(Some(&caller), "/exceptions", "Exceptions", &main));
    }
    put!(p; "<p class=\"count\" role=\"status\">" (offset + 1) "–" (offset + found.lives.len() as u64) " of " (found.total)
        " in force, those that end first at the top</p>\n");
    head(p);
    for life in &found.lives {
        if let Some(a) = &life.acceptance {
            row(life, &a.by, &a.reason, a.until, now, p);
        }
    }
    p.raw("</tbody></table>\n");
    pager(found.total, offset, p);
    Ok(page(Some(&caller), "/exceptions", "Exceptions", &main))
}

fn head(p: &mut Html) {
    p.raw("<table class=\"stack\"><caption class=\"visually-hidden\">Exceptions</caption><thead><tr><th scope=\"col\">Severity</th><th scope=\"col\">Finding</th>\
           <th scope=\"col\">Accepted by</th><th scope=\"col\">Reason</th><th scope=\"col\" class=\"n\">Until</th></tr></thead><tbody>\n");
}

fn row(life: &Life, by: &str, reason: &str, until: Instant, now: Instant, p: &mut Html) {
    let said = bits::body(life);
    let title = said.as_ref().map_or(life.check.as_str(), |f| &f.title);
    put!(p; "<tr><td class=\"s\">" (life.severity) "</td><th scope=\"row\"><a href=\"" (bits::finding(&life.id)) "\">" (title)
        "</a><span class=\"line\">" (life.system.as_deref().map(Name)) " " (life.account.as_deref().map(Name))
        "</span></th><td data-label=\"Accepted by\">" (Person(Some(by))) "</td><td data-label=\"Reason\" class=\"wide\">" (Name(reason))
        "</td><td class=\"n\" data-label=\"Until\">" (Day(until)) "<span class=\"line\">");
    if until <= now.plus(SOON) {
        put!(p; "<span class=\"soon\">ends in " (Ago(until, now)) "</span>");
    } else {
        put!(p; "in " (Ago(until, now)));
    }
    p.raw("</span></td></tr>\n");
}

fn pager(total: u64, offset: u64, p: &mut Html) {
    let rows = u64::from(ROWS);
    if total <= rows {
        return;
    }
    p.raw("<nav class=\"pager\" aria-label=\"Pages\"><ul>");
    if offset > 0 {
        put!(p; "<li><a class=\"button\" href=\"/exceptions?offset=" (offset.saturating_sub(rows).to_string()) "\">Previous</a></li>");
    }
    if offset + rows < total {
        put!(p; "<li><a class=\"button\" href=\"/exceptions?offset=" ((offset + rows).to_string()) "\">Next</a></li>");
    }
    p.raw("</ul></nav>\n");
}
