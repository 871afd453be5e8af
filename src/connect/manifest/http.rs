//! `[http]`: how a connector asks a product over HTTP, as data.
//!
//! A pull is a list of steps. A step is one kind of request, made once or once for each row of an earlier step, page
//! after page; its rows go to the map with `$shape` naming the step. The vocabulary is closed: what it cannot say is
//! added here, as a variant with a meaning, and never spelled out in a template. A path is written as OpenAPI writes it,
//! with `{name}` for a whole segment or part of one; each value is percent-encoded when it is put in.

use serde::Deserialize;
use std::collections::BTreeMap;

pub use super::paging::Paging;
pub use super::value::{Ago, Of, Text, TimeAs};
use crate::model::Duration;

/// `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where requests go: named addresses. A step without `base` uses the first in alphabetical order unless there is
    /// one called `main`. Where a base has no `url`, the site must give `url`.
    #[serde(default)]
    pub bases: BTreeMap<String, Base>,
    /// How a site may say who it is.
    pub auth: Auth,
    /// Headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// How the product says that it is asked too much.
    #[serde(default)]
    pub limits: Limits,
    /// Requests at a time. A site may lower it.
    #[serde(default = "four")]
    pub concurrency: usize,
    /// The step that `config check --live` makes one request of; the first when absent. It may be one that a pull does not
    /// make (`probe_only`).
    #[serde(default)]
    pub probe: Option<String>,
    /// The requests, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

fn four() -> usize {
    4
}

/// A named address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The address, `https://sso.{region}.amazonaws.com` say; `{name}` stands for the setting of that name. Absent: the
    /// site gives it.
    #[serde(default)]
    pub url: Option<String>,
    /// For AWS: the name of the service in a signature.
    #[serde(default)]
    pub service: Option<String>,
    /// For AWS: the region in a signature, `{name}` as in `url`.
    #[serde(default)]
    pub region: Option<String>,
}

/// How a site may say who it is, and what of that the product decides.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The ways the product takes.
    pub kinds: Vec<AuthKind>,
    /// For `key`: the header, `Authorization` when absent.
    #[serde(default)]
    pub header: Option<String>,
    /// For `key`: what stands before the key in the header, `"SSWS "` say.
    #[serde(default)]
    pub prefix: String,
    /// Where tokens are had: a path on the first base, or an address; `{name}` stands for a setting.
    #[serde(default)]
    pub token_url: Option<String>,
    /// The scope asked for; a site may give another.
    #[serde(default)]
    pub scope: Option<String>,
    /// How a client secret is sent.
    #[serde(default)]
    pub client_secret_in: ClientSecretIn,
}

/// Ways to say who one is. The site gives what each needs under `[source.http.auth.KIND]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthKind {
    /// No credentials.
    None,
    /// A name and a password, RFC 7617.
    Basic,
    /// `Authorization: Bearer`, RFC 6750.
    Bearer,
    /// A key in a header.
    Key,
    /// OAuth 2 client credentials with a secret, RFC 6749 section 4.4.
    ClientCredentials,
    /// OAuth 2 client credentials with a signed assertion, RFC 7523 section 2.2.
    PrivateKeyJwt,
    /// A signed assertion in exchange for a token, RFC 7523 section 2.1: a service account of Google Cloud.
    ServiceAccount,
    /// AWS Signature Version 4.
    Aws,
    /// An installation of a GitHub App.
    GithubApp,
}

/// How a client secret is sent to the place where tokens are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientSecretIn {
    /// In the form.
    #[default]
    Form,
    /// In a header, as basic authentication.
    Header,
}

/// How a product says that it is asked too much, and what it says where its statuses do not. `Retry-After` (seconds or a
/// date) is always heeded. Of the words the first list that has one counts: `codes`, `unauthorised`, `denied`; then the status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The header with the number of requests left.
    #[serde(default)]
    pub remaining: Option<String>,
    /// The header that says when there are new ones.
    #[serde(default)]
    pub reset: Option<String>,
    /// What `reset` holds.
    #[serde(default)]
    pub reset_as: ResetAs,
    /// Whether 403 means *too much* where `remaining` is 0 or there is a `Retry-After`. (429 and 503 always do.)
    #[serde(default)]
    pub forbidden_when_exhausted: bool,
    /// Words in the body of a 4xx that mean *too much* (`Throttling` of AWS, `secondary rate limit` of GitHub).
    #[serde(default)]
    pub codes: Vec<String>,
    /// Words in the body of a 4xx that mean *it is not known who asks*, as 401 does (`ExpiredToken` of AWS).
    #[serde(default)]
    pub unauthorised: Vec<String>,
    /// Words in the body of a 4xx that mean *this is not granted*, as 403 does (`AccessDeniedException` of AWS, with 400).
    #[serde(default)]
    pub denied: Vec<String>,
}

