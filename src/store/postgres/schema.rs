//! The schema of the PostgreSQL store, as the steps that lead to it. A step that was once released never changes; the next one
//! is added below it. Going back is refused.

use super::super::{Result, StoreError};
use super::SCHEMA;
use super::line::Line;

/// The steps; the schema's version is their number.
const STEPS: &[&str] = &[include_str!("schema-1.sql")];

/// The version of the schema of a store; 0 where there is none yet.
///
/// # Errors
/// When the store is newer than this program, or the tables are of another program.
pub(super) fn recognise(line: &Line) -> Result<u32> {
    // Asked of the catalogue itself: whoever waited for the lock may still remember that there was none.
    let any = |names: &str| {
        line.tell(&format!(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = current_schema() AND c.relname IN ({names}))"
        ))
    };
    if any("'counterfoil_schema'")?.as_deref() != Some("t") {
        return match any("'record', 'finding', 'event', 'meta', 'run', 'source', 'outbox', 'verdict'")?
            .as_deref()
        {
            Some("t") => Err(StoreError::Broken("the database holds tables of another program".to_owned())),
            _ => Ok(0),
        };
    }
    let version = line.tell("SELECT version FROM counterfoil_schema")?;
    let found = version.and_then(|text| text.parse::<u32>().ok());
    let found = found.ok_or_else(|| StoreError::Broken("the store has no version".to_owned()))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(found) }
}

/// Whether a store has the newest schema, for who only reads.
///
/// # Errors
/// As [`recognise`], and when it is older.
pub(super) fn current(line: &Line) -> Result<()> {
    let (found, known) = (recognise(line)?, STEPS.len());
    if found as usize == known {
        return Ok(());
    }
    Err(StoreError::Other(format!(
        "it has schema {found} and is read with schema {known}; `counterfoil store show` brings it up to date"
    )))
}

/// Brings a store to the newest schema. Who comes meanwhile waits.
///
/// # Errors
/// As [`recognise`], and when the role may not make tables.
pub(super) fn migrate(line: &Line) -> Result<()> {
    // Mostly there is nothing to do, and nobody should wait for it.
    if recognise(line)? as usize == STEPS.len() {
        return Ok(());
    }
    line.begin(&format!("BEGIN; SELECT pg_advisory_xact_lock({SCHEMA})"))?;
    let done = recognise(line).and_then(|found| {
        for (number, step) in STEPS.iter().enumerate().skip(found as usize) {
            line.tell(step)?;
            let version = number + 1;
            line.tell(&format!(
                "INSERT INTO counterfoil_schema (one, version) VALUES (1, {version})
                 ON CONFLICT (one) DO UPDATE SET version = excluded.version"
            ))?;
        }
        line.tell("COMMIT").map(drop)
    });
    if done.is_err() {
        line.roll_back();
    }
    done
}
