//! Signing in with an identity provider: one that is right, and one that is wrong in every way there is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::super::servers::put_secret;
use super::access::{House, small_company};

const SECRET: &str = "a secret / with & signs";
const NOW: i64 = 1_780_318_800;

/// What the provider does otherwise than it should.
#[derive(Debug, Clone, Default)]
struct Ways {
    /// Claims in place of the right ones; null leaves one out.
    claims: Value,
    /// The name of the key it signs with.
    kid: Option<&'static str>,
    /// Another ID token altogether.
    token: Option<String>,
    /// What a path answers: status, further headers, body.
    answers: Vec<(&'static str, u16, &'static str, String)>,
    /// The keys it shows.
    keys: Vec<Value>,
}

struct State {
    ways: Mutex<Ways>,
    key: EncodingKey,
    shown: Jwk,
    nonce: Mutex<String>,
    challenge: Mutex<String>,
    asked: Mutex<Vec<String>>,
    keys_asked: AtomicUsize,
}

/// A provider on this machine.
struct Stub {
    address: String,
    state: Arc<State>,
}

impl Stub {
    fn new() -> Self {
        let _ = DEFAULT_PROVIDER.install_default();
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        let mut shown = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        shown.common.key_id = Some("k1".to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            ways: Mutex::default(),
            key,
            shown,
            nonce: Mutex::default(),
            challenge: Mutex::default(),
            asked: Mutex::default(),
            keys_asked: AtomicUsize::new(0),
        });
        let (own, issuer) = (Arc::clone(&state), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), own, issuer) = (stream, Arc::clone(&own), issuer.clone()) else { return };
                std::thread::spawn(move || serve(&own, &issuer, stream));
            }
        });
        Self { address, state }
    }

    fn is(&self, ways: Ways) {
        *self.state.ways.lock().unwrap() = ways;
    }

    /// A server at which people sign in with this provider.
    fn house(&self, more: &str) -> House {
        let folder = small_company();
        put_secret(&folder.path().join("client"), SECRET);
        let text = format!(
            "url = \"http://127.0.0.1:9187\"\n[oidc]\nissuer = \"{}\"\nclient_id = \"counter:foil\"\nclient_secret = \
             \"file:client\"\nroles = {{ ops = [\"operator\"], all = [\"viewer\"] }}\nhttp = {{ allow_private = true }}\n{more}",
            self.address
        );
        House::with(folder, true, &text)
    }
}

fn serve(state: &State, issuer: &str, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length, mut head) = (String::new(), 0, String::new());
    reader.read_line(&mut line).unwrap();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or(0) < 3 {
            break;
        }
        if let Some(n) = header.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        head.push_str(&header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = String::from_utf8(body).unwrap();
    state.asked.lock().unwrap().push(format!("{line}{head}\n{body}"));
    let ways = state.ways.lock().unwrap().clone();
    let other = ways.answers.iter().find(|(p, ..)| *p == path).cloned();
    let (status, headers, text) = match other {
        Some((_, status, headers, text)) => (status, headers, text),
        None => (200, "", answer(state, &ways, issuer, &path, &body)),
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
}

fn answer(state: &State, ways: &Ways, issuer: &str, path: &str, body: &str) -> String {
    match path {
        "/.well-known/openid-configuration" => json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        })
        .to_string(),
        "/keys" => {
            state.keys_asked.fetch_add(1, Ordering::SeqCst);
            let mut keys = ways.keys.clone();
            keys.push(serde_json::to_value(&state.shown).unwrap());
            json!({ "keys": keys }).to_string()
        }
        "/token" => {
            // PKCE: the verifier is what the challenge was made of.
            let verifier = body.split('&').find_map(|pair| pair.strip_prefix("code_verifier=")).unwrap();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            let made = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest);
            assert_eq!(made, *state.challenge.lock().unwrap());
            let token = ways.token.clone().unwrap_or_else(|| id_token(state, ways, issuer));
            json!({"access_token": "x", "token_type": "Bearer", "id_token": token}).to_string()
        }
        _ => "{}".to_owned(),
    }
}

