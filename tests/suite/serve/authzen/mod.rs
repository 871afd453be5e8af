//! Decisions as AuthZEN asks for them.
//!
//! `certification.json` is the public scenario for certification (openid/authzen,
//! certification/authorization-api-1_0-scenario.md) as data: the levels Basic Core and Batch Core, each case by its number
//! there; Discovery is held below. Its policy is an estate here: what it permits is an approved grant, and what it denies a
//! grant that nobody approved. The levels called Properties are not claimed: they ask for a policy over properties, and a
//! grant has a scope and nothing more.

mod asking;

use counterfoil::model::Instant;
use counterfoil::model::life::{SourceState, Trouble};
use counterfoil::store::{Sqlite, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::life::{Bench, rules};
use super::Answer;
use super::access::{AUDITOR, DECIDER, House, OPERATOR, VIEWER, bearer};

const CASES: &str = include_str!("certification.json");

/// An estate in which Alice may read and write record-1, and Bob may read it and can write it.
fn records() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench = Bench::on(Box::new(store), rules(&["unapproved-grant"]));
    bench.put(
        "hr",
        json!({"type": "identity", "id": "bob@corp.example", "aliases": ["bob"],
                           "accounts": [{"system": "record-1", "account": "bob-admin"}]}),
    );
    for (id, who, right, end) in [
        ("R-1", "alice", "read", Value::Null),
        ("R-2", "alice", "write", Value::Null),
        ("R-3", "bob", "read", json!("2026-06-01T14:00:00Z")),
    ] {
        bench.put("tickets", json!({
            "type": "request", "source": "tickets", "id": id, "state": "approved", "beneficiaries": [who],
            "workflow": "manager-approval", "access": [{"system": "record-1", "entitlement": right}], "expires_at": end,
            "approvals": [{"approver": "boss", "decision": "approved", "decided_at": "2026-05-01T00:00:00Z"}],
        }));
    }
    for (account, right) in
        [("alice", "read"), ("alice", "write"), ("bob-admin", "read"), ("bob-admin", "write")]
    {
        bench.put(
            "iam",
            json!({"type": "grant", "system": "record-1", "account": account, "entitlement": right,
                                "granted_at": "2026-05-02T00:00:00Z"}),
        );
    }
    bench.pull();
    folder
}

const RECORDS: &str = "[decisions]\nenabled = true\nresource_types = [\"record\"]\n";

fn house(more: &str) -> House {
    House::with(records(), true, &format!("url = \"https://counterfoil.corp.example/\"\n{RECORDS}{more}"))
}

