//! Pulls that are shared out over all daemons on a database. The leader says which sources it wants; each daemon takes some, and
//! hands in what it pulled; the leader takes that in as if it had pulled it itself. A daemon that dies in a pull leaves it to
//! the next.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration as Span, Instant as Tick};

use super::ahead::{AT_A_TIME, Ahead, GATHER, GRACE, Pulls};
use super::pull::Puller;
use crate::config::Config;
use crate::engine::Pulled;
use crate::store::{Errand, Place, Postgres, Progress, Server, StoreError};

/// How often is looked whether there is something to pull.
const LOOK: Span = Span::from_secs(1);
/// How soon again, when there was.
const SOON: Span = Span::from_millis(200);

/// How the sources of a daemon are pulled.
pub enum Pulling {
    /// By itself: nobody else could.
    Here(Ahead),
    /// By all who share the database, this one among them.
    Spread {
        /// What it wants where it leads.
        wants: Box<Spread>,
        /// What it does for whoever leads, until this is dropped.
        _does: Errands,
    },
}

impl Pulling {
    /// On this store, by this configuration; `keep` is the folder where what was pulled is kept between pulls, and `wake` is
    /// called when something was pulled here.
    ///
    /// # Errors
    /// When there is no thread to pull with.
    pub fn new(
        store: &Place,
        config: &Config,
        keep: Option<PathBuf>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, StoreError> {
        Ok(match store {
            Place::File(_) => Self::Here(Ahead::new(config.clone(), keep, wake)),
            Place::Server(server) => Self::Spread {
                wants: Box::new(Spread::new((**server).clone())),
                _does: Errands::new((**server).clone(), config.clone(), keep)?,
            },
        })
    }

    /// Whether something is being pulled, or was and was not taken in yet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Here(ahead) => ahead.is_busy(),
            Self::Spread { wants, .. } => wants.is_busy(),
        }
    }

    /// Wants nothing any more: another leads.
    pub fn stop(&mut self) {
        match self {
            Self::Here(ahead) => ahead.stop(),
            Self::Spread { wants, .. } => wants.stop(),
        }
    }
}

impl Pulls for Pulling {
    fn ready(&mut self, due: &[String], first: bool) -> Option<Vec<String>> {
        match self {
            Self::Here(ahead) => ahead.ready(due, first),
            Self::Spread { wants, .. } => wants.ready(due, first),
        }
    }

    fn take(&mut self, source: &str) -> Pulled {
        match self {
            Self::Here(ahead) => ahead.take(source),
            Self::Spread { wants, .. } => wants.take(source),
        }
    }
}

/// What the leader wants pulled.
pub struct Spread {
    server: Server,
    store: Option<Postgres>,
    done: BTreeMap<String, Errand>,
    wanted: usize,
    waiting: Option<Tick>,
}

impl Spread {
    /// On this database.
    pub fn new(server: Server) -> Self {
        Self { server, store: None, done: BTreeMap::new(), wanted: 0, waiting: None }
    }

    /// Whether something is being pulled, or was and was not taken in yet.
    pub fn is_busy(&self) -> bool {
        self.wanted > 0
    }

    /// Goes on anew.
    pub fn stop(&mut self) {
        *self = Self::new(self.server.clone());
    }

    fn store(&mut self) -> Result<&Postgres, StoreError> {
        if self.store.is_none() {
            self.store = Some(Postgres::open(&self.server)?);
        }
        self.store.as_ref().ok_or_else(|| StoreError::Other("it is not open".to_owned()))
    }

    fn look(&mut self, due: &[String]) -> Result<(), StoreError> {
        let store = self.store()?;
        let mut there = store.errands()?;
        for source in due.iter().filter(|source| !there.iter().any(|e| e.source == **source)) {
            store.want(source)?;
        }
        // What nobody wants any more is not pulled.
        for errand in there.iter().filter(|e| !due.contains(&e.source)) {
            store.drop_errand(errand.id)?;
        }
        there.retain(|e| due.contains(&e.source) && e.progress != Progress::UnderWay);
        self.done = there.into_iter().map(|e| (e.source.clone(), e)).collect();
        self.wanted = due.len();
        Ok(())
    }

    /// What was pulled elsewhere, in a file of this machine.
    fn fetch(&mut self, errand: &Errand) -> Result<Pulled, StoreError> {
        let failed =
            |e: std::io::Error| StoreError::Other(format!("what was pulled cannot be set aside: {e}"));
        let store = self.store()?;
        let taken_at = match &errand.progress {
            Progress::Done(taken_at) => taken_at.clone(),
            Progress::Failed(why) => {
                store.drop_errand(errand.id)?;
                return Ok(Pulled::Failed(why.clone()));
            }
            Progress::UnderWay => return Ok(Pulled::Failed("it was not pulled".to_owned())),
        };
        let mut file = tempfile::tempfile().map_err(failed)?;
        let mut out = BufWriter::new(&file);
        store.handed_in(errand.id, &mut out)?;
        out.flush().map_err(failed)?;
        drop(out);
        store.drop_errand(errand.id)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let lines = zstd::Decoder::new(file).map_err(failed)?;
        Ok(Pulled::Records { taken_at, lines: Box::new(BufReader::with_capacity(1 << 18, lines)) })
    }
}

