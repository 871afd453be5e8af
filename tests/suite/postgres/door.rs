//! Who is let in, and what is said to who is not: in words that say what to do, and never with the secret.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use counterfoil::connect::transport::postgres::Site;
use serde_json::Value;

use super::server::{self, PASSWORD, Server};
use super::{fetched, job, patient, pulled, rows, site};

/// One row that says how we are connected.
const STEP: &str = r#"
[[postgres.step]]
name = "here"
query = "SELECT current_user AS me, (SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()) AS tls, current_setting('application_name') AS application, current_setting('transaction_isolation') AS isolation, current_setting('transaction_read_only') AS read_only, current_setting('search_path') AS path"
"#;

/// What is said when nothing could be had.
#[track_caller]
fn refusal(site: &Site) -> String {
    let error = fetched(site, STEP, &patient).unwrap_err().to_string();
    assert!(!error.contains(PASSWORD), "{error}");
    assert!(!error.contains('\n') && error.len() < 700, "{error}");
    error
}

fn changed(server: &Server, user: &str, from: &str, to: &str) -> Site {
    let text = server.site(user, "");
    assert!(text.contains(from), "{text}");
    toml::from_str(&text.replace(from, to)).unwrap()
}

#[test]
fn whoever_is_let_in_reads_one_snapshot_over_tls() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    if !server.tls {
        return;
    }
    let expected = |me: &str, tls: bool| {
        serde_json::json!([{
            "me": me, "tls": tls, "application": "counterfoil", "isolation": "repeatable read",
            "read_only": "on", "path": "pg_catalog"
        }])
    };
    let got = fetched(&site(&server, ""), STEP, &patient).unwrap();
    assert_eq!(Value::Array(rows(&got, "here")), expected("watch", true));
    assert!(got.reasons.is_empty() && got.requests == 1, "{got:?}");
    assert!(got.batches[0].head["version"].as_u64().unwrap() > 110_000, "{:?}", got.batches[0].head);

    let by_address = changed(&server, "watch", "\"localhost\"", "\"127.0.0.1\"\nserver_name = \"localhost\"");
    let got = fetched(&by_address, STEP, &patient).unwrap();
    assert_eq!(Value::Array(rows(&got, "here")), expected("watch", true));

    let over_socket: Site = toml::from_str(&server.socket_site("watch", "")).unwrap();
    let got = fetched(&over_socket, STEP, &patient).unwrap();
    assert_eq!(rows(&got, "here")[0]["me"], "watch");

    let plain = site(&server, "tls = \"off\"\nallow_plain = true");
    let plain = Site { ca_file: None, ..plain };
    let got = fetched(&plain, STEP, &patient).unwrap();
    assert_eq!(Value::Array(rows(&got, "here")), expected("watch", false));

    // With a certificate in place of a password.
    server.sql("postgres", "CREATE ROLE carder LOGIN");
    server.let_in("hostssl all carder 127.0.0.1/32 cert");
    let path = |file: &str| server.path().join(file).display().to_string();
    let card =
        format!("certificate_file = \"{}\"\nkey = \"file:{}\"", path("client.pem"), path("client.key"));
    let card: Site = toml::from_str(&server.site("carder", &card)).unwrap();
    let card = Site { password: None, ..card };
    let got = fetched(&card, STEP, &patient).unwrap();
    assert_eq!(rows(&got, "here")[0]["me"], "carder");
    let without = Site { certificate_file: None, key: None, ..card };
    assert!(refusal(&without).contains("client certificate"), "{}", refusal(&without));
}

