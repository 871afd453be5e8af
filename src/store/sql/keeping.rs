//! Forgetting what is old.

use super::*;
use crate::evidence::Kind;

/// The events that are forgotten, by row.
const OLD_EVENTS: &str =
    "SELECT row FROM event WHERE row NOT IN (SELECT event FROM outbox WHERE event IS NOT NULL)
    AND finding IN (SELECT id FROM finding WHERE state = 2 AND changed_at < ?1)";
/// The runs that are forgotten, once their events are: none that a later one still rests on.
fn old_runs(dialect: Dialect) -> String {
    let (last_words, terms) = match dialect {
        Dialect::Sqlite => (
            "SELECT max(r.id) FROM run r, json_each(r.manifest, '$.sources') s
            WHERE r.started_at < ?1 AND json_valid(r.manifest) GROUP BY s.value ->> 'id'",
            "json_valid(manifest) AND manifest ->> 'terms' IS NOT NULL",
        ),
        // The schema has these two: older servers cannot ask whether a text is JSON.
        Dialect::Postgres => (
            "SELECT max(r.id) FROM run r, manifest_sources(r.manifest) s WHERE r.started_at < ?1 GROUP BY s",
            "manifest_has_terms(manifest)",
        ),
    };
    format!(
        "SELECT id AS row FROM run WHERE started_at < ?1 AND id NOT IN (SELECT from_run FROM record)
    AND id NOT IN (SELECT run FROM event) AND id <> (SELECT max(id) FROM run)
    AND id <> (SELECT max(id) FROM run WHERE started_at < ?1)
    AND id NOT IN ({last_words})
    AND id NOT IN (SELECT coalesce(max(id), 0) FROM run WHERE started_at < ?1 AND {terms})"
    )
}

/// The fact that says from when on everything is known.
const HISTORY: &str = "history";

pub(super) fn history(db: &dyn Db) -> Result<Option<History>> {
    let Some(text) = runs::meta(db, HISTORY)? else { return Ok(None) };
    let parts = text.split_once(' ').and_then(|(run, since)| Some((run.parse().ok()?, since.parse().ok()?)));
    let broken = || StoreError::Broken(format!("from when on everything is known: `{text}`"));
    parts.map(|(first_run, since)| Some(History { first_run, since })).ok_or_else(broken)
}

/// What was once forgotten does not come back, whatever is to be kept now.
fn keep_history(tx: &dyn Db, new: History) -> Result<()> {
    let old = history(tx)?;
    let first_run = old.map_or(0, |old| old.first_run).max(new.first_run);
    let since = old.map_or(Instant::MIN, |old| old.since).max(new.since);
    runs::set_meta(tx, HISTORY, &format!("{first_run} {since}"))
}

/// Nothing that is true now is forgotten, nor what has still to be told; and what is, the evidence log says.
pub(super) fn prune(tx: &dyn Db, retention: Retention) -> Result<u64> {
    let before = ms(retention.before);
    let mut log = evidence::Forgetting::new();
    log.mark(tx, Kind::Event, OLD_EVENTS, before)?;
    // The first run after which all records are known as they were. It and later runs stay, and of earlier ones what these
    // still rest on: the last word of each source, and the terms of the last judgement.
    let sql = "SELECT coalesce(max(id), 0) FROM run WHERE started_at < ?1";
    let first = tx.int(sql, params![before])?;
    keep_history(tx, History { first_run: count(first), since: retention.before })?;
    let steps = [
        "DELETE FROM record WHERE until_run IS NOT NULL
            AND until_run <= (SELECT coalesce(max(id), 0) FROM run WHERE started_at < ?1)",
        &format!("DELETE FROM event WHERE row IN ({OLD_EVENTS})"),
        // How far its events were numbered is kept: should it come again, no event may have the id of an earlier one, which
        // a receiver that drops what it has already would swallow.
        "UPDATE finding SET body = '', changes = '[]', acceptance = NULL
            WHERE state = 2 AND changed_at < ?1 AND body <> ''
            AND id NOT IN (SELECT finding FROM outbox WHERE finding IS NOT NULL)",
        "DELETE FROM accepted WHERE until < ?1",
        "DELETE FROM slot WHERE at < ?1 AND (state = 3 OR slot <
            (SELECT max(l.slot) FROM slot l WHERE l.job = slot.job AND l.state = 2))",
    ];
    let mut rows = 0;
    for step in steps {
        rows += tx.change(step, params![before])?;
    }
    let old_runs = old_runs(tx.dialect());
    log.mark(tx, Kind::Run, &old_runs, before)?;
    rows += tx.change(&format!("DELETE FROM run WHERE id IN ({old_runs})"), params![before])?;
    log.close(tx, retention.before)?;
    Ok(rows)
}
