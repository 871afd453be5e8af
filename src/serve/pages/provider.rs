//! Signing in with the identity provider: to it, and back.

use std::time::Instant as Tick;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};

use super::super::guard::cookie_named;
use super::super::routes::Shared;
use super::super::sign_in::Peer;
use super::super::sign_in::oidc::{Callback, FLOW, FLOW_LASTS, NotIn, SignedIn};
use super::super::site::Site;
use super::sign_in::{Then, begin, local, page, set_cookie, too_often};

/// Where the cookie of a sign-in under way is shown.
const PATH: &str = "/sign-in/";

pub(in crate::serve) async fn start(State(site): Shared, Query(then): Query<Then>) -> Response {
    let Some(provider) = site.provider() else {
        return page(&site, StatusCode::NOT_FOUND, &then.then, "No identity provider is configured here.");
    };
    match provider.begin(local(&then.then)).await {
        Ok(begun) => {
            let set = set_cookie(&site, FLOW, PATH, &begun.cookie, FLOW_LASTS);
            (StatusCode::SEE_OTHER, [(SET_COOKIE, set), (LOCATION, begun.to)]).into_response()
        }
        Err(why) => not_in(&site, &why),
    }
}

pub(in crate::serve) async fn callback(
    State(site): Shared,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Query(back): Query<Callback>,
) -> Response {
    let Some(provider) = site.provider() else {
        return page(&site, StatusCode::NOT_FOUND, "/", "No identity provider is configured here.");
    };
    // Each try asks the provider: nobody may make us ask without end.
    if let Some(wait) = site.attempts.wait(peer, Tick::now()) {
        return too_often(&site, "/", wait);
    }
    let over = set_cookie(&site, FLOW, PATH, "", 0);
    let response = match provider.end(&back, cookie_named(&headers, FLOW), site.now()).await {
        Ok(SignedIn { name, roles, then }) => {
            tracing::info!(who = name, "signed in with the identity provider");
            match begin(&site, name, roles) {
                Ok(set) => {
                    let to = local(&then).to_owned();
                    (StatusCode::SEE_OTHER, [(SET_COOKIE, set), (LOCATION, to)]).into_response()
                }
                Err(refusal) => refusal.into_response(),
            }
        }
        Err(why) => {
            site.attempts.failed(peer, Tick::now());
            not_in(&site, &why)
        }
    };
    (AppendHeaders([(SET_COOKIE, over)]), response).into_response()
}

/// The page for whoever is not let in, with why.
fn not_in(site: &Site, why: &NotIn) -> Response {
    let (status, text) = match why {
        NotIn::Again(why) => (StatusCode::BAD_REQUEST, format!("Please sign in again: {why}.")),
        NotIn::Refused(why) => (StatusCode::FORBIDDEN, format!("You are not signed in: {why}.")),
        NotIn::NoRole(name) => {
            let ask = "whoever runs Counterfoil says in [serve.oidc] roles which groups may do what";
            (StatusCode::FORBIDDEN, format!("{name} may do nothing here: {ask}."))
        }
        NotIn::Provider(why) => {
            tracing::error!(error = why, "the identity provider cannot be used");
            (
                StatusCode::BAD_GATEWAY,
                "The identity provider cannot be used now; the log says why.".to_owned(),
            )
        }
    };
    if status != StatusCode::BAD_GATEWAY {
        tracing::warn!(why = text, "somebody could not sign in");
    }
    page(site, status, "/", &text)
}
