//! What a change in the directory does to findings: somebody is put into a group, and taken out again.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::live::SETTINGS;
use super::slapd::{Plan, Slapd, skipped};

/// One approval: alice may be in `ops`.
const TICKETS: &str = r#"{"type":"request","source":"tickets","id":"SEC-1","state":"approved","beneficiaries":["alice"],"access":[{"system":"corp.example","entitlement":"ops"}],"approvals":[{"approver":"carol","decision":"approved","decided_at":"2024-01-03T07:00:00Z"}]}
"#;

/// Reconciles once.
fn run(server: &Slapd) -> Output {
    Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(["reconcile", "--config", "counterfoil.toml", "--format", "jsonl"])
        .current_dir(server.dir())
        .env_remove("STATE_DIRECTORY")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The grants without a ticket that are open, as `account entitlement`.
fn open(done: &Output) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for line in String::from_utf8(done.stdout.clone()).unwrap().lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        if finding["check"] == "unapproved-grant" {
            let text = |key: &str| finding["grant"][key].as_str().unwrap().to_owned();
            open.insert(format!("{} {}", text("account"), text("entitlement")));
        }
    }
    open
}

/// One run that must go well: what is open, and what was said.
fn reconcile(server: &Slapd) -> (BTreeSet<String>, String) {
    let done = run(server);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    (open(&done), said)
}

#[test]
fn who_is_put_into_a_group_without_a_ticket_is_found_and_who_is_taken_out_is_cleared() {
    if skipped() {
        return;
    }
    let server = Slapd::start(&Plan::default());
    fs::write(server.dir().join("tickets.jsonl"), TICKETS).unwrap();
    let ldap = server.config("page_size = 2", &format!("{SETTINGS}accesslog_base = \"cn=accesslog\"\n"));
    let tickets = "[[source]]\nid = \"tickets\"\nconnector = \"records\"\nfiles = [\"tickets.jsonl\"]\n";
    fs::write(
        server.dir().join("counterfoil.toml"),
        format!("[store]\npath = \"store.db\"\n{tickets}{ldap}"),
    )
    .unwrap();

    let (first, said) = reconcile(&server);
    assert!(first.contains("backup ops") && !first.contains("alice ops"), "{first:?} {said}");
    // What comes with the group is covered by the ticket for the group.
    assert!(!first.contains("alice prod-admins") && !first.contains("bob ops"), "{first:?}");

    let (ops, bob) = ("cn=ops,ou=groups,dc=corp,dc=example", "uid=bob,ou=people,dc=corp,dc=example");
    server.member(Slapd::admin(), "add", ops, bob);
    let (granted, said) = reconcile(&server);
    let new: Vec<&String> = granted.difference(&first).collect();
    assert_eq!(new, ["bob oncall", "bob ops", "bob prod-admins"], "{said}");

    server.member(Slapd::admin(), "delete", ops, bob);
    let (revoked, said) = reconcile(&server);
    assert_eq!(revoked, first, "{said}");
    assert!(said.contains("resolved") && !said.contains(" 0 resolved"), "{said}");

    // A directory that is away clears nothing.
    server.kill();
    let done = run(&server);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("source `corp-ldap` could not be read: cannot connect"), "{said}");
    assert_eq!(open(&done), first, "{said}");
}
