//! `run` as a service manager sees it: it starts, reads its configuration again, refuses to share its store, says how it
//! is, and stops when it is told to.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration as Span;

use serde_json::Value;

use super::audit::{audit, remembered, stateless};
use super::estate::{Dice, Estate};
use super::receiver::Mood;
use super::site::{Running, Site, now, until};

/// Changes within minutes are not held here.
const SETTINGS: &str = "[store]\n\n[guard]\nrecords = 100000\n\n[alerts]\nflapping_changes = 100000\n";
const SOON: Span = Span::from_secs(60);

fn site(mood: Mood, settings: &str) -> (Site, Estate) {
    let site = Site::new(mood, settings);
    let estate = Estate::new(11, 60, now());
    site.export(&estate, now());
    (site, estate)
}

/// Starts it, and waits until its first run is over and told.
fn started(site: &Site) -> Running {
    let running = site.start(&["run"]);
    until("the first run is told", SOON, || all_told(site, 0));
    running
}

fn all_told(site: &Site, after: i64) -> bool {
    site.ask("SELECT max(id) FROM run WHERE ended_at IS NOT NULL") > Some(after)
        && site.ask("SELECT count(*) FROM outbox") == Some(0)
}

/// Reads the configuration again, with everything due; waits for the run that follows.
fn reload(site: &Site, running: &Running) {
    let last = site.ask("SELECT max(id) FROM run").unwrap_or(0);
    site.all_due();
    running.signal("HUP");
    until("a run after the reload", SOON, || all_told(site, last));
}

#[test]
fn told_to_stop_it_does_so_within_ten_seconds_and_loses_nothing() {
    let (site, _) = site(Mood::Hangs, SETTINGS);
    // Several receivers that do not answer must not add up.
    let mut sinks = site.sinks().replace("PT5S", "PT50S");
    for more in ["hook-2", "hook-3", "hook-4"] {
        let one = sinks.split("[[sink]]").nth(2).unwrap().replacen("\"hook\"", &format!("\"{more}\""), 1);
        sinks.push_str(&format!("\n[[sink]]{one}"));
    }
    site.configure(SETTINGS, &sinks);
    let mut running = site.start(&["run"]);
    until("all receivers are being told", SOON, || site.receiver.count() >= 4);
    let took = running.stop();
    println!("stopped within {took:?}");
    assert!(site.ask("SELECT count(*) FROM outbox WHERE sink LIKE 'hook%'") > Some(0));
    site.receiver.set(Mood::Well);
    let mut running = started(&site);
    running.stop();
    audit(&site);
}

#[test]
fn told_to_stop_while_an_export_does_not_come_it_stops_all_the_same() {
    let (site, _) = site(Mood::Well, SETTINGS);
    started(&site).stop();
    // A program that exports, and does not come to an end.
    let text = site.read("counterfoil.toml");
    let endless = text.replace("files = [\"ledger.jsonl\"]", "[source.exec]\ncommand = [\"sleep\", \"600\"]");
    assert_ne!(text, endless);
    site.put("counterfoil.toml", &endless);
    site.all_due();
    let mut running = site.start(&["run"]);
    until("it runs", SOON, || site.read("log").matches("counterfoil runs").count() == 2);
    std::thread::sleep(Span::from_millis(500));
    let took = running.stop();
    println!("stopped within {took:?}");
    assert!(!site.read("log").contains("source could not be read"), "{}", site.read("log"));
    audit(&site);
}

#[test]
fn told_to_stop_at_any_moment_it_goes_on_where_it_was() {
    let (site, mut estate) = site(Mood::Moody, SETTINGS);
    let mut dice = Dice::new(12);
    for _ in 0..12 {
        estate.step(now());
        site.export(&estate, now());
        site.all_due();
        let begun = site.read("log").matches("counterfoil runs").count();
        let mut running = site.start(&["run"]);
        until("it runs", SOON, || site.read("log").matches("counterfoil runs").count() > begun);
        std::thread::sleep(Span::from_millis(dice.below(500) as u64));
        let took = running.stop();
        assert!(took < Span::from_secs(6), "{took:?}");
    }
    site.receiver.set(Mood::Well);
    for _ in 0..3 {
        let last = site.ask("SELECT max(id) FROM run").unwrap();
        site.all_due();
        let mut running = site.start(&["run"]);
        until("everything is told", SOON, || all_told(&site, last));
        running.stop();
    }
    audit(&site);
    assert_eq!(remembered(&site), stateless(&site, now()));
}

