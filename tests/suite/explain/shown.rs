//! What `explain` prints: of the sample company, from a store as without one, and of names that mean harm.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use counterfoil::report::text::is_hidden;

const NOW: &str = "2026-06-01T00:00:00Z";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.output().unwrap()
}

/// What is printed by a command that must end with this status: on standard output, or of a fault its message.
fn ends(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{out}\n{err}");
    if status == 0 {
        return out;
    }
    let at = err.find("error: ").unwrap();
    err[at..].to_owned()
}

/// The sample company with the records of all its sources, pulled once.
fn sample() -> &'static Path {
    static SAMPLE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        ends(folder.path(), 0, &["demo", "--write-to", "sample"]);
        let config = fs::read_to_string(folder.path().join("sample/counterfoil.toml")).unwrap();
        let config: toml::Table = toml::from_str(&config).unwrap();
        let mut records = String::new();
        for source in config["source"].as_array().unwrap() {
            let id = source["id"].as_str().unwrap();
            records += &ends(folder.path(), 0, &["pull", "--config", CONFIG, "--source", id]);
        }
        fs::write(folder.path().join("r.jsonl"), records).unwrap();
        folder
    });
    SAMPLE.path()
}

const CONFIG: &str = "sample/counterfoil.toml";

fn asked(status: i32, what: &[&str], format: &str) -> String {
    let from = ["explain", "--config", CONFIG, "--records", "r.jsonl", "--now", NOW, "--format", format];
    ends(sample(), status, &[&from, what].concat())
}

fn demo(what: &str, format: &str) -> String {
    asked(0, &[what], format)
}

#[test]
fn what_the_sample_company_has_to_tell() {
    for (name, what) in [
        ("expired", "ledger/ofarouk/dba"),
        ("resurrected", "aws-prod/ymori/AmazonRedshiftFullAccess"),
        ("delegated", "f1:5e5075ea"),
        ("unapproved", "aws-prod/svc-reporting/AmazonS3ReadOnlyAccess"),
        ("exceeded", "ledger/agent-recon/gl-poster"),
        ("birthright", "github/dkowalski/members"),
        ("request", "RITM0010204"),
        ("source", "f1:32f1525e"),
    ] {
        insta::assert_snapshot!(format!("text-{name}"), demo(what, "text"));
    }
    let json: serde_json::Value = serde_json::from_str(&demo("ledger/cconti/config-admin", "json")).unwrap();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&json).unwrap());
    insta::assert_snapshot!("html-grant", demo("aws-prod/ymori/AmazonRedshiftFullAccess", "html"));
    insta::assert_snapshot!("html-request", demo("ACC-132", "html"));
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../../README.md");
    let (_, shown) = readme.split_once("`counterfoil explain --demo ledger/ofarouk/dba` says:").unwrap();
    let (shown, _) = shown.trim_start().trim_start_matches("```text\n").split_once("\n...\n").unwrap();
    assert!(demo("ledger/ofarouk/dba", "text").starts_with(shown), "{shown}");
}

#[test]
fn what_is_not_one_thing_is_said_with_what_comes_near() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |what: &str| asked(2, &[what], "text");
    insta::assert_snapshot!("faults", ["f1:", "ymori", "f1:nothing", "RITM001020"].map(fault).join("\n"));
    let named = ["--system", "ledger", "--account", "ofarouk", "--entitlement", "dba"];
    assert_eq!(asked(0, &named, "text"), demo("ledger/ofarouk/dba", "text"));
    let built_in = ends(folder.path(), 0, &["explain", "--demo", "ledger/ofarouk/dba"]);
    assert_eq!(built_in, demo("ledger/ofarouk/dba", "text"));
    assert!(fault(" ").contains("WHAT is empty"));
    let second = asked(0, &["f1:", "--nth", "2"], "text");
    assert!(second.starts_with("dba on ledger"), "{second}");
    assert_eq!(run(folder.path(), &["explain", "x", "--account", "y"]).status.code(), Some(2));
    assert_eq!(run(folder.path(), &["explain", "--demo"]).status.code(), Some(2));
    let missing = ends(folder.path(), 2, &["explain", "SEC-1"]);
    assert!(missing.contains("counterfoil.toml"), "{missing}");
}

