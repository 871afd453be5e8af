//! The connector engine apart from its decoders: manifests, settings, the catalogue, joining, completeness.

use super::hostile::{Bench, says};
use counterfoil::connect::{Catalog, Manifest, Settings};
use serde_json::{Value, json};
use std::fs;

const MANIFEST: &str = r#"
name = "any"
title = "Any"
summary = "For tests."
provides = ["request"]

[merge]
request = ["id"]

[[shape]]
name = "lines"
formats = ["jsonl"]
suspicious_rows = 3

[[setting]]
name = "zone"
type = "time-zone"
doc = "Zone."

[[setting]]
name = "many"
type = "list"
default = ["a"]
doc = "Many."

[[setting]]
name = "states"
type = "map"
doc = "States."

[[setting]]
name = "strict"
type = "bool"
default = false
doc = "Strict."

[[setting]]
name = "count"
type = "integer"
doc = "Count."

[[setting]]
name = "find"
type = "pattern"
doc = "Find."

[[setting]]
name = "order"
type = "enum"
values = ["dmy", "mdy"]
doc = "Order."

[[setting]]
name = "since"
type = "instant"
doc = "Since."

[[setting]]
name = "window"
type = "duration"
doc = "Window."
"#;

fn manifest() -> Manifest {
    Manifest::parse(MANIFEST, "manifest.toml").unwrap()
}

fn set(pairs: &[&str]) -> Result<Value, String> {
    Settings::parse(&manifest(), pairs.iter().copied())
        .map(|settings| Value::Object(settings.as_object().clone()))
}

fn table(text: &str) -> Result<Value, String> {
    let table: toml::Table = toml::from_str(text).unwrap();
    Settings::from_table(&manifest(), &table).map(|settings| Value::Object(settings.as_object().clone()))
}

#[test]
fn faults_of_a_manifest_have_a_place() {
    for (change, to, piece) in [
        (
            "title = \"Any\"",
            "titel = \"Any\"",
            "manifest.toml:3:1: unknown field `titel`, expected one of `name`",
        ),
        ("formats = [\"jsonl\"]", "formats = [\"yaml\"]", "unknown variant `yaml`"),
        ("name = \"any\"", "name = \"Any!\"", "`name` is `Any!`"),
        ("provides = [\"request\"]", "provides = [\"ticket\"]", "`provides` names `ticket`"),
        ("name = \"many\"", "name = \"zone\"", "setting `zone` is declared twice"),
        ("name = \"many\"", "name = \"encoding\"", "one every connector has"),
        ("values = [\"dmy\", \"mdy\"]", "values = []", "`values` goes with the type `enum`"),
        ("suspicious_rows = 3", "fallback_encoding = \"klingon\"", "`fallback_encoding` is `klingon`"),
        ("formats = [\"jsonl\"]", "formats = [\"xml\"]", "XML needs `rows`"),
    ] {
        assert!(MANIFEST.contains(change), "{change}");
        says(&Manifest::parse(&MANIFEST.replacen(change, to, 1), "manifest.toml").unwrap_err(), piece);
    }
}

#[test]
fn settings_have_their_types() {
    let all = set(&[
        "zone=Europe/Berlin",
        "many=b, c",
        "states=Done:approved,Won't do:rejected",
        "strict=true",
        "count=7",
        "find=(?P<a>x)",
        "order=dmy",
        "since=2026-01-01T00:00:00Z",
        "window=P90D",
    ]);
    assert_eq!(
        all.unwrap(),
        json!({
            "zone": "Europe/Berlin", "many": ["b", "c"], "states": {"Done": "approved", "Won't do": "rejected"},
            "strict": true, "count": 7, "find": "(?P<a>x)", "order": "dmy", "since": "2026-01-01T00:00:00Z",
            "window": "P90D"
        })
    );
    let none = set(&[]).unwrap();
    assert_eq!(none["many"], json!(["a"]));
    assert_eq!(none["strict"], json!(false));
    assert!(none.as_object().unwrap().contains_key("zone") && none["zone"].is_null());
    assert_eq!(set(&["many=[\"x,y\"]"]).unwrap()["many"], json!(["x,y"]));
    assert_eq!(set(&["states={\"a\":[1]}"]).unwrap()["states"], json!({"a": [1]}));
    assert_eq!(set(&["states={ a = { b = true } }"]).unwrap()["states"], json!({"a": {"b": true}}));
    let from_table = table("states = { a = { b = 'c' } }\ncount = 7\nmany = ['x']\nstrict = true").unwrap();
    assert_eq!(from_table["states"], json!({"a": {"b": "c"}}));
    assert_eq!(from_table["count"], json!(7));
}

