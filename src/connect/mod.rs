//! Connectors: from the exports of other products to records.
//!
//! A connector is a folder: `manifest.toml` (what it reads, which settings it has), `map.jq` (a row to records),
//! `README.md` (its page) and fixtures (its exam). The engine here knows no product. A pull goes
//!
//! ```text
//! file ─ archive ─ encoding ─ recognise ─ rows ─ map.jq ─ merge ─ inherit ─ record ─ JSONL
//!        gz zst zip  UTF-8 …    shape      JSON             parts   groups    stamp, validate
//! ```
//!
//! - [`manifest`], [`settings`], [`catalog`]: what there is and what a site said about it.
//! - [`decode`]: bytes to rows, streaming, with the limits of [`limits`].
//! - [`map`]: jq with a few functions of our own; [`dates`] reads times. Where rows need what rows of another table say,
//!   it runs twice ([`map::Links`]); of what a log says a million times only the latest is kept (`latest.rs`).
//! - [`inherit`]: what is held through groups and roles, from who holds them and what they include.
//! - [`pull`]: puts it together; rows are mapped on several threads (`crew.rs`, `mapped.rs`), and come out in their order.

pub mod catalog;
mod crew;
pub mod dates;
pub mod decode;
pub mod error;
mod feed;
pub mod inherit;
pub mod job;
mod latest;
pub mod limits;
pub mod manifest;
pub mod map;
mod mapped;
mod merge;
mod outcome;
pub mod pull;
pub mod record;
mod runner;
pub mod settings;
mod told;
pub mod transport;

pub use catalog::{Catalog, Connector, Origin};
pub use error::{Place, PullError};
pub use job::Job;
pub use manifest::Manifest;
pub use pull::{Progress, PullOptions, PullSummary, pull_fetched, pull_files};
pub use settings::Settings;