fn post(house: &House, path: &str, headers: &str, text: &str) -> Answer {
    // The answers are made by a thread of their own.
    for _ in 0..600 {
        let answer = house.ask("POST", path, headers, text);
        if answer.code != 503 || !answer.body.contains("still being read") {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("no decision is given");
}

fn ask(house: &House, body: &Value) -> Value {
    let headers = format!("{}content-type: application/json\r\n", bearer(DECIDER));
    let answer = post(house, "/access/v1/evaluation", &headers, &body.to_string());
    assert_eq!(answer.code, 200, "{body}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn question(who: &str, right: &str) -> Value {
    json!({"subject": {"type": "user", "id": who}, "action": {"name": right}, "resource": {"type": "record", "id": "record-1"}})
}

#[test]
fn it_passes_the_certification_of_the_levels_it_claims() {
    let house = house("");
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    for case in &cases {
        let kind = match case["content_type"].as_str() {
            None => "content-type: application/json\r\n".to_owned(),
            Some("") => String::new(),
            Some(kind) => format!("content-type: {kind}\r\n"),
        };
        let id = case["id"].as_str().unwrap();
        let headers = format!("{}{kind}x-request-id: request {id}\r\n", bearer(DECIDER));
        let text = case["raw"].as_str().map_or_else(|| case["body"].to_string(), str::to_owned);
        let answer = post(&house, case["path"].as_str().unwrap(), &headers, &text);
        assert_eq!(json!(answer.code), case["status"], "{id}: {answer:?}");
        assert!(answer.head.contains(&format!("x-request-id: request {id}")), "{id}: {}", answer.head);
        assert!(answer.head.contains("content-type: application/json"), "{id}: {}", answer.head);
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        if answer.code != 200 {
            assert!(said["error"].is_string() && said.get("decision").is_none(), "{id}: {said}");
            continue;
        }
        if let Some(decisions) = case["decisions"].as_array() {
            let all = said["evaluations"].as_array().unwrap();
            assert_eq!(all.len(), decisions.len(), "{id}");
            for (said, wanted) in all.iter().zip(decisions) {
                assert!(said["decision"].is_boolean() && said["context"].is_object(), "{id}: {said}");
                assert!(wanted.is_null() || said["decision"] == *wanted, "{id}: {said}");
            }
            assert!(said.get("decision").is_none());
        } else {
            assert_eq!(said["decision"], case["decision"], "{id}: {said}");
        }
    }
    assert!(!house.ask("POST", "/access/v1/evaluation", &bearer(DECIDER), "").head.contains("x-request-id"));
    // Discovery.
    let what = house.get("/.well-known/authzen-configuration", "");
    assert_eq!(what.code, 200);
    let what: Value = serde_json::from_str(&what.body).unwrap();
    assert_eq!(
        what,
        json!({
            "policy_decision_point": "https://counterfoil.corp.example",
            "access_evaluation_endpoint": "https://counterfoil.corp.example/access/v1/evaluation",
            "access_evaluations_endpoint": "https://counterfoil.corp.example/access/v1/evaluations",
        })
    );
}

#[test]
fn an_answer_says_why_by_which_request_and_as_of_when() {
    let house = house("");
    let yes = ask(&house, &question("bob", "read"));
    assert_eq!(
        yes,
        json!({"decision": true, "context": {
            "reason": "approved",
            "reason_admin": {"en": "the grant is there and is justified now"},
            "reason_user": {"en": "You may go on."},
            "standing": "approved",
            "approval": {"source": "tickets", "id": "R-3", "decided_at": "2026-05-01T00:00:00Z", "until": "2026-06-01T14:00:00Z"},
            "as_of": "2026-06-01T13:00:00Z",
            "run": 1,
            "data_age_seconds": 3600,
        }})
    );
    let no = ask(&house, &question("bob", "write"));
    assert_eq!(
        (&no["context"]["standing"], &no["context"]["reason"]),
        (&json!("unapproved"), &json!("unapproved"))
    );
    for (who, right, reason) in [("bob", "delete", "no-such-grant"), ("stranger", "read", "no-such-grant")] {
        let no = ask(&house, &question(who, right));
        assert_eq!((&no["decision"], &no["context"]["reason"]), (&json!(false), &json!(reason)));
    }
    // The account and not the person, a person by the whole id, another type, another scope.
    let with = |part: &str, value: Value| {
        let mut asked = question("bob", "read");
        asked[part] = value;
        ask(&house, &asked)
    };
    assert_eq!(with("subject", json!({"type": "account", "id": "BOB-admin"}))["decision"], true);
    assert_eq!(with("subject", json!({"type": "account", "id": "bob"}))["decision"], false);
    assert_eq!(with("subject", json!({"type": "agent", "id": "bob@corp.example"}))["decision"], true);
    assert_eq!(with("subject", json!({"type": "robot", "id": "bob"}))["context"]["reason"], "not-understood");
    assert_eq!(
        with("resource", json!({"type": "system", "id": "record-1"}))["context"]["reason"],
        "not-understood"
    );
    let scoped = json!({"type": "record", "id": "record-1", "properties": {"scope": "eu"}});
    assert_eq!(with("resource", scoped)["context"]["reason"], "no-such-grant");
    let wrong = json!({"type": "record", "id": "record-1", "properties": {"scope": 7}});
    assert_eq!(with("resource", wrong)["context"]["reason"], "not-understood");
}

#[test]
fn several_end_where_their_semantic_says() {
    let house = house("");
    let headers = format!("{}content-type: application/json\r\n", bearer(DECIDER));
    let ask = |semantic: &str| {
        let body = json!({
            "subject": {"type": "user", "id": "bob"}, "resource": {"type": "record", "id": "record-1"},
            "evaluations": [{"action": {"name": "write"}}, {"action": {"name": "read"}}, {"action": {"name": "read"}}],
            "options": {"evaluations_semantic": semantic},
        });
        let answer = post(&house, "/access/v1/evaluations", &headers, &body.to_string());
        if answer.code != 200 {
            return vec![];
        }
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        said["evaluations"].as_array().unwrap().iter().map(|e| e["decision"].as_bool().unwrap()).collect()
    };
    assert_eq!(ask("execute_all"), [false, true, true]);
    assert_eq!(ask("deny_on_first_deny"), [false]);
    assert_eq!(ask("permit_on_first_permit"), [false, true]);
    assert_eq!(ask("another"), [false; 0]);
}

#[test]
fn only_who_decides_may_ask_and_nobody_where_it_is_off() {
    let house = house("");
    let text = question("alice", "read").to_string();
    for (token, code) in [("", 401), (VIEWER, 403), (OPERATOR, 403), (AUDITOR, 403), (DECIDER, 200)] {
        let headers = format!("{}content-type: application/json\r\n", bearer(token));
        assert_eq!(post(&house, "/access/v1/evaluation", &headers, &text).code, code, "{token}");
    }
    let off = House::new(true);
    let headers = format!("{}content-type: application/json\r\n", bearer(DECIDER));
    assert_eq!(off.ask("POST", "/access/v1/evaluation", &headers, &text).code, 404);
    assert_eq!(off.get("/.well-known/authzen-configuration", "").code, 404);
    let small = House::with(records(), true, &format!("{RECORDS}max_grants = 3\n"));
    let answer = post(&small, "/access/v1/evaluation", &headers, &text);
    assert_eq!(answer.code, 503);
    assert!(answer.body.contains("4 grants") && answer.head.contains("retry-after"), "{answer:?}");
}

#[test]
fn nothing_is_permitted_on_what_is_not_fresh() {
    let mut house = house("");
    assert_eq!(ask(&house, &question("alice", "read"))["decision"], true);
    let sound: Vec<SourceState> = house.store.sources().unwrap();
    let long_ago = Instant::parse("2026-05-31T13:00:00Z").unwrap();
    for source in ["hr", "tickets", "iam"] {
        let state = sound.iter().find(|s| s.id == source).unwrap().clone();
        for (bad, why) in [
            (SourceState { complete: false, ..state.clone() }, "incomplete"),
            (SourceState { taken_at: Some(long_ago), ..state.clone() }, "older than"),
            (
                SourceState { trouble: Some(Trouble::Failed { reason: "x".into() }), ..state.clone() },
                "failed",
            ),
            (
                SourceState {
                    trouble: Some(Trouble::Held { run: 2, before: 4, now: 1, reason: "x".into() }),
                    ..state.clone()
                },
                "held",
            ),
        ] {
            house.store.save_source(&bad).unwrap();
            house.renew(false);
            let no = wait_for(&house, &question("alice", "read"), |said| {
                said["context"]["reason_admin"]["en"].as_str().unwrap().contains(why)
            });
            assert_eq!(no["decision"], false);
            assert_eq!(no["context"]["reason"], "not-fresh", "{source} {why}: {no}");
            assert!(no["context"]["reason_admin"]["en"].as_str().unwrap().contains(why), "{no}");
            assert_eq!(no["context"]["approval"]["id"], "R-1", "what would justify it is said all the same");
            // What is wrong stays wrong.
            assert_eq!(ask(&house, &question("bob", "write"))["context"]["reason"], "unapproved");
        }
        house.store.save_source(&state).unwrap();
        house.renew(false);
        wait_for(&house, &question("alice", "read"), |said| said["decision"] == true);
    }
}

/// Asks until the answer is this one: the sources are looked at by another thread.
fn wait_for(house: &House, asked: &Value, done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let said = ask(house, asked);
        if done(&said) {
            return said;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the answer stays as it was");
}

#[test]
fn a_run_that_changed_something_is_answered_from() {
    let folder = records();
    let path = folder.path().join("s.db");
    let house = House::with(folder, true, RECORDS);
    let headers = format!("{}content-type: application/json\r\n", bearer(DECIDER));
    post(&house, "/access/v1/evaluation", &headers, &question("alice", "read").to_string());
    let mut bench = Bench::on(Box::new(Sqlite::open(&path).unwrap()), rules(&["unapproved-grant"]));
    bench.put("hr", json!({"type": "identity", "id": "bob@corp.example", "aliases": ["bob"]}));
    bench.put("iam", json!({"type": "grant", "system": "record-1", "account": "bob", "entitlement": "read"}));
    bench.now = Instant::parse("2026-06-01T12:30:00Z").unwrap();
    bench.engine.set_rules(super::super::life::unguarded(&["unapproved-grant"]));
    bench.pull();
    house.renew(true);
    let no = wait_for(&house, &question("alice", "read"), |said| said["decision"] == false);
    assert_eq!(no["context"]["reason"], "no-such-grant");
    assert_eq!(no["context"]["run"], 2);
}
