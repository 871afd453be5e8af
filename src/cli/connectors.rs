//! `connectors [NAME]`: what can be read; the page of one connector.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Done, Outcome, STDOUT, fault, writing};
use crate::connect::{Catalog, Origin};

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
        let mut text = String::new();
        match &self.name {
            None => {
                for c in catalog.iter() {
                    let origin = match &c.origin {
                        Origin::BuiltIn => String::new(),
                        Origin::Folder(path) => format!(" ({})", path.display()),
                    };
                    let name = c.name();
                    // Where a setting decides, or the records themselves do, it may be any.
                    let decided = c.manifest.provides.iter().all(|p| !p.starts_with('$'))
                        && !c.manifest.provides.is_empty();
                    let provides =
                        if decided { c.manifest.provides.join(", ") } else { "any record type".to_owned() };
                    text +=
                        &format!("{name:<12} {}{origin}\n{:12} yields {provides}\n", c.manifest.summary, "");
                }
            }
            Some(name) => text.push_str(&catalog.get(name).map_err(fault)?.page),
        }
        io::stdout().write_all(text.as_bytes()).map_err(writing(STDOUT))?;
        Ok(Done::Well)
    }
}
