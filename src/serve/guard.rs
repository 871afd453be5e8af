//! What stands before every answer: whether the request is meant for us, who asks, whether that one may, and whether a browser
//! was talked into it.

use std::sync::Arc;
use std::time::Instant as Tick;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, COOKIE as COOKIE_HEADER, HOST, LOCATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::{REQUEST_ID, Refusal, dress, request_id};
use super::sign_in::{COOKIE, Caller, Need, Peer};
use super::site::{Site, is_own_host};

/// What a route needs of whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) site: Arc<Site>,
    pub(super) need: Need,
}

/// Lets a request pass to a route of its kind, with the [`Caller`] among its extensions.
pub(super) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match admit(&gate, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => sign_in_first(&request, refusal),
        Err(refusal) => refusal.into_response(),
    }
}

/// Dresses every answer, and gives it the name of its request.
pub(super) async fn dressed(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let mut response = next.run(request).await;
    dress(response.headers_mut());
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn admit(gate: &Gate, request: &Request) -> Result<Caller, Refusal> {
    let headers = request.headers();
    let refuse = |status, why: &str| Err(Refusal::new(status, why));
    if !gate.site.is_guarded() {
        let host = headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        if !is_own_host(host) {
            let why = "the request is for another host; where nobody signs in, only localhost, 127.0.0.1 and [::1] are answered";
            return refuse(StatusCode::MISDIRECTED_REQUEST, why);
        }
    }
    let Some(caller) = caller(&gate.site, headers) else {
        // Somebody who guesses hears less and less; somebody who is right is never kept waiting by those who are not.
        if headers.contains_key(AUTHORIZATION)
            && let Some(peer) = request.extensions().get::<Peer>()
        {
            if let Some(wait) = gate.site.attempts.wait(*peer, Tick::now()) {
                return Err(Refusal::too_often(wait));
            }
            gate.site.attempts.failed(*peer, Tick::now());
        }
        let why = "sign in first: `Authorization: Bearer TOKEN`, or /sign-in in a browser";
        return refuse(StatusCode::UNAUTHORIZED, why);
    };
    if !caller.may(gate.need) {
        let who = match &caller.name {
            Some(name) => format!("`{name}` may not do this"),
            None => {
                "nobody signs in here, and so nobody may do this; configure [[serve.token]] or [serve.oidc]"
                    .to_owned()
            }
        };
        return refuse(StatusCode::FORBIDDEN, &format!("{who}; it needs the role {}", gate.need.roles()));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && let Some(word) = &caller.csrf {
        if is_from_elsewhere(headers) {
            let why = "another site asked for this in your name; it was not done";
            return refuse(StatusCode::FORBIDDEN, why);
        }
        // Of a form its handler looks at the word in it.
        let said = headers.get("x-csrf-token").is_some_and(|said| said.as_bytes() == word.as_bytes());
        if request.uri().path().starts_with("/api/") && !said {
            let why = "a browser's session needs the header `x-csrf-token`; programs use `Authorization: Bearer TOKEN`";
            return refuse(StatusCode::FORBIDDEN, why);
        }
    }
    Ok(caller)
}

/// Whether a form carries the word that its page was given: no other site can know it. A program with a token needs none.
///
/// # Errors
/// When it does not.
pub(super) fn spoken(caller: &Caller, word: &str) -> Result<(), Refusal> {
    match &caller.csrf {
        Some(own) if own != word => {
            let why = "the form is not from this sign-in, and nothing was done; go back, load the page again and send it once more";
            Err(Refusal::new(StatusCode::FORBIDDEN, why))
        }
        _ => Ok(()),
    }
}

/// Who asks; `None` when nobody who is known does.
pub(super) fn caller(site: &Site, headers: &HeaderMap) -> Option<Caller> {
    if !site.is_guarded() {
        return Some(Caller::nobody());
    }
    if let Some(given) = headers.get(AUTHORIZATION) {
        let (kind, token) = given.to_str().ok()?.split_once(' ')?;
        return kind.eq_ignore_ascii_case("bearer").then(|| site.tokens().find(token.trim()).cloned())?;
    }
    site.sessions.find(cookie(headers)?, Tick::now())
}

/// The session's cookie, where the request has one.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, COOKIE)
}

/// A cookie, where the request has it.
pub(super) fn cookie_named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(COOKIE_HEADER).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// Whether a browser says that another site made it ask. Browsers that say nothing are held by the cookie, which they do not
/// send for another site, and by the word in the form.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok());
    site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
}

/// Leads a browser to where one signs in, and tells a program.
fn sign_in_first(request: &Request, refusal: Refusal) -> Response {
    let wants_page =
        request.headers().get(ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/html"));
    if wants_page && request.method() == Method::GET {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let then = percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
        if let Ok(to) = HeaderValue::from_str(&format!("/sign-in?then={then}")) {
            return (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response();
        }
    }
    let mut response = refusal.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"counterfoil\""));
    response
}
