//! The webhook against a receiver that checks every signature.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use counterfoil::model::event::Message;
use counterfoil::sink::{Entry, Receipt};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::contract::{Fault, Peer, Wire, contract, send, sink};
use super::samples;
use super::stub::{Reply, Request, Stub, Vendor, by_stub};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_bmV3IGNhbmFyeSBuZXcgY2FuYXJ5IG5ldyBjYW5hcnk=";
const TOKEN: &str = "Bearer canary-of-the-webhook";

struct Receiver {
    ocsf: bool,
}

impl Vendor for Receiver {
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String> {
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/hook?token=canary-in-query") {
            return Err("not the address that was configured".to_owned());
        }
        let id = request.header("webhook-id");
        let timestamp = request.header("webhook-timestamp");
        if request.header("content-type") != "application/json" || request.header("authorization") != TOKEN {
            return Err("a header is wrong".to_owned());
        }
        if timestamp.parse() != Ok(samples::now().unix_ms() / 1000) {
            return Err(format!("the time is {timestamp}"));
        }
        let signatures: Vec<&str> = request.header("webhook-signature").split(' ').collect();
        // Either secret must do: whoever knows one of them accepts the message.
        for secret in [OLD, NEW] {
            let key = BASE64.decode(&secret["whsec_".len()..]).unwrap();
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", &request.body].concat());
            let expected = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
            if !signatures.contains(&expected.as_str()) {
                return Err(format!("no signature by {secret}: {signatures:?}"));
            }
        }
        let body = request.json()?;
        let told = if self.ocsf { &body["metadata"]["uid"] } else { &body["id"] };
        if told != id {
            return Err(format!("the body is that of {told}"));
        }
        if refused == Some(id) {
            return Ok(Reply::of(422, "{\"error\":\"no such thing\"}"));
        }
        Ok(Reply { status: 202, taken: vec![id.to_owned()], ..Reply::default() })
    }

    fn failure(&self, status: u16, request: &Request) -> Reply {
        // As careless as a receiver can be.
        Reply::of(status, format!("{} {:?} {OLD}", request.path, request.headers))
    }
}

struct Hook {
    stub: Stub,
    format: &'static str,
}

impl Hook {
    fn with(wire: Wire, format: &'static str) -> Self {
        Self { stub: Stub::start(wire, Receiver { ocsf: format == "ocsf" }), format }
    }
}

impl Peer for Hook {
    fn start(wire: Wire) -> Self {
        Self::with(wire, "native")
    }

    fn settings(&self) -> String {
        format!(
            "[webhook]\nurl = \"{}/hook?token=canary-in-query\"\nsecrets = [\"{}\", \"{}\"]\nauthorization = \"{}\"\nformat = \"{}\"\n[webhook.http]\n{}",
            self.stub.url(),
            self.stub.secret("new", NEW),
            self.stub.secret("old", OLD),
            self.stub.secret("token", TOKEN),
            self.format,
            self.stub.connection(),
        )
    }

    fn secrets(&self) -> Vec<String> {
        [OLD, NEW, TOKEN, "canary-in-query"].map(str::to_owned).into()
    }

    fn supports(_: &Fault) -> bool {
        true
    }

    fn keys(message: &Message<'_>) -> Vec<String> {
        vec![message.id.clone()]
    }

    by_stub!();
}

contract!(Hook);

#[test]
fn an_event_is_told_in_ocsf_where_that_is_asked_for() {
    let peer = Hook::with(Wire::Plain, "ocsf");
    let batch = samples::story();
    assert_eq!(send(&peer, &*sink(&peer), &batch), vec![Receipt::Taken; batch.len()]);
}

/// What is wrong with settings, when they are built.
fn wrong(settings: &str, folder: &Path) -> String {
    let entry: Entry = toml::from_str(&format!("id = \"a\"\n{settings}")).unwrap();
    entry.kind().unwrap().1.build(folder).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_with_the_settings_is_said_before_anything_is_sent() {
    let peer = Hook::start(Wire::Plain);
    let settings = peer.settings();
    for (from, to, part) in [
        ("allow_private = true", "", "allow_http"),
        ("allow_private = true", "allow_private = true\nca_file = \"none.pem\"", "none.pem"),
        ("allow_private = true", "allow_private = true\nca_file = \"old\"", "no certificate"),
        ("PT3S", "PT0S", "`timeout`"),
        ("file:old", "file:none", "none"),
        ("file:old", "file:token", "whsec_"),
        ("[\"file:new\", \"file:old\"]", "[]", "at least one"),
        ("http://localhost", "https://alice:secret@localhost", "password"),
    ] {
        let changed = settings.replace(from, to);
        assert_ne!(changed, settings);
        let why = wrong(&changed, peer.folder());
        assert!(why.contains(part), "{part}: {why}");
        assert!(!why.contains("canary"), "{why}");
    }
}

#[test]
fn through_a_proxy_that_is_named_and_through_no_other() {
    struct Proxy;
    impl Vendor for Proxy {
        fn answer(&self, request: &Request, _: Option<&str>) -> Result<Reply, String> {
            if request.path != "http://siem.example.com/hook" {
                return Err("not what a proxy is asked".to_owned());
            }
            let taken = vec![request.header("webhook-id").to_owned()];
            Ok(Reply { status: 200, taken, ..Reply::default() })
        }

        fn failure(&self, status: u16, _: &Request) -> Reply {
            Reply::of(status, "")
        }
    }
    let peer = Hook { stub: Stub::start(Wire::Plain, Proxy), format: "native" };
    let settings = format!(
        "id = \"a\"\n[webhook]\nurl = \"http://siem.example.com/hook\"\nsecrets = [\"{}\"]\n[webhook.http]\nallow_http = true\nproxy = \"{}\"",
        peer.stub.secret("old", OLD),
        peer.stub.url()
    );
    let entry: Entry = toml::from_str(&settings).unwrap();
    let sink = entry.kind().unwrap().1.build(peer.folder()).unwrap();
    assert_eq!(send(&peer, &*sink, &samples::several(0..1)), [Receipt::Taken]);
}

#[test]
fn a_name_that_leads_inside_is_not_followed_there() {
    let peer = Hook::start(Wire::Plain);
    let inside = peer.settings().replace("allow_private = true", "allow_http = true");
    let entry: Entry = toml::from_str(&format!("id = \"a\"\n{inside}")).unwrap();
    let sink = entry.kind().unwrap().1.build(peer.folder()).unwrap();
    let receipts = send(&peer, &*sink, &samples::several(0..1));
    let [Receipt::Later { reason, .. }] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert!(reason.contains("private address"), "{reason}");
    assert_eq!(peer.stub.requests(), 0);
}
