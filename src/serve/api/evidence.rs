//! The evidence log: its last checkpoint, and an entry with the proof that it is in it. And the evidence pack of an instant.

use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State as Given;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::super::answer::{HTML, JSON, Refusal, TEXT, ZIP, body, json};
use super::super::ask::{instant, none, parameters};
use super::super::openapi::Parameter;
use super::super::routes::Shared;
use super::super::site::{Site, Spooling};
use super::super::taken::Path;
use crate::audit::{Asked, AuditError, Spool, Zipped, gather, html, oscal, zipped};
use crate::engine::{EngineError, Terms};
use crate::evidence::{Checkpoint, Proof};
use crate::model::Instant;
use crate::store::{EntryOf, StoreError};

/// How many grants are judged again for a pack: more are for `counterfoil report`, which has a process to itself.
const MAX_GRANTS: u64 = 2_000_000;
/// How many findings a page lists, and how many OSCAL results hold: as `counterfoil report` does.
const PAGE: usize = 2_000;
const OSCAL: usize = 5_000;

pub(in crate::serve) async fn checkpoint(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    none(&uri)?;
    let note = site.shelf.with(|store| store.last_checkpoint()).await?;
    let none = "the evidence log has no checkpoint yet; each run makes one";
    Ok(body(StatusCode::OK, TEXT, note.ok_or_else(|| Refusal::missing(none))?))
}

/// An entry of the evidence log, and the proof that it is in it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::serve) struct Proven {
    /// Its place, from 0.
    index: u64,
    /// Its text, to the byte.
    entry: String,
    /// The proof (https://c2sp.org/tlog-proof), as `counterfoil evidence check` reads it.
    proof: String,
}

pub(in crate::serve) async fn entry(
    Given(site): Shared,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    none(&uri)?;
    let which = match (id.strip_prefix("run:"), id.parse()) {
        (Some(run), _) => {
            EntryOf::Run(run.parse().map_err(|_| Refusal::bad("expected `run:` and the number of a run"))?)
        }
        (None, Ok(place)) => EntryOf::Place(place),
        (None, Err(_)) => EntryOf::Event(id),
    };
    let shown = site.shelf.with(move |store| store.entry(&which)).await?;
    let missing =
        "there is no such entry, its text was forgotten, or no checkpoint covers it yet; each run makes one";
    let shown = shown.ok_or_else(|| Refusal::missing(missing))?;
    let signed = Checkpoint::parse(&shown.checkpoint.note).map_err(|e| Refusal::broken(&e))?.note.is_some();
    if !signed {
        let why =
            "nobody signed the checkpoint that covers it, so nothing is proven; set `key` in [evidence]";
        return Err(Refusal::new(StatusCode::CONFLICT, why));
    }
    let index = shown.index;
    let proof = Proof { index, path: shown.path, checkpoint: shown.checkpoint.note };
    Ok(json(StatusCode::OK, &Proven { index, entry: shown.text, proof: proof.text() }))
}

/// How much of a zip is sent at once.
const PIECE: u64 = 256 << 10;

/// The form of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Csv,
    Oscal,
}

impl Form {
    /// How many findings it lists, what it is, and how the name of its file ends.
    fn of(self) -> (usize, &'static str, &'static str) {
        match self {
            Self::Html => (PAGE, HTML, "html"),
            Self::Csv => (0, ZIP, "zip"),
            Self::Oscal => (OSCAL, JSON, "json"),
        }
    }
}

/// The parameters of a pack, as they are described.
pub(super) fn described() -> Vec<Parameter> {
    vec![
        Parameter::one_of(
            "format",
            ["html", "csv", "oscal"],
            false,
            "The form; html when absent. csv is one zip of what `counterfoil report --format csv` writes.",
        ),
        Parameter::instant("as_of", "The instant; that of the last run when absent."),
        Parameter::instant("from", "Where the period of changes begins; 90 days before when absent."),
    ]
}

