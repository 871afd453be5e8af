//! Prometheus Alertmanager, by its API v2: an alert for each finding that is open.
//!
//! | told | alert |
//! |---|---|
//! | an open finding | fires from when it was first seen until `resolve_after` from now |
//! | one that is resolved or accepted | ends when that happened |
//! | a sign of life | `CounterfoilHeartbeat`, which always fires; route it to a dead man's switch |
//! | a checkpoint of the evidence log | `CounterfoilCheckpoint`; route it to whoever keeps it |
//! | a digest | `CounterfoilDigest`, which ends by itself |
//!
//! Alertmanager takes an alert that it hears no more of for resolved. Open findings must therefore be told again well
//! before `resolve_after` is over, which is asked for every third of it; so Counterfoil may be down for two thirds of it
//! before an alert ends that should not.
//!
//! Labels make an alert what it is, and are only `alertname` (the check), `system`, `severity` and `finding`; all
//! else is in annotations. Texts are put on one line, without controls, and cut.
//!
//! On 400 Alertmanager has taken the valid alerts of the request and does not say which the others are: they are sent
//! again in halves until what is bad is alone, which changes nothing about the good ones. 5xx and 429 are tried again.
//! Alertmanager itself asks nobody who they are; `authorization` is for the proxy before it.
//!
//! Tested against Alertmanager 0.25.

use std::fmt;
use std::path::Path;

use reqwest::{Url, header};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::batch::{Carrier, Document, Outcome, Step, deliver, documents};
use super::document::{self, Part};
use super::http::{Connection, Http};
use super::wording::{answers, checkpoint, digest, heartbeat, plain, state, ticket};
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, secret};
use crate::model::event::{Event, Message, State};
use crate::model::{Duration, Instant};
use crate::secret::SecretRef;

/// `[sink.alertmanager]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address of Alertmanager, with its prefix where it has one: `https://alerts.corp.example`.
    pub url: String,
    /// How long an alert fires when it is not told again, as an ISO 8601 duration of at least three minutes.
    #[serde(default = "resolve_after")]
    #[schemars(with = "String")]
    pub resolve_after: Duration,
    /// What stands in the header `Authorization`, for the proxy before Alertmanager: `Bearer …` or `Basic …`.
    pub authorization: Option<SecretRef>,
    /// How the receiver is reached.
    #[serde(default)]
    pub http: Connection,
}

fn resolve_after() -> Duration {
    Duration::hours(4)
}

/// The most that one request holds, in bytes.
const CAP: usize = 1_000_000;
/// The longest label, in characters.
const MAX_LABEL: usize = 200;
/// The longest annotation, in characters.
const MAX_TEXT: usize = 2_000;

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        let mut url = self.http.address("url", &self.url)?;
        let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
        url.set_path(&path);
        if self.resolve_after < Duration::minutes(3) {
            return Err(SinkError("`resolve_after`: expected at least PT3M".to_owned()));
        }
        let authorization = self.authorization.as_ref().map(|r| secret(r, folder)).transpose()?;
        let http = Http(self.http.open(folder, authorization.iter().cloned().collect())?);
        Ok(Box::new(Alertmanager { url, resolve_after: self.resolve_after, authorization, http }))
    }
}

struct Alertmanager {
    url: Url,
    resolve_after: Duration,
    authorization: Option<SecretString>,
    http: Http,
}

impl fmt::Debug for Alertmanager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alertmanager").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// An alert. A label or annotation without a text is no label, and left out.
fn alert(
    labels: &[(&str, String)],
    annotations: &[(&str, String)],
    from: Instant,
    until: Instant,
    about: Option<&Url>,
) -> String {
    let texts = |pairs: &[(&str, String)]| -> Map<String, Value> {
        let pairs = pairs.iter().filter(|(_, text)| !text.is_empty());
        pairs.map(|(name, text)| ((*name).to_owned(), Value::from(text.as_str()))).collect()
    };
    let mut alert = json!({
        "labels": texts(labels),
        "annotations": texts(annotations),
        // A beginning after the end is no alert.
        "startsAt": from.min(until),
        "endsAt": until,
    });
    if let (Some(url), Some(alert)) = (about, alert.as_object_mut()) {
        alert.insert("generatorURL".to_owned(), url.as_str().into());
    }
    document::json(&alert)
}

