//! PostgreSQL: the queries of a manifest, asked of a server. Each database is one read-only snapshot; rows come a page at a
//! time through a portal, as JSON, and are set aside at once.
//!
//! What is refused or cut off in between makes the pull not complete, and is named with the permission that would have
//! helped; what came until then is kept.

mod asker;
mod bound;
mod session;
mod site;

pub use site::{All, Databases, Site, Tls};

use std::time::Duration as Wait;

use super::{Ask, Fetched, block_on};
use crate::connect::error::PullError;
use crate::connect::manifest::sql::Sql;
use asker::Asker;
use session::{Door, Patience};

/// Asks everything the manifest says.
///
/// # Errors
/// When nothing could be had.
pub fn fetch(ask: &Ask<'_>, site: &Site) -> Result<Fetched, PullError> {
    let sql = questions(ask, site)?;
    let patience = Patience::new(ask.watch, Wait::from_millis(site.deadline.ms().unsigned_abs()));
    let door = Door::new(ask, site, &patience)?;
    block_on(async { Asker::new(ask, site, sql, &patience, &door).everything().await })
}

/// Asks one thing.
///
/// # Errors
/// What does not work.
pub fn probe(ask: &Ask<'_>, site: &Site) -> Result<(), PullError> {
    let sql = questions(ask, site)?;
    let patience = Patience::new(ask.watch, Wait::from_secs(60));
    let door = Door::new(ask, site, &patience)?;
    block_on(async { Asker::new(ask, site, sql, &patience, &door).one_thing().await })
}

/// What there is to ask, once all that can be known of it beforehand is in order.
fn questions<'a>(ask: &Ask<'a>, site: &Site) -> Result<&'a Sql, PullError> {
    site.check().map_err(PullError::Setting)?;
    let manifest = &ask.connector.manifest;
    let wrong =
        |why: String| PullError::Connector(format!("connector `{}`: manifest.toml: {why}", manifest.name));
    let sql = manifest.postgres.as_ref().ok_or_else(|| wrong("expected [postgres]".to_owned()))?;
    let declared: Vec<&str> = manifest.settings.iter().map(|spec| spec.name.as_str()).collect();
    sql.check(&declared).map_err(wrong)?;
    Ok(sql)
}
