//! `outbox`: what waits to be told, and what was given up.

use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::store::Configured;
use super::{Done, Outcome, note, say};
use crate::config::instant;

/// How many messages are listed at the most.
const MOST: usize = 10_000;

/// `counterfoil outbox …`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How much waits for each sink.
    Show(Configured),
    /// The messages that were given up, as JSON lines, with the reason of each.
    Dead(OfSink),
    /// Try the messages that were given up again.
    Replay(OfSink),
}

/// Of which sink.
#[derive(Debug, Args)]
pub(super) struct OfSink {
    /// Only those of this sink.
    #[arg(long, value_name = "ID")]
    sink: Option<String>,
    #[command(flatten)]
    configured: Configured,
}

impl Command {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Show(configured) => {
                let (config, store) = configured.open()?;
                let queues = store.outbox()?;
                for sink in &config.sink {
                    let queue = queues.iter().find(|q| q.sink == sink.id).cloned().unwrap_or_default();
                    let oldest = queue.oldest.map(|t| format!(", the oldest of {t}")).unwrap_or_default();
                    say(format_args!(
                        "{}: {} waiting{oldest}, {} given up",
                        sink.id, queue.waiting, queue.dead
                    ))?;
                }
            }
            Self::Dead(of) => {
                let (_, store) = of.configured.open()?;
                for letter in store.dead_letters(of.sink.as_deref(), MOST)? {
                    say(serde_json::json!({
                        "sink": letter.sink, "message": letter.message, "finding": letter.finding,
                        "time": letter.at.to_string(), "attempts": letter.attempts, "reason": letter.reason,
                    }))?;
                }
            }
            Self::Replay(of) => {
                let (_, mut store) = of.configured.open()?;
                let n = store.replay(of.sink.as_deref(), instant(SystemTime::now()))?;
                note(format_args!("{n} messages are tried again"));
            }
        }
        Ok(Done::Well)
    }
}
