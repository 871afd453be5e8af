//! The configuration of the daemon: what cannot be meant is refused with its place and what to do, before anything runs.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// What every configuration here begins with; the line after it is the seventh.
const SOURCE: &str =
    "[[source]]\nid = \"a\"\nconnector = \"records\"\nfiles = [\"r.jsonl\"]\n\n# from here on\n";

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("r.jsonl"), "").unwrap();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command.args(arguments).current_dir(self.0.path()).env_clear().output().unwrap()
    }

    /// Checks a configuration; its exit status and what it says.
    fn check(&self, text: &str) -> (Option<i32>, String) {
        fs::write(self.0.path().join("c.toml"), format!("{SOURCE}{text}")).unwrap();
        let output = self.run(&["config", "check", "c.toml"]);
        assert!(output.stdout.is_empty());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn refuses(&self, text: &str, pieces: &[&str]) {
        let (status, said) = self.check(text);
        for piece in pieces {
            assert!(status == Some(2) && said.contains(piece), "expected `{piece}`:\n{text}\n{said}");
        }
        assert_eq!(said.lines().count(), 1, "{said}");
        // The daemon and a run by hand say the same.
        for command in ["run", "reconcile"] {
            let output = self.run(&[command, "--config", "c.toml"]);
            let also = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(2) && also.contains(pieces[0]), "{command}: {also}");
        }
        assert!(!self.0.path().join("counterfoil.db").exists(), "nothing was begun");
    }
}

const FILE: &str = "file = { path = \"-\" }\n";

#[test]
fn schedules_that_cannot_be_kept_are_refused() {
    let desk = Desk::new();
    for (text, pieces) in [
        ("[schedule]\npull = { cron = \"61 * * * *\" }\n", &["c.toml", "pull a", "61 * * * *"][..]),
        ("[schedule]\nreconcile = { cron = \"often\" }\n", &["c.toml", "`reconcile`", "often"]),
        (
            "[schedule]\npull = { cron = \"0 8 * * *\", time_zone = \"Mars/Olympus\" }\n",
            &["c.toml", "Mars/Olympus"],
        ),
        ("[schedule]\npull = { every = \"PT1S\" }\n", &["c.toml", "PT1M to P366D"]),
        ("[schedule]\npull = { every = \"soon\" }\n", &["c.toml:8:18", "soon"]),
        ("[schedule]\npull = { every = \"PT1H\", cron = \"0 * * * *\" }\n", &["c.toml", "cron"]),
        ("[schedule]\npull = \"PT1H\"\n", &["c.toml:8:8", "expected a table: { every = \"PT1H\" }"]),
        ("[schedule]\npulls = {}\n", &["c.toml:8:1: unknown field `pulls`"]),
    ] {
        desk.refuses(text, pieces);
    }
}

#[test]
fn stores_that_cannot_be_meant_are_refused() {
    let desk = Desk::new();
    for (table, pieces) in [
        ("url = \"mysql://me@db/x\"", &["[store]", "`url`: it cannot be read", "postgres://USER@HOST"][..]),
        ("url = \"postgres://me:canary@db/x\"", &["`url`: it holds a password; say in `password`"]),
        ("url = \"postgres://me@db/x?sslmode=require\"", &["`sslmode` is `verify-full`, or `disable`"]),
        ("url = \"postgres://me@db/x\"\npassword = \"file:none\"", &["[store]: password: ", "none"]),
        ("url = \"postgres://me@db/x\"\npath = \"s.db\"", &["expected one of `path` and `url`"]),
        ("path = \"postgres://me@db/x\"", &["`path` is a file; the address of a database goes into `url`"]),
        ("ca_file = \"ca.pem\"", &["`password` and `ca_file` go with `url`"]),
    ] {
        desk.refuses(&format!("[store]\n{table}\n"), pieces);
    }
}

