//! Assertions that a private key signs (RFC 7519): the key in each of the forms in which keys come, and its signature.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::AuthError;
use crate::model::{Duration, Instant};

/// How far back an assertion begins, because clocks differ.
const BACK: Duration = Duration::seconds(30);
/// How long it lasts from there: five minutes, which is as long as anybody allows.
const LASTS: Duration = Duration::minutes(5);

/// Seconds since 1970.
pub(super) fn seconds(instant: Instant) -> i64 {
    instant.unix_ms().div_euclid(1000)
}

/// From when to when an assertion made now is good, in seconds since 1970.
pub(super) fn span(now: Instant) -> (i64, i64) {
    let from = now.minus(BACK);
    (seconds(from), seconds(from.plus(LASTS)))
}

/// A name that nothing else has.
pub(super) fn unique() -> Result<String, AuthError> {
    let mut bytes = [0; 16];
    let random = aws_lc_rs::default_provider().secure_random;
    let none = |_| AuthError::Refused("the system has no random numbers".to_owned());
    random.fill(&mut bytes).map_err(none)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A private key, and the header of what it signs.
pub(super) struct Key {
    key: EncodingKey,
    /// The header.
    pub(super) header: Header,
}

impl Key {
    /// Reads a key: RSA or P-256, in PEM. `setting` is where it stands.
    ///
    /// # Errors
    /// When it is something else, or cannot sign. Nothing of it is told.
    pub(super) fn read(setting: &str, pem: &SecretString) -> Result<Self, String> {
        // There is one for the whole program, and it may be there already.
        let _ = DEFAULT_PROVIDER.install_default();
        let der = private(setting, pem)?;
        let candidates = match &der {
            PrivateKeyDer::Pkcs1(key) => {
                vec![(Algorithm::RS256, Some(EncodingKey::from_rsa_der(key.secret_pkcs1_der())))]
            }
            PrivateKeyDer::Sec1(key) => vec![(Algorithm::ES256, Some(p256(key.secret_sec1_der())))],
            PrivateKeyDer::Pkcs8(key) => {
                // Without what stands around it in the file, which the next reader would stumble over.
                let text = STANDARD.encode(key.secret_pkcs8_der());
                let text = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
                let alone = SecretString::from(text);
                let alone = alone.expose_secret().as_bytes();
                vec![
                    (Algorithm::RS256, EncodingKey::from_rsa_pem(alone).ok()),
                    (Algorithm::ES256, EncodingKey::from_ec_pem(alone).ok()),
                ]
            }
            _ => vec![],
        };
        // What is no key of this kind shows when it has to sign something.
        let signs = |algorithm: Algorithm, key: &EncodingKey| {
            jsonwebtoken::crypto::sign(b"?", key, algorithm).is_ok()
        };
        let read = candidates.into_iter().find_map(|(algorithm, key)| {
            key.filter(|key| signs(algorithm, key)).map(|key| Self { key, header: Header::new(algorithm) })
        });
        read.ok_or_else(|| format!("`{setting}`: expected an RSA key of 2048 to 8192 bits or a P-256 key"))
    }

    /// The key, if it is an RSA key.
    ///
    /// # Errors
    /// When it is another.
    pub(super) fn rsa(self, setting: &str) -> Result<Self, String> {
        match self.header.alg {
            Algorithm::RS256 => Ok(self),
            _ => Err(format!("`{setting}`: expected an RSA key")),
        }
    }

    /// Puts the thumbprint of the key's certificate into the header (`x5t#S256`). An RSA key then signs with PSS, as
    /// Entra, which wants thumbprints, wants signatures.
    ///
    /// # Errors
    /// When there is no certificate, or it is another key's.
    pub(super) fn certify(&mut self, key: &SecretString, file: &Path) -> Result<(), String> {
        let fail = |why: &str| format!("`certificate_file`: {}: {why}", file.display());
        let pem = std::fs::read(file).map_err(|e| fail(&e.to_string()))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| {
            fail("no certificate in it; expected PEM, which begins with -----BEGIN CERTIFICATE-----")
        })?;
        self.header.x5t_s256 = Some(URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)));
        let der = private("key", key)?;
        let signing =
            aws_lc_rs::sign::any_supported_type(&der).map_err(|_| fail("its key cannot be used"))?;
        match CertifiedKey::new(vec![certificate], signing).keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(fail("it is the certificate of another key than `key`"));
            }
            Err(_) => return Err(fail("no certificate of X.509 version 3")),
        }
        if self.header.alg == Algorithm::RS256 {
            self.header.alg = Algorithm::PS256;
        }
        Ok(())
    }

    /// Signs these claims.
    ///
    /// # Errors
    /// When the key cannot.
    pub(super) fn sign(&self, claims: &Value) -> Result<SecretString, AuthError> {
        let signed = jsonwebtoken::encode(&self.header, claims, &self.key);
        signed.map(SecretString::from).map_err(|_| AuthError::Refused("the key does not sign".to_owned()))
    }
}

/// The private key in a PEM file, with whatever stands around it.
fn private(setting: &str, pem: &SecretString) -> Result<PrivateKeyDer<'static>, String> {
    let pem = pem.expose_secret();
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        if pem.contains("ENCRYPTED") {
            format!("`{setting}`: the key is encrypted; write it without a passphrase where only this program may read it")
        } else {
            format!("`{setting}`: no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----")
        }
    })
}

/// A P-256 key as `openssl ecparam` writes it (RFC 5915), in the form that all others have (RFC 5208).
fn p256(key: &[u8]) -> EncodingKey {
    /// Version 0; an elliptic curve, P-256.
    const HEAD: [u8; 24] = [
        0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
        0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ];
    let inner = SecretSlice::from(tagged(0x04, &[key]));
    let whole = SecretSlice::from(tagged(0x30, &[&HEAD, inner.expose_secret()]));
    EncodingKey::from_ec_der(whole.expose_secret())
}

/// A value in DER.
fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let bytes: Vec<u8> = bytes.into_iter().skip_while(|b| *b == 0).collect();
    let mut value = Vec::with_capacity(length + 10);
    value.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => value.push(short),
        _ => {
            value.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            value.extend(bytes);
        }
    }
    for part in parts {
        value.extend_from_slice(part);
    }
    value
}
