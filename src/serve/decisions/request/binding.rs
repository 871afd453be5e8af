//! What binds a request to the denial it came from: a JSON Web Signature over who, what and where, signed with a key of
//! Counterfoil's. Whoever takes requests believes that, and not whoever brings it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::super::ask::Asked;
use super::settings::AccessRequest;
use crate::evidence::{Signer, Verifier};
use crate::model::Instant;

/// The claims of a token: all that the draft asks for, inline.
#[derive(Debug, Serialize)]
pub(super) struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    /// Seconds since 1970.
    iat: i64,
    exp: i64,
    jti: &'a str,
    denial_expires_at: Instant,
    evaluation_id: &'a str,
    /// No part of the context is looked at for a decision.
    binding_context_members: [&'a str; 0],
    subject: Map<String, Value>,
    action: Map<String, Value>,
    resource: Map<String, Value>,
}

impl<'a> Claims<'a> {
    /// The claims of a question that was denied now, and may be asked about until then.
    pub(super) fn new(
        issuer: &'a str,
        audience: &'a str,
        id: &'a str,
        [now, until]: [Instant; 2],
        asked: &Asked,
    ) -> Option<Self> {
        let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
        let mut subject = read(&asked.subject.text)?;
        // Whoever asks may say in another place who acts for the subject.
        if let Some(properties) = subject.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove("act");
        }
        Some(Self {
            iss: issuer,
            aud: audience,
            iat: now.unix_ms().div_euclid(1000),
            // Never later than what is said beside it.
            exp: until.unix_ms().div_euclid(1000),
            jti: id,
            denial_expires_at: until,
            evaluation_id: id,
            binding_context_members: [],
            subject,
            action: read(&asked.action.text)?,
            resource: read(&asked.resource.text)?,
        })
    }
}

/// The key that signs, and those that are told beside it.
#[derive(Debug)]
pub(in crate::serve::decisions) struct KeySet {
    signer: Signer,
    others: Vec<Verifier>,
}

/// How a token names a key.
fn id(key: &Verifier) -> String {
    format!("{:08x}", key.id())
}

impl KeySet {
    pub(super) fn fetch(settings: &AccessRequest, folder: &Path) -> Result<Self, String> {
        let text = settings.key.fetch(folder).map_err(|e| format!("key: {e}"))?;
        let signer =
            Signer::parse(text.expose_secret()).map_err(|e| format!("key: {}: {e}", settings.key))?;
        let parsed = settings.verifiers.iter().enumerate();
        let others = parsed
            .map(|(n, text)| Verifier::parse(text).map_err(|e| format!("verifiers: number {}: {e}", n + 1)));
        Ok(Self { others: others.collect::<Result<_, _>>()?, signer })
    }

    /// A signed token, in the compact form.
    pub(super) fn token(&self, claims: &Claims<'_>) -> Option<String> {
        let head = json!({ "alg": "EdDSA", "kid": id(self.signer.verifier()), "typ": "JWT" }).to_string();
        let body = serde_json::to_string(claims).ok()?;
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
        let signature = self.signer.sign_other(&token).ok()?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Some(token)
    }
}

/// The public keys, as a JWK Set.
impl Serialize for KeySet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let own = self.signer.verifier();
        let others = self.others.iter().filter(|other| *other != own);
        let told = std::iter::once(own).chain(others).map(|key| {
            let x = URL_SAFE_NO_PAD.encode(key.key());
            json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": id(key), "x": x })
        });
        json!({ "keys": told.collect::<Vec<Value>>() }).serialize(to)
    }
}