#[test]
fn sinks_that_cannot_be_meant_are_refused() {
    let desk = Desk::new();
    let sink = |text: &str| format!("[[sink]]\nid = \"s\"\n{text}");
    for (text, pieces) in [
        (sink("pigeon = {}\n"), &["c.toml:9:1: unknown field `pigeon`, expected one of", "`webhook`"][..]),
        (sink("webhook = 1\n"), &["c.toml:9:11: invalid type: integer `1`, expected a table"]),
        (sink(""), &["c.toml", "sink `s`: no kind; add one of the tables [sink.file]"]),
        (
            sink(&format!("{FILE}alertmanager = {{ url = \"https://a.example\" }}\n")),
            &["c.toml", "sink `s`: 2 kinds (file, alertmanager); each kind needs a [[sink]] of its own"],
        ),
        (sink(FILE) + &sink(FILE), &["c.toml", "two sinks have the id `s`; each needs its own"]),
        (
            sink(&format!("{FILE}filter = {{ checks = [\"self-approvel\"] }}\n")),
            &["c.toml", "sink `s`: there is no check `self-approvel`; `counterfoil checks` lists them"],
        ),
        (
            sink(&format!("{FILE}filter = {{ except_checks = [\"x\"] }}\n")),
            &["c.toml", "sink `s`: there is no check `x`"],
        ),
        (
            sink(&format!("{FILE}filter = {{ owners = [\"team:nobody\"] }}\n")),
            &["c.toml", "sink `s`: there is no [[team]] `nobody`"],
        ),
        (sink(&format!("{FILE}filter = {{ min_severity = \"urgent\" }}\n")), &["c.toml:10:27", "urgent"]),
        (sink(&format!("{FILE}heartbeat = \"daily\"\n")), &["c.toml:10:13", "daily"]),
        (sink("file = { path = \"-\", pth = 1 }\n"), &["c.toml:9:22: unknown field `pth`"]),
    ] {
        desk.refuses(&text, pieces);
    }
}

/// What only shows when a sink is set up is found as well: addresses, folders, secrets.
#[test]
fn sinks_that_cannot_be_set_up_are_refused() {
    let desk = Desk::new();
    let sink = |text: &str| format!("[[sink]]\nid = \"s\"\n{text}");
    for (text, pieces) in [
        (
            "file = { path = \"none/f.jsonl\" }\n",
            &["sink `s`: path: ", "there is no folder", "create it"][..],
        ),
        (
            "splunk = { url = \"https://splunk.example\", token = \"env:TOKEN\" }\n",
            &["sink `s`: the secret env:TOKEN: there is no such variable in the environment"],
        ),
        (
            "splunk = { url = \"https://splunk.example\", token = \"file:token\" }\n",
            &["sink `s`: the secret file:token: ", "token: No such file"],
        ),
        (
            "pagerduty = { routing_key = \"credential:key\" }\n",
            &["sink `s`: the secret credential:key: $CREDENTIALS_DIRECTORY is not set"],
        ),
        (
            "webhook = { url = \"http://hook.example/\", secrets = [\"env:X\"] }\n",
            &["sink `s`: `url`: http:// can be read and changed by anyone"],
        ),
        (
            "webhook = { url = \"https://169.254.169.254/\", secrets = [\"env:X\"] }\n",
            &["sink `s`: `url`: ", "metadata"],
        ),
        (
            "elastic = { url = \"https://e.example\" }\n",
            &["sink `s`: expected `api_key`, or `user` and `password`"],
        ),
        ("syslog = { address = \"nowhere\" }\n", &["sink `s`: ", "address"]),
    ] {
        desk.refuses(&sink(text), pieces);
        let (_, said) = desk.check(&sink(text));
        assert!(said.contains("c.toml: "), "with its file: {said}");
    }
}

#[test]
fn mutes_teams_and_addresses_that_cannot_be_meant_are_refused() {
    let desk = Desk::new();
    let until = "until = \"2027-01-01T00:00:00Z\"\n";
    for (text, pieces) in [
        (
            format!("[[mute]]\nreason = \"r\"\n{until}checks = []\n"),
            &["c.toml:7:1: missing field `owner`"][..],
        ),
        (format!("[[mute]]\nowner = \"o\"\n{until}"), &["c.toml:7:1: missing field `reason`"]),
        ("[[mute]]\nowner = \"o\"\nreason = \"r\"\n".to_owned(), &["c.toml:7:1: missing field `until`"]),
        (
            "[[mute]]\nowner = \"o\"\nreason = \"r\"\nuntil = \"2027-01-01\"\n".to_owned(),
            &["c.toml:10:9", "2027-01-01"],
        ),
        (
            format!("[[mute]]\nowner = \" \"\nreason = \"r\"\n{until}systems = [\"vpn\"]\n"),
            &["c.toml", "[[mute]] 1: `owner` is empty"],
        ),
        (
            format!("[[mute]]\nowner = \"o\"\nreason = \"\"\n{until}systems = [\"vpn\"]\n"),
            &["c.toml", "[[mute]] 1: `reason` is empty"],
        ),
        (
            format!("[[mute]]\nowner = \"o\"\nreason = \"r\"\n{until}"),
            &["c.toml", "[[mute]] 1: it would mute everything; say `checks`, `systems`"],
        ),
        (
            format!("[[mute]]\nowner = \"o\"\nreason = \"r\"\n{until}checks = [\"nope\"]\n"),
            &["c.toml", "[[mute]] 1: there is no check `nope`; `counterfoil checks` lists them"],
        ),
        ("[[team]]\nid = \"ops\"\n".to_owned(), &["c.toml:7:1: missing field `members`"]),
        (
            "[serve]\nlisten = \"0.0.0.0:9187\"\n".to_owned(),
            &[
                "c.toml",
                "[serve]: `listen` = 0.0.0.0:9187: other machines reach this address",
                "add a [[serve.token]]",
            ],
        ),
        ("[serve]\nlisten = \"localhost\"\n".to_owned(), &["c.toml:8:10"]),
        ("[store]\nkeep = \"forever\"\n".to_owned(), &["c.toml:8:8", "forever"]),
        ("[alerts]\nresolve_after = -1\n".to_owned(), &["c.toml:8:17"]),
        ("[guard]\nrecord = 1\n".to_owned(), &["c.toml:8:1: unknown field `record`"]),
    ] {
        desk.refuses(&text, pieces);
    }
}

