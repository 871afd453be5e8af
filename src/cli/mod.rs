//! The command line: one file for each command.
//!
//! Findings and what else was asked for go to standard output; logs, progress and errors to standard error. Exit
//! status: 0 done; 1 done, and a finding is at or above `--fail-on`; 2 the input, the configuration or the usage
//! is at fault.

mod accept;
mod approve;
mod batches;
mod checks;
mod config;
mod connectors;
mod demo;
mod evidence;
mod explain;
mod gate;
mod generate;
mod judged;
mod outbox;
mod partition;
pub mod progress;
mod pull;
mod reconcile;
mod remember;
mod report;
mod run;
mod shard;
mod simulate;
mod spark_job;
mod store;
mod verify;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Matches every live access grant to the approval that justifies it, and says who answers where none does.
#[derive(Debug, Parser)]
#[command(name = "counterfoil", version, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a small sample company: no configuration, no network.
    Demo(demo::Demo),
    /// Judge records, or the sources of a configuration, once.
    Reconcile(Box<reconcile::Reconcile>),
    /// Cut records into rows that any number of partitions can be made of, each judged by itself.
    Shard(Box<shard::Shard>),
    /// Print the job that judges records on a Spark cluster, for spark-submit.
    SparkJob(spark_job::SparkJob),
    /// Tell the whole chain behind a grant, a finding or a request.
    Explain(Box<explain::Explain>),
    /// Watch: pull on schedules, judge what changed, tell it to the sinks.
    Run(run::Run),
    /// Write the evidence pack of an instant: what was known and true, for an auditor.
    Report(report::Report),
    /// Say which findings another configuration, or other records, would add and remove.
    Simulate(simulate::Simulate),
    /// Accept a finding for a time.
    Accept(accept::Accept),
    /// Let a pull pass that was held because it changes so much.
    Approve(approve::Approve),
    /// What waits to be told, and what was given up.
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Look after what is remembered.
    #[command(subcommand)]
    Store(store::Command),
    /// Keys, checkpoints and proofs of the evidence log.
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Check the evidence log: whether it was cut or changed, and where.
    Verify(verify::Verify),
    /// Print one source's records as JSON lines.
    Pull(pull::Pull),
    /// List the connectors, or print the page of one.
    Connectors(connectors::Connectors),
    /// List the checks, or print the page of one.
    Checks(checks::Checks),
    /// Check a configuration, or print its JSON Schema.
    #[command(subcommand)]
    Config(config::Config),
    /// Print the completions for a shell.
    Completions(generate::Completions),
    /// Print the manual page.
    Man(generate::Man),
    /// Run one map for a pull: the pull starts it by itself.
    #[command(name = crate::connect::map::worker::COMMAND, hide = true)]
    MapWorker,
}

/// Why a command stopped.
#[derive(Debug)]
pub enum Stop {
    /// The input, the configuration or the usage is at fault: exit status 2.
    Fault(String),
    /// Whoever reads the output has gone: nothing is wrong.
    Closed,
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(e: E) -> Self {
        Self::Fault(e.to_string())
    }
}

/// How a command that ran to its end ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Exit status 0.
    Well,
    /// Exit status 1: a finding is at or above `--fail-on`.
    Failing,
}

type Outcome = Result<Done, Stop>;

/// An error in the words of a message.
fn fault(message: impl fmt::Display) -> Stop {
    Stop::Fault(message.to_string())
}

/// An error of writing to standard output or a file.
fn writing(what: &str) -> impl Fn(io::Error) -> Stop + '_ {
    move |e| match e.kind() {
        io::ErrorKind::BrokenPipe => Stop::Closed,
        _ => Stop::Fault(format!("{what}: cannot be written: {e}")),
    }
}

const STDOUT: &str = "standard output";

/// Prints a line that was asked for.
fn say(line: impl fmt::Display) -> Result<(), Stop> {
    writeln!(io::stdout(), "{line}").map_err(writing(STDOUT))
}

/// Says something on standard error; when that is closed there is nobody to tell.
fn note(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "counterfoil: {message}");
}

/// Runs the program with these arguments (the first is its name).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(e) => {
            let asked = !e.use_stderr();
            let _ = e.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    let outcome = match arguments.command {
        Command::Demo(demo) => demo.run(),
        Command::Reconcile(reconcile) => reconcile.run(),
        Command::Shard(shard) => shard.run(),
        Command::SparkJob(job) => job.run(),
        Command::Explain(explain) => explain.run(),
        Command::Run(run) => run.run(),
        Command::Report(report) => report.run(),
        Command::Simulate(simulate) => simulate.run(),
        Command::Accept(accept) => accept.run(),
        Command::Approve(approve) => approve.run(),
        Command::Outbox(outbox) => outbox.run(),
        Command::Store(store) => store.run(),
        Command::Evidence(evidence) => evidence.run(),
        Command::Verify(verify) => verify.run(),
        Command::Pull(pull) => pull.run(),
        Command::Connectors(connectors) => connectors.run(),
        Command::Checks(checks) => checks.run(),
        Command::Config(config) => config.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
        Command::MapWorker => crate::connect::map::worker::serve(io::stdin().lock(), io::stdout().lock())
            .map(|()| Done::Well)
            .map_err(|e| Stop::Fault(e.to_string())),
    };
    match outcome {
        Ok(Done::Well) | Err(Stop::Closed) => ExitCode::SUCCESS,
        Ok(Done::Failing) => ExitCode::from(1),
        Err(Stop::Fault(message)) => {
            let _ = writeln!(io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}
