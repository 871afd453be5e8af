//! Names that somebody chose who means no good: each stays what it is, and none becomes another's.

use std::collections::BTreeSet;

use serde_json::Value;

use super::server::{self, Server};
use super::{grants_of, job, pulled, site};

/// Names a role can have.
const NAMES: [&str; 18] = [
    "=cmd|'/C calc'!A0",
    "a\"b",
    "a'b; DROP ROLE watch",
    "back\\slash",
    "dotted.name",
    "with space",
    " ",
    "tab\tand\nline",
    "bell\u{7}escape\u{1b}[31m",
    "\u{202e}gnp.ecila",
    "zero\u{200b}width",
    "SUPERUSER",
    "superuser",
    "PUBLIC",
    "a: ADMIN",
    "role a",
    "tables crm.sales: SELECT WITH GRANT OPTION",
    "sixty-three-bytes-long-name-that-fills-all-there-is-of-it-äö_",
];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[test]
fn a_name_is_taken_as_it_is_and_for_no_other() {
    if server::skipped() {
        return;
    }
    assert_eq!(NAMES[17].len(), 63);
    let server = Server::start();
    let mut sql = String::from("CREATE ROLE a NOLOGIN; CREATE ROLE victim LOGIN;\n");
    for name in NAMES {
        let role = quoted(name);
        sql += &format!(
            "CREATE ROLE {role} LOGIN; GRANT {role} TO victim; CREATE SCHEMA {role}; GRANT USAGE ON SCHEMA {role} TO {role};\n"
        );
    }
    server.sql("postgres", &sql);
    // A right on a large object, which has no name, and a database whose name could be a schema's.
    server.sql("postgres", "CREATE DATABASE \"postgres.x\"");
    let (records, summary) = pulled(&job(site(&server, ""), "", server.path()));
    assert_eq!(summary.reasons, [""; 0]);
    assert_eq!(summary.bad_rows, 0);

    let accounts: BTreeSet<&str> =
        records.iter().filter(|r| r["type"] == "grant").filter_map(|r| r["account"].as_str()).collect();
    for name in NAMES {
        assert!(accounts.contains(name), "{name:?}");
        let held = grants_of(&records, name);
        let own = if name.bytes().all(|b| b.is_ascii_lowercase()) { name.to_owned() } else { quoted(name) };
        let mut expected = vec!["LOGIN".to_owned(), format!("schema postgres.{own}: USAGE")];
        expected.sort();
        assert_eq!(held, expected, "{name:?} holds nothing but its own");
    }
    assert_eq!(
        grants_of(&records, "public").len(),
        3,
        "the account of PUBLIC is not the role's of that name"
    );

    // Every id once, and no role's name or short name is that of a right.
    let mut ids = BTreeSet::new();
    let mut aliases = Vec::new();
    for record in records.iter().filter(|r| r["type"] == "entitlement") {
        assert!(ids.insert(record["id"].as_str().unwrap()), "{} twice", record["id"]);
        aliases.extend(record["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }
    for alias in aliases {
        let same = |id: &&&str| counterfoil::model::norm(id) == counterfoil::model::norm(alias);
        assert_eq!(ids.iter().find(same), None, "{alias:?}");
    }
    let risk = |id: &str| {
        let found = records.iter().find(|r| r["type"] == "entitlement" && r["id"] == id);
        found.unwrap_or_else(|| panic!("no {id}"))["risk"].clone()
    };
    assert_eq!(risk("SUPERUSER"), "high");
    assert_eq!(risk("role \"SUPERUSER\""), "normal");
    assert_eq!(risk("role a: ADMIN"), "high");
    assert_eq!(risk("role \"a: ADMIN\""), "normal");
    assert!(!grants_of(&records, "victim").contains(&"role a: ADMIN".to_owned()));
}

#[test]
fn a_server_with_nothing_of_its_own_is_whole() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    let (records, summary) =
        pulled(&job(site(&server, ""), "owners = false\npublic = \"none\"", server.path()));
    assert_eq!(summary.reasons, [""; 0]);
    assert_eq!(grants_of(&records, "watch"), ["LOGIN"]);
    assert_eq!(
        grants_of(&records, "postgres"),
        ["BYPASSRLS", "CREATEDB", "CREATEROLE", "LOGIN", "REPLICATION", "SUPERUSER"]
    );
    assert_eq!(records.iter().filter(|r| r["type"] == "grant").count(), 7);
}
