//! `manifest.toml`: what a connector is called, which shapes of input it knows, and which settings a site may give.
//!
//! The manifest is data only. It is read strictly: an unknown key or a value of the wrong type is an error that
//! names the file, the line and the column.

mod check;
pub mod http;
pub mod ldap;
pub mod paging;
pub mod sql;
pub mod value;

use serde::Deserialize;
use std::collections::BTreeMap;

/// A connector's manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name of the connector: lower-case letters, digits and `-`; the same as its folder.
    pub name: String,
    /// The product, as its vendor writes it.
    pub title: String,
    /// One sentence: what it reads and what comes out.
    pub summary: String,
    /// Record types that a complete pull of this connector vouches for (`request`, `grant` …); `$name` stands for the
    /// value of that setting.
    pub provides: Vec<String>,
    /// How a row becomes records.
    #[serde(default)]
    pub map: MapKind,
    /// What maps the usual rows in place of `map.jq`, to the same records, where the connector was built in. A folder on
    /// disk has its own map, which alone counts there.
    #[serde(default)]
    pub native: Option<Native>,
    /// Record types whose parts arrive in different rows or files, with the fields that make their key.
    #[serde(default)]
    pub merge: BTreeMap<String, Vec<String>>,
    /// Names of the tables of links that the map makes in a first run over all files, so that in the second run it
    /// can look up what rows of other tables say about a row. Without any, the map runs once.
    #[serde(default)]
    pub joins: Vec<String>,
    /// What it is about: how the list of connectors is ordered.
    #[serde(default)]
    pub kind: Kind,
    /// Whether grants that are held through others are worked out from what the map says includes what (see
    /// [`inherit`](super::inherit)).
    #[serde(default)]
    pub inherit: bool,
    /// What of the more telling facts it knows, for the list of connectors.
    #[serde(default)]
    pub knows: Knows,
    /// The shapes of files, tried in order; the first that recognises the file is taken.
    #[serde(rename = "shape", default)]
    pub shapes: Vec<Shape>,
    /// How it asks over HTTP.
    #[serde(default)]
    pub http: Option<http::Http>,
    /// How it asks a directory.
    #[serde(default)]
    pub ldap: Option<ldap::Ldap>,
    /// How it asks a PostgreSQL server.
    #[serde(default)]
    pub postgres: Option<sql::Sql>,
    /// The settings a source of this connector may carry.
    #[serde(rename = "setting", default)]
    pub settings: Vec<SettingSpec>,
}

/// `[knows]`: in a few words, where a fact comes from that not every product tells. What is absent is not known from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knows {
    /// Last use: of what, and from where.
    #[serde(default)]
    pub last_use: Option<String>,
    /// When a grant was made, and by whom.
    #[serde(default)]
    pub granted_at: Option<String>,
    /// Which access held through something else is worked out.
    #[serde(default)]
    pub inheritance: Option<String>,
}

/// A way in which a connector can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Files as somebody saved them.
    Files,
    /// A program that prints what would be in such a file.
    Exec,
    /// The product, over HTTP.
    Http,
    /// A directory.
    Ldap,
    /// A PostgreSQL server.
    Postgres,
}

impl Way {
    /// Its word: the key of a source that it is read in this way.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Exec => "exec",
            Self::Http => "http",
            Self::Ldap => "ldap",
            Self::Postgres => "postgres",
        }
    }
}

/// What a connector is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Where access is asked for and approved.
    Tickets,
    /// Where access is held.
    Access,
    /// Who people are.
    Directory,
    /// Any of them.
    #[default]
    Any,
}

impl Kind {
    /// All, in the order of the list.
    pub const ALL: [Self; 4] = [Self::Tickets, Self::Access, Self::Directory, Self::Any];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tickets => "tickets",
            Self::Access => "access",
            Self::Directory => "directory",
            Self::Any => "any",
        }
    }

    /// What connectors of this kind tell, in one sentence.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Tickets => "where access is asked for and approved",
            Self::Access => "where access is held",
            Self::Directory => "who people, services and agents are",
            Self::Any => "whatever you have",
        }
    }
}

