//! `[postgres]`: what a connector asks a database, as data.

use serde::Deserialize;

use super::http::When;

/// `[postgres]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// The queries, in order, in one read-only snapshot.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One query. Each row is an object of its columns: what `row_to_json` makes of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name; the map sees it as `$shape`.
    pub name: String,
    /// Whether it is made at all.
    #[serde(default)]
    pub when: Option<When>,
    /// The query, without parameters and without a semicolon at its end.
    pub query: String,
    /// Made for each of the databases of the site; otherwise once, in the one it connects to.
    #[serde(default)]
    pub each_database: bool,
    /// The least version of the server it can be asked of (`160000`); older ones have no such rows.
    #[serde(default)]
    pub since_version: Option<u32>,
    /// What must be granted for this query.
    #[serde(default)]
    pub permission: Option<String>,
}
