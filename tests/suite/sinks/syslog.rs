//! Syslog: what a real rsyslog understands of what is sent, and that nothing is lost when it goes away.

use std::collections::BTreeSet;
use std::io::Read;
use std::marker::PhantomData;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use counterfoil::model::event::{Event, Message, State};
use counterfoil::model::finding::Severity;
use counterfoil::sink::{Receipt, Sink};
use serde_json::Value;

use super::contract::{self as exam, Fault, Peer, Wire};
use super::rsyslog::{Listen, Rsyslog, skipped};
use super::samples::{alone, digest, heartbeat};
use super::sending::{HOSTILE, build, event, kept, messages, send, send_all};

fn to(server: &Rsyslog, more: &str) -> Box<dyn Sink> {
    let entry = format!(
        "[syslog]\naddress = \"localhost:{}\"\nhostname = \"watch.example.com\"\n{more}",
        server.port
    );
    build(&entry, server.dir()).unwrap()
}

/// How the peers of the exam are spoken to.
trait Manner {
    const LISTEN: Listen;
    const SETTINGS: &'static str;
}

struct Plain;
impl Manner for Plain {
    const LISTEN: Listen = Listen::Plain;
    const SETTINGS: &'static str = "tls = false";
}

struct Tls;
impl Manner for Tls {
    const LISTEN: Listen = Listen::Tls;
    const SETTINGS: &'static str = "";
}

struct Cef;
impl Manner for Cef {
    const LISTEN: Listen = Listen::Plain;
    const SETTINGS: &'static str = "tls = false\nformat = \"cef\"";
}

struct Relp;
impl Manner for Relp {
    const LISTEN: Listen = Listen::Relp;
    const SETTINGS: &'static str = "tls = false\nprotocol = \"relp\"";
}

/// An rsyslog that can be killed.
struct Real<M> {
    server: Mutex<Rsyslog>,
    folder: PathBuf,
    wire: Wire,
    manner: PhantomData<M>,
}

