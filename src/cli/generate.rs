//! `completions` and `man`: made from the command line's own definition, so that they cannot fall behind.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Done, Outcome, STDOUT, writing};

/// `counterfoil completions SHELL`
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Outcome {
        let mut text = vec![];
        clap_complete::generate(self.shell, &mut Arguments::command(), "counterfoil", &mut text);
        io::stdout().write_all(&text).map_err(writing(STDOUT))?;
        Ok(Done::Well)
    }
}

/// `counterfoil man [COMMAND]`
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Print the page of this command instead of the program's.
    command: Option<String>,
}

impl Man {
    pub(super) fn run(self) -> Outcome {
        let mut command = Arguments::command();
        command.build();
        if let Some(name) = &self.command {
            let known: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
            let page = command.find_subcommand(name).cloned();
            let page = page.ok_or_else(|| {
                super::fault(format!("there is no command `{name}`: there are {}", known.join(", ")))
            })?;
            command = page;
        }
        let mut text = vec![];
        let title = self.command.map_or("counterfoil".to_owned(), |name| format!("counterfoil-{name}"));
        clap_mangen::Man::new(command).title(title).render(&mut text)?;
        io::stdout().write_all(&text).map_err(writing(STDOUT))?;
        Ok(Done::Well)
    }
}
