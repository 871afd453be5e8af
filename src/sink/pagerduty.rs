//! PagerDuty, by its Events API v2: an alert for each finding that somebody has to look at.
//!
//! | told | sent |
//! |---|---|
//! | an open finding | `trigger` under the key `FINDING:EPISODE`: what is sent again changes the alert, and pages nobody twice |
//! | one that is resolved or accepted | `resolve` under the same key |
//! | a group | `trigger` under the key of the group while any of it is open, then `resolve` |
//! | a digest, a sign of life | a change event, which pages nobody |
//!
//! `summary` is cut at 1024 characters. Severities are critical, error (high), warning (medium) and info (low).
//! 202 is taken, 429 and 5xx are tried again, 400 is refused; except one about the routing key, which is the same for
//! every message and pauses the sink.
//!
//! A sign of life is no alarm bell by itself: a change event that stays away wakes nobody.
//!
//! Tested against the specification.

use std::fmt;
use std::path::Path;

use reqwest::Url;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::one_by_one;
use super::document;
use super::http::{Connection, Http};
use super::wording::{answers, checkpoint, counts, digest, group_title, heartbeat, plain, state, ticket};
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, secret};
use crate::model::Instant;
use crate::model::event::{Event, Group, Message, Notice, State};
use crate::model::finding::{Finding, Severity};
use crate::secret::SecretRef;

/// `[sink.pagerduty]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The integration key of a service or an event orchestration.
    pub routing_key: SecretRef,
    /// The address of the API; `https://events.eu.pagerduty.com` for accounts in Europe.
    #[serde(default = "url")]
    pub url: String,
    /// How the receiver is reached.
    #[serde(default)]
    pub http: Connection,
}

fn url() -> String {
    "https://events.pagerduty.com".to_owned()
}

/// The longest summary, in characters.
const MAX_SUMMARY: usize = 1024;
/// How many findings of a group are listed.
const MAX_LISTED: usize = 20;

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        let mut alerts = self.http.address("url", &self.url)?;
        let mut changes = alerts.clone();
        alerts.set_path("/v2/enqueue");
        changes.set_path("/v2/change/enqueue");
        let key = secret(&self.routing_key, folder)?;
        let http = Http(self.http.open(folder, vec![key.clone()])?);
        Ok(Box::new(PagerDuty { alerts, changes, key, http }))
    }
}

struct PagerDuty {
    alerts: Url,
    changes: Url,
    key: SecretString,
    http: Http,
}

impl fmt::Debug for PagerDuty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagerDuty").field("host", &self.alerts.host_str()).finish_non_exhaustive()
    }
}

/// What PagerDuty says of an event that it does not take.
#[derive(Deserialize)]
struct Invalid {
    #[serde(default)]
    errors: Vec<String>,
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "info",
    }
}

/// A text of at most so many characters, the sign that it was cut among them.
fn summary(text: &str) -> String {
    plain(text, MAX_SUMMARY - 1)
}

/// Where it happened: the system, or else the source.
fn source(finding: &Finding<'_>) -> String {
    let system = finding.grant.as_ref().map(|g| g.system.as_ref()).or(finding.source.as_deref());
    let text = plain(system.unwrap_or_default(), 200);
    if text.is_empty() { "counterfoil".to_owned() } else { text }
}

fn alone(event: &Event<'_>) -> Value {
    let finding = &event.finding;
    let dedup_key = format!("{}:{}", finding.id, event.episode);
    if event.state != State::Open {
        return json!({ "event_action": "resolve", "dedup_key": dedup_key });
    }
    json!({
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {
            "summary": summary(&format!("{}: {}", finding.title, finding.message)),
            "source": source(finding),
            "severity": word(finding.severity),
            "timestamp": event.time,
            "class": plain(&finding.check, 200),
            "custom_details": {
                "finding": finding.id,
                "event": event.id,
                "state": state(event),
                "message": plain(&finding.message, 5_000),
                "reasons": finding.reasons.iter().take(20).map(|r| plain(r, 500)).collect::<Vec<_>>(),
                "answers": answers(finding),
                "what to do": plain(&finding.remediation, 1_000),
                "first seen": event.first_seen,
                "ticket": ticket(finding).map(|(id, _)| id),
            },
        },
        "links": links(finding),
    })
}

