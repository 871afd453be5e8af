//! The description of what programs can ask for: everything is described, what is described is there, and what comes is as it
//! was described, whatever is sent.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use counterfoil::evidence::{Proof, Signer, Verifier, seal};
use counterfoil::model::Instant;
use counterfoil::serve::Readiness;
use counterfoil::store::{Sqlite, Store};
use serde_json::{Value, json};

use super::super::servers::{put_secret, python};
use super::access::{AUDITOR, DECIDER, House, OPERATOR, VIEWER, bearer, small_company};

const ALL: &str = "everything-everything-everything";

/// A house with a token that may do everything.
fn house() -> House {
    let folder = small_company();
    put_secret(&folder.path().join("all"), ALL);
    let more = "[decisions]\nenabled = true\n[[token]]\nname = \"all@corp.example\"\nsecret = \"file:all\"\n\
                roles = [\"viewer\", \"operator\", \"auditor\", \"decider\"]\n";
    House::with(folder, true, more)
}

fn document(house: &House) -> Value {
    let answer = house.get("/openapi.json", "");
    assert_eq!(answer.code, 200);
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn what_is_described_is_there_and_needs_what_it_says() {
    let house = house();
    let document = document(&house);
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    let mut paths = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            paths += 1;
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
            assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{path}");
            let own = path.replace("{id}", "x");
            let kind = "content-type: application/json\r\n";
            let ask = |token: &str| {
                house.ask(&method.to_uppercase(), &own, &format!("{}{kind}", bearer(token)), "{}").code
            };
            let open = operation["security"].as_array().unwrap().is_empty();
            assert_eq!(ask("") == 401, !open, "{path}");
            // What is said of the roles is so.
            let says = operation["description"].as_str().unwrap_or_default().to_owned();
            for (role, token) in
                [("viewer", VIEWER), ("operator", OPERATOR), ("auditor", AUDITOR), ("decider", DECIDER)]
            {
                assert_eq!(ask(token) != 403, open || says.contains(role), "{method} {path} {role}: {says}");
            }
            let code = ask(ALL);
            assert!(code != 405, "{method} {path}");
        }
    }
    assert!(paths >= 15, "{paths}");
    // Every reference leads somewhere.
    let text = document.to_string();
    for at in text.match_indices("\"$ref\":\"").map(|(at, word)| at + word.len()) {
        let to = text[at..].split('"').next().unwrap();
        assert!(document.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
    }
}

#[test]
fn no_route_for_programs_is_put_down_without_its_description() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else if std::fs::read_to_string(&path).unwrap().contains(".route(") {
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let mut found = vec![];
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve"), &mut found);
    found.retain(|path| !path.contains("/serve/pages/"));
    let own: Vec<_> = found.iter().map(|path| path.split("/serve/").nth(1).unwrap()).collect();
    // The one that puts both down, and the address of the description itself.
    assert_eq!(own.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&"openapi/mod.rs", &"routes.rs"]));
    let routes = include_str!("../../../src/serve/routes.rs");
    assert_eq!(routes.matches(".route(").count(), 1);
}

#[test]
fn grants_events_and_numbers_are_told() {
    let house = house();
    let ask = |path: &str| -> Value {
        let answer = house.get(path, VIEWER);
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    };
    let all = ask("/api/v1/grants");
    assert_eq!((all["grants"].as_array().unwrap().len(), &all["next"]), (3, &Value::Null));
    let (mut after, mut seen) = (json!(0), vec![]);
    while let Some(place) = after.as_u64() {
        let page = ask(&format!("/api/v1/grants?limit=1&after={place}"));
        seen.extend(page["grants"].as_array().unwrap().clone());
        after = page["next"].clone();
    }
    assert_eq!(&json!(seen), &all["grants"]);
    let one =
        ask("/api/v1/grants?account=alice&system=vpn&standing=unapproved&standing=revoked&entitlement=use");
    assert_eq!(one["grants"][0]["subject"], "alice@corp.example");
    assert_eq!(ask("/api/v1/grants?standing=approved")["grants"], json!([]));
    assert_eq!(house.get("/api/v1/grants?standing=bad", VIEWER).code, 400);
    assert_eq!(house.get("/api/v1/grants?sytem=vpn", VIEWER).code, 400);
    let id =
        ask("/api/v1/findings?account=alice")["findings"][0]["finding"]["id"].as_str().unwrap().to_owned();
    let events = ask(&format!("/api/v1/findings/{id}/events"));
    assert_eq!(events["events"][0]["activity"], "create", "{events}");
    assert_eq!(house.get("/api/v1/findings/f1:none/events", VIEWER).code, 404);
    let overview = ask("/api/v1/overview");
    assert_eq!(overview["grants"]["by_verdict"], json!({"unjustified": 3}), "{overview}");
    assert_eq!(
        overview["findings"]["open"]["high"].as_u64().unwrap()
            + overview["findings"]["open"]
                .as_object()
                .unwrap()
                .iter()
                .filter(|(k, _)| *k != "high")
                .map(|(_, v)| v.as_u64().unwrap())
                .sum::<u64>(),
        4
    );
    assert_eq!(overview["trend"][0]["events"]["create"], 4);
    assert_eq!(ask("/api/v1/checks")["checks"].as_array().unwrap().len(), 38);
    assert!(ask("/api/v1/controls")["frameworks"].is_array());
    assert_eq!(ask("/api/v1/exceptions")["total"], 0);
    let wanted = json!({"until": "2026-06-10T00:00:00Z", "reason": "x"}).to_string();
    let kind = format!("{}content-type: application/json\r\n", bearer(OPERATOR));
    assert_eq!(house.ask("POST", &format!("/api/v1/findings/{id}/accept"), &kind, &wanted).code, 200);
    assert_eq!(ask("/api/v1/exceptions")["exceptions"][0]["by"], "operator@corp.example");
}

