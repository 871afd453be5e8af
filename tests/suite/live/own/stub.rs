//! The stub takes what the documentation says, and nothing else.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::super::case::{self, Case};
use super::super::mutate::{self, Field, Harm};
use super::super::rule::{Rule, any_time};
use super::super::sit::{Sitting, leaks};
use super::super::spec::Kind;
use super::super::stub::Stub;

/// A stub of the invented product that wants no credentials.
fn open(case: &Case) -> Sitting<'_> {
    Sitting::as_who(case, case.spec.auth.iter().find(|auth| auth.kind == Kind::None).unwrap())
}

/// What comes back to a request: the status, the head and the body.
fn send(
    stub: &Stub,
    base: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String, Value) {
    let address = &stub.addresses()[base];
    let mut parts = address.trim_start_matches("http://").splitn(2, '/');
    let host = parts.next().unwrap();
    let root = parts.next().map(|root| format!("/{root}")).unwrap_or_default();
    let path = if path.starts_with("http://") {
        path.splitn(4, '/').nth(3).map(|p| format!("/{p}")).unwrap()
    } else {
        format!("{root}{path}")
    };
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    let accept = if headers.contains("accept") { "" } else { "accept: application/json\r\n" };
    let plain = format!("depot-version: 2026-05-01\r\n{accept}");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{plain}{headers}content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
}

fn get(stub: &Stub, path: &str) -> (u16, String, Value) {
    send(stub, "main", "GET", path, "", "")
}

const JSON: &str = "content-type: application/json\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

#[test]
fn what_is_not_in_the_documentation_is_refused() {
    let case = case::product();
    let sitting = open(&case);
    let stub = &sitting.stub;
    let main = |method, path, headers, body| send(stub, "main", method, path, headers, body);
    let roles = "{\"kinds\":[\"direct\"]}";
    let list = "Action=ListKeys&Version=2026-05-01";
    type Answer = (u16, String, Value);
    let wrong: Vec<(Answer, &str)> = vec![
        (main("GET", "/nowhere", "", ""), "nothing of that path"),
        (main("POST", "/people", "", ""), "nothing of that path"),
        (main("GET", "/people?tops=3", "", ""), "unknown parameter `tops`"),
        (main("GET", "/people?top=3&top=3", "", ""), "`top` given 2 times"),
        (main("GET", "/people?top=51", "", ""), "pages have at most 50 rows, not 51"),
        (main("GET", "/people?top=0", "", ""), "the size of a page is"),
        (main("GET", "/people?%24skip-token=t9", "", ""), "`t9` is no token of people"),
        (main("GET", "/people?%24skip-token=t9&top=2", "", ""), "unknown parameter `top`"),
        (main("GET", "/people", "", "{}x"), "there is no body"),
        (main("GET", "/groups", "accept: text/html\r\n", ""), "the header accept"),
        (main("GET", "/tickets", "", ""), "`order` is missing"),
        (main("GET", "/tickets?order=created", "", ""), "`created`, expected `updated`"),
        (
            main("GET", "/tickets?order=updated&updated_since=2026-06-01", "", ""),
            "is no time written as Rfc3339",
        ),
        (main("GET", "/tickets?order=updated&offset=-1", "", ""), "there is no page at"),
        (
            main("GET", "/log?from=2026", "accept: application/x-ndjson\r\n", ""),
            "is no time written as EpochMillis",
        ),
        (main("POST", "/roles/search", "", roles), "the body has to be JSON"),
        (main("POST", "/roles/search", JSON, "{}"), "key `kinds` is missing"),
        (main("POST", "/roles/search", JSON, "{\"kinds\":\"direct\"}"), "is no array"),
        (main("POST", "/roles/search", JSON, "{\"kinds\":[\"odd\"]}"), "`odd` is none of direct, inherited"),
        (
            main("POST", "/roles/search", JSON, "{\"kinds\":[\"direct\",\"direct\",\"direct\"]}"),
            "3 items, at most 2",
        ),
        (main("POST", "/roles/search", JSON, "{\"kinds\":[\"direct\"],\"sort\":1}"), "unknown key `sort`"),
        (main("POST", "/roles/search", JSON, "{\"kinds\":[\"direct\"],\"size\":21}"), "at most 20 rows"),
        (send(stub, "keys", "POST", "/", JSON, "{}"), "the body has to be a form"),
        (send(stub, "keys", "POST", "/", FORM, "Action=ListUsers&Version=2026-05-01"), "expected `ListKeys`"),
        (send(stub, "keys", "POST", "/", FORM, &format!("{list}&X=1")), "unknown parameter `X`"),
        (send(stub, "keys", "POST", "/", FORM, &format!("{list}&Marker=t1")), "is no token of keys"),
        (send(stub, "keys", "GET", "/people", "", ""), "nothing of that path"),
    ];
    let complaints = stub.seen().complaints;
    assert_eq!(complaints.len(), wrong.len(), "{complaints:#?}");
    for (((status, _, _), words), complaint) in wrong.iter().zip(&complaints) {
        assert_eq!(*status, 400, "{words}");
        assert!(complaint.contains(words), "expected `{words}`: {complaint}");
    }
    // What is not there is no mistake of whoever asks.
    for path in ["/groups/g-9/members", "/groups/x/members", "/teams/none/seats", "/tickets/T-9/approvals"] {
        assert_eq!(get(stub, path).0, 404, "{path}");
    }
    assert_eq!(get(stub, "/people/nobody/delegates").2, json!({ "delegates": [] }));
    assert_eq!(stub.seen().complaints, Vec::<String>::new());
}

