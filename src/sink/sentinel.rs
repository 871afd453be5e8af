//! Microsoft Sentinel, by the Logs Ingestion API of Azure Monitor: rows for a stream of a data collection rule.
//!
//! A row is the event as it is told elsewhere, with `TimeGenerated` before it. The stream declares the columns
//! `TimeGenerated` (datetime), `schema`, `id`, `activity`, `cause`, `state`, `first_seen`, `time` (string), `episode`,
//! `seq`, `run` (int), `initial` (boolean) and `finding` (dynamic); a column that it does not declare is dropped without a
//! word. `id` may not be the name of a column in a table, so that the rule has to rename it:
//! `transformKql: "source | project-rename EventId = id"`. Digests, signs of life and checkpoints have the columns of their own kind,
//! told apart by `schema`. Azure cuts a value after 64 KB, and puts its own time where `TimeGenerated` is more than two days
//! old; `time` stays.
//!
//! Who asks is an application in Entra, by client id and secret, which the rule grants *Monitoring Metrics Publisher*.
//! Its token is kept until five minutes before it ends; when it is not accepted, a new one is asked for once.
//!
//! A request holds at most 900 KB of rows and is halved on 413; 204 is taken, 429 and 5xx are tried again, 401, 403 and
//! 404 pause the sink. Azure does not say which row of a request is bad, so that on 400 they are halved until it is found.
//! The table keeps what is sent twice twice: `summarize arg_max(TimeGenerated, *) by EventId` counts it once.
//!
//! Tested against the specification.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use reqwest::{Url, header};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::batch::{Carrier, Document, Outcome, Step, deliver, documents};
use super::document::{Format, Part};
use super::http::{Answer, Connection, Http};
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, secret};
use crate::model::event::Message;
use crate::model::{Duration, Instant};
use crate::secret::SecretRef;

/// `[sink.sentinel]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The logs ingestion address of the data collection endpoint, or of the rule:
    /// `https://NAME.REGION-1.ingest.monitor.azure.com`.
    pub endpoint: String,
    /// The immutable id of the data collection rule: `dcr-` and 32 hexadecimal digits.
    pub rule: String,
    /// The stream, as the rule declares it: `Custom-NAME`.
    pub stream: String,
    /// The id of the tenant.
    pub tenant: String,
    /// The id of the application.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretRef,
    /// Where tokens are issued; another address in the clouds of governments.
    #[serde(default = "authority")]
    pub authority: String,
    /// What the token is for; another in the clouds of governments.
    #[serde(default = "scope")]
    pub scope: String,
    /// How the receiver is reached.
    #[serde(default)]
    pub http: Connection,
}

fn authority() -> String {
    "https://login.microsoftonline.com".to_owned()
}

fn scope() -> String {
    "https://monitor.azure.com/.default".to_owned()
}

/// The most that one request holds, in bytes; Azure's limit is 1 MB.
const CAP: usize = 900_000;
/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::minutes(5);

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        for (name, value) in [
            ("rule", &self.rule),
            ("stream", &self.stream),
            ("tenant", &self.tenant),
            ("client_id", &self.client_id),
        ] {
            if value.is_empty() || !value.chars().all(plain) {
                return Err(SinkError(format!("`{name}`: expected letters, digits, `-`, `_` and `.`")));
            }
        }
        if !self.stream.starts_with("Custom-") {
            return Err(SinkError("`stream`: expected `Custom-` and a name".to_owned()));
        }
        let mut rows = self.http.address("endpoint", &self.endpoint)?;
        rows.set_path(&format!("/dataCollectionRules/{}/streams/{}", self.rule, self.stream));
        rows.set_query(Some("api-version=2023-01-01"));
        let mut tokens = self.http.address("authority", &self.authority)?;
        tokens.set_path(&format!("/{}/oauth2/v2.0/token", self.tenant));
        let secret = secret(&self.client_secret, folder)?;
        let http = Http(self.http.open(folder, vec![secret.clone()])?);
        let form = Form { client_id: self.client_id.clone(), scope: self.scope.clone(), secret };
        Ok(Box::new(Sentinel { rows, tokens, form, token: Mutex::new(None), http }))
    }
}

