//! `connectors [NAME]`: what can be read; the page of one connector.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Done, Outcome, STDOUT, fault, writing};
use crate::connect::manifest::{Kind, Way};
use crate::connect::{Catalog, Connector, Origin};

/// `counterfoil connectors [NAME]`
#[derive(Debug, Args)]
pub(super) struct Connectors {
    /// The connector whose page to print; without one all are listed.
    name: Option<String>,
    /// A folder of connectors that add to those built in or stand in their place.
    #[arg(long, value_name = "DIR")]
    connectors: Option<PathBuf>,
}

impl Connectors {
    pub(super) fn run(self) -> Outcome {
        let catalog = Catalog::load(self.connectors.as_deref()).map_err(fault)?;
        let text = match &self.name {
            None => list(&catalog),
            Some(name) => catalog.get(name).map_err(fault)?.page.clone(),
        };
        io::stdout().write_all(text.as_bytes()).map_err(writing(STDOUT))?;
        Ok(Done::Well)
    }
}

/// All connectors, those of one kind together.
fn list(catalog: &Catalog) -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let of_kind: Vec<&Connector> = catalog.iter().filter(|c| c.manifest.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let line = if text.is_empty() { "" } else { "\n" };
        text += &format!("{line}{}: {}\n", kind.word(), kind.about());
        for c in of_kind {
            let origin = match &c.origin {
                Origin::BuiltIn => String::new(),
                Origin::Folder(path) => format!(" ({})", path.display()),
            };
            let ways: Vec<&str> = c.manifest.ways().into_iter().map(Way::word).collect();
            text += &format!("  {:<INDENT$} {}{origin}\n", c.name(), c.manifest.summary);
            text += &format!("  {:INDENT$} yields {}; read by {}\n", "", yields(c), ways.join(", "));
        }
    }
    text
}

/// Columns that names take.
const INDENT: usize = 14;

/// The record types that it yields, in words.
fn yields(c: &Connector) -> String {
    // Where a setting decides, or the records themselves do, it may be any.
    let decided = c.manifest.provides.iter().all(|p| !p.starts_with('$')) && !c.manifest.provides.is_empty();
    if decided { c.manifest.provides.join(", ") } else { "any record type".to_owned() }
}
