//! The chain behind a grant or a request.

use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::ask::parameters;
use super::super::chains;
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::site::Site;
use super::findings::part;
use super::frame::page;
use super::html::{Html, Name, put};
use crate::judge::ChainQuestion as Question;
use crate::model::chain::Chain;
use crate::report::chain::html_fragment;
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

/// The chain as markup; `None` where it is not known now, and findings still speak of it.
async fn told(site: &Site, question: Question, spoken_of: bool) -> Result<Option<String>, Refusal> {
    let form = |chain: &Chain<'_>| {
        let mut markup = String::new();
        html_fragment(chain, &mut markup);
        markup
    };
    match chains::tell(site, question, form).await {
        Ok(markup) => Ok(Some(markup)),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND && spoken_of => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// The chain, or that there is none any more; either brings the heading.
fn show(chain: Option<String>, title: &str, p: &mut Html) {
    match chain {
        Some(markup) => p.fragment(|page| page.push_str(&markup)),
        None => {
            put!(p; "<h1>" (Name(title)) "</h1>\n<p class=\"empty\">It is not there any more; what was found of it is below.</p>\n")
        }
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
    let question = Question::Grant {
        system: named.system.clone(),
        account: named.account.clone(),
        entitlement: named.entitlement.clone(),
        scope: named.scope.clone(),
    };
    let chain = told(&site, question, found.total > 0).await?;
    let mut main = Html::default();
    let p = &mut main;
    show(chain, &title, p);
    p.raw("<section class=\"card\"><h2>Findings about this account there</h2>\n");
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
    let question = Question::Request { source: Some(source.clone()), id: id.clone() };
    let chain = told(&site, question, found.total > 0).await?;
    let (now, asked) = (site.now(), format!("{source}:{id}"));
    let mut main = Html::default();
    let p = &mut main;
    show(chain, &id, p);
    p.raw("<section class=\"card\"><h2>Findings that rest on it</h2>\n");
    part(&found, &[("request", &asked), ("state", "all")], "None.", now, p);
    p.raw("</section>\n");
    Ok(page(Some(&caller), "/findings", &id, &main))
}
