//! The first page: how much of what is held is carried by an approval, what is wrong, where it is worst, and whether the sources
//! can be trusted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration as Span, Instant as Tick};

use axum::Extension;
use axum::extract::State as Given;
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::api::sources::{Stands, stand};
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::site::Site;
use super::bits::{self, Bar, Tally, share};
use super::frame::page;
use super::html::{Ago, Html, Name, put, span};
use super::trend::{self, Point};
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::{Severity, Standing};
use crate::store::{Found, GroupBy, GroupCount, OrderBy, Page, RunRow, Store, StoreError, Which};

/// How many runs the trend looks back on.
const RUNS: usize = 500;
/// How many rows each list has.
const FEW: u32 = 5;
/// How many systems are listed.
const SYSTEMS: usize = 12;

/// All that the page shows of the store. Between two runs nothing of it changes, and so it is kept with the last that ended.
#[derive(Debug)]
pub(in crate::serve) struct Seen {
    standings: Vec<(String, Standing, u64)>,
    severities: BTreeMap<Severity, u64>,
    worst: [Vec<GroupCount>; 3],
    oldest: Found,
    runs: Vec<RunRow>,
}

/// What was last seen, and when it has to be looked for again.
#[derive(Debug)]
pub(in crate::serve) struct Last {
    /// How far the runs were; midway what was seen is half of before a run and half of after, and soon is something else.
    runs: Runs,
    at: Tick,
    seen: Arc<Seen>,
}

/// See [`Last`].
pub(in crate::serve) type Kept = Mutex<Option<Last>>;

/// For how long what was seen during a run is shown: whoever looks again and again should not keep the run waiting.
const MIDWAY: Span = Span::from_secs(5);

impl Last {
    fn holds(&self, runs: &Runs) -> bool {
        self.runs.after == runs.after && (!self.runs.midway || runs.midway && self.at.elapsed() < MIDWAY)
    }
}

/// How far the runs are.
#[derive(Debug, PartialEq, Eq)]
struct Runs {
    /// The last that had ended.
    after: Option<(u64, Instant)>,
    /// Whether another is under way.
    midway: bool,
}

impl Runs {
    fn of(rows: &[RunRow]) -> Self {
        Self {
            after: rows.iter().find_map(|run| Some((run.id, run.ended_at?))),
            midway: rows.first().is_some_and(|run| run.ended_at.is_none()),
        }
    }
}

fn open() -> Which {
    Which { states: vec![State::Open], ..Which::default() }
}

fn look(store: &mut dyn Store, runs: Vec<RunRow>) -> Result<Seen, StoreError> {
    let mut severities = BTreeMap::new();
    for severity in Severity::ALL {
        let which = Which { severities: vec![severity], ..open() };
        severities.insert(severity, store.find(&which, &Page::default())?.total);
    }
    let page = Page { order: OrderBy::FirstSeen, descending: false, offset: 0, limit: FEW };
    let (standings, oldest) = (store.standings()?, store.find(&open(), &page)?);
    Ok(Seen { standings, severities, worst: Default::default(), oldest, runs })
}

/// What the store holds now; or what it held after the last run, where none has ended since.
async fn seen(site: &Site) -> Result<Arc<Seen>, Refusal> {
    let rows = site.shelf.with(|store| store.runs(RUNS)).await?;
    let before = Runs::of(&rows);
    let kept = || site.overview.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = kept().as_ref().filter(|last| last.holds(&before)) {
        return Ok(Arc::clone(&last.seen));
    }
    // Counting takes the longest; it is done side by side.
    let worst = |by| site.shelf.with(move |store| store.group(&open(), by, FEW));
    let (requests, owners, systems, seen) = tokio::join!(
        worst(GroupBy::Request),
        worst(GroupBy::Owner),
        worst(GroupBy::System),
        site.shelf.with(move |store| look(store, rows))
    );
    let seen = Arc::new(Seen { worst: [requests?, owners?, systems?], ..seen? });
    let now = Runs::of(&site.shelf.with(|store| store.runs(2)).await?);
    let midway = before.midway || now != before;
    *kept() = Some(Last { runs: Runs { midway, ..before }, at: Tick::now(), seen: Arc::clone(&seen) });
    Ok(seen)
}