/// How the time of new requests is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetAs {
    /// Seconds since 1970.
    #[default]
    EpochSeconds,
    /// Seconds from now.
    Seconds,
    /// RFC 3339, seconds may be left out.
    Time,
}

/// One kind of request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name; the map sees it as `$shape`.
    pub name: String,
    /// Whether it is made at all.
    #[serde(default)]
    pub when: Option<When>,
    /// Made by `config check --live` only.
    #[serde(default)]
    pub probe_only: bool,
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// The base it goes to.
    #[serde(default)]
    pub base: Option<String>,
    /// The path, `/groups/{id}/members` say. The value of `{+name}` keeps its slashes: it is itself a path.
    pub path: String,
    /// What the names in the path stand for.
    #[serde(default)]
    pub values: BTreeMap<String, Text>,
    /// Parameters of the query. One that has no value is left out; a list is given once for each item.
    #[serde(default)]
    pub query: BTreeMap<String, Text>,
    /// Fields of a JSON body.
    #[serde(default)]
    pub body: BTreeMap<String, Text>,
    /// Fields of a form.
    #[serde(default)]
    pub form: BTreeMap<String, Text>,
    /// Headers of this request.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Made once for each row of this step, or once for each item of a setting.
    #[serde(default)]
    pub for_each: Option<ForEach>,
    /// Only for rows of that step like this, or like all of these.
    #[serde(default, deserialize_with = "one_or_many")]
    pub only: Vec<Only>,
    /// Made for its own rows too, and for theirs, until none gives any: a tree.
    #[serde(default)]
    pub deep: bool,
    /// Only once for each value at this pointer.
    #[serde(default)]
    pub distinct: Option<String>,
    /// So many rows of that step in one request; its values are had by `{ rows = "/pointer" }`.
    #[serde(default)]
    pub batch: Option<usize>,
    /// Its rows go into the row they were asked for, and nowhere else. The parent is mapped once they are there.
    #[serde(default)]
    pub attach: Option<Attach>,
    /// What of the row it was asked for goes into each of its rows, as `_from.NAME`: names and pointers. A row that is no
    /// object becomes `{"value":…}` first.
    #[serde(default)]
    pub carry: BTreeMap<String, String>,
    /// What the answer is written in.
    #[serde(default)]
    pub format: Answer,
    /// Where the rows are: pointers to arrays (`` for the answer itself), one behind the other; or `document` for the whole
    /// answer as one. An array that is not there has no rows; an object that stands in the place of one is one row; `/*` behind
    /// a pointer to an object means each of its values, with its key, without a `/` at its end, as `_key`.
    #[serde(default = "document", deserialize_with = "one_or_many")]
    pub rows: Vec<String>,
    /// What of each row is set aside: pointers. All of it when empty.
    #[serde(default)]
    pub take: Vec<String>,
    /// The array at `rows` must be there: an answer without it is not understood.
    #[serde(default)]
    pub must: bool,
    /// So many rows there are always, in all that the step asks (a product has a user at least, and built-in roles): where it
    /// was asked and read to its end and fewer came, the pull is not complete. Rows kept of earlier pulls count.
    #[serde(default)]
    pub at_least: u64,
    /// Keys of the answers that the map sees in `$head`: what the first one says, and of objects also what later ones add.
    /// Beside them stands `_whole`: the names of the steps that were asked and read to their end.
    #[serde(default)]
    pub head: Vec<String>,
    /// How one gets from page to page.
    #[serde(default)]
    pub page: Paging,
    /// The request is repeated until the answer is ready.
    #[serde(default)]
    pub poll: Option<Poll>,
    /// Statuses beside 2xx that mean that there are no rows (404: nothing is there).
    #[serde(default)]
    pub nothing: Vec<u16>,
    /// Pointers to warnings: where something stands there, the pull is not complete.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What must be granted for this request, as the product calls it.
    #[serde(default)]
    pub permission: Option<String>,
    /// Where it is denied the pull goes on without it and says nothing (data that only some editions have). The map has to
    /// take what it would say for not known.
    #[serde(default)]
    pub optional: bool,
    /// How only what changed is asked for.
    #[serde(default)]
    pub incremental: Option<Incremental>,
    /// Whether an unchanged answer need not be sent again (`ETag`).
    #[serde(default)]
    pub conditional: bool,
}

