//! Kafka: each event a record whose key is the finding, so that what happens to one finding stays in order.
//!
//! The client is librdkafka, which is C and needs OpenSSL, so it is there only in builds with the feature `kafka`. The
//! settings are read by every build: one without Kafka says so, and does not call them unknown.

#[cfg(feature = "kafka")]
mod producer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Sink, SinkError};
use crate::model::Duration;
use crate::secret::SecretRef;

/// `[sink.kafka]`
///
/// The value of a record is the event, digest, heartbeat or checkpoint as JSON; its key the finding's id, or `digest`,
/// `heartbeat` or `checkpoint`; its header `event-id` the id that is the same on every retry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Brokers to begin with, each as `HOST:PORT`.
    pub brokers: Vec<String>,
    /// The topic; it must exist, unless the brokers create what they are asked for.
    pub topic: String,
    /// Whether to use TLS. Without it everybody on the way can read and change what is sent.
    #[serde(default = "yes")]
    pub tls: bool,
    /// A PEM file with the authorities to trust, in place of those of the system.
    pub ca_file: Option<PathBuf>,
    /// Properties of librdkafka, by their own names: `"sasl.mechanism" = "SCRAM-SHA-512"`, `"sasl.username" = "…"`,
    /// `"compression.type" = "zstd"`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Properties of librdkafka that are secret, by where the secret is: `"sasl.password" = "credential:kafka"`.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretRef>,
    /// How long to try to deliver before the messages are kept for later, as an ISO 8601 duration; `PT30S` when absent.
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
}

fn yes() -> bool {
    true
}

/// Properties that other settings stand for, or that delivery rests on.
const OURS: [&str; 12] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "security.protocol",
    "ssl.ca.location",
    "enable.ssl.certificate.verification",
    "ssl.endpoint.identification.algorithm",
    "client.id",
];

/// Whether a property holds what nobody should read.
fn is_secret(property: &str) -> bool {
    ["password", "secret", "key.pem"].iter().any(|part| property.contains(part))
}

impl Settings {
    /// What is wrong with the settings, whether this build has Kafka or not.
    fn check(&self) -> Result<(), SinkError> {
        if self.brokers.is_empty() || self.brokers.iter().any(|b| b.trim().is_empty() || b.contains(',')) {
            return Err(SinkError("brokers: expected a list of HOST:PORT, at least one".to_owned()));
        }
        if self.topic.is_empty() {
            return Err(SinkError("topic: expected the name of a topic".to_owned()));
        }
        if self.ca_file.is_some() && !self.tls {
            return Err(SinkError(
                "ca_file: says nothing with `tls = false`; take one of the two out".to_owned(),
            ));
        }
        for property in self.options.keys().chain(self.secrets.keys()) {
            if OURS.contains(&property.as_str()) {
                return Err(SinkError(format!(
                    "`{property}`: cannot be set; it follows from the other settings"
                )));
            }
        }
        if let Some(property) = self.options.keys().find(|p| is_secret(p)) {
            return Err(SinkError(format!(
                "options: `{property}` is a secret; write it under `secrets`, with where it is: `credential:NAME`, \
                 `file:PATH` or `env:NAME`"
            )));
        }
        Ok(())
    }
}

impl super::Settings for Settings {
    #[cfg(feature = "kafka")]
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        self.check()?;
        Ok(Box::new(producer::Kafka::of(self, folder)?))
    }

    #[cfg(not(feature = "kafka"))]
    fn build(&self, _folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        self.check()?;
        Err(SinkError(
            "this build has no Kafka; take one that was built with `cargo build --release --features kafka`, or send \
             to a webhook or a file in its place"
                .to_owned(),
        ))
    }
}
