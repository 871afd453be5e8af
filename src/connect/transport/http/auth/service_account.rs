//! A service account of Google Cloud: a signed assertion in exchange for a token (RFC 7523, section 2.1).

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::ask::Asker;
use super::jwt::{self, Key};
use super::keep::Issued;
use super::oauth::Question;
use super::{AuthError, Setup};

/// The grant.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// What to do where the answer is no.
const CHECK: &str =
    "check that the service account and its key still exist, `scope`, and the clock of this machine";

/// The key file, as Google hands it out; what else stands in it is not needed.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    private_key_id: String,
    token_uri: String,
}

/// A service account.
pub(super) struct Account {
    url: Url,
    email: String,
    key: Key,
    scope: String,
}

impl Account {
    /// The account, and its private key.
    pub(super) fn new(
        setup: &Setup<'_>,
        file: &SecretString,
        scope: Option<&str>,
        token_url: Option<&str>,
    ) -> Result<(Self, SecretString), String> {
        // The error of the reader may show a part of what it read; where it stopped is enough.
        let file: File = serde_json::from_str(file.expose_secret()).map_err(|e| {
            format!(
                "`key`: expected the key file of a service account in JSON, with `type`, `client_email`, `private_key`, \
                 `private_key_id` and `token_uri`; it is something else at line {}, column {}",
                e.line(),
                e.column()
            )
        })?;
        let pem = SecretString::from(file.private_key);
        if file.kind != "service_account" {
            return Err(
                "`key`: expected the key file of a service account; `type` in it is another".to_owned()
            );
        }
        let mut key = Key::read("private_key in `key`", &pem)?.rsa("private_key in `key`")?;
        key.header.kid = Some(file.private_key_id);
        let address = match token_url {
            Some(own) => setup.connection.address("token_url", own),
            // The file came from elsewhere: what a site allows its own addresses does not go for it.
            None if !file.token_uri.starts_with("https://") => {
                return Err("`key`: `token_uri` in it is no https:// address".to_owned());
            }
            None => setup.connection.address("token_uri in `key`", &file.token_uri),
        };
        let url = address.map_err(|e| e.to_string())?;
        let scope = scope.or(setup.manifest.scope.as_deref());
        let scope =
            scope.ok_or("`scope` is missing: the connector does not know what to ask for")?.to_owned();
        Ok((Self { url, email: file.client_email, key, scope }, pem))
    }

    pub(super) async fn fetch(&self, asker: &Asker<'_>) -> Result<Issued<SecretString>, AuthError> {
        let (from, to) = jwt::span(asker.now);
        let assertion = self.key.sign(&json!({
            "iss": self.email,
            "scope": self.scope,
            "aud": self.url.as_str(),
            "iat": from,
            "exp": to,
        }))?;
        let form = [("grant_type", GRANT), ("assertion", assertion.expose_secret())];
        let more = Some(&assertion);
        Question { url: &self.url, form: &form, header: None, more, check: CHECK }.ask(asker).await
    }
}