#[test]
fn wrong_settings_say_what_was_expected() {
    for (pair, piece) in [
        ("zone=Mars/Olympus", "setting `zone`: expected a time zone such as Europe/Berlin"),
        ("strict=yes", "setting `strict`: expected true or false"),
        ("count=many", "setting `count`: expected a whole number"),
        ("find=(", "setting `find`: expected a regular expression"),
        ("find=a{1000}{1000}", "setting `find`"),
        ("order=ymd", "setting `order`: expected one of dmy, mdy (it is `ymd`)"),
        ("since=2026-01-01", "setting `since`: expected an RFC 3339 time with an offset"),
        ("window=3 months", "setting `window`: expected an ISO 8601 duration"),
        ("states=oops", "setting `states`: expected a map"),
        ("many=[1]", "setting `many`: expected a list of texts"),
        ("zoen=UTC", "setting `zoen` is not one of connector `any`: it knows zone, many, states"),
        ("zone", "expected key=value"),
        ("encoding=", "setting `encoding`: expected text"),
    ] {
        says(&set(&[pair]).unwrap_err(), piece);
    }
    says(&set(&["zone=UTC", "zone=UTC"]).unwrap_err(), "given twice");
    says(&table("count = 'seven'").unwrap_err(), "setting `count`: expected a whole number");
    says(&table("many = [1, 2]").unwrap_err(), "setting `many`: expected a list of texts");
    let required = MANIFEST.replacen("doc = \"Zone.\"", "doc = \"Zone.\"\nrequired = true", 1);
    let required = Manifest::parse(&required, "manifest.toml").unwrap();
    says(
        &Settings::parse(&required, []).unwrap_err(),
        "setting `zone` is required by connector `any`: Zone.",
    );
}

#[test]
fn a_folder_adds_and_overrides() {
    let bench = Bench::with(MANIFEST, ".");
    let folder = bench.folder.path().join("connectors");
    assert!(Catalog::load(None).unwrap().get("any").unwrap_err().contains("there are"));
    fs::create_dir_all(folder.join("csv")).unwrap();
    fs::write(folder.join("csv/manifest.toml"), MANIFEST.replacen("\"any\"", "\"csv\"", 1)).unwrap();
    says(&Catalog::load(Some(&folder)).unwrap_err(), "csv/map.jq: there is none");
    fs::write(folder.join("csv/map.jq"), ".").unwrap();
    let catalog = Catalog::load(Some(&folder)).unwrap();
    assert_eq!(catalog.get("csv").unwrap().manifest.title, "Any");
    assert!(catalog.get("records").is_ok());
    fs::rename(folder.join("csv"), folder.join("other")).unwrap();
    says(&Catalog::load(Some(&folder)).unwrap_err(), "`name` is `csv`, but the folder is `other`");
    says(&Catalog::load(Some(&folder.join("absent"))).unwrap_err(), "cannot read the folder of connectors");
}

