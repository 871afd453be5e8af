//! The forms that answers have, and what every answer carries.

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::StoreError;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const ZIP: &str = "application/zip";
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Nothing is loaded from elsewhere, nothing runs, nobody frames a page, and a form is sent only here.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// What every answer carries.
const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// The name by which whoever asks knows the request again.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long that is, in bytes.
const MAX_REQUEST_ID: usize = 256;

/// The name that a request gave itself, where it did.
pub(super) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(REQUEST_ID).filter(|id| id.len() <= MAX_REQUEST_ID).cloned()
}

/// Puts in what every answer carries; what is not said to be kept is not kept anywhere.
pub(super) fn dress(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// A body of one type.
pub(super) fn body(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, kind)], body).into_response()
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => body(status, JSON, text),
        Err(e) => Refusal::broken(&e).into_response(),
    }
}

/// What every error says.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ErrorBody {
    /// What is wrong, and what would be right, for people.
    error: String,
    /// The status, once more.
    status: u16,
}

/// Why a request has no answer: the status, and a sentence for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What is wrong, and what would be right.
    pub why: String,
    /// When to ask again, in seconds from now.
    pub after: Option<u64>,
}

impl Refusal {
    /// A refusal.
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into(), after: None }
    }

    /// Whoever asks was wrong too often.
    pub(super) fn too_often(wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let why =
            format!("too many tries that were not right came from there; try again in {seconds} seconds");
        Self { after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, why) }
    }

    /// The request is not one.
    pub(super) fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// There is no such thing.
    pub(super) fn missing(why: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, why)
    }

    /// Something of ours failed. Said in the log, and not to whoever asked.
    pub(super) fn broken(why: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %why, "a request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "it failed; the log says why")
    }
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Busy(_) => {
                let busy =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store is busy; try again in a moment");
                Self { after: Some(1), ..busy }
            }
            e => Self::broken(&e),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let told = ErrorBody { error: self.why.clone(), status: self.status.as_u16() };
        let text = serde_json::to_string(&told).unwrap_or_default();
        let mut response = body(self.status, JSON, text);
        if let Some(seconds) = self.after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For who reads pages, a page is made of it.
        response.extensions_mut().insert(self);
        response
    }
}
