//! Alertmanager: a double that refuses what Alertmanager refuses, and Alertmanager itself.

mod server;

use counterfoil::model::event::{Activity, Message, Notice, State};
use counterfoil::model::{Duration, Instant};
use counterfoil::report::text::is_hidden;
use counterfoil::sink::{Entry, Receipt, Sink};

use super::contract::{Fault, Peer, Wire, contract, sink};
use super::samples;
use super::stub::{Reply, Request, Stub, Vendor, by_stub, keys_are};
use server::Server;

const TOKEN: &str = "Bearer canary-before-alertmanager";

struct Api;

impl Vendor for Api {
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String> {
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/prefix/api/v2/alerts") {
            return Err("no such endpoint".to_owned());
        }
        if request.header("content-type") != "application/json" || request.header("authorization") != TOKEN {
            return Err("a header is wrong".to_owned());
        }
        let alerts = request.json()?;
        let (mut taken, mut wrong) = (vec![], None);
        for alert in alerts.as_array().ok_or("no array")? {
            keys_are(alert, &["labels", "annotations", "startsAt", "endsAt"], &["generatorURL"])?;
            keys_are(&alert["labels"], &["alertname", "severity"], &["system", "finding"])?;
            for (name, text) in
                alert["labels"].as_object().unwrap().iter().chain(alert["annotations"].as_object().unwrap())
            {
                let text = text.as_str().ok_or("a label is no text")?;
                if text.is_empty() || text.contains(is_hidden) {
                    return Err(format!("{name} is {text:?}"));
                }
            }
            let at = |key: &str| -> Result<Instant, String> {
                alert[key].as_str().and_then(|t| t.parse().ok()).ok_or(format!("no time: {alert}"))
            };
            if at("startsAt")? > at("endsAt")? {
                return Err(format!("it ends before it begins: {alert}"));
            }
            if alert["generatorURL"]
                .as_str()
                .is_some_and(|url| url.contains(|c: char| c.is_whitespace() || "<>\"".contains(c)))
            {
                return Err(format!("no address: {}", alert["generatorURL"]));
            }
            let key = alert["labels"]["finding"].as_str().or(alert["labels"]["alertname"].as_str()).unwrap();
            // The others are taken all the same.
            if refused == Some(key) {
                wrong = Some(key);
            } else {
                taken.push(key.to_owned());
            }
        }
        match wrong {
            Some(_) => Ok(Reply {
                status: 400,
                body: "\"invalid label set: invalid name \\\"\\\"\"".to_owned(),
                taken,
                ..Reply::default()
            }),
            None => Ok(Reply { status: 200, taken, ..Reply::default() }),
        }
    }

    fn failure(&self, status: u16, request: &Request) -> Reply {
        Reply::of(status, format!("Status {}", request.header("authorization")))
    }
}

struct Alertmanager {
    stub: Stub,
}

impl Peer for Alertmanager {
    fn start(wire: Wire) -> Self {
        Self { stub: Stub::start(wire, Api) }
    }

