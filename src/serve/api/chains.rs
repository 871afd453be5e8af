//! The chain behind a grant, a request or a finding, as `counterfoil explain --format json` tells it.

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::super::answer::{JSON, Refusal, body};
use super::super::ask::{none, parameters};
use super::super::chains::{Looked, look};
use super::super::openapi::Parameter;
use super::super::routes::Shared;
use super::super::site::Site;
use super::super::taken::Path;
use crate::judge::ChainQuestion;

/// What a grant is named by, as a document describes it.
pub(super) fn described() -> Vec<Parameter> {
    vec![
        Parameter::text("system", "The system, by any of its names."),
        Parameter::text("account", "The account."),
        Parameter::text("entitlement", "The entitlement, by any of its names."),
        Parameter::text("scope", "The scope as it is written."),
    ]
}

/// The grant that an address names.
pub(in crate::serve) fn grant_of(uri: &Uri) -> Result<ChainQuestion, Refusal> {
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
    let named = ["system", "account", "entitlement"].iter().zip(&names);
    let missing: Vec<String> =
        named.filter(|(_, value)| value.is_empty()).map(|(name, _)| format!("`{name}`")).collect();
    if !missing.is_empty() {
        let why = format!(
            "a grant is named by its system, account and entitlement; {} is missing",
            missing.join(" and ")
        );
        return Err(Refusal::bad(why));
    }
    let [system, account, entitlement] = names;
    Ok(ChainQuestion::Grant { system, account, entitlement, scope })
}

pub(in crate::serve) async fn grant(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    tell(&site, grant_of(&uri)?, "such a grant is not known, or not any more").await
}

pub(in crate::serve) async fn request(
    Given(site): Shared,
    Path((source, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Refusal> {
    none(&uri)?;
    let none = format!("no request `{id}` of a source `{source}` is known, or not any more");
    tell(&site, ChainQuestion::Request { source: Some(source), id }, &none).await
}

pub(in crate::serve) async fn finding(
    Given(site): Shared,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    none(&uri)?;
    tell(
        &site,
        ChainQuestion::Finding(id),
        "what the finding is about is not there any more; the next run resolves it",
    )
    .await
}

async fn tell(site: &Site, question: ChainQuestion, none: &str) -> Result<Response, Refusal> {
    match look(site, question, |chain| serde_json::to_string(chain)).await? {
        Looked::Chain(text) => Ok(body(StatusCode::OK, JSON, text.map_err(|e| Refusal::broken(&e))?)),
        Looked::Several(texts, all) => Err(Refusal::new(
            StatusCode::CONFLICT,
            format!("{all} fit, say more of it: {}", texts.join(", ")),
        )),
        Looked::Nothing(near) if near.is_empty() => Err(Refusal::missing(none)),
        Looked::Nothing(near) => Err(Refusal::missing(format!("{none}; near it are {}", near.join(", ")))),
    }
}
