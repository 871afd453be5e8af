//! Slack, by an incoming webhook: one message for each, in words.
//!
//! The address of the webhook is all that is needed to post, so that it is a secret and read from where secrets are.
//! Names and texts from tickets are shown without controls and directional overrides, cut to a few hundred characters, and
//! with `&`, `<` and `>` escaped, so that none of them can mention a channel or hide where a link leads.
//!
//! 200 is taken; 429 is tried again when Slack says, 5xx sometime. `invalid_payload` and other answers with 400 are about
//! the message, which is refused; `no_service`, `channel_not_found`, `action_prohibited`, `channel_is_archived`,
//! `invalid_token` and their like are about the webhook: the sink pauses until somebody makes a new one. Slack takes about one message
//! a second, and keeps no id: a message whose receipt was lost is shown twice.
//!
//! Tested against the specification.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use reqwest::Url;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::batch::one_by_one;
use super::document;
use super::http::{Answer, Connection, Http};
use super::wording::{answers, checkpoint, counts, digest, group_title, heartbeat, plain, state, ticket};
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, secret};
use crate::model::Instant;
use crate::model::event::{Event, Group, Message, Notice};
use crate::model::finding::Finding;
use crate::secret::SecretRef;

/// `[sink.slack]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the address of the incoming webhook is; it is a secret.
    pub url: SecretRef,
    /// How the receiver is reached.
    #[serde(default)]
    pub http: Connection,
}

/// How many findings of a group are listed.
const MAX_LISTED: usize = 10;
/// How much of a text from outside is shown, in characters.
const MAX_TEXT: usize = 300;

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        let text = secret(&self.url, folder)?;
        let url = self.http.address("url", text.expose_secret())?;
        // What lets anybody post is in the path.
        let path = SecretString::from(url.path().trim_matches('/').to_owned());
        let hidden = [text, path].into_iter().filter(|s| !s.expose_secret().is_empty()).collect();
        let http = Http(self.http.open(folder, hidden)?);
        Ok(Box::new(Slack { url, http }))
    }
}

struct Slack {
    url: Url,
    http: Http,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slack")
    }
}

/// A text from outside, as Slack shows it and nothing more.
fn text(text: &str) -> String {
    escaped(&plain(text, MAX_TEXT))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn alone(event: &Event<'_>) -> String {
    let finding = &event.finding;
    let mut out = format!(
        "*{}* · {} · {}\n{}\n",
        text(&finding.title),
        finding.severity.as_str(),
        state(event),
        text(&finding.message)
    );
    what_to_do(finding, &mut out);
    // By this the finding is found again.
    let _ = write!(out, "`{}`", finding.id);
    out
}

fn grouped(events: &[Event<'_>], group: &Group) -> String {
    let mut out = format!("*{}*\n", escaped(&group_title(events, group)));
    for event in events.iter().take(MAX_LISTED) {
        let f = &event.finding;
        let _ =
            writeln!(out, "• {} · {} · {} `{}`", f.severity.as_str(), state(event), text(&f.message), f.id);
    }
    if events.len() > MAX_LISTED {
        let _ = writeln!(out, "… and {} more", events.len() - MAX_LISTED);
    }
    if let Some(event) = events.first() {
        what_to_do(&event.finding, &mut out);
    }
    out
}

/// The ticket, who answers, what would clear it.
fn what_to_do(finding: &Finding<'_>, out: &mut String) {
    if let Some((id, url)) = ticket(finding) {
        let _ = match url {
            // An address holds none of the signs that would end a link.
            Some(url) => writeln!(
                out,
                "Ticket: <{}|{}>",
                escaped(&url.as_str().replace('|', "%7C")),
                escaped(&id.replace('|', "/"))
            ),
            None => writeln!(out, "Ticket: {}", escaped(&id)),
        };
    }
    let _ = writeln!(out, "Who answers: {}", escaped(&answers(finding)));
    let _ = writeln!(out, "What to do: {}", text(&finding.remediation));
}

fn lines(title: &str, lines: &[String]) -> String {
    format!("*{title}*\n{}", escaped(&lines.join("\n")))
}

impl Slack {
    async fn post(&self, message: &Message<'_>, now: Instant) -> Receipt {
        let text = match &message.notice {
            Notice::Events { events, group: Some(group) } if events.len() > 1 => grouped(events, group),
            Notice::Events { events, .. } => events.iter().map(alone).collect::<Vec<_>>().join("\n\n"),
            Notice::Digest(d) => {
                lines(&format!("Counterfoil's first look: {}", counts(&d.by_severity)), &digest(d))
            }
            Notice::Heartbeat(h) => lines("Counterfoil is alive", &heartbeat(h)),
            Notice::Checkpoint(c) => lines("Checkpoint of the evidence log", &checkpoint(c)),
        };
        let body = json!({ "text": text, "unfurl_links": false, "unfurl_media": false });
        let request = self.http.post(&self.url, "application/json", document::json(&body));
        match self.http.exchange(request, now).await {
            Ok(answer) => understood(&answer),
            Err(receipt) => receipt,
        }
    }
}

/// The words by which Slack says that it is the webhook, not the message.
const GONE: [&str; 11] = [
    "no_service",
    "no_service_id",
    "no_team",
    "no_active_hooks",
    "team_disabled",
    "invalid_token",
    "channel_not_found",
    "channel_is_archived",
    "user_not_found",
    "action_prohibited",
    "posting_to_general_channel_denied",
];

fn understood(answer: &Answer) -> Receipt {
    match answer.receipt() {
        Receipt::Refused { reason } if GONE.contains(&answer.text()) => Receipt::Paused { reason },
        receipt => receipt,
    }
}

impl Sink for Slack {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn limits(&self) -> Limits {
        // About one a second is taken.
        Limits { messages: 5 }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a> {
        Box::pin(one_by_one(batch, move |message| Box::pin(self.post(message, now))))
    }
}
