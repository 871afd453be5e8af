//! Messages of every kind, and one that means harm.

use std::collections::BTreeMap;

use counterfoil::model::event::{
    Activity, CHECKPOINT_SCHEMA, Cause, Checkpoint, DIGEST_SCHEMA, Desk, Digest, EVENT_SCHEMA, Event, Group,
    HEARTBEAT_SCHEMA, Heartbeat, Message, Notice, State, event_id, hashed,
};
use counterfoil::model::finding::Severity;
use counterfoil::model::{Duration, Instant};

use crate::report::sample;

/// When everything here happens.
pub fn now() -> Instant {
    sample::at("2026-06-01T12:00:00Z")
}

/// The first event of the nth finding.
pub fn event(n: usize) -> Event<'static> {
    let findings = sample::findings();
    let mut finding = findings[n % findings.len()].clone();
    finding.id = hashed("f1:", &format!("finding {n}"));
    Event {
        schema: EVENT_SCHEMA.into(),
        id: event_id(&finding.id, 1, 1),
        activity: Activity::Create,
        cause: Cause::Detected,
        state: State::Open,
        episode: 1,
        seq: 1,
        first_seen: now().minus(Duration::days(1)),
        time: now().minus(Duration::minutes(5)),
        run: 42,
        initial: false,
        finding,
    }
}

/// The event after this one in the life of its finding.
pub fn next(event: &Event<'static>, state: State) -> Event<'static> {
    let mut next = event.clone();
    next.seq += 1;
    next.time = event.time.plus(Duration::minutes(1));
    next.id = event_id(&next.finding.id, next.episode, next.seq);
    next.state = state;
    (next.activity, next.cause) = match state {
        State::Open => (Activity::Update, Cause::Changed),
        State::Accepted => (Activity::Update, Cause::Suppressed),
        State::Resolved => (Activity::Close, Cause::Revoked),
    };
    next
}

/// A message that tells one event alone.
pub fn alone(event: Event<'static>) -> Message<'static> {
    let (id, time) = (event.id.clone(), event.time);
    Message { id, time, notice: Notice::Events { events: vec![event], group: None } }
}

/// Messages of different findings.
pub fn several(range: std::ops::Range<usize>) -> Vec<Message<'static>> {
    range.map(|n| alone(event(n))).collect()
}

/// Three findings, of which one changes and is accepted, and one is resolved.
pub fn story() -> Vec<Message<'static>> {
    let (one, two, three) = (event(0), event(1), event(2));
    let changed = next(&one, State::Open);
    let accepted = next(&changed, State::Accepted);
    let resolved = next(&two, State::Resolved);
    [one, two, changed, resolved, three, accepted].map(alone).into()
}

/// Twelve findings of one bad ticket.
pub fn group(open: u64) -> Message<'static> {
    let events: Vec<_> = (100..112).map(event).collect();
    let events =
        if open > 0 { events } else { events.iter().map(|event| next(event, State::Resolved)).collect() };
    let group = Group { key: hashed("g1:", "unapproved-grant SEC-1"), open };
    let id = hashed("m1:", &format!("group {open}"));
    Message { id, time: now(), notice: Notice::Events { events, group: Some(group) } }
}

/// Where everything stands.
pub fn digest() -> Message<'static> {
    let id = hashed("d1:", "run 42");
    let digest = Digest {
        schema: DIGEST_SCHEMA.to_owned(),
        id: id.clone(),
        time: now(),
        run: 42,
        by_severity: BTreeMap::from([(Severity::Critical, 2), (Severity::Low, 40)]),
        by_check: BTreeMap::from([("unapproved-grant".to_owned(), 42)]),
        by_owner: vec![
            Desk { identity: Some("carol@corp.example <!here>".to_owned()), findings: 30 },
            Desk { identity: None, findings: 12 },
        ],
        justified: 1_100,
        grants: 1_142,
    };
    Message { id, time: now(), notice: Notice::Digest(digest) }
}

/// A sign of life.
pub fn heartbeat() -> Message<'static> {
    let id = hashed("h1:", "noon");
    let heartbeat = Heartbeat {
        schema: HEARTBEAT_SCHEMA.to_owned(),
        id: id.clone(),
        time: now(),
        version: "1.2.3".to_owned(),
        last_run: Some(now().minus(Duration::hours(1))),
        open: BTreeMap::from([(Severity::High, 3)]),
        doubtful_sources: BTreeMap::from([(
            "jira\n\u{202e}".to_owned(),
            "stale since <yesterday>".to_owned(),
        )]),
        waiting: 1,
        dead: 2,
        next_within_s: 3600,
    };
    Message { id, time: now(), notice: Notice::Heartbeat(heartbeat) }
}

/// How far the evidence log went.
pub fn checkpoint() -> Message<'static> {
    let id = hashed("k1:", "noon");
    let (origin, root) =
        ("example.com/log".to_owned(), "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=".to_owned());
    let checkpoint = Checkpoint {
        schema: CHECKPOINT_SCHEMA.to_owned(),
        id: id.clone(),
        time: now(),
        note: format!("{origin}\n12\n{root}\n\n— {origin} Az3grlgtzPICa5OS8npVmf1Myq8=\n"),
        origin,
        size: 12,
        root,
    };
    Message { id, time: now(), notice: Notice::Checkpoint(checkpoint) }
}

/// What somebody wrote into a ticket to break whoever reads of it, and very much of it.
pub fn hostile() -> Message<'static> {
    const HARM: &str =
        "\0\u{1b}[31m\u{202e}\"'\\\r\n}\n{\"event\":1}<!channel> <https://evil.example|ok> & `*_~|=,:";
    // The first of the sample has both a grant and a request.
    let mut event = event(sample::findings().len() * 50);
    let finding = &mut event.finding;
    finding.title = format!("title {HARM}").into();
    finding.message = format!("{HARM}{}", "long 🎟 ".repeat(12_000));
    finding.check = format!("check {HARM}").into();
    finding.remediation = HARM.into();
    finding.reasons = vec![HARM.to_owned(), String::new()];
    if let Some(grant) = &mut finding.grant {
        (grant.system, grant.account, grant.entitlement) = (HARM.into(), HARM.into(), HARM.into());
    }
    for accountable in &mut finding.accountable {
        accountable.identity = Some(HARM.into());
    }
    if let Some(request) = &mut finding.request {
        (request.id, request.url) = (HARM.into(), Some(format!("https://x.example/{HARM}").into()));
    }
    alone(event)
}
