//! What must hold of a store and its receivers whatever was done to the program in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use counterfoil::model::Instant;
use counterfoil::store::{Sqlite, Store};
use serde_json::Value;

use super::site::Site;

/// An event of the log.
struct Entry {
    finding: String,
    seq: u64,
    body: String,
}

/// What is known of a finding that holds: severity, standing, and whether it is accepted.
pub type Holding = BTreeMap<String, (String, String, bool)>;

/// How much there was.
#[derive(Debug)]
pub struct Tally {
    pub events: usize,
    pub findings: usize,
    /// Copies that came to the webhook, and those of them that came again.
    pub copies: usize,
    pub again: usize,
    /// Lines of the file that came again, or were cut short.
    pub lines_again: usize,
    pub lines_cut: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events of {} findings; {} copies, {} of them again; in the file {} again and {} cut short",
            self.events, self.findings, self.copies, self.again, self.lines_again, self.lines_cut
        )
    }
}

/// Holds the log against the findings, and what was received against the log. Nothing may wait any more.
pub fn audit(site: &Site) -> Tally {
    let db = site.store().unwrap();
    let fine: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(fine, "ok");
    let path = db.path().unwrap().to_owned();
    let log = Sqlite::open_read(path.as_ref()).unwrap();
    let report = counterfoil::evidence::verify(&log.evidence().unwrap(), &[], &[]).unwrap();
    assert!(report.faults.is_empty() && report.checkpoints > 0, "{report:#?}");
    let mut log: BTreeMap<String, Entry> = BTreeMap::new();
    let mut lives: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut statement = db.prepare("SELECT id, finding, body FROM event ORDER BY row").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (id, finding, body): (String, String, String) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        let event: Value = serde_json::from_str(&body).unwrap();
        let seq = event["seq"].as_u64().unwrap();
        assert_eq!((event["id"].as_str(), event["finding"]["id"].as_str()), (Some(&*id), Some(&*finding)));
        // No number is left out or given twice, and a life begins with its creation.
        let before = lives.insert(finding.clone(), (seq, event["state"].as_str().unwrap().to_owned()));
        assert_eq!(before.map_or(0, |(seq, _)| seq) + 1, seq, "{finding}");
        assert_eq!(event["activity"] == "create", seq == 1, "{body}");
        log.insert(id, Entry { finding, seq, body });
    }
    // What is remembered of each finding is what was last told.
    let states = ["open", "accepted", "resolved"];
    let mut statement = db.prepare("SELECT id, seq, state FROM finding").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut remembered = 0;
    while let Some(row) = rows.next().unwrap() {
        let (id, seq, state): (String, u32, u32) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        let stands = (u64::from(seq), states[state as usize].to_owned());
        assert_eq!(lives.get(&id), Some(&stands), "{id}");
        remembered += 1;
    }
    assert_eq!(remembered, lives.len());
    let sql = "SELECT sink, state, attempts, count(*), min(created_at), max(due_at), max(reason) FROM outbox GROUP BY 1, 2, 3";
    let mut statement = db.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let numbers = [1, 2, 3, 4, 5].map(|n| row.get::<_, i64>(n).unwrap());
        Ok((row.get::<_, String>(0)?, numbers, row.get::<_, Option<String>>(6)?))
    };
    let waiting: Vec<_> = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
    assert!(waiting.is_empty(), "sink; state, attempts, number, oldest, due: {waiting:?}");

    let complaints = site.receiver.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let copies = site.receiver.copies();
    for copy in &copies {
        let entry = log.get(&copy.id).unwrap_or_else(|| panic!("never committed: {}", copy.body));
        assert_eq!(copy.body, entry.body, "not what was committed");
    }
    let taken: Vec<&str> = copies.iter().filter(|c| c.taken).map(|c| c.id.as_str()).collect();
    let again = received("the webhook", &log, &taken);

    let text = site.read("events.jsonl");
    assert!(text.is_empty() || text.ends_with('\n'));
    let mut cut = 0;
    let mut taken = vec![];
    for line in text.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(event) => {
                let id = event["id"].as_str().unwrap().to_owned();
                assert_eq!(log.get(&id).map(|e| e.body.as_str()), Some(line), "not what was committed");
                taken.push(id);
            }
            Err(_) => {
                assert!(log.values().any(|e| e.body.starts_with(line)), "of no event: {line}");
                cut += 1;
            }
        }
    }
    let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
    let lines_again = received("the file", &log, &taken);
    Tally {
        events: log.len(),
        findings: remembered,
        copies: copies.len(),
        again,
        lines_again,
        lines_cut: cut,
    }
}

/// Every event was received, and those of one finding first in their order; how many came again.
fn received(who: &str, log: &BTreeMap<String, Entry>, taken: &[&str]) -> usize {
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for id in taken.iter().filter(|id| seen.insert(**id)) {
        let entry = &log[*id];
        let last = last.entry(&entry.finding).or_default();
        assert_eq!(*last + 1, entry.seq, "{who}: the order of {}", entry.finding);
        *last = entry.seq;
    }
    let missing: Vec<&String> = log.keys().filter(|id| !seen.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{who} never heard of {missing:?}");
    taken.len() - seen.len()
}

/// What the store says holds.
pub fn remembered(site: &Site) -> Holding {
    let severities = ["low", "medium", "high", "critical"];
    let db = site.store().unwrap();
    let sql = "SELECT id, severity, body, state FROM finding WHERE state < 2";
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = Holding::new();
    while let Some(row) = rows.next().unwrap() {
        let (id, severity, body, state): (String, u32, String, i64) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        let severity = severities[severity as usize];
        let finding: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(finding["severity"], severity);
        found.insert(id, (severity.to_owned(), finding["standing"].to_string(), state == 1));
    }
    found
}

/// What lines of findings say holds.
pub fn told(lines: &str) -> Holding {
    let mut found = Holding::new();
    for line in lines.lines() {
        let f: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| f[name].as_str().unwrap().to_owned();
        found.insert(text("id"), (text("severity"), f["standing"].to_string(), f["exception"].is_object()));
    }
    found
}

/// What is found in the same records without a store: each source is pulled, and all judged at once.
pub fn stateless(site: &Site, at: Instant) -> Holding {
    let mut records = String::new();
    for source in super::estate::SOURCES {
        records.push_str(&site.well(&["pull", "--source", source]));
    }
    site.put("all.records", &records);
    let (path, at) = (site.path("all.records"), at.to_string());
    let path = path.to_str().unwrap();
    told(&site.well(&["reconcile", "--format", "jsonl", "--now", &at, "--records", path]))
}