fn requests(lines: &str) -> Vec<Value> {
    let bench = Bench::with(
        MANIFEST,
        "if .r then {type: \"request\", id: .r, state: \"pending\"} + del(.r) else . end",
    );
    let taken = bench.pull("in.jsonl", lines.as_bytes()).unwrap();
    taken.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn parts_are_joined_whatever_their_order() {
    let lines = [
        r#"{"type":"part","of":"request","id":"A","append":{"approvals":[{"approver":"olga","decision":"approved"}]},"fill":{"policy":"late"},"at":"2"}"#,
        r#"{"r":"A"}"#,
        r#"{"r":"B","policy":"own"}"#,
        r#"{"type":"part","of":"request","id":"A","append":{"approvals":[{"approver":"pia","decision":"rejected"}]},"fill":{"policy":"early"},"replace":{"state":"rejected"},"at":"1"}"#,
        r#"{"type":"part","of":"request","id":"B","fill":{"policy":"other"}}"#,
        r#"{"type":"part","of":"request","id":"C","fill":{"policy":"other"}}"#,
    ];
    let forth = requests(&lines.join("\n"));
    assert_eq!(forth[0]["id"], "A");
    assert_eq!(forth[0]["state"], "rejected");
    assert_eq!(forth[0]["policy"], "early");
    let approvers: Vec<&Value> =
        forth[0]["approvals"].as_array().unwrap().iter().map(|approval| &approval["approver"]).collect();
    assert_eq!(approvers, ["pia", "olga"]);
    assert_eq!(forth[1]["policy"], "own");
    assert_eq!(forth.len(), 3);
    let back: Vec<&str> = lines.iter().rev().copied().collect();
    let back = requests(&back.join("\n"));
    for (one, other) in [(&forth[0], &back[1]), (&forth[1], &back[0])] {
        assert_eq!(one["approvals"], other["approvals"]);
        assert_eq!(one["policy"], other["policy"]);
    }
}

#[test]
fn parts_that_cannot_be_joined_are_errors() {
    let bench = Bench::with(MANIFEST, ".");
    for (line, piece) in [
        (r#"{"type":"part","of":"grant","id":"A"}"#, "a part of `grant`, which the manifest does not list"),
        (r#"{"type":"part","of":"request"}"#, "a part of `request` without all of id"),
        (r#"{"type":"part","of":"request","id":"A","fill":7}"#, "whose `fill` is no object"),
        (
            r#"{"type":"snapshot","source":"x","taken_at":"2026-01-01T00:00:00Z","complete":true}"#,
            "made a `snapshot`",
        ),
        (r#"{"type":"request","id":"A"}"#, "request record: field `state`"),
        (r#"{"id":"A"}"#, "field `type`"),
    ] {
        says(&bench.refuse("in.jsonl", line.as_bytes()), piece);
    }
    // A part may spoil a record; that is said as well.
    let spoilt = "{\"type\":\"request\",\"id\":\"A\",\"state\":\"pending\"}\n{\"type\":\"part\",\"of\":\"request\",\"id\":\"A\",\"replace\":{\"state\":7}}";
    says(&bench.pull("in.jsonl", spoilt.as_bytes()).unwrap_err(), "once its parts are joined");
}

#[test]
fn what_is_doubtful_is_incomplete() {
    let end = |lines: &str| requests(lines).pop().unwrap();
    assert_eq!(end("{\"r\":\"A\"}\n{\"r\":\"B\"}")["complete"], true);
    let cut = end("{\"r\":\"A\"}\n{\"r\":\"B\"}\n{\"r\":\"C\"}");
    assert_eq!(cut["complete"], false);
    says(cut["reason"].as_str().unwrap(), "in.jsonl has exactly 3 rows");
    let said = end("{\"r\":\"A\"}\n{\"type\":\"incomplete\",\"reason\":\"the page says truncated\"}");
    assert_eq!(said["reason"], "the page says truncated");
    let covers = end("{\"r\":\"A\"}\n{\"type\":\"covers\",\"systems\":[\"s\"],\"types\":[\"usage\"]}");
    assert_eq!(covers["systems"], json!(["s"]));
    assert_eq!(covers["provides"], json!(["request", "usage"]));
}

#[test]
fn a_record_says_where_it_is_from() {
    let bench = Bench::with(MANIFEST, "{type: \"system\", id: .r, source: .source}");
    let line = r#"{"r":"é","n":[1.0,1e21,-0.0,0.000001,"\u000b"],"a":null}"#;
    let taken = bench.pull("in.jsonl", line.as_bytes()).unwrap();
    let record: Value = serde_json::from_str(&taken[0]).unwrap();
    assert_eq!(record["source"], "any");
    assert_eq!(record["observed_at"], "2026-06-01T00:00:00Z");
    // RFC 8785: keys sorted, numbers as ECMAScript writes them.
    let canonical = "{\"a\":null,\"n\":[1,1e+21,0,0.000001,\"\\u000b\"],\"r\":\"é\"}";
    use sha2::Digest as _;
    let digest: String =
        sha2::Sha256::digest(canonical.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        record["evidence"],
        json!({"source": "any", "id": "é", "sha256": digest, "collected_at": "2026-06-01T00:00:00Z"})
    );
}

#[test]
fn natives_do_as_documented() {
    let value = |jq: &str| {
        let bench = Bench::with(MANIFEST, &format!("{{type: \"system\", id: ({jq} | tojson)}}"));
        let taken = bench
            .pull("in.jsonl", b"{}")
            .map_err(|message| message.split(": ").last().unwrap().to_owned())?;
        let record: Value = serde_json::from_str(&taken[0]).unwrap();
        Ok::<String, String>(record["id"].as_str().unwrap().to_owned())
    };
    for (jq, expected) in [
        (r#""2025-07-01 10:00" | cf_instant("auto"; "Europe/Berlin")"#, r#""2025-07-01T08:00:00Z""#),
        (r#""3/4/2025" | cf_instant(null; "UTC"; "mdy")"#, r#""2025-03-04T00:00:00Z""#),
        (r#""3/4/2025" | cf_instant(["%d/%m/%Y"]; "UTC")"#, r#""2025-04-03T00:00:00Z""#),
        (r#"1714564800 | cf_instant("auto"; null)"#, r#""2024-05-01T12:00:00Z""#),
        (r#"null | cf_instant("auto"; null)"#, "null"),
        (r#""2 weeks" | cf_duration"#, r#""P14D""#),
        (
            r#""sys=a role=b" | cf_capture("sys=(?P<system>\\S+)(?P<none>z)?")"#,
            r#"{"system":"a","none":null}"#,
        ),
        (r#""x" | cf_capture("y")"#, "null"),
        (r#""x" | cf_capture(null)"#, "null"),
        (r#""<b>a</b>&amp;" | cf_html_text"#, r#""a&""#),
        (r#""%7B%22a%22%7D%zz" | cf_url_decode"#, r#""{\"a\"}%zz""#),
        (r#"" ÄB " | cf_norm"#, r#""äb""#),
        (r#""" | cf_sha256"#, r#""e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#),
        (r#""{\"a\":[1]}" | cf_json"#, r#"{"a":[1]}"#),
        (r#""{\"a\":1,\"a\":2}" | cf_json"#, "null"),
        (r#""[1,2]" | fromjson"#, "[1,2]"),
        (r#""12" | tonumber"#, "12"),
        (
            r#"[$shape, $row, $file, $head, $at, ($settings | keys | length)]"#,
            r#"["lines",1,"in.jsonl",null,"",9]"#,
        ),
    ] {
        assert_eq!(value(jq).as_deref(), Ok(expected), "{jq}");
    }
    for (jq, piece) in [
        (r#""%ff" | cf_url_decode"#, "is not UTF-8"),
        (r#""x" | cf_capture("(")"#, "unclosed group"),
        (r#""{\"a\":1,\"a\":2}" | fromjson"#, "not JSON"),
        (r#"("[" * 100000) | fromjson"#, "not JSON"),
        (r#"{} | cf_norm"#, "expected a text"),
    ] {
        says(&value(jq).unwrap_err(), piece);
    }
}
