//! The chain behind a grant or a request: from who asked to who ended it, with the proof, the gaps and a time line.
//!
//! It is told of what is remembered, by the terms of now; the chain and its picture are those of `counterfoil explain`.

use axum::Extension;
use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::api::chains::grant_of;
use super::super::chains::{Looked, look};
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::site::Site;
use super::super::taken::Path;
use super::bits;
use super::frame::framed;
use super::html::{Html, Name, put};
use crate::judge::ChainQuestion;
use crate::model::chain::Chain;
use crate::report::chain::html_fragment;

pub(in crate::serve) async fn grant(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let question = grant_of(&uri)?;
    let ChainQuestion::Grant { system, account, entitlement, .. } = &question else {
        return Err(Refusal::bad("a grant is named by its system, account and entitlement"));
    };
    let title = format!("{entitlement} on {system}");
    let findings = [("system", system.as_str()), ("account", account), ("state", "all")];
    let findings = bits::findings(&findings);
    show(&site, &caller, question, title, findings).await
}

pub(in crate::serve) async fn request(
    Given(site): Shared,
    Extension(caller): Extension<Caller>,
    Path((source, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let asked = format!("{source}:{id}");
    let findings = bits::findings(&[("request", &asked), ("state", "all")]);
    let title = id.clone();
    show(&site, &caller, ChainQuestion::Request { source: Some(source), id }, title, findings).await
}

async fn show(
    site: &Site,
    caller: &Caller,
    question: ChainQuestion,
    title: String,
    findings: String,
) -> Result<Response, Refusal> {
    let form = |chain: &Chain<'_>| {
        let mut html = Html::default();
        html.fragment(|text| html_fragment(chain, text));
        html
    };
    let told = look(site, question, form).await?;
    let mut main = Html::default();
    let p = &mut main;
    let mut status = StatusCode::OK;
    put!(p; "<nav class=\"crumbs\" aria-label=\"Where this is\"><a href=\"" (findings) "\">Findings about it</a></nav>\n");
    match told {
        Looked::Chain(chain) => put!(p; "<div class=\"card\">" (chain) "</div>"),
        Looked::Several(texts, all) => {
            put!(p; "<h1>" (Name(&title)) "</h1>\n<p>" (all) " fit; say more of it in the address:</p>\n");
            list(&texts, p);
        }
        Looked::Nothing(near) => {
            status = StatusCode::NOT_FOUND;
            put!(p; "<h1>" (Name(&title)) "</h1>\n<p class=\"empty\">It is not there, or not any more. "
                "What was found about it is kept: <a href=\"" (findings) "\">findings about it</a>.</p>\n");
            if !near.is_empty() {
                p.raw("<p>Near it are:</p>\n");
                list(&near, p);
            }
        }
    }
    Ok(framed(status, Some(caller), "/findings", &title, &main))
}

fn list(texts: &[String], p: &mut Html) {
    p.raw("<ul>");
    for text in texts {
        put!(p; "<li>" (Name(text)) "</li>\n");
    }
    p.raw("</ul>\n");
}
