//! What other settings or other records would change, as the command line tells it; and `report` there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = r#"
[store]
path = "store.db"

[[source]]
id = "all"
connector = "records"
files = ["records.jsonl"]
taken_at = "2026-06-01T00:00:00Z"

[accountability]
system_owner = "owner@corp.example"
operator = "ops@corp.example"

[[sink]]
id = "siem"
file = { path = "events.jsonl" }
filter = { min_severity = "high" }
"#;

const RECORDS: &str = r#"{"type":"identity","id":"alice@corp.example","aliases":["alice"]}
{"type":"identity","id":"bob@corp.example"}
{"type":"policy","id":"POL-1"}
{"type":"grant","system":"aws","account":"alice","entitlement":"admin","granted_at":"2026-05-02T00:00:00Z","last_used_at":"2026-05-20T00:00:00Z"}
{"type":"grant","system":"aws","account":"alice","entitlement":"reader"}
{"type":"request","source":"all","id":"SEC-1","state":"approved","requester":"alice","beneficiaries":["alice"],"access":[{"system":"aws","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-1","justification":"on call","review_by":"2026-09-01T00:00:00Z"}
"#;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    command.args(arguments).current_dir(folder).env_clear().output().unwrap()
}

fn ends(folder: &Path, status: i32, arguments: &[&str]) -> (String, String) {
    let output = run(folder, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{out}\n{err}");
    (out, err)
}

/// A folder with a store in which one run is.
fn desk() -> tempfile::TempDir {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("c.toml"), CONFIG).unwrap();
    fs::write(desk.path().join("records.jsonl"), RECORDS).unwrap();
    ends(desk.path(), 0, &["reconcile", "--config", "c.toml", "--now", "2026-06-01T06:00:00Z"]);
    desk
}

#[test]
fn a_change_of_policy_is_seen_before_it_is_made() {
    let desk = desk();
    let (same, _) = ends(desk.path(), 0, &["simulate", "--config", "c.toml"]);
    assert!(same.ends_with("Nothing would change.\n"), "{same}");
    let new = format!(
        "{CONFIG}\n[checks]\nunused_after = \"P7D\"\n[checks.unapproved-grant]\nseverity = \"critical\"\n"
    );
    fs::write(desk.path().join("new.toml"), &new).unwrap();
    let (text, _) = ends(desk.path(), 0, &["simulate", "--config", "new.toml"]);
    assert!(text.contains("unused-grant                         1         0         0"), "{text}");
    assert!(text.contains("critical (was high) unapproved-grant: "), "{text}");
    assert!(text.contains("told to siem                         0         0         1"), "{text}");
    let (json, _) = ends(desk.path(), 0, &["simulate", "--config", "new.toml", "--format", "json"]);
    let lines: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |what: &str| lines.iter().filter(|l| l["change"] == what).count();
    assert_eq!((of("added"), of("changed"), of("removed"), of("total")), (1, 1, 0, 1), "{json}");
    // The other way round it is the other way round.
    let back = ["simulate", "--config", "c.toml", "--against", "new.toml", "--format", "json"];
    let (json, _) = ends(desk.path(), 0, &back);
    assert_eq!(json.matches("\"change\":\"removed\"").count(), 1, "{json}");
    ends(desk.path(), 1, &["simulate", "--config", "new.toml", "--fail-on", "low"]);
    ends(desk.path(), 0, &["simulate", "--config", "new.toml", "--fail-on", "critical"]);
}

#[test]
fn records_by_hand_stand_in_the_place_of_those_that_are_known() {
    let desk = desk();
    let policy = r#"{"type":"policy","id":"POL-1","approvers":["identity:carol@corp.example"]}"#;
    fs::write(desk.path().join("policy.jsonl"), format!("{policy}\n")).unwrap();
    let with = ["simulate", "--config", "c.toml", "--records", "policy.jsonl"];
    let (text, _) = ends(desk.path(), 0, &with);
    assert!(text.contains("approver-not-authorised              1         0         0"), "{text}");
    fs::write(desk.path().join("policy.jsonl"), "\n{\"type\":\"policy\"}\n").unwrap();
    let (_, err) = ends(desk.path(), 2, &with);
    assert!(err.contains("policy.jsonl:2: "), "{err}");
}

#[test]
fn a_report_is_written_and_says_what_is_not_known() {
    let desk = desk();
    fn report<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["report", "--config", "c.toml"], more].concat()
    }
    for (format, out) in [("html", "a.html"), ("oscal", "a.json")] {
        ends(desk.path(), 0, &report(&["--format", format, "--out", out]));
        ends(desk.path(), 0, &report(&["--format", format, "--out", "again"]));
        let read = |name: &str| fs::read(desk.path().join(name)).unwrap();
        assert!(!read(out).is_empty() && read(out) == read("again"), "{format}");
    }
    ends(desk.path(), 0, &report(&["--format", "csv", "--out", "pack"]));
    let pack = desk.path().join("pack");
    let population = fs::read_to_string(pack.join("population.csv")).unwrap();
    assert!(
        population.contains("all,\"connector `records`, from exported files\",complete,"),
        "{population}"
    );
    let sums = fs::read_to_string(pack.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 7);
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let text = fs::read_to_string(pack.join(name)).unwrap();
        assert_eq!(counterfoil::model::event::hashed("", &text), sum, "{name}");
    }
    let early = report(&["--as-of", "2026-05-31T00:00:00Z", "--out", "early.html"]);
    let (_, err) = ends(desk.path(), 2, &early);
    assert!(err.contains("the first instant that it knows is 2026-06-01T06:00:00Z"), "{err}");
    assert!(!desk.path().join("early.html").exists());
    let (_, err) = ends(desk.path(), 2, &report(&["--as-of", "9000-01-01T00:00:00Z", "--out", "x"]));
    assert!(err.contains("--as-of lies ahead"), "{err}");
}