fn links(finding: &Finding<'_>) -> Vec<Value> {
    let ticket = ticket(finding).and_then(|(id, url)| Some((id, url?)));
    ticket.into_iter().map(|(id, url)| json!({ "href": url.as_str(), "text": id })).collect()
}

fn grouped(message: &Message<'_>, events: &[Event<'_>], group: &Group) -> Value {
    let first = events.first().map(|e| &e.finding);
    if group.open == 0 {
        return json!({ "event_action": "resolve", "dedup_key": group.key });
    }
    let listed: Vec<String> = events
        .iter()
        .take(MAX_LISTED)
        .map(|e| format!("{}: {}", state(e), plain(&e.finding.message, 300)))
        .collect();
    json!({
        "event_action": "trigger",
        "dedup_key": group.key,
        "payload": {
            "summary": summary(&group_title(events, group)),
            "source": first.map_or_else(|| "counterfoil".to_owned(), source),
            "severity": word(message.severity().unwrap_or(Severity::Low)),
            "timestamp": message.time,
            "class": first.map(|f| plain(&f.check, 200)),
            "custom_details": {
                "message": message.id,
                "open": group.open,
                "told now": events.len(),
                "findings": listed,
                "answers": first.map(answers),
                "what to do": first.map(|f| plain(&f.remediation, 1_000)),
                "ticket": first.and_then(ticket).map(|(id, _)| id),
            },
        },
        "links": first.map(links).unwrap_or_default(),
    })
}

/// What tells people something and asks nothing of them.
fn change(id: &str, time: Instant, title: String, lines: &[String]) -> Value {
    json!({
        "payload": {
            "summary": summary(&title),
            "source": "counterfoil",
            "timestamp": time,
            "custom_details": { "id": id, "text": lines.join("\n") },
        },
    })
}

impl PagerDuty {
    async fn post(&self, message: &Message<'_>, now: Instant) -> Receipt {
        let (url, mut body) = match &message.notice {
            Notice::Events { events, group: Some(group) } => (&self.alerts, grouped(message, events, group)),
            Notice::Events { events, group: None } => match events.as_slice() {
                [event] => (&self.alerts, alone(event)),
                // Nobody makes such a message; were it made, each event would need a request of its own.
                _ => return Receipt::Refused { reason: "several events that are no group".to_owned() },
            },
            Notice::Digest(d) => {
                let title = format!("Counterfoil's first look: {}", counts(&d.by_severity));
                (&self.changes, change(&d.id, d.time, title, &digest(d)))
            }
            Notice::Heartbeat(h) => {
                (&self.changes, change(&h.id, h.time, "Counterfoil is alive".to_owned(), &heartbeat(h)))
            }
            Notice::Checkpoint(c) => {
                let title = "Checkpoint of the evidence log".to_owned();
                (&self.changes, change(&c.id, c.time, title, &checkpoint(c)))
            }
        };
        if let Some(object) = body.as_object_mut() {
            object.insert("routing_key".to_owned(), self.key.expose_secret().into());
        }
        let request = self.http.post(url, "application/json", document::json(&body));
        let answer = match self.http.exchange(request, now).await {
            Ok(answer) => answer,
            Err(receipt) => return receipt,
        };
        match answer.receipt() {
            Receipt::Refused { reason } if answer.status == 400 => {
                let errors = answer.json::<Invalid>().map(|said| said.errors).unwrap_or_default();
                let about_key = |e: &String| {
                    let e = e.to_ascii_lowercase();
                    e.contains("routing_key") || e.contains("routing key")
                };
                if errors.iter().any(about_key) {
                    Receipt::Paused { reason }
                } else {
                    Receipt::Refused { reason }
                }
            }
            receipt => receipt,
        }
    }
}

impl Sink for PagerDuty {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn limits(&self) -> Limits {
        Limits { messages: 20 }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a> {
        Box::pin(one_by_one(batch, move |message| Box::pin(self.post(message, now))))
    }
}