#[test]
fn whoever_is_not_let_in_is_told_what_to_do() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    if !server.tls {
        return;
    }
    server.sql(
        "postgres",
        &format!(
            "CREATE ROLE sleeper NOLOGIN PASSWORD '{PASSWORD}'; CREATE ROLE wrong LOGIN PASSWORD 'other';
             CREATE DATABASE closed; REVOKE CONNECT ON DATABASE closed FROM PUBLIC;
             CREATE DATABASE private; CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'"
        ),
    );
    server.let_in("host all stranger 127.0.0.1/32 reject");
    let of = |more: &str| refusal(&site(&server, more));
    let holds = |said: &str, parts: &[&str]| {
        for part in parts {
            assert!(said.contains(part), "no `{part}` in: {said}");
        }
    };
    let user = |name: &str| refusal(&toml::from_str(&server.site(name, "")).unwrap());
    holds(&user("wrong"), &["password authentication failed", "28P01", "the password in file:", "`wrong`"]);
    // A server does not tell those who do not know the password whether there is such a role.
    holds(&user("nobody_there"), &["password authentication failed", "`nobody_there`"]);
    holds(&user("sleeper"), &["is not permitted to log in", "a role `sleeper` that may log in"]);
    holds(&user("stranger"), &["pg_hba.conf"]);
    let without = Site { password: None, ..site(&server, "") };
    holds(&refusal(&without), &["asks for a password", "`password`", "`watch`"]);
    holds(
        &of("database = \"nowhere\""),
        &["database \"nowhere\" does not exist", "name one that is there in `database`"],
    );
    holds(&of("database = \"closed\""), &["GRANT CONNECT ON DATABASE \"closed\" TO \"watch\""]);

    let other_ca = changed(&server, "watch", "/ca.pem", "/other-ca.pem");
    holds(&refusal(&other_ca), &["TLS", "UnknownIssuer", "`ca_file`"]);
    let other_name = changed(&server, "watch", "\"localhost\"", "\"127.0.0.1\"");
    holds(&refusal(&other_name), &["not valid for name", "`server_name`"]);
    let no_file = changed(&server, "watch", "/ca.pem", "/no-ca.pem");
    holds(&refusal(&no_file), &["ca_file", "no-ca.pem"]);
    let no_secret = changed(&server, "watch", "/password", "/no-password");
    holds(&refusal(&no_secret), &["password", "no-password"]);

    let private = changed(&server, "watch", "allow_private = true", "");
    holds(&refusal(&private), &["private address", "`allow_private = true`"]);
    let link = Site { host: Some("169.254.169.254".to_owned()), ..site(&server, "") };
    holds(&refusal(&link), &["link-local"]);
    let unknown = Site { host: Some("nowhere.invalid".to_owned()), ..site(&server, "") };
    holds(&refusal(&unknown), &["cannot connect to `nowhere.invalid`"]);
    let plain = Site { ca_file: None, ..site(&server, "tls = \"off\"") };
    holds(&refusal(&plain), &["`allow_plain = true`"]);
    let nobody: Site = toml::from_str("host = \"localhost\"").unwrap();
    holds(&refusal(&nobody), &["`user` is missing"]);
    let empty = tempfile::tempdir().unwrap();
    let socket =
        Site { socket: Some(empty.path().to_owned()), host: None, ca_file: None, ..site(&server, "") };
    holds(&refusal(&socket), &[".s.PGSQL.", "No such file"]);

    // The last: there is none any more.
    let mut server = server;
    server.sql("postgres", "ALTER SYSTEM SET ssl = off; SELECT pg_reload_conf()");
    std::thread::sleep(Duration::from_millis(300));
    holds(&refusal(&site(&server, "")), &["does not support TLS", "turn `ssl` on"]);
    server.crash();
    holds(&refusal(&site(&server, "")), &["cannot connect", "refused"]);
}

#[test]
fn whoever_takes_calls_and_says_nothing_is_not_waited_for_longer_than_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for tls in ["", "tls = \"off\"\nallow_plain = true"] {
        let text = format!(
            "host = \"127.0.0.1\"\nport = {port}\nuser = \"watch\"\nallow_private = true\ndeadline = \"PT2S\"\n{tls}"
        );
        let begun = Instant::now();
        let said = fetched(&toml::from_str(&text).unwrap(), STEP, &patient).unwrap_err().to_string();
        assert!(said.contains("`deadline` was over"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        let begun = Instant::now();
        let stopped = fetched(&toml::from_str(&text).unwrap(), STEP, &|_| true).unwrap_err().to_string();
        assert!(stopped.contains("broken off") && begun.elapsed() < Duration::from_secs(2), "{stopped}");
    }
}

#[test]
fn a_look_at_the_door_says_what_a_pull_would_lack() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    let probe = |site: Site| job(site, "", Path::new("/")).probe(&patient).map_err(|e| e.to_string());
    assert_eq!(probe(site(&server, "")), Ok(()));
    assert!(probe(site(&server, "database = \"nowhere\"")).unwrap_err().contains("does not exist"));
    server.sql("postgres", "CREATE DATABASE closed; REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    let said = probe(site(&server, "")).unwrap_err();
    assert!(
        said.contains("may not connect to the database `closed`") && said.contains("GRANT CONNECT"),
        "{said}"
    );
    assert_eq!(probe(site(&server, "databases = [\"postgres\"]")), Ok(()));
    // What stands in the catalogue is asked of nobody else's tables: nothing is left behind either.
    let (_, summary) = pulled(&job(site(&server, "databases = [\"postgres\"]"), "", server.path()));
    assert_eq!(summary.reasons, [""; 0]);
    let left = server
        .sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counterfoil'");
    assert_eq!(left.trim(), "0");
    let log = server.log();
    assert!(!log.contains("unexpected EOF") && !log.contains("could not receive"), "{log}");
}