pub(in crate::serve) async fn report(Given(site): Shared, uri: Uri) -> Result<Response, Refusal> {
    let (mut form, mut at, mut from) = (Form::Html, None, None);
    for (name, value) in parameters(&uri)? {
        let bad = |why: String| Refusal::bad(format!("`{name}` = `{value}`: {why}"));
        match (name.as_str(), value.as_str()) {
            ("format", "html") => form = Form::Html,
            ("format", "csv") => form = Form::Csv,
            ("format", "oscal") => form = Form::Oscal,
            ("format", _) => return Err(bad("expected one of html, csv, oscal".to_owned())),
            ("as_of", text) => at = Some(instant(text).map_err(bad)?),
            ("from", text) => from = Some(instant(text).map_err(bad)?),
            _ => return Err(bad("there is no such parameter; there are format, as_of, from".to_owned())),
        }
    }
    if at.is_some_and(|at| at > site.now()) {
        return Err(Refusal::bad("`as_of` lies ahead: what will be is not known"));
    }
    if from.is_some_and(|from| from > site.now()) {
        return Err(Refusal::bad("`from` lies ahead: what will change is not known"));
    }
    if from.is_some_and(|from| at.is_some_and(|at| from > at)) {
        return Err(Refusal::bad("`from` is after `as_of`"));
    }
    // One at a time: each judges everything again.
    let Ok(turn) = Arc::clone(&site.reports).try_acquire_owned() else {
        let busy = "another pack is being made; try again in a moment";
        return Err(Refusal { after: Some(10), ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, busy) });
    };
    let (list, kind, end) = form.of();
    let asked = Asked { at, from, today: today(&site), list, threads: 1 };
    let spooling = site.spooling.clone();
    let (made, as_of) = site.shelf.with(move |store| pack(store, &asked, form, &spooling)).await?;
    let mut response = match made {
        Made::Text(text) => body(StatusCode::OK, kind, text),
        Made::File(spool, length) => whole(kind, spool, length, turn),
    };
    // A page with a style of its own, which is to be kept and not to be shown by this site.
    let file = format!("attachment; filename=\"counterfoil-{}.{end}\"", as_of.to_string().replace(':', ""));
    if let Ok(file) = HeaderValue::from_str(&file) {
        response.headers_mut().insert(CONTENT_DISPOSITION, file);
    }
    Ok(response)
}

/// What was made.
enum Made {
    Text(String),
    /// With its length.
    File(Box<dyn Spool>, u64),
}

/// All of a file, piece by piece. The turn goes with the last: nobody has another one made while this one is held.
fn whole(kind: &'static str, spool: Box<dyn Spool>, length: u64, turn: OwnedSemaphorePermit) -> Response {
    let next = |(mut spool, turn): (Box<dyn Spool>, OwnedSemaphorePermit)| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![];
            (&mut spool).take(PIECE).read_to_end(&mut piece)?;
            Ok::<_, io::Error>((piece, spool))
        });
        let read = read.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        let (piece, spool) = read.inspect_err(|e| tracing::error!(error = %e, "a pack broke off")).ok()?;
        (!piece.is_empty()).then(|| (Ok::<_, Infallible>(Bytes::from(piece)), (spool, turn)))
    };
    let pieces = futures_util::stream::unfold((spool, turn), next);
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // Whoever gets less knows that it broke off.
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn today(site: &Site) -> Terms {
    let facts = site.facts();
    Terms {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: facts.settings.clone(),
        frameworks: facts.controls.to_json(),
    }
}

fn pack(
    store: &mut dyn crate::store::Store,
    asked: &Asked,
    form: Form,
    spooling: &Spooling,
) -> Result<(Made, Instant), Refusal> {
    let grants: u64 = store.standings()?.iter().map(|(.., count)| count).sum();
    if grants > MAX_GRANTS {
        let why = format!(
            "there are {grants} grants; a pack of more than {MAX_GRANTS} is for `counterfoil report`"
        );
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let refused = |e: AuditError| match e {
        AuditError::NotKnown(..) | AuditError::Engine(EngineError::NoRecords) => {
            Refusal::missing(e.to_string())
        }
        AuditError::Engine(EngineError::Store(StoreError::Busy(why))) => StoreError::Busy(why).into(),
        e => Refusal::broken(&e),
    };
    if form == Form::Csv {
        return match zipped(store, asked, spooling.most, &*spooling.make).map_err(refused)? {
            Zipped::Whole(spool, length, as_of) => Ok((Made::File(spool, length), as_of)),
            Zipped::TooLarge => {
                let why = "the tables are too large to be fetched as one file; `counterfoil report` writes them into a folder";
                Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why))
            }
        };
    }
    let pack = gather(store, asked, &mut ()).map_err(refused)?;
    let text = if form == Form::Html { html(&pack) } else { format!("{:#}\n", oscal(&pack)) };
    Ok((Made::Text(text), pack.head.as_of))
}
