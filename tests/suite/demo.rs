//! The sample company: what `counterfoil demo` finds in it, that it leaves nothing behind, and that what the README
//! shows of it is what it prints.
//!
//! Everything here runs the binary, as a newcomer would.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const NOW: &str = "2026-06-01T00:00:00Z";
const README: &str = include_str!("../../README.md");

/// Runs the program in an empty folder, with an empty home and an empty folder for temporary files, and gives its
/// standard output. All three are empty afterwards, or the program has left something behind.
fn counterfoil<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let (cwd, home, temporary) = (folder(), folder(), folder());
    let done = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(arguments)
        .current_dir(&cwd)
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path())
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for folder in [cwd, home, temporary] {
        assert_eq!(listed(folder.path()), Vec::<String>::new(), "left behind");
    }
    String::from_utf8(done.stdout).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Every file below a folder.
fn listed(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listed(&path));
        }
        found.push(path.to_string_lossy().into_owned());
    }
    found
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What a finding is about, on one line.
fn object(finding: &Value) -> String {
    let grant = &finding["grant"];
    if grant.is_object() {
        let parts = ["/system", "/account", "/entitlement", "/scope"].map(|p| text(grant, p));
        let path = grant["path"].as_array().into_iter().flatten().map(|step| text(step, "/entitlement"));
        let path: String = path.map(|step| format!(" via {step}")).collect();
        return format!("{}{path}", parts.join(" ").trim_end());
    }
    let others = ["/request/id", "/alias", "/source"].map(|p| text(finding, p));
    others.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
}

#[test]
fn the_sample_company() {
    let kept = folder();
    let verdicts = kept.path().join("verdicts.jsonl");
    let findings = lines(&counterfoil(&[
        "demo".as_ref(),
        "--format".as_ref(),
        "jsonl".as_ref(),
        "--verdicts".as_ref(),
        verdicts.as_os_str(),
    ]));

    let told: Vec<String> = findings
        .iter()
        .map(|f| format!("{:<24} {:<8} {}", text(f, "/check"), text(f, "/severity"), object(f)))
        .collect();
    insta::assert_snapshot!("demo", told.join("\n"));

    // What the sample is there to show.
    let checks: BTreeSet<&str> = findings.iter().map(|f| text(f, "/check")).collect();
    assert!(checks.len() >= 15, "{checks:?}");
    let of_kind = |kind| findings.iter().filter(|f| text(f, "/subject/kind") == kind).count();
    assert!(of_kind("human") > 0 && of_kind("service") > 0 && of_kind("agent") > 0);
    for finding in &findings {
        assert_eq!(text(finding, "/now"), NOW);
        let people = finding["accountable"].as_array().unwrap();
        let first: Vec<_> = people.iter().filter(|p| p["primary"] == true).collect();
        assert!(first.iter().all(|p| text(p, "/identity").ends_with("@tarnbrook.example")), "{finding}");
        assert!(!first.is_empty(), "{finding}");
        let known = matches!(text(finding, "/check"), "ambiguous-identity" | "source-incomplete");
        assert!(known || !finding["evidence"].as_array().unwrap().is_empty(), "{finding}");
    }

    // A company somebody could believe in: most of what is held is justified, and nearly every standing occurs.
    let verdicts = lines(&fs::read_to_string(&verdicts).unwrap());
    let justified = verdicts.iter().filter(|v| text(v, "/verdict") == "justified").count();
    assert!((60..=140).contains(&verdicts.len()), "{}", verdicts.len());
    assert!(justified * 3 > verdicts.len() * 2, "{justified} of {}", verdicts.len());
    let standings: BTreeSet<&str> = verdicts.iter().map(|v| text(v, "/standing")).collect();
    assert_eq!(
        standings.into_iter().collect::<Vec<_>>(),
        // All but `unknown`, which an incomplete source of requests would make of every `unapproved` one.
        [
            "approved",
            "birthright",
            "denied",
            "emergency",
            "exceeded",
            "expired",
            "pending",
            "revoked",
            "unapproved"
        ]
    );
}

#[test]
fn written_out_and_judged_from_its_configuration_it_is_what_the_readme_shows() {
    let copy = folder();
    let config = copy.path().join("counterfoil.toml");
    let printed = counterfoil(&["demo".as_ref(), "--write-to".as_ref(), copy.path().as_os_str()]);
    assert_eq!(printed, "");
    counterfoil(&["config".as_ref(), "check".as_ref(), config.as_os_str()]);

    let mut arguments = vec!["reconcile".as_ref(), "--config".as_ref(), config.as_os_str()];
    arguments.extend(["--now", NOW, "--format", "table"].map(OsStr::new));
    let table = counterfoil(&arguments);
    let shown: BTreeSet<&str> = table.lines().map(str::trim).collect();
    let excerpt = README.split("```text\n").find(|block| block.contains(" findings as of ")).unwrap();
    let excerpt = excerpt.split("```").next().unwrap();
    assert!(excerpt.lines().count() > 20);
    for line in excerpt.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "...") {
        assert!(shown.contains(line), "the README shows `{line}`, and the demo prints\n{table}");
    }
}

#[test]
fn every_address_of_the_sample_is_invented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let files: Vec<_> = listed(&root).into_iter().filter(|path| Path::new(path).is_file()).collect();
    assert!(files.len() > 10);
    let host = regex::Regex::new(r"(?:@|https?://)([A-Za-z0-9.-]+[A-Za-z])").unwrap();
    let mut hosts = 0;
    for file in &files {
        for found in host.captures_iter(&fs::read_to_string(file).unwrap()) {
            assert!(found[1].ends_with(".example"), "{file}: {}", &found[1]);
            hosts += 1;
        }
    }
    assert!(hosts > 100, "{hosts}");
}
