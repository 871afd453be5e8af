//! Signing in with a token, and out; and the page that leads to the identity provider.

use std::time::{Duration, Instant as Tick};

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::header::{HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::answer::Refusal;
use super::super::ask::query;
use super::super::guard::cookie;
use super::super::routes::Shared;
use super::super::sign_in::{COOKIE, Peer, Role};
use super::super::site::Site;
use super::super::taken::Form;
use super::frame::framed;
use super::html::{Html, put};

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
pub(in crate::serve) struct Then {
    #[serde(default)]
    pub(super) then: String,
}

/// What the form says.
#[derive(Deserialize)]
pub(in crate::serve) struct Given {
    token: String,
    #[serde(default)]
    then: String,
}

pub(in crate::serve) async fn form(State(site): Shared, Query(then): Query<Then>) -> Response {
    page(&site, StatusCode::OK, &then.then, "")
}

pub(in crate::serve) async fn sign_in(
    State(site): Shared,
    Extension(peer): Extension<Peer>,
    Form(given): Form<Given>,
) -> Response {
    if let Some(wait) = site.attempts.wait(peer, Tick::now()) {
        return too_often(&site, &given.then, wait);
    }
    let tokens = site.tokens();
    let Some(who) = tokens.find(given.token.trim()) else {
        tracing::warn!("somebody tried to sign in with a token that is not known");
        site.attempts.failed(peer, Tick::now());
        return page(&site, StatusCode::UNAUTHORIZED, &given.then, "That token is not known.");
    };
    let name = who.name.clone().unwrap_or_default();
    tracing::info!(who = name, "signed in");
    match begin(&site, name, who.roles.clone()) {
        Ok(set) => {
            let to = local(&given.then).to_owned();
            (StatusCode::SEE_OTHER, [(SET_COOKIE, set), (LOCATION, to)]).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Begins a session: what sets its cookie.
pub(super) fn begin(site: &Site, name: String, roles: Vec<Role>) -> Result<String, Refusal> {
    let session = site.sessions.begin(name, roles, Tick::now()).map_err(|e| Refusal::broken(&e))?;
    Ok(set_cookie(site, COOKIE, "/", &session.cookie, session.lasts))
}

/// What sets a cookie that only this site is shown, for so many seconds.
pub(super) fn set_cookie(site: &Site, name: &str, path: &str, value: &str, lasts: u64) -> String {
    let secure = if site.is_behind_tls() { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={lasts}{secure}")
}

/// The page for whoever was wrong too often.
pub(super) fn too_often(site: &Site, then: &str, wait: Duration) -> Response {
    let refusal = Refusal::too_often(wait);
    let mut response = page(site, refusal.status, then, &refusal.why);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(refusal.after.unwrap_or_default()));
    response
}

pub(in crate::serve) async fn sign_out(State(site): Shared, headers: HeaderMap) -> Response {
    if let Some(cookie) = cookie(&headers) {
        site.sessions.end(cookie);
    }
    let set = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    (StatusCode::SEE_OTHER, [(SET_COOKIE, set), (LOCATION, "/sign-in".to_owned())]).into_response()
}

/// A path of this site; anything else leads to the first page.
pub(super) fn local(then: &str) -> &str {
    let plain = then.starts_with('/')
        && !then.starts_with("//")
        && then.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain { then } else { "/" }
}

/// The page on which one signs in; `wrong` is why one is not in.
pub(super) fn page(site: &Site, status: StatusCode, then: &str, wrong: &str) -> Response {
    let mut main = Html::default();
    let p = &mut main;
    p.raw("<div class=\"sign-in card\">\n<p class=\"brand\"><span aria-hidden=\"true\"></span>Counterfoil</p>\n<h1>Sign in</h1>\n");
    if let Some(provider) = site.provider() {
        let query = query([("then", local(then))].into_iter());
        put!(p; "<p class=\"do\"><a class=\"button\" href=\"/sign-in/start" (query.as_str()) "\">Sign in with " (provider.title()) "</a></p>\n");
    }
    put!(p; "<form method=\"post\" action=\"/sign-in\">\n");
    if !wrong.is_empty() {
        put!(p; "<p class=\"wrong\" role=\"alert\" id=\"wrong\">" (wrong) "</p>\n");
    }
    put!(p; "<label class=\"field\"><span>Token</span><input name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus");
    if !wrong.is_empty() {
        p.raw(" aria-invalid=\"true\" aria-describedby=\"wrong\"");
    }
    put!(p; "></label>\n<input type=\"hidden\" name=\"then\" value=\"" (local(then))
        "\">\n<p class=\"do\"><button>Sign in</button></p>\n</form>\n"
        "<p class=\"help\">Whoever runs Counterfoil here gives tokens out: <code>[[serve.token]]</code> in its configuration.</p>\n</div>");
    framed(status, None, "", "Sign in", &main)
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn signing_in_leads_to_no_other_site() {
        for other in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nset-cookie: x",
            "javascript:1",
            "a",
        ] {
            assert_eq!(local(other), "/", "{other}");
        }
        assert_eq!(local("/findings?state=open&x=%2F"), "/findings?state=open&x=%2F");
    }
}
