//! Whole pulls: what comes of roles, memberships and privileges as they are.

use serde_json::Value;

use super::server::{self, Server};
use super::{grants, grants_of, job, pulled, site, told};

/// A company's server: an application with roles for reading and writing, nested so that two ways lead to the same, a
/// loader that owns everything, and a few things that should not be.
const COMPANY: &str = r#"
CREATE ROLE app_read NOLOGIN;
CREATE ROLE app_write NOLOGIN;
CREATE ROLE app NOLOGIN;
CREATE ROLE dba NOLOGIN SUPERUSER;
CREATE ROLE alice LOGIN VALID UNTIL '2026-12-31 00:00:00+00';
CREATE ROLE bob LOGIN NOINHERIT;
CREATE ROLE carol LOGIN;
CREATE ROLE etl LOGIN CREATEDB;
GRANT app_read TO app_write;
GRANT app_read, app_write TO app;
GRANT app TO alice WITH ADMIN OPTION;
GRANT app_read TO alice;
GRANT app_write TO bob;
GRANT dba, pg_execute_server_program TO carol;
GRANT etl TO carol;
CREATE DATABASE crm OWNER etl;
CREATE DATABASE ledger;
REVOKE CONNECT ON DATABASE ledger FROM PUBLIC;
GRANT CONNECT ON DATABASE ledger TO watch, app_read;
\c crm
CREATE SCHEMA sales AUTHORIZATION etl;
SET ROLE etl;
CREATE TABLE sales.orders (id serial PRIMARY KEY, iban text);
CREATE TABLE sales."Odd.Name" (x int);
CREATE VIEW sales.recent AS SELECT id FROM sales.orders;
CREATE FUNCTION sales.pay(integer, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE sales.mood AS ENUM ('good');
GRANT USAGE ON SCHEMA sales TO app_read;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO app_read;
GRANT INSERT, UPDATE ON sales.orders TO app_write;
GRANT USAGE ON sales.orders_id_seq TO app_write;
GRANT SELECT ON sales.orders TO alice WITH GRANT OPTION;
GRANT UPDATE (iban) ON sales.orders TO bob;
GRANT SELECT ON sales.recent TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA sales GRANT SELECT ON TABLES TO app_read;
RESET ROLE;
SET ROLE alice;
GRANT SELECT ON sales.orders TO bob;
RESET ROLE;
CREATE FOREIGN DATA WRAPPER files;
CREATE SERVER legacy FOREIGN DATA WRAPPER files;
GRANT USAGE ON FOREIGN SERVER legacy TO etl;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO bob;
SELECT lo_create(4711);
GRANT SELECT ON LARGE OBJECT 4711 TO bob;
CREATE TEMPORARY TABLE passing (x int);
"#;

fn company() -> Server {
    let server = Server::start();
    server.sql("postgres", COMPANY);
    server
}

/// Without what the superuser who made everything holds.
fn of_the_company(records: &[Value]) -> Vec<String> {
    grants(records).into_iter().filter(|grant| !grant.starts_with("postgres: ")).collect()
}

#[test]
fn everything_that_is_held_comes_with_how_it_is_held() {
    if server::skipped() {
        return;
    }
    let server = company();
    let (records, summary) = pulled(&job(site(&server, ""), "", server.path()));
    assert_eq!(summary.reasons, [""; 0]);
    assert_eq!(summary.orphans, 0);
    assert!(summary.requests > 10 && summary.rows > 50, "{summary:?}");
    let end = records.last().unwrap();
    assert_eq!((&end["type"], &end["complete"]), (&Value::from("snapshot"), &Value::from(true)));
    assert_eq!(end["systems"], serde_json::json!(["pg-crm"]));
    let expected = "\
alice: LOGIN
alice: new tables crm.sales by etl: SELECT < role app < role app_read
alice: new tables crm.sales by etl: SELECT < role app_read
alice: role app
alice: role app: ADMIN
alice: role app_read
alice: role app_read < role app
alice: role app_write < role app
alice: schema crm.sales: USAGE < role app < role app_read
alice: schema crm.sales: USAGE < role app_read
alice: sequences crm.sales: USAGE < role app < role app_write
alice: tables crm.sales: INSERT < role app < role app_write
alice: tables crm.sales: SELECT
alice: tables crm.sales: SELECT < role app < role app_read
alice: tables crm.sales: SELECT < role app_read
alice: tables crm.sales: SELECT WITH GRANT OPTION
alice: tables crm.sales: UPDATE < role app < role app_write
alice: database ledger: CONNECT < role app < role app_read
alice: database ledger: CONNECT < role app_read
bob: LOGIN
bob: columns crm.sales: UPDATE
bob: database ledger: CONNECT (eligible) < role app_write < role app_read
bob: function crm.pg_catalog.pg_read_file(text): EXECUTE
bob: large objects crm: SELECT
bob: new tables crm.sales by etl: SELECT (eligible) < role app_write < role app_read
bob: role app_read (eligible) < role app_write
bob: role app_write (eligible)
bob: schema crm.sales: USAGE (eligible) < role app_write < role app_read
bob: sequences crm.sales: USAGE (eligible) < role app_write
bob: tables crm.sales: INSERT (eligible) < role app_write
bob: tables crm.sales: SELECT
bob: tables crm.sales: SELECT (eligible) < role app_write < role app_read
bob: tables crm.sales: UPDATE (eligible) < role app_write
carol: CREATEDB (eligible) < role etl
carol: LOGIN
carol: SUPERUSER (eligible) < role dba
carol: database crm: OWNER < role etl
carol: functions crm.sales: OWNER < role etl
carol: role dba
carol: role etl
carol: role pg_database_owner < role etl < database crm: OWNER
carol: role pg_execute_server_program
carol: schema crm.public: OWNER < role etl < database crm: OWNER
carol: schema crm.sales: OWNER < role etl
carol: sequences crm.sales: OWNER < role etl
carol: server crm.legacy: USAGE < role etl
carol: tables crm.sales: OWNER < role etl
carol: types crm.sales: OWNER < role etl
etl: CREATEDB
etl: LOGIN
etl: database crm: OWNER
etl: functions crm.sales: OWNER
etl: role pg_database_owner < database crm: OWNER
etl: schema crm.public: OWNER < database crm: OWNER
etl: schema crm.sales: OWNER
etl: sequences crm.sales: OWNER
etl: server crm.legacy: USAGE
etl: tables crm.sales: OWNER
etl: types crm.sales: OWNER
public: schema crm.public: USAGE
public: schema ledger.public: USAGE
public: schema postgres.public: USAGE
public: schema template1.public: USAGE
public: tables crm.sales: SELECT
watch: LOGIN
watch: database ledger: CONNECT";
    let mut expected: Vec<&str> = expected.lines().collect();
    expected.sort_unstable();
    assert_eq!(of_the_company(&records), expected);

    let entitlement =
        |id: &str| records.iter().find(|r| r["type"] == "entitlement" && r["id"] == id).unwrap();
    for (id, risk) in [
        ("SUPERUSER", "high"),
        ("LOGIN", "normal"),
        ("role app", "normal"),
        ("role app: ADMIN", "high"),
        ("role dba", "high"),
        ("role pg_execute_server_program", "high"),
        ("role pg_monitor", "normal"),
        ("tables crm.sales: SELECT", "normal"),
        ("tables crm.sales: SELECT WITH GRANT OPTION", "high"),
        ("function crm.pg_catalog.pg_read_file(text): EXECUTE", "high"),
    ] {
        assert_eq!(entitlement(id)["risk"], risk, "{id}");
    }
    assert_eq!(entitlement("role app")["aliases"], serde_json::json!(["app"]));
    let selected = entitlement("tables crm.sales: SELECT");
    assert_eq!(selected["aliases"], serde_json::json!(["SELECT ON ALL TABLES IN SCHEMA crm.sales"]));
    let whole = entitlement("tables crm: SELECT");
    assert_eq!(whole["includes"], serde_json::json!([{"entitlement": "tables crm.sales: SELECT"}]));

    let grant = |account: &str, id: &str| {
        let same = |r: &&Value| r["account"] == account && r["entitlement"] == id && r["path"].is_null();
        records.iter().find(same).unwrap()
    };
    assert_eq!(grant("bob", "tables crm.sales: SELECT")["granted_by"], "alice", "who had it to give");
    let by_owner = grant("alice", "tables crm.sales: SELECT");
    assert_eq!(by_owner["granted_by"], Value::Null, "a superuser is noted as the owner");
    assert_eq!(by_owner["grantors"], serde_json::json!(["etl"]));
    let login = grant("alice", "LOGIN");
    assert_eq!(login["password_until"], "2026-12-31T00:00:00+00:00");
    assert_eq!(login["expires_at"], Value::Null, "the password ends, not the access");
    for key in ["granted_at", "last_used_at", "usage_tracked_since"] {
        assert!(records.iter().all(|r| r[key].is_null()), "{key} stands in no catalogue");
    }
}

#[test]
fn a_role_that_may_only_log_in_sees_as_much_as_the_superuser() {
    if server::skipped() {
        return;
    }
    let server = company();
    let (least, _) = pulled(&job(site(&server, ""), "", server.path()));
    let most = toml::from_str(&server.socket_site("postgres", "")).unwrap();
    let (most, _) = pulled(&job(most, "", server.path()));
    assert_eq!(told(&least), told(&most));
}

#[test]
fn privileges_are_told_as_finely_as_wanted() {
    if server::skipped() {
        return;
    }
    let server = company();
    let of = |settings: &str| pulled(&job(site(&server, ""), settings, server.path())).0;
    let by_object = of("level = \"objects\"\nlogins = false\nowners = false\ndefault_privileges = false");
    assert_eq!(
        grants_of(&by_object, "bob"),
        [
            "column crm.sales.orders.iban: UPDATE",
            "database ledger: CONNECT (eligible) < role app_write < role app_read",
            "function crm.pg_catalog.pg_read_file(text): EXECUTE",
            "large objects crm: SELECT",
            "role app_read (eligible) < role app_write",
            "role app_write (eligible)",
            "schema crm.sales: USAGE (eligible) < role app_write < role app_read",
            "sequence crm.sales.orders_id_seq: USAGE (eligible) < role app_write",
            "table crm.sales.\"Odd.Name\": SELECT (eligible) < role app_write < role app_read",
            "table crm.sales.orders: INSERT (eligible) < role app_write",
            "table crm.sales.orders: SELECT",
            "table crm.sales.orders: SELECT (eligible) < role app_write < role app_read",
            "table crm.sales.orders: UPDATE (eligible) < role app_write",
            "table crm.sales.recent: SELECT (eligible) < role app_write < role app_read",
        ]
    );
    assert_eq!(grants_of(&by_object, "etl"), ["CREATEDB", "server crm.legacy: USAGE"]);
    let includes = |records: &[Value], id: &str| {
        let found = records.iter().find(|r| r["type"] == "entitlement" && r["id"] == id);
        let mut parts: Vec<String> = found.unwrap_or_else(|| panic!("no {id}"))["includes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|part| part["entitlement"].as_str().unwrap().to_owned())
            .collect();
        parts.sort();
        parts
    };
    assert_eq!(
        includes(&by_object, "tables crm.sales: SELECT"),
        [
            "table crm.sales.\"Odd.Name\": SELECT",
            "table crm.sales.orders: SELECT",
            "table crm.sales.recent: SELECT"
        ],
        "what is approved for all tables covers each"
    );
    assert_eq!(includes(&by_object, "tables crm: SELECT"), ["tables crm.sales: SELECT"]);
    let broad = of("level = \"databases\"\nlogins = false");
    assert_eq!(
        grants_of(&broad, "alice").into_iter().filter(|grant| !grant.contains('<')).collect::<Vec<_>>(),
        [
            "role app",
            "role app: ADMIN",
            "role app_read",
            "tables crm: SELECT",
            "tables crm: SELECT WITH GRANT OPTION"
        ]
    );
    assert!(
        grants_of(&broad, "bob").contains(&"function crm.pg_catalog.pg_read_file(text): EXECUTE".to_owned())
    );
}

#[test]
fn public_holds_what_was_granted_or_all_it_has_or_is_left_out() {
    if server::skipped() {
        return;
    }
    let server = company();
    let of = |settings: &str| pulled(&job(site(&server, "databases = [\"crm\"]"), settings, server.path())).0;
    assert_eq!(grants_of(&of(""), "public"), ["schema crm.public: USAGE", "tables crm.sales: SELECT"]);
    assert_eq!(grants_of(&of("public = \"none\""), "public"), [""; 0]);
    let all = grants_of(&of("public = \"all\"\npublic_account = \"everybody\""), "everybody");
    assert_eq!(
        all,
        [
            "database crm: CONNECT",
            "database crm: TEMPORARY",
            "database ledger: TEMPORARY",
            "database postgres: CONNECT",
            "database postgres: TEMPORARY",
            "database template0: CONNECT",
            "database template1: CONNECT",
            "functions crm.sales: EXECUTE",
            "schema crm.public: USAGE",
            "tables crm.sales: SELECT",
            "types crm.sales: USAGE",
        ]
    );
}

#[test]
fn nothing_that_a_schema_or_a_role_brings_along_changes_what_is_read() {
    if server::skipped() {
        return;
    }
    let server = company();
    let before = told(&pulled(&job(site(&server, ""), "", server.path())).0);
    server.sql(
        "postgres",
        "CREATE SCHEMA trap;
         CREATE VIEW trap.pg_roles AS SELECT 0::oid AS oid, 'nobody'::name AS rolname WHERE false;
         CREATE FUNCTION trap.quote_ident(text) RETURNS text LANGUAGE sql AS $$ SELECT 'caught' $$;
         GRANT USAGE ON SCHEMA trap TO watch; GRANT SELECT ON trap.pg_roles TO watch;
         ALTER ROLE watch SET search_path = trap, pg_catalog;
         ALTER ROLE watch SET DateStyle = 'German'; ALTER ROLE watch SET TimeZone = 'Asia/Kathmandu';
         ALTER ROLE watch SET quote_all_identifiers = on; ALTER ROLE watch SET default_transaction_isolation = 'read committed'",
    );
    let after = told(&pulled(&job(site(&server, ""), "", server.path())).0);
    // The trap itself is seen, as what it is.
    let of_the_trap = |line: &str| {
        ["postgres.trap", "functions postgres:", "tables postgres:", "schemas postgres:"]
            .iter()
            .any(|part| line.contains(part))
    };
    let new: Vec<&String> =
        after.iter().filter(|line| !before.contains(line) && !of_the_trap(line)).collect();
    assert!(new.is_empty(), "{} others, such as {}", new.len(), new[0]);
    assert!(after.iter().any(|line| line.contains("tables postgres.trap: SELECT")));
}
