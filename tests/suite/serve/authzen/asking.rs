//! Where denied access can be asked for, and what to do after an approval: Draft 1 of the Access Request and Approval Profile.
//!
//! `access-request.json` holds the examples of the draft (openid/authzen, commit 7327cb1 of 3 June 2026, appendix *Examples*) that
//! a decision point sends or is sent. Their dates are moved into the time of the test, and nothing else.

use std::path::Path;

use counterfoil::evidence::Signer;
use counterfoil::model::Instant;
use counterfoil::serve::Serve;
use counterfoil::store::{Sqlite, Store};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::super::life::{Bench, rules, unguarded};
use super::super::super::servers::put_secret;
use super::super::access::{House, VIEWER};
use super::{RECORDS, ask, post, question, records, wait_for};

const DRAFT: &str = include_str!("access-request.json");

/// An example of the draft.
fn draft(name: &str) -> Value {
    let moved = [
        ("2026-04-30T20:15:00Z", "2026-06-01T13:00:00Z"),
        ("2026-04-30T20:25:00Z", "2026-06-01T13:10:00Z"),
        ("2026-04-30T20:42:00Z", "2026-06-01T12:10:00Z"),
        ("2026-05-01T00:42:00Z", "2026-06-01T16:42:00Z"),
    ];
    let text = moved.iter().fold(DRAFT.to_owned(), |text, (from, to)| text.replace(from, to));
    serde_json::from_str::<Value>(&text).unwrap()[name].clone()
}

/// A key for what is denied there.
fn key(folder: &Path) {
    let (_, text) = Signer::generate("pdp.example.com").unwrap();
    put_secret(&folder.join("request.key"), &text);
}

const PART: &str = "[decisions.access_request]\nendpoint = \"https://pdp.example.com/access/v1/requests\"\nkey = \"file:request.key\"\n";

fn house(more: &str) -> House {
    let folder = records();
    key(folder.path());
    House::with(folder, true, &format!("url = \"https://counterfoil.corp.example/\"\n{RECORDS}{PART}{more}"))
}

/// The claims of a token, believed by the keys that are told.
fn claims(house: &House, audience: &str, token: &Value) -> Value {
    let keys = house.get("/access/v1/jwks", "");
    assert!(keys.code == 200 && keys.head.contains("cache-control: public, max-age=300"), "{keys:?}");
    let keys: JwkSet = serde_json::from_str(&keys.body).unwrap();
    let token = token.as_str().unwrap();
    let head = decode_header(token).unwrap();
    assert_eq!(head.alg, Algorithm::EdDSA);
    let key = DecodingKey::from_jwk(keys.find(&head.kid.unwrap()).unwrap()).unwrap();
    let mut wanted = Validation::new(Algorithm::EdDSA);
    wanted.set_audience(&[audience]);
    // The clock of the test is not that of the machine.
    wanted.validate_exp = false;
    let mut forged = token.to_owned();
    forged.replace_range(60..61, if &token[60..61] == "A" { "B" } else { "A" });
    assert!(decode::<Value>(&forged, &key, &wanted).is_err());
    decode::<Value>(token, &key, &wanted).unwrap().claims
}

fn draft_estate() -> (TempDir, Bench) {
    let folder = tempfile::tempdir().unwrap();
    key(folder.path());
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench = Bench::on(Box::new(store), rules(&["unapproved-grant"]));
    bench.put("hr", json!({"type": "identity", "id": "alice@example.com", "accounts": [{"system": "q4-plan", "account": "alice"}]}));
    for system in ["q4-plan", "crm.search_accounts"] {
        bench.put("iam", json!({"type": "system", "id": system}));
        bench.put(
            "iam",
            json!({"type": "grant", "system": system, "account": "boss", "entitlement": "can_read"}),
        );
    }
    bench.pull();
    (folder, bench)
}

