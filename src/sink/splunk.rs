//! Splunk, by its HTTP Event Collector: many events in one gzipped POST to `/services/collector/event`.
//!
//! Each event is `{"time":…,"source":…,"sourcetype":…,"event":…}`, the time in seconds since 1970 and what was told, as
//! it stands, under `event`. An event that is sent twice has the same `id`, by which `dedup id` counts it once.
//!
//! A request holds at most 1,000,000 bytes before compression, the limit of a collector nobody changed; an event that is
//! larger alone is refused here. 429, 5xx and code 9 (busy) are tried again. 401 and 403, as well as code 7 (wrong
//! index), are about the settings, which are the same for every event: the sink pauses and nothing is given up. For code
//! 5, 6, 12 or 13 (malformed) the collector says which event it is about: that one is refused and the others are sent
//! again without it. A collector may by then have indexed some of the others, which then stand there twice, with the
//! same ids. Where it does not say which, the batch is halved until it is found.
//!
//! Acknowledgement by the indexers is not asked for: *taken* means that the collector has it.
//!
//! Tested against the specification.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Url, header};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::batch::{Carrier, Document, Outcome, Step, deliver, documents};
use super::document::{Format, Part, json};
use super::http::{Answer, Connection, Http};
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, secret};
use crate::model::Instant;
use crate::model::event::Message;
use crate::secret::SecretRef;

/// `[sink.splunk]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address of the collector, without a path: `https://splunk.corp.example:8088`.
    pub url: String,
    /// The collector's token.
    pub token: SecretRef,
    /// The index; the token's own when absent.
    pub index: Option<String>,
    /// What stands in `source`.
    #[serde(default = "source")]
    pub source: String,
    /// What stands in `sourcetype`; `counterfoil:event`, or `counterfoil:ocsf` for that format, when absent.
    pub sourcetype: Option<String>,
    /// What stands in `host`; what the collector puts there when absent.
    pub host: Option<String>,
    /// How an event is written: `native` or `ocsf`.
    #[serde(default)]
    pub format: Format,
    /// How the receiver is reached.
    #[serde(default)]
    pub http: Connection,
}

fn source() -> String {
    "counterfoil".to_owned()
}

/// The most that one request holds before compression, in bytes.
const CAP: usize = 1_000_000;

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        let mut url = self.http.address("url", &self.url)?;
        let path = format!("{}/services/collector/event", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let token = secret(&self.token, folder)?;
        let http = Http(self.http.open(folder, vec![token.clone()])?);
        let sourcetype = self.sourcetype.clone().unwrap_or_else(|| {
            match self.format {
                Format::Native => "counterfoil:event",
                Format::Ocsf => "counterfoil:ocsf",
            }
            .to_owned()
        });
        Ok(Box::new(Splunk { url, token, sourcetype, settings: self.clone(), http }))
    }
}

struct Splunk {
    url: Url,
    token: SecretString,
    sourcetype: String,
    settings: Settings,
    http: Http,
}

impl fmt::Debug for Splunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splunk").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// What stands around an event.
#[derive(Serialize)]
struct Envelope<'a> {
    /// Seconds, with milliseconds behind the point.
    time: f64,
    source: &'a str,
    sourcetype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    event: Box<serde_json::value::RawValue>,
}

/// What the collector answers.
#[derive(Deserialize)]
struct Said {
    code: u32,
    #[serde(rename = "invalid-event-number")]
    invalid_event_number: Option<usize>,
}

impl Splunk {
    fn write(&self, part: Part<'_>) -> String {
        let Ok(event) = serde_json::value::RawValue::from_string(part.json(self.settings.format)) else {
            return String::new();
        };
        #[expect(clippy::cast_precision_loss, reason = "no instant of the calendar needs more than 49 bits")]
        let time = part.time().unix_ms() as f64 / 1000.0;
        json(&Envelope {
            time,
            source: &self.settings.source,
            sourcetype: &self.sourcetype,
            host: self.settings.host.as_deref(),
            index: self.settings.index.as_deref(),
            event,
        })
    }

    async fn post(&self, pack: &[&Document], now: Instant) -> Outcome {
        let text: Vec<&str> = pack.iter().map(|d| d.text.as_str()).collect();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let body = gzip.write_all(text.join("\n").as_bytes()).and_then(|()| gzip.finish());
        let body = match body {
            Ok(body) => body,
            Err(e) => return Outcome::All(Receipt::Later { reason: e.to_string(), retry_after: None }),
        };
        let mut token = header::HeaderValue::from_str(&format!("Splunk {}", self.token.expose_secret()));
        token.iter_mut().for_each(|token| token.set_sensitive(true));
        let Ok(token) = token else {
            return Outcome::All(Receipt::Paused { reason: "the token does not fit a header".to_owned() });
        };
        let request = self.http.post(&self.url, "application/json", body);
        let request = request.header(header::CONTENT_ENCODING, "gzip").header(header::AUTHORIZATION, token);
        match self.http.exchange(request, now).await {
            Ok(answer) => understood(&answer),
            Err(receipt) => Outcome::All(receipt),
        }
    }
}

/// What an answer means for the events that were sent.
fn understood(answer: &Answer) -> Outcome {
    let said: Option<Said> = answer.json();
    let reason = answer.said.clone();
    let refused = || Receipt::Refused { reason: reason.clone() };
    let number = said.as_ref().and_then(|said| said.invalid_event_number);
    match (answer.status, said.map(|said| said.code)) {
        (200, Some(0)) => Outcome::All(Receipt::Taken),
        // Something else answers at this address, or half of the answer is missing.
        (200..=299, _) => Outcome::All(answer.later()),
        (_, Some(9)) => Outcome::All(answer.later()),
        (400, Some(7)) => Outcome::All(Receipt::Paused { reason }),
        (400, Some(5 | 6 | 12 | 13)) => match number {
            Some(number) => Outcome::Without(number, refused()),
            None => Outcome::Halve(refused()),
        },
        // Codes 10, 11, 14 and 16 speak of how the collector is set up, not of an event.
        (400, Some(10 | 11 | 14 | 16)) => Outcome::All(Receipt::Paused { reason }),
        (400 | 413, _) => Outcome::Halve(refused()),
        _ => Outcome::All(answer.receipt()),
    }
}

impl Carrier for Splunk {
    fn cap(&self) -> usize {
        CAP
    }

    fn carry<'a>(&'a self, pack: &'a [&'a Document], now: Instant) -> Step<'a, Outcome> {
        Box::pin(self.post(pack, now))
    }
}

impl Sink for Splunk {
    fn audience(&self) -> Audience {
        Audience::Machines
    }

    fn limits(&self) -> Limits {
        Limits { messages: 500 }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a> {
        Box::pin(async move {
            let documents = documents(batch, |part| self.write(part));
            deliver(self, batch.len(), &documents, now).await
        })
    }
}
