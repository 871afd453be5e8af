//! `run`: the daemon.

use std::path::PathBuf;

use clap::Args;

use super::{Done, Outcome, fault};
use crate::config::Config;
use crate::daemon::{self, SetupError};

/// `counterfoil run …`
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Threads to judge with; as many as there are processors when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Run {
    pub(super) fn run(self) -> Outcome {
        let config = Config::load(&self.config)?;
        crate::log::start(&config.log)?;
        if config.source.is_empty() {
            return Err(fault(format!(
                "{}: has no [[source]]; there is nothing to watch",
                self.config.display()
            )));
        }
        let (store, beside) = (super::store::place(&config)?, super::store::path(&config));
        let load = || Config::load(&self.config).map_err(SetupError::from);
        let controls = |config: &Config| {
            super::checks::controls(config.controls.as_deref()).map_err(|e| SetupError(e.to_string()))
        };
        let threads = super::reconcile::threads(self.threads);
        daemon::run(config, &load, &controls, &store, &beside, threads)?;
        Ok(Done::Well)
    }
}