#[test]
fn the_examples_of_the_draft_are_sent_and_answered() {
    let (folder, mut bench) = draft_estate();
    let way = "[[decisions.access_request.way]]\nsystems = [\"Q4-Plan\"]\ntemplate = \"manager_approval\"\n\
               form_url = \"https://requests.example.com/forms/manager_approval\"\n\
               request_schema_url = \"https://requests.example.com/schemas/manager_approval.json\"\n\
               request_catalogs_url = \"https://requests.example.com/catalogs/manager_approval.json\"\n\
               [[decisions.access_request.way]]\ntemplate = \"agent_tool_class_approval\"\n";
    let own = "url = \"https://pdp.example.com\"\n[decisions]\nenabled = true\nresource_types = [\"document\", \"tool\"]\n";
    let house = House::with(folder, true, &format!("{own}{PART}{way}"));
    let what: Value =
        serde_json::from_str(&house.get("/.well-known/authzen-configuration", "").body).unwrap();
    assert_eq!(what, draft("metadata"));

    let (no, wanted) = (ask(&house, &draft("evaluation")), draft("denial"));
    assert_eq!(
        (&no["decision"], &no["context"]["evaluated_at"]),
        (&json!(false), &wanted["context"]["evaluated_at"])
    );
    let mut offer = no["context"]["access_request"].clone();
    let claims = claims(&house, "https://pdp.example.com/access/v1/requests", &offer["binding_token"]);
    offer["binding_token"] = wanted["context"]["access_request"]["binding_token"].clone();
    assert_eq!(offer, wanted["context"]["access_request"], "to the last member");
    let id = &no["context"]["evaluation_id"];
    assert!(id.as_str().unwrap().starts_with("eval_"));
    let asked = draft("evaluation");
    assert_eq!(
        claims,
        json!({
            "iss": "https://pdp.example.com", "aud": "https://pdp.example.com/access/v1/requests", "jti": id, "evaluation_id": id,
            "iat": 1_780_318_800, "exp": 1_780_319_400, "denial_expires_at": "2026-06-01T13:10:00Z", "binding_context_members": [],
            "subject": asked["subject"], "action": asked["action"], "resource": asked["resource"],
        })
    );
    assert_ne!(ask(&house, &asked)["context"]["evaluation_id"], *id, "each is called something else");

    // The agent, who acts for Alice, and by the next way; who acts may be said in another place when it asks.
    let agent = ask(&house, &draft("agent"));
    let offer = &agent["context"]["access_request"];
    assert_eq!(offer["template"], "agent_tool_class_approval");
    let of_agent =
        self::claims(&house, "https://pdp.example.com/access/v1/requests", &offer["binding_token"]);
    assert_eq!(of_agent["subject"], json!({"type": "user", "id": "alice@example.com", "properties": {}}));

    // Before the tickets are read again the approval is not known; what to do is to wait.
    let waits = ask(&house, &draft("reevaluation"));
    assert_eq!(waits["context"]["next_action"], "retry", "{waits}");
    assert_eq!(
        (&waits["context"]["reason"], &waits["context"]["retry_after"]),
        (&json!("approval_unverifiable"), &json!(60))
    );
    assert!(waits["context"].get("access_request").is_none());

    let approval = draft("reevaluation")["context"]["approval"].clone();
    bench.put("tickets", json!({
        "type": "request", "source": "tickets", "id": approval["id"], "state": "approved", "beneficiaries": ["alice@example.com"],
        "access": [{"system": "q4-plan", "entitlement": "can_read"}], "expires_at": approval["approved_until"],
        "approvals": [{"approver": "boss", "decision": "approved", "decided_at": approval["approved_at"]}],
    }));
    bench.now = Instant::parse("2026-06-01T12:30:00Z").unwrap();
    bench.engine.set_rules(unguarded(&["unapproved-grant"]));
    bench.pull();
    house.renew(true);
    // Approved, and nobody has given it yet.
    let waits =
        wait_for(&house, &draft("reevaluation"), |said| said["context"]["reason"] != "approval_unverifiable");
    assert_eq!(
        (&waits["context"]["reason"], &waits["context"]["next_action"]),
        (&json!("no-such-grant"), &json!("retry"))
    );
    bench.put(
        "iam",
        json!({"type": "grant", "system": "q4-plan", "account": "alice", "entitlement": "can_read",
                            "granted_at": "2026-06-01T12:20:00Z"}),
    );
    bench.now = Instant::parse("2026-06-01T12:40:00Z").unwrap();
    bench.pull();
    house.renew(true);
    let yes = wait_for(&house, &draft("reevaluation"), |said| said["decision"] == true);
    let (told, wanted) = (&yes["context"]["approval"], &draft("permit")["context"]["approval"]);
    assert_eq!((&told["id"], &told["approved_until"]), (&wanted["id"], &wanted["approved_until"]), "{yes}");
    assert_eq!(told["approved_at"], approval["approved_at"]);
    assert!(yes["context"].get("next_action").is_none() && yes["context"].get("access_request").is_none());
}

