//! The Logs Ingestion API of Azure Monitor and the token endpoint of Entra, as Microsoft documents them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use counterfoil::model::event::Notice;
use counterfoil::model::{Duration, Instant};
use counterfoil::sink::Receipt;
use serde_json::json;

use super::contract::{Fault, Peer, Wire, contract, send, sink};
use super::samples;
use super::stub::{Reply, Request, Stub, Vendor, by_stub, keys_are};

const SECRET: &str = "Abc8Q~canary+of/the=application&secret";
const RULE: &str = "dcr-00000000000000000000000000000001";

/// The columns of a stream for events, digests and signs of life.
const COLUMNS: [&str; 28] = [
    "activity",
    "cause",
    "state",
    "episode",
    "seq",
    "first_seen",
    "run",
    "initial",
    "finding",
    "by_severity",
    "by_check",
    "by_owner",
    "justified",
    "grants",
    "version",
    "last_run",
    "open",
    "doubtful_sources",
    "waiting",
    "dead",
    "next_within_s",
    "origin",
    "size",
    "root",
    "note",
    "time",
    "schema",
    "id",
];

#[derive(Default)]
struct Doors {
    issued: AtomicU32,
    /// Tokens up to this number are no longer let in.
    withdrawn: AtomicU32,
    /// Every application is turned away.
    shut: Mutex<bool>,
}

struct Azure(Arc<Doors>);

impl Azure {
    fn token(&self, request: &Request) -> Result<Reply, String> {
        if request.header("content-type") != "application/x-www-form-urlencoded" {
            return Err("no form".to_owned());
        }
        let expected = "grant_type=client_credentials&client_id=app-1&client_secret=Abc8Q%7Ecanary%2Bof%2Fthe%3Dapplication%26secret&scope=https%3A%2F%2Fmonitor.azure.com%2F.default";
        if request.body != expected.as_bytes() {
            return Err(format!("the form is {}", String::from_utf8_lossy(&request.body)));
        }
        if *self.0.shut.lock().unwrap() {
            let body = json!({
                "error": "invalid_client",
                "error_description": format!("AADSTS7000215: Invalid client secret provided: {SECRET}. Trace ID: 0"),
                "error_codes": [7_000_215],
            });
            return Ok(Reply::of(401, body.to_string()));
        }
        let number = self.0.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let body = json!({"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":token(number)});
        Ok(Reply::of(200, body.to_string()))
    }
}

fn token(number: u32) -> String {
    format!("eyJ0canary-token-number-{number}")
}

fn error(code: &str, message: &str) -> String {
    json!({"error": {"code": code, "message": message}}).to_string()
}

impl Vendor for Azure {
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String> {
        if request.method != "POST" {
            return Err("not posted".to_owned());
        }
        if request.path == "/tenant-1/oauth2/v2.0/token" {
            return self.token(request);
        }
        let path = format!("/dataCollectionRules/{RULE}/streams/Custom-Counterfoil?api-version=2023-01-01");
        if request.path != path || request.header("content-type") != "application/json" {
            return Err("no such endpoint".to_owned());
        }
        let bearer = request.header("authorization").strip_prefix("Bearer eyJ0canary-token-number-");
        let number: u32 = bearer.and_then(|n| n.parse().ok()).ok_or("no token that was ever issued")?;
        if number <= self.0.withdrawn.load(Ordering::SeqCst) {
            return Ok(Reply::of(
                401,
                error("InvalidToken", &format!("The token {} is invalid.", token(number))),
            ));
        }
        if request.body.len() > 1_000_000 {
            return Err(format!("{} bytes in one request", request.body.len()));
        }
        let rows = request.json()?;
        let mut taken = vec![];
        for row in rows.as_array().ok_or("no array")? {
            keys_are(row, &["TimeGenerated", "schema", "id"], &COLUMNS)?;
            let time: Option<Instant> = row["TimeGenerated"].as_str().and_then(|t| t.parse().ok());
            if time.is_none() {
                return Err(format!("TimeGenerated is {}", row["TimeGenerated"]));
            }
            taken.push(row["id"].as_str().ok_or("the id is no text")?.to_owned());
        }
        if refused.is_some_and(|id| taken.iter().any(|t| t == id)) {
            return Ok(Reply::of(400, error("InvalidPayload", "The payload could not be parsed.")));
        }
        Ok(Reply { status: 204, taken, ..Reply::default() })
    }