/// With a store, what is remembered is explained, and no source is asked.
#[test]
fn a_store_tells_what_the_records_tell() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    ends(at, 0, &["demo", "--write-to", "sample"]);
    let stored = "sample/stored.toml";
    let config = fs::read_to_string(at.join(CONFIG)).unwrap();
    fs::write(at.join(stored), format!("{config}\n[store]\npath = \"state.db\"\n")).unwrap();
    let missing = ends(at, 2, &["explain", "--config", stored, "RITM0010204"]);
    assert!(missing.contains("there is no store yet"), "{missing}");
    ends(at, 0, &["reconcile", "--config", stored, "--now", NOW, "--format", "compact"]);
    for what in [
        "ledger/ofarouk/dba",
        "aws-prod/ymori/AmazonRedshiftFullAccess",
        "f1:5e5075ea",
        "f1:415fd421",
        "f1:ce8c4342",
        "RITM0010204",
        "jira:ACC-132",
    ] {
        let arguments = ["explain", "--config", stored, what, "--now", NOW, "--format", "json"];
        assert_eq!(ends(at, 0, &arguments), demo(what, "json"), "{what}");
    }
    fs::remove_dir_all(at.join("sample/hr")).unwrap();
    ends(
        at,
        0,
        &[
            "explain",
            "--config",
            stored,
            "RITM0010204",
            "--now",
            NOW,
            "--out",
            "page.html",
            "--format",
            "html",
        ],
    );
    assert!(fs::read_to_string(at.join("page.html")).unwrap().starts_with("<!doctype html>"));
}

/// Names come from strangers: they must not paint a terminal, and be no markup in a page.
#[test]
fn names_that_mean_harm_do_none() {
    let evil = "\u{1b}[2J<script>alert('x')</script>\u{202e}\"&";
    let folder = tempfile::tempdir().unwrap();
    let e = serde_json::to_string(evil).unwrap();
    let records = format!(
        r#"{{"type":"identity","id":{e},"kind":"service","owner":{e},"aliases":["a"],"evidence":{{"source":{e},"id":{e},"sha256":{e}}}}}
{{"type":"policy","id":{e},"title":{e},"approvers":["identity:{0}"],"applies_to":[{{"system":{e},"entitlement":{e}}}]}}
{{"type":"grant","system":{e},"account":"a","entitlement":{e},"scope":{e},"ticket":{e},"granted_by":{e},"granted_at":"2026-05-02T00:00:00Z","path":[{{"entitlement":{e}}}]}}
{{"type":"certification","system":{e},"account":"a","reviewer":{e},"decided_at":"2026-05-03T00:00:00Z","decision":"certified"}}
{{"type":"request","source":{e},"id":{e},"url":"javascript:alert(1)","state":"approved","requester":{e},"beneficiaries":["a"],"access":[{{"system":{e},"entitlement":{e},"scope":{e}}}],"approvals":[{{"approver":{e},"on_behalf_of":"b","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}}],"policy":{e},"changes":[{{"at":"2026-05-02T00:00:00Z","by":{e},"field":"scope"}}]}}
"#,
        evil.replace('\u{1b}', "\\u001b").replace('"', "\\\"")
    );
    fs::write(folder.path().join("r.jsonl"), records).unwrap();
    let named = ["--system", evil, "--account", "a", "--entitlement", evil];
    for what in [named.as_slice(), &[evil]] {
        let told = |format: &str| {
            let base = ["explain", "--records", "r.jsonl", "--now", NOW, "--format", format];
            ends(folder.path(), 0, &[&base, what].concat())
        };
        for text in [told("text"), told("json"), told("html")] {
            assert!(!text.chars().any(|c| is_hidden(c) && c != '\n'), "{text}");
        }
        let page = told("html");
        for markup in ["<script", "href=\"javascript", "onload"] {
            assert!(!page.contains(markup), "{page}");
        }
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
        let chain: serde_json::Value = serde_json::from_str(&told("json")).unwrap();
        assert_eq!(chain["request"]["id"], evil, "data is data");
    }
}
