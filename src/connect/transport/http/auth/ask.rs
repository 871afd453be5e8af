//! One question to whoever hands out tokens, and what its answer means.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, Url};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::AuthError;
use crate::model::{Duration, Instant};
use crate::net::{Hidden, Web, why};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// What a question needs.
pub(super) struct Asker<'a> {
    /// The client.
    pub(super) web: &'a Web,
    /// What is kept out of every reason.
    pub(super) hidden: &'a Hidden,
    /// The time.
    pub(super) now: Instant,
}

/// What was answered. It may hold a token, so nothing of it is told unless it is a failure.
pub(super) struct Answer {
    host: String,
    /// The HTTP status.
    pub(super) status: u16,
    retry_after: Option<Duration>,
    body: SecretSlice<u8>,
}

/// What a failure says of itself.
#[derive(Default)]
pub(super) struct Said {
    /// The name of what went wrong, `invalid_client` say.
    pub(super) code: Option<String>,
    /// What went wrong.
    pub(super) text: Option<String>,
}

/// Names of what passes by itself, as OAuth 2 and AWS have them.
const PASSING: [&str; 9] = [
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalError",
];

impl Asker<'_> {
    /// A question, with this form or without one; answers in this type are understood.
    pub(super) fn post(url: &Url, form: Option<String>, accept: &'static str) -> Request {
        let mut request = Request::new(Method::POST, url.clone());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(form) = form {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            *request.body_mut() = Some(form.into());
        }
        request
    }

    /// Asks.
    ///
    /// # Errors
    /// When there was no whole answer, or one without end.
    pub(super) async fn ask(&self, request: Request) -> Result<Answer, AuthError> {
        let later = |host: &str, why: String| AuthError::Transient {
            reason: self.hidden.safe(&format!("{host}: {why}"), None),
            retry_after: None,
        };
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let answer = self.web.client.execute(request).await;
        let mut answer = answer.map_err(|e| later(&host, why(&e)))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| later(&host, why(&e)))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let text = format!("{host} answered with more than {MAX_ANSWER} bytes, which is no token");
                return Err(AuthError::Refused(text));
            }
            body.extend_from_slice(&chunk);
        }
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| crate::net::retry_after(value, self.now));
        Ok(Answer { host, status: answer.status().as_u16(), retry_after, body: SecretSlice::from(body) })
    }

    /// What an answer that is not the wanted one means. `more` is a secret of this question; `check` says what to do.
    pub(super) fn failure(
        &self,
        answer: &Answer,
        said: &Said,
        more: Option<&SecretString>,
        check: &str,
    ) -> AuthError {
        let code = said.code.as_deref();
        let words: Vec<&str> = code.into_iter().chain(said.text.as_deref()).collect();
        let words = if words.is_empty() { answer.text().into() } else { words.join(": ") };
        let words = self.hidden.safe(&words, more);
        let said = format!("{} answered {}", answer.host, answer.status);
        let said = if words.is_empty() { said } else { format!("{said}: {words}") };
        // Somewhere a 403 means too many requests, and says so by how long to wait.
        let passes = matches!(answer.status, 408 | 421 | 423 | 425 | 429 | 500..=599)
            || (answer.status == 403 && answer.retry_after.is_some())
            || code.is_some_and(|code| PASSING.contains(&code));
        if passes {
            AuthError::Transient { reason: said, retry_after: answer.retry_after }
        } else if (300..400).contains(&answer.status) {
            let text = format!("{said} (a redirect, which is never followed: set the address it leads to)");
            AuthError::Refused(text)
        } else {
            AuthError::Refused(format!("{said}; {check}"))
        }
    }
}

impl Answer {
    /// Whether the question was answered as one would have it.
    pub(super) fn good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What was said, as far as it is text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(self.body.expose_secret()).unwrap_or_default()
    }

    /// That nothing is known of what was said. The answer is not told: it may hold a token.
    pub(super) fn no_token(&self, why: &str, check: &str) -> AuthError {
        AuthError::Refused(format!("{} answered {}, but {why}; {check}", self.host, self.status))
    }
}
