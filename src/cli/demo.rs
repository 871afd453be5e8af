//! `demo`: the whole main job on the exports of a sample company that are built into the program.

use std::path::Path;

use clap::Args;
use rust_embed::RustEmbed;

use super::reconcile::{How, Reconcile};
use super::{Outcome, fault, writing};
use crate::model::Instant;

/// The sample company's exports and its configuration.
#[derive(RustEmbed)]
#[folder = "demo/"]
struct Embedded;

/// The instant the sample company is judged at.
pub(super) const NOW: &str = "2026-06-01T00:00:00Z";

/// `counterfoil demo`
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    how: How,
    /// Write the sample company's exports and configuration to this folder instead of judging them.
    #[arg(long, value_name = "DIR")]
    write_to: Option<std::path::PathBuf>,
}

impl Demo {
    pub(super) fn run(mut self) -> Outcome {
        if let Some(folder) = &self.write_to {
            unpack(folder)?;
            super::note(format_args!("wrote the sample company to {}", folder.display()));
            return Ok(super::Done::Well);
        }
        let folder = tempfile::tempdir()?;
        unpack(folder.path())?;
        self.how.now = Some(match self.how.now {
            Some(now) => now,
            None => Instant::parse(NOW)?,
        });
        let reconcile = Reconcile {
            records: vec![],
            config: Some(folder.path().join("counterfoil.toml")),
            partition: false,
            summary: None,
            tagged: false,
            shared: None,
            judged: None,
            how: self.how,
            skip_bad_records: false,
            rejects: folder.path().join("rejects.jsonl"),
        };
        let next = [
            ("counterfoil explain --demo ledger/ofarouk/dba", "how one of these came about, link by link"),
            ("counterfoil demo --write-to sample", "the exports and the configuration behind this"),
            ("counterfoil reconcile --config sample/counterfoil.toml", "the same, from your own folder"),
            ("counterfoil connectors jira", "how to export your own tickets, and every setting"),
        ];
        reconcile.run_and_suggest(next.map(|(command, shows)| (command.to_owned(), shows.to_owned())).into())
    }
}

/// Writes the files into a folder, which is made.
pub(super) fn unpack(folder: &Path) -> Result<(), super::Stop> {
    let shown = folder.display().to_string();
    std::fs::create_dir_all(folder).map_err(writing(&shown))?;
    for name in Embedded::iter() {
        let file = Embedded::get(&name).ok_or_else(|| fault(format!("{name} is not built in")))?;
        let path = folder.join(name.as_ref());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(writing(&shown))?;
        }
        std::fs::write(&path, file.data).map_err(writing(&path.display().to_string()))?;
    }
    Ok(())
}