impl Alertmanager {
    fn of_event(&self, event: &Event<'_>, now: Instant) -> String {
        let finding = &event.finding;
        let system = finding.grant.as_ref().map_or_else(String::new, |g| plain(&g.system, MAX_LABEL));
        let check = plain(&finding.check, MAX_LABEL);
        let (number, about) = ticket(finding).unwrap_or_default();
        let labels = [
            ("alertname", if check.is_empty() { "counterfoil".to_owned() } else { check }),
            ("system", system),
            ("severity", finding.severity.as_str().to_owned()),
            ("finding", finding.id.clone()),
        ];
        let annotations = [
            ("summary", plain(&finding.title, MAX_TEXT)),
            ("description", plain(&finding.message, MAX_TEXT)),
            ("reasons", plain(&finding.reasons.join("; "), MAX_TEXT)),
            ("answers", answers(finding)),
            ("remediation", plain(&finding.remediation, MAX_TEXT)),
            ("ticket", number),
            ("state", state(event)),
            ("event", event.id.clone()),
        ];
        let until = if event.state == State::Open { now.plus(self.resolve_after) } else { event.time };
        alert(&labels, &annotations, event.first_seen, until, about.as_ref())
    }

    fn write(&self, part: Part<'_>, now: Instant) -> String {
        let own = |name: &str, lines: Vec<String>, until: Instant| {
            let labels = [("alertname", name.to_owned()), ("severity", "none".to_owned())];
            let annotations = [("description", plain(&lines.join("; "), MAX_TEXT))];
            alert(&labels, &annotations, part.time(), until, None)
        };
        match part {
            Part::Event(event) => self.of_event(event, now),
            Part::Digest(d) => own("CounterfoilDigest", digest(d), now.plus(self.resolve_after)),
            Part::Checkpoint(c) => own("CounterfoilCheckpoint", checkpoint(c), now.plus(self.resolve_after)),
            Part::Heartbeat(h) => {
                // Twice as long as the next may take: one that is late does not end the alert.
                let next = Duration::seconds(h.next_within_s.min(7 * 86_400));
                own("CounterfoilHeartbeat", heartbeat(h), now.plus(next).plus(next))
            }
        }
    }

    async fn post(&self, pack: &[&Document], now: Instant) -> Outcome {
        let alerts: Vec<&str> = pack.iter().map(|d| d.text.as_str()).collect();
        let mut request = self.http.post(&self.url, "application/json", format!("[{}]", alerts.join(",")));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.expose_secret());
        }
        match self.http.exchange(request, now).await {
            Ok(answer) => match answer.status {
                400 | 413 => Outcome::Halve(Receipt::Refused { reason: answer.said }),
                _ => Outcome::All(answer.receipt()),
            },
            Err(receipt) => Outcome::All(receipt),
        }
    }
}

impl Carrier for Alertmanager {
    fn cap(&self) -> usize {
        CAP
    }

    fn carry<'a>(&'a self, pack: &'a [&'a Document], now: Instant) -> Step<'a, Outcome> {
        Box::pin(self.post(pack, now))
    }
}

impl Sink for Alertmanager {
    fn audience(&self) -> Audience {
        Audience::Machines
    }

    fn limits(&self) -> Limits {
        Limits { messages: 200 }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a> {
        Box::pin(async move {
            let documents = documents(batch, |part| self.write(part, now));
            deliver(self, batch.len(), &documents, now).await
        })
    }

    fn heartbeat_every(&self) -> Option<Duration> {
        Some(Duration::minutes(5))
    }

    fn resends_open(&self) -> Option<Duration> {
        Some(Duration::seconds(self.resolve_after.ms().unsigned_abs() / 3000))
    }
}
