//! Syslog: RFC 5424 messages over TCP or TLS (RFC 5425), each with its length before it (RFC 6587), or over RELP.
//!
//! ```text
//! message ─▶ frame (header, structured data, body: json or cef) ─▶ wire (TCP, TLS) ─▶ relp, or plain and a close
//! ```
//!
//! Plain syslog has no word for *received*. The nearest to it: every batch has a connection of its own, which is
//! closed after the last message, and only when the receiver then closes its side without an error are the messages
//! taken. A receiver that dies with messages in its memory still loses them. RELP answers each message, and is the
//! better choice where the receiver has it (rsyslog does).

mod cef;
mod frame;
mod json;
mod relp;
mod wire;

pub(crate) use frame::this_host;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::wording::plain;
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, parts};
use crate::model::event::Message;
use crate::model::{Duration, Instant};
use crate::secret::SecretRef;

/// How many messages share a connection.
const BATCH: usize = 200;

/// `[sink.syslog]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The receiver, as `HOST:PORT`; 6514 is usual with TLS, 2514 or 20514 with RELP.
    pub address: String,
    /// How messages are handed over. Plain syslog says nothing back; `relp` answers for each message.
    #[serde(default)]
    pub protocol: Protocol,
    /// Whether to use TLS. Without it everybody on the way can read and change what is sent.
    #[serde(default = "yes")]
    pub tls: bool,
    /// A PEM file with the authorities to trust, in place of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The name the receiver's certificate must bear; the host of the address when absent.
    pub server_name: Option<String>,
    /// A PEM file with our certificate and what leads to its authority, for receivers that ask who we are.
    pub certificate_file: Option<PathBuf>,
    /// Where the key of our certificate is, in PEM.
    pub key: Option<SecretRef>,
    /// What stands in a message behind its header.
    #[serde(default)]
    pub format: Body,
    /// The facility, 0 to 23; 13 is *log audit*.
    #[serde(default = "log_audit")]
    pub facility: u8,
    /// The host that messages are said to come from; this machine's name when absent.
    pub hostname: Option<String>,
    /// The program that messages are said to come from.
    #[serde(default = "app_name")]
    pub app_name: String,
    /// The private enterprise number in the name of the structured data. Counterfoil has none of its own: the default,
    /// 32473, is the one reserved for examples.
    #[serde(default = "example_enterprise")]
    pub enterprise: u32,
    /// The most bytes a message may have, at least 2048. What is longer is told by its essentials, marked as
    /// `truncated`.
    #[serde(default = "eight_kilobytes")]
    pub max_bytes: usize,
    /// How long to wait for the receiver at each step, as an ISO 8601 duration; `PT10S` when absent.
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
}

fn yes() -> bool {
    true
}

fn log_audit() -> u8 {
    13
}

fn app_name() -> String {
    "counterfoil".to_owned()
}

fn example_enterprise() -> u32 {
    32473
}

fn eight_kilobytes() -> usize {
    8192
}

/// How messages are handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Plain syslog: nothing says that a message arrived. Messages count as taken when the receiver, told that no more
    /// will come, ends the connection in order; one that never ends a connection is sent the same messages again.
    #[default]
    Syslog,
    /// RELP: the receiver answers for each message.
    Relp,
}

/// What stands in a message behind its header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// The event, digest or heartbeat as JSON.
    #[default]
    Json,
    /// ArcSight Common Event Format, version 0.
    Cef,
}

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Syslog {
            envelope: frame::Envelope::of(self)?,
            receiver: wire::Receiver::of(self, folder)?,
            protocol: self.protocol,
        }))
    }
}

/// The sink.
#[derive(Debug)]
struct Syslog {
    envelope: frame::Envelope,
    receiver: wire::Receiver,
    protocol: Protocol,
}

impl Sink for Syslog {
    fn audience(&self) -> Audience {
        Audience::Machines
    }

    fn limits(&self) -> Limits {
        Limits { messages: BATCH }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], _now: Instant) -> Sending<'a> {
        Box::pin(async move {
            let frames: Vec<Vec<u8>> =
                batch.iter().flat_map(parts).map(|part| self.envelope.frame(part)).collect();
            let (arrived, outcome) = match self.protocol {
                Protocol::Syslog => match self.receiver.deliver(&frames).await {
                    Ok(()) => (frames.len(), Ok(())),
                    // How many of them it has cannot be known.
                    Err(why) => (0, Err(why)),
                },
                Protocol::Relp => relp::deliver(&self.receiver, &frames).await,
            };
            let reason = match outcome {
                Ok(()) => String::new(),
                // A certificate or an answer may say anything.
                Err(why) => plain(&format!("{}: {why}", self.receiver), 300),
            };
            receipts(batch, arrived, &reason)
        })
    }
}

/// A message is taken when everything in it arrived; `arrived` counts from the first.
fn receipts(batch: &[Message<'_>], arrived: usize, reason: &str) -> Vec<Receipt> {
    let mut end = 0;
    batch
        .iter()
        .map(|message| {
            end += parts(message).len();
            if end <= arrived {
                Receipt::Taken
            } else {
                Receipt::Later { reason: reason.to_owned(), retry_after: None }
            }
        })
        .collect()
}
