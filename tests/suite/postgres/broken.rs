//! What is not whole: refused, cut off, too slow, too much. What came is kept, and what did not is named.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use counterfoil::connect::transport::postgres::Site;
use counterfoil::connect::transport::{Doing, Fetched};
use serde_json::{Value, json};

use super::server::{self, Server};
use super::{fetched, grants_of, job, patient, pulled, rows, site};

fn numbers(fetched: &Fetched, step: &str) -> Vec<u64> {
    rows(fetched, step).iter().map(|row| row["n"].as_u64().unwrap()).collect()
}

fn step(name: &str, query: &str, more: &str) -> String {
    format!("[[postgres.step]]\nname = \"{name}\"\nquery = '''{query}'''\n{more}\n")
}

/// Rows that come one in a while.
const SLOW: &str = "SELECT n FROM generate_series(1, 1000) n, LATERAL (SELECT pg_sleep(0.02 + n * 0)) s";

#[test]
fn however_many_rows_come_at_a_time_all_of_them_come() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    let steps = step("some", "SELECT n FROM generate_series(1, 1000) n", "")
        + &step("none", "SELECT 1 AS n WHERE false", "")
        + &step("wide", "SELECT n, repeat('x', 100000) AS x FROM generate_series(1, 50) n", "")
        + &step(
            "odd",
            "SELECT 1.50 AS number, E'\\u202e\"\\\\ \\n \\x01' AS text, NULL AS nothing, ARRAY['a'] AS list, '{\"b\": [true]}'::json AS tree, 'infinity'::timestamptz AS ever",
            "",
        );
    for page in [1, 7, 500, 1000, 1001, 1_000_000] {
        let told = RefCell::new(Vec::new());
        let watch = |doing: &Doing<'_>| {
            if let Doing::Asked { step, requests, rows } = doing {
                told.borrow_mut().push(((*step).to_owned(), *requests, *rows));
            }
            false
        };
        let got = fetched(&site(&server, &format!("page_size = {page}")), &steps, &watch).unwrap();
        assert_eq!(got.reasons, [""; 0]);
        assert_eq!(numbers(&got, "some"), (1..=1000).collect::<Vec<u64>>());
        assert_eq!(rows(&got, "none"), [Value::Null; 0]);
        assert_eq!(numbers(&got, "wide").len(), 50);
        assert_eq!(
            rows(&got, "odd"),
            [json!({
                "number": 1.50, "text": "\u{202e}\"\\ \n \u{1}", "nothing": null, "list": ["a"],
                "tree": {"b": [true]}, "ever": "infinity"
            })]
        );
        let told = told.into_inner();
        let of_some = told.iter().filter(|(step, ..)| step == "some").count() as u64;
        assert_eq!(of_some, 1000 / page + 1, "with the page that shows that there are no more");
        assert_eq!(told.last().unwrap(), &("odd".to_owned(), got.requests, 1051));
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_leaves_what_came() {
    if server::skipped() {
        return;
    }
    let server = RefCell::new(Server::start());
    let steps = step("before", "SELECT n FROM generate_series(1, 5) n", "")
        + &step("slow", SLOW, "")
        + &step("after", "SELECT 1 AS n", "");
    let site = site(&server.borrow(), "page_size = 10");
    let killed = Cell::new(false);
    let watch = |doing: &Doing<'_>| {
        if matches!(doing, Doing::Asked { step: "slow", rows, .. } if *rows >= 35) && !killed.replace(true) {
            server.borrow_mut().crash();
        }
        false
    };
    let got = fetched(&site, &steps, &watch).unwrap();
    assert!(killed.get());
    assert_eq!(numbers(&got, "before"), [1, 2, 3, 4, 5]);
    let slow = numbers(&got, "slow");
    assert!(slow.len() >= 30 && slow.len() < 100, "{}", slow.len());
    assert_eq!(slow, (1..=slow.len() as u64).collect::<Vec<u64>>());
    assert_eq!(rows(&got, "after"), [Value::Null; 0]);
    assert_eq!(got.reasons.len(), 1, "{:?}", got.reasons);
    let reason = &got.reasons[0];
    assert!(
        reason.starts_with("step `slow`: the connection was lost:") && reason.contains("kept"),
        "{reason}"
    );
}

