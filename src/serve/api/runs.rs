//! What runs did: their manifests, as they were kept.

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::answer::{Refusal, json};
use super::super::ask::{MAX_LIMIT, number, parameters};
use super::super::routes::Shared;
use crate::model::Instant;

/// A run.
#[derive(Serialize)]
struct Run {
    run: u64,
    started_at: Instant,
    ended_at: Option<Instant>,
    manifest: Option<Box<RawValue>>,
}

pub(in crate::serve) async fn list(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let mut limit = 100;
    for (name, value) in parameters(&uri)? {
        match name.as_str() {
            "limit" => {
                let given = number(&value, u64::from(MAX_LIMIT));
                limit = given.map_err(|why| Refusal::bad(format!("`limit` = `{value}`: {why}")))?;
            }
            _ => return Err(Refusal::bad(format!("`{name}`: there is no such parameter; there is limit"))),
        }
    }
    let runs = site.shelf.with(move |store| store.runs(usize::try_from(limit).unwrap_or(0))).await?;
    let read = |text: String| RawValue::from_string(text).ok();
    let runs: Vec<Run> = runs
        .into_iter()
        .map(|r| Run {
            run: r.id,
            started_at: r.started_at,
            ended_at: r.ended_at,
            manifest: r.manifest.and_then(read),
        })
        .collect();
    Ok(json(StatusCode::OK, &serde_json::json!({ "runs": runs })))
}
