//! Tokens that are right, and each way in which one can be wrong.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

const NOW: &str = "2026-06-01T13:00:00Z";
const CLIENT: &str = "counterfoil";
const ISSUER: &str = "https://login.example";

/// A key of a kind, as the provider has it and as it shows it.
fn pair(algorithm: Algorithm, kid: &str) -> (EncodingKey, Jwk) {
    let of = match algorithm {
        Algorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        Algorithm::EdDSA => &rcgen::PKCS_ED25519,
        _ => &rcgen::PKCS_RSA_SHA256,
    };
    let made = rcgen::KeyPair::generate_for(of).unwrap();
    let pem = made.serialize_pem();
    let key = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
    };
    let _ = DEFAULT_PROVIDER.install_default();
    let key = key.unwrap();
    let mut shown = match algorithm {
        Algorithm::EdDSA => {
            let x = URL_SAFE_NO_PAD.encode(made.public_key_raw());
            serde_json::from_value(json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x})).unwrap()
        }
        _ => Jwk::from_encoding_key(&key, algorithm).unwrap(),
    };
    shown.common.key_id = Some(kid.to_owned());
    (key, shown)
}

fn claims() -> Value {
    let now = Instant::parse(NOW).unwrap().unix_ms() / 1000;
    json!({"iss": ISSUER, "sub": "u1", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": "n", "email": "mia@corp.example"})
}

fn with(change: Value) -> Value {
    let mut all = claims();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => all.as_object_mut().unwrap().remove(name),
            value => all.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    all
}

fn signed(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) }, claims, key).unwrap()
}

fn read(token: &str, keys: &[Jwk]) -> Result<Map<String, Value>, Wrong> {
    let expected = Expected { issuer: ISSUER, client: CLIENT, nonce: "n", now: Instant::parse(NOW).unwrap() };
    verify(token, keys, &expected)
}

#[test]
fn a_token_is_believed_that_the_provider_signed_for_this_sign_in() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let (key, shown) = pair(algorithm, "k1");
        for kid in [Some("k1"), None] {
            let read = read(&signed(algorithm, kid, &key, &claims()), std::slice::from_ref(&shown)).unwrap();
            assert_eq!(
                (&read["email"], &read["sub"]),
                (&json!("mia@corp.example"), &json!("u1")),
                "{algorithm:?}"
            );
        }
        let several = with(json!({"aud": ["other", CLIENT], "azp": CLIENT}));
        assert!(read(&signed(algorithm, Some("k1"), &key, &several), &[shown]).is_ok());
    }
}

#[test]
fn a_token_that_says_anything_else_is_not() {
    let (key, shown) = pair(Algorithm::ES256, "k1");
    let now = Instant::parse(NOW).unwrap().unix_ms() / 1000;
    for (change, part) in [
        (json!({"iss": "https://evil.example"}), "another provider"),
        (json!({"aud": "other"}), "somebody else"),
        (json!({"aud": ["other"]}), "somebody else"),
        (json!({"aud": ["other", CLIENT]}), "does not say who asked"),
        (json!({"azp": "other"}), "asked for by somebody else"),
        (json!({"nonce": "m"}), "another sign-in"),
        (json!({"nonce": null}), "another sign-in"),
        (json!({"exp": now - 61}), "expired"),
        (json!({"exp": null}), "missing"),
        (json!({"exp": "never"}), "missing"),
        (json!({"iat": now + 120}), "future"),
        (json!({"nbf": now + 120}), "future"),
        (json!({"iss": null}), "missing"),
        (json!({"sub": null}), "missing"),
        (json!({"aud": null}), "missing"),
        (json!({"aud": {"a": 1}}), "missing"),
    ] {
        let wrong =
            read(&signed(Algorithm::ES256, Some("k1"), &key, &with(change.clone())), std::slice::from_ref(&shown))
                .unwrap_err();
        assert!(wrong.to_string().contains(part), "{change}: {wrong}");
    }
}

#[test]
fn how_it_is_signed_is_for_the_provider_to_say() {
    let (key, shown) = pair(Algorithm::RS256, "k1");
    let (stranger, _) = pair(Algorithm::RS256, "k1");
    let (ec, ec_shown) = pair(Algorithm::ES256, "k2");
    let keys = [shown.clone(), ec_shown];
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    // No signature at all.
    for alg in ["none", "None", "NONE"] {
        let none = format!("{}.{}.", part(&json!({"alg": alg, "kid": "k1"})), part(&claims()));
        assert!(read(&none, &keys).is_err(), "{alg}");
    }
    // The public key, taken for a secret.
    let public = serde_json::to_vec(&shown).unwrap();
    let hs = signed(Algorithm::HS256, Some("k1"), &EncodingKey::from_secret(&public), &claims());
    assert!(read(&hs, &keys).unwrap_err().to_string().contains("another way"));
    // Another's key under the same name, a key that is not known, a key of another kind.
    assert!(read(&signed(Algorithm::RS256, Some("k1"), &stranger, &claims()), &keys).is_err());
    assert_eq!(read(&signed(Algorithm::RS256, Some("k9"), &key, &claims()), &keys), Err(Wrong::Key));
    assert_eq!(read(&signed(Algorithm::ES256, Some("k1"), &ec, &claims()), &keys), Err(Wrong::Key));
    // A key that is there to encrypt with, or another algorithm of the same key.
    let mut encrypts = shown.clone();
    encrypts.common.public_key_use = Some(PublicKeyUse::Encryption);
    let token = signed(Algorithm::RS256, Some("k1"), &key, &claims());
    assert_eq!(read(&token, &[encrypts]), Err(Wrong::Key));
    assert!(read(&signed(Algorithm::RS512, Some("k1"), &key, &claims()), &keys).is_err());
    // A key that comes with the token.
    let header = Header { jwk: Some(shown.clone()), ..Header::new(Algorithm::RS256) };
    assert_eq!(read(&encode(&header, &claims(), &key).unwrap(), &[]), Err(Wrong::Key));
    let header =
        Header { kid: Some("k1".into()), crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::RS256) };
    assert!(
        read(&encode(&header, &claims(), &key).unwrap(), &keys)
            .unwrap_err()
            .to_string()
            .contains("not understood")
    );
    // Parts changed, cut off, or not there.
    let other = signed(Algorithm::RS256, Some("k1"), &key, &with(json!({"email": "boss@corp.example"})));
    let (head, _) = token.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert!(read(&format!("{head}.{signature}"), &keys).is_err());
    for nonsense in
        ["", ".", "..", "a.b.c", &token[1..], &token[..token.len() - 9], &"x".repeat(MAX_TOKEN + 1)]
    {
        assert!(read(nonsense, &keys).is_err());
    }
}