#[test]
fn a_token_is_good_for_one_answer() {
    let case = case::product();
    let sitting = open(&case);
    let stub = &sitting.stub;
    let (_, _, page) = get(stub, "/people?top=2");
    let next = page["next"].as_str().unwrap().to_owned();
    assert_eq!(page["kind"], "people");
    assert!(page["value"].as_array().unwrap().len() < 2, "{page}: a page may be shorter than asked for");
    assert!(page.get("changes").is_none(), "only the last page says where changes are");
    assert_eq!(get(stub, &next).0, 200);
    assert_eq!(get(stub, &next).0, 400, "{next}: answered before");
    let (_, _, first) =
        send(stub, "main", "POST", "/roles/search", JSON, "{\"kinds\":[\"direct\"],\"size\":2}");
    let token = first["cursor"].as_str().unwrap();
    let other = json!({ "kinds": ["inherited"], "size": 2, "cursor": token }).to_string();
    assert_eq!(send(stub, "main", "POST", "/roles/search", JSON, &other).0, 400, "another question");
    let same = json!({ "kinds": ["direct"], "size": 2, "cursor": token }).to_string();
    let (_, _, last) = send(stub, "main", "POST", "/roles/search", JSON, &same);
    assert_eq!(
        (last["items"].as_array().unwrap().len(), &last["cursor"], &last["more"]),
        (1, &Value::Null, &json!(false))
    );
}

#[test]
fn every_kind_of_page_says_where_the_next_is() {
    let case = case::product();
    let sitting = open(&case);
    let stub = &sitting.stub;
    let (_, head, rows) = get(stub, "/groups?limit=3");
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert!(
        head.contains("; rel=\"self\"") && head.contains("limit=3&after=") && head.contains("; rel=\"next\""),
        "{head}"
    );
    let (_, head, page) = get(stub, "/groups/g-1%2Fa/members?per_page=2&page=2");
    assert_eq!(
        (page["members"].as_array().unwrap().len(), head.contains("x-pages: 2"), head.contains("x-total: 3")),
        (1, true, true)
    );
    let (_, _, page) = get(stub, "/tickets?order=updated&limit=3&offset=3");
    assert_eq!(
        (&page["total"], &page["offset"], &page["count"], &page["limit"]),
        (&json!(4), &json!(3), &json!(1), &json!(3))
    );
    let (_, _, page) = get(stub, "/tickets/T-1/approvals?start=2");
    assert_eq!((page["values"].as_array().unwrap().len(), &page["isLast"]), (1, &json!(true)));
    // Two of seven places are rows that the account may not see.
    let (_, _, page) = get(stub, "/teams/north%2F1/seats?count=3&first=1");
    assert_eq!((page["seats"].as_array().unwrap().len(), &page["last"]), (2, &json!(false)));
    let (_, _, page) = get(stub, "/teams/north%2F1/seats?count=3&first=7");
    assert_eq!((page["seats"].as_array().unwrap().len(), &page["last"]), (1, &json!(true)));
    let (_, _, xml) = send(stub, "keys", "POST", "/", FORM, "Action=ListKeys&Version=2026-05-01&MaxItems=3");
    let xml = xml.as_str().unwrap();
    assert!(
        xml.contains("<Keys><member><Active>true</Active>") && xml.contains("a &amp; b &lt;c&gt;"),
        "{xml}"
    );
    let (_, _, page) = get(stub, "/policies?kinds=active,draft&most=1");
    assert_eq!((&page["allow"][0]["id"], &page["deny"]), (&json!("p1"), &json!([])));
    let marker = page["marker"].as_str().unwrap().replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let (_, _, page) = get(stub, &format!("/policies?kinds=active,draft&most=1&marker={marker}"));
    assert_eq!(
        page,
        json!({ "allow": [], "deny": [{ "id": "p3", "name": "No night shift", "kind": "draft" }], "marker": "" })
    );
    let (_, head, page) = get(stub, "/limits?filter=team%20in%20(west,s%C3%BCd,none)&limit=1");
    assert_eq!(page["result"]["limits"], json!([{ "team": "west", "risk": "low" }]));
    let next = page["result"]["next"].as_str().unwrap();
    assert!(next.starts_with("/api/v2/limits?filter=") && next.ends_with("&page=1"), "{next}");
    assert!(head.contains("x-depot-kind: limits") && head.contains("x-depot-request: r-1"), "{head}");
    // The last rows come with a next page, which is empty.
    assert!(xml.contains("<IsTruncated>true</IsTruncated>") && xml.contains("<Marker>"), "{xml}");
    assert_eq!(stub.seen().complaints, Vec::<String>::new());
}

