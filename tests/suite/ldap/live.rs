//! Whole pulls of a real OpenLDAP: what comes out, in one page or many, with the times and people its log knows.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use counterfoil::connect::transport::Doing;
use serde_json::Value;

use super::slapd::{Plan, Slapd, skipped};
use super::{Pulled, bare, job};

/// What is asked of the directory of these tests, beside where it is.
pub const SETTINGS: &str = r#"schema = "openldap"
people_base = ["ou=people,dc=corp,dc=example", "ou=services,dc=corp,dc=example"]
group_base = ["ou=groups,dc=corp,dc=example"]
high_risk_patterns = ["^prod-"]
"#;

/// The records that the directory of these tests means.
fn expected() -> Vec<Value> {
    include_str!("corp.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const KINDS: [&str; 6] = ["system", "identity", "entitlement", "grant", "usage", "snapshot"];

#[test]
fn a_whole_directory_gives_its_records_in_one_page_or_in_many() {
    if skipped() {
        return;
    }
    let server = Slapd::start(&Plan::default());
    for (page_size, pages) in [(500, 3), (2, 5), (1, 9)] {
        let config = server.config(&format!("page_size = {page_size}"), SETTINGS);
        let asked = RefCell::new(vec![]);
        let pulled = Pulled::watched(&job(server.dir(), &config), &|doing| {
            if let Doing::Asked { step, requests, rows } = doing {
                asked.borrow_mut().push(((*step).to_owned(), *requests, *rows));
            }
            false
        });
        let pulled = pulled.unwrap();
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            let lines: String = KINDS.iter().flat_map(|kind| pulled.bare(kind)).map(|l| l + "\n").collect();
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/ldap/corp.jsonl"), lines)
                .unwrap();
        }
        assert_eq!(pulled.reasons(), "", "page_size {page_size}");
        for kind in KINDS {
            assert_eq!(pulled.bare(kind), bare(expected().iter(), kind), "page_size {page_size}");
        }
        let asked = asked.into_inner();
        let numbers: Vec<u64> = asked.iter().map(|(_, requests, _)| *requests).collect();
        assert_eq!(numbers, (1..=asked.len() as u64).collect::<Vec<_>>(), "{asked:?}");
        assert_eq!((asked.len(), pulled.summary.requests), (pages, pages as u64), "{asked:?}");
        assert_eq!(
            asked.last().map(|(step, _, rows)| (step.as_str(), *rows)),
            Some(("groups", 9)),
            "{asked:?}"
        );
    }
}

#[test]
fn the_log_says_when_and_by_whom_a_membership_was_granted_and_a_bind_when_an_account_was_used() {
    if skipped() {
        return;
    }
    let server = Slapd::start(&Plan {
        access: &[
            "to attrs=userPassword by anonymous auth by * none",
            "to attrs=member by dn.exact=\"uid=carol,ou=people,dc=corp,dc=example\" write by dn.exact=\"uid=counterfoil,ou=readers,dc=corp,dc=example\" read by * none",
            "to * by dn.exact=\"uid=counterfoil,ou=readers,dc=corp,dc=example\" read by dn.exact=\"uid=carol,ou=people,dc=corp,dc=example\" read by * none",
        ],
        ..Plan::default()
    });
    let begun = counterfoil::config::instant(SystemTime::now());
    let carol = ("uid=carol,ou=people,dc=corp,dc=example", "carol");
    let (ops, oncall) = ("cn=ops,ou=groups,dc=corp,dc=example", "cn=oncall,ou=groups,dc=corp,dc=example");
    let bob = "UID=Bob, OU=People, DC=corp, DC=example";
    server.member(carol, "add", ops, bob);
    server.member(carol, "delete", ops, bob);
    server.member(Slapd::admin(), "add", ops, bob);
    // The group and the person are called otherwise since.
    server.modify("dn: cn=oncall,ou=groups,dc=corp,dc=example\nchangetype: modify\nadd: member\nmember: cn=Frank Fuller,ou=people,dc=corp,dc=example\n");
    server.modify(&format!("dn: {oncall}\nchangetype: modrdn\nnewrdn: cn=standby\ndeleteoldrdn: 1\n"));
    server.modify("dn: uid=alice,ou=people,dc=corp,dc=example\nchangetype: modify\nreplace: userPassword\nuserPassword: canary-in-the-log\n");
    server.log_on("uid=backup,ou=services,dc=corp,dc=example", "backup");
    let config = server.config(
        "page_size = 3",
        &format!("{SETTINGS}accesslog_base = \"cn=accesslog\"\nunknown_members = \"account\"\n"),
    );
    let job = job(server.dir(), &config);
    let pulled = Pulled::of(&job).unwrap();
    let ended = counterfoil::config::instant(SystemTime::now());

    let grants = |account: &str, entitlement: &str| -> Vec<&Value> {
        let of =
            |r: &&Value| r["type"] == "grant" && r["account"] == account && r["entitlement"] == entitlement;
        pulled.records.iter().filter(of).collect()
    };
    let known = |grant: &Value, by: &str| {
        assert_eq!(
            (&grant["granted_by"], &grant["granted_at_basis"]),
            (&by.into(), &"event".into()),
            "{grant}"
        );
        let at: counterfoil::model::Instant = grant["granted_at"].as_str().unwrap().parse().unwrap();
        // The log of a whole second is read.
        assert!(at.unix_ms() >= begun.unix_ms() - 1000 && at <= ended, "{begun} {grant} {ended}");
    };
    known(grants("bob", "ops")[0], "cn=admin,dc=corp,dc=example");
    known(
        grants("cn=Frank Fuller,ou=people,dc=corp,dc=example", "standby")[0],
        "cn=admin,dc=corp,dc=example",
    );
    // Of what was there before there was a log nothing is known.
    assert_eq!(grants("alice", "ops")[0]["granted_at"], Value::Null);
    // What comes with `ops` came to bob when he came in.
    let inherited = grants("bob", "prod-admins");
    assert_eq!(inherited[0]["path"], serde_json::json!([{"entitlement": "ops"}]));

    // Carol logged on to change the group; the reader's own entry is not among those read.
    for account in ["carol", "backup"] {
        let used = pulled.one("usage", "account", account);
        let at: counterfoil::model::Instant = used["last_used_at"].as_str().unwrap().parse().unwrap();
        assert!(at.unix_ms() >= begun.unix_ms() - 1000 && at <= ended, "{used}");
    }
    assert_eq!(pulled.one("usage", "account", "alice")["last_used_at"], "2026-05-30T07:15:00Z");
    let all = serde_json::to_string(&pulled.records).unwrap();
    assert!(!all.contains("canary"), "a password came out of the log");
    assert_eq!(pulled.reasons(), "");

    // And who was taken out by carol is out, though the log has seen them in.
    server.member(carol, "delete", ops, bob);
    let later = Pulled::of(&job).unwrap();
    let gone: BTreeSet<String> = pulled.grants().difference(&later.grants()).cloned().collect();
    assert_eq!(gone, BTreeSet::from(["bob ops", "bob prod-admins", "bob standby"].map(str::to_owned)));
}

#[test]
fn names_of_any_kind_come_through_as_they_are() {
    if skipped() {
        return;
    }
    // "=1+1|calc" in CSV, a bidi override, a control character, a name of a megabyte, and a value that is no text.
    let big = "x".repeat(1 << 20);
    let entries = format!(
        "dn: ou=people,dc=corp,dc=example\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: uid=\\3Dcmd\\7C' /C calc'!A0,ou=people,dc=corp,dc=example\nobjectClass: inetOrgPerson\nuid: =cmd|' /C calc'!A0\ncn: a\nsn: b\n\n\
         dn:: {}\nobjectClass: inetOrgPerson\nuid:: {}\ncn: c\nsn: d\n\n\
         dn: uid=big,ou=people,dc=corp,dc=example\nobjectClass: inetOrgPerson\nuid: big\ncn: big\nsn: big\nemployeeNumber: {big}\n\n\
         dn: uid=bytes,ou=people,dc=corp,dc=example\nobjectClass: inetOrgPerson\nuid: bytes\ncn: bytes\nsn: bytes\nuserPKCS12:: /wD+\n\n\
         dn: cn=ops,dc=corp,dc=example\nobjectClass: groupOfNames\ncn: ops\nmember: uid=big,ou=people,dc=corp,dc=example\nmember:: {}\n",
        base64("uid=ev\u{202e}il\u{1b}[2J,ou=people,dc=corp,dc=example"),
        base64("ev\u{202e}il\u{1b}[2J"),
        base64("uid=ev\u{202e}il\u{1b}[2J,ou=people,dc=corp,dc=example"),
    );
    let server = Slapd::start(&Plan { entries: &entries, ..Plan::default() });
    let settings = "schema = \"openldap\"\npeople_base = [\"ou=people,dc=corp,dc=example\"]\nalias_attributes = [\"employeeNumber\", \"userPKCS12\"]\n";
    let pulled = Pulled::of(&job(server.dir(), &server.config("", settings))).unwrap();
    assert_eq!(pulled.reasons(), "");
    pulled.one("identity", "id", "=cmd|' /C calc'!A0");
    pulled.one("identity", "id", "ev\u{202e}il\u{1b}[2J");
    assert!(pulled.grants().contains("ev\u{202e}il\u{1b}[2J ops"), "{:?}", pulled.grants());
    let aliases = pulled.one("identity", "id", "big")["aliases"].clone();
    assert!(aliases.as_array().unwrap().contains(&Value::from(big)), "the long one came cut");
    // What is no text names nobody.
    let bytes = pulled.one("identity", "id", "bytes")["aliases"].clone();
    assert_eq!(bytes, serde_json::json!(["uid=bytes,ou=people,dc=corp,dc=example"]));
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn an_empty_directory_is_no_proof_that_nobody_is_there() {
    if skipped() {
        return;
    }
    let server = Slapd::start(&Plan { entries: "\n", ..Plan::default() });
    let settings = "schema = \"openldap\"\npeople_filter = \"(&(objectClass=inetOrgPerson)(uid=*))\"\n";
    let pulled = Pulled::of(&job(server.dir(), &server.config("", settings))).unwrap();
    assert_eq!(pulled.records.len(), 1, "{:?}", pulled.records);
    let reasons = pulled.reasons();
    assert!(reasons.contains("step `people`: no entry came"), "{reasons}");
    assert!(reasons.contains("step `groups`: no entry came") && reasons.contains("olcAccess"), "{reasons}");
    assert_eq!(pulled.records[0]["complete"], false);
}
