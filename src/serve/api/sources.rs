//! The sources: how each stands, and letting a held pull pass.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::act;
use super::super::answer::{Refusal, json};
use super::super::ask::none;
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::site::Site;
use super::super::taken::{Path, Sent};
use crate::engine::{Manifest, PullOutcome};
use crate::model::life::{Condition, Counts, Difference, SourceState, Trouble};
use crate::model::{Instant, RecordType};

/// A source, as it stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::serve) struct Stands {
    /// Its id.
    pub(in crate::serve) id: String,
    /// What reads it.
    pub(in crate::serve) connector: String,
    /// `fresh`, `stale`, `incomplete`, `held` or `failed`; `never read`.
    pub(in crate::serve) state: &'static str,
    /// When its last good snapshot was taken.
    #[schemars(with = "Option<String>")]
    pub(in crate::serve) taken_at: Option<Instant>,
    /// How many records that held.
    pub(in crate::serve) records: u64,
    /// SHA-256 of that snapshot.
    pub(in crate::serve) sha256: String,
    /// When it was last tried.
    #[schemars(with = "Option<String>")]
    pub(in crate::serve) tried_at: Option<Instant>,
    /// Why the last try gave no good snapshot.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub(in crate::serve) trouble: Option<Trouble>,
    /// The number of records that somebody has approved, where a pull was held.
    pub(in crate::serve) approved: Option<u64>,
}

/// How every configured source stands.
pub(in crate::serve) async fn stand(site: &Site) -> Result<Vec<Stands>, Refusal> {
    let known = site.shelf.with(|store| store.sources()).await?;
    let (facts, now) = (site.facts(), site.now());
    let max_age = facts.settings.checks.thresholds.source_max_age;
    let stands = facts.sources.iter().map(|(id, connector)| {
        let s = known.iter().find(|s| s.id == *id).cloned().unwrap_or_default();
        let state = match s.condition(max_age, now) {
            Condition::Troubled(trouble) => trouble.as_str(),
            Condition::NeverRead => "never read",
            Condition::Stale(_) => "stale",
            Condition::Incomplete => "incomplete",
            Condition::Fresh => "fresh",
        };
        let SourceState { taken_at, records, sha256, tried_at, trouble, approved, .. } = s;
        let (id, connector) = (id.clone(), connector.clone());
        Stands { id, connector, state, taken_at, records, sha256, tried_at, trouble, approved }
    });
    Ok(stands.collect())
}

/// How many runs are looked through for how a held pull differs.
const RUNS: usize = 20;

/// How the pulls that are held differ from the last good ones, by source, as the last run that tried them said.
pub(in crate::serve) async fn differences(
    site: &Site,
    sources: &[Stands],
) -> Result<BTreeMap<String, Difference>, Refusal> {
    let mut all = BTreeMap::new();
    if !sources.iter().any(|s| s.state == "held") {
        return Ok(all);
    }
    let runs = site.shelf.with(|store| store.runs(RUNS)).await?;
    let manifests =
        runs.iter().filter_map(|row| serde_json::from_str::<Manifest>(row.manifest.as_deref()?).ok());
    for line in manifests.flat_map(|m| m.sources) {
        if let PullOutcome::Held { difference, .. } = line.outcome {
            all.entry(line.id).or_insert(difference);
        }
    }
    Ok(all)
}

pub(in crate::serve) async fn list(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    none(&uri)?;
    let stands = stand(&site).await?;
    let mut held = differences(&site, &stands).await?;
    let sources = stands.into_iter().map(|stands| {
        let difference = held.remove(&stands.id).filter(|_| stands.state == "held").map(|d| d.of);
        Source { stands, difference }
    });
    Ok(json(StatusCode::OK, &List { sources: sources.collect() }))
}

/// A source, as it stands, and how a pull that is held differs from its last good one.
#[derive(Debug, Serialize, JsonSchema)]
struct Source {
    #[serde(flatten)]
    stands: Stands,
    /// By the type of the records.
    #[schemars(with = "Option<BTreeMap<String, BTreeMap<String, u64>>>")]
    difference: Option<BTreeMap<RecordType, Counts>>,
}

/// Which held pull is let pass.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Wanted {
    /// The run whose pull was looked at.
    run: u64,
}

/// Every configured source.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct List {
    sources: Vec<Source>,
}

/// That a held pull is let pass.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Approved {
    approved: u64,
}

pub(in crate::serve) async fn approve(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
    Sent(wanted): Sent<Wanted>,
) -> Result<Response, Refusal> {
    none(&uri)?;
    act::approve(&site, &caller, id, wanted.run).await?;
    Ok(json(StatusCode::OK, &Approved { approved: wanted.run }))
}
