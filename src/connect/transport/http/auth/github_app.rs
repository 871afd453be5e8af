//! An installation of a GitHub App: the app proves itself by an assertion, and gets a token of the installation.

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::AuthError;
use super::ask::Asker;
use super::fixed::Header;
use super::jwt::{Key, seconds};
use super::keep::Issued;
use super::oauth::{said, secret, usable};
use crate::model::{Duration, Instant};

/// How far back an assertion begins, because clocks differ.
const BACK: Duration = Duration::seconds(60);
/// How long it lasts from now: with what lies back, the ten minutes that GitHub allows.
const LASTS: Duration = Duration::minutes(9);

/// An installation.
pub(super) struct App {
    url: Url,
    id: String,
    key: Key,
}

/// The answer that everybody wants.
#[derive(Deserialize)]
struct Token {
    #[serde(deserialize_with = "secret")]
    token: SecretString,
    #[serde(default)]
    expires_at: Option<String>,
}

impl App {
    pub(super) fn new(first: &Url, id: &str, installation: &str, key: &SecretString) -> Result<Self, String> {
        if id.is_empty() {
            return Err("`app_id` is empty".to_owned());
        }
        if installation.is_empty() || !installation.bytes().all(|b| b.is_ascii_digit()) {
            return Err("`installation_id`: expected digits".to_owned());
        }
        let mut url = first.clone();
        let path =
            format!("{}/app/installations/{installation}/access_tokens", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_query(None);
        Ok(Self { url, id: id.to_owned(), key: Key::read("key", key)?.rsa("key")? })
    }

    pub(super) async fn fetch(&self, asker: &Asker<'_>) -> Result<Issued<SecretString>, AuthError> {
        let assertion = self.key.sign(&json!({
            "iss": self.id,
            "iat": seconds(asker.now.minus(BACK)),
            "exp": seconds(asker.now.plus(LASTS)),
        }))?;
        let mut request = Asker::post(&self.url, None, "application/vnd.github+json");
        Header::bearer(assertion.clone()).put(&mut request)?;
        let answer = asker.ask(request).await?;
        let check = match answer.status {
            401 => "check that `key` belongs to `app_id`, and the clock of this machine",
            404 => "check `installation_id`, and that the app of `app_id` is still installed there",
            _ => "check that the app is not suspended",
        };
        if !answer.good() {
            return Err(asker.failure(&answer, &said(&answer), Some(&assertion), check));
        }
        let address = "check the address of the source";
        let token = serde_json::from_str::<Token>(answer.text());
        let token = token.map_err(|_| answer.no_token("not with a token in JSON (`token`)", address))?;
        if !usable(&token.token) {
            return Err(answer.no_token("with a token that can stand in no header", address));
        }
        let end = token.expires_at.and_then(|text| Instant::parse(&text).ok());
        let life = end.map(|end| end.since(asker.now).unwrap_or_default());
        Ok(Issued::new(token.token, asker.now, life))
    }
}
