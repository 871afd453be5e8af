//! Client credentials with an assertion that a key signs: RFC 7523, section 2.2.

use std::path::Path;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::ask::Asker;
use super::jwt::{self, Key};
use super::keep::Issued;
use super::oauth::{Question, address};
use super::{AuthError, Setup};

/// What kind of an assertion it is.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What to do where the answer is no.
const CHECK: &str = "check `client_id` and `scope`, that the key or certificate is registered for this client, and the \
                     clock of this machine";

/// A client with a key.
pub(super) struct Client {
    url: Url,
    id: String,
    key: Key,
    scope: Option<String>,
}

/// What a site says of it, beside the key.
pub(super) struct About<'a> {
    pub(super) client_id: &'a str,
    pub(super) key_id: Option<&'a str>,
    pub(super) certificate_file: Option<&'a Path>,
    pub(super) scope: Option<&'a str>,
    pub(super) token_url: Option<&'a str>,
}

impl Client {
    pub(super) fn new(setup: &Setup<'_>, key: &SecretString, about: &About<'_>) -> Result<Self, String> {
        if about.client_id.is_empty() {
            return Err("`client_id` is empty".to_owned());
        }
        let mut read = Key::read("key", key)?;
        read.header.kid = about.key_id.map(str::to_owned);
        if let Some(file) = about.certificate_file {
            read.certify(key, &setup.folder.join(file))?;
        }
        let scope = about.scope.or(setup.manifest.scope.as_deref()).map(str::to_owned);
        let url = address(setup, about.token_url)?;
        Ok(Self { url, id: about.client_id.to_owned(), key: read, scope })
    }

    pub(super) async fn fetch(&self, asker: &Asker<'_>) -> Result<Issued<SecretString>, AuthError> {
        let (from, to) = jwt::span(asker.now);
        let assertion = self.key.sign(&json!({
            "iss": self.id,
            "sub": self.id,
            "aud": self.url.as_str(),
            "jti": jwt::unique()?,
            "iat": from,
            "nbf": from,
            "exp": to,
        }))?;
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.id),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion.expose_secret()),
        ];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let more = Some(&assertion);
        Question { url: &self.url, form: &form, header: None, more, check: CHECK }.ask(asker).await
    }
}
