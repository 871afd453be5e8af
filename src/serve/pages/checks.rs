//! The checks: what each looks for, how much it finds, and the controls it speaks to.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State as Given;
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::site::Facts;
use super::super::taken::Path;
use super::bits;
use super::findings::part;
use super::frame::page;
use super::html::{Elsewhere, Html, put};
use super::markdown;
use crate::controls::{Control, Framework};
use crate::judge::checks;
use crate::model::event::State;
use crate::store::{GroupBy, GroupCount, Page, Which};

/// How many findings the page of a check shows.
const ROWS: u32 = 10;

/// What a framework is called; its id where it is not known.
pub(super) fn framework<'v>(facts: &'v Facts, id: &'v str) -> &'v str {
    facts.controls.framework(id).map_or(id, |f| &f.title)
}

/// What a control says.
pub(super) fn control<'v>(facts: &'v Facts, of: &str, id: &str) -> Option<&'v str> {
    let framework = facts.controls.framework(of)?;
    framework.controls.iter().find(|c| c.id == id).map(|c| c.title.as_str())
}

pub(in crate::serve) async fn list(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let open = Which { states: vec![State::Open], ..Which::default() };
    let counts = site.shelf.with(move |store| store.group(&open, GroupBy::Check, 1000)).await?;
    let counts: BTreeMap<String, GroupCount> =
        counts.into_iter().filter_map(|g| Some((g.name.clone()?, g))).collect();
    let facts = site.facts();
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<h1>Checks</h1>\n<p class=\"soft intro\">" (checks::all().len()) " ways in which access can be wrong, and how often each is open now.</p>\n"
        "<table class=\"stack\"><caption class=\"visually-hidden\">Checks</caption><thead><tr><th scope=\"col\">Severity</th><th scope=\"col\">Check</th>"
        "<th scope=\"col\">Answers first</th><th scope=\"col\" class=\"n\">Open</th></tr></thead><tbody>\n");
    for check in checks::all() {
        let over = facts.settings.checks.overrides.get(check.name);
        let severity = over.and_then(|o| o.severity).unwrap_or(check.severity);
        put!(p; "<tr><td class=\"s\">" (severity) "</td><th scope=\"row\"><a href=\"" (bits::check(check.name)) "\">" (check.title) "</a>");
        if over.and_then(|o| o.enabled) == Some(false) {
            p.raw(" <span class=\"state\">off</span>");
        }
        put!(p; "<span class=\"line\"><code>" (check.name) "</code></span></th><td data-label=\"Answers first\">"
            (check.primary.as_str().replace('_', " ")) "</td><td class=\"n\" data-label=\"Open\">");
        match counts.get(check.name) {
            Some(g) => {
                put!(p; "<a href=\"" (bits::findings(&[("check", check.name)])) "\">" (g.count) "</a>")
            }
            None => p.raw("<span class=\"soft\">0</span>"),
        }
        p.raw("</td></tr>\n");
    }
    p.raw("</tbody></table>\n");
    Ok(page(Some(&caller), "/checks", "Checks", &main))
}

pub(in crate::serve) async fn one(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let none = || Refusal::missing("there is no check of that name; /checks lists them");
    let check = checks::by_name(&name).ok_or_else(none)?;
    let which = Which { states: vec![State::Open], checks: vec![name], ..Which::default() };
    let rows = Page { descending: true, limit: ROWS, ..Page::default() };
    let found = site.shelf.with(move |store| store.find(&which, &rows)).await?;
    let (facts, now) = (site.facts(), site.now());
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<nav class=\"crumbs\" aria-label=\"Where this is\"><a href=\"/checks\">Checks</a></nav>\n<div class=\"lead\"><p>" (check.severity)
        "</p>\n<h1>" (check.title) "</h1></div>\n<section class=\"card\" aria-labelledby=\"h-open\">\n<h2 id=\"h-open\">Open <span class=\"num\">"
        (found.total) "</span></h2>\n");
    part(&found, &[("check", check.name)], "It finds nothing at present.", now, p);
    p.raw("</section>\n<div class=\"grid side\">\n<article class=\"card prose\">\n");
    markdown::show(&check.page(), p);
    p.raw("</article>\n<div>\n");
    controls(&facts, check.name, p);
    p.raw("</div>\n</div>");
    Ok(page(Some(&caller), "/checks", check.title, &main))
}

fn controls(facts: &Facts, check: &str, p: &mut Html) {
    p.raw("<section class=\"card\"><h2>Controls it speaks to</h2>\n");
    let all: Vec<(&Framework, &Control)> = facts.controls.of(check).collect();
    for mine in all.chunk_by(|(a, _), (b, _)| a.framework == b.framework) {
        let Some((f, _)) = mine.first() else { continue };
        put!(p; "<h3>" (Elsewhere(Some(&f.source), &f.title)) "</h3>\n<dl class=\"facts\">");
        for (_, c) in mine {
            put!(p; "<dt>" (&c.id) "</dt><dd>" (&c.title) "</dd>");
        }
        p.raw("</dl>\n");
    }
    if all.is_empty() {
        p.raw("<p class=\"empty\">No control of a framework that is configured.</p>\n");
    }
    p.raw("</section>\n");
}
