//! Producing: an idempotent producer, and a receipt for each delivery report.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};
use secrecy::ExposeSecret;

use super::super::wording::plain;
use super::super::{Audience, Format, Limits, Part, Receipt, Sending, Sink, SinkError, parts};
use super::{Settings, is_secret};
use crate::model::Instant;
use crate::model::event::Message;

/// How many messages are handed to the client at once.
const BATCH: usize = 500;

type Producer = FutureProducer<Ear>;

/// The sink.
pub(super) struct Kafka {
    config: ClientConfig,
    topic: String,
    brokers: String,
    heard: Arc<Mutex<Option<(KafkaError, String)>>>,
    /// The connection; none after an error that the client cannot get over.
    producer: Mutex<Option<Producer>>,
}

impl fmt::Debug for Kafka {
    // The configuration holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka({}, topic {})", self.brokers, self.topic)
    }
}

/// Hears what the client says of its connections: a delivery report says only that time ran out.
struct Ear(Arc<Mutex<Option<(KafkaError, String)>>>);

impl ClientContext for Ear {
    fn error(&self, error: KafkaError, reason: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down follows from what was said of each.
        if heard.is_none() || error != KafkaError::Global(Code::AllBrokersDown) {
            *heard = Some((error, reason.to_owned()));
        }
    }
}

impl Kafka {
    pub(super) fn of(settings: &Settings, folder: &Path) -> Result<Self, SinkError> {
        let brokers = settings.brokers.join(",");
        let timeout = settings.timeout.map_or(30_000, |d| d.ms()).clamp(1, i64::from(i32::MAX));
        let sasl = settings.options.keys().chain(settings.secrets.keys()).any(|p| p.starts_with("sasl."));
        let protocol = match (settings.tls, sasl) {
            (true, true) => "SASL_SSL",
            (true, false) => "SSL",
            (false, true) => "SASL_PLAINTEXT",
            (false, false) => "PLAINTEXT",
        };
        let mut config = ClientConfig::new();
        for (property, value) in &settings.options {
            config.set(property, value);
        }
        for (property, secret) in &settings.secrets {
            let secret =
                secret.fetch(folder).map_err(|e| SinkError(format!("secrets: `{property}`: {e}")))?;
            config.set(property, secret.expose_secret());
        }
        if let Some(ca) = &settings.ca_file {
            config.set("ssl.ca.location", folder.join(ca).to_string_lossy());
        }
        config
            .set("bootstrap.servers", &brokers)
            .set("client.id", "counterfoil")
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", timeout.to_string())
            .set("security.protocol", protocol);
        let heard = Arc::new(Mutex::new(None));
        let kafka =
            Self { config, topic: settings.topic.clone(), brokers, producer: Mutex::new(None), heard };
        // A property that does not exist shows now.
        drop(kafka.connected().map_err(|e| SinkError(said_of_settings(&e)))?);
        Ok(kafka)
    }

    /// The connection, made where there is none.
    fn connected(&self) -> Result<Producer, KafkaError> {
        let mut kept = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        // After some errors an idempotent producer can vouch for nothing any more; only a new one can.
        match kept.take().filter(|p| p.client().fatal_error().is_none()) {
            Some(producer) => Ok(kept.insert(producer).clone()),
            None => {
                let ear = Ear(Arc::clone(&self.heard));
                Ok(kept.insert(Producer::from_config_and_context(&self.config, ear)?).clone())
            }
        }
    }

    /// Gives the connection up; the next batch has a new one, which asks the brokers anew what it may do.
    fn disconnect(&self, producer: Producer) {
        let kept = self.producer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The client waits for its threads to end.
        tokio::task::spawn_blocking(move || drop((producer, kept)));
    }

    fn hand_over(&self, producer: &Producer, part: Part<'_>) -> Result<DeliveryFuture, KafkaError> {
        let value = part.json(Format::Native);
        let (key, id) = match part {
            Part::Event(event) => (event.finding.id.as_str(), &event.id),
            Part::Digest(digest) => ("digest", &digest.id),
            Part::Heartbeat(heartbeat) => ("heartbeat", &heartbeat.id),
            Part::Checkpoint(checkpoint) => ("checkpoint", &checkpoint.id),
        };
        let headers = OwnedHeaders::new().insert(Header { key: "event-id", value: Some(id) });
        let record = FutureRecord::to(&self.topic).key(key).payload(&value).headers(headers);
        producer.send_result(record).map_err(|(e, _)| e)
    }

    /// What a report, and what was heard of the connections, means for a message.
    fn receipt(&self, error: &KafkaError) -> Receipt {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reason = format!("topic {}: {error}", self.topic);
        if let Some((_, why)) = &*heard {
            reason = format!("{reason}; {why}");
        }
        let reason = plain(&reason, 300);
        let codes = [error.rdkafka_error_code(), heard.as_ref().and_then(|(e, _)| e.rdkafka_error_code())];
        let is = |wanted: &[Code]| codes.iter().flatten().any(|code| wanted.contains(code));
        match error.rdkafka_error_code() {
            Some(
                Code::MessageSizeTooLarge
                | Code::InvalidMessageSize
                | Code::PolicyViolation
                | Code::InvalidRecord,
            ) => Receipt::Refused { reason },
            _ if is(&[
                Code::Authentication,
                Code::SaslAuthenticationFailed,
                Code::UnsupportedSASLMechanism,
                Code::TopicAuthorizationFailed,
                Code::ClusterAuthorizationFailed,
                Code::UnknownTopic,
                Code::UnknownTopicOrPartition,
                Code::InvalidTopic,
            ]) =>
            {
                Receipt::Paused { reason }
            }
            _ => Receipt::Later { reason, retry_after: None },
        }
    }
}

impl Sink for Kafka {
    fn audience(&self) -> Audience {
        Audience::Machines
    }

    fn limits(&self) -> Limits {
        Limits { messages: BATCH }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], _now: Instant) -> Sending<'a> {
        Box::pin(async move {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let producer = match self.connected() {
                Ok(producer) => producer,
                Err(e) => return vec![self.receipt(&e); batch.len()],
            };
            // All are handed over before the first is waited for: the client packs and sends them together.
            let under_way: Vec<Vec<_>> = batch
                .iter()
                .map(|m| parts(m).into_iter().map(|part| self.hand_over(&producer, part)).collect())
                .collect();
            let mut receipts = Vec::with_capacity(batch.len());
            for reports in under_way {
                let mut receipt = Receipt::Taken;
                for report in reports {
                    let outcome = match report {
                        Ok(report) => match report.await {
                            Ok(delivered) => delivered.map(|_| ()).map_err(|(e, _)| e),
                            Err(_) => Err(KafkaError::Canceled),
                        },
                        Err(e) => Err(e),
                    };
                    if let (Err(e), Receipt::Taken) = (&outcome, &receipt) {
                        receipt = self.receipt(e);
                    }
                }
                receipts.push(receipt);
            }
            if receipts.iter().any(|r| matches!(r, Receipt::Paused { .. })) {
                self.disconnect(producer);
            }
            receipts
        })
    }
}

fn said_of_settings(e: &KafkaError) -> String {
    match e {
        // What the client says may repeat the value.
        KafkaError::ClientConfig(_, _, property, _) if is_secret(property) => {
            format!("secrets: `{property}`: the client does not take what is there")
        }
        KafkaError::ClientConfig(_, why, property, _) => format!("options: `{property}`: {why}"),
        other => format!("the settings do not make a client: {}", plain(&other.to_string(), 300)),
    }
}
