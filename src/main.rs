//! The binary: all it does is in the library.

use clap::{Parser, Subcommand};
use counterfoil::connect::{Catalog, PullOptions, Settings, pull_files};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the records of files.
    Pull {
        /// Name of the connector.
        #[arg(long)]
        connector: String,
        /// A file; may be given several times.
        #[arg(long = "file", required = true)]
        files: Vec<PathBuf>,
        /// A setting, as key=value.
        #[arg(long = "set")]
        set: Vec<String>,
        /// When the export was taken.
        #[arg(long, default_value = "2026-06-01T00:00:00Z")]
        taken_at: String,
        /// Id of the source; the connector's name without it.
        #[arg(long)]
        source: Option<String>,
        /// A folder of connectors.
        #[arg(long)]
        connectors: Option<PathBuf>,
        /// Pass over bad rows.
        #[arg(long)]
        skip_bad_rows: bool,
    },
}

fn main() -> ExitCode {
    let Command::Pull { connector, files, set, taken_at, source, connectors, skip_bad_rows } =
        Arguments::parse().command;
    let run = || -> Result<(), String> {
        let catalog = Catalog::load(connectors.as_deref())?;
        let connector = catalog.get(&connector)?;
        let settings = Settings::parse(&connector.manifest, set.iter().map(String::as_str))?;
        let source = source.unwrap_or_else(|| connector.name().to_owned());
        let options = PullOptions { source, taken_at, skip_bad_rows };
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let summary = pull_files(
            connector,
            &settings,
            &options,
            &files,
            &mut |line| writeln!(out, "{line}"),
            &mut |_| {},
        )
        .map_err(|error| error.to_string())?;
        out.flush().map_err(|error| error.to_string())?;
        for reject in &summary.rejects {
            let _ = writeln!(std::io::stderr(), "passed over: {reject}");
        }
        let _ = writeln!(std::io::stderr(), "{} rows, {} records", summary.rows, summary.records);
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}