fn id_token(state: &State, ways: &Ways, issuer: &str) -> String {
    let mut claims = json!({
        "iss": issuer, "sub": "u1", "aud": "counter:foil", "exp": NOW + 300, "iat": NOW,
        "nonce": *state.nonce.lock().unwrap(), "email": "mia@corp.example", "groups": ["ops", "other"],
    });
    for (name, value) in ways.claims.as_object().into_iter().flatten() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    let header = Header { kid: Some(ways.kid.unwrap_or("k1").to_owned()), ..Header::new(Algorithm::ES256) };
    encode(&header, &claims, &state.key).unwrap()
}

/// The parameters of an address.
fn parameter(address: &str, name: &str) -> String {
    let (_, query) = address.split_once('?').unwrap();
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap();
    percent_encoding::percent_decode_str(&value.replace('+', " ")).decode_utf8().unwrap().into_owned()
}

fn header(raw: &str, name: &str) -> Vec<String> {
    let lines = raw.split("\r\n\r\n").next().unwrap().lines();
    lines
        .filter_map(|l| l.split_once(": "))
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.to_owned())
        .collect()
}

fn status(raw: &str) -> u16 {
    raw.split(' ').nth(1).unwrap().parse().unwrap()
}

/// What was begun: the address at the provider and the cookie.
fn begin(house: &House, stub: &Stub, then: &str) -> (String, String) {
    let raw = house.raw("GET", &format!("/sign-in/start?then={then}"), "", "");
    assert_eq!(status(&raw), 303, "{raw}");
    let to = header(&raw, "location").remove(0);
    let cookie = header(&raw, "set-cookie").remove(0);
    assert!(cookie.contains("Path=/sign-in/; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    *stub.state.nonce.lock().unwrap() = parameter(&to, "nonce");
    *stub.state.challenge.lock().unwrap() = parameter(&to, "code_challenge");
    (to, cookie.split(';').next().unwrap().to_owned())
}

/// One whole sign-in: what the browser sees at its end.
fn sign_in(house: &House, stub: &Stub) -> String {
    let (to, cookie) = begin(house, stub, "%2Fx");
    let state = parameter(&to, "state");
    house.raw(
        "GET",
        &format!("/sign-in/callback?code=c1&state={state}"),
        &format!("cookie: {cookie}\r\n"),
        "",
    )
}

#[test]
fn a_person_signs_in_with_the_provider() {
    let stub = Stub::new();
    let house = stub.house("title = \"Corp <login>\"");
    let page = house.get("/sign-in?then=%2Fx", "");
    assert!(
        page.body.contains("/sign-in/start?then=%2Fx") && page.body.contains("Corp &lt;login&gt;"),
        "{}",
        page.body
    );
    let (to, cookie) = begin(&house, &stub, "%2Ffindings%3Fstate%3Dopen");
    assert!(to.starts_with(&format!("{}/authorize?", stub.address)), "{to}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "counter:foil"),
        ("redirect_uri", "http://127.0.0.1:9187/sign-in/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(&to, name), value);
    }
    let state = parameter(&to, "state");
    let raw = house.raw(
        "GET",
        &format!("/sign-in/callback?code=c1&state={state}"),
        &format!("cookie: {cookie}\r\n"),
        "",
    );
    assert_eq!(
        (status(&raw), header(&raw, "location")),
        (303, vec!["/findings?state=open".to_owned()]),
        "{raw}"
    );
    let cookies = header(&raw, "set-cookie");
    let session = cookies
        .iter()
        .find(|c| c.starts_with("counterfoil_session="))
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        cookies.iter().any(|c| c.starts_with("counterfoil_sign_in=;")),
        "what was begun is over: {cookies:?}"
    );
    let token =
        stub.state.asked.lock().unwrap().iter().find(|r| r.starts_with("POST /token")).unwrap().clone();
    let basic = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        "counter%3Afoil:a%20secret%20%2F%20with%20%26%20signs",
    );
    assert!(token.contains(&format!("Basic {basic}")), "{token}");
    assert!(token.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A9187%2Fsign-in%2Fcallback"), "{token}");
    // An operator, by the group; and in the name of the claim.
    let found = house.ask("GET", "/api/v1/findings?account=alice", &format!("cookie: {session}\r\n"), "");
    assert_eq!(found.code, 200);
    // No group that means anything here.
    stub.is(Ways { claims: json!({"groups": ["guests"]}), ..Ways::default() });
    let raw = sign_in(&house, &stub);
    assert_eq!(status(&raw), 403, "{raw}");
    assert!(
        raw.contains("mia@corp.example may do nothing here") && !raw.contains("counterfoil_session="),
        "{raw}"
    );
    // One group, as a text and not in a list; another claim for the name, within an object.
    let nested = stub.house("name_claim = \"preferred_username\"\nroles_claim = \"realm_access.roles\"\n");
    let claims = json!({"realm_access": {"roles": "all"}, "preferred_username": "mia"});
    stub.is(Ways { claims, ..Ways::default() });
    assert_eq!(status(&sign_in(&nested, &stub)), 303);
}

#[test]
fn nothing_that_is_not_right_lets_anybody_in() {
    let stub = Stub::new();
    let house = stub.house("");
    let claims = |claims: Value| Ways { claims, ..Ways::default() };
    let hs256 = encode(
        &Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) },
        &json!({"iss": stub.address, "sub": "u1", "aud": "counter:foil", "exp": NOW + 300, "iat": NOW}),
        &EncodingKey::from_secret(&serde_json::to_vec(&stub.state.shown).unwrap()),
    );
    let answers = |path, status, headers, body: String| Ways {
        answers: vec![(path, status, headers, body)],
        ..Ways::default()
    };
    for (ways, code, says) in [
        (claims(json!({"nonce": "another"})), 403, "another sign-in"),
        (claims(json!({"aud": "other"})), 403, "for somebody else"),
        (claims(json!({"iss": "https://evil.example"})), 403, "another provider"),
        (claims(json!({"exp": NOW - 3600})), 403, "expired"),
        (claims(json!({"email": null})), 403, "names people"),
        (claims(json!({"email": "a\nb"})), 403, "is no name"),
        (claims(json!({"email_verified": false})), 403, "not verified"),
        (claims(json!({"groups": 7})), 403, "may do nothing here"),
        (Ways { kid: Some("k9"), ..Ways::default() }, 403, "does not name"),
        (Ways { token: Some("e30.e30.".into()), ..Ways::default() }, 403, "no signed token"),
        (Ways { token: Some("eyJhbGciOiJub25lIn0.e30.".into()), ..Ways::default() }, 403, "no signed token"),
        (Ways { token: Some(hs256.unwrap()), ..Ways::default() }, 403, "another way"),
        (answers("/token", 302, "location: http://evil.example/\r\n", "{}".into()), 502, "the log says why"),
        (answers("/token", 200, "", "{}".into()), 502, "the log says why"),
        (
            answers("/token", 200, "", format!("{{\"id_token\":\"{}\"}}", "x".repeat(300_000))),
            502,
            "the log says why",
        ),
        (answers("/token", 400, "", "{\"error\":\"invalid_grant\"}".into()), 400, "sign in again"),
    ] {
        // Each at a server of its own, which has not yet counted who was wrong.
        let house = stub.house("");
        let _ = begin(&house, &stub, "");
        stub.is(ways.clone());
        let raw = sign_in(&house, &stub);
        assert_eq!(status(&raw), code, "{ways:?}: {raw}");
        assert!(raw.contains(says) && !raw.contains("counterfoil_session="), "{ways:?}: {raw}");
        assert!(raw.contains("content-type: text/html") && !raw.contains(SECRET), "{raw}");
    }
    stub.is(Ways::default());
    // Another browser, another state, none, what the provider did not send, and another provider.
    let (to, cookie) = begin(&house, &stub, "");
    let state = parameter(&to, "state");
    let with = format!("cookie: {cookie}\r\n");
    for (query, headers, code) in [
        (format!("code=c&state={state}"), "", 400),
        (format!("code=c&state={state}"), "cookie: counterfoil_sign_in=a.b.c.d\r\n", 400),
        (format!("code=c&state={state}"), "cookie: counterfoil_sign_in=\r\n", 400),
        ("code=c&state=guessed".to_owned(), with.as_str(), 400),
        ("code=c".to_owned(), &with, 400),
        (format!("state={state}"), &with, 400),
        (format!("code=c&state={state}&iss=https%3A%2F%2Fevil.example"), &with, 403),
        (format!("error=access_denied&error_description=%3Cb%3Eno&state={state}"), &with, 403),
    ] {
        let raw = house.raw("GET", &format!("/sign-in/callback?{query}"), headers, "");
        assert_eq!(status(&raw), code, "{query}: {raw}");
        assert!(!raw.contains("counterfoil_session=") && !raw.contains("<b>"), "{query}: {raw}");
    }
    assert_eq!(status(&sign_in(&house, &stub)), 303, "and who is right gets in");
}

