//! Where nothing is in doubt, what is remembered is what judging everything anew would say.

use std::collections::BTreeMap;

use counterfoil::model::event::State;
use counterfoil::model::life::Life;
use counterfoil::model::{Duration, Instant};
use counterfoil::store::Store;
use serde_json::{Value, json};

use super::plan::SOURCES;
use crate::reference::Finding;
use crate::reference::product::{ask, finding};

/// What each pull held, by source and time.
pub type Pulls = BTreeMap<(String, String), Vec<Value>>;

/// The sources in doubt at an instant.
pub fn doubtful(store: &mut dyn Store, now: Instant) -> Vec<String> {
    let states = store.sources().unwrap();
    let well = |id: &&str| {
        let state = states.iter().find(|s| s.id == *id);
        state.is_some_and(|s| {
            s.trouble.is_none() && s.complete && s.taken_at.is_some_and(|t| t.plus(Duration::days(1)) > now)
        })
    };
    SOURCES.iter().filter(|id| !well(id)).map(|id| (*id).to_owned()).collect()
}

/// Compares what is remembered with what judging everything says; nothing may be in doubt.
pub fn compare(store: &mut dyn Store, pulls: &Pulls, config: &Value, now: Instant, what: &str) {
    let mut records: Vec<Value> = vec![];
    for state in store.sources().unwrap() {
        let key = (state.id.clone(), state.taken_at.unwrap().to_string());
        records.extend(pulls.get(&key).unwrap_or_else(|| panic!("{what}: no pull {key:?}")).iter().cloned());
    }
    for a in store.accepted(now).unwrap() {
        records
            .push(json!({"type": "exception", "check": a.check, "finding": a.finding, "accepted_by": a.by,
            "reason": a.reason, "expires_at": a.until.to_string()}));
    }
    let judged: Vec<Finding> = ask(&records, config, &now.to_string(), 1).unwrap().outcome.findings;
    let mut kept: BTreeMap<String, Life> = BTreeMap::new();
    store
        .lives(&[State::Open, State::Accepted], &mut |life| drop(kept.insert(life.id.clone(), life)))
        .unwrap();
    for f in judged {
        let life = kept.remove(&f.id);
        let quiet = life.as_ref().is_some_and(|l| l.quiet_at.is_some());
        let same = life.as_ref().is_some_and(|l| finding(&serde_json::from_str(&l.body).unwrap()) == f);
        assert!(same || quiet, "{what}: judged, and not so remembered: {f:?}\n{life:#?}");
    }
    let odd: Vec<&Life> = kept.values().filter(|l| l.absent == 0 && l.quiet_at.is_none()).collect();
    assert!(odd.is_empty(), "{what}: remembered, and not judged: {odd:#?}");
}