#[test]
fn only_what_could_be_approved_can_be_asked_for() {
    let mut house = house("");
    let offer = |house: &House, asked: &Value| ask(house, asked)["context"].get("access_request").cloned();
    let bob = offer(&house, &question("bob", "write")).unwrap();
    assert_eq!(bob["template"], "manager-approval", "the path that all requests for it went through");
    assert!(bob.get("endpoint").is_none() && bob.get("form_url").is_none());
    assert!(offer(&house, &question("bob", "delete")).is_some());
    assert!(offer(&house, &question("alice", "read")).is_none());
    let with = |part: &str, value: Value| {
        let mut asked = question("bob", "write");
        asked[part] = value;
        asked
    };
    for (asked, why) in [
        (with("subject", json!({"type": "robot", "id": "bob"})), "not understood"),
        (with("resource", json!({"type": "record", "id": "record-2"})), "a system that nobody knows"),
        (with("action", json!({"name": "x".repeat(5000)})), "too long to be signed"),
    ] {
        let no = ask(&house, &asked);
        assert!(no["decision"] == false && no["context"].get("access_request").is_none(), "{why}: {no}");
        assert!(no["context"]["evaluation_id"].is_string());
    }
    // A permit holds no longer than what it rests on is fresh.
    let yes = ask(&house, &question("alice", "read"));
    assert_eq!(yes["context"]["approval"]["until"], Value::Null);
    assert!(yes["context"]["approval"]["approved_until"].is_string(), "{yes}");
    let sound = house.store.sources().unwrap();
    let state = sound.iter().find(|s| s.id == "tickets").unwrap().clone();
    house.store.save_source(&counterfoil::model::life::SourceState { complete: false, ..state }).unwrap();
    house.renew(false);
    let no = wait_for(&house, &question("alice", "read"), |said| said["decision"] == false);
    assert!(no["context"].get("access_request").is_none());
    let no = ask(&house, &question("bob", "write"));
    assert_eq!(no["context"]["reason"], "unapproved");
    assert!(no["context"].get("access_request").is_none(), "it may be approved where nobody looked: {no}");
}

#[test]
fn ways_are_by_system_and_by_source_and_what_none_fits_cannot_be_asked_for() {
    let way = |more: &str| format!("[[decisions.access_request.way]]\n{more}\n");
    let first = |more: &str| {
        let house = house(more);
        ask(&house, &question("bob@corp.example", "write"))["context"].get("access_request").cloned()
    };
    let form = "form_url = \"https://t.example/new?for={subject}&what={entitlement}\"\ntitle = \"Ask\"";
    let told = first(
        &(way("systems = [\"other\"]\ntemplate = \"a\"") + &way(&format!("source = \"tickets\"\n{form}"))),
    )
    .unwrap();
    assert_eq!(told["form_url"], "https://t.example/new?for=bob%40corp%2Eexample&what=write");
    assert_eq!((&told["display"], &told["template"]), (&json!({"title": "Ask"}), &json!("manager-approval")));
    assert_eq!(first(&(way("systems = [\"other\"]") + &way("source = \"another\""))), None);
    let other = house(&way("endpoint = \"https://other.example/requests\"\naudience = \"other\""));
    let told = ask(&other, &question("bob", "write"))["context"]["access_request"].clone();
    assert_eq!(told["endpoint"], "https://other.example/requests");
    assert_eq!(claims(&other, "other", &told["binding_token"])["aud"], "other");
}