impl<M: Manner> Peer for Real<M> {
    fn start(wire: Wire) -> Self {
        let server = Rsyslog::start(M::LISTEN);
        let folder = server.dir().to_owned();
        Self { server: Mutex::new(server), folder, wire, manner: PhantomData }
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn settings(&self) -> String {
        let ca = match (M::LISTEN, self.wire) {
            (Listen::Tls, Wire::Stranger) => "ca_file = \"other-ca.pem\"",
            (Listen::Tls, _) => "ca_file = \"ca.pem\"",
            _ => "",
        };
        let port = self.server.lock().unwrap().port;
        format!("[syslog]\naddress = \"localhost:{port}\"\ntimeout = \"PT2S\"\n{ca}\n{}", M::SETTINGS)
    }

    fn secrets(&self) -> Vec<String> {
        vec![]
    }

    fn supports(fault: &Fault) -> bool {
        *fault == Fault::ServerError
    }

    fn has_tls() -> bool {
        M::LISTEN == Listen::Tls
    }

    fn inject(&self, fault: Option<Fault>) {
        let mut server = self.server.lock().unwrap();
        if fault.is_some() { server.kill() } else { server.run() }
    }

    fn taken(&self) -> Vec<String> {
        // Every message says its id in its structured data, whatever its body is.
        let received = self.server.lock().unwrap().settled();
        let ids = received.iter().map(|r| r["structured-data"].as_str().unwrap().split('"').nth(1).unwrap());
        ids.map(str::to_owned).collect()
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints = vec![];
        for received in self.server.lock().unwrap().settled() {
            let body = received["msg"].as_str().unwrap().trim_start();
            let data = received["structured-data"].as_str().unwrap();
            let id = data.split('"').nth(1).unwrap();
            let well = match serde_json::from_str::<Value>(body) {
                Ok(json) => json["id"] == id,
                Err(_) => {
                    body.starts_with("CEF:0|Counterfoil|")
                        && body.contains(&format!("cs1={id} cs1Label=eventId"))
                }
            };
            let odd = body.chars().chain(data.chars()).any(counterfoil::report::text::is_hidden);
            if !well || odd || body.len() > 8192 {
                complaints.push(body.to_owned());
            }
        }
        complaints
    }
}

/// The whole exam, but only where there are servers.
fn sit<P: Peer>() {
    if skipped() {
        return;
    }
    exam::takes_in_order::<P>();
    exam::takes_every_kind::<P>();
    exam::survives_every_fault::<P>();
    exam::refuses_one_alone::<P>();
    exam::withstands_hostile_text::<P>();
    exam::trusts_no_stranger::<P>();
}

#[test]
fn plain_syslog_passes_the_exam() {
    sit::<Real<Plain>>();
}

#[test]
fn syslog_over_tls_passes_the_exam() {
    sit::<Real<Tls>>();
}

#[test]
fn cef_passes_the_exam() {
    sit::<Real<Cef>>();
}

#[test]
fn relp_passes_the_exam() {
    sit::<Real<Relp>>();
}

fn bodies(received: &[Value]) -> Vec<Value> {
    received.iter().map(|r| serde_json::from_str(r["msg"].as_str().unwrap().trim_start()).unwrap()).collect()
}

#[test]
fn rsyslog_understands_every_field_over_tls() {
    if skipped() {
        return;
    }
    let server = Rsyslog::start(Listen::Tls);
    let sink = to(&server, "ca_file = \"ca.pem\"");
    let mut closed = event(2, "gone", "bob");
    closed.state = State::Resolved;
    send_all(&*sink, &[alone(event(1, HOSTILE, HOSTILE)), alone(closed), digest(), heartbeat()]);
    let received = server.received(4);
    let first = &received[0];
    assert_eq!(first["pri"], "107", "log audit, error");
    assert_eq!(first["timereported"], "2026-06-01T12:00:00Z");
    assert_eq!(first["hostname"], "watch.example.com");
    assert_eq!(first["app-name"], "counterfoil");
    assert_eq!(first["procid"], "-");
    let told_of = event(1, HOSTILE, HOSTILE);
    assert_eq!(
        first["structured-data"],
        format!(
            "[counterfoil@32473 id=\"{}\" finding=\"{}\" seq=\"1\" check=\"unapproved_grant\" severity=\"high\" state=\"open\"]",
            told_of.id, told_of.finding.id
        )
    );
    let body: Event<'_> = serde_json::from_str(first["msg"].as_str().unwrap().trim_start()).unwrap();
    assert_eq!(body, told_of);
    let kinds: Vec<&Value> = received.iter().map(|r| &r["msgid"]).collect();
    assert_eq!(kinds, ["create", "create", "digest", "heartbeat"]);
    assert_eq!(received[1]["pri"], "110", "what is resolved is no alarm");
    assert_eq!(bodies(&received)[2]["by_owner"][0]["findings"], 30);
}

#[test]
fn what_is_too_long_is_told_by_its_essentials() {
    if skipped() {
        return;
    }
    let server = Rsyslog::start(Listen::Plain);
    let sink = to(&server, "tls = false");
    let long = format!("{HOSTILE}{}", "x\u{202e}\"王".repeat(20_000));
    let batch =
        [alone(event(1, &long, "alice")), alone(event(2, &long, &long)), alone(event(3, "short", "bob"))];
    send_all(&*sink, &batch);
    let received = server.received(3);
    let bodies = bodies(&received);
    for (body, received) in bodies.iter().zip(&received) {
        assert!(received["msg"].as_str().unwrap().len() < 8192);
        assert_eq!(body["finding"]["severity"], "high");
        assert_eq!(body["finding"]["request"]["url"], "https://tickets.example.com/SEC-7");
    }
    assert_eq!(bodies[0]["truncated"], true);
    assert_eq!(bodies[0]["finding"]["grant"]["account"], "alice");
    assert!(bodies[0]["finding"]["message"].as_str().unwrap().starts_with(HOSTILE));
    assert_eq!(bodies[1]["truncated"], true);
    assert_eq!((&bodies[2]["truncated"], &bodies[2]["finding"]["message"]), (&Value::Null, &"short".into()));
}

#[test]
fn cef_is_one_line_whatever_the_text() {
    if skipped() {
        return;
    }
    let server = Rsyslog::start(Listen::Plain);
    let sink = to(&server, "tls = false\nformat = \"cef\"\nfacility = 4");
    let long = "=\\\u{202e}".repeat(40_000);
    let mut critical = event(2, &long, &long);
    critical.finding.severity = Severity::Critical;
    send_all(&*sink, &[alone(event(1, HOSTILE, "a=b")), alone(critical), digest(), heartbeat()]);
    let received = server.received(4);
    let text = |n: usize| received[n]["msg"].as_str().unwrap().trim_start().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "CEF:0|Counterfoil|Counterfoil|{version}|unapproved_grant|No approval for a live grant|8|rt=1780315200000 "
    );
    assert!(text(0).starts_with(&expected), "{}", text(0));
    assert!(text(0).contains(" duser=a\\=b dpriv=role\\=admin "), "{}", text(0));
    assert!(text(0).contains(" destinationServiceName=prod|db "), "{}", text(0));
    assert!(
        text(0).contains("msg=a\\nb\\r\\n<13>1 - - - - - - forged\\\\u{9}\\\\u{1b}[31m \\\\u{202e}evil"),
        "{}",
        text(0)
    );
    assert!(text(0).contains(&format!(" cs2={} cs2Label=findingId", event(1, "", "").finding.id)));
    assert_eq!((&received[0]["pri"], &received[1]["pri"]), (&"35".into(), &"34".into()));
    assert!(text(1).len() < 8192 && text(1).ends_with("flexString1=true"), "{}", text(1));
    assert!(
        text(2).contains("|digest|Where everything stands|3|")
            && text(2).contains("cn1=42 cn1Label=findings")
    );
    assert!(
        text(3).contains("|heartbeat|Sign of life|5|")
            && text(3).contains("msg=jira\\n\\\\u{202e}: stale since <yesterday>")
    );
}

