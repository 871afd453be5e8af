//! `checks [NAME]`: what is checked; the page of one check, with the controls it speaks to.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Done, Outcome, STDOUT, fault, writing};
use crate::controls::{ControlError, Controls};
use crate::judge::checks;

/// `counterfoil checks [NAME]`
#[derive(Debug, Args)]
pub(super) struct Checks {
    /// The check whose page to print; without one all are listed.
    name: Option<String>,
    /// A folder of framework references that stand in place of those built in.
    #[arg(long, value_name = "DIR")]
    controls: Option<PathBuf>,
}

/// The framework references, built in or with a folder in their place.
pub(super) fn controls(folder: Option<&std::path::Path>) -> Result<Controls, ControlError> {
    let names: Vec<&str> = checks::all().map(|c| c.name).collect();
    match folder {
        Some(folder) => Controls::load(folder, &names),
        None => Controls::embedded(&names),
    }
}

impl Checks {
    pub(super) fn run(self) -> Outcome {
        let controls = controls(self.controls.as_deref())?;
        let mut text = String::new();
        match &self.name {
            None => {
                for check in checks::all() {
                    let (name, severity, primary) =
                        (check.name, check.severity.as_str(), check.primary.as_str());
                    text += &format!("{name:<25} {severity:<9} {primary:<15} {}\n", check.title);
                }
            }
            Some(name) => {
                let check = checks::by_name(name).ok_or_else(|| {
                    let known: Vec<_> = checks::all().map(|c| c.name).collect();
                    fault(format!("there is no check `{name}`: there are {}", known.join(", ")))
                })?;
                text = check.page();
                text += "\n## Controls\n";
                for (framework, control) in controls.of(check.name) {
                    let only = match control.identity_kinds.as_slice() {
                        [] => String::new(),
                        kinds => format!(" (for {} only)", kinds.join(" and ")),
                    };
                    text += &format!("- {} {}: {}{only}\n", framework.framework, control.id, control.title);
                }
            }
        }
        io::stdout().write_all(text.as_bytes()).map_err(writing(STDOUT))?;
        Ok(Done::Well)
    }
}
