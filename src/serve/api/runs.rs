//! What runs did: their manifests, as they were kept.

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::answer::{Refusal, json};
use super::super::ask::{paged, parameters};
use super::super::routes::Shared;
use crate::model::Instant;

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
struct Run {
    run: u64,
    #[schemars(with = "String")]
    started_at: Instant,
    /// Empty where it broke off.
    #[schemars(with = "Option<String>")]
    ended_at: Option<Instant>,
    /// What it did.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    manifest: Option<Box<RawValue>>,
}

/// Runs, latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct List {
    runs: Vec<Run>,
}

pub(in crate::serve) async fn list(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let (limit, _) = paged(&parameters(&uri)?, 100, None)?;
    let runs = site.shelf.with(move |store| store.runs(limit as usize)).await?;
    let read = |text: String| RawValue::from_string(text).ok();
    let runs = runs
        .into_iter()
        .map(|r| Run {
            run: r.id,
            started_at: r.started_at,
            ended_at: r.ended_at,
            manifest: r.manifest.and_then(read),
        })
        .collect();
    Ok(json(StatusCode::OK, &List { runs }))
}
