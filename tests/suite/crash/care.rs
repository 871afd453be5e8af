//! The commands that look after a store, as somebody uses them who has to: exceptions, the outbox, copies, and what they
//! say when there is nothing to look after.

use counterfoil::model::{Duration, Instant};
use serde_json::Value;

use super::audit::{audit, remembered, told};
use super::estate::Estate;
use super::receiver::Mood;
use super::site::{Site, now, said, until};

const SETTINGS: &str = "[store]\n\n[alerts]\nflapping_changes = 100000\n";

fn site(mood: Mood) -> (Site, Estate) {
    let site = Site::new(mood, SETTINGS);
    let estate = Estate::new(31, 60, now());
    site.export(&estate, now());
    (site, estate)
}

#[test]
fn without_a_store_or_a_configuration_each_command_says_what_is_missing() {
    let (site, _) = site(Mood::Well);
    let accept = ["accept", "f1:", "--until", "2030-01-01T00:00:00Z", "--reason", "r", "--by", "b"];
    let commands: [&[&str]; 8] = [
        &["store", "show"],
        &["store", "prune"],
        &["store", "backup", "copy.db"],
        &["outbox", "show"],
        &["outbox", "dead"],
        &["outbox", "replay"],
        &["approve", "--run", "1"],
        &accept,
    ];
    for command in commands {
        let error = site.fails(command);
        assert!(error.contains("counterfoil.db: there is no store yet"), "{command:?}: {error}");
    }
    assert!(!site.path("counterfoil.db").exists() && !site.path("copy.db").exists(), "and none is begun");
    std::fs::remove_file(site.path("counterfoil.toml")).unwrap();
    for command in commands.into_iter().chain([&["run"] as &[&str], &["reconcile"]]) {
        let error = site.fails(command);
        assert!(error.contains("counterfoil.toml: cannot be read"), "{command:?}: {error}");
    }
    // What is no store is left alone.
    site.configure(SETTINGS, &site.sinks());
    site.put("counterfoil.db", "all my passwords, and none of them in a store at all".repeat(99).as_str());
    let before = site.read("counterfoil.db");
    for command in commands.into_iter().chain([&["run"] as &[&str], &["reconcile"]]) {
        let error = site.fails(command);
        assert!(error.contains("counterfoil.db") && error.contains("no store"), "{command:?}: {error}");
    }
    assert_eq!(site.read("counterfoil.db"), before);
}

