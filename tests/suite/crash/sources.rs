//! Exports that are empty, break off, shrink or never were there: nothing is resolved, nobody accused, and one finding
//! says which source is in doubt.

use counterfoil::model::{Duration, Instant};
use serde_json::{Value, json};

use super::audit::{Holding, audit, remembered};
use super::estate::{Estate, SOURCES};
use super::receiver::Mood;
use super::site::{Site, now};

/// What flaps is another matter.
const SETTINGS: &str =
    "[store]\n\n[alerts]\nflapping_changes = 100000\n\n[accountability]\noperator = \"desk@corp.example\"\n";

/// A site whose first runs are over.
struct Calm {
    site: Site,
    estate: Estate,
    at: Instant,
    holding: Holding,
}

impl Calm {
    fn new(grants: usize) -> Self {
        let site = Site::new(Mood::Well, SETTINGS);
        let at = now();
        let estate = Estate::new(5, grants, at);
        let mut calm = Self { site, estate, at, holding: Holding::new() };
        calm.good_runs();
        calm.holding = remembered(&calm.site);
        assert!(!calm.holding.is_empty());
        calm
    }

    fn run(&mut self) -> Vec<Value> {
        self.at = self.at.plus(Duration::seconds(10));
        self.site.reconcile(self.at);
        events_of_last_run(&self.site)
    }

    /// Two runs over whole exports.
    fn good_runs(&mut self) {
        for _ in 0..2 {
            let at = self.at;
            self.site.export(&self.estate, at);
            self.run();
        }
    }

    /// The source has come to this, which is in doubt: one finding, and nothing else moves, however often it is read.
    fn doubt(&mut self, source: &str, lines: &str, severity: &str) -> String {
        let at = self.at;
        self.site.export(&self.estate, at);
        self.site.export_one(source, lines, at);
        let events = self.run();
        let [event] = events.as_slice() else { panic!("{source}: {events:#?}") };
        let finding = &event["finding"];
        assert_eq!((&finding["check"], &finding["source"]), (&json!("source-incomplete"), &json!(source)));
        assert_eq!(finding["severity"], severity, "{event}");
        assert_eq!(finding["accountable"][0]["identity"], "desk@corp.example");
        for _ in 0..2 {
            assert_eq!(self.run(), Vec::<Value>::new(), "{source}");
        }
        let mut holding = remembered(&self.site);
        holding.remove(finding["id"].as_str().unwrap()).unwrap();
        assert_eq!(holding, self.holding, "{source}: nothing else moved");
        finding["message"].to_string() + &finding["reasons"].to_string()
    }

    /// The source is whole again: its finding is over, and everything as it was.
    fn relief(&mut self) {
        self.good_runs();
        assert_eq!(remembered(&self.site), self.holding);
    }
}

fn events_of_last_run(site: &Site) -> Vec<Value> {
    let db = site.store().unwrap();
    let mut statement =
        db.prepare("SELECT body FROM event WHERE run = (SELECT max(id) FROM run) ORDER BY row").unwrap();
    let bodies = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    bodies.map(|body| serde_json::from_str(&body.unwrap()).unwrap()).collect()
}

/// An export that is whole, says its source, and holds nothing.
fn nothing(source: &str, at: Instant) -> String {
    let types = ["request", "grant", "identity", "policy", "system"];
    let end = json!({"type": "snapshot", "source": source, "taken_at": at.to_string(), "complete": true, "provides": types});
    format!("{end}\n")
}

#[test]
fn an_empty_export_of_any_source_moves_nothing() {
    // Also of a source so small that it could change altogether without being a mass.
    for grants in [120, 9] {
        let mut calm = Calm::new(grants);
        for source in SOURCES {
            calm.doubt(source, "", "high");
            calm.relief();
            let lines = nothing(source, calm.at);
            let said = calm.doubt(source, &lines, "critical");
            assert!(said.contains("gone"), "{said}");
            calm.relief();
        }
        audit(&calm.site);
    }
}

#[test]
fn an_export_that_breaks_off_moves_nothing() {
    let mut calm = Calm::new(120);
    for source in SOURCES {
        let whole = calm.estate.files().into_iter().find(|(name, _)| *name == source).unwrap().1;
        let cut = whole.floor_char_boundary(whole.len() * 3 / 5);
        assert!(!whole[..cut].ends_with('\n'), "in the middle of a line");
        let said = calm.doubt(source, &whole[..cut], "high");
        assert!(said.contains(&format!("{source}.jsonl:")), "says where: {said}");
        calm.relief();
    }
    audit(&calm.site);
}

#[test]
fn what_is_held_passes_once_somebody_has_approved_it() {
    let mut calm = Calm::new(120);
    let cloud = calm.estate.files().into_iter().find(|(name, _)| *name == "cloud").unwrap().1;
    let half: String =
        cloud.lines().take(cloud.lines().count() / 2).map(|line| format!("{line}\n")).collect();
    let said = calm.doubt("cloud", &half, "critical");
    assert!(said.contains("grant records are gone"), "{said}");
    // The run that was told stays the one to approve, though later ones pulled the same.
    let run = said.split("approve --run ").nth(1).unwrap();
    let run: String = run.chars().take_while(char::is_ascii_digit).collect();
    let shown = calm.site.well(&["store", "show"]);
    assert!(shown.contains("source cloud: ") && shown.contains("gone"), "{shown}");

    let other = calm.site.fails(&["approve", "--run", "99999"]);
    assert!(other.contains("no pull of run 99999 is held"), "{other}");
    calm.site.well(&["approve", "--run", &run]);
    // What was approved is this change; a greater one is still held.
    let at = calm.at;
    let lines = nothing("cloud", at);
    calm.site.export_one("cloud", &lines, at);
    assert_eq!(calm.run(), Vec::<Value>::new());
    assert_eq!(remembered(&calm.site).len(), calm.holding.len() + 1);
    calm.site.export_one("cloud", &half, at);
    let events = calm.run();
    let gone = events.iter().filter(|e| e["activity"] == "close" && e["cause"] == "revoked").count();
    assert!(gone > 0 && gone < calm.holding.len(), "{events:#?}");
    // And passes once: from there the next is guarded as ever.
    calm.site.export_one("cloud", &lines, at);
    let held = calm.run();
    assert!(held.iter().all(|e| e["finding"]["check"] == "source-incomplete"), "{held:#?}");
    audit(&calm.site);
}

#[test]
fn a_source_that_was_never_read_accuses_nobody() {
    for missing in SOURCES {
        let site = Site::new(Mood::Well, SETTINGS);
        let at = now();
        site.export(&Estate::new(5, 60, at), at);
        let kept = site.read(&format!("{missing}.jsonl"));
        std::fs::remove_file(site.path(&format!("{missing}.jsonl"))).unwrap();
        for minute in 1..3 {
            let at = at.plus(Duration::minutes(minute));
            site.reconcile(at);
        }
        let holding = remembered(&site);
        assert_eq!(holding.len(), 1, "without {missing}, one finding about it: {holding:?}");
        // Once it is there everything is judged.
        site.export_one(missing, &kept, at);
        for minute in 3..6 {
            site.reconcile(at.plus(Duration::minutes(minute)));
        }
        assert_eq!(remembered(&site), super::audit::stateless(&site, at.plus(Duration::minutes(5))));
        audit(&site);
    }
}
