//! How long a decision takes whoever asks for one over HTTP, beside a handler that answers the same address with a constant.
//!
//! ```sh
//! cargo bench --bench decisions -- [GRANTS [CONNECTIONS [SECONDS]]]
//! ```
//!
//! Client and servers share the processors of this machine, so what counts is the ratio: both are asked in turns by the same
//! client, over connections that stay open, each asking again as soon as it has its answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that meets what it does not expect should stop"
)]

use std::io::Cursor;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant as Tick};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use counterfoil::alert::{guard, life};
use counterfoil::engine::{Engine, Order, Pulled, Rules, SourceSpec};
use counterfoil::judge::Settings;
use counterfoil::model::{Instant, RecordType};
use counterfoil::serve::{Facts, Serve, Server, Site, Status};
use counterfoil::store::{Sqlite, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NOW: &str = "2026-06-01T12:00:00Z";
const PATH: &str = "/access/v1/evaluation";

fn now() -> Instant {
    NOW.parse().unwrap()
}

/// A store with so many grants, half of them approved.
fn fill(path: &Path, grants: usize) {
    let specs = [("hr", RecordType::Identity), ("tickets", RecordType::Request), ("iam", RecordType::Grant)];
    let rules = Rules {
        settings: Settings::default(),
        controls: Box::new(()),
        frameworks: serde_json::json!([]),
        life: life::Rules::default(),
        guard: guard::Limits::default(),
        mutes: vec![],
        listeners: vec![],
        teams: vec![],
        threads: 2,
    };
    let mut engine = Engine::new(Box::new(Sqlite::open(path).unwrap()), rules);
    let sources = specs.map(|(id, kind)| SourceSpec { id: id.to_owned(), provides: vec![kind], by: None });
    let due = specs.map(|(id, _)| id.to_owned());
    let order = Order { now: now(), sources: &sources, due: &due, judge: true, stop: &|| false };
    let pull = &mut |source: &str| {
        let kind = specs.iter().find(|(id, _)| *id == source).unwrap().1.as_str();
        let mut text = String::new();
        for n in 0..grants {
            match source {
                "hr" => {
                    text += &format!(
                        "{{\"type\":\"identity\",\"id\":\"p{n}@corp.example\",\"aliases\":[\"p{n}\"]}}\n"
                    )
                }
                "tickets" if n % 2 == 0 => {
                    text += &format!(
                        "{{\"type\":\"request\",\"source\":\"tickets\",\"id\":\"R-{n}\",\"state\":\"approved\",\"beneficiaries\":[\"p{n}\"],\
                         \"access\":[{{\"system\":\"s{}\",\"entitlement\":\"use\"}}],\"approvals\":[{{\"approver\":\"p1\",\
                         \"decision\":\"approved\",\"decided_at\":\"2026-05-01T00:00:00Z\"}}]}}\n",
                        n % 50
                    );
                }
                "tickets" => {}
                _ => {
                    text += &format!(
                        "{{\"type\":\"grant\",\"system\":\"s{}\",\"account\":\"p{n}\",\"entitlement\":\"use\"}}\n",
                        n % 50
                    );
                }
            }
        }
        text += &format!(
            "{{\"type\":\"snapshot\",\"source\":\"{source}\",\"taken_at\":\"{NOW}\",\"complete\":true,\"provides\":[\"{kind}\"]}}\n"
        );
        Pulled::Records { taken_at: NOW.to_owned(), lines: Box::new(Cursor::new(text)) }
    };
    engine.run(&order, pull).unwrap();
}

/// One request and its answer.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> bool {
    stream.write_all(request).await.unwrap();
    buffer.clear();
    loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "the connection ended: {}", String::from_utf8_lossy(buffer));
        buffer.extend_from_slice(&chunk[..n]);
        let text = std::str::from_utf8(buffer).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).expect("a length");
        if body.len() >= length.parse().unwrap() {
            assert!(head.starts_with("HTTP/1.1 200"), "{text}");
            return body.contains("\"decision\":true");
        }
    }
}

/// Asks over so many connections for so long: how long each answer took, in microseconds, sorted.
async fn load(address: SocketAddr, grants: usize, connections: usize, span: Duration) -> Vec<u32> {
    let until = Tick::now() + span;
    let tasks: Vec<_> = (0..connections)
        .map(|connection| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut took, mut buffer, mut n) = (vec![], vec![], connection * 7919);
                while Tick::now() < until {
                    n = (n + 104_729) % grants;
                    let body = format!(
                        "{{\"subject\":{{\"type\":\"user\",\"id\":\"p{n}@corp.example\"}},\"action\":{{\"name\":\"use\"}},\
                         \"resource\":{{\"type\":\"system\",\"id\":\"s{}\"}}}}",
                        n % 50
                    );
                    let request = format!(
                        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let tick = Tick::now();
                    ask(&mut stream, request.as_bytes(), &mut buffer).await;
                    took.push(u32::try_from(tick.elapsed().as_micros()).unwrap());
                }
                took
            })
        })
        .collect();
    let mut all = vec![];
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort_unstable();
    all
}

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let given = |at: usize, or: usize| arguments.get(at).copied().unwrap_or(or);
    let (grants, connections, seconds) = (given(0, 20_000), given(1, 16), given(2, 3));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    fill(&path, grants);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let open = || -> Box<dyn Store> { Box::new(Sqlite::open(&path).unwrap()) };
    let serve: Serve = toml::from_str("listen = \"127.0.0.1:0\"\n[decisions]\nenabled = true\n").unwrap();
    let status = Arc::new(Status::new("0"));
    let site = Site::new(&serve, folder.path(), status, vec![open()], now, Arc::new(|| {})).unwrap();
    let site = Arc::new(site);
    site.set_facts(Facts::default());
    site.keep_decisions(open()).unwrap();
    runtime.block_on(async {
        let server = Server::bind(&serve, site).await.unwrap();
        let decides = server.address();
        tokio::spawn(server.run(std::future::pending()));
        let bare = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let constant = bare.local_addr().unwrap();
        let router = Router::new().route(PATH, post(|_: Bytes| async { "{\"decision\":true}" }));
        tokio::spawn(async move { axum::serve(bare, router).await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (mut best, span) = ([[f64::MAX; 3]; 2], Duration::from_secs(seconds as u64));
        for round in 0..5 {
            for (which, address) in [constant, decides].into_iter().enumerate() {
                let took = load(address, grants, connections, span).await;
                let at = |share: f64| f64::from(took[(took.len() as f64 * share) as usize]);
                let each = [at(0.5), at(0.99), span.as_secs_f64() * 1e6 / took.len() as f64];
                let name = ["a constant", "a decision"][which];
                println!(
                    "{round} {name:<12} p50 {:>6} µs  p99 {:>6} µs  {:>7.0} a second",
                    each[0],
                    each[1],
                    1e6 / each[2]
                );
                for (best, new) in best[which].iter_mut().zip(each) {
                    *best = best.min(new);
                }
            }
        }
        let ratio = |n: usize| best[1][n] / best[0][n];
        println!(
            "best of each: p50 {:.2}, p99 {:.2}, time for each {:.2} times a constant",
            ratio(0),
            ratio(1),
            ratio(2)
        );
    });
}
