//! Which path leads where, and what it needs of whoever asks.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::answer::{JSON, Refusal, TEXT, body};
use super::guard::{Gate, caller, dressed, pass};
use super::openapi::{About, Routes};
use super::sign_in::Need;
use super::taken::MAX_BODY;
use super::{Site, api, decisions, openapi, pages};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What all handlers are given.
pub(super) type Shared = State<Arc<Site>>;

/// All there is.
pub(super) fn router(site: Arc<Site>) -> Router {
    let behind = |routes: Router<Arc<Site>>, need| {
        routes.route_layer(from_fn_with_state(Gate { site: Arc::clone(&site), need }, pass))
    };
    let (programs, document) = programs(&site);
    let document: Arc<str> = document.to_string().into();
    Router::new()
        .merge(programs)
        .route(
            openapi::PATH,
            get(move || std::future::ready(body(StatusCode::OK, JSON, document.to_string()))),
        )
        .merge(pages::open())
        .merge(behind(pages::reading(), Need::Read))
        .merge(behind(pages::acting(), Need::Act))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&site), pages::told))
        .layer(from_fn(dressed))
        .with_state(site)
}

/// What programs ask for, and what describes it.
pub(super) fn programs(site: &Arc<Site>) -> (Router<Arc<Site>>, serde_json::Value) {
    let lives = About::text("health", "Whether the process lives.", TEXT);
    let ready = About::gives::<Ready>("readiness", "Whether it does its work; why not, for who may read.")
        .or::<Ready>(503);
    let numbers = About::text("metrics", "Metrics, as OpenMetrics.", OPEN_METRICS);
    let mut routes = Routes::new(site)
        .get("/healthz", None, lives, health)
        .get("/readyz", None, ready, readiness)
        .get("/metrics", Some(Need::Read), numbers, metrics);
    routes = api::routes(routes);
    routes = decisions::routes(routes);
    routes.finish()
}

/// Whether it does its work.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[allow(dead_code, reason = "says what is written by hand")]
struct Ready {
    ready: bool,
    /// Why not; only for who may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
}

async fn health() -> Response {
    body(StatusCode::OK, TEXT, "ok\n".to_owned())
}

/// Whoever has not signed in learns whether it is ready, and not why not: the reasons name sources and sinks.
async fn readiness(State(site): Shared, headers: HeaderMap) -> Response {
    let readiness = site.status.readiness();
    let code = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = match caller(&site, &headers).is_some_and(|c| c.may(Need::Read)) {
        true => serde_json::to_string(&readiness),
        false => Ok(format!("{{\"ready\":{}}}", readiness.is_ready())),
    };
    text.map_or_else(|e| Refusal::broken(&e).into_response(), |text| body(code, JSON, text))
}

async fn metrics(State(site): Shared) -> Response {
    match site.status.metrics.text() {
        Ok(text) => body(StatusCode::OK, OPEN_METRICS, text),
        Err(e) => Refusal::broken(&e).into_response(),
    }
}

async fn not_found() -> Refusal {
    Refusal::missing(
        "there is nothing here; / leads to the pages, and /openapi.json lists what programs can ask for",
    )
}

async fn not_allowed() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this is not answered to that method; the header `allow` says to which it is",
    )
}