    fn settings(&self) -> String {
        format!(
            "[alertmanager]\nurl = \"{}/prefix/\"\nauthorization = \"{}\"\n[alertmanager.http]\n{}",
            self.stub.url(),
            self.stub.secret("token", TOKEN),
            self.stub.connection(),
        )
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    fn supports(_: &Fault) -> bool {
        true
    }

    fn keys(message: &Message<'_>) -> Vec<String> {
        match &message.notice {
            Notice::Events { events, .. } => events.iter().map(|e| e.finding.id.clone()).collect(),
            Notice::Digest(_) => vec!["CounterfoilDigest".to_owned()],
            Notice::Heartbeat(_) => vec!["CounterfoilHeartbeat".to_owned()],
            Notice::Checkpoint(_) => vec!["CounterfoilCheckpoint".to_owned()],
        }
    }

    by_stub!();
}

contract!(Alertmanager);

#[test]
fn what_is_open_is_told_again_before_it_would_end() {
    let peer = Alertmanager::start(Wire::Plain);
    let sink = sink(&peer);
    assert_eq!(sink.resends_open(), Some(Duration::minutes(80)));
    assert_eq!(sink.heartbeat_every(), Some(Duration::minutes(5)));
}

/// A sink that tells a real Alertmanager.
fn real(server: &Server) -> Box<dyn Sink> {
    let settings =
        format!("id = \"real\"\n[alertmanager]\nurl = \"{}\"\nhttp.allow_private = true", server.url());
    let entry: Entry = toml::from_str(&settings).unwrap();
    entry.kind().unwrap().1.build(server.folder()).unwrap()
}

fn tell(sink: &dyn Sink, batch: &[Message<'_>], now: Instant) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(sink.send(batch, now)), vec![Receipt::Taken; batch.len()]);
}

fn clock() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Instant::from_unix_ms(i64::try_from(since.as_millis()).unwrap())
}

#[test]
fn the_real_one_fires_goes_on_firing_and_stops() {
    let Some(server) = Server::start() else { return };
    let sink = real(&server);
    let now = clock();
    let aged = |n: usize| {
        let mut event = samples::event(n);
        (event.first_seen, event.time) = (now.minus(Duration::days(2)), now.minus(Duration::minutes(1)));
        event
    };
    let (one, two) = (aged(0), aged(1));
    tell(&*sink, &[samples::alone(one.clone()), samples::alone(two.clone())], now);
    let ends = |alert: &serde_json::Value| alert["endsAt"].as_str().unwrap().parse::<Instant>().unwrap();
    let firing = server.alerts();
    assert_eq!(firing.len(), 2, "{firing:?}");
    let first = firing.iter().find(|a| a["labels"]["finding"] == one.finding.id.as_str()).unwrap();
    assert_eq!(first["labels"]["alertname"], one.finding.check.as_ref());
    assert_eq!(first["labels"]["severity"], one.finding.severity.as_str());
    assert_eq!(first["labels"]["system"], "aws-prod");
    assert_eq!(first["status"]["state"], "active");
    assert_eq!(first["startsAt"].as_str().unwrap().parse::<Instant>().unwrap(), one.first_seen);
    assert_eq!(ends(first), now.plus(Duration::hours(4)));

    // Told again, it fires longer, and is still the same alert.
    let later = now.plus(Duration::minutes(80));
    tell(&*sink, &[samples::alone(one.clone())], later);
    let firing = server.alerts();
    assert_eq!(firing.len(), 2);
    let first = firing.iter().find(|a| a["labels"]["finding"] == one.finding.id.as_str()).unwrap();
    assert_eq!(ends(first), later.plus(Duration::hours(4)));

    // Resolved and accepted both end it.
    let mut resolved = samples::next(&one, State::Resolved);
    resolved.time = now.minus(Duration::seconds(5));
    assert_eq!(resolved.activity, Activity::Close);
    tell(&*sink, &[samples::alone(resolved.clone())], now);
    let firing = server.alerts();
    assert!(
        firing.iter().all(|a| a["labels"]["finding"] == two.finding.id.as_str()) && firing.len() == 1,
        "{firing:?}"
    );
    let mut accepted = samples::next(&two, State::Accepted);
    accepted.time = now.minus(Duration::seconds(4));
    tell(&*sink, &[samples::alone(accepted)], now);
    assert_eq!(server.alerts(), [serde_json::Value::Null; 0]);

    // And what comes back fires again.
    let mut again = samples::next(&resolved, State::Open);
    (again.episode, again.time) = (2, now);
    tell(&*sink, &[samples::alone(again)], now);
    assert_eq!(server.alerts().len(), 1);
}

#[test]
fn the_real_one_takes_every_kind_and_what_means_harm() {
    let Some(server) = Server::start() else { return };
    let sink = real(&server);
    let batch = [samples::heartbeat(), samples::digest(), samples::group(12), samples::hostile()];
    tell(&*sink, &batch, clock());
    let firing = server.alerts();
    assert_eq!(firing.len(), 1 + 1 + 12 + 1);
    let is_alive = |a: &&serde_json::Value| a["labels"]["alertname"] == "CounterfoilHeartbeat";
    let alive = firing.iter().find(is_alive).unwrap();
    assert!(alive["annotations"]["description"].as_str().unwrap().contains("is alive"), "{alive}");
    tell(&*sink, &[samples::group(0)], clock());
    assert_eq!(server.alerts().len(), 3);
}

#[test]
fn the_real_one_takes_the_valid_alerts_of_a_request_it_answers_with_400() {
    let Some(server) = Server::start() else { return };
    let body = r#"[{"labels":{"alertname":"good"}},{"labels":{"alertname":"bad","":"no name"}}]"#;
    let (status, said) = server.ask("POST", "/api/v2/alerts", body);
    assert_eq!(status, 400, "{said}");
    assert_eq!(server.alerts().len(), 1, "the double does as the real one does");
}
