//! Health, readiness and metrics, asked for over real connections; the metrics are read by a strict reader of their own.

mod access;
mod api;
mod authzen;
mod browser;
mod oidc;
mod openapi;
mod pages;
mod reader;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Wait;

use counterfoil::model::event::{Activity, State};
use counterfoil::model::finding::{Outcome, Severity};
use counterfoil::model::{Duration, Instant};
use counterfoil::serve::{
    FindingCount, GrantCount, Readiness, Serve, Server, SinkQueue, Site, SourceState, SourceStatus, Status,
};
use counterfoil::store::{Sqlite, Store};
use reader::Exposition;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// An answer: its code, its head and its body.
#[derive(Debug)]
struct Answer {
    code: u16,
    head: String,
    body: String,
    /// The body as it is.
    bytes: Vec<u8>,
}

/// Sends bytes as they are, and reads until the server hangs up.
async fn send(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may refuse before it has read all; what it then says is what counts.
    let _ = stream.write_all(request).await;
    let mut bytes = vec![];
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, bytes) = (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec());
    let code = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().unwrap();
    let zipped = head.to_lowercase().contains("content-type: application/zip");
    let body = if zipped { String::new() } else { String::from_utf8(bytes.clone()).unwrap() };
    Some(Answer { code, head: head.to_lowercase(), body, bytes })
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    send(address, request.as_bytes()).await.unwrap()
}

/// A site on an empty store.
fn site(serve: &Serve, status: &Arc<Status>) -> Arc<Site> {
    let stores: Vec<Box<dyn Store>> = vec![Box::new(Sqlite::in_memory().unwrap())];
    let now = || Instant::parse("2026-06-01T12:00:00Z").unwrap();
    let site = Site::new(serve, Path::new(""), Arc::clone(status), stores, now, Arc::new(|| {}));
    Arc::new(site.unwrap())
}

/// A server for the time of a test, which ends with it as told.
fn with_server<F: Future<Output = ()>>(work: impl FnOnce(SocketAddr, Arc<Status>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let status = Arc::new(Status::new("1.2.3"));
        let serve = Serve { listen: "127.0.0.1:0".parse().unwrap(), ..Serve::default() };
        let server = Server::bind(&serve, site(&serve, &status)).await.unwrap();
        let address = server.address();
        let (end, ended) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = ended.await;
        }));
        work(address, status).await;
        end.send(()).unwrap();
        tokio::time::timeout(Wait::from_secs(10), running).await.expect("it ends when told").unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    });
}

/// The metrics, read.
async fn metrics(address: SocketAddr) -> Exposition {
    let answer = ask(address, "GET", "/metrics").await;
    assert_eq!(answer.code, 200);
    assert!(answer.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
    Exposition::read(&answer.body)
}

#[test]
fn health_and_readiness_are_two_questions() {
    with_server(|address, status| async move {
        let health = ask(address, "GET", "/healthz").await;
        assert_eq!((health.code, health.body.as_str()), (200, "ok\n"));
        let starting = ask(address, "GET", "/readyz").await;
        assert_eq!(starting.code, 503);
        assert!(
            starting.body.starts_with("{\"ready\":false,\"reasons\":[\"it has just started"),
            "{starting:?}"
        );

        status.set_readiness(Readiness::new([]));
        let ready = ask(address, "GET", "/readyz").await;
        assert_eq!((ready.code, ready.body.as_str()), (200, "{\"ready\":true,\"reasons\":[]}"));
        assert!(ready.head.contains("content-type: application/json") && ready.head.contains("no-store"));

        let many = (0..80).map(|n| format!("source {n} is \"stale\"\n{}", "é".repeat(1000)));
        status.set_readiness(Readiness::new(many));
        let stale = ask(address, "GET", "/readyz").await;
        let body: serde_json::Value = serde_json::from_str(&stale.body).unwrap();
        let reasons = body["reasons"].as_array().unwrap();
        assert_eq!((stale.code, reasons.len(), &reasons[50]), (503, 51, &"and 30 more".into()));
        assert!(reasons[0].as_str().unwrap().chars().count() <= 301);
        assert_eq!(ask(address, "GET", "/healthz").await.code, 200, "it lives, ready or not");
    });
}

#[test]
fn only_the_pages_there_are_and_only_reading() {
    with_server(|address, _| async move {
        for path in ["/x", "/healthz/", "/metrics/x", "/..%2fetc/passwd", "/%00", "//"] {
            let answer = ask(address, "GET", path).await;
            assert_eq!(answer.code, 404, "{path}");
            assert!(serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["error"].is_string());
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let answer = ask(address, method, "/metrics").await;
            assert_eq!(
                (answer.code, answer.body.as_str()),
                (
                    405,
                    "{\"error\":\"this is not answered to that method; the header `allow` says to which it is\",\"status\":405}"
                )
            );
        }
        let head = ask(address, "HEAD", "/metrics").await;
        assert_eq!((head.code, head.body.as_str()), (200, ""));
        for request in
            [&b"\0\0\0\0\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"x\r\n\r\n"]
        {
            let answer = send(address, request).await;
            assert!(answer.is_none_or(|answer| (400..=505).contains(&answer.code)));
        }
        let long = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(256 * 1024));
        assert!(send(address, long.as_bytes()).await.is_none_or(|answer| answer.code == 431));
        let lines = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
        assert!(send(address, lines.as_bytes()).await.is_none_or(|answer| answer.code == 431));
        assert_eq!(ask(address, "GET", "/healthz").await.code, 200, "and it still answers");
    });
}

#[test]
fn callers_that_say_nothing_do_not_keep_others_out_or_the_server_from_ending() {
    with_server(|address, _| async move {
        let mut silent = vec![];
        for _ in 0..80 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
            silent.push(stream);
        }
        // All places are taken; they are given up when the time for headers is over.
        let answer =
            tokio::time::timeout(Wait::from_secs(20), ask(address, "GET", "/healthz")).await.unwrap();
        assert_eq!(answer.code, 200);
        let mut late = TcpStream::connect(address).await.unwrap();
        late.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        std::mem::forget(late);
    });
}

