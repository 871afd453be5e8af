//! What does not depend on what was found: the checks, and the controls of frameworks that they speak to. And the exceptions
//! that people gave.

use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Refusal, json};
use super::super::routes::Shared;
use crate::judge::checks;
use crate::model::Instant;

/// Every check.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Checks {
    checks: Vec<Check>,
}

/// A check, as it is configured.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    name: &'static str,
    title: &'static str,
    /// How bad what it finds is, before the risk of the right.
    severity: &'static str,
    enabled: bool,
    /// The role that answers first.
    answers: &'static str,
    /// What would clear it.
    remediation: &'static str,
    /// Its page, as Markdown.
    page: String,
}

pub(in crate::serve) async fn checks(Given(site): Shared) -> Response {
    let facts = site.facts();
    let overrides = &facts.settings.checks.overrides;
    let checks = checks::all().map(|check| {
        let own = overrides.get(check.name);
        Check {
            name: check.name,
            title: check.title,
            severity: own.and_then(|o| o.severity).unwrap_or(check.severity).as_str(),
            enabled: own.and_then(|o| o.enabled).unwrap_or(true),
            answers: check.primary.as_str(),
            remediation: check.remediation,
            page: check.page(),
        }
    });
    json(StatusCode::OK, &Checks { checks: checks.collect() })
}

/// The frameworks, as `counterfoil checks` lists them.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Controls {
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    frameworks: serde_json::Value,
}

pub(in crate::serve) async fn controls(Given(site): Shared) -> Response {
    json(StatusCode::OK, &Controls { frameworks: site.facts().controls.to_json() })
}

/// The exceptions that have not ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Exceptions {
    /// How many there are.
    total: u64,
    /// The first of them.
    exceptions: Vec<Exception>,
}

/// An exception that somebody gave.
#[derive(Debug, Serialize, JsonSchema)]
struct Exception {
    /// The finding it accepts.
    finding: String,
    check: String,
    by: String,
    reason: String,
    #[schemars(with = "String")]
    until: Instant,
    #[schemars(with = "String")]
    at: Instant,
}

/// How many are given.
const EXCEPTIONS: usize = 10_000;

pub(in crate::serve) async fn exceptions(Given(site): Shared) -> Result<Response, Refusal> {
    let now = site.now();
    let all = site.shelf.with(move |store| store.accepted(now)).await?;
    let total = all.len() as u64;
    let exceptions = all.into_iter().take(EXCEPTIONS).map(|a| Exception {
        finding: a.finding,
        check: a.check,
        by: a.by,
        reason: a.reason,
        until: a.until,
        at: a.at,
    });
    Ok(json(StatusCode::OK, &Exceptions { total, exceptions: exceptions.collect() }))
}
