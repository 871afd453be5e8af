//! The pages that people read.
//!
//! Rendered here, whole, and they work without JavaScript. Texts of others are escaped in one place ([`html`]), and nothing
//! is loaded from elsewhere: one style, and pictures drawn in the page.
//!
//! ```text
//! address ─▶ store ─▶ overview, findings, … ─┬─▶ frame: head, menu, who has signed in ─▶ page
//!                       bits, trend, filter ─┘       ▲
//!                       html: text and markup        └── what was refused, for who reads pages
//! ```

mod accept;
mod bits;
mod chain;
mod checks;
mod exceptions;
mod filter;
mod finding;
mod findings;
mod frame;
mod html;
mod markdown;
mod overview;
mod people;
mod provider;
mod sign_in;
mod sources;
mod trend;

pub(super) use frame::told;
pub(super) use overview::Kept;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Site;

/// What needs no sign-in: signing in, and how that looks.
pub(super) fn open() -> Router<Arc<Site>> {
    Router::new()
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route(frame::STYLE_PATH.as_str(), get(frame::style))
        .route("/sign-in/start", get(provider::start))
        .route("/sign-in/callback", get(provider::callback))
}

/// What is only looked at.
pub(super) fn reading() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/findings", get(findings::list))
        .route("/findings/{id}", get(finding::show))
        .route("/grants", get(chain::grant))
        .route("/requests/{source}/{id}", get(chain::request))
        .route("/people", get(people::list))
        .route("/people/{id}", get(people::one))
        .route("/sources", get(sources::list))
        .route("/exceptions", get(exceptions::list))
        .route("/checks", get(checks::list))
        .route("/checks/{name}", get(checks::one))
        .route("/sign-out", post(sign_in::sign_out))
}

/// What changes something.
pub(super) fn acting() -> Router<Arc<Site>> {
    Router::new()
        .route("/findings/{id}/accept", post(accept::accept))
        .route("/sources/{id}/approve", post(sources::approve))
}
