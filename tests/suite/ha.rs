//! Several daemons on one database: whichever is killed, frozen, cut off, or loses the database, another goes on within ten
//! seconds. No slot is missed, none is run twice, nothing that was to be told is lost or told out of order, and whoever wakes up
//! late can commit nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration as Span, Instant as Tick};

use crate::crash::audit::{audit, remembered, stateless};
use crate::crash::estate::{Dice, Estate};
use crate::crash::receiver::Mood;
use crate::crash::site::{Site, now, until};
use crate::postgres::server::{PASSWORD, Server, skipped};
use crate::store::postgres::begun;
use crate::store::wire::Wire;

const SETTINGS: &str = "[guard]\nrecords = 100000\n\n[alerts]\nflapping_changes = 100000\n";
const GRANTS: usize = 150;
const DATABASE: &str = "counterfoil";
/// How soon another must lead.
const TAKEOVER: Span = Span::from_secs(10);
const SOON: Span = Span::from_secs(90);

/// A site whose store is in a database, and the daemons on it.
struct Pair {
    site: Site,
    server: Server,
    estate: Estate,
    daemons: BTreeMap<&'static str, Child>,
}

impl Pair {
    fn new(mood: Mood) -> Option<Self> {
        if skipped() {
            return None;
        }
        let server = begun();
        server.sql("postgres", &format!("CREATE DATABASE {DATABASE} OWNER keeper"));
        let socket = server.path().join("data").display().to_string().replace('/', "%2F");
        let url = format!("postgres://keeper@{socket}:{}/{DATABASE}", server.port);
        let site = Site::new(mood, &format!("{SETTINGS}\n[store]\nurl = \"{url}\"\n"));
        let estate = Estate::new(31, GRANTS, now());
        site.export(&estate, now());
        Some(Self { site, server, estate, daemons: BTreeMap::new() })
    }

