//! A webhook after [Standard Webhooks](https://www.standardwebhooks.com): one POST for each message, signed, so that the
//! receiver knows who sent it and that nobody changed or replayed it.
//!
//! - `webhook-id` is the id of the message, the same on every retry: what came twice is known by it.
//! - `webhook-timestamp` is the second it was sent, and is signed: an old request sent again by somebody else shows.
//! - `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`, once for each secret. To change
//!   the secret without losing a message, name the new one beside the old, change the receiver, take the old one out.
//!
//! The body is the event as JSON; a group is `{"schema":"counterfoil.group/1","id":…,"group":…,"events":[…]}`.
//!
//! Only a status from 200 to 299 means taken. A redirect is never followed, since it would carry the message to where
//! nobody configured it; like 401, 403, 404 and 410 it pauses the sink until somebody looks. 408, 425, 429 and 5xx are
//! tried again. Any other answer is about this message, which is then refused.
//!
//! Tested against the specification and its test vector.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Url;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use super::batch::one_by_one;
use super::document::{Format, whole};
use super::http::{Connection, Http};
use super::{Audience, Limits, Receipt, Sending, Sink, SinkError, secret};
use crate::model::Instant;
use crate::model::event::Message;
use crate::secret::SecretRef;

/// `[sink.webhook]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address that messages are posted to.
    pub url: String,
    /// The secrets that messages are signed with, each `whsec_` and 24 to 64 bytes in base64; at least one.
    pub secrets: Vec<SecretRef>,
    /// What stands in the header `Authorization`, for a receiver that wants to see one: `Bearer …`, say.
    pub authorization: Option<SecretRef>,
    /// How an event is written: `native` or `ocsf`.
    #[serde(default)]
    pub format: Format,
    /// How the receiver is reached.
    #[serde(default)]
    pub http: Connection,
}

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        let url = self.http.address("url", &self.url)?;
        let mut hidden = Vec::new();
        let mut keys = Vec::new();
        for reference in &self.secrets {
            let text = secret(reference, folder)?;
            let key = signing_key(&text).ok_or_else(|| {
                SinkError(format!("the secret {reference}: expected `whsec_` and 24 to 64 bytes in base64"))
            })?;
            keys.push(key);
            hidden.push(text);
        }
        if keys.is_empty() {
            return Err(SinkError("`secrets`: expected at least one".to_owned()));
        }
        let authorization = self.authorization.as_ref().map(|r| secret(r, folder)).transpose()?;
        hidden.extend(authorization.clone());
        // Who has no header to spare puts a token there.
        hidden.extend(url.query().map(SecretString::from));
        let http = Http(self.http.open(folder, hidden)?);
        Ok(Box::new(Webhook { url, keys, authorization, format: self.format, http }))
    }
}

/// The key in a `whsec_` secret.
fn signing_key(secret: &SecretString) -> Option<Hmac<Sha256>> {
    let key = BASE64.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
    Hmac::new_from_slice(&key).ok().filter(|_| (24..=64).contains(&key.len()))
}

/// The header `webhook-signature`.
fn signatures(keys: &[Hmac<Sha256>], id: &str, timestamp: i64, body: &str) -> String {
    let signed = keys.iter().map(|key| {
        let mut mac = key.clone();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    });
    signed.collect::<Vec<_>>().join(" ")
}

struct Webhook {
    url: Url,
    keys: Vec<Hmac<Sha256>>,
    authorization: Option<SecretString>,
    format: Format,
    http: Http,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a token in its path or query.
        f.debug_struct("Webhook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Webhook {
    async fn post(&self, message: &Message<'_>, now: Instant) -> Receipt {
        let body = whole(message, self.format);
        let timestamp = now.unix_ms().div_euclid(1000);
        let signature = signatures(&self.keys, &message.id, timestamp, &body);
        let mut request = self.http.post(&self.url, "application/json", body);
        request = request.header("webhook-id", &message.id).header("webhook-timestamp", timestamp);
        request = request.header("webhook-signature", signature);
        if let Some(authorization) = &self.authorization {
            request = request.header(reqwest::header::AUTHORIZATION, authorization.expose_secret());
        }
        match self.http.exchange(request, now).await {
            Ok(answer) => answer.receipt(),
            Err(receipt) => receipt,
        }
    }
}

impl Sink for Webhook {
    fn audience(&self) -> Audience {
        Audience::Machines
    }

    fn limits(&self) -> Limits {
        Limits { messages: 20 }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a> {
        Box::pin(one_by_one(batch, move |message| Box::pin(self.post(message, now))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = |text: &str| signing_key(&SecretString::from(text.to_owned()));
        let keys = [key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()];
        let of = |keys: &[_]| {
            signatures(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#)
        };
        assert_eq!(of(&keys), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = [keys[0].clone(), key("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap()];
        assert!(of(&both).starts_with("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,"));
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_?", "whsec_"] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }
}