    fn failure(&self, status: u16, request: &Request) -> Reply {
        let body = match status {
            401 => error("AuthenticationTokenInvalid", request.header("authorization")),
            413 => error("ContentLengthLimitExceeded", "Maximum allowed content length is 1048576 bytes"),
            429 => error("TooManyRequests", "Rate limit exceeded"),
            _ => error("ServiceUnavailable", "The service is unavailable."),
        };
        Reply::of(status, body)
    }

    fn exempt(&self, path: &str) -> bool {
        path.ends_with("/token")
    }
}

struct Sentinel {
    stub: Stub,
    doors: Arc<Doors>,
}

impl Peer for Sentinel {
    fn start(wire: Wire) -> Self {
        let doors = Arc::<Doors>::default();
        Self { stub: Stub::start(wire, Azure(doors.clone())), doors }
    }

    fn settings(&self) -> String {
        let url = self.stub.url();
        format!(
            "[sentinel]\nendpoint = \"{url}\"\nauthority = \"{url}\"\nrule = \"{RULE}\"\nstream = \"Custom-Counterfoil\"\ntenant = \"tenant-1\"\nclient_id = \"app-1\"\nclient_secret = \"{}\"\n[sentinel.http]\n{}",
            self.stub.secret("secret", SECRET),
            self.stub.connection(),
        )
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned(), "canary-token".to_owned()]
    }

    fn supports(_: &Fault) -> bool {
        true
    }

    by_stub!();
}

contract!(Sentinel);

#[test]
fn a_token_is_asked_for_once_and_again_when_it_is_withdrawn_or_near_its_end() {
    let peer = Sentinel::start(Wire::Plain);
    let (sink, batch) = (sink(&peer), samples::several(0..1));
    let issued = || peer.doors.issued.load(Ordering::SeqCst);
    let tell = |now| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(sink.send(&batch, now)), [Receipt::Taken]);
    };
    let now = samples::now();
    tell(now);
    tell(now.plus(Duration::minutes(54)));
    assert_eq!(issued(), 1);
    tell(now.plus(Duration::minutes(56)));
    assert_eq!(issued(), 2, "near its end");
    peer.doors.withdrawn.store(2, Ordering::SeqCst);
    tell(now.plus(Duration::minutes(57)));
    assert_eq!(issued(), 3, "withdrawn");
}

#[test]
fn a_token_that_is_not_accepted_is_replaced_once_and_not_for_ever() {
    let peer = Sentinel::start(Wire::Plain);
    peer.doors.withdrawn.store(1000, Ordering::SeqCst);
    let receipts = send(&peer, &*sink(&peer), &samples::several(0..2));
    assert!(matches!(receipts.as_slice(), [Receipt::Paused { .. }, Receipt::Paused { .. }]), "{receipts:?}");
    assert_eq!(peer.doors.issued.load(Ordering::SeqCst), 2);
}

#[test]
fn a_wrong_secret_pauses() {
    let peer = Sentinel::start(Wire::Plain);
    *peer.doors.shut.lock().unwrap() = true;
    let receipts = send(&peer, &*sink(&peer), &samples::several(0..1));
    let [Receipt::Paused { reason }] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert!(reason.contains("AADSTS7000215"), "{reason}");
}

#[test]
fn a_batch_beyond_the_limit_goes_in_several_requests() {
    let peer = Sentinel::start(Wire::Plain);
    let mut batch = samples::several(0..6);
    for message in &mut batch {
        let Notice::Events { events, .. } = &mut message.notice else { panic!() };
        events[0].finding.message = "x".repeat(300_000);
    }
    assert_eq!(send(&peer, &*sink(&peer), &batch), vec![Receipt::Taken; 6]);
    assert_eq!(peer.stub.requests(), 1 + 3, "a token, and two rows in each");
}
