//! Findings: filtered, in an order, in groups, a page at a time. All of it stands in the address, so that a link shows somebody
//! else the same.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::header::LOCATION;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::super::answer::Refusal;
use super::super::ask::{Asked, parameters, query};
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::bits;
use super::filter;
use super::frame::page;
use super::html::{Html, put};
use crate::model::Instant;
use crate::model::event::State;
use crate::store::{Found, GroupBy, GroupCount, OrderBy};

/// How many rows a page has.
const ROWS: u32 = 50;
/// How many groups are shown.
const GROUPS: u32 = 200;

pub(in crate::serve) async fn list(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Refusal> {
    if let Some(to) = filter::tidied(&parameters(&uri)?) {
        return Ok((StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response());
    }
    let asked = Asked::read(&uri, ROWS)?;
    let mut which = asked.which.clone();
    if which.states.is_empty() {
        which.states = vec![State::Open];
    }
    let (group, mut rows) = (asked.group, asked.page.clone());
    rows.limit = rows.limit.clamp(1, 500);
    let (limit, offset) = (rows.limit, rows.offset);
    let (systems, what) = site
        .shelf
        .with(move |store| {
            let mut systems: Vec<String> =
                store.standings()?.into_iter().map(|(system, ..)| system).collect();
            systems.dedup();
            let what = match group {
                Some(by) => What::Groups(by, store.group(&which, by, GROUPS)?),
                None => What::Rows(store.find(&which, &rows)?),
            };
            Ok::<_, Refusal>((systems, what))
        })
        .await?;
    let now = site.now();
    let mut main = Html::default();
    let p = &mut main;
    p.raw("<h1>Findings</h1>\n");
    filter::form(&asked, &systems, p);
    match what {
        What::Rows(found) => {
            views(&asked, p);
            self::rows(&asked, &found, (offset, limit), now, p);
        }
        What::Groups(by, groups) => {
            views(&asked, p);
            self::groups(&asked, by, &groups, now, p);
        }
    }
    Ok(page(Some(&caller), "/findings", "Findings", &main))
}

enum What {
    Rows(Found),
    Groups(GroupBy, Vec<GroupCount>),
}

/// Links to the same findings one by one, or in groups.
fn views(asked: &Asked, p: &mut Html) {
    p.raw("<nav class=\"views\" aria-label=\"Grouping\"><ul>");
    let one = (None, "One by one");
    let by = GroupBy::ALL.iter().map(|(by, word)| {
        (
            Some((*by, *word)),
            match by {
                GroupBy::Request => "By ticket",
                GroupBy::Owner => "By who answers",
                GroupBy::System => "By system",
                GroupBy::Check => "By check",
                GroupBy::Subject => "By holder",
            },
        )
    });
    for (by, label) in std::iter::once(one).chain(by) {
        let to = asked.link(&[("group", by.map(|(_, word)| word)), ("offset", None)]);
        put!(p; "<li><a href=\"/findings" (to) "\"");
        if by.map(|(by, _)| by) == asked.group {
            p.raw(" aria-current=\"true\"");
        }
        put!(p; ">" (label) "</a></li>");
    }
    p.raw("</ul></nav>\n");
}

fn rows(asked: &Asked, found: &Found, (offset, limit): (u64, u32), now: Instant, p: &mut Html) {
    if found.lives.is_empty() {
        nothing(asked, found.total, p);
        return;
    }
    let last = offset + found.lives.len() as u64;
    put!(p; "<p class=\"count\" role=\"status\">" (offset + 1) "–" (last) " of " (found.total) "</p>\n");
    p.raw("<table class=\"stack findings\"><caption class=\"visually-hidden\">Findings</caption><thead><tr>");
    type Column = (&'static str, Option<(OrderBy, &'static str)>, bool);
    let columns: [Column; 5] = [
        ("Severity", Some((OrderBy::Severity, "severity")), false),
        ("Finding", Some((OrderBy::Check, "check")), false),
        ("On", Some((OrderBy::System, "system")), false),
        ("Answers", Some((OrderBy::Owner, "owner")), false),
        ("Open for", Some((OrderBy::FirstSeen, "first_seen")), true),
    ];
    for (label, order, right) in columns {
        heading(asked, label, order, right, p);
    }
    p.raw("</tr></thead><tbody>\n");
    bits::rows(&found.lives, now, p);
    p.raw("</tbody></table>\n");
    pager(asked, found.total, offset, limit, p);
}

/// A heading by which the table can be put in order. Of the age the oldest is the greatest, and the first seen the least.
fn heading(
    asked: &Asked,
    label: &'static str,
    order: Option<(OrderBy, &'static str)>,
    right: bool,
    p: &mut Html,
) {
    p.raw(if right { "<th scope=\"col\" class=\"n\"" } else { "<th scope=\"col\"" });
    let Some((order, word)) = order else {
        put!(p; ">" (label) "</th>");
        return;
    };
    let (mine, turned) = (asked.page.order == order, order == OrderBy::FirstSeen);
    let descends = asked.page.descending != turned;
    if mine {
        p.raw(if descends { " aria-sort=\"descending\"" } else { " aria-sort=\"ascending\"" });
    }
    // The first click shows what is most pressing.
    let natural = if order == OrderBy::Severity { "desc" } else { "asc" };
    let next = match (mine, asked.page.descending) {
        (true, true) => "asc",
        (true, false) => "desc",
        (false, _) => natural,
    };
    let to = asked.link(&[("sort", Some(word)), ("order", Some(next)), ("offset", None)]);
    put!(p; "><a href=\"/findings" (to) "\">" (label) "</a></th>");
}

fn pager(asked: &Asked, total: u64, offset: u64, limit: u32, p: &mut Html) {
    let limit = u64::from(limit);
    if total <= limit && offset == 0 {
        return;
    }
    let end = total.saturating_sub(1) / limit * limit;
    let to = |offset: u64| {
        let text = offset.to_string();
        format!("/findings{}", asked.link(&[("offset", (offset > 0).then_some(text.as_str()))]))
    };
    p.raw("<nav class=\"pager\" aria-label=\"Pages\"><ul>");
    let places: [(&'static str, Option<u64>); 4] = [
        ("First", (offset > 0).then_some(0)),
        ("Previous", (offset > 0).then(|| offset.saturating_sub(limit))),
        ("Next", (offset + limit < total).then_some(offset + limit)),
        ("Last", (offset + limit < total && end <= super::super::ask::MAX_OFFSET).then_some(end)),
    ];
    for (label, place) in places {
        match place {
            Some(place) => put!(p; "<li><a class=\"button\" href=\"" (to(place)) "\">" (label) "</a></li>"),
            None => put!(p; "<li><span class=\"button off\" aria-disabled=\"true\">" (label) "</span></li>"),
        }
    }
    put!(p; "</ul><p class=\"soft\">Page " (offset / limit + 1) " of " (end / limit + 1) "</p></nav>\n");
}

fn nothing(asked: &Asked, total: u64, p: &mut Html) {
    let filtered =
        asked.link(&[("sort", None), ("order", None), ("group", None), ("offset", None), ("limit", None)]);
    if total > 0 {
        put!(p; "<p class=\"empty\">There are only " (total) " of these. <a href=\"/findings" (asked.link(&[("offset", None)]))
            "\">To the first page</a></p>\n");
    } else if filtered.is_empty() {
        p.raw("<p class=\"empty\">Nothing is open: every grant is carried by an approval, or its source is in doubt. \
               <a href=\"/sources\">See the sources</a>, or <a href=\"/findings?state=all\">all findings there ever were</a>.</p>\n");
    } else {
        p.raw("<p class=\"empty\">No finding fits. <a href=\"/findings\">Take the filters off</a>, or widen them above.</p>\n");
    }
}

fn groups(asked: &Asked, by: GroupBy, groups: &[GroupCount], now: Instant, p: &mut Html) {
    if groups.is_empty() {
        nothing(asked, 0, p);
        return;
    }
    if groups.len() == GROUPS as usize {
        put!(p; "<p class=\"count\" role=\"status\">The worst " (groups.len()) " groups</p>\n");
    } else {
        put!(p; "<p class=\"count\" role=\"status\">" (groups.len()) " groups, worst first</p>\n");
    }
    let (heading, none, name): (&'static str, &'static str, &'static str) = match by {
        GroupBy::Request => ("Ticket", "no ticket", "request"),
        GroupBy::Owner => ("Answers", "nobody", "owner"),
        GroupBy::System => ("System", "no system", "system"),
        GroupBy::Check => ("Check", "no check", "check"),
        GroupBy::Subject => ("Holder", "nobody", "subject"),
    };
    put!(p; "<table class=\"stack\"><caption class=\"visually-hidden\">Groups of findings</caption><thead><tr><th scope=\"col\">Worst</th><th scope=\"col\">"
        (heading) "</th><th scope=\"col\" class=\"n\">Findings</th><th scope=\"col\" class=\"n\">Critical</th><th scope=\"col\" class=\"n\">High</th>"
        "<th scope=\"col\" class=\"n\">Oldest</th></tr></thead><tbody>\n");
    let link = |value: Option<&str>| {
        let value = match by {
            GroupBy::Request => value?.replacen('\n', ":", 1),
            GroupBy::Owner => value.unwrap_or_default().to_owned(),
            _ => value?.to_owned(),
        };
        Some(format!("/findings{}", asked.link(&[("group", None), ("offset", None), (name, Some(&value))])))
    };
    bits::groups(groups, none, now, &link, p);
    p.raw("</tbody></table>\n");
}

/// A part of another page: the findings of which something is true, the worst first, and a link to all of them.
pub(super) fn part(found: &Found, of: &[(&str, &str)], none: &'static str, now: Instant, p: &mut Html) {
    if found.lives.is_empty() {
        put!(p; "<p class=\"empty\">" (*none) "</p>\n");
        return;
    }
    p.raw(bits::ROWS_HEAD);
    bits::rows(&found.lives, now, p);
    p.raw("</tbody></table>\n");
    if found.total > found.lives.len() as u64 {
        put!(p; "<p class=\"more\"><a href=\"/findings" (query(of.iter().copied())) "\">All " (found.total) "</a></p>\n");
    }
}