#[test]
fn the_configuration_is_read_again_and_a_bad_one_is_refused() {
    let (site, _) = site(Mood::Well, SETTINGS);
    let mut running = started(&site);
    let grave =
        "SELECT count(*) FROM finding WHERE check_name = 'unapproved-grant' AND severity > 1 AND state = 0";
    let before = site.ask(grave);
    assert!(before > Some(0));
    let told = site.read("events.jsonl").len();

    // Another sink in place of one, and a severity of the site's own.
    let settings = format!("{SETTINGS}\n[checks.unapproved-grant]\nseverity = \"low\"\n");
    let sinks = site.sinks().replace("\"lines\"", "\"other\"").replace("events.jsonl", "other.jsonl");
    site.configure(&settings, &sinks);
    reload(&site, &running);
    assert!(site.read("log").contains("the configuration was read again"));
    assert_eq!(site.ask(grave), Some(0), "the severity is that of the new configuration");
    let other = site.read("other.jsonl");
    assert!(
        other.lines().count() > 0 && site.read("events.jsonl").len() == told,
        "only the new sink is told"
    );
    let events: Vec<Value> = other.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|e| e["activity"] == "update" && e["finding"]["check"] == "unapproved-grant"));

    // What cannot be read, and what cannot be done, is refused, with the place.
    for (settings, sinks, place) in [
        ("[store\n", site.sinks(), "counterfoil.toml:1:"),
        (SETTINGS, site.sinks().replace("file:secret", "file:none"), "sink `hook`"),
        ("[checks.no-such]\nseverity = \"low\"\n", site.sinks(), "no-such"),
    ] {
        let refused = site.read("log").matches("is refused").count();
        site.configure(settings, &sinks);
        running.signal("HUP");
        until("it is refused", SOON, || site.read("log").matches("is refused").count() > refused);
        let log = site.read("log");
        let line = log.lines().rfind(|line| line.contains("is refused; the old one stays")).unwrap();
        assert!(line.contains(place), "{line}");
        assert!(running.has_ended().is_none());
    }

    // And the one before goes on, until there is a good one again.
    assert_eq!(site.ask(grave), Some(0));
    site.configure(SETTINGS, &site.sinks());
    reload(&site, &running);
    assert_eq!(site.ask(grave), before);
    assert!(site.read("events.jsonl").len() > told);
    running.stop();
}

#[test]
fn two_do_not_share_a_store() {
    let (site, mut estate) = site(Mood::Well, SETTINGS);
    let mut running = started(&site);
    let first = format!("another counterfoil (process {}) is running on this store: ", running.id());
    for second in ["run", "reconcile"] {
        let said = site.fails(&[second]);
        assert!(said.contains(&first) && said.contains("counterfoil.db"), "{said}");
    }
    // The first has not noticed.
    estate.step(now());
    site.export(&estate, now());
    reload(&site, &running);
    running.stop();
    audit(&site);
    site.reconcile(now());
}

/// What an address answers to a GET: the status and the body.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The samples of a metric: the labels as they stand, and the value.
fn samples(metrics: &str, name: &str) -> Vec<(String, f64)> {
    let of = |line: &str| {
        let (metric, value) = line.rsplit_once(' ')?;
        let labels = metric.strip_prefix(name)?;
        (labels.is_empty() || labels.starts_with('{')).then(|| (labels.to_owned(), value.parse().unwrap()))
    };
    metrics.lines().filter_map(of).collect()
}

