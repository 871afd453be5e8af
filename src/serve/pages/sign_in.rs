//! Signing in with a token, and out.

use std::time::Instant as Tick;

use axum::extract::{Form, Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::answer::Refusal;
use super::super::guard::cookie;
use super::super::routes::Shared;
use super::super::sign_in::COOKIE;
use super::frame::framed;
use super::html::{Html, put};

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
pub(in crate::serve) struct Then {
    #[serde(default)]
    then: String,
}

/// What the form says.
#[derive(Deserialize)]
pub(in crate::serve) struct Given {
    token: String,
    #[serde(default)]
    then: String,
}

pub(in crate::serve) async fn form(Query(then): Query<Then>) -> Response {
    page(StatusCode::OK, &then.then, "")
}

pub(in crate::serve) async fn sign_in(State(site): Shared, Form(given): Form<Given>) -> Response {
    let tokens = site.tokens();
    let Some(who) = tokens.find(given.token.trim()) else {
        tracing::warn!("somebody tried to sign in with a token that is not known");
        return page(StatusCode::UNAUTHORIZED, &given.then, "That token is not known.");
    };
    let name = who.name.clone().unwrap_or_default();
    tracing::info!(who = name, "signed in");
    let session = match site.sessions.begin(name, who.roles.clone(), Tick::now()) {
        Ok(session) => session,
        Err(e) => return Refusal::broken(&e).into_response(),
    };
    let secure = if site.is_behind_tls() { "; Secure" } else { "" };
    let set = format!(
        "{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
        session.cookie, session.lasts
    );
    (StatusCode::SEE_OTHER, [(SET_COOKIE, set), (LOCATION, local(&given.then).to_owned())]).into_response()
}

pub(in crate::serve) async fn sign_out(State(site): Shared, headers: HeaderMap) -> Response {
    if let Some(cookie) = cookie(&headers) {
        site.sessions.end(cookie);
    }
    let set = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    (StatusCode::SEE_OTHER, [(SET_COOKIE, set), (LOCATION, "/sign-in".to_owned())]).into_response()
}

/// A path of this site; anything else leads to the first page.
fn local(then: &str) -> &str {
    let plain = then.starts_with('/')
        && !then.starts_with("//")
        && then.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain { then } else { "/" }
}

fn page(status: StatusCode, then: &str, wrong: &str) -> Response {
    let mut main = Html::default();
    let p = &mut main;
    p.raw("<div class=\"sign-in card\">\n<p class=\"brand\"><span aria-hidden=\"true\"></span>Counterfoil</p>\n<h1>Sign in</h1>\n");
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
