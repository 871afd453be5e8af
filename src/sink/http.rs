//! The one way in which sinks speak HTTP: over TLS by rustls, to addresses that were looked at, never along a redirect,
//! with an end to every wait and to every answer, and with no secret in what is said of it.

use std::error::Error as _;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration as Wait;

use reqwest::{Certificate, Client, Method, Proxy, RequestBuilder, Url, header, redirect};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::guard::{self, Guard};
use super::{Receipt, SinkError};
use crate::model::{Duration, Instant};
use crate::report::text::shown;

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// How much of an answer a reason repeats, in characters.
const MAX_SAID: usize = 200;
/// The longest that a receiver can ask to be left alone.
const MAX_REST: Duration = Duration::days(1);
/// The longest that opening a connection may take.
const CONNECT: Wait = Wait::from_secs(10);

/// `[sink.KIND.http]`: how the receiver is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Connection {
    /// Whether the receiver may be on this machine or in a private network. Link-local addresses and the metadata
    /// services of clouds are out of reach whatever this says.
    pub allow_private: bool,
    /// Whether the address may be `http://`, so that anyone on the way can read and change what is sent. Where
    /// `allow_private` is set it may be anyway.
    pub allow_http: bool,
    /// A PEM file with the certificates of your own authority; then no other is trusted.
    pub ca_file: Option<PathBuf>,
    /// The address of a proxy, `http://proxy.corp.example:3128` say, without a name or password in it. None is used
    /// otherwise, whatever the environment says. Which address a name leads to is then for the proxy to look at.
    pub proxy: Option<String>,
    /// How long one request may take from the connection to the end of the answer, as an ISO 8601 duration.
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            allow_private: false,
            allow_http: false,
            ca_file: None,
            proxy: None,
            timeout: Duration::minutes(1),
        }
    }
}