impl Pulls for Spread {
    fn ready(&mut self, due: &[String], first: bool) -> Option<Vec<String>> {
        if let Err(e) = self.look(due) {
            tracing::warn!(error = %e, "what is to be pulled cannot be said; it is tried again");
            self.wanted = due.len();
            return None;
        }
        let done: Vec<String> =
            due.iter().filter(|source| self.done.contains_key(*source)).cloned().collect();
        let waited = self.waiting.get_or_insert_with(Tick::now).elapsed();
        if done.len() < due.len() && (first || waited < GATHER) {
            return None;
        }
        self.waiting = None;
        self.wanted = due.len() - done.len();
        Some(done)
    }

    fn take(&mut self, source: &str) -> Pulled {
        let Some(errand) = self.done.remove(source) else {
            return Pulled::Failed("it was not pulled".to_owned());
        };
        self.fetch(&errand).unwrap_or_else(|e| Pulled::Failed(e.to_string()))
    }
}

/// Does errands, until it is dropped.
pub struct Errands {
    cancel: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Errands {
    /// Does those for the sources of this configuration. `keep` is the folder where what was pulled is kept between pulls.
    ///
    /// # Errors
    /// When there is no thread to do them with.
    pub fn new(server: Server, config: Config, keep: Option<PathBuf>) -> Result<Self, StoreError> {
        let cancel = Arc::new(AtomicBool::new(false));
        let runner =
            Runner { server, config: Arc::new(config), keep, cancel: Arc::clone(&cancel), under_way: vec![] };
        let failed = |e: std::io::Error| StoreError::Other(format!("no thread to pull with: {e}"));
        let thread = std::thread::Builder::new().name("errands".to_owned()).spawn(move || runner.run());
        Ok(Self { cancel, thread: Some(thread.map_err(failed)?) })
    }
}

impl Drop for Errands {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        let until = Tick::now() + GRACE;
        while !thread.is_finished() && Tick::now() < until {
            std::thread::sleep(Span::from_millis(20));
        }
    }
}

struct Runner {
    server: Server,
    config: Arc<Config>,
    keep: Option<PathBuf>,
    cancel: Arc<AtomicBool>,
    under_way: Vec<JoinHandle<()>>,
}

impl Runner {
    fn run(mut self) {
        let mut store = None;
        while !self.cancel.load(Ordering::Relaxed) {
            let wait = match self.look(&mut store) {
                Ok(true) => SOON,
                Ok(false) => LOOK,
                Err(e) => {
                    tracing::debug!(error = %e, "cannot look for something to pull");
                    store = None;
                    LOOK
                }
            };
            std::thread::park_timeout(wait);
        }
        for pull in self.under_way {
            let _ = pull.join();
        }
    }

    /// Takes one errand, if there is one; the others are left to others for a moment.
    fn look(&mut self, store: &mut Option<Postgres>) -> Result<bool, StoreError> {
        self.under_way.retain(|pull| !pull.is_finished());
        if self.under_way.len() >= AT_A_TIME {
            return Ok(false);
        }
        if store.is_none() {
            *store = Some(Postgres::open(&self.server)?);
        }
        let Some(open) = store else { return Ok(false) };
        let can = |id: &str| self.config.source.iter().any(|source| source.id == id);
        let Some(errand) = open.take_errand(&can)? else { return Ok(false) };
        tracing::debug!(source = errand.source, "pulls for whoever leads");
        let (server, config) = (self.server.clone(), Arc::clone(&self.config));
        let (keep, cancel) = (self.keep.clone(), Arc::clone(&self.cancel));
        let name = format!("pull {}", errand.source);
        let id = errand.id;
        let pull = move || {
            let stop = || cancel.load(Ordering::Relaxed);
            let pulled = Puller::new(&config, keep, &stop).pull(&errand.source);
            let done = Postgres::open(&server).and_then(|store| match stop() {
                true => store.leave_errand(errand.id),
                false => hand_in(&store, &errand, pulled),
            });
            if let Err(e) = done {
                tracing::warn!(source = errand.source, error = %e, "what was pulled cannot be handed in; it is pulled again");
            }
        };
        match std::thread::Builder::new().name(name).spawn(pull) {
            Ok(handle) => self.under_way.push(handle),
            Err(e) => {
                tracing::error!(error = %e, "no thread to pull with");
                open.leave_errand(id)?;
            }
        }
        Ok(true)
    }
}

fn hand_in(store: &Postgres, errand: &Errand, pulled: Pulled) -> Result<(), StoreError> {
    let failed = |e: std::io::Error| StoreError::Other(format!("what was pulled cannot be set aside: {e}"));
    let (taken_at, mut lines) = match pulled {
        Pulled::Failed(why) => return store.give_up(errand.id, &why),
        Pulled::Records { taken_at, lines } => (taken_at, lines),
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut to = zstd::Encoder::new(BufWriter::new(&file), 0).map_err(failed)?;
    std::io::copy(&mut lines, &mut to).map_err(failed)?;
    to.finish().and_then(|mut out| out.flush()).map_err(failed)?;
    // It is one transaction, and one that was broken off is done again.
    let mut tries = 3;
    loop {
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        match store.hand_in(errand.id, &taken_at, &mut file) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                tracing::debug!(source = errand.source, "was pulled by another meanwhile");
                return Ok(());
            }
            Err(StoreError::Unreachable(why)) if tries > 0 => {
                tracing::debug!(why, "is handed in again");
                tries -= 1;
                std::thread::sleep(LOOK);
            }
            Err(e) => return Err(e),
        }
    }
}
