//! People: what lies on whose desk, and for one of them what they answer for and what was found about their own access.

use axum::extract::State as Given;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::{Refusal, json};
use super::super::ask::{MAX_LIMIT, paged, parameters};
use super::super::openapi::Parameter;
use super::super::routes::Shared;
use super::super::taken::Path;
use super::findings::{Group, Told};
use crate::model::event::State;
use crate::store::{Found, GroupBy, Page, Which};

/// How many desks are passed over at the most.
const MAX_DESKS: u64 = 100_000;
/// How many findings of each kind are given of one person, where nothing else is asked for.
const FINDINGS: u32 = 25;

/// What is open, by who answers first.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Desks {
    /// The worst desk first; the name is null where nobody answers.
    people: Vec<Group>,
    /// What `offset` is to be for those that follow; null at the end.
    next: Option<u64>,
}

/// Somebody, and the open findings that concern them.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Person {
    name: String,
    /// What they answer for first.
    answers_for: Concerns,
    /// What was found about access that they hold.
    access: Concerns,
}

/// Findings, the worst first.
#[derive(Debug, Serialize, JsonSchema)]
struct Concerns {
    /// How many there are in all; `/api/v1/findings` gives the others, by `owner` and by `subject`.
    total: u64,
    findings: Vec<Told>,
}

impl From<Found> for Concerns {
    fn from(found: Found) -> Self {
        Self { total: found.total, findings: found.lives.into_iter().map(Told::from).collect() }
    }
}

/// The parameters of all desks, and of one.
pub(super) fn described() -> [Parameter; 2] {
    [
        Parameter::number("limit", u64::from(MAX_LIMIT), "How many at the most; 100 when absent."),
        Parameter::number("offset", MAX_DESKS, "How many to pass over."),
    ]
}

/// See [`described`].
pub(super) fn described_of_one() -> [Parameter; 1] {
    [Parameter::number(
        "limit",
        u64::from(MAX_LIMIT),
        "How many findings of each kind at the most; 25 when absent.",
    )]
}

fn open() -> Which {
    Which { states: vec![State::Open], ..Which::default() }
}

pub(in crate::serve) async fn list(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let (limit, offset) = paged(&parameters(&uri)?, 100, Some(MAX_DESKS))?;
    // One more than is given: whether more follow is known by that.
    let upto = u32::try_from(offset).unwrap_or(u32::MAX).saturating_add(limit).saturating_add(1);
    let desks = site.shelf.with(move |store| store.group(&open(), GroupBy::Owner, upto)).await?;
    let end = offset + u64::from(limit);
    let next = (limit > 0 && desks.len() as u64 > end && end <= MAX_DESKS).then_some(end);
    let desks = desks.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(limit as usize);
    Ok(json(StatusCode::OK, &Desks { people: desks.map(Group::from).collect(), next }))
}

pub(in crate::serve) async fn one(
    Given(site): Shared,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let (limit, _) = paged(&parameters(&uri)?, FINDINGS, None)?;
    let (by, of) = (Some(Some(name.clone())), Some(name.clone()));
    let (desk, access) = site
        .shelf
        .with(move |store| {
            let page = Page { descending: true, limit, ..Page::default() };
            let desk = store.find(&Which { owner: by, ..open() }, &page)?;
            Ok::<_, Refusal>((desk, store.find(&Which { subject: of, ..open() }, &page)?))
        })
        .await?;
    Ok(json(StatusCode::OK, &Person { name, answers_for: desk.into(), access: access.into() }))
}