struct Form {
    client_id: String,
    scope: String,
    secret: SecretString,
}

/// What lets the sink in, and until when it is used.
#[derive(Clone)]
struct Token {
    text: SecretString,
    until: Instant,
}

struct Sentinel {
    rows: Url,
    tokens: Url,
    form: Form,
    token: Mutex<Option<Token>>,
    http: Http,
}

impl fmt::Debug for Sentinel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinel").field("host", &self.rows.host_str()).finish_non_exhaustive()
    }
}

/// What Entra answers.
#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: u64,
}

/// A row: the document with `TimeGenerated` as its first field.
fn write(part: Part<'_>) -> String {
    match part.json(Format::Native).strip_prefix('{') {
        Some(fields) => format!("{{\"TimeGenerated\":\"{}\",{fields}", part.time()),
        None => String::new(),
    }
}

impl Sentinel {
    /// The token that is kept, or a new one.
    async fn token(&self, now: Instant) -> Result<SecretString, Receipt> {
        let kept = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = kept.filter(|token| now < token.until) {
            return Ok(token.text);
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.form.client_id),
            ("client_secret", self.form.secret.expose_secret()),
            ("scope", &self.form.scope),
        ];
        // A query is written the way a form is.
        let mut query = self.tokens.clone();
        query.set_query(None);
        query.query_pairs_mut().extend_pairs(form);
        let body = query.query().unwrap_or_default().to_owned();
        let request = self.http.post(&self.tokens, "application/x-www-form-urlencoded", body);
        let answer = self.http.exchange(request, now).await?;
        match (answer.status, answer.json::<Issued>()) {
            (200, Some(issued)) => {
                let until = now.plus(Duration::seconds(issued.expires_in.min(86_400))).minus(MARGIN);
                let token = Token { text: SecretString::from(issued.access_token), until };
                let text = token.text.clone();
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
                Ok(text)
            }
            // Half of the answer is missing. It may hold a token, and is not repeated.
            (200, None) => Err(Receipt::Later {
                reason: "the authority's answer is no token".to_owned(),
                retry_after: None,
            }),
            // Entra answers 400 to an application, secret or scope that it does not know: none of our messages is to blame.
            _ => Err(match answer.receipt() {
                Receipt::Refused { reason } => Receipt::Paused { reason },
                Receipt::Taken => answer.later(),
                other => other,
            }),
        }
    }

    fn forget(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn rows(&self, body: &str, now: Instant) -> Result<Answer, Receipt> {
        let mut again = true;
        loop {
            let token = self.token(now).await?;
            let bearer = format!("Bearer {}", token.expose_secret());
            let request = self.http.post(&self.rows, "application/json", body.to_owned());
            let request = request.header(header::AUTHORIZATION, bearer);
            let answer = self.http.exchange_hiding(request, now, Some(&token)).await?;
            if answer.status == 401 {
                self.forget();
                // It may have been withdrawn before its time.
                if std::mem::take(&mut again) {
                    continue;
                }
            }
            return Ok(answer);
        }
    }

    async fn post(&self, pack: &[&Document], now: Instant) -> Outcome {
        let rows: Vec<&str> = pack.iter().map(|d| d.text.as_str()).collect();
        match self.rows(&format!("[{}]", rows.join(",")), now).await {
            Ok(answer) => match answer.status {
                400 | 413 => Outcome::Halve(Receipt::Refused { reason: answer.said }),
                _ => Outcome::All(answer.receipt()),
            },
            Err(receipt) => Outcome::All(receipt),
        }
    }
}

impl Carrier for Sentinel {
    fn cap(&self) -> usize {
        CAP
    }

    fn carry<'a>(&'a self, pack: &'a [&'a Document], now: Instant) -> Step<'a, Outcome> {
        Box::pin(self.post(pack, now))
    }
}

impl Sink for Sentinel {
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
