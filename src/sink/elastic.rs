//! Elasticsearch and OpenSearch, by `_bulk`: each event as a document of the Elastic Common Schema, with everything that
//! was told under `counterfoil`.
//!
//! A document is made by `create` with the event's id as `_id`, so that one that is sent twice is kept once: the answer
//! 409 says that it is there, and counts as taken. In a data stream this holds as long as the stream does not roll over
//! between the two.
//!
//! The answer to a bulk request is read item by item, whatever its own status: 201 and 409 are taken, 429 and 5xx are
//! tried again, and any other status is about that document, which is refused. 401, 403 and 404 for the whole request
//! pause the sink. A request holds at most 5 MB and is halved on 413.
//!
//! Below `labels` stands only what never changes its type. Names from tickets and directories can be anything, so that
//! an index template should map `counterfoil` as `flattened`, or not index it at all (`"enabled": false`).
//!
//! Tested against the specification.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Url, header};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::{Carrier, Document, Outcome, Step, deliver, documents};
use super::document::{self, Part};
use super::http::{Answer, Connection, Http};
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, secret};
use crate::model::Instant;
use crate::model::event::{Activity, Event, Message, State};
use crate::model::finding::Severity;
use crate::secret::SecretRef;

/// `[sink.elastic]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address of the cluster: `https://elastic.corp.example:9200`.
    pub url: String,
    /// The index or data stream.
    #[serde(default = "index")]
    pub index: String,
    /// An API key, in the encoded form that Elasticsearch shows once. Either this or `user` and `password`.
    pub api_key: Option<SecretRef>,
    /// A user, for basic authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<SecretRef>,
    /// How the receiver is reached.
    #[serde(default)]
    pub http: Connection,
}

fn index() -> String {
    "logs-counterfoil-default".to_owned()
}

/// The most that one request holds, in bytes.
const CAP: usize = 5_000_000;

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        let mut url = self.http.address("url", &self.url)?;
        // What Elasticsearch allows in the name of an index; a slash would name another address.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if self.index.is_empty() || !self.index.chars().all(fits) || self.index.starts_with(['-', '_', '.']) {
            return Err(SinkError(format!(
                "`index`: found `{}`, expected lower-case letters, digits, `-`, `_` and `.`, starting with a letter or digit",
                self.index
            )));
        }
        let path = format!("{}/{}/_bulk", url.path().trim_end_matches('/'), self.index);
        url.set_path(&path);
        let mut hidden = Vec::new();
        let authorization = match (&self.api_key, &self.user, &self.password) {
            (Some(key), None, None) => {
                let key = secret(key, folder)?;
                hidden.push(key.clone());
                format!("ApiKey {}", key.expose_secret())
            }
            (None, Some(user), Some(password)) => {
                let password = secret(password, folder)?;
                let pair = BASE64.encode(format!("{user}:{}", password.expose_secret()));
                hidden.extend([password, SecretString::from(pair.clone())]);
                format!("Basic {pair}")
            }
            _ => return Err(SinkError("expected `api_key`, or `user` and `password`".to_owned())),
        };
        let http = Http(self.http.open(folder, hidden)?);
        Ok(Box::new(Elastic { url, authorization: SecretString::from(authorization), http }))
    }
}

struct Elastic {
    url: Url,
    authorization: SecretString,
    http: Http,
}

impl fmt::Debug for Elastic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elastic").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// The two lines of a document.
fn write(part: Part<'_>) -> String {
    let action = json!({ "create": { "_id": part.id() } });
    let source = match part {
        Part::Event(event) => of_event(event),
        Part::Digest(d) => of_other(
            part,
            "digest",
            "state",
            format!("{} grants, {} justified", d.grants, d.justified),
            json!(d),
        ),
        Part::Checkpoint(c) => {
            of_other(part, "checkpoint", "state", format!("evidence log: {} entries", c.size), json!(c))
        }
        Part::Heartbeat(h) => {
            of_other(part, "heartbeat", "metric", format!("counterfoil {} is alive", h.version), json!(h))
        }
    };
    format!("{}\n{}\n", document::json(&action), document::json(&source))
}

/// The version of the schema whose fields are used.
const ECS: &str = "8.11.0";

