//! What programs can ask for and do, as JSON under `/api/v1/`.

mod findings;
mod runs;
pub(super) mod sources;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Site;

/// What is only looked at.
pub(super) fn reading() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/findings", get(findings::list))
        .route("/api/v1/findings/{id}", get(findings::one))
        .route("/api/v1/sources", get(sources::list))
}

/// What changes something.
pub(super) fn acting() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/findings/{id}/accept", post(findings::accept))
        .route("/api/v1/sources/{id}/approve", post(sources::approve))
}

/// What is evidence.
pub(super) fn auditing() -> Router<Arc<Site>> {
    Router::new().route("/api/v1/runs", get(runs::list))
}
