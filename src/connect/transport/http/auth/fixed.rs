//! Headers that stay as they are: a name and a password (RFC 7617), a bearer token (RFC 6750), a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::AuthError;
use crate::connect::manifest::http as manifest;

/// A header with a secret in it.
pub(super) struct Header {
    name: HeaderName,
    value: SecretString,
}

impl Header {
    /// `Authorization: Bearer`.
    pub(super) fn bearer(token: SecretString) -> Self {
        Self { name: AUTHORIZATION, value: SecretString::from(format!("Bearer {}", token.expose_secret())) }
    }

    /// `Authorization: Basic`, of what is already written as `name:password`.
    pub(super) fn basic(pair: &SecretString) -> Self {
        let value = SecretString::from(format!("Basic {}", STANDARD.encode(pair.expose_secret())));
        Self { name: AUTHORIZATION, value }
    }

    /// What stands in the header, to be kept out of messages.
    pub(super) fn value(&self) -> SecretString {
        self.value.clone()
    }

    /// Puts it into a request, in place of what was there.
    pub(super) fn put(&self, request: &mut Request) -> Result<(), AuthError> {
        let value = self.written().map_err(AuthError::Refused)?;
        request.headers_mut().insert(self.name.clone(), value);
        Ok(())
    }

    fn written(&self) -> Result<HeaderValue, String> {
        // The error of `http` says nothing of the text, and neither does this one.
        let value = HeaderValue::from_str(self.value.expose_secret());
        let mut value =
            value.map_err(|_| "a character in it can stand in no header: a line break?".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The header as such, once it is known that it can be written.
    fn checked(self, setting: &str, secret: SecretString) -> Result<(Self, Vec<SecretString>), String> {
        self.written().map_err(|e| format!("`{setting}`: {e}"))?;
        let value = self.value();
        Ok((self, vec![secret, value]))
    }
}

/// A name and a password.
pub(super) fn basic(user: &str, password: SecretString) -> Result<(Header, Vec<SecretString>), String> {
    if user.contains(':') || user.contains(char::is_control) {
        return Err("`user`: a name with a colon or a control character in it cannot be sent".to_owned());
    }
    if password.expose_secret().contains(char::is_control) {
        return Err("`password`: a password with a control character in it cannot be sent".to_owned());
    }
    let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
    Header::basic(&pair).checked("password", password)
}

/// A token.
pub(super) fn bearer(token: SecretString) -> Result<(Header, Vec<SecretString>), String> {
    Header::bearer(token.clone()).checked("token", token)
}

/// A key in the header that the connector names.
pub(super) fn key(
    manifest: &manifest::Auth,
    key: SecretString,
) -> Result<(Header, Vec<SecretString>), String> {
    let name = match &manifest.header {
        Some(name) => HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("the connector names the header `{name}`, which is the name of none"))?,
        None => AUTHORIZATION,
    };
    let value = SecretString::from(format!("{}{}", manifest.prefix, key.expose_secret()));
    Header { name, value }.checked("key", key)
}
