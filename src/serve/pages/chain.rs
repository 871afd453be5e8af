//! The chain behind a grant or a request: from who asked to who ended it, with the proof, the gaps and a time line.
//!
//! It is told of what is remembered, by the terms of now; the chain and its picture are those of `counterfoil explain`.

use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::super::answer::Refusal;
use super::super::ask::parameters;
use super::super::routes::Shared;
use super::super::sign_in::Caller;
use super::super::site::Site;
use super::bits;
use super::frame::framed;
use super::html::{Html, Name, put};
use crate::controls::Controls;
use crate::engine::{part_of, requests_called};
use crate::judge::{ChainQuestion, Found, World, judge};
use crate::report::chain::html_fragment;

/// How many are shown of several that fit.
const SEVERAL: usize = 20;

fn grant_of(uri: &Uri) -> Result<ChainQuestion, Refusal> {
    let (mut names, mut scope) = ([String::new(), String::new(), String::new()], None);
    let [system, account, entitlement] = &mut names;
    for (name, value) in parameters(uri)? {
        match name.as_str() {
            "system" => *system = value,
            "account" => *account = value,
            "entitlement" => *entitlement = value,
            "scope" => scope = Some(value).filter(|scope| !scope.is_empty()),
            _ => {
                let why = "there is no such parameter; there are system, account, entitlement, scope";
                return Err(Refusal::bad(format!("`{name}`: {why}")));
            }
        }
    }
    let [system, account, entitlement] = names;
    if system.is_empty() || account.is_empty() || entitlement.is_empty() {
        return Err(Refusal::bad("a grant is named by its system, account and entitlement"));
    }
    Ok(ChainQuestion::Grant { system, account, entitlement, scope })
}

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

/// What came of looking for it.
enum Told {
    Chain(Html),
    /// What fits, of so many.
    Several(Vec<String>, usize),
    Nothing(Vec<String>),
}

async fn show(
    site: &Site,
    caller: &Caller,
    question: ChainQuestion,
    title: String,
    findings: String,
) -> Result<Response, Refusal> {
    let (facts, now) = (site.facts(), site.now());
    let told = site
        .shelf
        .with(move |store| {
            let broken = |e: crate::engine::EngineError| Refusal::broken(&e);
            let mut names = question.accounts();
            names.extend(requests_called(store, &question.requests()).map_err(broken)?);
            let estate = part_of(store, &facts.settings, now, &names).map_err(broken)?;
            let world = World::with_threads(estate, &facts.settings, 1);
            let frameworks = serde_json::from_value(facts.frameworks.clone()).unwrap_or_default();
            let controls = Controls::of_frameworks(frameworks);
            let judgement = judge(&world, &facts.settings, now, 1, &|_| {});
            Ok::<_, Refusal>(match judgement.find(&question, SEVERAL) {
                Found::One(target) => match judgement.chain(&target, &controls) {
                    Some(chain) => {
                        let mut html = Html::default();
                        html.fragment(|text| html_fragment(&chain, text));
                        Told::Chain(html)
                    }
                    None => Told::Nothing(vec![]),
                },
                Found::Several { candidates, all } => {
                    Told::Several(candidates.into_iter().map(|c| c.text).collect(), all)
                }
                Found::Nothing(near) => Told::Nothing(near),
            })
        })
        .await?;
    let mut main = Html::default();
    let p = &mut main;
    let mut status = StatusCode::OK;
    put!(p; "<nav class=\"crumbs\" aria-label=\"Where this is\"><a href=\"" (findings) "\">Findings about it</a></nav>\n");
    match told {
        Told::Chain(chain) => put!(p; "<div class=\"card\">" (chain) "</div>"),
        Told::Several(texts, all) => {
            put!(p; "<h1>" (Name(&title)) "</h1>\n<p>" (all) " fit; say more of it in the address:</p>\n");
            list(&texts, p);
        }
        Told::Nothing(near) => {
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
