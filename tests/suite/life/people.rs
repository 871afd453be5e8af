//! Who is told what: programs everything, people a digest, groups, and what no mute holds back.

use counterfoil::alert::guard;
use counterfoil::alert::mute::Mute;
use counterfoil::engine::{Listener, Rules, Team};
use counterfoil::model::event::{Digest, State};
use counterfoil::model::finding::Severity;
use counterfoil::model::{Duration, Instant};
use counterfoil::sink::{Audience, Filter};
use counterfoil::store::{Content, Letter};
use serde_json::json;

use super::bench::{ALICE, BOSS, Bench, grant, rules, said, ticket};

const UNAPPROVED: &str = "unapproved-grant";

/// Rules under which nothing is held.
fn open_rules(checks: &[&str]) -> Rules {
    let mut own = rules(checks);
    own.guard = guard::Limits { records: u64::MAX, percent: 100 };
    own
}

/// A company in which nothing is wrong, after its first run.
fn calm(own: Rules) -> Bench {
    let mut bench = Bench::new(own);
    bench.put("iam", grant("boss"));
    bench.put("tickets", ticket("SEC-0", "approved", &[BOSS]));
    assert_eq!(bench.pull(), []);
    bench.letters("chat");
    bench
}

fn mute(until: Instant) -> Mute {
    let text = format!("owner = 'ops'\nreason = 'migration'\nuntil = '{until}'\nchecks = ['{UNAPPROVED}']\n");
    toml::from_str(&text).unwrap()
}

#[test]
fn the_first_run_is_one_digest_for_people_and_everything_for_programs() {
    let mut bench = Bench::new(open_rules(&[UNAPPROVED, "source-incomplete"]));
    for n in 0..30 {
        bench.put("iam", grant(&format!("p{n}")));
    }
    bench.put("iam", grant("boss"));
    bench.put("tickets", ticket("SEC-1", "approved", &[BOSS]));
    let events = bench.pull();
    assert_eq!(events.len(), 30);
    assert!(events.iter().all(|e| e.initial));
    let letters = bench.letters("chat");
    let [Letter { content: Content::Notice { kind, body }, .. }] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(kind, "digest");
    let digest: Digest = serde_json::from_str(body).unwrap();
    assert_eq!((digest.grants, digest.justified), (31, 1));
    assert_eq!(digest.by_severity, [(Severity::High, 30)].into());
    assert_eq!(digest.by_owner[0].identity.as_deref(), Some("owner@corp.example"));
    bench.put("iam", grant("late"));
    let events = bench.hour();
    assert!(events.len() == 1 && !events[0].initial);
    assert_eq!(said(&bench.heard("chat")), ["create detected open unapproved-grant"]);
}

#[test]
fn a_first_run_that_was_stopped_is_still_the_first() {
    let mut bench = Bench::new(open_rules(&[UNAPPROVED]));
    bench.put("iam", grant("alice"));
    let due: Vec<String> = bench.specs.iter().map(|s| s.id.clone()).collect();
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    let order = counterfoil::engine::Order {
        now: bench.now,
        sources: &bench.specs,
        due: &due,
        judge: true,
        stop: &stop,
    };
    let (held, now) = (&bench.held, bench.now);
    let stopped =
        bench.engine.run(&order, &mut |s| super::pulled(s, "grant", &held[s], super::How::Whole, now));
    assert!(stopped.is_err());
    assert!(bench.letters("chat").is_empty());
    assert!(bench.hour().iter().all(|e| e.initial));
    assert!(matches!(bench.letters("chat").as_slice(), [Letter { content: Content::Notice { .. }, .. }]));
}