/// How a row becomes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapKind {
    /// Through `map.jq` beside the manifest.
    #[default]
    Jq,
    /// The row is a record as it stands.
    Records,
}

/// A map that the program has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Native {
    /// Rows of a table become records as the settings `fields`, `constants`, `values` … say.
    Columns,
}

/// One shape of input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Its name; the map sees it as `$shape`.
    pub name: String,
    /// The formats it comes in.
    pub formats: Vec<Format>,
    /// Where the rows are. JSON: pointers to arrays (`/issues`, `/*/issues`, `` for a top-level array), or
    /// `document` for the whole document as one row. XML: element paths (`rss/channel/item`, `unload/*`). Tables
    /// and JSONL: leave it out.
    #[serde(default)]
    pub rows: Vec<String>,
    /// JSON and JSONL: pointers (`/issues`) or plain keys the document must have, beside the rows.
    #[serde(default)]
    pub keys: Vec<String>,
    /// JSON and JSONL: keys the first row must have (pointers or plain keys).
    #[serde(default)]
    pub row_keys: Vec<String>,
    /// Tables: one of the header names of each group must be there. Compared trimmed and without regard to case.
    #[serde(default)]
    pub headers: Vec<Vec<String>>,
    /// The encoding to read where the text has no byte order mark and is not UTF-8. Without it such a file is
    /// refused with the setting to give.
    #[serde(default)]
    pub fallback_encoding: Option<String>,
    /// Number of rows at which the exporting product cuts silently: a file of exactly so many rows is incomplete.
    #[serde(default)]
    pub suspicious_rows: Option<u64>,
}

/// A format a file can be in, once decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON document, or several behind each other.
    Json,
    /// One JSON object per line.
    Jsonl,
    /// Separated values, with a header line.
    Csv,
    /// XML without a document type.
    Xml,
    /// An Office Open XML workbook; one sheet is read like a table.
    Xlsx,
}

impl Format {
    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Jsonl => "JSONL",
            Self::Csv => "CSV",
            Self::Xml => "XML",
            Self::Xlsx => "XLSX",
        }
    }
}

/// One declared setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingSpec {
    /// Its key.
    pub name: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// The value when none is given; without it, null.
    #[serde(default)]
    pub default: Option<toml::Value>,
    /// A pull without it is refused.
    #[serde(default)]
    pub required: bool,
    /// For `enum`: the values allowed.
    #[serde(default)]
    pub values: Vec<String>,
    /// One or two sentences for the person who sets it.
    pub doc: String,
}

/// Types of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingType {
    /// Text.
    String,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A list of texts.
    List,
    /// Text to any JSON value.
    Map,
    /// An IANA time-zone name (`Europe/Berlin`), `UTC`, or a fixed offset (`+02:00`).
    TimeZone,
    /// An ISO 8601 duration without years and months (`P90D`).
    Duration,
    /// An RFC 3339 time with an offset.
    Instant,
    /// A regular expression (the syntax of the Rust `regex` crate; linear time).
    Pattern,
    /// One of `values`.
    Enum,
}

impl SettingType {
    /// What a value must be, in words.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Bool => "true or false",
            Self::Integer => "a whole number",
            Self::List => "a list of texts, as JSON or separated by commas",
            Self::Map => "a map, as a TOML table, a JSON object or key:value pairs separated by commas",
            Self::TimeZone => "a time zone such as Europe/Berlin, UTC or +02:00",
            Self::Duration => "an ISO 8601 duration such as P90D, without years and months",
            Self::Instant => "an RFC 3339 time with an offset, such as 2026-06-01T00:00:00Z",
            Self::Pattern => "a regular expression",
            Self::Enum => "one of its values",
        }
    }
}

