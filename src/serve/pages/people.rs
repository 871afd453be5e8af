//! People: what lies on whose desk, and for one of them what they answer for and what was found about their own access.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::Uri;
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::ask::parameters;
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::taken::Path;
use super::bits;
use super::findings::part;
use super::frame::page;
use super::html::{Html, Name, put};
use crate::model::event::State;
use crate::store::{GroupBy, Page, Which};

/// How many desks are shown.
const DESKS: u32 = 500;
/// How many findings of each kind one person's page shows.
const ROWS: u32 = 25;

fn open() -> Which {
    Which { states: vec![State::Open], ..Which::default() }
}

pub(in crate::serve) async fn list(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Refusal> {
    if let Some((name, _)) = parameters(&uri)?.first() {
        return Err(Refusal::bad(format!("`{name}`: there is no such parameter here")));
    }
    let desks = site.shelf.with(|store| store.group(&open(), GroupBy::Owner, DESKS)).await?;
    let now = site.now();
    let mut main = Html::default();
    let p = &mut main;
    p.raw("<h1>People</h1>\n<p class=\"soft intro\">Who answers first for what is open, the worst desk first.</p>\n");
    if desks.is_empty() {
        p.raw("<p class=\"empty\">Nothing is open, so nobody has anything to do. <a href=\"/findings?state=all\">All findings there ever were</a></p>\n");
    } else {
        p.raw(
            "<table class=\"stack\"><caption class=\"visually-hidden\">Desks</caption><thead><tr><th scope=\"col\">Worst</th><th scope=\"col\">Answers</th>\
             <th scope=\"col\" class=\"n\">Findings</th><th scope=\"col\" class=\"n\">Critical</th><th scope=\"col\" class=\"n\">High</th>\
             <th scope=\"col\" class=\"n\">Oldest</th></tr></thead><tbody>\n",
        );
        let link = |id: Option<&str>| Some(id.map_or_else(|| bits::findings(&[("owner", "")]), bits::person));
        bits::groups(&desks, "nobody", now, &link, p);
        p.raw("</tbody></table>\n");
        if desks.len() == DESKS as usize {
            put!(p; "<p class=\"more\">The worst " (desks.len()) " desks are shown.</p>\n");
        }
    }
    Ok(page(Some(&caller), "/people", "People", &main))
}

pub(in crate::serve) async fn one(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (by, of) = (Some(Some(id.clone())), Some(id.clone()));
    let (desk, access) = site
        .shelf
        .with(move |store| {
            let page = Page { descending: true, limit: ROWS, ..Page::default() };
            let desk = store.find(&Which { owner: by, ..open() }, &page)?;
            Ok::<_, Refusal>((desk, store.find(&Which { subject: of, ..open() }, &page)?))
        })
        .await?;
    let now = site.now();
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<nav class=\"crumbs\" aria-label=\"Where this is\"><a href=\"/people\">People</a></nav>\n<h1>" (Name(&id)) "</h1>\n"
        "<section class=\"card\" aria-labelledby=\"h-desk\">\n<h2 id=\"h-desk\">Answers for <span class=\"num\">" (desk.total) "</span></h2>\n");
    part(&desk, &[("owner", &id)], "No open finding is theirs to answer for.", now, p);
    put!(p; "</section>\n<section class=\"card\" aria-labelledby=\"h-access\">\n<h2 id=\"h-access\">About their access <span class=\"num\">"
        (access.total) "</span></h2>\n");
    part(&access, &[("subject", &id)], "Nothing is open about what they hold.", now, p);
    p.raw("</section>\n");
    Ok(page(Some(&caller), "/people", &id, &main))
}
