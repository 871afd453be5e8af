//! An incoming webhook, as Slack documents it.

use std::sync::{Arc, Mutex};

use counterfoil::model::event::{Message, Notice};
use counterfoil::report::text::is_hidden;
use counterfoil::sink::{Audience, Receipt};

use super::contract::{Fault, Peer, Wire, contract, send, sink};
use super::samples;
use super::stub::{Reply, Request, Stub, Vendor, by_stub, keys_are};

const PATH: &str = "services/T000CANARY/B000CANARY/canaryOfTheSlackWebhook0";

#[derive(Default)]
struct Channel(Mutex<Vec<String>>);

struct Hook(Arc<Channel>);

/// By what a message is known: Slack keeps no id, so that it is what a person would look for.
fn mark(text: &str) -> Vec<String> {
    let found: Vec<String> = text
        .split('`')
        .filter(|part| part.starts_with("f1:") && part.len() == 67)
        .map(str::to_owned)
        .collect();
    match found.as_slice() {
        [] => vec![text.lines().next().unwrap_or_default().trim_matches('*').to_owned()],
        _ => found,
    }
}

/// Every `<` that is left belongs to a link to where a link may lead.
fn harmless(text: &str) -> Result<(), String> {
    for part in text.split('<').skip(1) {
        let (link, _) = part.split_once('>').ok_or("a `<` without its `>`")?;
        let (url, title) = link.split_once('|').ok_or("a link without a title")?;
        if !url.starts_with("https://") || title.contains(['|', '<']) || url.contains(char::is_whitespace) {
            return Err(format!("a link: {link}"));
        }
    }
    match text.chars().find(|c| is_hidden(*c) && *c != '\n') {
        Some(hidden) => Err(format!("a character that cannot be seen: {hidden:?}")),
        None => Ok(()),
    }
}

impl Vendor for Hook {
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String> {
        if request.method != "POST" || request.path != format!("/{PATH}") {
            return Err("no such webhook".to_owned());
        }
        if request.header("content-type") != "application/json" {
            return Err("no JSON".to_owned());
        }
        let body = request.json()?;
        keys_are(&body, &["text"], &["unfurl_links", "unfurl_media"])?;
        let text = body["text"].as_str().ok_or("the text is no text")?;
        if text.is_empty() || text.chars().count() > 40_000 {
            return Err(format!("{} characters", text.chars().count()));
        }
        harmless(text)?;
        let taken = mark(text);
        if refused.is_some_and(|refused| taken.iter().any(|t| t == refused)) {
            return Ok(Reply::of(400, "invalid_payload"));
        }
        self.0.0.lock().unwrap().push(text.to_owned());
        Ok(Reply { status: 200, body: "ok".to_owned(), taken, ..Reply::default() })
    }

    fn failure(&self, status: u16, request: &Request) -> Reply {
        match status {
            // Slack says it so; what it was shown is repeated by the proxy before it.
            401 => Reply::of(403, format!("invalid_token {}", request.path)),
            429 => Reply::of(429, "rate_limited"),
            _ => Reply::of(status, "rollup_error"),
        }
    }
}

struct Slack {
    stub: Stub,
    channel: Arc<Channel>,
}

impl Slack {
    fn said(&self) -> Vec<String> {
        self.channel.0.lock().unwrap().clone()
    }
}

impl Peer for Slack {
    fn start(wire: Wire) -> Self {
        let channel = Arc::<Channel>::default();
        Self { stub: Stub::start(wire, Hook(channel.clone())), channel }
    }

    fn settings(&self) -> String {
        let url = self.stub.secret("url", &format!("{}/{PATH}", self.stub.url()));
        format!("[slack]\nurl = \"{url}\"\n[slack.http]\n{}", self.stub.connection())
    }

    fn secrets(&self) -> Vec<String> {
        vec![PATH.to_owned(), "canaryOfTheSlackWebhook0".to_owned()]
    }

    fn supports(_: &Fault) -> bool {
        true
    }

    fn keys(message: &Message<'_>) -> Vec<String> {
        match &message.notice {
            Notice::Events { events, .. } => events.iter().take(10).map(|e| e.finding.id.clone()).collect(),
            Notice::Digest(_) => vec!["Counterfoil's first look: 2 critical, 40 low".to_owned()],
            Notice::Heartbeat(_) => vec!["Counterfoil is alive".to_owned()],
            Notice::Checkpoint(_) => vec!["Checkpoint of the evidence log".to_owned()],
        }
    }

    by_stub!();
}

contract!(Slack);

#[test]
fn a_person_reads_what_it_is_about_who_answers_and_what_to_do() {
    let peer = Slack::start(Wire::Plain);
    let sink = sink(&peer);
    assert_eq!(sink.audience(), Audience::People);
    assert_eq!(sink.heartbeat_every().unwrap().to_string(), "P1D");
    let batch =
        [samples::alone(samples::event(0)), samples::group(12), samples::digest(), samples::heartbeat()];
    send(&peer, &*sink, &batch);
    let said = peer.said();
    assert_eq!(
        said[0],
        format!(
            "*Access is still held after it was revoked* · critical · open (detected)\n`alice` still holds `AdministratorAccess` on `aws-prod`\nTicket: <https://tickets.corp.example/browse/SEC-101|SEC-101>\nWho answers: carol@corp.example\nWhat to do: revoke the grant, or have it approved\n`{}`",
            samples::event(0).finding.id
        )
    );
    assert!(said[1].contains(": 12 open*\n") && said[1].contains("… and 2 more\n"), "{}", said[1]);
    assert_eq!(said[1].matches("• ").count(), 10, "{}", said[1]);
    assert!(said[2].contains("carol@corp.example &lt;!here&gt;: 30, nobody: 12"), "{}", said[2]);
    assert!(said[3].contains("Source jira: stale since &lt;yesterday&gt;"), "{}", said[3]);
}

#[test]
fn a_webhook_that_is_gone_pauses_and_the_message_is_kept() {
    struct Gone(u16, &'static str);
    impl Vendor for Gone {
        fn answer(&self, _: &Request, _: Option<&str>) -> Result<Reply, String> {
            Ok(Reply::of(self.0, self.1))
        }
        fn failure(&self, status: u16, _: &Request) -> Reply {
            Reply::of(status, "")
        }
    }
    for (status, word) in [
        (404, "no_service"),
        (400, "no_active_hooks"),
        (404, "channel_not_found"),
        (410, "channel_is_archived"),
        (403, "action_prohibited"),
        (400, "user_not_found"),
    ] {
        let peer = Slack { stub: Stub::start(Wire::Plain, Gone(status, word)), channel: Arc::default() };
        let receipts = send(&peer, &*sink(&peer), &samples::several(0..1));
        assert!(
            matches!(&receipts[..], [Receipt::Paused { reason }] if reason.contains(word)),
            "{receipts:?}"
        );
    }
}
