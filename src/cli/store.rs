//! `store`: looking after what is remembered.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::{Done, Outcome, Stop, fault, note};
use crate::config::{Config, instant};
use crate::store::{Place, Postgres, Retention, Server, SlotState, Store, StoreError};

/// How many slots are looked through for the latest of each job.
const SLOTS: usize = 1_000;

/// `counterfoil store …`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy the store to a new file, while it may be in use.
    Backup(Backup),
    /// Forget what is older than is kept: ended records, resolved findings, their events.
    Prune(Configured),
    /// Say what the store holds.
    Show(Configured),
}

/// `counterfoil store backup FILE`
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The new file.
    file: PathBuf,
    #[command(flatten)]
    configured: Configured,
}

/// Which store.
#[derive(Debug, Args)]
pub(super) struct Configured {
    /// The configuration that says where the store is.
    #[arg(long, value_name = "FILE", default_value = "counterfoil.toml", env = "COUNTERFOIL_CONFIG")]
    pub(super) config: PathBuf,
}

impl Configured {
    /// The configuration, and its store, which must be there.
    pub(super) fn open(&self) -> Result<(Config, Box<dyn Store>), Stop> {
        self.open_with(Place::open)
    }

    /// The same, to read only.
    pub(super) fn open_read(&self) -> Result<(Config, Box<dyn Store>), Stop> {
        self.open_with(Place::open_read)
    }

    fn open_with(
        &self,
        open: fn(&Place) -> Result<Box<dyn Store>, StoreError>,
    ) -> Result<(Config, Box<dyn Store>), Stop> {
        let config = Config::load(&self.config)?;
        let place = place(&config)?;
        if !place.is_there()? {
            return Err(none_yet(&place));
        }
        let store = open(&place)?;
        Ok((config, store))
    }
}

/// That there is no store.
pub(super) fn none_yet(place: &Place) -> Stop {
    fault(format!("{place}: there is no store yet; `counterfoil run` and `counterfoil reconcile` begin one"))
}

/// Where the store of a configuration is that is a file; what is kept that is no store is beside it, wherever the store is.
pub(super) fn path(config: &Config) -> PathBuf {
    let state = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
    config.store_path(state.as_deref())
}

/// Where the store of a configuration is.
pub(super) fn place(config: &Config) -> Result<Place, Stop> {
    let table = config.store.clone().unwrap_or_default();
    let Some(url) = &table.url else {
        if table.password.is_some() || table.ca_file.is_some() {
            return Err(fault("[store]: `password` and `ca_file` go with `url`"));
        }
        // Somebody who writes an address where a file is expected means the address.
        return match table.path.as_ref().and_then(|p| p.to_str()).filter(|p| crate::store::is_address(p)) {
            Some(_) => Err(fault("[store]: `path` is a file; the address of a database goes into `url`")),
            None => Ok(Place::File(path(config))),
        };
    };
    if table.path.is_some() {
        return Err(fault(
            "[store]: expected one of `path` and `url`: the store is in a file or in a database",
        ));
    }
    let password = table.password.as_ref().map(|secret| secret.fetch(&config.folder)).transpose();
    let password = password.map_err(|e| fault(format!("[store]: password: {e}")))?;
    let ca_file = table.ca_file.map(|file| config.folder.join(file));
    let server = Server::new(url, password.as_ref(), ca_file).map_err(|e| fault(format!("[store]: {e}")))?;
    Ok(Place::Server(Box::new(server)))
}

impl Command {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Backup(backup) => backup.run(),
            Self::Prune(configured) => prune(&configured),
            Self::Show(configured) => show(&configured),
        }
    }
}

impl Backup {
    fn run(self) -> Outcome {
        let (_, store) = self.configured.open()?;
        store.backup(Path::new(&self.file))?;
        note(format_args!("the store is copied to {}", self.file.display()));
        Ok(Done::Well)
    }
}

fn prune(configured: &Configured) -> Outcome {
    let (config, mut store) = configured.open()?;
    let keep = config.store.unwrap_or_default().keep;
    let rows = store.prune(Retention { before: instant(SystemTime::now()).minus(keep) })?;
    note(format_args!("{rows} rows older than {keep} were forgotten"));
    Ok(Done::Well)
}

fn show(configured: &Configured) -> Outcome {
    let (config, store) = configured.open()?;
    let runs = store.runs(1)?;
    if let Some(run) = runs.first() {
        let ended = run.ended_at.map_or("not ended".to_owned(), |t| format!("ended {t}"));
        super::say(format_args!("run {}, begun {}, {ended}", run.id, run.started_at))?;
    }
    for source in store.sources()?.iter().filter(|s| s.tried_at.is_some()) {
        let taken = source.taken_at.map_or("never read".to_owned(), |t| format!("read as of {t}"));
        let trouble = source.trouble.as_ref().map(|t| format!("; {}", t.reason())).unwrap_or_default();
        super::say(format_args!("source {}: {} records, {taken}{trouble}", source.id, source.records))?;
    }
    let mut grants = 0;
    for (_, _, n) in store.standings()? {
        grants += n;
    }
    super::say(format_args!("{grants} grants"))?;
    for state in crate::model::event::State::ALL {
        let n: u64 = store.finding_counts()?.iter().filter(|c| c.state == state).map(|c| c.count).sum();
        super::say(format_args!("{n} findings {}", state.as_str()))?;
    }
    let mut jobs: Vec<String> = vec![];
    for slot in store.slots(SLOTS)? {
        if slot.state != SlotState::Missed && !jobs.contains(&slot.job) {
            super::say(format_args!("job {}: {} {}", slot.job, slot.slot, slot.state.as_str()))?;
            jobs.push(slot.job);
        }
    }
    if let Place::Server(server) = place(&config)? {
        for member in Postgres::open_read(&server)?.members()? {
            let (name, version, secs) = (member.name, member.version, member.ago_ms / 1000);
            let part = match (member.leads, member.there) {
                (true, _) => "leads",
                (false, true) => "looks on",
                (false, false) => "is gone",
            };
            super::say(format_args!("daemon {name} ({version}) {part}, seen {secs} s ago"))?;
        }
    }
    Ok(Done::Well)
}
