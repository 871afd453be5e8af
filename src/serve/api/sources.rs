//! The sources: how each stands, and letting a held pull pass.

use axum::Extension;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, Path, State as Given};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::act;
use super::super::answer::{Refusal, json};
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::site::Site;
use crate::model::Instant;
use crate::model::life::{Condition, SourceState, Trouble};

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

pub(in crate::serve) async fn list(Given(site): Shared) -> Result<Response, Refusal> {
    Ok(json(StatusCode::OK, &List { sources: stand(&site).await? }))
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
    sources: Vec<Stands>,
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
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(wanted) = wanted?;
    act::approve(&site, &caller, id, wanted.run).await?;
    Ok(json(StatusCode::OK, &Approved { approved: wanted.run }))
}
