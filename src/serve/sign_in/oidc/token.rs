//! Whether an ID token is to be believed: a pure question about a text, some keys and an instant.

use std::fmt;

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::Instant;

/// How long a token is, in bytes.
const MAX_TOKEN: usize = 64 * 1024;
/// How far clocks may differ, in seconds.
const LEEWAY: f64 = 60.0;

/// What a token must say.
pub(super) struct Expected<'e> {
    /// Who it is of.
    pub(super) issuer: &'e str,
    /// Whom it is for.
    pub(super) client: &'e str,
    /// What was sent with the question.
    pub(super) nonce: &'e str,
    /// Now.
    pub(super) now: Instant,
}

/// Why a token is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is signed by a key that is not known.
    Key,
    /// Anything else.
    Other(&'static str),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "it is signed with a key that the provider does not name",
            Self::Other(why) => why,
        })
    }
}

/// Of whom a token is, whom it is for, and until when.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    azp: Option<String>,
    nonce: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// The claims of a token, once all is right with it.
pub(super) fn verify(
    token: &str,
    keys: &[Jwk],
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, Wrong> {
    let wrong = |why| Err(Wrong::Other(why));
    if token.len() > MAX_TOKEN {
        return wrong("it is too long");
    }
    let Ok(header) = decode_header(token) else {
        return wrong("it is no signed token of a known kind");
    };
    // What the token says of how it is signed is believed only as far as these three, none of which takes a public key for
    // a secret.
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
        return wrong("it is signed by another way than RS256, ES256 or EdDSA");
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return wrong("it asks for what is not understood");
    }
    let mut fitting = keys.iter().filter(|key| fits(key, header.alg));
    let key = match &header.kid {
        Some(kid) => fitting.find(|key| key.common.key_id.as_ref() == Some(kid)),
        None => match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) => return wrong("it does not say which of several keys signed it"),
            (one, _) => one,
        },
    };
    let key = key.ok_or(Wrong::Key)?;
    let Ok(key) = DecodingKey::from_jwk(key) else { return wrong("the provider's key cannot be read") };
    // There is one for the whole program, and it may be there already.
    let _ = DEFAULT_PROVIDER.install_default();
    let mut signature_only = Validation::new(header.alg);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    let Ok(read) = decode::<Claims>(token, &key, &signature_only) else {
        return wrong("its signature is wrong, or a claim that every ID token has is missing");
    };
    let claims = read.claims;
    let now = expected.now.unix_ms() as f64 / 1000.0;
    if claims.iss != expected.issuer {
        return wrong("it is of another provider");
    }
    let (ours, others) = match &claims.aud {
        Audience::One(one) => (one == expected.client, false),
        Audience::Some(all) => (all.iter().any(|a| a == expected.client), all.len() > 1),
    };
    if !ours {
        return wrong("it is for somebody else");
    }
    match claims.azp.as_deref() {
        Some(azp) if azp != expected.client => return wrong("it was asked for by somebody else"),
        None if others => return wrong("it is for several, and does not say who asked for it"),
        _ => {}
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return wrong("it belongs to another sign-in");
    }
    if claims.exp + LEEWAY <= now {
        return wrong("it has expired");
    }
    if claims.iat - LEEWAY > now || claims.nbf.is_some_and(|nbf| nbf - LEEWAY > now) {
        return wrong("it is of the future; the clock here or there is wrong");
    }
    let mut all = claims.rest;
    all.insert("sub".to_owned(), claims.sub.into());
    Ok(all)
}

/// Whether a key may sign this way.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256)
        | (AlgorithmParameters::OctetKeyPair(_), Algorithm::EdDSA) => true,
        (AlgorithmParameters::EllipticCurve(p), Algorithm::ES256) => p.curve == EllipticCurve::P256,
        _ => false,
    };
    let says = key.common.key_algorithm.is_none_or(|says| says.to_string() == format!("{algorithm:?}"));
    let signs = key.common.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature);
    kind && says && signs
}

#[cfg(test)]
mod tests;