pub(in crate::serve) async fn show(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let seen = seen(&site).await?;
    let (sources, now) = (stand(&site).await?, site.now());
    let points = trend::points(&seen.runs);
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<div class=\"title\"><h1>Overview</h1>");
    last_run(&seen.runs, &points, now, p);
    p.raw("</div>\n");
    if seen.runs.iter().all(|run| run.ended_at.is_none()) {
        p.raw(
            "<p class=\"empty\">No run has ended yet. When the first has, this page says how much of what is held is carried by \
             an approval. <a href=\"/sources\">The sources</a> say whether anything keeps it.</p>\n",
        );
    }
    p.raw("<div class=\"grid two\">\n");
    coverage(&seen.standings, p);
    severities(&seen.severities, p);
    p.raw("</div>\n<div class=\"grid side level\">\n<section class=\"card\" aria-labelledby=\"h-trend\">\n<h2 id=\"h-trend\">Trend</h2>\n");
    trend::show(&points, p);
    p.raw("</section>\n");
    doubts(&sources, site.status.readiness().reasons(), now, p);
    p.raw("</div>\n");
    systems(&seen.standings, p);
    worst(&seen.worst, p);
    oldest(&seen.oldest, now, p);
    Ok(page(Some(&caller), "/", "Overview", &main))
}

fn last_run(runs: &[RunRow], points: &[Point], now: Instant, p: &mut Html) {
    let Some((run, ended)) = runs.iter().find_map(|r| Some((r, r.ended_at?))) else { return };
    put!(p; "<p class=\"soft\">Run " (run.id) " ended " (Ago(ended, now)) " ago");
    if ended.unix_ms() - run.started_at.unix_ms() >= 1000 {
        put!(p; " and took " (span(run.started_at, ended)));
    }
    if let Some(last) = points.last().filter(|last| last.run == run.id) {
        put!(p; ": " (last.created) " new, " (last.closed) " resolved");
    }
    p.raw(".</p>");
}

fn coverage(standings: &[(String, Standing, u64)], p: &mut Html) {
    let mut tally = Tally::default();
    standings.iter().for_each(|(_, standing, count)| tally.add(*standing, *count));
    p.raw("<section class=\"card\" aria-labelledby=\"h-cover\">\n<h2 id=\"h-cover\">Justified access</h2>\n");
    if tally.all() == 0 {
        p.raw("<p class=\"empty\">No grant is known. A source that provides grants brings the first.</p>\n</section>\n");
        return;
    }
    put!(p; "<p class=\"big\">" (share(tally.justified, tally.all())) "<span>of " (tally.all()) " grants</span></p>\n" (Bar(tally))
        "<dl class=\"key\"><div class=\"good\"><dt>justified</dt><dd>" (tally.justified) "</dd></div><div class=\"bad\"><dt>unjustified</dt><dd>"
        (tally.unjustified) "</dd></div><div class=\"dim\"><dt>unknown</dt><dd>" (tally.unknown) "</dd></div></dl>\n</section>\n");
}

fn severities(counts: &BTreeMap<Severity, u64>, p: &mut Html) {
    p.raw("<section class=\"card\" aria-labelledby=\"h-open\">\n<h2 id=\"h-open\">Open findings</h2>\n");
    let all: u64 = counts.values().sum();
    put!(p; "<p class=\"big\">" (all) "<span>open</span></p>\n<ul class=\"tiles\">\n");
    for (severity, count) in counts.iter().rev() {
        let to = bits::findings(&[("severity", severity.as_str())]);
        put!(p; "<li><a href=\"" (to) "\">" (*severity) "<b>" (*count) "</b></a></li>\n");
    }
    p.raw("</ul>\n</section>\n");
}

fn systems(standings: &[(String, Standing, u64)], p: &mut Html) {
    let mut by: BTreeMap<&str, Tally> = BTreeMap::new();
    for (system, standing, count) in standings {
        by.entry(system).or_default().add(*standing, *count);
    }
    if by.is_empty() {
        return;
    }
    let mut all: Vec<(&str, Tally)> = by.into_iter().collect();
    all.sort_by_key(|(name, t)| (std::cmp::Reverse(t.unjustified), std::cmp::Reverse(t.unknown), *name));
    p.raw(
        "<section class=\"card\" aria-labelledby=\"h-systems\">\n<h2 id=\"h-systems\">By system</h2>\n<table class=\"stack\"><thead><tr>\
         <th scope=\"col\">System</th><th scope=\"col\" class=\"n\">Grants</th><th scope=\"col\" class=\"n\">Justified</th>\
         <th scope=\"col\" class=\"n\">Unjustified</th><th scope=\"col\" class=\"n\">Unknown</th>\
         <th scope=\"col\" class=\"n\">Share justified</th><td class=\"barcell\"></td></tr></thead><tbody>\n",
    );
    for (system, t) in all.iter().take(SYSTEMS) {
        put!(p; "<tr><th scope=\"row\"><a href=\"" (bits::findings(&[("system", system)])) "\">" (Name(system))
            "</a></th><td class=\"n\" data-label=\"Grants\">" (t.all()) "</td><td class=\"n\" data-label=\"Justified\">" (t.justified)
            "</td><td class=\"n\" data-label=\"Unjustified\">" (t.unjustified) "</td><td class=\"n\" data-label=\"Unknown\">" (t.unknown)
            "</td><td class=\"n\" data-label=\"Share justified\">" (share(t.justified, t.all())) "</td><td class=\"barcell\">" (Bar(*t)) "</td></tr>\n");
    }
    p.raw("</tbody></table>\n");
    if all.len() > SYSTEMS {
        put!(p; "<p class=\"more\">" (all.len() - SYSTEMS) " more systems; <a href=\"/findings?group=system\">findings of all of them</a></p>\n");
    }
    p.raw("</section>\n");
}

