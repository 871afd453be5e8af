//! The one way in which sinks speak HTTP: a request, its answer, and what the answer means for the messages.

use std::fmt;

use reqwest::{Method, RequestBuilder, Url, header};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::Receipt;
use crate::model::{Duration, Instant};
pub use crate::net::Connection;
use crate::net::{Web, why};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// A client for one sink.
pub(super) struct Http(pub(super) Web);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// What a receiver answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// How long it asked to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What it answered, fit for a reason: who, which status, the first words; no secrets.
    pub(super) said: String,
    body: Vec<u8>,
}

impl Http {
    /// A POST of a body of this type.
    pub(super) fn post(
        &self,
        url: &Url,
        content_type: &'static str,
        body: impl Into<reqwest::Body>,
    ) -> RequestBuilder {
        self.0.client.request(Method::POST, url.clone()).header(header::CONTENT_TYPE, content_type).body(body)
    }

    /// Sends a request. `now` is what a date in `Retry-After` is counted from.
    ///
    /// # Errors
    /// When there was no answer: then it is worth trying again, and the receipt says so.
    pub(super) async fn exchange(&self, request: RequestBuilder, now: Instant) -> Result<Answer, Receipt> {
        self.exchange_hiding(request, now, None).await
    }

    /// Sends a request that holds one secret more than those that were known from the start.
    ///
    /// # Errors
    /// As [`Http::exchange`].
    pub(super) async fn exchange_hiding(
        &self,
        request: RequestBuilder,
        now: Instant,
        more: Option<&SecretString>,
    ) -> Result<Answer, Receipt> {
        let later = |reason: String| Receipt::Later { reason: self.safe(&reason), retry_after: None };
        let request = request.build().map_err(|e| later(why(&e)))?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let mut response =
            self.0.client.execute(request).await.map_err(|e| later(format!("{host}: {}", why(&e))))?;
        let mut body: Vec<u8> = Vec::new();
        // The status is what counts. An answer that breaks off or never ends is read as far as it goes: whoever needs
        // the rest of it will not understand it, and take nothing for taken.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_ANSWER - body.len();
            body.extend(chunk.iter().take(room));
            if chunk.len() >= room {
                break;
            }
        }
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| crate::net::retry_after(value, now));
        let status = response.status().as_u16();
        let words = self.0.hidden.safe(&String::from_utf8_lossy(&body), more);
        let said = format!("{host} answered {status}{}{words}", if words.is_empty() { "" } else { ": " });
        Ok(Answer { status, retry_after, said, body })
    }

    /// A text from outside, fit for a reason: without secrets, on one line, cut.
    pub(super) fn safe(&self, text: &str) -> String {
        self.0.hidden.safe(text, None)
    }
}

impl Answer {
    /// The body as JSON of this shape; `None` when it is anything else.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default().trim()
    }

    /// What an answer means where the receiver's documentation says nothing more particular.
    pub(super) fn receipt(&self) -> Receipt {
        let reason = self.said.clone();
        match self.status {
            200..=299 => Receipt::Taken,
            300..=399 => Receipt::Paused {
                reason: format!(
                    "{reason} (a redirect, which is never followed: set the address it leads to)"
                ),
            },
            // Who we are, or where we knock, is wrong for every message alike.
            401 | 402 | 403 | 404 | 405 | 407 | 410 => Receipt::Paused { reason },
            400..=499 if !matches!(self.status, 408 | 421 | 423 | 425 | 429) => Receipt::Refused { reason },
            _ => self.later(),
        }
    }

    /// That it is worth trying again.
    pub(super) fn later(&self) -> Receipt {
        Receipt::Later { reason: self.said.clone(), retry_after: self.retry_after }
    }
}