/// What a site of some size would write.
const WHOLE: &str = r#"
[store]
path = "s.db"
keep = "P400D"
[schedule]
pull = { every = "PT2H" }
reconcile = { cron = "30 7 * * 1-5", time_zone = "Europe/Berlin" }
[alerts]
resolve_after = 3
flapping_window = "PT12H"
[guard]
records = 20
percent = 5
[serve]
listen = "127.0.0.1:9187"
[log]
format = "json"
level = "info,counterfoil::sink=debug"
[[team]]
id = "ops"
members = ["olga@corp.example"]
[[mute]]
owner = "olga@corp.example"
reason = "migration"
until = "2027-01-01T00:00:00Z"
systems = ["vpn"]
max_severity = "medium"
[[sink]]
id = "log"
heartbeat = "PT0S"
file = { path = "events.jsonl", fsync = true }
[[sink]]
id = "siem"
filter = { min_severity = "high", owners = ["team:ops", "pia@corp.example"] }
[sink.splunk]
url = "https://splunk.corp.example:8088"
token = "file:token"
[sink.splunk.http]
allow_private = true
[[sink]]
id = "alerts"
filter = { unrouted = true, except_checks = ["unused-grant"] }
alertmanager = { url = "https://alerts.corp.example" }
"#;

#[test]
fn a_whole_configuration_is_in_order() {
    let desk = Desk::new();
    let token = desk.0.path().join("token");
    fs::write(&token, "s3cret\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let (status, said) = desk.check(WHOLE);
    assert!(status == Some(0) && said.contains("c.toml: in order, 1 sources, 3 sinks"), "{said}");
    assert!(
        !desk.0.path().join("s.db").exists() && !desk.0.path().join("events.jsonl").exists(),
        "it only looks"
    );
}

/// Whatever the schema says may stand there does: every table and key of the whole configuration is in it, and it is closed.
#[test]
fn the_schema_knows_the_daemon() {
    let desk = Desk::new();
    let schema: Value = serde_json::from_slice(&desk.run(&["config", "schema"]).stdout).unwrap();
    let config: toml::Table = toml::from_str(&format!("{SOURCE}{WHOLE}")).unwrap();
    fits(&schema, &schema, &serde_json::to_value(config).unwrap(), "");
    let entry = resolved(&schema, &schema["properties"]["sink"]["items"]);
    let kinds = entry["properties"].as_object().unwrap();
    for kind in counterfoil::sink::Entry::KINDS {
        assert!(kinds.contains_key(*kind), "{kind}");
    }
    assert_eq!(entry["additionalProperties"], false);
}

/// What a reference leads to; of a choice with nothing the other.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(name) = schema["$ref"].as_str() {
        return resolved(root, root.pointer(name.trim_start_matches('#')).unwrap());
    }
    let choices = schema["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
    match choices.iter().find(|choice| choice["type"] != "null") {
        Some(choice) => resolved(root, choice),
        None => schema,
    }
}

/// Holds a value against as much of its schema as tells names and shapes.
fn fits(root: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(root, schema);
    let may_be = |kind: &str| match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(all) => all.iter().any(|one| one == kind),
        _ => true,
    };
    match value {
        Value::Object(fields) => {
            assert!(may_be("object"), "{place}: {schema}");
            for (name, inner) in fields {
                let place = format!("{place}/{name}");
                match schema["properties"].get(name) {
                    Some(schema) => fits(root, schema, inner, &place),
                    None => assert!(schema["additionalProperties"] != false, "{place}: not in the schema"),
                }
            }
        }
        Value::Array(items) => {
            assert!(may_be("array"), "{place}: {schema}");
            items.iter().for_each(|item| fits(root, &schema["items"], item, place));
        }
        Value::String(_) => assert!(may_be("string"), "{place}: {schema}"),
        Value::Bool(_) => assert!(may_be("boolean"), "{place}: {schema}"),
        _ => assert!(may_be("integer") || may_be("number"), "{place}: {schema}"),
    }
}
