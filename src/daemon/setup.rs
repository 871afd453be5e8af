//! From a configuration to all that the daemon needs of it: rules, sources, sinks and schedules.

use std::fmt;
use std::sync::Arc;

use super::post::Destination;
use crate::config::{Config, ConfigError};
use crate::connect::transport::Origin;
use crate::controls::Controls;
use crate::engine::{Listener, Rules, SourceSpec};
use crate::evidence::Signer;
use crate::model::RecordType;
use crate::schedule::Schedule;
use crate::sink::SinkError;

/// All that follows from a configuration.
pub struct Setup {
    /// What a run goes by.
    pub rules: Rules,
    /// The configured sources.
    pub sources: Vec<SourceSpec>,
    /// The sinks.
    pub destinations: Vec<Arc<Destination>>,
    /// When what runs.
    pub schedules: Vec<Schedule>,
    /// Whether a pull is followed by judging; otherwise that has times of its own.
    pub judge_after_pull: bool,
    /// Who signs checkpoints of the evidence log.
    pub signer: Option<Signer>,
}

/// Why nothing can run with a configuration.
#[derive(Debug)]
pub struct SetupError(pub String);

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

impl From<ConfigError> for SetupError {
    fn from(e: ConfigError) -> Self {
        Self(e.to_string())
    }
}

impl From<SinkError> for SetupError {
    fn from(e: SinkError) -> Self {
        Self(e.to_string())
    }
}

impl Setup {
    /// Puts everything together; secrets are fetched here.
    ///
    /// # Errors
    /// The first thing in the configuration that cannot be: a connector, a setting, a secret, a sink.
    pub fn new(config: &Config, controls: Controls, threads: usize) -> Result<Self, SetupError> {
        let mut sources = vec![];
        for prepared in config.sources()? {
            let provides = prepared.connector.provides(&prepared.settings);
            // A connector that says nothing of what it provides may provide anything.
            let may = |t: &RecordType| provides.is_empty() || provides.contains(t.as_str());
            let known = RecordType::ALL.into_iter().filter(may).collect();
            let by = format!("connector `{}`, {}", prepared.connector.manifest.name, way(&prepared.origin));
            sources.push(SourceSpec { id: prepared.options.source, provides: known, by: Some(by) });
        }
        let mut destinations = vec![];
        for entry in &config.sink {
            let (kind, settings) = entry.kind()?;
            let wrong = |e: SinkError| SetupError(format!("sink `{}`: {e}", entry.id));
            let sink = settings.build(&config.folder).map_err(wrong)?;
            let heartbeat = entry.heartbeat.or_else(|| sink.heartbeat_every()).filter(|d| d.ms() > 0);
            let listener =
                Listener { id: entry.id.clone(), audience: sink.audience(), filter: entry.filter.clone() };
            destinations.push(Arc::new(Destination { kind, listener, heartbeat, sink }));
        }
        let rules = Rules {
            settings: config.settings(),
            frameworks: controls.to_json(),
            controls: Box::new(controls),
            life: config.life(),
            guard: config.guard,
            mutes: config.mute.clone(),
            listeners: destinations.iter().map(|d| d.listener.clone()).collect(),
            teams: config.team.clone(),
            threads,
        };
        let (schedules, judge_after_pull) = (config.schedules()?, config.schedule.reconcile.is_none());
        let signer = config.evidence.signer(&config.folder).map_err(SetupError)?;
        Ok(Self { rules, sources, destinations, schedules, judge_after_pull, signer })
    }

    /// The ids of the sinks.
    #[must_use]
    pub fn sink_ids(&self) -> Vec<String> {
        self.destinations.iter().map(|d| d.listener.id.clone()).collect()
    }
}

/// By which way a source is read, in words.
fn way(origin: &Origin) -> &'static str {
    match origin {
        Origin::Files(_) => "from exported files",
        Origin::Exec(_) => "by a program",
        Origin::Http(_) => "asked over HTTP",
        Origin::Ldap(_) => "asked over LDAP",
        Origin::Postgres(_) => "asked in PostgreSQL",
    }
}