#[test]
fn it_says_how_it_is() {
    let settings = format!("{SETTINGS}\n[serve]\nlisten = \"127.0.0.1:0\"\n");
    let (site, estate) = site(Mood::Well, &settings);
    let mut running = started(&site);
    let log = site.read("log");
    let address = regex::Regex::new(r#"address"?[=:]"?(127\.0\.0\.1:\d+)"#).unwrap();
    let address = address.captures(&log).unwrap_or_else(|| panic!("{log}"))[1].to_owned();
    assert_eq!(get(&address, "/healthz").0, 200);
    until("it is ready", SOON, || get(&address, "/readyz").0 == 200);

    let (status, metrics) = get(&address, "/metrics");
    assert_eq!(status, 200);
    let verdicts = site.path("verdicts");
    let records = site.path("all.records");
    stateless(&site, now());
    let [verdicts_path, records] = [&verdicts, &records].map(|p| p.to_str().unwrap());
    site.well(&["reconcile", "--records", records, "--verdicts", verdicts_path]);
    let verdicts: Vec<Value> =
        site.read("verdicts").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let justified = verdicts.iter().filter(|v| v["verdict"] == "justified").count();
    assert!(justified > 0 && justified < verdicts.len());
    let ratio = samples(&metrics, "counterfoil_coverage_overall_ratio")[0].1;
    assert!((ratio - justified as f64 / verdicts.len() as f64).abs() < 1e-9, "{ratio}");
    let grants: f64 = samples(&metrics, "counterfoil_grants").iter().map(|(_, n)| n).sum();
    assert_eq!(grants as usize, verdicts.len());
    let gauge = samples(&metrics, "counterfoil_findings");
    let all: f64 = gauge.iter().map(|(_, n)| n).sum();
    assert_eq!(Some(all as i64), site.ask("SELECT count(*) FROM finding"));
    for (labels, n) in &gauge {
        let label =
            |name: &str| labels.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        let place = |all: &[&str], one: &str| all.iter().position(|x| *x == one).unwrap();
        let severity = place(&["low", "medium", "high", "critical"], label("severity"));
        let state = place(&["open", "accepted", "resolved"], label("state"));
        let sql = format!(
            "SELECT count(*) FROM finding WHERE check_name = '{}' AND severity = {severity} AND state = {state}",
            label("check")
        );
        assert_eq!(site.ask(&sql), Some(*n as i64), "{labels}");
    }

    // A source that fails makes it unready, and says which and why.
    std::fs::remove_file(site.path("ledger.jsonl")).unwrap();
    reload(&site, &running);
    until("it says so", SOON, || get(&address, "/readyz").0 == 503);
    assert!(get(&address, "/readyz").1.contains("source ledger is failed"));
    assert_eq!(get(&address, "/healthz").0, 200);
    site.export(&estate, now());
    reload(&site, &running);
    until("it is ready again", SOON, || get(&address, "/readyz").0 == 200);
    running.stop();
}

#[test]
fn the_sample_company_is_watched() {
    let site = Site::new(Mood::Moody, "");
    let folder = site.path("demo");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    assert!(demo.arg("demo").arg("--write-to").arg(&folder).output().unwrap().status.success());
    // Its exports as files that were written just now, judged by the clock.
    let text = std::fs::read_to_string(folder.join("counterfoil.toml")).unwrap();
    let text: String =
        text.lines().filter(|l| !l.starts_with("taken_at")).map(|l| format!("{l}\n")).collect();
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    for source in table["source"].as_array_mut().unwrap() {
        for file in source["files"].as_array_mut().unwrap() {
            *file = format!("demo/{}", file.as_str().unwrap()).into();
        }
    }
    let alerts: toml::Table = toml::from_str(&format!("{SETTINGS}{}", site.sinks())).unwrap();
    table.extend(alerts);
    site.put("counterfoil.toml", &toml::to_string(&table).unwrap());

    let mut running = started(&site);
    let first = site.ask("SELECT count(*) FROM event").unwrap();
    assert!(first > 30, "{first}");
    // Somebody's role in the ledger is taken away, comes back, and everything is told.
    let roles = std::fs::read_to_string(folder.join("ledger/roles.csv")).unwrap();
    let unapproved = "SELECT count(*) FROM event WHERE json_extract(body, '$.cause') = 'revoked'";
    let mut fewer: Vec<&str> = roles.lines().collect();
    let db = site.store().unwrap();
    let account: String = db
        .query_row(
            "SELECT json_extract(body, '$.grant.account') FROM finding WHERE system = 'ledger' AND state = 0",
            [],
            |row| row.get(0),
        )
        .unwrap();
    fewer.retain(|line| !line.contains(&account));
    assert!(fewer.len() < roles.lines().count());
    site.put("demo/ledger/roles.csv", &(fewer.join("\n") + "\n"));
    reload(&site, &running);
    let revoked = site.ask(unapproved).unwrap();
    assert!(revoked > 0, "what is gone is resolved");
    site.put("demo/ledger/roles.csv", &roles);
    reload(&site, &running);
    let reopened = "SELECT count(*) FROM event WHERE json_extract(body, '$.cause') = 'reopened'";
    assert_eq!(site.ask(reopened), Some(revoked), "and what comes back is told again");
    running.stop();
    audit(&site);
}
