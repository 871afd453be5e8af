//! Where the map of a connector runs: here, if it was shipped with the program; in a process of its own, if it came
//! from a folder on disk; nowhere, if rows are records as they stand.

use super::catalog::{Connector, Origin};
use super::decode::Row;
use super::feed::Feed;
use super::limits::MAX_MAP_THREADS;
use super::manifest::{MapKind, Native};
use super::map::columns::Columns;
use super::map::worker::Worker;
use super::map::{Bindings, Joined, Program};
use super::pull::PullOptions;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes each result of a map.
type Take<'t> = dyn FnMut(Value) -> Result<(), String> + 't;

/// Runs a connector's map on rows.
pub(super) enum Runner {
    /// Rows are records.
    None,
    /// In this process.
    Here(Box<Here>),
    /// In a process of its own.
    Apart(Box<Mutex<Worker>>),
}

/// A map in this process.
pub(super) struct Here {
    program: Program,
    joined: Joined,
    bindings: Option<Bindings>,
    native: Option<Native>,
    /// What does the same as the map for the usual rows of this file.
    columns: Option<Columns>,
}

/// What a map is told of a file before its rows.
pub(super) struct About<'a> {
    settings: &'a Value,
    shape: &'a str,
    file: &'a str,
    head: &'a Value,
    taken_at: &'a str,
}

impl<'a> About<'a> {
    /// Gathers it.
    pub fn new(settings: &'a Value, feed: &'a Feed, options: &'a PullOptions) -> Self {
        Self {
            settings,
            shape: feed.shape(),
            file: feed.base(),
            head: feed.head(),
            taken_at: &options.taken_at,
        }
    }
}

impl Runner {
    /// Compiles the map.
    pub fn new(connector: &Connector, options: &PullOptions) -> Result<Self, String> {
        let Some(text) = connector.map.as_deref().filter(|_| connector.manifest.map == MapKind::Jq) else {
            return Ok(Self::None);
        };
        Ok(match (&connector.origin, &options.worker) {
            (Origin::Folder(folder), Some(program)) => {
                let name = folder.join("map.jq").display().to_string();
                Self::Apart(Box::new(Mutex::new(Worker::start(program, text, &name)?)))
            }
            _ => {
                let name = format!("connectors/{}/map.jq", connector.name());
                let program = Program::compile(text, &name)?;
                let native = connector.manifest.native.filter(|_| connector.origin == Origin::BuiltIn);
                let joined = Joined::default();
                Self::Here(Box::new(Here { program, joined, bindings: None, native, columns: None }))
            }
        })
    }

    /// Are rows mapped at all?
    pub fn maps(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// What other rows say, for the files to come.
    pub fn join(&mut self, joined: &Joined) -> Result<(), String> {
        match self {
            Self::None => Ok(()),
            Self::Here(here) => {
                here.joined = joined.clone();
                Ok(())
            }
            Self::Apart(worker) => held(worker).join(joined),
        }
    }

    /// The next file: its variables.
    pub fn open(&mut self, about: &About<'_>) -> Result<(), String> {
        let About { settings, shape, file, head, taken_at } = about;
        match self {
            Self::None => Ok(()),
            Self::Here(here) => {
                here.bindings = Some(Bindings::new(settings, shape, file, head, &here.joined, taken_at));
                here.columns = here.native.and_then(|Native::Columns| Columns::plan(settings, head));
                Ok(())
            }
            Self::Apart(worker) => held(worker).open(settings, shape, file, head, taken_at),
        }
    }

    /// How many threads beside the reader can map rows at the same time, of so many that may be used.
    pub fn lanes(&self, threads: usize) -> usize {
        match self {
            _ if threads < 2 => 0,
            Self::None | Self::Here(_) => threads,
            // The map has its own process; what is said to it and comes back takes a thread here.
            Self::Apart(_) => 1,
        }
    }

    /// Begins to map some rows, which are then run one after the other.
    pub fn batch<'i>(&self, rows: impl Iterator<Item = (&'i Row, &'i str)>) -> Batch<'_> {
        match self {
            Self::None => Batch::None,
            Self::Here(here) => Batch::Here(here),
            Self::Apart(worker) => {
                let mut worker = held(worker);
                worker.ask(rows.map(|(row, at)| (&row.value, row.number, at)));
                Batch::Apart(worker)
            }
        }
    }
}

/// As many threads as there are processors, within a limit.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_MAP_THREADS)
}

/// A process of a map, for as long as one thread speaks to it. Whoever panicked with it takes the pull down.
fn held(worker: &Mutex<Worker>) -> MutexGuard<'_, Worker> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows that are being mapped.
pub(super) enum Batch<'r> {
    /// Rows are records.
    None,
    /// In this process.
    Here(&'r Here),
    /// In a process of its own, which was asked for all of them.
    Apart(MutexGuard<'r, Worker>),
}

impl Batch<'_> {
    /// Maps the next row.
    pub fn run(&mut self, row: &Row, at: &str, take: &mut Take<'_>) -> Result<(), String> {
        match self {
            Self::None => take(row.value.clone()),
            Self::Here(here) => match &here.bindings {
                Some(_) if let Some(results) = here.columns.as_ref().and_then(|c| c.results(&row.value)) => {
                    results.into_iter().try_for_each(take)
                }
                Some(bindings) => here.program.run(&row.value, row.number, at, bindings, take),
                None => Err("a row came before its file".to_owned()),
            },
            Self::Apart(worker) => worker.answer(take),
        }
    }
}
