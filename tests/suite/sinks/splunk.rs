//! Splunk's collector, as its documentation describes it.

use std::io::Read;

use counterfoil::sink::Receipt;
use flate2::read::GzDecoder;
use serde_json::Value;

use super::contract::{Fault, Peer, Wire, contract, send, sink};
use super::samples;
use super::stub::{Reply, Request, Stub, Vendor, by_stub, keys_are};

const TOKEN: &str = "c0ffee00-canary-4000-8000-splunktoken0";
/// What a collector takes that nobody configured otherwise.
const MAX: usize = 1_000_000;

/// `code`: what it says of an event that it refuses; `numbered`: whether it says which.
struct Collector {
    code: u32,
    numbered: bool,
    ocsf: bool,
}

impl Vendor for Collector {
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String> {
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/services/collector/event") {
            return Err("no such endpoint".to_owned());
        }
        if request.header("authorization") != format!("Splunk {TOKEN}") {
            return Err("the header Authorization is wrong".to_owned());
        }
        if request.header("content-encoding") != "gzip" {
            return Err("it is not compressed".to_owned());
        }
        let mut text = String::new();
        GzDecoder::new(request.body.as_slice()).read_to_string(&mut text).map_err(|e| e.to_string())?;
        if text.len() > MAX {
            return Err(format!("{} bytes in one request", text.len()));
        }
        let mut taken = vec![];
        for (number, event) in serde_json::Deserializer::from_str(&text).into_iter::<Value>().enumerate() {
            let event = event.map_err(|e| format!("event {number}: {e}"))?;
            keys_are(&event, &["time", "source", "sourcetype", "event"], &["host", "index"])?;
            let time = event["time"].as_f64().ok_or("the time is no number")?;
            if !(1e9..1e10).contains(&time) {
                return Err(format!("the time is not in seconds: {time}"));
            }
            let told = if self.ocsf { &event["event"]["metadata"]["uid"] } else { &event["event"]["id"] };
            let id = told.as_str().or(event["event"]["id"].as_str()).ok_or("it has no id")?;
            if refused == Some(id) {
                let number =
                    if self.numbered { format!(",\"invalid-event-number\":{number}") } else { String::new() };
                // What stood before the bad one may be indexed, or not.
                let body = format!("{{\"text\":\"Invalid data format\",\"code\":{}{number}}}", self.code);
                let taken = if self.numbered { taken } else { vec![] };
                return Ok(Reply { status: 400, body, taken, ..Reply::default() });
            }
            taken.push(id.to_owned());
        }
        if taken.is_empty() {
            return Err("no data".to_owned());
        }
        Ok(Reply {
            status: 200,
            body: r#"{"text":"Success","code":0}"#.to_owned(),
            taken,
            ..Reply::default()
        })
    }

    fn failure(&self, status: u16, request: &Request) -> Reply {
        let body = match status {
            401 => format!(r#"{{"text":"Invalid token {}","code":4}}"#, request.header("authorization")),
            503 => r#"{"text":"Server is busy","code":9}"#.to_owned(),
            413 => "The request your client sent was too large.".to_owned(),
            _ => r#"{"text":"Too many requests","code":26}"#.to_owned(),
        };
        Reply::of(if status == 401 { 403 } else { status }, body)
    }
}

struct Hec {
    stub: Stub,
    format: &'static str,
}

impl Hec {
    fn with(wire: Wire, code: u32, numbered: bool, format: &'static str) -> Self {
        Self { stub: Stub::start(wire, Collector { code, numbered, ocsf: format == "ocsf" }), format }
    }
}

impl Peer for Hec {
    fn start(wire: Wire) -> Self {
        Self::with(wire, 6, true, "native")
    }

    fn settings(&self) -> String {
        format!(
            "[splunk]\nurl = \"{}\"\ntoken = \"{}\"\nindex = \"security\"\nformat = \"{}\"\n[splunk.http]\n{}",
            self.stub.url(),
            self.stub.secret("token", TOKEN),
            self.format,
            self.stub.connection(),
        )
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    fn supports(_: &Fault) -> bool {
        true
    }

    by_stub!();
}

contract!(Hec);

#[test]
fn a_collector_that_does_not_say_which_event_is_bad_is_asked_in_halves() {
    let peer = Hec::with(Wire::Plain, 5, false, "native");
    let batch = samples::several(0..9);
    peer.inject(Some(Fault::Refused(batch[2].id.clone())));
    let receipts = send(&peer, &*sink(&peer), &batch);
    let refused: Vec<usize> = (0..9).filter(|at| matches!(receipts[*at], Receipt::Refused { .. })).collect();
    assert_eq!(refused, [2]);
    let mut expected: Vec<String> = batch.iter().map(|message| message.id.clone()).collect();
    expected.remove(2);
    assert_eq!(peer.taken(), expected, "in order all the same");
    assert!(peer.stub.requests() < 9, "{}", peer.stub.requests());
}

#[test]
fn a_wrong_index_is_no_fault_of_the_events() {
    let peer = Hec::with(Wire::Plain, 7, true, "native");
    let batch = samples::several(0..3);
    peer.inject(Some(Fault::Refused(batch[0].id.clone())));
    for receipt in send(&peer, &*sink(&peer), &batch) {
        assert!(matches!(receipt, Receipt::Paused { .. }), "{receipt:?}");
    }
}

#[test]
fn a_batch_beyond_the_limit_goes_in_several_requests() {
    let peer = Hec::with(Wire::Plain, 6, true, "native");
    let mut batch = samples::several(0..8);
    for message in &mut batch {
        let counterfoil::model::event::Notice::Events { events, .. } = &mut message.notice else { panic!() };
        events[0].finding.message = "x".repeat(300_000);
    }
    assert_eq!(send(&peer, &*sink(&peer), &batch), vec![Receipt::Taken; 8]);
    assert_eq!(peer.stub.requests(), 3);
    let counterfoil::model::event::Notice::Events { events, .. } = &mut batch[1].notice else { panic!() };
    events[0].finding.message = "x".repeat(MAX);
    let receipts = send(&peer, &*sink(&peer), &batch[..3]);
    let [Receipt::Taken, Receipt::Refused { reason }, Receipt::Taken] = receipts.as_slice() else {
        panic!("{receipts:?}")
    };
    assert!(reason.contains("1000000"), "{reason}");
}

#[test]
fn of_a_group_with_one_bad_event_nothing_is_said_to_be_taken() {
    let peer = Hec::start(Wire::Plain);
    let group = samples::group(12);
    peer.inject(Some(Fault::Refused(Hec::keys(&group).remove(3))));
    let batch = [samples::alone(samples::event(0)), group, samples::alone(samples::event(1))];
    let receipts = send(&peer, &*sink(&peer), &batch);
    assert!(
        matches!(receipts.as_slice(), [Receipt::Taken, Receipt::Refused { .. }, Receipt::Taken]),
        "{receipts:?}"
    );
}

#[test]
fn events_go_in_ocsf_where_that_is_asked_for() {
    let peer = Hec::with(Wire::Plain, 6, true, "ocsf");
    let batch =
        [samples::alone(samples::event(0)), samples::group(12), samples::digest(), samples::heartbeat()];
    assert_eq!(send(&peer, &*sink(&peer), &batch), vec![Receipt::Taken; 4]);
}
