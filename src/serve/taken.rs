//! What is taken from a request: names from its address, and its body. What is wrong with either is said as everything else is
//! that is refused, and in the words of whoever sent it.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FormRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::answer::Refusal;

/// How long a body may be, in bytes.
pub(super) const MAX_BODY: usize = 1 << 20;

/// The names in the path of an address.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let refused =
            |_| Refusal::bad("the path cannot be read: a name in it is not UTF-8 (%XX is a byte of it)");
        path.map(|path| Self(path.0)).map_err(refused)
    }
}

/// What a form sends.
pub(super) struct Form<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let refused = |e: FormRejection| {
            let text = e.body_text();
            let what = text.split_once(": ").map_or(text.as_str(), |(_, what)| what);
            Refusal::new(e.status(), format!("the form cannot be read: {what}"))
        };
        axum::extract::Form::from_request(request, state).await.map(|form| Self(form.0)).map_err(refused)
    }
}

/// A body, as it is.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let refused = |e: BytesRejection| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is longer than {MAX_BODY} bytes"),
            ),
            status => Refusal::new(status, "the body broke off"),
        };
        Bytes::from_request(request, state).await.map(Self).map_err(refused)
    }
}

/// Whether a body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// What a body says that is not JSON by its own account.
pub(super) const NOT_JSON: &str = "expected `content-type: application/json`";

/// An object, as JSON.
pub(super) struct Sent<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, NOT_JSON));
        }
        let Raw(bytes) = Raw::from_request(request, state).await?;
        // A list of the same values in the order of the fields would be taken for an object.
        let is_object = bytes.trim_ascii_start().starts_with(b"{");
        if !is_object && serde_json::from_slice::<IgnoredAny>(&bytes).is_ok() {
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "the body: expected an object"));
        }
        Json::from_bytes(&bytes).map(|Json(sent)| Self(sent)).map_err(|e| unread(&e))
    }
}

/// Why a body is not what was expected: what the reader says, in words for whoever sent it.
fn unread(e: &JsonRejection) -> Refusal {
    let (text, status) = (e.body_text(), e.status());
    // The reader's own words for a number that cannot be below nothing.
    let text = text.replace("expected u64", "expected a whole number");
    let why = match text.split_once(": ") {
        Some((_, what)) if matches!(e, JsonRejection::JsonDataError(_)) => format!("the body: {what}"),
        Some((_, what)) => format!("the body is no JSON: {what}"),
        None => text,
    };
    Refusal::new(status, why)
}
