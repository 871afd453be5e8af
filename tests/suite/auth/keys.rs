//! Assertions: the key in every form in which keys come, and what the double, which has only the public key, reads in them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Office, Ready, asked, issue, now, token};
use crate::sinks::contract::Wire;
use crate::sinks::stub::{Reply, Request};

static RSA: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
static P256: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());

/// When everything here happens, in seconds since 1970.
fn second() -> i64 {
    now().unix_ms() / 1000
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What an assertion says, header and claims, once its signature is found to be that of the key.
fn verified(assertion: &str, key: &KeyPair, algorithm: Algorithm) -> Result<(Value, Value), String> {
    let public = key.public_key_pem();
    let public = match algorithm {
        Algorithm::ES256 => DecodingKey::from_ec_pem(public.as_bytes()),
        _ => DecodingKey::from_rsa_pem(public.as_bytes()),
    };
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let read = jsonwebtoken::decode::<Value>(assertion, &public.unwrap(), &validation);
    let claims = read.map_err(|e| format!("the signature: {e}"))?.claims;
    let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
    Ok((serde_json::from_slice(&header).unwrap(), claims))
}

/// An object must be this; `"*"` stands for any text of a good length.
fn is(found: &Value, expected: &Value) -> Result<(), String> {
    let (object, wanted) = (found.as_object().unwrap(), expected.as_object().unwrap());
    let fits = |(key, value): (&String, &Value)| match object.get(key) {
        Some(Value::String(text)) if value == "*" => text.len() >= 16,
        found => found == Some(value),
    };
    if object.len() == wanted.len() && wanted.iter().all(fits) {
        Ok(())
    } else {
        Err(format!("found {found}, expected {expected}"))
    }
}

const MANIFEST: &str = "kinds = ['private-key-jwt']\ntoken_url = '/token'\nscope = 'read'";

/// Checks the form and the assertion of a client, as RFC 7523 has them.
fn client_asked(request: &Request, key: &KeyPair, header: &Value) -> Result<String, String> {
    let fields = asked(
        request,
        "/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "app-1"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", "*"),
            ("scope", "read"),
        ],
    )?;
    let algorithm = serde_json::from_value(header["alg"].clone()).unwrap();
    let (found, claims) = verified(&fields[3], key, algorithm)?;
    is(&found, header)?;
    let audience = format!("http://{}/token", request.header("host"));
    let (from, to) = (second() - 30, second() + 270);
    let expected = json!({"iss": "app-1", "sub": "app-1", "aud": audience, "jti": "*", "iat": from, "nbf": from, "exp": to});
    is(&claims, &expected)?;
    Ok(claims["jti"].as_str().unwrap().to_owned())
}

fn client(office: &Office, key: &str, more: &str) -> Result<Ready, String> {
    let secret = office.stub.secret("key.pem", key);
    office.set_up(&format!("[private-key-jwt]\nclient_id = 'app-1'\nkey = '{secret}'\n{more}"))
}

#[test]
fn a_key_in_any_form_signs_the_assertion_of_a_client() {
    let (rsa, ec) = (RSA.serialize_der(), P256.serialize_der());
    // What PKCS#8 wraps: version and algorithm are the first 26 bytes of one, and 29 of the other.
    let (pkcs1, bare) = (&rsa[26..], &ec[29..]);
    assert!(bare[..2] == [0x30, 0x6b] && bare[39..41] == [0xa1, 0x44], "{bare:x?}");
    // As `openssl ecparam` writes it: with the name of the curve, and once more before the key.
    let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let named = [&[0x30, 0x77], &bare[2..39], &curve, &bare[39..]].concat();
    let named = pem("EC PARAMETERS", &curve[2..]) + &pem("EC PRIVATE KEY", &named);
    let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&*RSA).unwrap().pem();
    for (what, key, text) in [
        ("RSA, PKCS#8", &*RSA, RSA.serialize_pem()),
        ("RSA, PKCS#8, behind its certificate", &*RSA, certificate + &RSA.serialize_pem()),
        ("RSA, PKCS#1", &*RSA, pem("RSA PRIVATE KEY", pkcs1)),
        ("P-256, PKCS#8", &*P256, P256.serialize_pem()),
        ("P-256, SEC1", &*P256, pem("EC PRIVATE KEY", bare)),
        ("P-256, SEC1 with its curve", &*P256, named),
    ] {
        let algorithm = if what.starts_with("RSA") { "RS256" } else { "ES256" };
        let office = Office::new(Wire::Plain, MANIFEST, move |request, n| {
            client_asked(request, key, &json!({"typ": "JWT", "alg": algorithm, "kid": "key 1"}))?;
            issue(n, 3600)
        });
        let ready = client(&office, &text, "key_id = 'key 1'").unwrap_or_else(|e| panic!("{what}: {e}"));
        let signed = office.sign(&ready, now());
        office.content();
        assert!(signed.is_ok(), "{what}: {signed:?}");
    }
}