/// One, or a list.
fn one_or_many<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(match OneOrMany::deserialize(d)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

fn document() -> Vec<String> {
    vec!["document".to_owned()]
}

impl Step {
    /// Is the whole answer one row?
    #[must_use]
    pub fn is_document(&self) -> bool {
        self.rows.iter().any(|rows| rows == "document")
    }
}

/// HTTP methods that change nothing, and POST, which asks where a question is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// POST.
    Post,
    /// LIST, as HashiCorp Vault has it.
    List,
}

/// When a step is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The setting that decides.
    pub setting: String,
    /// The value it has; when absent: it is there, and neither false nor empty.
    #[serde(default)]
    pub is: Option<serde_json::Value>,
}

/// What a step is made for each of.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ForEach {
    /// The rows of an earlier step.
    Step(String),
    /// The items of a setting that is a list; `{ row = "" }` is the item.
    Setting {
        /// The setting.
        setting: String,
    },
}

/// Which rows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Only {
    /// A pointer into the row.
    pub at: String,
    /// The values there; when absent: something is there that is not null, false or empty.
    #[serde(default)]
    pub is: Vec<serde_json::Value>,
    /// The values that are not there.
    #[serde(default)]
    pub is_not: Vec<serde_json::Value>,
    /// Nothing is there.
    #[serde(default)]
    pub absent: bool,
}

/// Where the rows of a step go in the row they were asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The key: an array of the rows there, or what the answer says where `rows` is `document`.
    #[serde(rename = "as")]
    pub key: String,
    /// In a batch: the pointer into a row of this step …
    #[serde(default)]
    pub row: Option<String>,
    /// … whose value is the same as the one at this pointer of the row it belongs to.
    #[serde(default)]
    pub parent: Option<String>,
    /// Where the product says that there is no such thing (`nothing`), null goes there and not an empty list.
    #[serde(default)]
    pub none_is_null: bool,
}

/// What an answer is written in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// JSON.
    #[default]
    Json,
    /// One JSON document a line; each is a row.
    Jsonl,
    /// CSV with a header; each line is a row, an object of texts.
    Csv,
    /// XML; the root's content becomes an object: elements keys, repeated ones arrays, text strings, nothing null.
    Xml {
        /// Elements of this name are the items of the array that their parent is (`member`).
        #[serde(default)]
        item: Option<String>,
        /// Elements that are true or false.
        #[serde(default)]
        booleans: Vec<String>,
    },
}

/// A request that is repeated until its answer is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// Where the answer says how far it is.
    pub at: String,
    /// What it says when it is ready.
    pub until: Vec<String>,
    /// What it says while it is not. Anything else is a failure.
    #[serde(rename = "while")]
    pub going: Vec<String>,
    /// Time between two requests.
    #[serde(default = "two_seconds")]
    pub every: Duration,
    /// Time within which it has to be ready.
    #[serde(default = "ten_minutes")]
    pub within: Duration,
}

fn two_seconds() -> Duration {
    Duration::seconds(2)
}

fn ten_minutes() -> Duration {
    Duration::minutes(10)
}

/// How only what changed since the last pull is asked for. What was pulled before is kept, row by row, beside the store;
/// a pull gives the records of all rows, and now and then everything is asked for anew (`full_every` of a source), since
/// no product tells of everything that was deleted.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Incremental {
    /// The request says since when, by a value `{ since = … }`.
    Since {
        /// What a row is known by: pointers.
        key: Vec<String>,
        /// The pointer to the time of its last change; of several, the latest counts.
        #[serde(deserialize_with = "one_or_many")]
        at: Vec<String>,
        /// How much further back is asked, for rows that become visible late.
        #[serde(default = "ten_minutes")]
        overlap: Duration,
        /// Rows with an older time are let go. This is for events, which never change: they are not asked for anew when
        /// everything else is, since the product may not have them any more.
        #[serde(default)]
        keep: Option<Duration>,
        /// The product cannot be asked since when, but sends the newest first: no further page once an older row came.
        #[serde(default)]
        newest_first: bool,
    },
    /// The last answer holds an address that gives the changes from then on.
    Delta {
        /// What a row is known by: pointers.
        key: Vec<String>,
        /// Where the address is.
        link: String,
        /// A row where something stands at this pointer is gone.
        removed: String,
    },
}
