//! What stands in a request: as it is, or from a setting, a row, the time of the pull.

use serde::Deserialize;

/// A value in a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// As it stands.
    Text(String),
    /// A number as it stands.
    Number(i64),
    /// True or false as it stands.
    Bool(bool),
    /// Of elsewhere.
    Of(Box<Of>),
}

/// A value from elsewhere. Exactly one key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Of {
    /// A setting.
    Setting(String),
    /// A setting that is a list, its items joined by commas.
    Listed(String),
    /// At this pointer of the row the request is made for.
    Row(String),
    /// At this pointer of each row of the batch: a list.
    Rows(String),
    /// JSON as it stands, for what is nested.
    Json(String),
    /// How many rows a page should have: the greatest number the product gives; a site may lower it.
    PageSize(u64),
    /// Texts one behind the other; without a value where one of them has none.
    Join(Vec<Text>),
    /// The first that has a value.
    First(Vec<Text>),
    /// In an incremental pull: since when. Without a value in a full one.
    Since(TimeAs),
    /// The time of the pull, less a duration or as it is (`P0D`).
    Ago(Ago),
}

/// A time before the pull.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ago {
    /// How long before: a duration, or the name of a setting that is one.
    pub by: String,
    /// How it is written.
    #[serde(rename = "as", default)]
    pub format: TimeAs,
}

/// How a time is written in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeAs {
    /// RFC 3339 in UTC, whole seconds.
    #[default]
    Rfc3339,
    /// RFC 3339 in UTC with milliseconds, `2026-06-01T00:00:00.000Z`.
    Rfc3339Millis,
    /// `2026-06-01 00:00:00` in UTC.
    Blank,
    /// `2026-06-01`.
    Date,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// Whole minutes before the pull, rounded up.
    MinutesAgo,
}
