//! The checks, as they are configured and with how much they find now; and the controls of frameworks that they speak to.

use std::collections::HashMap;

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Refusal, json};
use super::super::ask::none;
use super::super::routes::Shared;
use super::super::site::{Facts, Site};
use super::super::taken::Path;
use crate::judge::checks;
use crate::model::event::State;
use crate::store::{GroupBy, Which};

/// Every check.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Checks {
    checks: Vec<Check>,
}

/// A check, as it is configured.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Check {
    name: &'static str,
    title: &'static str,
    /// How bad what it finds is, before the risk of the right.
    severity: &'static str,
    enabled: bool,
    /// The role that answers first.
    answers: &'static str,
    /// What would clear it.
    remediation: &'static str,
    /// How many of its findings are open now.
    open: u64,
    /// The controls it speaks to.
    controls: Vec<Control>,
    /// Its page, as Markdown.
    page: String,
}

/// A control of a framework; `/api/v1/controls` has all of them.
#[derive(Debug, Serialize, JsonSchema)]
struct Control {
    framework: String,
    id: String,
    title: String,
}

fn told(check: &'static checks::Check, facts: &Facts, open: &HashMap<String, u64>) -> Check {
    let own = facts.settings.checks.overrides.get(check.name);
    let controls = facts.controls.of(check.name).map(|(framework, control)| Control {
        framework: framework.framework.clone(),
        id: control.id.clone(),
        title: control.title.clone(),
    });
    Check {
        name: check.name,
        title: check.title,
        severity: own.and_then(|o| o.severity).unwrap_or(check.severity).as_str(),
        enabled: own.and_then(|o| o.enabled).unwrap_or(true),
        answers: check.primary.as_str(),
        remediation: check.remediation,
        open: open.get(check.name).copied().unwrap_or_default(),
        controls: controls.collect(),
        page: check.page(),
    }
}

/// How many findings are open, by check.
async fn counted(site: &Site) -> Result<HashMap<String, u64>, Refusal> {
    let open = Which { states: vec![State::Open], ..Which::default() };
    let most = u32::try_from(checks::all().len()).unwrap_or(u32::MAX).saturating_add(100);
    let groups = site.shelf.with(move |store| store.group(&open, GroupBy::Check, most)).await?;
    Ok(groups.into_iter().filter_map(|g| Some((g.name?, g.count))).collect())
}

pub(in crate::serve) async fn checks(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    none(&uri)?;
    let (open, facts) = (counted(&site).await?, site.facts());
    let checks = checks::all().map(|check| told(check, &facts, &open)).collect();
    Ok(json(StatusCode::OK, &Checks { checks }))
}

pub(in crate::serve) async fn check(
    Given(site): Shared,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    none(&uri)?;
    let missing = || Refusal::missing("there is no check of that name; /api/v1/checks lists them");
    let check = checks::by_name(&name).ok_or_else(missing)?;
    Ok(json(StatusCode::OK, &told(check, &site.facts(), &counted(&site).await?)))
}

/// The frameworks, as `counterfoil checks` lists them.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Controls {
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    frameworks: serde_json::Value,
}

pub(in crate::serve) async fn controls(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    none(&uri)?;
    Ok(json(StatusCode::OK, &Controls { frameworks: site.facts().controls.to_json() }))
}