#[test]
fn what_changed_is_told_and_nothing_else() {
    let case = case::product();
    let mut sitting = open(&case);
    let mut next = "/people".to_owned();
    let changes = loop {
        let (_, _, page) = get(&sitting.stub, &next);
        match page["next"].as_str() {
            Some(more) => more.clone_into(&mut next),
            None => break page["changes"].as_str().unwrap().to_owned(),
        }
    };
    let tag = |head: &str| head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let (_, head, _) = get(&sitting.stub, "/groups?limit=3");
    let known = format!("if-none-match: {}\r\n", tag(&head));
    assert_eq!(send(&sitting.stub, "main", "GET", "/groups?limit=3", &known, "").0, 304);
    sitting.next_day();
    let mut rows = Vec::new();
    let mut next = changes.clone();
    while let (200, _, page) = get(&sitting.stub, &next) {
        rows.extend(page["value"].as_array().unwrap().clone());
        let Some(more) = page["next"].as_str() else { break };
        more.clone_into(&mut next);
    }
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ben@corp.example", "eva@corp.example", "dov@corp.example"]);
    assert_eq!(rows[2], json!({ "id": "dov@corp.example", "gone": { "reason": "left" } }));
    sitting.stub.forget();
    assert_eq!(get(&sitting.stub, &changes).0, 410);
    let since = |time: &str| {
        get(&sitting.stub, &format!("/tickets?order=updated&updated_since={time}")).2["total"].clone()
    };
    assert_eq!((since("2026-06-01T15:00:00Z"), since("2026-06-01T15:00:01Z")), (json!(2), json!(1)));
    assert_eq!(sitting.stub.seen().complaints, Vec::<String>::new());
}

#[test]
fn a_job_takes_its_time_each_time() {
    let case = case::product();
    let sitting = open(&case);
    let ask = || {
        send(&sitting.stub, "main", "POST", "/reports/usage", JSON, "{\"format\":\"csv\"}").2["state"].clone()
    };
    let states: Vec<Value> = (0..6).map(|_| ask()).collect();
    assert_eq!(states, ["running", "running", "ready", "running", "running", "ready"]);
}

#[test]
fn rules_say_what_they_mean() {
    let rule = |text: &str| -> Rule {
        let table: toml::Table = toml::from_str(&format!("rule = {text}")).unwrap();
        table["rule"].clone().try_into().unwrap()
    };
    let texts = [
        ("7", vec!["7"], true),
        ("7", vec!["8"], false),
        ("7", vec!["7", "7"], false),
        ("{ from = 1, to = 9 }", vec!["9"], true),
        ("{ from = 1, to = 9 }", vec!["10"], false),
        ("{ from = 1 }", vec!["x"], false),
        ("{ pattern = \"a.c\" }", vec!["abc"], true),
        ("{ pattern = \"a.c\" }", vec!["abcd"], false),
        ("{ split = \",\", one_of = [\"a\", \"b\"], at_most = 2 }", vec!["a,b"], true),
        ("{ split = \",\", one_of = [\"a\", \"b\"], at_most = 2 }", vec!["a,c"], false),
        ("{ split = \",\", one_of = [\"a\", \"b\"], at_most = 2 }", vec!["a,b,a"], false),
        ("{ list = true, at_most = 2 }", vec!["a", "b"], true),
        ("{ list = true, at_most = 2 }", vec!["a", "b", "c"], false),
        ("{ time = \"blank\" }", vec!["2026-06-01 00:00:00"], true),
        ("{ time = \"blank\" }", vec!["2026-06-01T00:00:00Z"], false),
        ("{ time = \"rfc3339-millis\" }", vec!["2026-06-01T00:00:00.000Z"], true),
        ("{ time = \"date\" }", vec!["2026-13-01"], false),
        ("{ object = { a = { required = true } } }", vec!["{\"a\":1}"], true),
        ("{ object = { a = { required = true } } }", vec!["{\"b\":1}"], false),
    ];
    for (text, given, fits) in texts {
        assert_eq!(rule(text).texts(&given).is_ok(), fits, "{text}: {given:?}");
    }
    let values = [
        ("7", json!(7), true),
        ("7", json!("7"), false),
        ("{ from = 1 }", json!(7), true),
        ("{ from = 1 }", json!("7"), false),
        ("{ pattern = \".*\" }", json!(7), false),
        ("{ time = \"epoch-seconds\" }", json!(1780308000), true),
        ("{ time = \"epoch-seconds\" }", json!("1780308000"), false),
        ("{ time = \"epoch-seconds\" }", json!(1780308000123u64), false),
        ("{ list = true, one_of = [\"a\"] }", json!(["a"]), true),
        ("{ list = true, one_of = [\"a\"] }", json!(["a", "b"]), false),
        ("{ is = { a = [1] } }", json!({ "a": [1] }), true),
        ("{ object = { a = { from = 1 } } }", json!({ "a": 0 }), false),
    ];
    for (text, given, fits) in values {
        assert_eq!(rule(text).json(&given).is_ok(), fits, "{text}: {given}");
    }
    assert!(serde_json::from_value::<Rule>(json!({ "patern": "a" })).is_err(), "a word that is none");
}

