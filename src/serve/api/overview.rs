//! Everything in numbers: findings, grants, sources, and how the last runs changed them.

use std::collections::BTreeMap;

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Refusal, json};
use super::super::ask::none;
use super::super::routes::Shared;
use super::sources::stand;
use crate::engine::Manifest;
use crate::model::Instant;
use crate::model::finding::Outcome;
use crate::store::StoreError;

/// How many runs are shown.
const RUNS: usize = 100;

/// Everything in numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Overview {
    #[schemars(with = "String")]
    now: Instant,
    /// How many findings there are, by state and severity.
    findings: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// How many grants there are, by verdict, and by standing.
    grants: Grants,
    /// How many sources there are, by how they stand.
    sources: BTreeMap<&'static str, u64>,
    /// The last run that ended.
    last_run: Option<Ended>,
    /// Whether it does its work, and why not.
    ready: bool,
    not_ready_because: Vec<String>,
    /// The last runs that judged, oldest first.
    trend: Vec<Run>,
}

/// A run that ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Ended {
    run: u64,
    #[schemars(with = "String")]
    started_at: Instant,
    #[schemars(with = "String")]
    ended_at: Instant,
}

/// Grants in numbers.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Grants {
    total: u64,
    by_verdict: BTreeMap<Outcome, u64>,
    by_standing: BTreeMap<&'static str, u64>,
    by_system: BTreeMap<String, BTreeMap<Outcome, u64>>,
}

/// What a run changed.
#[derive(Debug, Serialize, JsonSchema)]
struct Run {
    run: u64,
    #[schemars(with = "String")]
    at: Instant,
    /// The instant it judged at.
    #[schemars(with = "String")]
    as_of: Instant,
    /// How many grants were justified, unjustified and unknown after it.
    grants: BTreeMap<Outcome, u64>,
    /// What happened to findings: created, updated, closed.
    events: BTreeMap<String, u64>,
}

/// How many systems are counted one by one.
const SYSTEMS: usize = 1000;

pub(in crate::serve) async fn overview(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    none(&uri)?;
    let (counts, standings, runs) = site
        .shelf
        .with(|store| Ok::<_, StoreError>((store.finding_counts()?, store.standings()?, store.runs(RUNS)?)))
        .await?;
    let mut findings: BTreeMap<&'static str, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for c in counts {
        *findings.entry(c.state.as_str()).or_default().entry(c.severity.as_str()).or_default() += c.count;
    }
    let mut grants = Grants::default();
    for (system, standing, count) in standings {
        let verdict = standing.outcome();
        grants.total += count;
        *grants.by_verdict.entry(verdict).or_default() += count;
        *grants.by_standing.entry(standing.as_str()).or_default() += count;
        if grants.by_system.len() < SYSTEMS || grants.by_system.contains_key(&system) {
            *grants.by_system.entry(system).or_default().entry(verdict).or_default() += count;
        }
    }
    let mut sources: BTreeMap<&'static str, u64> = BTreeMap::new();
    for source in stand(&site).await? {
        *sources.entry(source.state).or_default() += 1;
    }
    let last_run = runs
        .iter()
        .find_map(|run| Some(Ended { run: run.id, started_at: run.started_at, ended_at: run.ended_at? }));
    let readiness = site.status.readiness();
    let (ready, not_ready_because) = (readiness.is_ready(), readiness.reasons().to_vec());
    let trend = runs.into_iter().rev().filter_map(|run| {
        let manifest: Manifest = serde_json::from_str(run.manifest.as_deref()?).ok()?;
        let Manifest { judged, now, outcomes, events, .. } = manifest;
        judged.then_some(Run { run: run.id, at: run.started_at, as_of: now, grants: outcomes, events })
    });
    let trend = trend.collect();
    Ok(json(
        StatusCode::OK,
        &Overview { now: site.now(), findings, grants, sources, last_run, ready, not_ready_because, trend },
    ))
}
