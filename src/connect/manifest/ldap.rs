//! `[ldap]`: what a connector asks a directory, as data.

use serde::Deserialize;

use super::http::When;

/// `[ldap]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ldap {
    /// The searches, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One search. Each entry is a row: `{"dn":…,"attributes":{name in lower case:[values]}}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name; the map sees it as `$shape`.
    pub name: String,
    /// Whether it is made at all.
    #[serde(default)]
    pub when: Option<When>,
    /// The setting that holds where it starts: a DN, or a list of them.
    pub base: String,
    /// How deep it goes.
    #[serde(default)]
    pub scope: Scope,
    /// The filter, RFC 4515; `$name` alone stands for the setting of that name.
    pub filter: String,
    /// The attributes asked for.
    pub attributes: Vec<String>,
    /// Of those, the ones whose values are bytes: they come as lower-case hex.
    #[serde(default)]
    pub binary: Vec<String>,
    /// What must be granted for this search.
    #[serde(default)]
    pub permission: Option<String>,
    /// That the base is not there means that there are no rows.
    #[serde(default)]
    pub optional: bool,
}

/// How deep a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The entry itself.
    Base,
    /// What is right below it.
    One,
    /// It and everything below.
    #[default]
    Subtree,
}