impl Connection {
    /// Reads the address of a receiver. `setting` is what the address is called in the configuration.
    ///
    /// # Errors
    /// When it is no address, holds a password, or leads where it may not. The text, which may be a secret, is not told.
    pub(super) fn address(&self, setting: &str, text: &str) -> Result<Url, SinkError> {
        let fail = |why: String| SinkError(format!("`{setting}`: {why}"));
        let url = Url::parse(text).map_err(|e| fail(format!("expected an https:// address: {e}")))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http || self.allow_private => {}
            "http" => {
                let why = "http:// can be read and changed by anyone on the way; use https://, or set `allow_http = true`";
                return Err(fail(why.to_owned()));
            }
            _ => return Err(fail("expected an https:// address".to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fail("a name or password does not belong in an address".to_owned()));
        }
        if url.fragment().is_some() {
            return Err(fail("what follows `#` would never be sent".to_owned()));
        }
        let host = url.host_str().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            guard::check(address, self.allow_private).map_err(fail)?;
        }
        Ok(url)
    }

    /// Makes a client. `folder` is what a relative `ca_file` starts from; `secrets` are kept out of every reason.
    ///
    /// # Errors
    /// When the certificates cannot be read, or the proxy is no address.
    pub(super) fn open(&self, folder: &Path, secrets: Vec<SecretString>) -> Result<Http, SinkError> {
        let timeout = Wait::from_millis(self.timeout.ms().unsigned_abs());
        if timeout.is_zero() {
            return Err(SinkError("`timeout`: expected more than no time".to_owned()));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_gzip()
            .timeout(timeout)
            .connect_timeout(CONNECT.min(timeout))
            .no_proxy();
        let mut guard = Guard { allow_private: self.allow_private };
        if let Some(proxy) = &self.proxy {
            let fail = |why: String| SinkError(format!("`proxy`: {why}"));
            // A proxy stands inside as a rule, and was named by whoever may write the configuration.
            let inside = Self { allow_private: true, ..Self::default() };
            let address = inside.address("proxy", proxy)?;
            builder = builder.proxy(Proxy::all(address).map_err(|e| fail(why(&e)))?);
            // What is resolved here is then only the proxy's own name.
            guard.allow_private = true;
        }
        if let Some(file) = &self.ca_file {
            builder = builder.tls_certs_only(certificates(&folder.join(file))?);
        }
        let client = builder.dns_resolver(guard).build();
        let client = client.map_err(|e| SinkError(format!("cannot set up HTTP: {}", why(&e))))?;
        Ok(Http { client, secrets: secrets.iter().flat_map(forms).collect() })
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, SinkError> {
    let fail = |why: String| SinkError(format!("`ca_file`: {}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|e| fail(e.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| fail(why(&e)))?;
    if certificates.is_empty() {
        return Err(fail("it holds no certificate in PEM form".to_owned()));
    }
    Ok(certificates)
}

/// The shortest part of a secret that is taken for the secret itself.
const PART: usize = 16;

/// A secret as it may come back from a receiver that repeats what it was sent: as it is, as in a form, as in JSON (and in
/// JSON that stands in JSON), and what of it lets anybody in: the token after `Bearer`, the end of an address.
fn forms(secret: &SecretString) -> Vec<SecretString> {
    let whole = secret.expose_secret();
    let parts = whole.split(' ').chain(whole.split('/')).filter(|part| part.len() >= PART);
    let mut forms = vec![];
    for part in parts.chain([whole]) {
        let once = escaped(part);
        forms.extend([part.to_owned(), escaped(&once), once]);
        if let Ok(mut url) = Url::parse("https://form.invalid/") {
            url.query_pairs_mut().append_key_only(part);
            forms.extend(url.query().map(str::to_owned));
        }
    }
    // The longest first: what is left of one must not show the end of another.
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms.into_iter().map(SecretString::from).collect()
}

/// A text as it stands in JSON.
fn escaped(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// What failed, from the outside in, without the address.
fn why(error: &reqwest::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !said.iter().any(|outer| outer.contains(&text)) {
            said.push(text);
        }
        source = inner.source();
    }
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    if said.is_empty() { "the request failed".to_owned() } else { said.join(": ") }
}

/// A client for one sink.
pub(super) struct Http {
    client: Client,
    secrets: Vec<SecretString>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// What a receiver answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// How long it asked to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What it answered, fit for a reason: who, which status, the first words; no secrets.
    pub(super) said: String,
    body: Vec<u8>,
}

impl Http {
    /// A POST of a body of this type.
    pub(super) fn post(
        &self,
        url: &Url,
        content_type: &'static str,
        body: impl Into<reqwest::Body>,
    ) -> RequestBuilder {
        self.client.request(Method::POST, url.clone()).header(header::CONTENT_TYPE, content_type).body(body)
    }

    /// Sends a request. `now` is what a date in `Retry-After` is counted from.
    ///
    /// # Errors
    /// When there was no answer: then it is worth trying again, and the receipt says so.
    pub(super) async fn exchange(&self, request: RequestBuilder, now: Instant) -> Result<Answer, Receipt> {
        self.exchange_hiding(request, now, None).await
    }

    /// Sends a request that holds one secret more than those that were known from the start.
    ///
    /// # Errors
    /// As [`Http::exchange`].
    pub(super) async fn exchange_hiding(
        &self,
        request: RequestBuilder,
        now: Instant,
        more: Option<&SecretString>,
    ) -> Result<Answer, Receipt> {
        let later = |reason: String| Receipt::Later { reason: self.safe(&reason), retry_after: None };
        let request = request.build().map_err(|e| later(why(&e)))?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let mut response =
            self.client.execute(request).await.map_err(|e| later(format!("{host}: {}", why(&e))))?;
        let mut body: Vec<u8> = Vec::new();
        // The status is what counts. An answer that breaks off or never ends is read as far as it goes: whoever needs
        // the rest of it will not understand it, and take nothing for taken.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_ANSWER - body.len();
            body.extend(chunk.iter().take(room));
            if chunk.len() >= room {
                break;
            }
        }
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
        let retry_after = retry_after.and_then(|text| rest(text, now));
        let status = response.status().as_u16();
        let words = self.hiding(&String::from_utf8_lossy(&body), more);
        let said = format!("{host} answered {status}{}{words}", if words.is_empty() { "" } else { ": " });
        Ok(Answer { status, retry_after, said, body })
    }

    /// A text from outside, fit for a reason: without secrets, on one line, cut.
    pub(super) fn safe(&self, text: &str) -> String {
        self.hiding(text, None)
    }

    fn hiding(&self, text: &str, more: Option<&SecretString>) -> String {
        let mut text = text.trim().to_owned();
        // Before anything is cut: half of a secret would not be known as one.
        let more: Vec<SecretString> = more.map(forms).unwrap_or_default();
        for secret in self.secrets.iter().chain(&more) {
            text = text.replace(secret.expose_secret(), "***");
        }
        let text = shown(&text);
        match text.char_indices().nth(MAX_SAID) {
            Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
            None => text.into_owned(),
        }
    }
}

impl Answer {
    /// The body as JSON of this shape; `None` when it is anything else.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default().trim()
    }

    /// What an answer means where the receiver's documentation says nothing more particular.
    pub(super) fn receipt(&self) -> Receipt {
        let reason = self.said.clone();
        match self.status {
            200..=299 => Receipt::Taken,
            300..=399 => Receipt::Paused {
                reason: format!(
                    "{reason} (a redirect, which is never followed: set the address it leads to)"
                ),
            },
            // Who we are, or where we knock, is wrong for every message alike.
            401 | 402 | 403 | 404 | 405 | 407 | 410 => Receipt::Paused { reason },
            400..=499 if !matches!(self.status, 408 | 421 | 423 | 425 | 429) => Receipt::Refused { reason },
            _ => self.later(),
        }
    }

    /// That it is worth trying again.
    pub(super) fn later(&self) -> Receipt {
        Receipt::Later { reason: self.said.clone(), retry_after: self.retry_after }
    }
}

/// How long `Retry-After` asks for: seconds, or a date. A date that has passed asks for nothing.
fn rest(text: &str, now: Instant) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let longest = MAX_REST.ms().unsigned_abs() / 1000;
        let seconds = text.parse().unwrap_or(longest).min(longest);
        return Some(Duration::seconds(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let date = Instant::from_unix_ms(i64::try_from(date.as_millis()).ok()?);
    Some(date.since(now).unwrap_or_default().min(MAX_REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_asked_for_in_seconds_or_until_a_date_and_for_a_day_at_most() {
        let now: Instant = "2026-06-01T12:00:00Z".parse().unwrap();
        let asked = |text: &str| rest(text, now).map(|d| d.to_string());
        assert_eq!(asked("120").as_deref(), Some("PT2M"));
        assert_eq!(asked(" 0 ").as_deref(), Some("P0D"));
        assert_eq!(asked("99999999999999999999999999").as_deref(), Some("P1D"));
        assert_eq!(asked("Mon, 01 Jun 2026 12:00:30 GMT").as_deref(), Some("PT30S"));
        assert_eq!(asked("Mon, 01 Jun 2026 11:00:00 GMT").as_deref(), Some("P0D"), "it has passed");
        assert_eq!(asked("Fri, 01 Jun 2029 11:00:00 GMT").as_deref(), Some("P1D"));
        for nonsense in ["", "-5", "soon", "1.5"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_address_says_what_is_wrong_with_it_and_never_what_it_is() {
        let strict = Connection::default();
        for (address, part) in [
            ("http://siem.example.com/canary", "allow_http"),
            ("ftp://siem.example.com/canary", "https://"),
            ("canary", "https://"),
            ("https://alice:canary@siem.example.com/", "password"),
            ("https://siem.example.com/#canary", "`#`"),
            ("https://127.0.0.1/canary", "private address"),
            ("https://0x7f.1/canary", "private address"),
            ("https://[::1]/canary", "private address"),
            ("https://169.254.169.254/canary", "metadata"),
        ] {
            let error = strict.address("url", address).unwrap_err().to_string();
            assert!(error.starts_with("`url`: ") && error.contains(part), "{address}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
        let loose = Connection { allow_private: true, ..Connection::default() };
        assert!(loose.address("url", "http://127.0.0.1:8088/").is_ok());
        assert!(loose.address("url", "http://[fe80::1]/").is_err());
    }

    #[test]
    fn a_reason_is_one_short_line_without_secrets() {
        let secrets = vec![SecretString::from("canary".to_owned())];
        let http = Connection::default().open(Path::new(""), secrets).unwrap();
        assert_eq!(http.safe("no\n\u{202e}canary "), "no\\n\\u{202e}***");
        let long = http.safe(&format!("{}canary", "é".repeat(MAX_SAID - 3)));
        assert_eq!(long.chars().count(), MAX_SAID, "{long}");
        assert!(http.safe(&"é".repeat(MAX_SAID + 1)).ends_with('…'));
    }
}