#[test]
fn a_connection_that_somebody_ends_is_named_and_the_other_databases_are_asked() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE one; CREATE DATABASE two");
    let query = "SELECT n FROM generate_series(1, CASE current_database() WHEN 'one' THEN 1000 ELSE 3 END) n, LATERAL (SELECT pg_sleep(CASE current_database() WHEN 'one' THEN 0.02 ELSE 0 END + n * 0)) s";
    let steps = step("rows", query, "each_database = true");
    let ended = Cell::new(false);
    let watch = |doing: &Doing<'_>| {
        if matches!(doing, Doing::Asked { rows, .. } if *rows >= 20) && !ended.replace(true) {
            server.sql(
                "postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'one'",
            );
        }
        false
    };
    let site = site(&server, "page_size = 10\ndatabases = [\"two\", \"one\", \"three\", \"one\"]");
    let got = fetched(&site, &steps, &watch).unwrap();
    let of = |name: &str| rows(&got, "rows").iter().filter(|row| row["_database"] == name).count();
    assert!(of("one") >= 20 && of("one") < 100, "{}", of("one"));
    assert_eq!(of("two"), 3);
    assert_eq!(got.reasons.len(), 2, "{:?}", got.reasons);
    assert!(got.reasons[0].contains("no database `three`"), "{:?}", got.reasons);
    let reason = &got.reasons[1];
    assert!(reason.contains("step `rows` in database `one`: the connection was lost"), "{reason}");
    assert!(reason.contains("terminating connection due to administrator command"), "{reason}");
}

#[test]
fn a_step_that_is_refused_names_what_it_needs_and_does_not_hinder_the_others() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    server.sql(
        "postgres",
        "CREATE SCHEMA hr; CREATE TABLE hr.staff (n int); INSERT INTO hr.staff VALUES (1), (2);
         CREATE TABLE hr.seen (n int); INSERT INTO hr.seen VALUES (1), (2);
         ALTER TABLE hr.seen ENABLE ROW LEVEL SECURITY; CREATE POLICY first_only ON hr.seen USING (n = 1);
         GRANT USAGE ON SCHEMA hr TO watch; GRANT SELECT ON hr.seen TO watch;
         CREATE SEQUENCE hr.next; GRANT USAGE ON SEQUENCE hr.next TO watch",
    );
    let needs = |what: &str| format!("permission = \"{what}\"");
    let steps = step("first", "SELECT 1 AS n", "")
        + &step("refused", "SELECT n FROM hr.staff", &needs("SELECT on hr.staff"))
        + &step("partly", "SELECT n FROM hr.seen", &needs("BYPASSRLS"))
        + &step("unknown", "SELECT n FROM hr.nowhere", "")
        + &step("writes", "SELECT nextval('hr.next') AS n", "")
        + &step("makes", "SELECT lo_create(0) AS n", "")
        + &step("slow", "SELECT 1 AS n FROM pg_sleep(60)", "")
        + &step("divides", "SELECT 1 / (n - 20) AS n FROM generate_series(1, 100) n", "")
        + &step("newer", "SELECT nonsense", "since_version = 999999")
        + &step("last", "SELECT 2 AS n", "");
    let begun = Instant::now();
    let got = fetched(&site(&server, "timeout = \"PT1S\"\npage_size = 5"), &steps, &patient).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!((numbers(&got, "first"), numbers(&got, "last")), (vec![1], vec![2]));
    for empty in ["refused", "partly", "unknown", "writes", "slow", "newer"] {
        assert_eq!(rows(&got, empty), [Value::Null; 0], "{empty}");
    }
    assert_eq!(rows(&got, "divides").len(), 19, "what came before it failed");
    let said = |step: &str, parts: &[&str]| {
        let reason = got.reasons.iter().find(|reason| reason.starts_with(&format!("step `{step}`: ")));
        let reason = reason.unwrap_or_else(|| panic!("nothing of {step}: {:?}", got.reasons));
        for part in parts {
            assert!(reason.contains(part), "no `{part}` in: {reason}");
        }
    };
    said("refused", &["permission denied for table staff", "42501", "it needs SELECT on hr.staff"]);
    said("partly", &["row-level security", "it needs BYPASSRLS"]);
    said("unknown", &["does not exist"]);
    said("writes", &["read-only transaction"]);
    said("slow", &["statement timeout", "`timeout` is PT1S"]);
    said("divides", &["division by zero"]);
    // Before PostgreSQL 16 it could be made, in a read-only transaction too; nothing of it stays.
    assert!(got.reasons.len() == 6 || got.reasons.len() == 7, "{:?}", got.reasons);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_largeobject_metadata").trim(), "0");

    let nothing = fetched(&site(&server, ""), &step("refused", "SELECT n FROM hr.staff", ""), &patient);
    let nothing = nothing.unwrap_err().to_string();
    assert!(nothing.contains("gave nothing: step `refused`: permission denied"), "{nothing}");
}