/// Schemathesis makes requests of the description, right ones and wrong ones, and holds the answers against it.
#[test]
fn whatever_is_sent_is_answered_as_described() {
    let Some(programs) = python("schemathesis", &["schemathesis==4.32.5"]) else { return };
    let house = house();
    house.status.set_readiness(Readiness::new([]));
    let examples = std::env::var("COUNTERFOIL_EXAMPLES").unwrap_or_else(|_| "25".to_owned());
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,unsupported_method";
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(programs.join("schemathesis"))
        .args(["run", &format!("http://{}/openapi.json", house.address), "--checks", checks])
        .args([
            "-H",
            &format!("Authorization: Bearer {ALL}"),
            "--max-examples",
            &examples,
            "--seed",
            "1",
            "--no-color",
        ])
        .args(["--generation-database", "none"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
}

/// The examples are of an invented company, as a server answered them; what is described moves on, and they have to go with it.
#[test]
fn every_answer_and_every_body_has_an_example_that_is_as_described() {
    let Some(programs) = python("schemathesis", &["schemathesis==4.32.5"]) else { return };
    let (house, folder) = (house(), tempfile::tempdir().unwrap());
    let hold = |document: &Value| {
        let file = folder.path().join("openapi.json");
        std::fs::write(&file, document.to_string()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/serve/examples.py");
        let run = Command::new(programs.join("python")).arg(script).arg(file).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    let mut document = document(&house);
    assert_eq!(hold(&document), "");
    let answer = |path: &str| format!("/paths/~1api~1v1~1{path}/get/responses/200/content/application~1json");
    document.pointer_mut(&answer("people")).unwrap()["example"]["people"][0]["count"] = json!("many");
    document.pointer_mut(&answer("runs")).unwrap().as_object_mut().unwrap().remove("example");
    let said = hold(&document);
    assert!(
        said.contains("people.answer: ['people', 0, 'count']") && said.contains("runs.answer: no example"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn evidence_is_given_to_auditors() {
    let house = house();
    for (path, kind) in [
        ("/api/v1/report", "text/html"),
        ("/api/v1/report?format=oscal&as_of=2026-06-01T12:30:00Z", "application/json"),
    ] {
        assert_eq!(house.get(path, VIEWER).code, 403);
        let answer = house.get(path, AUDITOR);
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{}", answer.head);
        assert!(answer.head.contains("content-disposition: attachment"), "{}", answer.head);
        assert!(answer.body.contains("vpn"), "{}", answer.body);
    }
    for (query, code) in [
        ("format=pdf", 400),
        ("as_of=2027-01-01T00:00:00Z", 400),
        ("as_of=soon", 400),
        ("as_of=2026-06-01T12:30:00Z&from=2026-06-01T12:40:00Z", 400),
        ("as_of=2020-01-01T00:00:00Z", 404),
        ("at=2026-06-01T12:30:00Z", 400),
    ] {
        assert_eq!(house.get(&format!("/api/v1/report?{query}"), AUDITOR).code, code, "{query}");
    }
    // Nothing has made a checkpoint in this store.
    assert_eq!(house.get("/api/v1/evidence/checkpoint", AUDITOR).code, 404);
    for (entry, code) in [("run:1", 404), ("run:x", 400), ("0", 404), ("e1:none", 404)] {
        assert_eq!(house.get(&format!("/api/v1/evidence/entries/{entry}"), AUDITOR).code, code, "{entry}");
    }
}

#[test]
fn an_entry_comes_with_a_proof_that_holds() {
    let folder = small_company();
    let (signer, verifier) = key();
    let mut store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let now = Instant::parse("2026-06-01T12:30:00Z").unwrap();
    let made = store.checkpoint(now, &mut |size, root| {
        let (_, note) = seal(size, root, Some(&signer)).map_err(|e| e.to_string())?;
        Ok((note, vec![]))
    });
    assert!(made.unwrap().is_some());
    let house = House::on(folder, true);
    let note = house.get("/api/v1/evidence/checkpoint", AUDITOR);
    assert!(note.code == 200 && note.body.starts_with("log.example\n"), "{note:?}");
    let said: Value =
        serde_json::from_str(&house.get("/api/v1/evidence/entries/run:1", AUDITOR).body).unwrap();
    let proof = Proof::parse(said["proof"].as_str().unwrap()).unwrap();
    let proven =
        proof.check(said["entry"].as_str().unwrap().as_bytes(), std::slice::from_ref(&verifier)).unwrap();
    assert_eq!(said["index"], proven.index);
    assert!(proof.check(b"{}", &[verifier]).is_err());
    let events: Value =
        serde_json::from_str(&house.get("/api/v1/findings?account=alice", VIEWER).body).unwrap();
    let id = events["findings"][0]["finding"]["id"].as_str().unwrap().to_owned();
    let events: Value =
        serde_json::from_str(&house.get(&format!("/api/v1/findings/{id}/events"), VIEWER).body).unwrap();
    let event = events["events"][0]["id"].as_str().unwrap();
    assert_eq!(house.get(&format!("/api/v1/evidence/entries/{event}"), AUDITOR).code, 200);
}

fn key() -> (Signer, Verifier) {
    let (signer, _) = Signer::generate("log.example").unwrap();
    let verifier = signer.verifier().clone();
    (signer, verifier)
}
