//! `config check` and `config schema`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::progress::{Progress, counted};
use super::{Done, Outcome, STDOUT, Stop, fault, note, say, writing};
use crate::connect::Job;
use crate::daemon::{Setup, SetupError};
use crate::report::text::shown;

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
        /// Ask each source as well: whether the product is reached, who we are is known there, and what a pull needs is
        /// granted. Every source is asked, also after one that fails; nothing is pulled.
        #[arg(long)]
        live: bool,
        /// Ask only this source; may be given several times.
        #[arg(long, value_name = "ID", requires = "live")]
        source: Vec<String>,
    },
    /// Print the JSON Schema of a configuration.
    Schema,
}

impl Config {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Check { file, config, live, source } => {
                let file = config.unwrap_or(file);
                let config = crate::config::Config::load(&file)?;
                if live { check_live(&config, &file, &source) } else { check(&config, &file) }
            }
            Self::Schema => {
                let schema = schemars::schema_for!(crate::config::Config);
                let text = serde_json::to_string_pretty(&schema)? + "\n";
                io::stdout().write_all(text.as_bytes()).map_err(writing(STDOUT))?;
                Ok(Done::Well)
            }
        }
    }
}

/// Looks whether all is in order that is here.
fn check(config: &crate::config::Config, file: &Path) -> Outcome {
    let sources = config.sources()?;
    for source in &sources {
        source.check_files().map_err(|e| fault(format!("source `{}`: {e}", source.options.source)))?;
    }
    let sinks = check_rest(config, file)?;
    note(format_args!("{}: in order, {} sources{sinks}", file.display(), sources.len()));
    Ok(Done::Well)
}

/// All that the daemon would need at its start: a sink that cannot be set up, a secret that is not there. Gives the number of
/// sinks in words.
fn check_rest(config: &crate::config::Config, file: &Path) -> Result<String, Stop> {
    let controls = super::checks::controls(config.controls.as_deref())?;
    let named = |e: SetupError| fault(format!("{}: {e}", file.display()));
    let setup = Setup::new(config, controls, 1).map_err(named)?;
    super::store::place(config)?;
    Ok(match setup.destinations.len() {
        0 => String::new(),
        n => format!(", {n} sinks"),
    })
}

/// Asks every source (or those named) for the least that a pull needs, and says of each how it stands.
fn check_live(config: &crate::config::Config, file: &Path, only: &[String]) -> Outcome {
    let known: Vec<&str> = config.source.iter().map(|s| s.id.as_str()).collect();
    if let Some(id) = only.iter().find(|id| !known.contains(&id.as_str())) {
        return Err(no_source(file, id, &known));
    }
    let asked: Vec<&str> =
        known.into_iter().filter(|id| only.is_empty() || only.iter().any(|o| o == id)).collect();
    let mut failed = 0;
    for id in &asked {
        match probe(config, file, id) {
            Ok(way) => say(format_args!("source `{id}` ({way}): in order"))?,
            Err(Stop::Closed) => return Err(Stop::Closed),
            Err(Stop::Fault(why)) => {
                failed += 1;
                say(why)?;
            }
        }
    }
    // What else is wrong is said too, though a source is.
    let rest = check_rest(config, file);
    if failed > 0 {
        if let Err(Stop::Fault(why)) = rest {
            note(why);
        }
        let of = asked.len();
        return Err(fault(format!(
            "{}: {failed} of {of} sources cannot be pulled, see above",
            file.display()
        )));
    }
    let sinks = rest?;
    let asked = counted(asked.len() as u64, "source");
    note(format_args!("{}: in order, {asked} asked{sinks}", file.display()));
    Ok(Done::Well)
}

/// Asks one source; how it is read, in a word.
fn probe(config: &crate::config::Config, file: &Path, id: &str) -> Result<&'static str, Stop> {
    let job = prepared(config, file, id)?;
    let line = Progress::on_stderr().asking();
    let probed = job.probe(&super::pull::watching(id, &line));
    drop(line);
    let way = job.way().word();
    probed.map_err(|e| fault(format!("source `{id}` ({way}): {}", shown(&e.to_string()))))?;
    Ok(way)
}

/// One source of a configuration, ready to be pulled.
pub(super) fn prepared(config: &crate::config::Config, file: &Path, id: &str) -> Result<Job, Stop> {
    config.prepared(id)?.ok_or_else(|| {
        let known: Vec<&str> = config.source.iter().map(|s| s.id.as_str()).collect();
        no_source(file, id, &known)
    })
}

fn no_source(file: &Path, id: &str, known: &[&str]) -> Stop {
    let there = match known {
        [] => "there are none".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    fault(format!("{}: there is no source `{id}`: {there}", file.display()))
}
