//! HTTP: the steps of a manifest, asked of a product.
//!
//! ```text
//! manifest ─▶ run: step, unit, page ─▶ request ─▶ ask: auth, limits, tries ─▶ product
//!                 ▲      │                                     │
//!                 │      └── rows ◀── answer ◀─────────────────┘
//!                 └── page: the next one, or the end
//! ```
//!
//! - `run`: which requests are made, for which rows; `unit`: one of them, page after page; `rows`: where its rows go.
//! - `value`, `request`: what stands in a request.
//! - `ask`, `limits`, `auth`: sending it until it is answered, as slowly as the product wants.
//! - `answer`, `page`: what an answer says, and how it goes on.
//! - `room`: how much memory that may take.
//! - `keep`: what is kept between pulls, so that only changes are asked for.
//!
//! Whatever is doubtful is a reason for the pull not to be complete: a warning, a page that leads back, a count that is not
//! reached, a part that is denied.

mod answer;
mod ask;
pub mod auth;
mod keep;
mod limits;
mod page;
mod request;
mod room;
mod rows;
mod run;
mod site;
#[cfg(test)]
mod tests;
mod unit;
mod value;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::{Duration as Wait, Instant as Tick};

use tokio::sync::Semaphore;

pub use site::{Auth, Site};

use super::{Ask, Doing, Fetched, Watch, block_on};
use crate::connect::error::PullError;
use crate::connect::manifest::http::Http;
use crate::connect::map::sha256;
use crate::model::Instant;
use ask::{Asker, Trouble};
use auth::Authorizer;
use keep::Keep;
use run::{Place, Run};

/// How often somebody is asked whether to go on.
const TICK: Wait = Wait::from_millis(500);

/// Asks everything the manifest says.
///
/// # Errors
/// When nothing could be had: the settings are wrong, nobody answers, or nothing may be known.
pub fn fetch(ask: &Ask<'_>, site: &Site) -> Result<Fetched, PullError> {
    let run = prepared(ask, site)?;
    let fetched = finish(ask.watch, run.everything())?.map_err(PullError::Asked)?;
    if run.asker.answers.get() == 0 {
        if let Some(reason) = fetched.reasons.first() {
            return Err(PullError::Asked(reason.clone()));
        }
        if fetched.requests > 0 {
            return Err(PullError::Asked("everything that was asked is denied".to_owned()));
        }
    }
    Ok(fetched)
}

/// Asks one thing that needs the least of what a pull needs.
///
/// # Errors
/// What does not work, and which permission would make it.
pub fn probe(ask: &Ask<'_>, site: &Site) -> Result<(), PullError> {
    let run = prepared(ask, site)?;
    finish(ask.watch, run.probe())?.map_err(|trouble| PullError::Asked(trouble.reason().to_owned()))
}

/// Runs a pull to its end on this thread, and asks again and again whether to go on.
fn finish<T>(watch: &Watch<'_>, work: impl Future<Output = T>) -> Result<T, PullError> {
    block_on(async {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = ticks.tick() => {
                    if watch(&Doing::Busy) {
                        return Err(PullError::Asked(Trouble::Stopped.reason().to_owned()));
                    }
                }
            }
        }
    })
}

fn prepared<'a>(ask: &Ask<'a>, site: &Site) -> Result<Run<'a>, PullError> {
    let wrong = |e: String| PullError::Setting(e);
    let http = ask.connector.manifest.http.as_ref();
    let http =
        http.ok_or_else(|| wrong(format!("connector `{}` does not ask over HTTP", ask.connector.name())))?;
    let settings = ask.settings.as_object();
    let places = places(http, site, settings).map_err(wrong)?;
    let main = places.get("main").or_else(|| places.values().next());
    let main = main.ok_or_else(|| wrong("no address: give `url`".to_owned()))?.url.clone();
    let auth = Authorizer::new(&http.auth, &site.auth, &main, settings, ask.folder, &site.connection)
        .map_err(wrong)?;
    let web = site.connection.open_gzip(ask.folder, auth.secrets()).map_err(|e| wrong(e.0))?;
    let deadline = Wait::from_millis(site.deadline.ms().unsigned_abs());
    let most = http.concurrency.max(1);
    let concurrency = site.concurrency.unwrap_or(most).clamp(1, most);
    let now = Instant::parse(&ask.options.taken_at).map_err(|e| wrong(format!("`taken_at`: {e}")))?;
    // Somebody else may be shown other rows. Secrets are in it by where they are alone.
    let said = format!("{http:?} {settings:?} {:?} {:?} {:?}", site.url, site.urls, site.auth);
    let fingerprint = sha256(said.as_bytes());
    let keep = Keep::open(ask.keep, &ask.options.source, &fingerprint, now, site.full_every);
    Ok(Run {
        http,
        asker: Asker {
            web,
            auth,
            http,
            watch: ask.watch,
            turns: Semaphore::new(concurrency),
            max_requests: site.max_requests,
            deadline: (Tick::now() + deadline, deadline),
            swift: site.swift,
            requests: Cell::new(0),
            answers: Cell::new(0),
            rows: Cell::new(0),
            bytes: Cell::new(0),
            token: RefCell::new(None),
            not_before: Cell::new(None),
            not_before_why: RefCell::new(String::new()),
        },
        places,
        settings,
        now,
        page_size: site.page_size,
        concurrency,
        keep: RefCell::new(keep),
        reasons: RefCell::new(Vec::new()),
        refused: RefCell::new(BTreeMap::new()),
        delta_link: RefCell::new(None),
        anew: RefCell::new(BTreeSet::new()),
        partial: RefCell::new(BTreeSet::new()),
        asked: RefCell::new(BTreeSet::new()),
        over: Cell::new(false),
    })
}

/// The addresses of a manifest, as the site has them.
fn places(
    http: &Http,
    site: &Site,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Result<BTreeMap<String, Place>, String> {
    if let Some(name) = site.urls.keys().find(|name| !http.bases.contains_key(*name)) {
        let known: Vec<&str> = http.bases.keys().map(String::as_str).collect();
        return Err(format!("`urls`: there is no address `{name}`: there are {}", known.join(", ")));
    }
    let mut places = BTreeMap::new();
    for (name, base) in &http.bases {
        let setting = if site.urls.contains_key(name) { format!("urls.{name}") } else { "url".to_owned() };
        let text = match (site.urls.get(name).or(site.url.as_ref()), &base.url) {
            (Some(own), _) => own.clone(),
            (None, Some(known)) => value::filled(known, settings)?,
            (None, None) => return Err("`url` is needed: the address of the product".to_owned()),
        };
        let url = site.connection.address(&setting, &text).map_err(|e| e.0)?;
        if url.query().is_some() {
            return Err(format!("`{setting}`: the address of the product has no `?`"));
        }
        let region = base.region.as_deref().map(|r| value::filled(r, settings)).transpose()?;
        places.insert(name.clone(), Place { url, service: base.service.clone(), region });
    }
    Ok(places)
}