fn grants(system: &str, verdict: Outcome, grants: u64) -> GrantCount {
    GrantCount { system: system.to_owned(), verdict, grants }
}

#[test]
fn the_metrics_say_how_everything_stands_and_what_happened() {
    with_server(|address, status| async move {
        let at = |text: &str| text.parse().unwrap();
        let empty = metrics(address).await;
        assert_eq!(empty.value("counterfoil_build_info", &[("version", "1.2.3")]), Some(1.0));
        assert_eq!(
            empty.names(),
            ["counterfoil_build_info", "counterfoil_leads", "counterfoil_run_duration_seconds"]
        );

        status.metrics.set_grants(&[
            grants("aws", Outcome::Justified, 3),
            grants("aws", Outcome::Unknown, 1),
            grants("sap", Outcome::Unjustified, 4),
            grants("sap", Outcome::Unjustified, 1),
        ]);
        let finding = |check: &str, severity, state, findings| FindingCount {
            check: check.to_owned(),
            severity,
            state,
            findings,
        };
        status.metrics.set_findings(&[finding("orphan-account", Severity::High, State::Open, 2)]);
        status.metrics.set_sources(&[
            SourceStatus {
                source: "jira".to_owned(),
                state: SourceState::Stale,
                last_success: Some(at("2026-05-01T00:00:00.500Z")),
                records: Some(12),
            },
            SourceStatus {
                source: "okta".to_owned(),
                state: SourceState::Failed,
                last_success: None,
                records: None,
            },
        ]);
        let oldest = Some("PT1M30S".parse::<Duration>().unwrap());
        status.metrics.set_outbox(&[SinkQueue { sink: "siem".to_owned(), queued: 7, dead: 1, oldest }]);
        status.metrics.run_ended("ok", Duration::minutes(2), at("2026-05-01T01:00:00Z"));
        status.metrics.run_ended("failed", Duration::default(), at("2026-05-01T02:00:00Z"));
        status.metrics.changed(Activity::Create, 2);
        status.metrics.changed(Activity::Close, 0);
        status.metrics.delivered("siem", "taken", 5);

        let read = metrics(address).await;
        for (name, labels, value) in [
            ("grants", &[("system", "aws"), ("verdict", "justified")][..], 3.0),
            ("grants", &[("system", "aws"), ("verdict", "unjustified")], 0.0),
            ("grants", &[("system", "sap"), ("verdict", "unjustified")], 5.0),
            ("coverage_ratio", &[("system", "aws")], 0.75),
            ("coverage_ratio", &[("system", "sap")], 0.0),
            ("coverage_overall_ratio", &[], 3.0 / 9.0),
            ("findings", &[("check", "orphan-account"), ("severity", "high"), ("state", "open")], 2.0),
            ("source_last_success_timestamp_seconds", &[("source", "jira")], 1_777_593_600.5),
            ("source_records", &[("source", "jira")], 12.0),
            ("source_state", &[("source", "jira"), ("state", "stale")], 1.0),
            ("source_state", &[("source", "jira"), ("state", "fresh")], 0.0),
            ("source_state", &[("source", "okta"), ("state", "failed")], 1.0),
            ("run_duration_seconds_count", &[], 2.0),
            ("run_duration_seconds_sum", &[], 120.0),
            ("run_duration_seconds_bucket", &[("le", "300.0")], 2.0),
            ("run_duration_seconds_bucket", &[("le", "0.1")], 1.0),
            ("runs_total", &[("result", "failed")], 1.0),
            ("events_total", &[("activity", "create")], 2.0),
            ("events_total", &[("activity", "close")], 0.0),
            ("outbox_messages", &[("sink", "siem"), ("state", "queued")], 7.0),
            ("outbox_messages", &[("sink", "siem"), ("state", "dead")], 1.0),
            ("outbox_oldest_seconds", &[("sink", "siem")], 90.0),
            ("deliveries_total", &[("sink", "siem"), ("result", "taken")], 5.0),
            ("last_run_timestamp_seconds", &[], 1_777_600_800.0),
        ] {
            assert_eq!(read.value(&format!("counterfoil_{name}"), labels), Some(value), "{name} {labels:?}");
        }
        assert_eq!(
            read.value("counterfoil_source_records", &[("source", "okta")]),
            None,
            "never read: no number"
        );

        // What is gone is gone; what happened has happened.
        status.metrics.set_grants(&[grants("sap", Outcome::Justified, 1)]);
        status.metrics.set_findings(&[]);
        status.metrics.set_sources(&[]);
        let read = metrics(address).await;
        assert_eq!(read.count("counterfoil_grants"), 3);
        assert_eq!(read.value("counterfoil_coverage_overall_ratio", &[]), Some(1.0));
        assert_eq!(read.count("counterfoil_findings") + read.count("counterfoil_source_state"), 0);
        assert_eq!(read.count("counterfoil_runs_total"), 2);
    });
}

