//! Sinks: one file for each place that findings are told to. The settings of a sink stand beside it; a sink is one file
//! and one line in `sinks!`.
//!
//! ```text
//! outbox ── batch of messages ─▶ Sink::send ── one receipt for each ─▶ outbox
//! ```
//!
//! A sink sends and says what came of it. It keeps nothing, retries nothing and never waits for a clock: when to try
//! again, in which order, and when to give up is for whoever holds the outbox. Delivery is at least once: a batch whose
//! receipts were lost is sent again, with the same ids.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use secrecy::SecretString;

mod batch;
mod document;
mod http;
mod wording;

pub use crate::alert::filter::{Audience, Filter};
pub use crate::net::Connection;
pub use document::{Format, Part, parts, whole};
pub(crate) use syslog::this_host;

use crate::model::event::Message;
use crate::model::{Duration, Instant};
use crate::secret::SecretRef;

/// A future that can be sent between threads.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Vec<Receipt>> + Send + 'a>>;

/// What came of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// The receiver has it, or had it already.
    Taken,
    /// Not taken, and it is worth trying again: the receiver is away, busy or broken.
    Later {
        /// What the receiver or the connection said; holds no secret.
        reason: String,
        /// How long the receiver asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// Not taken, and this very message never will be: for the dead letters.
    Refused {
        /// What the receiver said; holds no secret.
        reason: String,
    },
    /// Not taken, and no message will be until somebody changes the settings: a bad token, a URL that is gone. The
    /// messages are kept, and the sink is tried again now and then.
    Paused {
        /// What the receiver said; holds no secret.
        reason: String,
    },
}

/// How much a sink takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages in one batch (at least one).
    pub messages: usize,
}

/// A place that findings are told to.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Who reads it.
    fn audience(&self) -> Audience;

    /// How much it takes at once.
    fn limits(&self) -> Limits;

    /// Sends messages, in their order; one receipt for each, in the same order. `now` is the time to put on what is
    /// sent, where the receiver asks for one. Must not hold anything across two calls but connections, and what lets it
    /// in until when.
    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a>;

    /// How often it is sent a sign of life where the configuration does not say; `None`: never. Programs miss one within
    /// the hour; people would stop reading.
    fn heartbeat_every(&self) -> Option<Duration> {
        match self.audience() {
            Audience::Machines => Some(Duration::hours(1)),
            Audience::People => Some(Duration::days(1)),
        }
    }

    /// How often all findings that are open must be told again, for a receiver that forgets what it does not hear of;
    /// `None`: once is enough.
    fn resends_open(&self) -> Option<Duration> {
        None
    }
}

/// Why a sink cannot be set up: the configuration is wrong, or a secret is not there.
#[derive(Debug)]
pub struct SinkError(pub String);

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SinkError {}

impl From<crate::net::NetError> for SinkError {
    fn from(e: crate::net::NetError) -> Self {
        Self(e.0)
    }
}

/// Fetches a secret.
fn secret(reference: &SecretRef, folder: &Path) -> Result<SecretString, SinkError> {
    reference.fetch(folder).map_err(|e| SinkError(e.to_string()))
}

/// What every sink's settings can do.
pub trait Settings {
    /// Sets the sink up. `folder` is what relative paths and secrets in files start from.
    ///
    /// # Errors
    /// Says which setting is wrong, or which secret cannot be had.
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError>;
}

/// Declares the sinks: a module for each, and one optional table for each in `[[sink]]`.
macro_rules! sinks {
    ($($name:ident)*) => {
        $(pub mod $name;)*

        /// `[[sink]]`: a place that findings are told to. Exactly one of the tables says which kind, with its settings:
        /// `[sink.webhook]`, say.
        #[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Entry {
            /// What logs, metrics and the outbox call it. A new id is a new sink, which is told what happens from then on.
            pub id: String,
            /// What it is told of; everything when absent.
            #[serde(default)]
            pub filter: Filter,
            /// How often it is sent a sign of life, as an ISO 8601 duration; its kind's own when absent, `PT0S` never.
            #[schemars(with = "Option<String>")]
            pub heartbeat: Option<Duration>,
            $(
                #[doc = concat!("A sink of the kind `", stringify!($name), "`.")]
                pub $name: Option<$name::Settings>,
            )*
        }

        impl Entry {
            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The kind and its settings.
            ///
            /// # Errors
            /// When there is not exactly one.
            pub fn kind(&self) -> Result<(&'static str, &dyn Settings), SinkError> {
                let given: Vec<(&'static str, &dyn Settings)> = [
                    $(self.$name.as_ref().map(|s| (stringify!($name), s as &dyn Settings)),)*
                ]
                .into_iter()
                .flatten()
                .collect();
                match given.as_slice() {
                    [one] => Ok(*one),
                    [] => Err(SinkError(format!(
                        "sink `{}`: no kind; add one of the tables [sink.{}]",
                        self.id,
                        Self::KINDS.join("], [sink.")
                    ))),
                    several => Err(SinkError(format!(
                        "sink `{}`: {} kinds ({}); each kind needs a [[sink]] of its own",
                        self.id,
                        several.len(),
                        several.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
                    ))),
                }
            }
        }
    };
}

sinks! {
    file
    kafka
    syslog
    webhook
    splunk
    elastic
    sentinel
    pagerduty
    slack
    alertmanager
}