#[test]
fn a_receiver_that_nobody_vouches_for_gets_nothing() {
    if skipped() {
        return;
    }
    let server = Rsyslog::start(Listen::Tls);
    let reason = kept(&*to(&server, "ca_file = \"other-ca.pem\""), &messages(0..3));
    assert!(reason.contains("UnknownIssuer") && reason.contains("ca_file"), "{reason}");
    let reason =
        kept(&*to(&server, "ca_file = \"ca.pem\"\nserver_name = \"other.example.com\""), &messages(0..3));
    assert!(reason.contains("not valid for name"), "{reason}");
    // What is sent rightly afterwards is all that is there.
    send_all(&*to(&server, "ca_file = \"ca.pem\""), &messages(3..4));
    assert_eq!(server.received(1).len(), 1);
    // Plain text to a port that speaks TLS.
    kept(&*to(&server, "tls = false\ntimeout = \"PT2S\""), &messages(4..5));
}

#[test]
fn a_receiver_that_asks_who_we_are_is_told() {
    if skipped() {
        return;
    }
    let server = Rsyslog::start(Listen::MutualTls);
    kept(&*to(&server, "ca_file = \"ca.pem\"\ntimeout = \"PT2S\""), &messages(0..2));
    let ours = "ca_file = \"ca.pem\"\ncertificate_file = \"client.pem\"\nkey = \"file:client.key\"";
    send_all(&*to(&server, ours), &messages(2..4));
    assert_eq!(server.received(2).len(), 2);
}

/// The ids of events that arrived.
fn arrived(server: &Rsyslog, least: usize) -> BTreeSet<String> {
    let bodies = bodies(&server.received(least));
    bodies.iter().map(|b| b["id"].as_str().unwrap().to_owned()).collect()
}

fn ids(batch: &[Message<'_>]) -> BTreeSet<String> {
    batch.iter().map(|m| m.id.clone()).collect()
}

#[test]
fn a_server_that_is_away_loses_nothing() {
    if skipped() {
        return;
    }
    for (listen, more) in [
        (Listen::Plain, "tls = false"),
        (Listen::Tls, "ca_file = \"ca.pem\""),
        (Listen::Relp, "tls = false\nprotocol = \"relp\""),
    ] {
        let mut server = Rsyslog::start(listen);
        let sink = to(&server, more);
        let batch = messages(0..150);
        send_all(&*sink, &batch[..50]);
        server.received(50);
        server.kill();
        let reason = kept(&*sink, &batch[50..]);
        assert!(reason.contains("cannot connect"), "{reason}");
        server.run();
        send_all(&*sink, &batch[50..]);
        assert_eq!(arrived(&server, 150), ids(&batch), "{listen:?}");
    }
}

#[test]
fn relp_is_answered_message_by_message() {
    if skipped() {
        return;
    }
    let server = Rsyslog::start(Listen::Relp);
    let sink = to(&server, "tls = false\nprotocol = \"relp\"");
    let mut batch = messages(0..199);
    batch.push(alone(event(200, HOSTILE, HOSTILE)));
    send_all(&*sink, &batch);
    let received = server.received(200);
    let last: Event<'_> = serde_json::from_str(received[199]["msg"].as_str().unwrap().trim_start()).unwrap();
    assert_eq!(last, event(200, HOSTILE, HOSTILE));
    assert_eq!(arrived(&server, 200), ids(&batch));
    send_all(&*sink, &[]);
}

#[test]
fn relp_over_tls_shows_who_we_are() {
    if skipped() {
        return;
    }
    let server = Rsyslog::start(Listen::RelpTls);
    let nobody = to(&server, "protocol = \"relp\"\nca_file = \"ca.pem\"\ntimeout = \"PT2S\"");
    kept(&*nobody, &messages(0..3));
    let ours = "protocol = \"relp\"\nca_file = \"ca.pem\"\ncertificate_file = \"client.pem\"\nkey = \"file:client.key\"";
    let batch = messages(3..100);
    send_all(&*to(&server, ours), &batch);
    assert_eq!(arrived(&server, batch.len()), ids(&batch));
}

/// A receiver of RELP that answers `yes` so often, then once `last`, then nothing.
fn stingy_relp(yes: usize, last: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for number in 1.. {
            // An offer is three lines, a message one.
            let mut line = String::new();
            for _ in 0..if number == 1 { 3 } else { 1 } {
                reader.read_line(&mut line).unwrap();
            }
            if number > yes {
                stream.write_all(last.as_bytes()).unwrap();
                break;
            }
            stream.write_all(format!("{number} rsp 6 200 OK\n").as_bytes()).unwrap();
        }
        // Read on, so that nothing but the missing answers tells.
        let _ = reader.read_to_end(&mut vec![]);
    });
    port
}

