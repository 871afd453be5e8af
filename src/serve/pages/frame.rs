//! What stands around every page: the head, where one is and may go, who has signed in; and pages that say no.

use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::super::answer::{HTML, Refusal, body};
use super::super::guard::caller;
use super::super::sign_in::Caller;
use super::super::site::Site;
use super::html::{Html, Name, Plain, put};

/// How everything looks, by day and by night: one file, and nothing else is loaded. What stands later in it goes before.
const STYLE: &str = concat!(include_str!("../../report/chain/chain.css"), include_str!("style.css"));

/// The path of the style: another text has another name, so that a browser may keep it for good.
pub(super) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(STYLE.as_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("/assets/style-{name}.css")
});

/// Where one may go, in this order.
const PLACES: [(&str, &str); 6] = [
    ("/", "Overview"),
    ("/findings", "Findings"),
    ("/people", "People"),
    ("/sources", "Sources"),
    ("/exceptions", "Exceptions"),
    ("/checks", "Checks"),
];

/// The style.
pub(super) async fn style() -> Response {
    let mut response = body(StatusCode::OK, "text/css; charset=utf-8", STYLE.to_owned());
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(CACHE_CONTROL, forever);
    response
}

/// A page. `place` is the entry of the menu it belongs to, if any; `main` begins with the heading.
pub(super) fn page(caller: Option<&Caller>, place: &str, title: &str, main: &Html) -> Response {
    framed(StatusCode::OK, caller, place, title, main)
}

/// A page with another status than that all is well.
pub(super) fn framed(
    status: StatusCode,
    caller: Option<&Caller>,
    place: &str,
    title: &str,
    main: &Html,
) -> Response {
    let mut html = Html::default();
    let p = &mut html;
    put!(p; "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<title>" (title) " · Counterfoil</title>\n"
        "<link rel=\"icon\" href=\"data:,\">\n"
        "<link rel=\"stylesheet\" href=\"" (STYLE_PATH.as_str()) "\">\n</head>\n<body>\n"
        "<a class=\"skip\" href=\"#main\">Skip to content</a>\n");
    if let Some(caller) = caller {
        header(caller, place, p);
    }
    p.raw("<main id=\"main\" tabindex=\"-1\"");
    if caller.is_none() {
        p.raw(" class=\"bare\"");
    }
    put!(p; ">\n" (main) "\n</main>\n</body>\n</html>\n");
    body(status, HTML, html.into_text())
}

fn header(caller: &Caller, place: &str, p: &mut Html) {
    put!(p; "<header class=\"top\">\n<a class=\"brand\" href=\"/\"><span aria-hidden=\"true\"></span>Counterfoil</a>\n"
        "<nav aria-label=\"Main\"><ul>");
    for (path, name) in PLACES {
        put!(p; "<li><a href=\"" (path) "\"");
        if path == place {
            p.raw(" aria-current=\"page\"");
        }
        put!(p; ">" (name) "</a></li>");
    }
    p.raw("</ul></nav>\n<div class=\"who\">");
    match &caller.name {
        Some(name) => {
            let roles: Vec<&str> = caller.roles.iter().map(|r| r.as_str()).collect();
            put!(p; "<p><span class=\"visually-hidden\">Signed in as </span>" (Name(name))
                "<span class=\"role\">" (roles.join(", ")) "</span></p>");
            if caller.csrf.is_some() {
                p.raw("<form method=\"post\" action=\"/sign-out\"><button class=\"quiet\">Sign out</button></form>");
            }
        }
        None => p.raw("<p>Nobody signs in here<span class=\"role\">read only</span></p>"),
    }
    p.raw("</div>\n</header>\n");
}

/// The word that a form of a signed-in browser must carry.
pub(super) fn word(caller: &Caller, p: &mut Html) {
    if let Some(word) = &caller.csrf {
        put!(p; "<input type=\"hidden\" name=\"word\" value=\"" (word) "\">");
    }
}

/// Whether whoever asks reads pages.
pub(super) fn reads_pages(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|a| a.to_str().ok()).is_some_and(|a| a.contains("text/html"))
}

/// Makes a page of what is refused, for whoever reads pages; programs get it as it is.
pub(in crate::serve) async fn told(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let asks = reads_pages(request.headers()).then(|| caller(&site, request.headers()));
    let response = next.run(request).await;
    let (Some(asks), Some(refusal)) = (asks, response.extensions().get::<Refusal>()) else {
        return response;
    };
    let page = refused(asks.as_ref(), refusal).into_response();
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, page.into_body())
}

fn refused(caller: Option<&Caller>, refusal: &Refusal) -> Response {
    let title = match refusal.status {
        StatusCode::BAD_REQUEST => "That cannot be asked",
        StatusCode::UNAUTHORIZED => "Sign in first",
        StatusCode::FORBIDDEN => "You may not do that",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::CONFLICT => "It has changed meanwhile",
        StatusCode::SERVICE_UNAVAILABLE => "Not right now",
        _ => "That did not work",
    };
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<div class=\"refused\">\n<p class=\"code\">" (Plain(refusal.status.as_u16().into())) "</p>\n<h1>" (title) "</h1>\n<p>"
        (sentence(&refusal.why)) "</p>\n<p>");
    match caller {
        Some(_) => p.raw("<a class=\"button\" href=\"/\">To the overview</a>"),
        None => p.raw("<a class=\"button\" href=\"/sign-in\">Sign in</a>"),
    }
    p.raw("</p>\n</div>");
    framed(refusal.status, caller, "", title, &main)
}

/// What is told to programs in lower case begins with a capital on a page.
pub(super) fn sentence(why: &str) -> String {
    let mut signs = why.chars();
    let mut text: String = signs.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    text.push_str(signs.as_str());
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}