#[test]
fn a_finding_is_accepted_for_a_time() {
    let (site, estate) = site(Mood::Well);
    let at = now();
    let lines = site.reconcile(at);
    let finding: Value = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|f| f["check"] == "unapproved-grant" && f["exception"].is_null())
        .unwrap();
    let (id, holder) = (finding["id"].as_str().unwrap(), finding["subject"]["id"].as_str().unwrap());
    let accept = |id: &str, until: Instant, by: &str| {
        let until = until.to_string();
        site.run(&["accept", id, "--until", &until, "--reason", "moving day", "--by", by])
    };
    let soon = now().plus(Duration::days(3));
    for (id, until, by, why) in [
        ("f1:0000000000000", soon, "boss", "there is no open finding"),
        ("f1:", soon, "boss", "give more of the id"),
        (id, at.minus(Duration::days(1)), "boss", "is not after now"),
        (id, at.plus(Duration::days(4000)), "boss", "max_exception"),
        (id, soon, " ", "somebody who answers for it"),
        (id, soon, holder, "cannot accept it"),
    ] {
        let done = accept(id, until, by);
        assert!(done.status.code() == Some(2) && said(&done).contains(why), "{}", said(&done));
    }
    assert!(accept(&id[..20], soon, "boss@corp.example").status.success());
    site.reconcile(at.plus(Duration::minutes(1)));
    assert!(remembered(&site)[id].2, "accepted");
    // When it ends, it ends, though nobody does anything.
    let later = at.plus(Duration::days(3)).plus(Duration::hours(1));
    site.export(&estate, later);
    site.reconcile(later);
    assert!(!remembered(&site)[id].2, "open again");
    let causes: Vec<String> = site
        .receiver
        .copies()
        .iter()
        .map(|copy| serde_json::from_str::<Value>(&copy.body).unwrap())
        .filter(|event| event["finding"]["id"] == *id)
        .map(|event| event["cause"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(causes, ["detected", "suppressed", "exception-ended"]);
    audit(&site);
}

#[test]
fn what_was_refused_is_kept_and_tried_again_when_somebody_says_so() {
    let (site, _) = site(Mood::Refuses);
    site.reconcile(now());
    let events = site.ask("SELECT count(*) FROM event").unwrap();
    let shown = site.well(&["outbox", "show"]);
    assert_eq!(
        shown.lines().collect::<Vec<_>>(),
        ["lines: 0 waiting, 0 given up".to_owned(), format!("hook: 0 waiting, {events} given up"),]
    );
    let dead = site.well(&["outbox", "dead", "--sink", "hook"]);
    assert_eq!(dead.lines().count() as i64, events);
    for line in dead.lines() {
        let letter: Value = serde_json::from_str(line).unwrap();
        assert!(letter["sink"] == "hook" && letter["reason"].as_str().unwrap().contains("422"), "{letter}");
    }
    assert_eq!(site.well(&["outbox", "dead", "--sink", "lines"]), "");
    site.receiver.set(Mood::Well);
    // Not by itself: it was refused for good.
    site.reconcile(now());
    assert_eq!(site.ask("SELECT count(*) FROM outbox"), Some(events));
    let done = site.run(&["outbox", "replay", "--sink", "hook"]);
    assert!(said(&done).contains(&format!("{events} messages are tried again")), "{}", said(&done));
    site.reconcile(now());
    audit(&site);
}

#[test]
fn what_a_busy_receiver_did_not_take_waits_for_the_next_run() {
    let (site, _) = site(Mood::Busy);
    let at = now();
    let done = site.run(&["reconcile", "--now", &at.to_string()]);
    let events = site.ask("SELECT count(*) FROM event").unwrap();
    assert!(done.status.success(), "a receiver is no reason to fail");
    assert!(
        said(&done).contains(&format!("sink `hook`: {events} messages wait for the next run")),
        "{}",
        said(&done)
    );
    let shown = site.well(&["outbox", "show"]);
    assert!(shown.contains(&format!("hook: {events} waiting, the oldest of {at}, 0 given up")), "{shown}");
    site.receiver.set(Mood::Well);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    site.reconcile(now());
    audit(&site);
}

#[test]
fn a_copy_of_the_store_is_whole_while_it_is_in_use() {
    let (site, mut estate) = site(Mood::Well);
    let mut running = site.start(&["run"]);
    until("the first run is told", std::time::Duration::from_secs(60), || {
        site.ask("SELECT count(*) FROM run WHERE ended_at IS NOT NULL") == Some(1)
            && site.ask("SELECT count(*) FROM outbox") == Some(0)
    });
    let copy = site.path("copy.db");
    site.well(&["store", "backup", copy.to_str().unwrap()]);
    let error = site.fails(&["store", "backup", copy.to_str().unwrap()]);
    assert!(error.contains("copy.db: it exists already"), "{error}");
    let shown = site.well(&["store", "show"]);
    for part in ["run 1, begun ", "source tickets: ", "grants", "findings open", "findings resolved"] {
        assert!(shown.contains(part), "{shown}");
    }
    site.well(&["store", "prune"]);
    running.stop();
    let holding = remembered(&site);

    // Back on the copy, as after a loss: it is what it was, and goes on.
    std::fs::remove_file(site.path("counterfoil.db")).unwrap();
    for rest in ["counterfoil.db-wal", "counterfoil.db-shm"] {
        let _ = std::fs::remove_file(site.path(rest));
    }
    std::fs::rename(copy, site.path("counterfoil.db")).unwrap();
    assert_eq!(remembered(&site), holding);
    audit(&site);
    estate.step(now());
    site.export(&estate, now());
    let printed = site.reconcile(now());
    assert_eq!(told(&printed), remembered(&site), "what is printed is what holds");
    audit(&site);
}