#[test]
fn times_are_read_however_they_are_written() {
    let all = [
        json!("2026-06-01T00:00:00Z"),
        json!("2026-06-01T02:00:00+02:00"),
        json!("2026-06-01T00:00:00.000+0000"),
        json!("2026-06-01 00:00:00"),
        json!("2026-06-01"),
        json!(1_780_272_000),
        json!(1_780_272_000_000_i64),
        json!("1780272000000"),
    ];
    for time in all {
        assert_eq!(any_time(&time).map(|t| t.as_second()), Some(1_780_272_000), "{time}");
    }
    assert_eq!(any_time(&json!("soon")), None);
}

#[test]
fn rows_are_changed_where_it_is_meant() {
    let case = case::product();
    let (spec, files) = (&case.spec, &case.files);
    let fields = mutate::optional(spec, files);
    let has = |file: &str, at: &str| fields.contains(&Field { file: file.to_owned(), at: at.to_owned() });
    assert!(
        has("people.json", "/name") && has("people.json", "/teams/*/name") && has("members.json", "/since")
    );
    assert!(!has("people.json", "/id") && !has("log.json", "/labels/a"), "{fields:?}");
    let field = Field { file: "people.json".to_owned(), at: "/teams/*/name".to_owned() };
    let without = mutate::without(spec, files, &field, false);
    assert_eq!(without["people.json"][1]["teams"], json!([{}, {}]));
    assert_eq!(
        mutate::without(spec, files, &field, true)["people.json"][0]["teams"],
        json!([{ "name": null }])
    );
    let rounds = mutate::rounds(spec, files, &fields);
    assert_eq!(
        rounds.iter().map(Vec::len).sum::<usize>(),
        2 * fields.len(),
        "each is lost once, and null once"
    );
    for round in &rounds {
        // In a file of lists each list has rows of its own.
        let list = |at: &str| at.strip_prefix("/allow").is_some();
        let rows = round.iter().map(|l| (l.field.file.as_str(), list(&l.field.at), l.row));
        let rows: BTreeSet<(&str, bool, usize)> = rows.collect();
        assert_eq!(rows.len(), round.len(), "a row loses one field at a time");
    }
    let lost = mutate::after(spec, files, &rounds[0]);
    let differ = files.iter().filter(|(name, before)| lost[*name] != **before).count();
    assert!(differ > 5, "the rows of all files lose something at a time");
    let unknown = mutate::unknown(spec, files);
    assert!(unknown["people.json"][0]["teams"][0].get("counterfoilUnknown").is_some());
    assert!(unknown["log.json"][0]["labels"].get("counterfoilUnknown").is_none(), "its keys are data");
    assert!(unknown["members.json"].get("counterfoilUnknown").is_none(), "its keys are ids");
    let empty = mutate::empty(spec, files);
    assert_eq!((&empty["people.json"], &empty["members.json"]["g-3"]), (&json!([]), &json!([])));
    let harmful = mutate::harmful(spec, files, Harm::All);
    assert_eq!(harmful["people.json"][0]["id"], files["people.json"][0]["id"]);
    assert_ne!(harmful["people.json"][0]["name"], files["people.json"][0]["name"]);
    assert_ne!(harmful["people.json"][0]["teams"], files["people.json"][0]["teams"]);
}

#[test]
fn a_secret_is_noticed() {
    assert!(leaks("all is well").is_empty());
    assert_eq!(leaks("the token is canary-token-Hs9Lp4!").len(), 1);
}
