//! The grants, each with how it stands.

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::answer::{Refusal, json};
use super::super::ask::{MAX_LIMIT, number, parameters};
use super::super::openapi::Parameter;
use super::super::routes::Shared;
use crate::model::Instant;
use crate::model::finding::{Outcome, Standing};
use crate::store::{KeptVerdict, WhichGrants};

/// A grant, and how it stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Grant {
    system: String,
    account: String,
    entitlement: String,
    scope: Option<String>,
    /// The groups and roles through which it is held.
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    path: Option<Box<RawValue>>,
    /// Who holds it: the id of an identity, or what stands for one.
    subject: String,
    standing: &'static str,
    verdict: Outcome,
    /// The request that decides it.
    request: Option<Request>,
    /// When it could change by itself.
    #[schemars(with = "Option<String>")]
    recheck_at: Option<Instant>,
}

/// A request.
#[derive(Debug, Serialize, JsonSchema)]
struct Request {
    source: String,
    id: String,
}

impl From<KeptVerdict> for Grant {
    fn from(v: KeptVerdict) -> Self {
        Self {
            system: v.system,
            account: v.account,
            entitlement: v.entitlement,
            scope: v.scope,
            path: RawValue::from_string(v.path).ok(),
            subject: v.subject,
            standing: v.standing.as_str(),
            verdict: v.standing.outcome(),
            request: v.request.map(|(source, id)| Request { source, id }),
            recheck_at: v.recheck_at,
        }
    }
}

/// Some grants.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct List {
    grants: Vec<Grant>,
    /// What `after` is to be for those that follow; null at the end. Only so many are looked at for one answer: there may be
    /// more though none is given.
    next: Option<u64>,
}

/// The parameters, as they are described.
pub(in crate::serve) fn described() -> Vec<Parameter> {
    vec![
        Parameter::one_of("standing", Standing::ALL.iter().map(|s| s.as_str()), true, "How they stand."),
        Parameter::text("system", "The system, as the grant names it."),
        Parameter::text("account", "The account, as the grant names it."),
        Parameter::text("entitlement", "The entitlement, as the grant names it."),
        Parameter::text("subject", "The id of who holds it."),
        Parameter::number("limit", u64::from(MAX_LIMIT), "How many at the most; 100 when absent."),
        Parameter::number("after", MAX_PLACE, "What the answer before gave as `next`."),
    ]
}

/// No store has as many.
const MAX_PLACE: u64 = 1 << 53;

pub(in crate::serve) async fn list(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let (mut which, mut limit, mut after) = (WhichGrants::default(), 100, 0);
    for (name, value) in parameters(&uri)? {
        let bad = |why: String| Refusal::bad(format!("`{name}` = `{value}`: {why}"));
        let own = Some(value.clone()).filter(|v| !v.is_empty());
        match name.as_str() {
            "standing" => {
                let found = Standing::ALL.into_iter().find(|s| s.as_str() == value);
                let words = Standing::ALL.map(Standing::as_str).join(", ");
                which.standings.push(found.ok_or_else(|| bad(format!("expected one of {words}")))?);
            }
            "system" => which.system = own,
            "account" => which.account = own,
            "entitlement" => which.entitlement = own,
            "subject" => which.subject = own,
            "limit" => limit = number(&value, u64::from(MAX_LIMIT)).map_err(bad)?,
            "after" => after = number(&value, MAX_PLACE).map_err(bad)?,
            _ => {
                let known = "standing, system, account, entitlement, subject, limit, after";
                return Err(bad(format!("there is no such parameter; there are {known}")));
            }
        }
    }
    let limit = u32::try_from(limit).unwrap_or(MAX_LIMIT);
    let found = site.shelf.with(move |store| store.grants(&which, after, limit)).await?;
    let grants = found.grants.into_iter().map(Grant::from).collect();
    Ok(json(StatusCode::OK, &List { grants, next: found.next }))
}