#[test]
fn fifty_grants_of_one_bad_ticket_are_one_message_for_people() {
    let mut bench = calm(open_rules(&["pending-grant"]));
    let people: Vec<String> = (0..50).map(|n| format!("p{n}")).collect();
    bench.put("tickets", ticket("SEC-1", "pending", &people.iter().map(String::as_str).collect::<Vec<_>>()));
    for account in &people {
        bench.put("iam", grant(account));
    }
    bench.put("tickets", ticket("SEC-2", "pending", &[ALICE]));
    bench.put("iam", grant("alice"));
    bench.hour();
    let before = bench.letters("siem").len();
    assert_eq!(before, 0, "taken by then");
    let letters = bench.letters("chat");
    let mut groups: Vec<(usize, u64)> = letters
        .iter()
        .map(|l| match &l.content {
            Content::Events { bodies, group } => (bodies.len(), group.as_ref().unwrap().open),
            Content::Notice { .. } => panic!("{l:?}"),
        })
        .collect();
    groups.sort_unstable();
    assert_eq!(groups, [(1, 1), (50, 50)]);
    bench.drop("iam", "\"p1\"");
    bench.hour();
    let letters = bench.letters("chat");
    let [Letter { content: Content::Events { bodies, group: Some(group) }, .. }] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!((bodies.len(), group.open), (1, 49), "what is still open of it");
}

#[test]
fn programs_get_each_of_them_alone() {
    let mut bench = calm(open_rules(&["pending-grant"]));
    let people: Vec<String> = (0..50).map(|n| format!("p{n}")).collect();
    bench.put("tickets", ticket("SEC-1", "pending", &people.iter().map(String::as_str).collect::<Vec<_>>()));
    people.iter().for_each(|account| bench.put("iam", grant(account)));
    bench.run(&["tickets", "iam"]);
    let letters = bench.letters("siem");
    assert_eq!(letters.len(), 50);
    for letter in &letters {
        let Content::Events { bodies, group: None } = &letter.content else { panic!("{letter:?}") };
        assert_eq!(bodies.len(), 1);
        assert!(bodies[0].contains(&letter.message), "the message is the event");
    }
}

#[test]
fn a_mute_holds_back_what_people_are_told_and_nothing_else() {
    let mut bench = calm(open_rules(&[UNAPPROVED]));
    let until = bench.now.plus(Duration::hours(5));
    let mut muted = open_rules(&[UNAPPROVED]);
    muted.mutes = vec![mute(until)];
    bench.engine.set_rules(muted);
    bench.put("iam", grant("alice"));
    bench.put("iam", grant("dan"));
    assert_eq!(bench.hour().len(), 2, "programs");
    assert!(bench.letters("chat").is_empty());
    bench.drop("iam", "dan");
    assert_eq!(said(&bench.hour()), ["close revoked resolved unapproved-grant"]);
    bench.engine.store().unmute(bench.now).unwrap();
    assert!(bench.letters("chat").is_empty(), "not yet");
    bench.now = until;
    bench.engine.store().unmute(until).unwrap();
    bench.run(&[]);
    let events = bench.heard("chat");
    assert_eq!(said(&events), ["create detected open unapproved-grant"]);
    assert_eq!(events[0].finding.grant.as_ref().unwrap().account, "alice", "of Dan there is nothing to say");
}

#[test]
fn what_people_know_of_is_closed_for_them_when_the_mute_ends() {
    let mut bench = calm(open_rules(&[UNAPPROVED]));
    bench.put("iam", grant("alice"));
    bench.hour();
    assert_eq!(said(&bench.heard("chat")), ["create detected open unapproved-grant"]);
    let until = bench.now.plus(Duration::hours(6));
    let mut muted = open_rules(&[UNAPPROVED]);
    muted.mutes = vec![mute(until)];
    bench.engine.set_rules(muted);
    bench.drop("iam", "alice");
    bench.hour();
    bench.put("iam", grant("alice"));
    bench.hour();
    bench.drop("iam", "alice");
    bench.hour();
    bench.put("iam", grant("dan"));
    bench.hour();
    bench.drop("iam", "dan");
    bench.hour();
    assert!(bench.letters("chat").is_empty());
    bench.now = until;
    bench.engine.store().unmute(until).unwrap();
    bench.run(&[]);
    let told = said(&bench.heard("chat"));
    // The last word on Alice: she flaps by then, and is held open.
    assert_eq!(told, ["update flapping open unapproved-grant"]);
    for _ in 0..30 {
        bench.hour();
    }
    assert_eq!(said(&bench.heard("chat")), ["close revoked resolved unapproved-grant"]);
}