#[test]
fn names_that_others_chose_break_no_line() {
    with_server(|address, status| async move {
        let hostile = "a\"} 1\nforged{x=\"\\\r\u{1b}\u{202e}é";
        status
            .metrics
            .set_grants(&[grants(hostile, Outcome::Justified, 1), grants("", Outcome::Justified, 1)]);
        let read = metrics(address).await;
        let labels = [("system", hostile), ("verdict", "justified")];
        assert_eq!(read.value("counterfoil_grants", &labels), Some(1.0));
        assert!(!read.names().iter().any(|name| name.contains("forged")));
        // Long names are cut; two that are then the same are one row.
        let long = |end: &str| format!("{}{end}", "é".repeat(200));
        let counts = [grants(&long("a"), Outcome::Justified, 1), grants(&long("b"), Outcome::Justified, 2)];
        status.metrics.set_grants(&counts);
        let read = metrics(address).await;
        let labels = [("system", &*format!("{}…", "é".repeat(120))), ("verdict", "justified")];
        assert_eq!(read.value("counterfoil_grants", &labels), Some(3.0));
    });
}

#[test]
fn there_are_at_most_a_thousand_systems() {
    with_server(|address, status| async move {
        let mut counts: Vec<GrantCount> =
            (0..2500_u64).map(|n| grants(&format!("system-{n:04}"), Outcome::Justified, n)).collect();
        counts.push(grants("system-0000", Outcome::Unjustified, 1_000_000));
        status.metrics.set_grants(&counts);
        let read = metrics(address).await;
        assert_eq!(read.count("counterfoil_coverage_ratio"), 1000);
        assert_eq!(read.count("counterfoil_grants"), 3000);
        let justified =
            |system: &str| read.value("counterfoil_grants", &[("system", system), ("verdict", "justified")]);
        assert_eq!(
            (justified("system-0000"), justified("system-2499"), justified("system-0700")),
            (Some(0.0), Some(2499.0), None)
        );
        // 998 of the largest and system-0000 have rows of their own; 1 to 1501 are summed.
        assert_eq!(justified("other"), Some((1..=1501).sum::<u32>().into()));
    });
}

#[test]
fn it_listens_beyond_this_machine_only_when_told_to() {
    let serve = |text: &str| toml::from_str::<Serve>(text).unwrap();
    assert_eq!(serve("").listen.to_string(), "127.0.0.1:9187");
    for fine in [
        "",
        "listen = \"127.0.0.9:1\"",
        "listen = \"[::1]:9187\"",
        "listen = \"0.0.0.0:9187\"\nallow_remote = true\n[[token]]\nname = \"x\"\nsecret = \"env:X\"\nroles = [\"viewer\"]",
    ] {
        assert!(serve(fine).check().is_ok(), "{fine}");
    }
    for listen in ["0.0.0.0:9187", "[::]:9187", "192.0.2.7:80", "[2001:db8::1]:80", "[::ffff:192.0.2.7]:80"] {
        let error = serve(&format!("listen = \"{listen}\"")).check().unwrap_err().to_string();
        assert!(error.contains("nobody signs in here") && error.contains("[[serve.token]]"), "{error}");
        let token = "[[token]]\nname = \"x\"\nsecret = \"env:X\"\nroles = [\"viewer\"]";
        let error = serve(&format!("listen = \"{listen}\"\n{token}")).check().unwrap_err().to_string();
        assert!(error.contains("is not encrypted") && error.contains("allow_remote = true"), "{error}");
        let open = serve(&format!("listen = \"{listen}\"\nallow_remote = true"));
        assert!(open.check().is_err(), "never without a sign-in");
    }
    assert!(toml::from_str::<Serve>("listen = \"localhost\"").is_err());
    assert!(toml::from_str::<Serve>("allow_remot = true").is_err());
}

#[test]
fn a_port_that_is_taken_is_said() {
    with_server(|address, status| async move {
        let serve = Serve { listen: address, ..Serve::default() };
        let error = Server::bind(&serve, site(&serve, &status)).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("`listen` = {address}: cannot listen there: ")), "{error}");
    });
}
