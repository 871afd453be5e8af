//! `config check` and `config schema`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;

use super::{Done, Outcome, STDOUT, fault, note, writing};
use crate::daemon::{Setup, SetupError};

/// `counterfoil config …`
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Check a configuration: its text, its connectors and settings, and whether its files and secrets are there.
    Check {
        /// The configuration file.
        #[arg(default_value = "counterfoil.toml", value_name = "FILE")]
        file: PathBuf,
        /// The same, by its name elsewhere.
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
    },
    /// Print the JSON Schema of a configuration.
    Schema,
}

impl Config {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Check { file, config } => {
                let file = config.unwrap_or(file);
                let config = crate::config::Config::load(&file)?;
                let controls = super::checks::controls(config.controls.as_deref())?;
                let sources = config.sources()?;
                for source in &sources {
                    source
                        .check_files()
                        .map_err(|e| fault(format!("source `{}`: {e}", source.options.source)))?;
                }
                // All that the daemon would need at its start: a sink that cannot be set up, a secret that is not there.
                let named = |e: SetupError| fault(format!("{}: {e}", file.display()));
                let setup = Setup::new(&config, controls, 1).map_err(named)?;
                let sinks = match setup.destinations.len() {
                    0 => String::new(),
                    n => format!(", {n} sinks"),
                };
                note(format_args!("{}: in order, {} sources{sinks}", file.display(), sources.len()));
            }
            Self::Schema => {
                let schema = schemars::schema_for!(crate::config::Config);
                let text = serde_json::to_string_pretty(&schema)? + "\n";
                io::stdout().write_all(text.as_bytes()).map_err(writing(STDOUT))?;
            }
        }
        Ok(Done::Well)
    }
}