impl Manifest {
    /// Reads a manifest. `file` is only for messages.
    ///
    /// # Errors
    /// Text with file, line, column and what was expected.
    pub fn parse(text: &str, file: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| located(&error, text, file))?;
        manifest.check().map_err(|message| format!("{file}: {message}"))?;
        Ok(manifest)
    }

    /// The rules that types alone do not say.
    fn check(&self) -> Result<(), String> {
        let plain = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if !plain(&self.name) {
            return Err(format!("`name` is `{}`: expected lower-case letters, digits and `-`", self.name));
        }
        if self.shapes.is_empty() && self.http.is_none() && self.ldap.is_none() && self.postgres.is_none() {
            return Err("expected at least one [[shape]], or one of [http], [ldap] and [postgres]".into());
        }
        let known = |kind: &&String| match kind.strip_prefix('$') {
            Some(setting) => self.setting(setting).is_some(),
            None => super::record::is_type(kind),
        };
        if let Some(kind) = self.provides.iter().find(|kind| !known(kind)) {
            return Err(format!("`provides` names `{kind}`, which is no record type and no setting"));
        }
        if !self.joins.is_empty() && self.map != MapKind::Jq {
            return Err("`joins` needs a map.jq that makes the links".into());
        }
        if self.native.is_some() && (self.map != MapKind::Jq || !self.joins.is_empty()) {
            return Err("`native` does what a map.jq without `joins` does, and there is none".into());
        }
        if let Some(name) = self.joins.iter().find(|name| !plain(name)) {
            return Err(format!("`joins` names `{name}`: expected lower-case letters, digits and `_`"));
        }
        let mut seen = Vec::new();
        for shape in &self.shapes {
            if seen.contains(&&shape.name) {
                return Err(format!("two shapes are named `{}`", shape.name));
            }
            seen.push(&shape.name);
            shape.check().map_err(|message| format!("shape `{}`: {message}", shape.name))?;
        }
        if let Some(http) = &self.http {
            check::http(self, http)?;
        }
        if let Some(ldap) = &self.ldap {
            ldap.check(self)?;
        }
        if let Some(sql) = &self.postgres {
            sql.check(&self.settings.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>())?;
        }
        let mut names = Vec::new();
        for spec in &self.settings {
            if !plain(&spec.name) {
                return Err(format!("setting `{}`: expected lower-case letters, digits and `_`", spec.name));
            }
            if names.contains(&&spec.name) || super::settings::is_common(&spec.name) {
                return Err(format!(
                    "setting `{}` is declared twice or is one every connector has",
                    spec.name
                ));
            }
            names.push(&spec.name);
            if (spec.kind == SettingType::Enum) == spec.values.is_empty() {
                return Err(format!(
                    "setting `{}`: `values` goes with the type `enum` and only with it",
                    spec.name
                ));
            }
        }
        Ok(())
    }

    /// The ways in which it can be read.
    #[must_use]
    pub fn ways(&self) -> Vec<Way> {
        let files = !self.shapes.is_empty();
        [
            (files, Way::Files),
            (files, Way::Exec),
            (self.http.is_some(), Way::Http),
            (self.ldap.is_some(), Way::Ldap),
            (self.postgres.is_some(), Way::Postgres),
        ]
        .into_iter()
        .filter_map(|(can, way)| can.then_some(way))
        .collect()
    }

    /// The setting of this name, if one is declared.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&SettingSpec> {
        self.settings.iter().find(|spec| spec.name == name)
    }
}

impl Shape {
    fn check(&self) -> Result<(), String> {
        if self.formats.is_empty() {
            return Err("expected at least one of json, jsonl, csv, xml, xlsx in `formats`".into());
        }
        if self.formats.contains(&Format::Xml) && self.rows.is_empty() {
            return Err("XML needs `rows`, such as \"rss/channel/item\"".into());
        }
        if let Some(label) = &self.fallback_encoding
            && super::decode::encoding::by_name(label).is_none()
        {
            return Err(format!("`fallback_encoding` is `{label}`: expected windows-1252 or utf-8"));
        }
        Ok(())
    }

    /// Does it take the whole JSON document as one row?
    #[must_use]
    pub fn is_document(&self) -> bool {
        self.rows.iter().any(|rows| rows == "document")
    }
}

/// A TOML error with its place: file, line and column, from 1.
fn located(error: &toml::de::Error, text: &str, file: &str) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{file}:{line}:{column}: {}", error.message().replace('\n', " "))
}
