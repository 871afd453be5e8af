//! `config check` and `config schema`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;

use super::{Done, Outcome, STDOUT, note, writing};

/// `counterfoil config …`
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Check a configuration: its text, its connectors and settings, and whether its files are there.
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
                super::checks::controls(config.controls.as_deref())?;
                let sources = config.sources()?;
                for source in &sources {
                    source.check_files()?;
                }
                note(format_args!("{}: in order, {} sources", file.display(), sources.len()));
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
