//! What the pages show, as programs ask for it; the tables of an evidence pack as one file; and what is said to who asks
//! wrongly: one sentence that names what is wrong and what would be right.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::process::Command;

use counterfoil::model::Duration;
use counterfoil::model::event::State;
use counterfoil::store::{Sqlite, Store};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::life::{Bench, rules, unguarded};
use super::access::{AUDITOR, DECIDER, House, OPERATOR, VIEWER, bearer, small_company};

const JSON: &str = "content-type: application/json\r\n";

fn get(house: &House, path: &str) -> Value {
    let answer = house.get(path, VIEWER);
    assert_eq!(answer.code, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn finding(house: &House, of: &str) -> String {
    let all = get(house, &format!("/api/v1/findings?{of}"));
    all["findings"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn people_are_told_as_their_page_shows_them() {
    let house = House::new(true);
    let all = get(&house, "/api/v1/people");
    let groups = get(&house, "/api/v1/findings?group=owner");
    assert_eq!((&all["people"], &all["next"]), (&groups["groups"], &Value::Null));
    let people = all["people"].as_array().unwrap();
    assert!(!people.is_empty());
    let (mut seen, mut next) = (vec![], json!(0));
    while let Some(offset) = next.as_u64() {
        let page = get(&house, &format!("/api/v1/people?limit=1&offset={offset}"));
        assert!(page["people"].as_array().unwrap().len() <= 1);
        seen.extend(page["people"].as_array().unwrap().clone());
        next = page["next"].clone();
    }
    assert_eq!(&seen, people);
    assert_eq!(get(&house, "/api/v1/people?limit=0"), json!({"people": [], "next": null}));
    // What somebody holds, and what they answer for, as the findings say it.
    let alice = get(&house, "/api/v1/people/alice%40corp.example");
    let hers = get(&house, "/api/v1/findings?subject=alice%40corp.example");
    assert!(hers["total"].as_u64().unwrap() > 0);
    assert_eq!((&alice["name"], &alice["access"]["total"]), (&json!("alice@corp.example"), &hers["total"]));
    assert_eq!(alice["access"]["findings"], hers["findings"]);
    for person in people.iter().filter_map(|p| p["name"].as_str()) {
        let name = person.replace('@', "%40");
        let one = get(&house, &format!("/api/v1/people/{name}?limit=1"));
        let all = get(&house, &format!("/api/v1/findings?owner={name}"));
        assert_eq!(one["answers_for"]["total"], all["total"]);
        assert_eq!(one["answers_for"]["findings"].as_array().unwrap().len(), 1);
    }
    assert_eq!(get(&house, "/api/v1/people/a%2Fb")["answers_for"], json!({"total": 0, "findings": []}));
}

#[test]
fn the_chain_behind_a_finding_is_that_of_what_it_is_about() {
    let folder = small_company();
    let path = folder.path().join("s.db");
    let house = House::on(folder, true);
    let id = finding(&house, "account=alice&check=unapproved-grant");
    let chain = get(&house, &format!("/api/v1/findings/{id}/chain"));
    assert_eq!((&chain["schema"], &chain["about"]), (&json!("counterfoil.chain/1"), &json!("grant")));
    assert_eq!(chain, get(&house, "/api/v1/grants/chain?system=vpn&account=alice&entitlement=use"));
    assert_eq!(house.get("/api/v1/findings/f1:none/chain", VIEWER).code, 404);
    // Every finding there is has one.
    for told in get(&house, "/api/v1/findings")["findings"].as_array().unwrap() {
        let id = told["id"].as_str().unwrap();
        assert_eq!(get(&house, &format!("/api/v1/findings/{id}/chain"))["schema"], "counterfoil.chain/1");
    }
    let mut bench = Bench::on(Box::new(Sqlite::open(&path).unwrap()), unguarded(&["unapproved-grant"]));
    for _ in 0..4 {
        bench.now = bench.now.plus(Duration::hours(1));
        bench.pull();
    }
    let life = house.store.life(&id).unwrap().unwrap();
    assert_eq!(life.state, State::Resolved);
    let gone = house.get(&format!("/api/v1/findings/{id}/chain"), VIEWER);
    assert!(gone.code == 404 && gone.body.contains("is resolved"), "{gone:?}");
    let told = get(&house, &format!("/api/v1/findings/{id}"));
    assert_eq!(
        (&told["id"], &told["check"], &told["flapping"]),
        (&json!(id), &json!("unapproved-grant"), &json!(false))
    );
}

#[test]
fn checks_exceptions_and_the_last_run_are_told_as_the_pages_show_them() {
    let house = House::new(true);
    let checks = get(&house, "/api/v1/checks");
    let of = |name: &str| {
        checks["checks"].as_array().unwrap().iter().find(|c| c["name"] == name).cloned().unwrap()
    };
    for group in get(&house, "/api/v1/findings?group=check")["groups"].as_array().unwrap() {
        assert_eq!(of(group["name"].as_str().unwrap())["open"], group["count"]);
    }
    assert_eq!((&of("missing-owner")["open"], of("missing-owner")["controls"].is_array()), (&json!(0), true));
    assert_eq!(get(&house, "/api/v1/checks/unapproved-grant"), of("unapproved-grant"));
    let overview = get(&house, "/api/v1/overview");
    assert_eq!((&overview["last_run"]["run"], &overview["ready"]), (&json!(1), &json!(false)));
    assert!(overview["not_ready_because"][0].as_str().unwrap().contains("just started"));
    assert_eq!(overview["trend"][0]["as_of"], "2026-06-01T12:00:00Z");

    let headers = format!("{}{JSON}", bearer(OPERATOR));
    let accounts = [
        ("alice", "2026-06-20T00:00:00Z"),
        ("boss", "2026-06-10T00:00:00Z"),
        ("nobody", "2026-06-15T00:00:00Z"),
    ];
    for (account, until) in accounts {
        let id = finding(&house, &format!("account={account}&check=unapproved-grant"));
        let wanted = json!({"until": until, "reason": "because"}).to_string();
        assert_eq!(house.ask("POST", &format!("/api/v1/findings/{id}/accept"), &headers, &wanted).code, 200);
    }
    let all = get(&house, "/api/v1/exceptions");
    let of = |told: &Value, part: &str| -> Vec<String> {
        let all = told["exceptions"].as_array().unwrap();
        all.iter().map(|e| e[part].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (&all["total"], of(&all, "account")),
        (&json!(3), vec!["boss".into(), "nobody".into(), "alice".into()])
    );
    assert_eq!(of(&all, "state"), ["open", "open", "open"], "until the run that takes them in");
    let second = get(&house, "/api/v1/exceptions?limit=1&offset=1");
    assert_eq!(
        (&second["total"], &second["offset"], of(&second, "account")),
        (&json!(3), &json!(1), vec!["nobody".into()])
    );
}

#[test]
fn how_a_held_pull_differs_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench = Bench::on(Box::new(store), rules(&["unapproved-grant"]));
    for n in 0..100 {
        let account = format!("a{n}");
        bench.put("iam", json!({"type": "grant", "system": "vpn", "account": account, "entitlement": "use"}));
    }
    bench.pull();
    bench.held.get_mut("iam").unwrap().truncate(10);
    bench.now = bench.now.plus(Duration::hours(1));
    bench.pull();
    let house = House::on(folder, true);
    let sources = get(&house, "/api/v1/sources");
    let of =
        |id: &str| sources["sources"].as_array().unwrap().iter().find(|s| s["id"] == id).unwrap().clone();
    let iam = of("iam");
    assert_eq!(iam["state"], "held", "{iam}");
    let counts = json!({"before": 100, "now": 10, "added": 0, "removed": 90, "changed": 0});
    assert_eq!(iam["difference"]["grant"], counts, "{iam}");
    assert_eq!(of("hr")["difference"], Value::Null);
}

/// The files of a zip, by name, in their order.
fn unzipped(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|n| {
            let mut file = zip.by_index(n).unwrap();
            let mut bytes = vec![];
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

#[test]
fn the_tables_of_a_pack_come_as_one_file_and_are_those_of_the_command_line() {
    let house = House::on(small_company(), true);
    let path = "/api/v1/report?format=csv&as_of=2026-06-01T12:30:00Z";
    assert_eq!(house.get(path, VIEWER).code, 403);
    let answer = house.get(path, AUDITOR);
    assert_eq!(answer.code, 200, "{}", answer.head);
    for line in ["content-type: application/zip", "filename=\"counterfoil-2026-06-01t123000z.zip\""] {
        assert!(answer.head.contains(line), "{}", answer.head);
    }
    assert!(answer.head.contains(&format!("content-length: {}", answer.bytes.len())), "{}", answer.head);
    assert!(house.get(path, AUDITOR).bytes == answer.bytes, "the same bytes whenever it is asked for");
    let files = unzipped(&answer.bytes);
    // As the command line writes it.
    let folder = house.folder();
    std::fs::write(folder.join("counterfoil.toml"), "[store]\npath = \"s.db\"\n").unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(["report", "--format", "csv", "--as-of", "2026-06-01T12:30:00Z", "--out", "pack"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let written: BTreeMap<String, Vec<u8>> = std::fs::read_dir(folder.join("pack"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    assert_eq!(written.len(), 8);
    assert!(written == files.iter().cloned().collect(), "{:?}", written.keys());
    // Whoever unpacks it can tell that nothing was changed.
    let sums = String::from_utf8(written["SHA256SUMS"].clone()).unwrap();
    assert_eq!(sums.lines().count(), 7);
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let own: String = Sha256::digest(&written[name]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(sum, own, "{name}");
    }
}

#[test]
fn who_asks_wrongly_is_told_what_is_wrong_and_what_would_be_right() {
    let house = House::with(small_company(), true, "[decisions]\nenabled = true\n");
    let id = finding(&house, "account=alice");
    let accept = format!("/api/v1/findings/{id}/accept");
    let long = "x".repeat((1 << 20) + 1);
    let who = r#""subject":{"type":"user","id":"a"},"action":{"name":"x"}"#;
    let (a, o, d) = (AUDITOR, OPERATOR, DECIDER);
    let evaluation = "/access/v1/evaluation";
    let cases: &[(&str, &str, &str, String, u16, &str)] = &[
        (
            "GET",
            "/api/v1/findings?before=x",
            a,
            String::new(),
            400,
            "`before` = `x`: expected a time as RFC 3339",
        ),
        ("GET", "/api/v1/report?as_of=x", a, String::new(), 400, "`as_of` = `x`: expected a time"),
        ("GET", "/api/v1/report?from=2030-01-01T00:00:00Z", a, String::new(), 400, "`from` lies ahead"),
        ("GET", "/api/v1/report?format=pdf", a, String::new(), 400, "expected one of html, csv, oscal"),
        (
            "GET",
            "/api/v1/people?limit=1001",
            a,
            String::new(),
            400,
            "`limit` = `1001`: expected a whole number up to 1000",
        ),
        ("GET", "/api/v1/people/x?offset=1", a, String::new(), 400, "there is limit"),
        ("GET", "/api/v1/exceptions?offset=-1", a, String::new(), 400, "expected a whole number"),
        ("GET", "/api/v1/checks/x", a, String::new(), 404, "/api/v1/checks lists them"),
        (
            "GET",
            "/api/v1/grants/chain?system=vpn",
            a,
            String::new(),
            400,
            "`account` and `entitlement` is missing",
        ),
        (
            "GET",
            "/api/v1/grants/chain?system=vpn&account=alice&entitlement=x",
            a,
            String::new(),
            404,
            "near it are grant vpn/alice/use",
        ),
        (
            "GET",
            "/api/v1/requests/jira/X-1/chain",
            a,
            String::new(),
            404,
            "no request `X-1` of a source `jira`",
        ),
        ("GET", "/api/v1/findings/%ff", a, String::new(), 400, "not UTF-8"),
        ("GET", "/api/v1/people/%ff", a, String::new(), 400, "not UTF-8"),
        ("POST", &accept, o, String::new(), 400, "the body is no JSON: EOF"),
        ("POST", &accept, o, "{".to_owned(), 400, "the body is no JSON: EOF"),
        ("POST", &accept, o, "{}".to_owned(), 422, "the body: missing field `until`"),
        ("POST", &accept, o, "[]".to_owned(), 422, "the body: expected an object"),
        (
            "POST",
            &accept,
            o,
            r#"["2026-06-10T00:00:00Z","x"]"#.to_owned(),
            422,
            "the body: expected an object",
        ),
        (
            "POST",
            &accept,
            o,
            r#"{"until":"soon","reason":"x"}"#.to_owned(),
            422,
            "until: found `soon`, expected a time",
        ),
        (
            "POST",
            &accept,
            o,
            r#"{"until":"2026-06-10T00:00:00Z","reason":"x","by":"me"}"#.to_owned(),
            422,
            "unknown field `by`",
        ),
        ("POST", &accept, o, long.clone(), 413, "the body is longer than 1048576 bytes"),
        (
            "POST",
            "/api/v1/sources/iam/approve",
            o,
            r#"{"run":-1}"#.to_owned(),
            422,
            "run: invalid value: integer `-1`, expected a whole number",
        ),
        ("POST", evaluation, d, String::new(), 400, "the body: expected an object"),
        ("POST", evaluation, d, format!("{{{who}}}"), 400, "`resource` is missing"),
        (
            "POST",
            evaluation,
            d,
            format!(r#"{{{who},"resource":{{"type":7,"id":"x"}}}}"#),
            400,
            "`resource`: invalid type: integer `7`, expected a string",
        ),
        ("POST", evaluation, d, long, 413, "the body is longer than"),
        ("DELETE", "/api/v1/people", a, String::new(), 405, "the header `allow`"),
        ("GET", "/api/v1/nothing", a, String::new(), 404, "/openapi.json lists"),
    ];
    for (method, path, token, body, code, says) in cases {
        let answer = house.ask(method, path, &format!("{}{JSON}", bearer(token)), body);
        assert_eq!(answer.code, *code, "{method} {path}: {answer:?}");
        is_an_error(&format!("{method} {path}"), &answer, says);
        assert!(*code != 405 || answer.head.contains("allow: get,head"), "{}", answer.head);
    }
    for (path, token, code) in [(accept.as_str(), o, 415), (evaluation, d, 400)] {
        let answer = house.ask("POST", path, &bearer(token), "{}");
        assert_eq!(answer.code, code, "{answer:?}");
        is_an_error(path, &answer, "expected `content-type: application/json`");
    }
    // A misspelt parameter must not show everything, wherever it is.
    let document: Value = serde_json::from_str(&house.get("/openapi.json", "").body).unwrap();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if !path.starts_with("/api/v1/") {
                continue;
            }
            asked += 1;
            let own = path.replace(['{', '}'], "") + "?nope=1";
            let token = if method == "post" { o } else { a };
            let body = match path.as_str() {
                "/api/v1/sources/{id}/approve" => r#"{"run":1}"#,
                _ => r#"{"until":"2026-06-10T00:00:00Z","reason":"x"}"#,
            };
            let body = if method == "post" { body } else { "" };
            let answer = house.ask(&method.to_uppercase(), &own, &format!("{}{JSON}", bearer(token)), body);
            assert_eq!(answer.code, 400, "{method} {own}: {answer:?}");
            is_an_error(&own, &answer, "`nope`");
        }
    }
    assert!(asked >= 21, "{asked}");
}

/// One sentence, in the form that every error has.
fn is_an_error(asked: &str, answer: &super::Answer, says: &str) {
    let said: Value =
        serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{asked}: {e}: {answer:?}"));
    assert_eq!(said["status"], answer.code, "{asked}: {said}");
    let why = said["error"].as_str().unwrap();
    assert!(why.contains(says), "{asked}: {why}");
    assert!(
        !why.starts_with(char::is_uppercase) && !why.contains("struct ") && !why.contains("u64"),
        "{asked}: {why}"
    );
}
