//! `_bulk`, as Elasticsearch documents it.

use std::collections::HashSet;
use std::sync::Mutex;

use counterfoil::sink::Receipt;
use serde_json::{Value, json};

use super::contract::{Fault, Peer, Wire, contract, send, sink};
use super::samples;
use super::stub::{Reply, Request, Stub, Vendor, by_stub, keys_are};

const KEY: &str = "Y2FuYXJ5OmNhbmFyeS1vZi1lbGFzdGljLWFwaS1rZXk=";

/// The first level of the schema, as far as a document may have it.
const FIELDS: [&str; 6] = ["labels", "rule", "service", "url", "user", "counterfoil"];

struct Cluster {
    authorization: String,
    /// The status of an item that it finds wrong.
    wrong: u16,
    there: Mutex<HashSet<String>>,
}

impl Vendor for Cluster {
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String> {
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/logs-counterfoil-default/_bulk") {
            return Err("no such endpoint".to_owned());
        }
        if request.header("authorization") != self.authorization {
            return Err(format!("the header Authorization is {}", request.header("authorization")));
        }
        if request.header("content-type") != "application/x-ndjson" {
            return Err("the media type is wrong".to_owned());
        }
        let body = std::str::from_utf8(&request.body).map_err(|e| e.to_string())?;
        let lines: Vec<&str> =
            body.strip_suffix('\n').ok_or("it does not end with a new line")?.split('\n').collect();
        let (mut items, mut taken) = (vec![], vec![]);
        for pair in lines.chunks(2) {
            let [action, source] = pair else { return Err("an action without a source".to_owned()) };
            let action: Value = serde_json::from_str(action).map_err(|e| e.to_string())?;
            let source: Value = serde_json::from_str(source).map_err(|e| e.to_string())?;
            keys_are(&action, &["create"], &[])?;
            keys_are(&action["create"], &["_id"], &[])?;
            keys_are(&source, &["@timestamp", "ecs", "event", "message"], &FIELDS)?;
            let id = action["create"]["_id"].as_str().ok_or("the id is no text")?.to_owned();
            if id.len() > 512 || source["event"]["id"] != json!(id) {
                return Err(format!("the id is {id}"));
            }
            let told = &source["event"];
            if told["kind"] == "alert" && (!told["severity"].is_u64() || !source["rule"]["name"].is_string())
            {
                return Err(format!("an alert without severity or rule: {source}"));
            }
            if source["labels"].as_object().is_some_and(|labels| labels.values().any(|l| !l.is_string())) {
                return Err(format!("labels are keywords: {}", source["labels"]));
            }
            let known = !self.there.lock().unwrap().insert(id.clone());
            let (status, error) = if refused == Some(id.as_str()) {
                self.there.lock().unwrap().remove(&id);
                let error = match self.wrong {
                    429 => {
                        json!({"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation"})
                    }
                    _ => {
                        json!({"type":"document_parsing_exception","reason":format!("failed to parse\n{KEY}")})
                    }
                };
                (self.wrong, Some(error))
            } else if known {
                (
                    409,
                    Some(
                        json!({"type":"version_conflict_engine_exception","reason":format!("[{id}]: version conflict, document already exists (current version [1])")}),
                    ),
                )
            } else {
                taken.push(id.clone());
                (201, None)
            };
            let mut item = json!({"_index":".ds-logs-counterfoil-default-000001","_id":id,"status":status});
            if let Some(error) = error {
                item["error"] = error;
            }
            items.push(json!({"create": item}));
        }
        let errors = items.iter().any(|item| item["create"]["status"] != 201);
        let body = json!({"took": 3, "errors": errors, "items": items}).to_string();
        Ok(Reply { status: 200, body, taken, ..Reply::default() })
    }

    fn failure(&self, status: u16, request: &Request) -> Reply {
        let (kind, reason) = match status {
            401 => (
                "security_exception",
                format!("unable to authenticate with {}", request.header("authorization")),
            ),
            413 => ("content_too_long_exception", "entity content is too long".to_owned()),
            429 => ("circuit_breaking_exception", "[parent] Data too large".to_owned()),
            _ => ("cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];".to_owned()),
        };
        let error = json!({"root_cause":[{"type":kind,"reason":reason}],"type":kind,"reason":reason});
        Reply::of(status, json!({"error": error, "status": status}).to_string())
    }
}

struct Elastic {
    stub: Stub,
    basic: bool,
}

impl Elastic {
    fn with(wire: Wire, basic: bool, wrong: u16) -> Self {
        // Base64 of `counterfoil:hunter-canary`.
        let authorization = if basic {
            "Basic Y291bnRlcmZvaWw6aHVudGVyLWNhbmFyeQ==".to_owned()
        } else {
            format!("ApiKey {KEY}")
        };
        Self { stub: Stub::start(wire, Cluster { authorization, wrong, there: Mutex::default() }), basic }
    }
}

impl Peer for Elastic {
    fn start(wire: Wire) -> Self {
        Self::with(wire, false, 400)
    }

    fn settings(&self) -> String {
        let (key, password) = (self.stub.secret("key", KEY), self.stub.secret("password", "hunter-canary"));
        let who = if self.basic {
            format!("user = \"counterfoil\"\npassword = \"{password}\"")
        } else {
            format!("api_key = \"{key}\"")
        };
        format!("[elastic]\nurl = \"{}\"\n{who}\n[elastic.http]\n{}", self.stub.url(), self.stub.connection())
    }

    fn secrets(&self) -> Vec<String> {
        [KEY, "hunter-canary", "Y291bnRlcmZvaWw6aHVudGVyLWNhbmFyeQ=="].map(str::to_owned).into()
    }

    fn supports(_: &Fault) -> bool {
        true
    }

    by_stub!();
}

contract!(Elastic);

#[test]
fn what_is_there_already_is_taken() {
    let peer = Elastic::start(Wire::Plain);
    let (sink, batch) = (sink(&peer), samples::several(0..4));
    assert_eq!(send(&peer, &*sink, &batch[..2]), vec![Receipt::Taken; 2]);
    assert_eq!(send(&peer, &*sink, &batch), vec![Receipt::Taken; 4]);
    assert_eq!(peer.taken().len(), 4, "each once");
}

#[test]
fn an_item_that_the_cluster_has_no_room_for_comes_later_alone() {
    let peer = Elastic::with(Wire::Plain, false, 429);
    let batch = samples::several(0..3);
    peer.inject(Some(Fault::Refused(batch[1].id.clone())));
    let receipts = send(&peer, &*sink(&peer), &batch);
    assert!(
        matches!(receipts.as_slice(), [Receipt::Taken, Receipt::Later { .. }, Receipt::Taken]),
        "{receipts:?}"
    );
}

#[test]
fn a_user_and_a_password_will_do() {
    let peer = Elastic::with(Wire::Plain, true, 400);
    assert_eq!(send(&peer, &*sink(&peer), &samples::several(0..2)), vec![Receipt::Taken; 2]);
    peer.inject(Some(Fault::Unauthorised));
    send(&peer, &*sink(&peer), &samples::several(0..2));
}