fn worst(lists: &[Vec<GroupCount>; 3], p: &mut Html) {
    let [tickets, owners, systems] = lists;
    if owners.is_empty() {
        return;
    }
    let ticket = |name: Option<&str>| {
        let (source, id) = name?.split_once('\n')?;
        Some(bits::findings(&[("request", &format!("{source}:{id}"))]))
    };
    let owner = |name: Option<&str>| Some(bits::findings(&[("owner", name.unwrap_or_default())]));
    let system = |name: Option<&str>| Some(bits::findings(&[("system", name?)]));
    p.raw("<div class=\"grid three\">\n");
    type Link<'a> = &'a dyn Fn(Option<&str>) -> Option<String>;
    let all: [(&'static str, &'static str, &'static str, &Vec<GroupCount>, Link<'_>); 3] = [
        ("Worst tickets", "no ticket", "request", tickets, &ticket),
        ("Worst desks", "nobody answers", "owner", owners, &owner),
        ("Worst systems", "no system", "system", systems, &system),
    ];
    for (title, none, by, groups, link) in all {
        put!(p; "<section class=\"card\" aria-labelledby=\"h-" (*by) "\">\n<h2 id=\"h-" (*by) "\">" (*title)
            "</h2>\n<table class=\"stack\"><thead class=\"visually-hidden\"><tr><th scope=\"col\">Worst</th><th scope=\"col\">Name</th>"
            "<th scope=\"col\">Findings</th></tr></thead><tbody>\n");
        for g in groups {
            let name = g.name.as_deref().map(|name| name.rsplit('\n').next().unwrap_or(name));
            put!(p; "<tr><td class=\"s\">" (g.worst) "</td><th scope=\"row\">");
            match (name, link(g.name.as_deref())) {
                (name, Some(to)) => {
                    put!(p; "<a href=\"" (to) "\">" (name.map(Name)));
                    if name.is_none() {
                        p.raw(none);
                    }
                    p.raw("</a>");
                }
                (name, None) => {
                    put!(p; (name.map(Name)));
                    if name.is_none() {
                        put!(p; "<em class=\"nobody\">" (*none) "</em>");
                    }
                }
            }
            put!(p; "</th><td class=\"n\" data-label=\"Findings\">" (g.count) "</td></tr>\n");
        }
        put!(p; "</tbody></table>\n<p class=\"more\"><a href=\"" (bits::findings(&[("group", by)])) "\">All, worst first</a></p>\n</section>\n");
    }
    p.raw("</div>\n");
}

fn oldest(found: &Found, now: Instant, p: &mut Html) {
    p.raw(
        "<section class=\"card\" aria-labelledby=\"h-oldest\">\n<h2 id=\"h-oldest\">Open for longest</h2>\n",
    );
    if found.lives.is_empty() {
        p.raw("<p class=\"empty\">Nothing is open.</p>\n</section>\n");
        return;
    }
    p.raw(bits::ROWS_HEAD);
    bits::rows(&found.lives, now, p);
    put!(p; "</tbody></table>\n<p class=\"more\"><a href=\"/findings?sort=first_seen&amp;order=asc\">All " (found.total)
        ", oldest first</a></p>\n</section>\n");
}

fn doubts(sources: &[Stands], reasons: &[String], now: Instant, p: &mut Html) {
    let doubtful: Vec<&Stands> = sources.iter().filter(|s| s.state != "fresh").collect();
    p.raw("<section class=\"card\" aria-labelledby=\"h-doubt\">\n<h2 id=\"h-doubt\">Sources in doubt</h2>\n");
    if doubtful.is_empty() {
        put!(p; "<p class=\"empty\">None: <a href=\"/sources\">all " (sources.len()) "</a> are fresh and whole.</p>\n");
    } else {
        p.raw("<ul class=\"plain\">\n");
        for s in doubtful {
            put!(p; "<li>" (super::sources::Mark(s.state)) " <a href=\"/sources\">" (Name(&s.id)) "</a> ");
            if let Some(t) = s.taken_at {
                put!(p; "<span class=\"soft\">last good " (Ago(t, now)) " ago</span>");
            }
            p.raw("</li>\n");
        }
        p.raw("</ul>\n");
    }
    if !reasons.is_empty() {
        p.raw("<h3>Why it is not ready</h3>\n<ul>\n");
        for reason in reasons {
            put!(p; "<li>" (reason) "</li>\n");
        }
        p.raw("</ul>\n");
    }
    p.raw("</section>\n");
}
