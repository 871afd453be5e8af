//! placeholder until the branch is merged
use super::site;
use crate::connect::manifest::http as manifest;
use crate::model::Instant;
use crate::net::{Connection, Web};
use secrecy::{ExposeSecret, SecretString};
use std::path::Path;
use std::time::Duration as Wait;
pub(super) struct Authorizer {
    value: Option<SecretString>,
    header: String,
}
pub(super) struct Signing<'a> {
    pub service: &'a str,
    pub region: &'a str,
}
pub(super) enum AuthError {
    #[allow(dead_code)]
    Refused(String),
    #[allow(dead_code)]
    Later { reason: String, retry_after: Option<Wait> },
}
impl Authorizer {
    pub fn new(
        m: &manifest::Auth,
        s: &site::Auth,
        _first: &reqwest::Url,
        _settings: &serde_json::Map<String, serde_json::Value>,
        folder: &Path,
        _c: &Connection,
    ) -> Result<Self, String> {
        use base64::Engine;
        let f = |r: &crate::secret::SecretRef| r.fetch(folder).map_err(|e| e.to_string());
        let header = m.header.clone().unwrap_or_else(|| "authorization".to_owned());
        let value = match s {
            site::Auth::Basic { user, password } => Some(format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD
                    .encode(format!("{user}:{}", f(password)?.expose_secret()))
            )),
            site::Auth::Bearer { token } => Some(format!("Bearer {}", f(token)?.expose_secret())),
            site::Auth::Key { key } => Some(format!("{}{}", m.prefix, f(key)?.expose_secret())),
            _ => None,
        };
        Ok(Self { value: value.map(SecretString::from), header })
    }
    pub fn secrets(&self) -> Vec<SecretString> {
        self.value.clone().into_iter().collect()
    }
    pub async fn sign(
        &self,
        r: &mut reqwest::Request,
        s: &Signing<'_>,
        _w: &Web,
        _now: Instant,
    ) -> Result<(), AuthError> {
        let _ = (s.service, s.region);
        if let Some(v) = &self.value {
            if let (Ok(n), Ok(v)) =
                (self.header.parse::<reqwest::header::HeaderName>(), v.expose_secret().parse())
            {
                r.headers_mut().insert(n, v);
            }
        }
        Ok(())
    }
    pub async fn renew(&self) -> bool {
        false
    }
}
