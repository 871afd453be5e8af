//! `run`: the daemon.

use std::path::PathBuf;

use clap::Args;

use super::{Done, Outcome, Stop, fault};
use crate::config::Config;
use crate::daemon::{self, SetupError};
use crate::engine::NO_SOURCE_BESIDE;
use crate::store::Place;

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
        let (store, beside) = (super::store::place(&config)?, super::store::path(&config));
        let elsewhere = is_judged_elsewhere(&store);
        if config.source.is_empty() {
            // What was judged elsewhere needs none: it is shown, and what waits is told.
            if !elsewhere? {
                let file = self.config.display();
                return Err(fault(format!("{file}: has no [[source]]; there is nothing to watch")));
            }
        } else if matches!(elsewhere, Ok(true)) {
            // What else is wrong with the store is said by whoever holds it.
            return Err(fault(format!("{store}: {NO_SOURCE_BESIDE}")));
        }
        let load = || Config::load(&self.config).map_err(SetupError::from);
        let controls = |config: &Config| {
            super::checks::controls(config.controls.as_deref()).map_err(|e| SetupError(e.to_string()))
        };
        let threads = super::reconcile::threads(self.threads);
        daemon::run(config, &load, &controls, &store, &beside, threads)?;
        Ok(Done::Well)
    }
}

fn is_judged_elsewhere(place: &Place) -> Result<bool, Stop> {
    Ok(place.is_there()? && crate::engine::judged_elsewhere(&*place.open()?)?)
}