#[test]
fn what_the_provider_says_of_itself_is_held_against_what_is_configured() {
    let stub = Stub::new();
    let document = |change: Value| {
        let a = &stub.address;
        let mut all = json!({"issuer": a, "authorization_endpoint": format!("{a}/authorize"), "token_endpoint": format!("{a}/token"),
                             "jwks_uri": format!("{a}/keys")});
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        all.to_string()
    };
    let path = "/.well-known/openid-configuration";
    for (status_said, headers, text) in [
        (200, "", document(json!({"issuer": "https://evil.example"}))),
        (200, "", document(json!({"token_endpoint": "ftp://evil.example/"}))),
        (200, "", document(json!({"jwks_uri": "http://169.254.169.254/latest"}))),
        (200, "", "[]".to_owned()),
        (200, "", " ".repeat(300_000)),
        (302, "location: /elsewhere\r\n", document(json!({}))),
        (500, "", document(json!({}))),
    ] {
        stub.is(Ways { answers: vec![(path, status_said, headers, text.clone())], ..Ways::default() });
        let raw = stub.house("").raw("GET", "/sign-in/start", "", "");
        assert_eq!(status(&raw), 502, "{status_said} {}: {raw}", text.trim());
    }
    let house = stub.house("");
    for (keys, code) in [
        (vec![json!({"kty": "EC", "kid": "x"}), json!(7), json!({"kty": "new", "kid": "k2"})], 303),
        (vec![json!({"kty": "oct", "kid": "k1", "k": "c2VjcmV0"})], 303),
        (vec![json!({}); 101], 502),
    ] {
        stub.is(Ways { keys, ..Ways::default() });
        assert_eq!(status(&sign_in(&stub.house(""), &stub)), code);
    }
    // Keys are asked for again when one is not known, and not without end.
    stub.is(Ways::default());
    assert_eq!(status(&sign_in(&house, &stub)), 303);
    let before = stub.state.keys_asked.load(Ordering::SeqCst);
    stub.is(Ways { kid: Some("k9"), ..Ways::default() });
    for _ in 0..12 {
        assert_eq!(status(&sign_in(&house, &stub)), 403);
    }
    let asked = stub.state.keys_asked.load(Ordering::SeqCst) - before;
    assert_eq!(asked, 5, "five times a minute");
}

#[test]
fn who_is_wrong_too_often_waits() {
    let stub = Stub::new();
    let house = stub.house("");
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    for _ in 0..20 {
        assert_eq!(house.ask("POST", "/sign-in", form, "token=wrong-wrong-wrong-wrong").code, 401);
    }
    let answer = house.ask("POST", "/sign-in", form, "token=wrong-wrong-wrong-wrong");
    assert_eq!(answer.code, 429);
    assert!(answer.head.contains("retry-after: ") && answer.body.contains("too many tries"), "{answer:?}");
    let back =
        house.raw("GET", "/sign-in/callback?code=a&state=b", "cookie: counterfoil_sign_in=b.c.d.\r\n", "");
    assert_eq!(status(&back), 429, "{back}");
    assert_eq!(house.get("/api/v1/findings", "wrong-wrong-wrong-wrong").code, 429);
    assert_eq!(house.get("/api/v1/findings", super::access::VIEWER).code, 200, "who is right is let in");
}
