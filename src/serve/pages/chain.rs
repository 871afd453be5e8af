//! The chain behind a grant or a request.

use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::Uri;
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::ask::parameters;
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::findings::part;
use super::frame::page;
use super::html::{Html, Name, put};
use crate::store::{Page, Which};

/// How many findings a page shows.
const ROWS: u32 = 25;

/// What a grant is named by.
#[derive(Debug, Default)]
struct Named {
    system: String,
    account: String,
    entitlement: String,
    scope: Option<String>,
}

impl Named {
    fn read(uri: &Uri) -> Result<Self, Refusal> {
        let mut named = Self::default();
        for (name, value) in parameters(uri)? {
            match name.as_str() {
                "system" => named.system = value,
                "account" => named.account = value,
                "entitlement" => named.entitlement = value,
                "scope" => named.scope = Some(value).filter(|scope| !scope.is_empty()),
                _ => {
                    let why = "there is no such parameter; there are system, account, entitlement, scope";
                    return Err(Refusal::bad(format!("`{name}`: {why}")));
                }
            }
        }
        if named.system.is_empty() || named.account.is_empty() || named.entitlement.is_empty() {
            return Err(Refusal::bad("a grant is named by its system, account and entitlement"));
        }
        Ok(named)
    }
}

pub(in crate::serve) async fn grant(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let named = Named::read(&uri)?;
    let which = Which {
        states: crate::model::event::State::ALL.to_vec(),
        system: Some(named.system.clone()),
        account: Some(named.account.clone()),
        ..Which::default()
    };
    let rows = Page { descending: true, limit: ROWS, ..Page::default() };
    let found = site.shelf.with(move |store| store.find(&which, &rows)).await?;
    let (now, title) = (site.now(), format!("{} on {}", named.entitlement, named.system));
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<h1>" (Name(&title)) "</h1>\n<section class=\"card\"><h2>Findings about this account there</h2>\n");
    let of = [("system", named.system.as_str()), ("account", &named.account), ("state", "all")];
    part(&found, &of, "None.", now, p);
    p.raw("</section>\n");
    Ok(page(Some(&caller), "/findings", &title, &main))
}

pub(in crate::serve) async fn request(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path((source, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let which = Which {
        states: crate::model::event::State::ALL.to_vec(),
        request: Some((source.clone(), id.clone())),
        ..Which::default()
    };
    let rows = Page { descending: true, limit: ROWS, ..Page::default() };
    let found = site.shelf.with(move |store| store.find(&which, &rows)).await?;
    if found.total == 0 {
        return Err(Refusal::missing("no finding rests on a request of that id"));
    }
    let (now, asked) = (site.now(), format!("{source}:{id}"));
    let mut main = Html::default();
    let p = &mut main;
    put!(p; "<h1>" (Name(&id)) "</h1>\n<section class=\"card\"><h2>Findings that rest on it</h2>\n");
    part(&found, &[("request", &asked), ("state", "all")], "None.", now, p);
    p.raw("</section>\n");
    Ok(page(Some(&caller), "/findings", &id, &main))
}