#[test]
fn every_assertion_has_a_name_of_its_own() {
    let seen = std::sync::Mutex::new(vec![]);
    let office = Office::new(Wire::Plain, MANIFEST, move |request, n| {
        let name = client_asked(request, &P256, &json!({"typ": "JWT", "alg": "ES256"}))?;
        let mut seen = seen.lock().unwrap();
        if seen.contains(&name) {
            return Err("it was used before".to_owned());
        }
        seen.push(name);
        issue(n, 0)
    });
    let ready = client(&office, &P256.serialize_pem(), "").unwrap();
    for n in 0..3 {
        assert_eq!(office.authorization(&ready, now()), format!("Bearer {}", token(n)));
    }
    office.content();
}

#[test]
fn a_certificate_is_named_by_its_thumbprint_and_must_be_that_of_the_key() {
    let certificate =
        CertificateParams::new(vec!["app.corp.example".to_owned()]).unwrap().self_signed(&*RSA).unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(certificate.der()));
    let office = Office::new(Wire::Plain, MANIFEST, move |request, n| {
        client_asked(request, &RSA, &json!({"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint}))?;
        issue(n, 3600)
    });
    std::fs::write(office.stub.folder().join("app.pem"), certificate.pem()).unwrap();
    let ready = client(&office, &RSA.serialize_pem(), "certificate_file = 'app.pem'").unwrap();
    office.sign(&ready, now()).unwrap();
    office.content();

    let error = client(&office, &P256.serialize_pem(), "certificate_file = 'app.pem'").err().unwrap();
    assert!(error.contains("app.pem: it is the certificate of another key than `key`"), "{error}");
    let error = client(&office, &RSA.serialize_pem(), "certificate_file = 'nowhere.pem'").err().unwrap();
    assert!(error.contains("`certificate_file`: ") && error.contains("nowhere.pem"), "{error}");
    std::fs::write(office.stub.folder().join("app.pem"), RSA.serialize_pem()).unwrap();
    let error = client(&office, &RSA.serialize_pem(), "certificate_file = 'app.pem'").err().unwrap();
    assert!(error.contains("no certificate in it") && !error.contains("MII"), "{error}");
}

#[test]
fn what_is_no_key_is_said_without_being_shown() {
    let office = Office::silent(MANIFEST);
    let other = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let broken = RSA.serialize_pem().replace("MII", "MIK");
    for (text, part) in [
        ("canary", "no private key in PEM"),
        (&RSA.public_key_pem(), "no private key in PEM"),
        (&pem("ENCRYPTED PRIVATE KEY", b"canary"), "the key is encrypted"),
        (&pem("PRIVATE KEY", b"canary"), "expected an RSA key of 2048 to 8192 bits or a P-256 key"),
        (&pem("EC PRIVATE KEY", b"canary"), "expected an RSA key"),
        (&pem("RSA PRIVATE KEY", b"canary"), "expected an RSA key"),
        (&other, "or a P-256 key"),
        (&broken, "expected an RSA key"),
    ] {
        let error = client(&office, text, "").err().unwrap();
        assert!(error.starts_with("[source.http.auth.private-key-jwt]: `key`: "), "{error}");
        assert!(error.contains(part), "{error}");
        let shown = ["canary", "Y2FuYXJ5", "MII", "MIK", "MIG"];
        assert!(!shown.iter().any(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn an_assertion_that_comes_back_in_a_refusal_is_not_told() {
    let office = Office::new(Wire::Plain, MANIFEST, |request, _| {
        let form = super::form(request)?;
        let body =
            json!({"error": "invalid_client", "error_description": format!("not this: {}!", form[3].1)});
        Ok(Reply::of(400, body.to_string()))
    });
    let why = office.refused(&client(&office, &P256.serialize_pem(), "").unwrap());
    assert!(
        why.starts_with("localhost answered 400: invalid_client: not this: ***!; check `client_id`"),
        "{why}"
    );
}

/// A key file as Google hands it out, but for this account.
fn key_file(key: &KeyPair, token_uri: &str) -> Value {
    json!({
        "type": "service_account",
        "project_id": "counterfoil-test",
        "private_key_id": "0123456789abcdef",
        "private_key": key.serialize_pem(),
        "client_email": "reader@counterfoil-test.example.com",
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.example.com/o/oauth2/auth",
        "token_uri": token_uri,
        "universe_domain": "example.com",
    })
}

fn account(office: &Office, file: &str, more: &str) -> Result<Ready, String> {
    let secret = office.stub.secret("key.json", file);
    office.set_up(&format!("[service-account]\nkey = '{secret}'\n{more}"))
}

#[test]
fn a_service_account_gets_its_token_for_an_assertion() {
    for (wire, scheme) in [(Wire::Trusted, "https"), (Wire::Plain, "http")] {
        let manifest = "kinds = ['service-account']\nscope = 'https://www.example.com/auth/readonly'";
        let office = Office::new(wire, manifest, move |request, n| {
            let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            let fields = asked(request, "/token", &[("grant_type", grant), ("assertion", "*")])?;
            let (header, claims) = verified(&fields[1], &RSA, Algorithm::RS256)?;
            is(&header, &json!({"typ": "JWT", "alg": "RS256", "kid": "0123456789abcdef"}))?;
            let expected = json!({
                "iss": "reader@counterfoil-test.example.com",
                "scope": "https://www.example.com/auth/readonly",
                "aud": format!("{scheme}://{}/token", request.header("host")),
                "iat": second() - 30,
                "exp": second() + 270,
            });
            is(&claims, &expected)?;
            issue(n, 3599)
        });
        let url = format!("{}/token", office.stub.url());
        let file = key_file(&RSA, &url).to_string();
        let ready = match scheme {
            "https" => account(&office, &file, "").unwrap(),
            // Where a site may speak without TLS, it says so itself; a file that came from elsewhere cannot.
            _ => {
                let error = account(&office, &file, "").err().unwrap();
                assert!(error.contains("`token_uri` in it is no https:// address"), "{error}");
                account(&office, &file, &format!("token_url = '{url}'")).unwrap()
            }
        };
        assert_eq!(office.authorization(&ready, now()), format!("Bearer {}", token(0)));
        office.content();
    }
}

#[test]
fn what_is_no_key_file_is_said_without_being_shown() {
    let office = Office::silent("kinds = ['service-account']\nscope = 'read'");
    let file = |key: &str, value: Value| {
        let mut file = key_file(&RSA, "https://oauth2.example.com/token");
        file[key] = value;
        file.to_string()
    };
    for (text, part) in [
        ("canary".to_owned(), "it is something else at line 1"),
        (file("client_email", json!({"canary": 1})), "it is something else at line 1"),
        (file("type", json!("canary")), "`type` in it is another"),
        (file("private_key", json!("canary")), "`private_key in `key``: no private key in PEM"),
        (file("private_key", json!(P256.serialize_pem())), "expected an RSA key"),
        (file("token_uri", json!("https://canary:canary@oauth2.example.com/token")), "password"),
    ] {
        let error = account(&office, &text, "").err().unwrap();
        assert!(error.contains(part) && !error.contains("canary"), "{error}");
    }
    let error =
        account(&Office::silent("kinds = ['service-account']"), &file("a", json!(1)), "").err().unwrap();
    assert!(error.contains("`scope` is missing"), "{error}");
}

/// An installation at this office, whose first base has a path.
fn installation(office: &Office, more: &str) -> Result<Ready, String> {
    let secret = office.stub.secret("key.pem", &RSA.serialize_pem());
    let base = format!("{}/api/v3/", office.stub.url());
    office.set_up_at(&base, &format!("[github-app]\nkey = '{secret}'\n{more}"))
}

#[test]
fn an_installation_gets_its_token_for_an_assertion_and_keeps_it_for_an_hour() {
    let office = Office::new(Wire::Plain, "kinds = ['github-app']", |request, n| {
        if (&*request.method, &*request.path) != ("POST", "/api/v3/app/installations/77/access_tokens") {
            return Err("not that place".to_owned());
        }
        if request.header("accept") != "application/vnd.github+json"
            || request.header("user-agent").is_empty()
        {
            return Err("not that kind of an answer".to_owned());
        }
        let assertion = request.header("authorization").strip_prefix("Bearer ").ok_or("no assertion")?;
        let (_, claims) = verified(assertion, &RSA, Algorithm::RS256)?;
        let at = second() + [0, 3540][n];
        is(&claims, &json!({"iss": "Iv1.0123", "iat": at - 60, "exp": at + 540}))?;
        let expires = ["2026-06-01T13:00:00Z", "2026-06-01T14:00:00Z"][n];
        let body = json!({"token": token(n), "expires_at": expires, "permissions": {"members": "read"}});
        Ok(Reply::of(201, body.to_string()))
    });
    let ready = installation(&office, "app_id = 'Iv1.0123'\ninstallation_id = '77'").unwrap();
    for (at, expected) in [(0, 0), (3539, 0), (3540, 1)] {
        let bearer = office.authorization(&ready, now().plus(super::seconds(at)));
        assert_eq!(bearer, format!("Bearer {}", token(expected)), "after {at} s");
    }
    office.content();
    let error = installation(&office, "app_id = '1'\ninstallation_id = '../1'").err().unwrap();
    assert!(error.contains("`installation_id`: expected digits"), "{error}");
}

#[test]
fn an_installation_that_gets_no_token_is_told_why() {
    for (status, body, part) in [
        (
            401,
            "{\"message\":\"A JSON web token could not be decoded\"}",
            "check that `key` belongs to `app_id`",
        ),
        (404, "{\"message\":\"Not Found\"}", "answered 404: Not Found; check `installation_id`"),
        (403, "{\"message\":\"suspended\"}", "check that the app is not suspended"),
        (201, "{\"canary\":\"\"}", "not with a token in JSON"),
        (201, "{\"token\":\"a canary\"}", "can stand in no header"),
    ] {
        let office =
            Office::new(Wire::Plain, "kinds = ['github-app']", move |_, _| Ok(Reply::of(status, body)));
        let why = office.refused(&installation(&office, "app_id = '1'\ninstallation_id = '77'").unwrap());
        assert!(why.contains(part), "{why}");
    }
}
