//! What is said of the daemon in metrics and readiness, taken from the store.

use std::collections::BTreeMap;

use crate::engine::SourceSpec;
use crate::model::event::State;
use crate::model::life::{Condition, Trouble};
use crate::model::{Duration, Instant};
use crate::serve::{FindingCount, GrantCount, Readiness, SinkQueue, SourceState, SourceStatus, Status};
use crate::store::{Store, StoreError};

/// How long a message may wait before something is wrong.
const LATE: Duration = Duration::hours(1);

/// Says anew how everything stands. `recount`: grants and findings are counted too, which changes only with a run and
/// takes a look at each finding.
///
/// # Errors
/// When the store cannot be read; then readiness says so.
pub fn refresh(
    status: &Status,
    store: &mut dyn Store,
    sources: &[SourceSpec],
    sinks: &[String],
    max_age: Duration,
    now: Instant,
    recount: bool,
) -> Result<(), StoreError> {
    if recount {
        count(status, store)?;
    }
    match collect(status, store, sources, sinks, max_age, now) {
        Ok(reasons) => {
            status.set_readiness(Readiness::new(reasons));
            Ok(())
        }
        Err(e) => {
            status.set_readiness(Readiness::new([e.to_string()]));
            Err(e)
        }
    }
}

/// Counts grants and findings.
fn count(status: &Status, store: &dyn Store) -> Result<(), StoreError> {
    let grants: Vec<GrantCount> = store
        .standings()?
        .into_iter()
        .map(|(system, standing, grants)| GrantCount { system, verdict: standing.outcome(), grants })
        .collect();
    status.metrics.set_grants(&grants);
    let mut findings: BTreeMap<(String, u8, State), FindingCount> = BTreeMap::new();
    for c in store.finding_counts()? {
        let key = (c.check.clone(), c.severity as u8, c.state);
        let row = findings.entry(key).or_insert(FindingCount {
            check: c.check,
            severity: c.severity,
            state: c.state,
            findings: 0,
        });
        row.findings += c.count;
    }
    status.metrics.set_findings(&findings.into_values().collect::<Vec<_>>());
    Ok(())
}

fn collect(
    status: &Status,
    store: &mut dyn Store,
    sources: &[SourceSpec],
    sinks: &[String],
    max_age: Duration,
    now: Instant,
) -> Result<Vec<String>, StoreError> {
    let mut reasons = vec![];
    store.check_writable()?;
    let known = store.sources()?;
    let mut rows = vec![];
    for spec in sources {
        let state = known.iter().find(|s| s.id == spec.id);
        let taken_at = state.and_then(|s| s.taken_at);
        let how = match state.map_or(Condition::NeverRead, |s| s.condition(max_age, now)) {
            Condition::Troubled(Trouble::Held { .. }) => SourceState::Held,
            Condition::Troubled(Trouble::Failed { .. }) => SourceState::Failed,
            Condition::Troubled(Trouble::Partial { .. }) | Condition::Incomplete => SourceState::Incomplete,
            Condition::NeverRead | Condition::Stale(_) => SourceState::Stale,
            Condition::Fresh => SourceState::Fresh,
        };
        if how != SourceState::Fresh {
            let why = state.and_then(|s| s.trouble.as_ref()).map(|t| format!(": {}", t.reason()));
            reasons.push(format!("source {} is {}{}", spec.id, how.as_str(), why.unwrap_or_default()));
        }
        let records = state.filter(|s| s.good_run.is_some()).map(|s| s.records);
        rows.push(SourceStatus { source: spec.id.clone(), state: how, last_success: taken_at, records });
    }
    status.metrics.set_sources(&rows);

    let queues = store.outbox()?;
    let mut rows = vec![];
    for sink in sinks {
        let queue = queues.iter().find(|q| q.sink == *sink).cloned().unwrap_or_default();
        let oldest = queue.oldest.and_then(|t| now.since(t));
        if oldest.is_some_and(|o| o > LATE) {
            reasons.push(format!("sink {sink} has not taken a message for more than {LATE}"));
        }
        rows.push(SinkQueue { sink: sink.clone(), queued: queue.waiting, dead: queue.dead, oldest });
    }
    status.metrics.set_outbox(&rows);
    if store.runs(8)?.iter().all(|run| run.ended_at.is_none()) {
        reasons.push("it has not finished a run yet".to_owned());
    }
    Ok(reasons)
}
