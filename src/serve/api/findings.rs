//! Findings: some of them, one with its life, and accepting one for a time.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::act;
use super::super::answer::{Refusal, json};
use super::super::ask::{Asked, none};
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::taken::{Path, Sent};
use crate::model::Instant;
use crate::model::event::{Cause, State};
use crate::model::finding::Severity;
use crate::model::life::{Acceptance, Life};
use crate::store::{GroupCount, Store};

/// A finding, and where it is in its life.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Told {
    id: String,
    check: String,
    severity: Severity,
    state: State,
    /// Whether it came and went so often that it is held open until it is quiet.
    flapping: bool,
    episode: u32,
    #[schemars(with = "String")]
    first_seen: Instant,
    #[schemars(with = "String")]
    changed_at: Instant,
    cause: Cause,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    acceptance: Option<Acceptance>,
    /// As it was last told; empty of a resolved one that is too old to be kept.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    finding: Option<Box<RawValue>>,
}

impl From<Life> for Told {
    fn from(life: Life) -> Self {
        let acceptance = life.acceptance.filter(|_| life.state == State::Accepted);
        Self {
            id: life.id,
            check: life.check,
            severity: life.severity,
            state: life.state,
            flapping: life.quiet_at.is_some(),
            episode: life.episode,
            first_seen: life.first_seen,
            changed_at: life.changed_at,
            cause: life.cause,
            acceptance,
            finding: RawValue::from_string(life.body).ok(),
        }
    }
}

/// Findings that have something in common.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Group {
    name: Option<String>,
    count: u64,
    critical: u64,
    high: u64,
    worst: &'static str,
    #[schemars(with = "String")]
    oldest: Instant,
}

/// Findings, or how many there are of a kind.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::serve) enum Listed {
    /// Where nothing was said to count them by.
    Findings {
        /// How many there are in all.
        total: u64,
        /// How many of them come before these.
        offset: u64,
        /// How many are given at the most.
        limit: u32,
        /// These.
        findings: Vec<Told>,
    },
    /// Where something was.
    Groups {
        /// The worst first.
        groups: Vec<Group>,
    },
}

impl From<GroupCount> for Group {
    fn from(g: GroupCount) -> Self {
        let [critical, high] = g.urgent;
        let name = g.name.map(|name| name.replacen('\n', ":", 1));
        Self { name, count: g.count, critical, high, worst: g.worst.as_str(), oldest: g.oldest }
    }
}

pub(in crate::serve) async fn list(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let mut asked = Asked::read(&uri, 100)?;
    if asked.which.states.is_empty() {
        asked.which.states = vec![State::Open];
    }
    let page = asked.page.clone();
    if let Some(by) = asked.group {
        let groups = site.shelf.with(move |store| store.group(&asked.which, by, page.limit)).await?;
        let groups = groups.into_iter().map(Group::from).collect();
        return Ok(json(StatusCode::OK, &Listed::Groups { groups }));
    }
    let (offset, limit) = (page.offset, page.limit);
    let found = site.shelf.with(move |store| store.find(&asked.which, &page)).await?;
    let findings = found.lives.into_iter().map(Told::from).collect();
    Ok(json(StatusCode::OK, &Listed::Findings { total: found.total, offset, limit, findings }))
}

pub(in crate::serve) async fn one(
    Given(site): Shared,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    none(&uri)?;
    let life = site.shelf.with(move |store| life(store, &id)).await?;
    Ok(json(StatusCode::OK, &Told::from(life)))
}

/// What happened to a finding, latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Events {
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    events: Vec<Box<RawValue>>,
}

/// How many events are given.
const EVENTS: usize = 1000;

pub(in crate::serve) async fn events(
    Given(site): Shared,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    none(&uri)?;
    let events = site
        .shelf
        .with(move |store| {
            let mut events = vec![];
            life(store, &id)?;
            events.extend(
                store.events_of(&id, EVENTS)?.into_iter().filter_map(|body| RawValue::from_string(body).ok()),
            );
            Ok::<_, Refusal>(events)
        })
        .await?;
    Ok(json(StatusCode::OK, &Events { events }))
}

fn life(store: &dyn Store, id: &str) -> Result<Life, Refusal> {
    let none = || Refusal::missing("there is no finding of that id");
    store.life(id)?.ok_or_else(none)
}

/// An exception that is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Wanted {
    /// Until when, exclusive.
    #[schemars(with = "String", extend("format" = "date-time"))]
    until: Instant,
    /// Why.
    #[schemars(length(min = 1))]
    reason: String,
}

/// That a finding is accepted.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Accepted {
    #[schemars(with = "String")]
    accepted_until: Instant,
}

pub(in crate::serve) async fn accept(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
    Sent(wanted): Sent<Wanted>,
) -> Result<Response, Refusal> {
    none(&uri)?;
    act::accept(&site, &caller, id, wanted.until, wanted.reason).await?;
    Ok(json(StatusCode::OK, &Accepted { accepted_until: wanted.until }))
}
