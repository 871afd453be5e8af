//! HTTP to others: over TLS by rustls, to addresses that were looked at, never along a redirect, with an end to every wait,
//! and with no secret in what is said of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration as Wait;

use reqwest::{Certificate, Client, Proxy, Url, redirect};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::NetError;
use super::guard::{self, Guard};
use crate::model::Duration;
use crate::report::text::shown;

/// How much of an answer a reason repeats, in characters.
const MAX_SAID: usize = 200;
/// The longest that opening a connection may take.
const CONNECT: Wait = Wait::from_secs(10);

/// How the other side is reached: `[sink.KIND.http]` and `[source.http]`.
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
    pub fn address(&self, setting: &str, text: &str) -> Result<Url, NetError> {
        let fail = |why: String| NetError(format!("`{setting}`: {why}"));
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
    pub fn open(&self, folder: &Path, secrets: Vec<SecretString>) -> Result<Web, NetError> {
        self.client(folder, &secrets, false)
    }

    /// The same for one that takes compressed answers. Whoever reads them counts what they unpack to.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_gzip(&self, folder: &Path, secrets: Vec<SecretString>) -> Result<Web, NetError> {
        self.client(folder, &secrets, true)
    }

    fn client(&self, folder: &Path, secrets: &[SecretString], gzip: bool) -> Result<Web, NetError> {
        let timeout = Wait::from_millis(self.timeout.ms().unsigned_abs());
        if timeout.is_zero() {
            return Err(NetError("`timeout`: expected more than no time".to_owned()));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .gzip(gzip)
            .timeout(timeout)
            .connect_timeout(CONNECT.min(timeout))
            .no_proxy();
        let mut guard = Guard { allow_private: self.allow_private };
        if let Some(proxy) = &self.proxy {
            let fail = |why: String| NetError(format!("`proxy`: {why}"));
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
        let client = client.map_err(|e| NetError(format!("cannot set up HTTP: {}", why(&e))))?;
        Ok(Web { client, hidden: Hidden::new(secrets) })
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, NetError> {
    let fail = |why: String| NetError(format!("`ca_file`: {}: {why}", file.display()));
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

/// What is behind an error, from the outside in, after what was said already; what an outer text holds is not said again.
pub fn causes(mut said: Vec<String>, error: &dyn std::error::Error) -> Vec<String> {
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !said.iter().any(|outer| outer.contains(&text)) {
            said.push(text);
        }
        source = inner.source();
    }
    said
}

/// What failed, from the outside in, without the address.
pub fn why(error: &reqwest::Error) -> String {
    let said = causes(Vec::new(), error);
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    if said.is_empty() { "the request failed".to_owned() } else { said.join(": ") }
}

/// A client, and the secrets it speaks with.
#[derive(Clone)]
pub struct Web {
    /// The client.
    pub client: Client,
    /// What is kept out of every reason.
    pub hidden: Hidden,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Web")
    }
}

/// Secrets that are kept out of what is said.
#[derive(Clone, Default)]
pub struct Hidden(Vec<SecretString>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
}

impl Hidden {
    /// Of these secrets, in every form in which they may come back.
    #[must_use]
    pub fn new(secrets: &[SecretString]) -> Self {
        Self(secrets.iter().flat_map(forms).collect())
    }

    /// A text from outside, fit for a reason: without secrets, on one line, cut. `more` are secrets that were not known from
    /// the start.
    #[must_use]
    pub fn safe(&self, text: &str, more: Option<&SecretString>) -> String {
        let mut text = text.trim().to_owned();
        // Before anything is cut: half of a secret would not be known as one.
        let more: Vec<SecretString> = more.map(forms).unwrap_or_default();
        for secret in self.0.iter().chain(&more) {
            text = text.replace(secret.expose_secret(), "***");
        }
        let text = shown(&text);
        match text.char_indices().nth(MAX_SAID) {
            Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
            None => text.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let hidden = Connection::default().open(Path::new(""), secrets).unwrap().hidden;
        assert_eq!(hidden.safe("no\n\u{202e}canary ", None), "no\\n\\u{202e}***");
        let long = hidden.safe(&format!("{}canary", "é".repeat(MAX_SAID - 3)), None);
        assert_eq!(long.chars().count(), MAX_SAID, "{long}");
        assert!(hidden.safe(&"é".repeat(MAX_SAID + 1), None).ends_with('…'));
    }
}
