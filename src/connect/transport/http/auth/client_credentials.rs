//! Client credentials with a secret: RFC 6749, section 4.4.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::ask::Asker;
use super::fixed::Header;
use super::keep::Issued;
use super::oauth::{Question, address, encoded};
use super::{AuthError, Setup};
use crate::connect::manifest::http::ClientSecretIn;

/// What to do where the answer is no.
const CHECK: &str = "check `client_id`, `client_secret` and `scope`";

/// A client with a secret.
pub(super) struct Client {
    url: Url,
    id: String,
    secret: SecretString,
    scope: Option<String>,
    /// The secret in a header; else it goes into the form.
    header: Option<Header>,
}

impl Client {
    pub(super) fn new(
        setup: &Setup<'_>,
        id: &str,
        secret: SecretString,
        scope: Option<&str>,
        token_url: Option<&str>,
    ) -> Result<Self, String> {
        if id.is_empty() {
            return Err("`client_id` is empty".to_owned());
        }
        // Each is written as in a form first (RFC 6749, section 2.3.1), so that a colon in one of them does no harm.
        let pair = || format!("{}:{}", encoded(id), encoded(secret.expose_secret()));
        let header = match setup.manifest.client_secret_in {
            ClientSecretIn::Form => None,
            ClientSecretIn::Header => Some(Header::basic(&SecretString::from(pair()))),
        };
        let scope = scope.or(setup.manifest.scope.as_deref()).map(str::to_owned);
        Ok(Self { url: address(setup, token_url)?, id: id.to_owned(), secret, scope, header })
    }

    /// The secret, as it is and as it is sent.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let sent = SecretString::from(encoded(self.secret.expose_secret()));
        [self.secret.clone(), sent].into_iter().chain(self.header.as_ref().map(Header::value)).collect()
    }

    pub(super) async fn fetch(&self, asker: &Asker<'_>) -> Result<Issued<SecretString>, AuthError> {
        let mut form = vec![("grant_type", "client_credentials")];
        if self.header.is_none() {
            form.push(("client_id", &self.id));
            form.push(("client_secret", self.secret.expose_secret()));
        }
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let header = self.header.as_ref();
        Question { url: &self.url, form: &form, header, more: None, check: CHECK }.ask(asker).await
    }
}