fn of_event(event: &Event<'_>) -> Value {
    let finding = &event.finding;
    // The schema knows these words for what belongs to `iam`; an end is not among them.
    let kind = if event.activity == Activity::Create { "creation" } else { "change" };
    let mut source = json!({
        "@timestamp": event.time,
        "ecs": { "version": ECS },
        "message": finding.message,
        "event": {
            "kind": if event.state == State::Open { "alert" } else { "event" },
            "category": ["iam"],
            "type": [kind],
            "module": "counterfoil",
            "dataset": "counterfoil.event",
            "provider": "counterfoil",
            "id": event.id,
            "action": event.cause,
            "severity": severity(finding.severity),
            "sequence": event.seq,
            "start": event.first_seen,
            "reason": finding.reasons.join("; "),
        },
        "rule": { "id": finding.check, "name": finding.check, "description": finding.title },
        "labels": {
            "activity": event.activity.as_str(),
            "state": event.state.as_str(),
            "severity": finding.severity.as_str(),
            "finding": finding.id,
            "episode": event.episode.to_string(),
            "initial": event.initial.to_string(),
        },
        "counterfoil": event,
    });
    let mut put = |key: &str, value: Value| {
        if let Some(object) = source.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    };
    if let Some(grant) = &finding.grant {
        let id = finding.subject.as_ref().map(|s| s.id.as_ref());
        put("user", json!({ "name": grant.account, "id": id, "roles": [grant.entitlement] }));
        put("service", json!({ "name": grant.system }));
    } else if let Some(subject) = finding.subject.as_ref().map(|s| &s.id).or(finding.beneficiary.as_ref()) {
        put("user", json!({ "name": subject, "id": subject }));
    }
    if let Some(url) = finding.request.as_ref().and_then(|r| r.url.as_deref()) {
        put("url", json!({ "original": url }));
    }
    source
}

fn of_other(part: Part<'_>, action: &str, kind: &str, message: String, told: Value) -> Value {
    json!({
        "@timestamp": part.time(),
        "ecs": { "version": ECS },
        "message": message,
        "event": {
            "kind": kind,
            "module": "counterfoil",
            "dataset": format!("counterfoil.{action}"),
            "provider": "counterfoil",
            "id": part.id(),
            "action": action,
        },
        "counterfoil": told,
    })
}

/// The numbers of Elastic's own alerts, from 0 to 100.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

/// What `_bulk` answers.
#[derive(Deserialize)]
struct Bulk {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    error: Option<Value>,
}

impl Elastic {
    async fn post(&self, pack: &[&Document], now: Instant) -> Outcome {
        let body: String = pack.iter().map(|d| d.text.as_str()).collect();
        let request = self.http.post(&self.url, "application/x-ndjson", body);
        let request = request.header(header::AUTHORIZATION, self.authorization.expose_secret());
        match self.http.exchange(request, now).await {
            Ok(answer) => self.understood(&answer),
            Err(receipt) => Outcome::All(receipt),
        }
    }

    fn understood(&self, answer: &Answer) -> Outcome {
        match answer.status {
            200..=299 => match answer.json::<Bulk>() {
                Some(bulk) => {
                    Outcome::Each(bulk.items.iter().map(|i| self.of_item(&i.create, answer)).collect())
                }
                None => Outcome::All(answer.later()),
            },
            400 | 413 => Outcome::Halve(Receipt::Refused { reason: answer.said.clone() }),
            _ => Outcome::All(answer.receipt()),
        }
    }

    fn of_item(&self, item: &Created, answer: &Answer) -> Receipt {
        let error = item.error.as_ref().map(Value::to_string).unwrap_or_default();
        let reason = self.http.safe(&format!("status {}: {error}", item.status));
        match item.status {
            // 409: an event of this id is there already.
            200..=299 | 409 => Receipt::Taken,
            429 | 500.. => Receipt::Later { reason, retry_after: answer.retry_after },
            // The index is missing, closed or not for us: so it is for every other document.
            401 | 403 | 404 => Receipt::Paused { reason },
            _ => Receipt::Refused { reason },
        }
    }
}

impl Carrier for Elastic {
    fn cap(&self) -> usize {
        CAP
    }

    fn carry<'a>(&'a self, pack: &'a [&'a Document], now: Instant) -> Step<'a, Outcome> {
        Box::pin(self.post(pack, now))
    }
}

impl Sink for Elastic {
    fn audience(&self) -> Audience {
        Audience::Machines
    }

    fn limits(&self) -> Limits {
        Limits { messages: 500 }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a> {
        Box::pin(async move {
            let documents = documents(batch, write);
            deliver(self, batch.len(), &documents, now).await
        })
    }
}