#[test]
fn a_pull_has_an_end_in_time_in_rows_and_by_hand() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    let steps = step("slow", SLOW, "") + &step("after", "SELECT 1 AS n", "");
    let late = fetched(&site(&server, "deadline = \"PT1S\"\npage_size = 5"), &steps, &patient).unwrap();
    let came = numbers(&late, "slow").len();
    assert!((5..500).contains(&came), "{came}");
    assert!(late.reasons[0].contains("`deadline` (PT1S) was over"), "{:?}", late.reasons);
    assert_eq!(late.reasons.len(), 1);

    let full = fetched(&site(&server, "max_rows = 12\npage_size = 5"), &steps, &patient).unwrap();
    assert_eq!(numbers(&full, "slow"), (1..=12).collect::<Vec<u64>>());
    assert_eq!(full.reasons, ["`max_rows` (12) were read; what is beyond was not"]);
    let exact = step("exact", "SELECT n FROM generate_series(1, 12) n", "");
    let exact = fetched(&site(&server, "max_rows = 12\npage_size = 12"), &exact, &patient).unwrap();
    assert_eq!(exact.reasons, [""; 0]);

    let begun = Instant::now();
    let asleep = step("asleep", "SELECT 1 AS n FROM pg_sleep(60)", "");
    let stop = |_: &Doing<'_>| begun.elapsed() > Duration::from_millis(1200);
    let stopped = fetched(&site(&server, ""), &asleep, &stop).unwrap_err().to_string();
    assert!(stopped.contains("broken off"), "{stopped}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // The server notices that nobody waits any more.
    let active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counterfoil'";
    let begun = Instant::now();
    while server.sql("postgres", active).trim() != "0" {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{}",
            server.sql("postgres", "SELECT pid, state, query FROM pg_stat_activity")
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_database_that_is_closed_to_us_makes_the_pull_not_complete() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    server.sql(
        "postgres",
        "CREATE DATABASE crm; CREATE DATABASE ledger; CREATE DATABASE walled; CREATE DATABASE shut ALLOW_CONNECTIONS false;
         REVOKE CONNECT ON DATABASE ledger FROM PUBLIC; CREATE ROLE alice LOGIN",
    );
    for database in ["crm", "ledger", "walled"] {
        server.sql(database, "CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO alice");
    }
    server.let_in("host walled all 127.0.0.1/32 reject");
    let (records, summary) = pulled(&job(site(&server, ""), "logins = false", server.path()));
    assert_eq!(grants_of(&records, "alice"), ["schema crm.s: USAGE"]);
    assert_eq!(summary.reasons.len(), 2, "{:?}", summary.reasons);
    let closed = &summary.reasons[0];
    assert!(closed.contains("`watch` may not connect to the database `ledger`"), "{closed}");
    let walled = &summary.reasons[1];
    assert!(
        walled.contains("what is in the database `walled` was not asked") && walled.contains("pg_hba.conf"),
        "{walled}"
    );
    let end = records.last().unwrap();
    assert_eq!(end["complete"], false);
    assert!(end["reason"].as_str().unwrap().contains("ledger"));

    server.sql("postgres", "GRANT CONNECT ON DATABASE ledger TO watch");
    server.let_in("");
    let (records, summary) = pulled(&job(site(&server, ""), "logins = false", server.path()));
    assert_eq!(summary.reasons, [""; 0], "one that nobody may connect to opens nothing");
    assert_eq!(
        grants_of(&records, "alice"),
        ["schema crm.s: USAGE", "schema ledger.s: USAGE", "schema walled.s: USAGE"]
    );
    // What is named alone is asked alone.
    let only: Site = site(&server, "databases = [\"crm\"]");
    let (records, summary) = pulled(&job(only, "logins = false", server.path()));
    assert_eq!(summary.reasons, [""; 0]);
    assert_eq!(grants_of(&records, "alice"), ["schema crm.s: USAGE"]);
}

#[test]
fn settings_stand_in_a_query_as_values_and_never_as_text_of_it() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    let steps = step(
        "given",
        "SELECT $1::text AS text, $2::text AS list, $3::text AS flag, $4::text AS none, $5::text AS number",
        "parameters = [\"text\", \"list\", \"flag\", \"none\", \"number\"]",
    ) + &step("not", "SELECT 1 AS n", "when = { setting = \"flag\", is = false }")
        + &step("made", "SELECT 1 AS n", "when = { setting = \"list\" }")
        + r#"
[[setting]]
name = "text"
type = "string"
default = "'; DROP ROLE watch; --"
doc = "A text."
[[setting]]
name = "list"
type = "list"
default = ["a", "b"]
doc = "A list."
[[setting]]
name = "flag"
type = "bool"
default = true
doc = "A flag."
[[setting]]
name = "none"
type = "string"
doc = "Nothing."
[[setting]]
name = "number"
type = "integer"
default = 7
doc = "A number."
"#;
    let got = fetched(&site(&server, ""), &steps, &patient).unwrap();
    assert_eq!(
        rows(&got, "given"),
        [
            json!({"text": "'; DROP ROLE watch; --", "list": "[\"a\",\"b\"]", "flag": "true", "none": null, "number": "7"})
        ]
    );
    let made: Vec<&str> = got.batches.iter().map(|batch| batch.shape.as_str()).collect();
    assert_eq!(made, ["given", "made"]);
}