#[test]
fn a_close_within_a_mute_is_told_when_it_ends() {
    let mut bench = calm(open_rules(&[UNAPPROVED]));
    bench.put("iam", grant("alice"));
    bench.hour();
    bench.letters("chat");
    let until = bench.now.plus(Duration::hours(6));
    let mut muted = open_rules(&[UNAPPROVED]);
    muted.mutes = vec![mute(until)];
    bench.engine.set_rules(muted);
    bench.drop("iam", "alice");
    bench.hour();
    assert!(bench.letters("chat").is_empty());
    bench.now = until;
    bench.engine.store().unmute(until).unwrap();
    bench.run(&[]);
    assert_eq!(
        said(&bench.heard("chat")),
        ["close revoked resolved unapproved-grant"],
        "or it is open for ever"
    );
}

fn to(id: &str, owners: &[&str], filter: Filter) -> Listener {
    let owners = owners.iter().map(|o| (*o).to_owned()).collect();
    Listener { id: id.to_owned(), audience: Audience::Machines, filter: Filter { owners, ..filter } }
}

#[test]
fn findings_go_to_whoever_answers_and_none_falls_between_the_desks() {
    let mut own = open_rules(&[UNAPPROVED]);
    own.listeners = vec![
        to("hers", &["Carol@corp.example"], Filter::default()),
        to("team", &["team:Platform"], Filter { min_severity: Some(Severity::High), ..Filter::default() }),
        to("rest", &[], Filter { unrouted: true, ..Filter::default() }),
    ];
    own.teams = vec![Team { id: "platform".to_owned(), members: vec!["DAN@corp.example".to_owned()] }];
    let mut bench = Bench::new(own);
    for (system, owner, risk) in [
        ("a", Some("carol@corp.example"), "high"),
        ("b", Some("dan@corp.example"), "high"),
        ("c", Some("erin@corp.example"), "high"),
        ("d", None, "high"),
        ("e", Some("dan@corp.example"), "low"),
    ] {
        let mut record = json!({"type": "system", "source": "iam", "id": system});
        if let Some(owner) = owner {
            record["owner"] = json!(owner);
        }
        bench.put("iam", record);
        bench.put(
            "iam",
            json!({"type": "entitlement", "source": "iam", "system": system, "id": "admin", "risk": risk}),
        );
        let mut grant = grant("alice");
        grant["system"] = json!(system);
        bench.put("iam", grant);
    }
    for name in ["carol", "dan", "erin"] {
        bench.put("hr", json!({"type": "identity", "id": format!("{name}@corp.example")}));
    }
    bench.pull();
    let mut heard = |sink: &str| {
        let mut systems: Vec<String> = bench
            .heard(sink)
            .iter()
            .map(|e| e.finding.grant.as_ref().unwrap().system.clone().into_owned())
            .collect();
        systems.sort();
        systems
    };
    assert_eq!(heard("hers"), ["a"]);
    assert_eq!(heard("team"), ["b"]);
    assert_eq!(heard("rest"), ["c", "d", "e"], "the low one of the team, which takes none of that, too");
}

#[test]
fn what_is_accepted_from_the_start_is_no_news_for_people() {
    let mut bench = calm(open_rules(&[UNAPPROVED]));
    let until = bench.now.plus(Duration::days(7)).to_string();
    bench.put(
        "tickets",
        json!({"type": "exception", "check": UNAPPROVED, "system": "aws", "account": "alice",
        "entitlement": "admin", "accepted_by": BOSS, "reason": "known", "expires_at": until}),
    );
    bench.put("iam", grant("alice"));
    assert_eq!(said(&bench.hour()), ["create suppressed accepted unapproved-grant"]);
    assert!(bench.letters("chat").is_empty());
    assert_eq!(bench.life().state, State::Accepted);
}