#[test]
fn relp_counts_what_was_answered_and_no_more() {
    for (last, part) in [
        ("4 rsp 9 500 error\n", "the receiver said `500 error`"),
        ("0 serverclose 0\n", "ends the session"),
        ("9 rsp 6 200 OK\n", "expected an answer to 4"),
        ("HTTP/1.1 400 Bad Request\r\n", "is not RELP"),
        ("4 rsp 99999999 200 OK\n", "is not RELP"),
        ("", "within 0.3 s"),
    ] {
        let port = stingy_relp(3, last);
        let entry = format!(
            "[syslog]\naddress = \"127.0.0.1:{port}\"\ntls = false\nprotocol = \"relp\"\ntimeout = \"PT0.3S\""
        );
        let sink = build(&entry, Path::new(".")).unwrap();
        let receipts = send(&*sink, &messages(0..5));
        assert_eq!(receipts[..2], [Receipt::Taken, Receipt::Taken], "{last}");
        for receipt in &receipts[2..] {
            assert!(
                matches!(receipt, Receipt::Later { reason, .. } if reason.contains(part)),
                "{last}: {receipt:?}"
            );
        }
    }
}

#[test]
fn plain_syslog_takes_nothing_for_received_before_the_receiver_closes() {
    // One that reads and never closes, one that closes with messages unread.
    for reads in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let held = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if reads {
                let _ = stream.read_to_end(&mut vec![]);
                std::thread::sleep(std::time::Duration::from_secs(2));
            } else {
                stream.read_exact(&mut [0; 10]).unwrap();
            }
        });
        let entry = format!("[syslog]\naddress = \"127.0.0.1:{port}\"\ntls = false\ntimeout = \"PT0.5S\"");
        kept(&*build(&entry, Path::new(".")).unwrap(), &messages(0..50));
        held.join().unwrap();
    }
}

#[test]
fn settings_that_cannot_work_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    crate::servers::write_certificates(dir.path(), "client.example.com");
    std::fs::write(dir.path().join("empty.pem"), "").unwrap();
    for (settings, part) in [
        ("address = \"logs.example.com\"", "expected HOST:PORT"),
        ("address = \"::1:514\"", "expected HOST:PORT"),
        ("address = \"a:70000\"", "expected HOST:PORT"),
        ("address = \"a:1\"\nfacility = 24", "expected 0 to 23"),
        ("address = \"a:1\"\nmax_bytes = 100", "at least 2048"),
        ("address = \"a:1\"\nhostname = \"a b\"", "without a blank"),
        ("address = \"a:1\"\napp_name = \"\"", "printable"),
        ("address = \"a:1\"\nca_file = \"none.pem\"", "none.pem"),
        ("address = \"a:1\"\nca_file = \"empty.pem\"", "BEGIN CERTIFICATE"),
        ("address = \"a:1\"\nca_file = \"ca.pem\"\ncertificate_file = \"client.pem\"", "needs `key`"),
        ("address = \"a:1\"\nca_file = \"ca.pem\"\nkey = \"file:client.key\"", "needs `certificate_file`"),
        (
            "address = \"a:1\"\nca_file = \"ca.pem\"\ncertificate_file = \"client.pem\"\nkey = \"file:server.key\"",
            "do not fit",
        ),
        ("address = \"a:1\"\ntls = false\nca_file = \"ca.pem\"", "says nothing with `tls = false`"),
        ("address = \"a:1\"\nprotocol = \"udp\"", "udp"),
    ] {
        let error = build(&format!("[syslog]\n{settings}"), dir.path()).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
    let nobody = format!("[syslog]\naddress = \"127.0.0.1:{}\"\ntls = false", crate::servers::free_port());
    kept(&*build(&nobody, dir.path()).unwrap(), &messages(0..1));
}