#[test]
fn a_row_that_is_too_long_or_not_text_is_passed_over_and_said() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    let long =
        "SELECT n, CASE n WHEN 2 THEN repeat('x', 20000000) ELSE 'y' END AS x FROM generate_series(1, 3) n";
    let got = fetched(&site(&server, ""), &step("long", long, ""), &patient).unwrap();
    assert_eq!(numbers(&got, "long"), [1, 3]);
    assert_eq!(
        got.reasons,
        ["step `long`: rows that cannot be taken: 1; of the first: it is longer than 16777216 bytes"]
    );
    // A database without an encoding takes any bytes, as the name of a role, too, which all databases share.
    server.sql(
        "postgres",
        "CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0; CREATE ROLE alice LOGIN",
    );
    server.sql(
        "bytes",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE \"' || convert_from('\\x62ff', 'SQL_ASCII') || '\" LOGIN'; END $$",
    );
    let some = step("some", "SELECT rolname AS x FROM pg_roles WHERE oid >= 16384 ORDER BY oid", "");
    let got = fetched(&site(&server, ""), &some, &patient).unwrap();
    assert_eq!(rows(&got, "some"), [json!({"x": "watch"}), json!({"x": "alice"})]);
    assert_eq!(
        got.reasons,
        ["step `some`: rows that cannot be taken: 1; of the first: it holds what is not UTF-8"]
    );
    // From there, the server itself refuses to say it.
    let got = fetched(&site(&server, "database = \"bytes\""), &some, &patient).unwrap();
    assert!(got.reasons[0].contains("invalid byte sequence for encoding \"UTF8\""), "{:?}", got.reasons);
    let (records, summary) = pulled(&job(site(&server, "databases = [\"postgres\"]"), "", server.path()));
    assert!(
        summary.reasons[0].contains("step `roles`: rows that cannot be taken: 1"),
        "{:?}",
        summary.reasons
    );
    assert_eq!(grants_of(&records, "alice"), ["LOGIN"]);
}
