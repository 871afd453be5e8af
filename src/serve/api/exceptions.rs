//! The exceptions that people gave, those that end first at the top.

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Refusal, json};
use super::super::ask::{MAX_LIMIT, MAX_OFFSET, paged, parameters};
use super::super::openapi::Parameter;
use super::super::routes::Shared;
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::Severity;

/// The exceptions that have not ended, those that end first at the top.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Exceptions {
    /// How many there are in all.
    total: u64,
    /// How many of them come before these.
    offset: u64,
    /// These.
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
    /// Where its finding is: `open` until the run that takes the exception in; null where it is not known any more.
    state: Option<State>,
    /// How bad its finding is.
    severity: Option<Severity>,
    /// What its finding is about.
    system: Option<String>,
    account: Option<String>,
}

/// The parameters, as they are described.
pub(super) fn described() -> [Parameter; 2] {
    [
        Parameter::number("limit", u64::from(MAX_LIMIT), "How many at the most; 100 when absent."),
        Parameter::number("offset", MAX_OFFSET, "How many to pass over."),
    ]
}

pub(in crate::serve) async fn list(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let (limit, offset) = paged(&parameters(&uri)?, 100, Some(MAX_OFFSET))?;
    let now = site.now();
    let told = site
        .shelf
        .with(move |store| {
            let mut all = store.accepted(now)?;
            all.sort_by(|a, b| (a.until, &a.finding).cmp(&(b.until, &b.finding)));
            let total = all.len() as u64;
            let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
            let mut exceptions = vec![];
            for a in all.into_iter().skip(skipped).take(limit as usize) {
                let life = store.life(&a.finding)?;
                let (state, severity) = (life.as_ref().map(|l| l.state), life.as_ref().map(|l| l.severity));
                let (system, account) = life.map_or((None, None), |l| (l.system, l.account));
                let (finding, check, by, reason, until, at) =
                    (a.finding, a.check, a.by, a.reason, a.until, a.at);
                exceptions.push(Exception {
                    finding,
                    check,
                    by,
                    reason,
                    until,
                    at,
                    state,
                    severity,
                    system,
                    account,
                });
            }
            Ok::<_, Refusal>(Exceptions { total, offset, exceptions })
        })
        .await?;
    Ok(json(StatusCode::OK, &told))
}
