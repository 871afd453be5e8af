//! Transports: how what a product knows gets here. Each ends in rows; what becomes of them is the same for all.
//!
//! ```text
//! files ─── patterns ───────────────▶ decode ─▶ rows ─┐
//! exec ──── program ─▶ file ────────▶ decode ─▶ rows ─┤
//! http ──── steps ─▶ pages ─▶ spool ──────────▶ rows ─┼─▶ map ─▶ merge ─▶ inherit ─▶ records
//! ldap ──── searches ───────▶ spool ──────────▶ rows ─┤
//! postgres  queries ────────▶ spool ──────────▶ rows ─┘
//! ```
//!
//! A transport that got only a part says why, and the pull is then not complete; what it got is mapped all the same. One
//! that got nothing fails.

pub mod exec;
pub mod files;
pub mod http;
pub mod ldap;
pub mod postgres;
pub mod spool;

use std::path::{Path, PathBuf};
use std::time::Duration as Wait;

use super::catalog::Connector;
use super::error::PullError;
use super::pull::PullOptions;
use super::settings::Settings;

pub use spool::{Batch, Writer};

/// Where the rows of a pull come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Files as somebody saved them: those that were chosen, or why there are none.
    Files(Result<Vec<PathBuf>, String>),
    /// A program that prints them.
    Exec(exec::Site),
    /// A product, over HTTP.
    Http(Box<http::Site>),
    /// A directory.
    Ldap(Box<ldap::Site>),
    /// A PostgreSQL server.
    Postgres(Box<postgres::Site>),
}

/// What a transport is asked to fetch.
pub struct Ask<'a> {
    /// The connector, whose manifest says what to ask.
    pub connector: &'a Connector,
    /// Its settings.
    pub settings: &'a Settings,
    /// Id of the source and time of the pull.
    pub options: &'a PullOptions,
    /// The folder that relative paths of secrets and certificates start from.
    pub folder: &'a Path,
    /// The folder where what was fetched is kept between pulls.
    pub keep: Option<&'a Path>,
    /// Is told what goes on.
    pub watch: &'a Watch<'a>,
}

/// What a transport got.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Rows, step by step.
    pub batches: Vec<Batch>,
    /// Why that is not all; empty when it is.
    pub reasons: Vec<String>,
    /// How much was asked, for the log.
    pub requests: u64,
}

/// What goes on while a transport is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing<'a> {
    /// An answer came.
    Asked {
        /// The step.
        step: &'a str,
        /// Answers so far, of all steps.
        requests: u64,
        /// Rows so far, of all steps.
        rows: u64,
    },
    /// Nothing in particular; it still works.
    Busy,
    /// A program said something on standard error.
    Said {
        /// One line of it, with nothing in it that a terminal would act on.
        line: &'a str,
    },
    /// It waits, because the product said that it is asked too much or could not answer.
    Waiting {
        /// The step.
        step: &'a str,
        /// For how long.
        pause: Wait,
        /// Why.
        why: &'a str,
    },
}

/// Is told what goes on, at least every second while a transport waits; `true` breaks the pull off.
pub type Watch<'w> = dyn Fn(&Doing<'_>) -> bool + 'w;

/// Runs to the end, on this thread, what waits for answers.
///
/// # Errors
/// What the work gave, or that nothing can be waited for here.
fn block_on<T>(work: impl Future<Output = Result<T, PullError>>) -> Result<T, PullError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| PullError::Asked(format!("cannot wait for answers: {e}")))?;
    let done = runtime.block_on(work);
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    done
}
