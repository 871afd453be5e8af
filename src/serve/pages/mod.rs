//! The pages that people read.
//!
//! Rendered here, whole, and they work without JavaScript. Texts of others are escaped in one place, and nothing is loaded
//! from elsewhere.

mod provider;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::Site;

/// What needs no sign-in: signing in.
pub(super) fn open() -> Router<Arc<Site>> {
    Router::new()
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-in/start", get(provider::start))
        .route("/sign-in/callback", get(provider::callback))
}

/// What is only looked at.
pub(super) fn reading() -> Router<Arc<Site>> {
    Router::new().route("/sign-out", axum::routing::post(sign_in::sign_out))
}
