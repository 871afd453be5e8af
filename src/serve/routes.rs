//! The pages. Each is a function of the status alone; what is not a page is said in JSON.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;

use super::Status;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Page = (StatusCode, [(HeaderName, &'static str); 3], String);

fn page(status: StatusCode, kind: &'static str, body: String) -> Page {
    (status, [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body)
}

/// All pages. Only `GET` and `HEAD` are answered.
pub fn router(status: Arc<Status>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(status)
}

async fn health() -> Page {
    page(StatusCode::OK, TEXT, "ok\n".to_owned())
}

async fn readiness(State(status): State<Arc<Status>>) -> Page {
    let readiness = status.readiness();
    let code = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(&readiness) {
        Ok(body) => page(code, JSON, body),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the readiness cannot be written"),
    }
}

async fn metrics(State(status): State<Arc<Status>>) -> Page {
    match status.metrics.text() {
        Ok(body) => page(StatusCode::OK, OPEN_METRICS, body),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
    }
}

async fn not_found() -> Page {
    error(StatusCode::NOT_FOUND, "there is no such page; there are /healthz, /readyz and /metrics")
}

async fn not_allowed() -> Page {
    error(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
}

/// `what` is a text of ours, and needs no escapes.
fn error(status: StatusCode, what: &'static str) -> Page {
    page(status, JSON, format!("{{\"error\":\"{what}\"}}"))
}