#[test]
fn keys_are_told_side_by_side_while_one_takes_the_place_of_another() {
    let (other, _) = Signer::generate("old.example").unwrap();
    let other = other.verifier().to_string();
    // What belongs to the part itself stands before its ways.
    let house = house(&format!("verifiers = [\"{other}\"]\n"));
    let keys: Value = serde_json::from_str(&house.get("/access/v1/jwks", "").body).unwrap();
    let ids: Vec<&str> =
        keys["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), ids[1]), (2, other.split('+').nth(1).unwrap()));
    let token = ask(&house, &question("bob", "write"))["context"]["access_request"]["binding_token"].clone();
    let head = decode_header(token.as_str().unwrap()).unwrap();
    assert_eq!(head.kid.as_deref(), Some(ids[0]), "it signs with its own");
}

#[test]
fn an_approval_that_is_shown_makes_no_yes_and_a_better_no() {
    let house = house("");
    let next = |asked: &Value, approval: Value| {
        let mut asked = asked.clone();
        asked["context"] = json!({ "approval": approval });
        let no = ask(&house, &asked);
        assert_eq!(no["decision"], false, "{no}");
        let c = &no["context"];
        assert_eq!(c.get("access_request").is_some(), c["next_action"] == "request", "{c}");
        assert_eq!(c.get("retry_after").is_some(), c["next_action"] == "retry", "{c}");
        (c["next_action"].as_str().unwrap().to_owned(), c["reason"].as_str().unwrap().to_owned())
    };
    let is = |(next, reason): (String, String)| format!("{next} {reason}");
    let write = question("bob", "write");
    for (approval, says) in [
        // Known, and about something else.
        (json!({"id": "R-3"}), "request out_of_scope"),
        (json!({"id": "tickets:R-1", "approved_until": "2026-06-02T00:00:00Z"}), "request out_of_scope"),
        (json!({"id": "R-3", "approved_until": "2026-06-01T12:59:59Z"}), "request approval_expired"),
        // Not known: since before the sources were read, or perhaps since.
        (json!({"id": "R-9", "approved_at": "2026-05-01T00:00:00Z"}), "none approval_unverifiable"),
        (json!({"id": "R-9", "approved_at": "2026-06-01T12:30:00Z"}), "retry approval_unverifiable"),
        (json!({"id": "hr:R-3", "approved_at": "2026-05-01T00:00:00Z"}), "none approval_unverifiable"),
        (json!({"id": "R-9"}), "retry approval_unverifiable"),
        (json!("R-3"), "none approval_unverifiable"),
        (json!({"id": ["R-3"]}), "none approval_unverifiable"),
    ] {
        assert_eq!(is(next(&write, approval.clone())), says, "{approval}");
    }
    assert_eq!(is(next(&question("bob", "delete"), json!({"id": "R-3"}))), "retry no-such-grant");
    let mut robot = write.clone();
    robot["subject"]["type"] = json!("robot");
    assert_eq!(is(next(&robot, json!({"id": "R-3"}))), "none not-understood");
    // Of several each has its own, or that of all.
    let headers = format!("{}content-type: application/json\r\n", super::bearer(super::DECIDER));
    let many = json!({
        "subject": write["subject"], "resource": write["resource"], "action": write["action"],
        "context": {"approval": {"id": "R-3"}}, "evaluations": [{}, {"context": {}}],
    });
    let said: Value =
        serde_json::from_str(&post(&house, "/access/v1/evaluations", &headers, &many.to_string()).body)
            .unwrap();
    let of = |n: usize| said["evaluations"][n]["context"].get("next_action").cloned();
    assert_eq!((of(0), of(1)), (Some(json!("request")), None));
}

#[test]
fn where_it_is_not_configured_nothing_of_it_is_said_and_what_cannot_be_meant_is_refused() {
    let off = super::house("");
    assert_eq!(off.get("/access/v1/jwks", "").code, 404);
    assert!(off.get("/access/v1/jwks", VIEWER).body.contains("[serve.decisions.access_request]"));
    let no = ask(&off, &question("bob", "write"));
    for member in ["access_request", "evaluation_id", "evaluated_at", "next_action"] {
        assert!(no["context"].get(member).is_none(), "{member}");
    }
    let serve: Serve =
        toml::from_str(&format!("url = \"http://counterfoil.corp.example\"\n{RECORDS}{PART}")).unwrap();
    let why = serve.check().unwrap_err().to_string();
    assert!(why.contains("[serve.decisions.access_request]: needs `url`"), "{why}");
}