    /// The same configuration with another way to the database.
    fn by_wire(&self, wire: &Wire) -> PathBuf {
        let text = self.site.read("counterfoil.toml");
        let (before, after) = text.split_once("url = \"").unwrap();
        let (_, after) = after.split_once("\"\n").unwrap();
        self.site.put("password", PASSWORD);
        std::fs::set_permissions(
            self.site.path("password"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        let url = format!("postgres://keeper@127.0.0.1:{}/{DATABASE}", wire.port());
        let text = format!("{before}url = \"{url}\"\npassword = \"file:password\"\n{after}");
        self.site.put("wired.toml", &text);
        self.site.path("wired.toml")
    }

    fn start(&mut self, name: &'static str) {
        let config = self.site.path("counterfoil.toml");
        self.start_with(name, config);
    }

    fn start_with(&mut self, name: &'static str, config: PathBuf) {
        let log = File::options().create(true).append(true).open(self.site.path(name)).unwrap();
        let mut command = self.site.command(&["run"]);
        // The last one counts.
        command.env("COUNTERFOIL_CONFIG", &config);
        let mut args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        *args.last_mut().unwrap() = config.into();
        let mut own = std::process::Command::new(command.get_program());
        own.args(args).current_dir(self.site.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.daemons.insert(name, own.spawn().unwrap());
    }

    fn sql(&self, text: &str) -> String {
        self.server.sql(DATABASE, text).trim().to_owned()
    }

    fn number(&self, text: &str) -> i64 {
        self.sql(text).parse().unwrap_or(0)
    }

    fn id(&self, name: &str) -> u32 {
        self.daemons[name].id()
    }

    /// The name of the daemon that leads.
    fn leader(&self) -> Option<&'static str> {
        let held =
            "SELECT m.name FROM lease l JOIN member m ON m.id = l.holder WHERE l.until > counterfoil_now()";
        let name = self.server.try_sql(DATABASE, held).ok()?;
        let process: u32 = name.trim().rsplit(':').next()?.parse().ok()?;
        self.daemons.iter().find(|(_, child)| child.id() == process).map(|(name, _)| *name)
    }

    fn signal(&self, name: &str, signal: &str) {
        let id = self.id(name).to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap();
        assert!(sent.success());
    }

    fn kill(&mut self, name: &str) {
        let mut child = self.daemons.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until one of these leads; how long that took.
    fn led_by(&self, names: &[&str]) -> Span {
        let began = Tick::now();
        while !self.leader().is_some_and(|leader| names.contains(&leader)) {
            let logs: Vec<String> = names.iter().map(|name| self.site.read(name)).collect();
            assert!(began.elapsed() < TAKEOVER, "nobody of {names:?} leads: {logs:#?}");
            std::thread::sleep(Span::from_millis(20));
        }
        began.elapsed()
    }

    /// Changes the estate, and lets the leader see that everything is due; the last run before.
    fn change(&mut self) -> i64 {
        self.estate.step(now());
        self.again()
    }

    /// Lets the leader see that everything is due; the last run before.
    fn again(&self) -> i64 {
        self.site.export(&self.estate, now());
        let last = self.number("SELECT coalesce(max(id), 0) FROM run");
        self.sql("DELETE FROM slot");
        if let Some(leader) = self.leader() {
            self.signal(leader, "HUP");
        }
        last
    }

    /// Waits for a run after this one that has ended, with nothing due or begun any more.
    fn run_after(&self, last: i64) {
        let ended = format!("SELECT count(*) FROM run WHERE ended_at IS NOT NULL AND id > {last}");
        until("a run ends", SOON, || {
            self.number(&ended) > 0 && self.number("SELECT count(*) FROM slot WHERE state < 2") == 0
        });
    }

    /// What must hold in the end.
    fn rest(mut self) {
        self.site.receiver.set(Mood::Well);
        // What is absent must be absent twice.
        for _ in 0..3 {
            let last = self.again();
            self.run_after(last);
        }
        until("everything is told", SOON, || self.number("SELECT count(*) FROM outbox") == 0);
        // Every slot was run once, in one term, and those that were run in one were not begun in another.
        let ends = "SELECT count(*) FROM slot WHERE state = 2";
        assert!(self.number(ends) > 0);
        let twice = "SELECT count(*) FROM (SELECT id FROM event GROUP BY id HAVING count(*) > 1) x";
        assert_eq!(self.number(twice), 0);
        for child in self.daemons.values_mut() {
            let _ = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let began = Tick::now();
            while child.try_wait().unwrap().is_none() {
                assert!(began.elapsed() < Span::from_secs(12), "it does not stop");
                std::thread::sleep(Span::from_millis(20));
            }
        }
        let stopped: Vec<String> =
            self.daemons.values().map(|child| format!("m.name LIKE '%:{}'", child.id())).collect();
        let there = format!("SELECT count(*) FROM member m WHERE {}", stopped.join(" OR "));
        assert_eq!(self.number(&there), 0, "whoever stops takes its leave");
        self.site.well(&["store", "backup", "counterfoil.db"]);
        println!("{}", audit(&self.site));
        assert!(
            remembered(&self.site) == stateless(&self.site, now()),
            "what is remembered is not what judging all finds"
        );
        self.daemons.clear();
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for child in self.daemons.values_mut() {
            // A frozen one too.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for name in ["one", "two"] {
                println!("{name}:\n{}", self.site.read(name));
            }
        }
    }
}

#[test]
fn whoever_leads_is_killed_and_another_goes_on() {
    let Some(mut pair) = Pair::new(Mood::Moody) else { return };
    pair.start("one");
    pair.led_by(&["one"]);
    pair.start("two");
    pair.run_after(0);
    let mut dice = Dice::new(5);
    let mut slowest = Span::ZERO;
    for round in 0..6 {
        let last = pair.change();
        if round % 2 == 0 {
            until("a run begins", SOON, || pair.number("SELECT coalesce(max(id), 0) FROM run") > last);
        }
        std::thread::sleep(Span::from_millis(dice.below(400) as u64));
        let leader = pair.leader().unwrap();
        pair.kill(leader);
        let other = if leader == "one" { "two" } else { "one" };
        slowest = slowest.max(pair.led_by(&[other]));
        pair.run_after(last);
        pair.start(leader);
        let started = pair.id(leader);
        let there = format!("SELECT count(*) FROM member WHERE name LIKE '%:{started}'");
        until("it is there again", SOON, || pair.number(&there) == 1);
    }
    println!("another led within {slowest:?}");
    assert!(pair.number("SELECT epoch FROM lease") >= 7);
    let shown = pair.site.well(&["store", "show"]);
    assert!(shown.contains(") leads, seen") && shown.contains(") looks on, seen"), "{shown}");
    assert!(shown.contains("job pull cloud: ") && shown.contains(" done\n"), "{shown}");
    // A command is let in, and the daemons go on.
    let term = pair.number("SELECT epoch FROM lease");
    let began = Tick::now();
    pair.site.well(&["reconcile", "--format", "jsonl"]);
    println!("a command was let in and done within {:?}", began.elapsed());
    pair.led_by(&["one", "two"]);
    assert!(pair.number("SELECT epoch FROM lease") >= term + 2);
    pair.rest();
}

#[test]
fn whoever_was_frozen_in_a_run_can_commit_nothing_when_it_wakes() {
    let Some(mut pair) = Pair::new(Mood::Moody) else { return };
    pair.start("one");
    pair.led_by(&["one"]);
    pair.start("two");
    pair.run_after(0);
    let mut dice = Dice::new(6);
    let (mut broken_off, mut slowest) = (0, Span::ZERO);
    for _ in 0..4 {
        let last = pair.change();
        until("a run begins", SOON, || pair.number("SELECT coalesce(max(id), 0) FROM run") > last);
        std::thread::sleep(Span::from_millis(dice.below(120) as u64));
        let frozen = pair.leader().unwrap();
        pair.signal(frozen, "STOP");
        let other = if frozen == "one" { "two" } else { "one" };
        slowest = slowest.max(pair.led_by(&[other]));
        pair.run_after(last);
        // What it was sending is sent by the other, as soon as it is taken for dead.
        until("everything is told", SOON, || pair.number("SELECT count(*) FROM outbox") == 0);
        let (runs, events) =
            ("SELECT count(*) FROM run WHERE ended_at IS NOT NULL", "SELECT count(*) FROM event");
        let before = (pair.number(runs), pair.number(events));
        pair.signal(frozen, "CONT");
        let awake = format!(
            "SELECT count(*) FROM member WHERE name LIKE '%:{}' AND seen > counterfoil_now() - 2000",
            pair.id(frozen)
        );
        until("it is there again", SOON, || pair.number(&awake) == 1);
        std::thread::sleep(Span::from_millis(500));
        assert_eq!(before, (pair.number(runs), pair.number(events)), "it committed something");
        assert_eq!(pair.leader(), Some(other));
        let log = pair.site.read(frozen);
        let words = ["broken off within a run", "stopped within a run", "run failed; it is tried again"];
        broken_off += i64::from(words.iter().any(|words| log.contains(words)));
    }
    println!("another led within {slowest:?}; {broken_off} were frozen in a run");
    assert!(broken_off > 0, "none was frozen in a run");
    pair.rest();
}

#[test]
fn a_database_that_restarts_and_a_network_that_swallows_everything_stop_nobody_for_long() {
    let Some(mut pair) = Pair::new(Mood::Well) else { return };
    let wire = Wire::to(pair.server.port);
    let wired = pair.by_wire(&wire);
    pair.start_with("one", wired);
    pair.led_by(&["one"]);
    pair.start("two");
    pair.run_after(0);
    // Cut off, in a run or not.
    for pause in [0, 60] {
        let last = pair.change();
        std::thread::sleep(Span::from_millis(pause));
        wire.swallow(true);
        let took = pair.led_by(&["two"]);
        println!("the other led within {took:?}");
        pair.run_after(last);
        let before = pair.number("SELECT count(*) FROM event");
        wire.swallow(false);
        let awake = format!(
            "SELECT count(*) FROM member WHERE name LIKE '%:{}' AND seen > counterfoil_now() - 2000",
            pair.id("one")
        );
        until("it is there again", SOON, || pair.number(&awake) == 1);
        std::thread::sleep(Span::from_secs(1));
        assert_eq!(pair.number("SELECT count(*) FROM event"), before);
        assert_eq!(pair.leader(), Some("two"));
        // Back to where it was.
        pair.kill("two");
        pair.led_by(&["one"]);
        pair.start("two");
    }
    for in_run in [false, true] {
        let last = if in_run { pair.change() } else { pair.number("SELECT max(id) FROM run") };
        std::thread::sleep(Span::from_millis(if in_run { 40 } else { 0 }));
        pair.server.crash();
        let port = pair.server.port;
        pair.server.run_on(port);
        let began = Tick::now();
        let took = pair.led_by(&["one", "two"]);
        println!("one led again within {took:?}");
        assert!(began.elapsed() < TAKEOVER);
        if in_run {
            pair.run_after(last);
        }
    }
    pair.rest();
}
