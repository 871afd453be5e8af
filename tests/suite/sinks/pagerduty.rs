//! The Events API v2, as PagerDuty documents it.

use counterfoil::model::event::{Message, Notice, State};
use counterfoil::sink::{Audience, Receipt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

use super::contract::{Fault, Peer, Wire, contract, send, sink};
use super::samples;
use super::stub::{Reply, Request, Stub, Vendor, by_stub, keys_are};

const KEY: &str = "c0ffeecanary4000800000pagerduty0";

/// What it holds open, by key.
#[derive(Default)]
struct Alerts(Mutex<Vec<(String, Value)>>);

struct Api(Arc<Alerts>);

fn invalid(error: &str) -> Reply {
    let body = json!({"status":"invalid event","message":"Event object is invalid","errors":[error]});
    Reply::of(400, body.to_string())
}

fn payload(payload: &Value, alert: bool) -> Result<(), String> {
    let must: &[&str] = if alert { &["summary", "source", "severity"] } else { &["summary"] };
    let may: &[&str] = if alert {
        &["timestamp", "component", "group", "class", "custom_details"]
    } else {
        &["source", "timestamp", "custom_details"]
    };
    keys_are(payload, must, may)?;
    let summary = payload["summary"].as_str().ok_or("the summary is no text")?;
    if summary.is_empty() || summary.chars().count() > 1024 {
        return Err(format!("a summary of {} characters", summary.chars().count()));
    }
    if alert && !["critical", "error", "warning", "info"].iter().any(|s| payload["severity"] == *s) {
        return Err(format!("the severity is {}", payload["severity"]));
    }
    if payload["source"].as_str().is_some_and(str::is_empty) {
        return Err("the source is empty".to_owned());
    }
    Ok(())
}

impl Vendor for Api {
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String> {
        if request.method != "POST" || request.header("content-type") != "application/json" {
            return Err("no JSON is posted".to_owned());
        }
        if request.body.len() > 512 * 1024 {
            return Err(format!("{} bytes", request.body.len()));
        }
        let event = request.json()?;
        if event["routing_key"] != KEY {
            return Err("the routing key is another".to_owned());
        }
        let success = |body: Value, taken: String| {
            Ok(Reply { status: 202, body: body.to_string(), taken: vec![taken], ..Reply::default() })
        };
        if request.path == "/v2/change/enqueue" {
            keys_are(&event, &["routing_key", "payload"], &["links", "images"])?;
            payload(&event["payload"], false)?;
            let id = event["payload"]["custom_details"]["id"].as_str().unwrap_or_default().to_owned();
            return success(json!({"status":"success","message":"Change event processed"}), id);
        }
        if request.path != "/v2/enqueue" {
            return Err("no such endpoint".to_owned());
        }
        let key = event["dedup_key"].as_str().filter(|key| key.len() <= 255).ok_or("no key")?.to_owned();
        let mut open = self.0.0.lock().unwrap();
        match event["event_action"].as_str() {
            Some("trigger") => {
                keys_are(
                    &event,
                    &["routing_key", "event_action", "payload"],
                    &["dedup_key", "links", "images", "client", "client_url"],
                )?;
                payload(&event["payload"], true)?;
                for link in event["links"].as_array().into_iter().flatten() {
                    keys_are(link, &["href"], &["text"])?;
                }
                if refused == Some(key.as_str()) {
                    return Ok(invalid("'payload.timestamp' is invalid"));
                }
                open.retain(|(known, _)| *known != key);
                open.push((key.clone(), event));
            }
            Some("resolve") => {
                keys_are(&event, &["routing_key", "event_action", "dedup_key"], &[])?;
                open.retain(|(known, _)| *known != key);
            }
            other => return Err(format!("the action is {other:?}")),
        }
        success(json!({"status":"success","message":"Event processed","dedup_key":key}), key)
    }

    fn failure(&self, status: u16, request: &Request) -> Reply {
        match status {
            401 => invalid(&format!("Invalid routing key {}", request.json().unwrap()["routing_key"])),
            429 => Reply::of(429, json!({"status":"throttle exceeded","message":"Requests for this service are arriving too quickly."}).to_string()),
            _ => Reply::of(status, ""),
        }
    }
}

struct PagerDuty {
    stub: Stub,
    open: Arc<Alerts>,
}

impl PagerDuty {
    fn open(&self) -> Vec<(String, Value)> {
        self.open.0.lock().unwrap().clone()
    }
}

impl Peer for PagerDuty {
    fn start(wire: Wire) -> Self {
        let open = Arc::<Alerts>::default();
        Self { stub: Stub::start(wire, Api(open.clone())), open }
    }

    fn settings(&self) -> String {
        format!(
            "[pagerduty]\nurl = \"{}\"\nrouting_key = \"{}\"\n[pagerduty.http]\n{}",
            self.stub.url(),
            self.stub.secret("key", KEY),
            self.stub.connection(),
        )
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }

    fn supports(_: &Fault) -> bool {
        true
    }

    fn keys(message: &Message<'_>) -> Vec<String> {
        match &message.notice {
            Notice::Events { group: Some(group), .. } => vec![group.key.clone()],
            Notice::Events { events, .. } => {
                events.iter().map(|e| format!("{}:{}", e.finding.id, e.episode)).collect()
            }
            Notice::Digest(_) | Notice::Heartbeat(_) | Notice::Checkpoint(_) => vec![message.id.clone()],
        }
    }

    by_stub!();
}

contract!(PagerDuty);

#[test]
fn what_is_open_is_an_alert_and_nothing_else_is() {
    let peer = PagerDuty::start(Wire::Plain);
    let sink = sink(&peer);
    assert_eq!(sink.audience(), Audience::People);
    assert_eq!(sink.heartbeat_every().unwrap().to_string(), "P1D");
    send(&peer, &*sink, &samples::story());
    let open = peer.open();
    let third = &samples::event(2).finding.id;
    assert_eq!(open.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [format!("{third}:1")]);
    send(&peer, &*sink, &[samples::group(12), samples::digest(), samples::heartbeat()]);
    let open = peer.open();
    assert_eq!(open.len(), 2);
    let payload = &open[1].1["payload"];
    assert!(payload["summary"].as_str().unwrap().ends_with(": 12 open"), "{payload}");
    send(&peer, &*sink, &[samples::group(0)]);
    assert_eq!(peer.open().len(), 1);
}

#[test]
fn a_finding_that_comes_again_is_another_alert() {
    let peer = PagerDuty::start(Wire::Plain);
    let sink = sink(&peer);
    let first = samples::event(0);
    let mut again = samples::next(&first, State::Open);
    again.episode = 2;
    send(&peer, &*sink, &[samples::alone(first), samples::alone(again)]);
    assert_eq!(peer.open().len(), 2);
}

#[test]
fn what_is_refused_says_why() {
    let peer = PagerDuty::start(Wire::Plain);
    let batch = samples::several(0..1);
    peer.inject(Some(Fault::Refused(PagerDuty::keys(&batch[0]).remove(0))));
    let receipts = send(&peer, &*sink(&peer), &batch);
    let [Receipt::Refused { reason }] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert!(reason.contains("payload.timestamp"), "{reason}");
}
