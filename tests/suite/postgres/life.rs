//! The life of access as `counterfoil reconcile` sees it: what is granted with psql is found by the next run, and what is
//! revoked is gone from the one after.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::server::{self, PASSWORD, Server};

/// Who approved what. The approval is for a role; what comes with it needs none of its own.
const TICKETS: &str = r#"{"type":"identity","id":"alice@corp.example","accounts":[{"system":"pg-crm","account":"alice"}]}
{"type":"identity","id":"bob@corp.example"}
{"type":"identity","id":"carol@corp.example"}
{"type":"system","id":"pg-crm","owner":"carol@corp.example"}
{"type":"policy","id":"POL-1"}
{"type":"request","source":"tickets","id":"SEC-1","state":"approved","requester":"alice@corp.example","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-crm","entitlement":"readers"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-1","justification":"on call","requested_at":"2026-05-01T00:00:00Z","decided_at":"2026-05-01T12:00:00Z","review_by":"2099-09-01T00:00:00Z"}
{"type":"snapshot","source":"tickets","taken_at":"2099-01-01T00:00:00Z","complete":true,"provides":["identity","request","policy"]}
"#;

struct Desk {
    server: Server,
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { server: Server::start(), dir: tempfile::tempdir().unwrap() };
        let site = desk.server.site("watch", "databases = [\"crm\"]");
        fs::write(desk.dir.path().join("tickets.jsonl"), TICKETS).unwrap();
        let config = format!(
            "[store]\n\n[[source]]\nid = \"tickets\"\nconnector = \"records\"\nfiles = [\"tickets.jsonl\"]\n\n\
             [[source]]\nid = \"pg\"\nconnector = \"postgres\"\nsettings = {{ system = \"pg-crm\", logins = false, public = \"none\", owners = false }}\n\
             [source.postgres]\n{site}"
        );
        fs::write(desk.dir.path().join("counterfoil.toml"), config).unwrap();
        desk.server.sql("postgres", "CREATE ROLE readers; CREATE ROLE alice LOGIN; CREATE DATABASE crm");
        desk.server.sql(
            "crm",
            "CREATE SCHEMA sales; CREATE TABLE sales.orders (n int); GRANT SELECT ON sales.orders TO readers",
        );
        desk
    }

    /// One run; its findings as `check: account entitlement`, of the accounts of these tests.
    fn reconcile(&self) -> Vec<String> {
        let out = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(["reconcile", "--config", "counterfoil.toml", "--format", "json"])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (printed, said) =
            (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
        assert!(!printed.contains(PASSWORD) && !said.contains(PASSWORD), "the secret is told");
        let findings: Value =
            serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}\n{said}"));
        let grant =
            |finding: &Value, key: &str| finding["grant"][key].as_str().unwrap_or_default().to_owned();
        let mut lines: Vec<String> = findings
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| grant(finding, "account") == "alice")
            .map(|f| format!("{}: {}", f["check"].as_str().unwrap(), grant(f, "entitlement")))
            .collect();
        lines.sort();
        lines
    }
}

#[test]
fn what_psql_grants_and_revokes_is_seen_by_the_next_run() {
    if server::skipped() {
        return;
    }
    let desk = Desk::new();
    let sql = |text: &str| desk.server.sql("crm", text);
    let none = [""; 0];
    assert_eq!(desk.reconcile(), none, "nobody holds anything");
    sql("GRANT readers TO alice");
    let approved = desk.reconcile();
    assert!(!approved.iter().any(|line| line.starts_with("unapproved-grant")), "{approved:?}");
    sql("GRANT INSERT ON sales.orders TO alice");
    let found = desk.reconcile();
    assert!(found.contains(&"unapproved-grant: tables crm.sales: INSERT".to_owned()), "{found:?}");
    sql("REVOKE INSERT ON sales.orders FROM alice");
    assert_eq!(desk.reconcile(), approved, "gone with the grant");
    sql("ALTER ROLE alice SUPERUSER");
    let found = desk.reconcile();
    assert!(found.contains(&"unapproved-grant: SUPERUSER".to_owned()), "{found:?}");
    sql("ALTER ROLE alice NOSUPERUSER");
    assert_eq!(desk.reconcile(), approved);
    // Through a role that has something new: the ticket for the role covers it.
    sql("GRANT UPDATE ON sales.orders TO readers");
    assert_eq!(desk.reconcile(), approved);
    sql("REVOKE readers FROM alice");
    assert!(!desk.reconcile().iter().any(|line| line.starts_with("unapproved-grant")));
    // A server that does not answer says nothing of what is held: no all-clear either.
    sql("GRANT DELETE ON sales.orders TO alice");
    let found = desk.reconcile();
    assert!(found.contains(&"unapproved-grant: tables crm.sales: DELETE".to_owned()), "{found:?}");
    let mut desk = desk;
    desk.server.crash();
    let kept = desk.reconcile();
    assert!(kept.contains(&"unapproved-grant: tables crm.sales: DELETE".to_owned()), "{kept:?}");
}
