//! The command line as a user and a script meet it: what goes where, and with which exit status it ends.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const NOW: &str = "2026-06-01T00:00:00Z";

/// An orphan that holds what nobody approved, and what an approval justifies.
const RECORDS: &str = r#"{"type":"identity","id":"alice@corp.example","aliases":["alice"]}
{"type":"identity","id":"bob@corp.example"}
{"type":"system","id":"aws-prod","owner":"carol@corp.example"}
{"type":"policy","id":"POL-1"}
{"type":"grant","system":"aws-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T00:00:00Z"}
{"type":"grant","system":"aws-prod","account":"ghost","entitlement":"admin"}
{"type":"request","source":"jira","id":"SEC-1","state":"approved","requester":"alice","beneficiaries":["alice"],"access":[{"system":"aws-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-1","justification":"on call","review_by":"2026-09-01T00:00:00Z"}
"#;

/// A folder to work in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs what must end with this status; its standard output and standard error.
    fn ends(&self, status: i32, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{out}\n{err}");
        (out, err)
    }
}

fn checks_of(jsonl: &str) -> Vec<String> {
    let finding = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    jsonl.lines().map(|l| finding(l)["check"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn findings_go_to_standard_output_and_nothing_else_does() {
    let desk = Desk::new();
    desk.put("r.jsonl", RECORDS);
    let (out, err) = desk.ends(0, &["reconcile", "--records", "r.jsonl", "--now", NOW]);
    assert_eq!(checks_of(&out), ["orphan-account", "unapproved-grant"], "not a terminal: JSON lines");
    assert_eq!(err, "");
    let (table, _) = desk.ends(0, &["reconcile", "--records", "r.jsonl", "--now", NOW, "--format", "table"]);
    assert!(table.contains("ghost") && !table.contains('\u{1b}'), "{table}");
    let (json, _) = desk.ends(0, &["reconcile", "--records", "r.jsonl", "--now", NOW, "--format", "json"]);
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&json).unwrap().len(), 2);
    let (short, _) =
        desk.ends(0, &["reconcile", "--records", "r.jsonl", "--now", NOW, "--format", "compact"]);
    let ids = |lines: &str| -> Vec<String> {
        let finding = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        lines.lines().map(|line| finding(line)["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&short), ids(&out), "{short}");
    assert!(short.len() < out.len() / 3, "{short}");
    let (ocsf, _) = desk.ends(0, &["reconcile", "--records", "r.jsonl", "--now", NOW, "--format", "ocsf"]);
    assert!(ocsf.lines().all(|l| l.contains("\"class_uid\":2008")), "{ocsf}");
}

#[test]
fn the_exit_status_says_what_happened() {
    let desk = Desk::new();
    desk.put("r.jsonl", RECORDS);
    let judged = |more: &[&'static str]| {
        let mut all = vec!["reconcile", "--records", "r.jsonl", "--now", NOW];
        all.extend(more);
        desk.run(&all).status.code()
    };
    assert_eq!(judged(&[]), Some(0));
    assert_eq!(judged(&["--fail-on", "high"]), Some(1));
    assert_eq!(judged(&["--fail-on", "critical"]), Some(0));
    assert_eq!(judged(&["--fail-on", "never"]), Some(2));
    assert_eq!(judged(&["--now", "yesterday"]), Some(2));
    assert_eq!(judged(&["--config", "none.toml"]), Some(2));
    assert_eq!(desk.run(&["reconcile"]).status.code(), Some(2));
    assert_eq!(desk.run(&["reconcile", "--records", "none.jsonl"]).status.code(), Some(2));
    assert_eq!(desk.run(&["--help"]).status.code(), Some(0));
    assert_eq!(desk.run(&[]).status.code(), Some(2));
}

#[test]
fn an_accepted_finding_does_not_fail_the_run() {
    let desk = Desk::new();
    let exception = |check: &str, by: &str, until: &str| {
        format!(
            r#"{{"type":"exception","check":"{check}","accepted_by":"{by}","reason":"moves to SSO","expires_at":"{until}","system":"AWS-prod","account":"ghost","entitlement":"admin"}}"#
        )
    };
    let both = |by, until| {
        format!(
            "{RECORDS}{}\n{}\n",
            exception("orphan-account", by, until),
            exception("unapproved-grant", by, until)
        )
    };
    let fails = |records: String| {
        desk.put("r.jsonl", records);
        desk.run(&["reconcile", "--records", "r.jsonl", "--now", NOW, "--fail-on", "low"]).status.code()
    };
    assert_eq!(fails(both("carol@corp.example", "2026-07-01T00:00:00Z")), Some(0));
    assert_eq!(fails(both("carol@corp.example", NOW)), Some(1), "it ended this instant");
    assert_eq!(fails(both("GHOST", "2026-07-01T00:00:00Z")), Some(1), "nobody accepts for themselves");
}

#[test]
fn the_same_records_give_the_same_bytes_however_they_come() {
    let desk = Desk::new();
    desk.put("r.jsonl", RECORDS);
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gz.write_all(RECORDS.as_bytes()).unwrap();
    desk.put("r.jsonl.gz", gz.finish().unwrap());
    desk.put("r.jsonl.zst", zstd::encode_all(RECORDS.as_bytes(), 1).unwrap());
    let reversed: String = RECORDS.lines().rev().flat_map(|l| [l, "\r\n"]).collect();
    desk.put("reversed.jsonl", format!("\u{feff}{reversed}"));
    let (head, tail) = RECORDS.split_at(RECORDS.match_indices('\n').nth(3).unwrap().0 + 1);
    desk.put("head.jsonl", head);
    desk.put("tail.jsonl", tail.trim_end());
    let judged = |more: &[&'static str]| {
        let mut all = vec!["reconcile", "--now", NOW, "--format", "jsonl"];
        all.extend(more);
        desk.ends(0, &all).0
    };
    let plain = judged(&["--records", "r.jsonl"]);
    for other in [
        &["--records", "r.jsonl.gz"][..],
        &["--records", "r.jsonl.zst", "--threads", "7"],
        &["--records", "reversed.jsonl", "--threads", "1"],
        &["--records", "tail.jsonl", "--records", "head.jsonl", "--records", "r.jsonl.gz"],
    ] {
        assert_eq!(judged(other), plain, "{other:?}");
    }
    let mut child = desk
        .command(&["reconcile", "--records", "-", "--now", NOW])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(RECORDS.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), plain);
}

#[test]
fn a_tie_is_settled_by_the_records_and_never_by_their_order() {
    let desk = Desk::new();
    let low = r#"{"type":"entitlement","system":"aws-prod","id":"admin","risk":"low"}"#;
    let high = r#"{"risk":"high","id":"admin","system":"aws-prod","type":"entitlement"}"#;
    let later =
        r#"{"type":"entitlement","system":"aws-prod","id":"admin","observed_at":"2026-05-01T00:00:00Z"}"#;
    let severities = |lines: &[&str], gz: bool| {
        let text = RECORDS.to_owned() + &lines.join("\n");
        let name = if gz { "r.jsonl.gz" } else { "r.jsonl" };
        if gz {
            let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            out.write_all(text.as_bytes()).unwrap();
            desk.put(name, out.finish().unwrap());
        } else {
            desk.put(name, text);
        }
        let (out, err) = desk.ends(0, &["reconcile", "--records", name, "--now", NOW]);
        let severity = |l: &str| serde_json::from_str::<serde_json::Value>(l).unwrap()["severity"].clone();
        (out.lines().map(severity).collect::<Vec<_>>(), err)
    };
    for gz in [false, true] {
        // `"risk":"low"` sorts behind `"risk":"high"`.
        for lines in [&[low, high][..], &[high, low], &[high, low, high, low]] {
            let (found, err) = severities(lines, gz);
            assert!(
                found.contains(&"medium".into()) && !found.contains(&"critical".into()),
                "{lines:?}: {found:?}"
            );
            assert!(err.contains("dropped"), "{err}");
        }
        for lines in [&[low, later, high][..], &[later, high, low], &[high, low, later]] {
            assert!(severities(lines, gz).0.iter().all(|s| s == "high" || s == "low"), "{lines:?}");
        }
    }
}

#[test]
fn a_bad_line_stops_the_run_with_its_place_or_is_set_aside() {
    let desk = Desk::new();
    let bad = r#"{"type":"request","source":"tickets","id":"T-1","state":"done"}"#;
    desk.put("r.jsonl", format!("{RECORDS}{bad}\n\u{0}\n"));
    let (out, err) = desk.ends(2, &["reconcile", "--records", "r.jsonl", "--now", NOW]);
    assert_eq!(out, "");
    assert!(err.contains("r.jsonl: line 8: field `state`: found `done`, expected one of `pending`"), "{err}");

    let (out, err) = desk.ends(0, &["reconcile", "--records", "r.jsonl", "--now", NOW, "--skip-bad-records"]);
    assert!(err.contains("2 lines are no records"), "{err}");
    let found = checks_of(&out);
    assert_eq!(
        found.iter().filter(|c| *c == "source-incomplete").count(),
        2,
        "{found:?}: by its source, by its file"
    );
    assert!(!found.contains(&"unapproved-grant".to_owned()), "the lost line may have been the approval");
    let rejects = fs::read_to_string(desk.path().join("counterfoil-rejects.jsonl")).unwrap();
    let rejects: Vec<serde_json::Value> = rejects.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((rejects[0]["line"].as_u64(), rejects[0]["text"].as_str()), (Some(8), Some(bad)));
    assert_eq!(rejects[0]["error"]["field"], "state");
    assert_eq!(rejects.len(), 2);
}

#[test]
fn hostile_record_files_end_with_a_message() {
    let desk = Desk::new();
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gz.write_all(RECORDS.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    for (name, content, says) in [
        ("cut.jsonl.gz", &gz[..gz.len() / 2], "cut.jsonl.gz"),
        ("no.jsonl.gz", b"plain", "no.jsonl.gz"),
        ("no.jsonl.zst", b"plain", "no.jsonl.zst"),
        (
            "latin.jsonl",
            b"{\"type\":\"system\",\"id\":\"caf\xe9\"}",
            "line 1: found a byte at column 27 that is not UTF-8",
        ),
        ("utf16.jsonl", b"\xff\xfe{\0", "not UTF-8"),
        ("blank.jsonl", b"\n", "line 1: found an empty line"),
        ("nan.jsonl", b"{\"type\":\"snapshot\",\"source\":\"a\",\"count\":NaN}", "at column"),
        ("half.jsonl", &RECORDS.as_bytes()[..100], "line 2"),
        ("deep.jsonl", &[b'['; 100_000], "64 levels deep"),
    ] {
        desk.put(name, content);
        let (out, err) = desk.ends(2, &["reconcile", "--records", name, "--now", NOW]);
        assert!(out.is_empty() && err.contains(says), "{name}: {err}");
        assert!(err.len() < 1000 && !err.contains("panicked"), "{name}: {err}");
    }
    desk.put("empty.jsonl", "");
    assert_eq!(desk.ends(0, &["reconcile", "--records", "empty.jsonl", "--now", NOW]).0, "");
    if Path::new("/dev/zero").exists() {
        let (_, err) = desk.ends(2, &["reconcile", "--records", "/dev/zero", "--now", NOW]);
        assert!(err.contains("line 1: found a line of"), "an endless line is refused at once: {err}");
    }
    let (_, err) = desk.ends(2, &["reconcile", "--records", ".", "--now", NOW]);
    assert!(err.contains("cannot be read"), "{err}");
}

#[test]
fn a_line_of_100_mb_is_refused_in_little_memory_and_what_follows_it_is_read() {
    let desk = Desk::new();
    let path = desk.path().join("long.jsonl");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    file.write_all(b"{\"type\":\"system\",\"id\":\"").unwrap();
    for _ in 0..100 {
        file.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    file.write_all(format!("\"}}\n{RECORDS}").as_bytes()).unwrap();
    file.flush().unwrap();
    drop(file);
    let limited = |more: &str| {
        // 400 MB of address space: the line fits in it once at most, and a run that kept it several times would not.
        let script = format!(
            "ulimit -v 400000; exec \"$0\" reconcile --records long.jsonl --now {NOW} --threads 2 {more}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_counterfoil")]).current_dir(desk.path());
        command.output().unwrap()
    };
    let refused = limited("");
    let err = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{err}");
    assert!(err.contains("line 1: found a line of") && err.contains("at most 16777216 bytes"), "{err}");
    let skipped = limited("--skip-bad-records");
    let out = String::from_utf8(skipped.stdout).unwrap();
    assert!(checks_of(&out).contains(&"orphan-account".to_owned()), "{out}");
}

#[test]
fn each_grant_has_one_verdict() {
    let desk = Desk::new();
    desk.put("r.jsonl", RECORDS);
    desk.ends(0, &["reconcile", "--records", "r.jsonl", "--now", NOW, "--verdicts", "v.jsonl"]);
    let verdicts = fs::read_to_string(desk.path().join("v.jsonl")).unwrap();
    assert_eq!(
        verdicts,
        concat!(
            r#"{"system":"aws-prod","account":"alice","entitlement":"admin","scope":null,"path":[],"subject":"alice@corp.example","standing":"approved","verdict":"justified","request":{"source":"jira","id":"SEC-1"},"recheck_at":"2026-09-01T00:00:00Z"}"#,
            "\n",
            r#"{"system":"aws-prod","account":"ghost","entitlement":"admin","scope":null,"path":[],"subject":"ghost","standing":"unapproved","verdict":"unjustified","request":null,"recheck_at":null}"#,
            "\n"
        )
    );
    let (_, err) =
        desk.ends(2, &["reconcile", "--records", "r.jsonl", "--now", NOW, "--verdicts", "no/v.jsonl"]);
    assert!(err.contains("no/v.jsonl: cannot be written"), "{err}");
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let desk = Desk::new();
    desk.put("r.jsonl", RECORDS);
    let mut child = desk
        .command(&["reconcile", "--records", "r.jsonl", "--now", NOW])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_configuration_at_fault_is_shown_with_line_and_column() {
    let desk = Desk::new();
    desk.put("r.jsonl", RECORDS);
    for (text, says) in [
        ("[checks]\nunused_after = \"P3M\"\n", "c.toml:2:16: found `P3M`, expected a duration in weeks"),
        ("[checks]\nunused-grants = { enabled = false }\n", "c.toml:2:1: `unused-grants` is neither"),
        ("[checks.unused-grant]\nseverity = \"urgent\"\n", "c.toml:2:12"),
        ("[accountability]\noperater = \"x\"\n", "c.toml:2:1: unknown field `operater`"),
        ("[[birthright]]\nsystem = \"okta\"\n", "missing field `entitlement`"),
        ("a = \n", "c.toml:1:5"),
        ("[[source]]\nid = \"a\"\nconnector = \"nope\"\nfiles = [\"x\"]\n", "there is no connector `nope`"),
        (
            "[[source]]\nid = \"a\"\nconnector = \"records\"\nfiles = [\"x\"]\n[[source]]\nid = \"a\"\nconnector = \"records\"\nfiles = [\"y\"]\n",
            "two sources have the id `a`",
        ),
    ] {
        desk.put("c.toml", text);
        let (_, err) = desk.ends(2, &["config", "check", "c.toml"]);
        assert!(err.contains(says), "{text}: {err}");
    }
    desk.put("c.toml", "[[source]]\nid = \"a\"\nconnector = \"records\"\nfiles = [\"r.jsonl\"]\n");
    assert!(desk.ends(0, &["config", "check", "c.toml"]).1.contains("in order, 1 sources"));
    let (out, _) = desk.ends(0, &["reconcile", "--config", "c.toml", "--now", NOW]);
    assert_eq!(checks_of(&out), ["orphan-account", "unapproved-grant"], "the sources are pulled and judged");
    let schema: serde_json::Value = serde_json::from_str(&desk.ends(0, &["config", "schema"]).0).unwrap();
    assert!(schema.to_string().contains("unused_after_high_risk"));
}

#[test]
fn pages_completions_and_the_manual_are_printed() {
    let desk = Desk::new();
    let (list, _) = desk.ends(0, &["checks"]);
    assert_eq!(list.lines().count(), 38);
    for check in list.lines().map(|l| l.split_whitespace().next().unwrap()) {
        let (page, _) = desk.ends(0, &["checks", check]);
        assert!(page.starts_with(&format!("# {check}\n")) && page.contains("\n## Controls\n- "), "{check}");
    }
    assert!(desk.ends(2, &["checks", "nothing"]).1.contains("there is no check `nothing`"));
    let (list, _) = desk.ends(0, &["connectors"]);
    for name in ["aws-iam", "csv", "directory", "jira", "records"] {
        assert!(list.contains(name), "{name}");
        assert!(desk.ends(0, &["connectors", name]).0.contains('#'), "{name}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(desk.ends(0, &["completions", shell]).0.contains("reconcile"), "{shell}");
    }
    assert!(desk.ends(0, &["man"]).0.contains(".TH"));
    assert!(desk.ends(0, &["man", "reconcile"]).0.contains("skip\\-bad\\-records"));
    assert!(desk.ends(2, &["man", "nothing"]).1.contains("there is no command"));
}
