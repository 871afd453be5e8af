//! The words of `stub.toml`; README.md beside this says what each means.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::paging::Page;
use super::rule::{Rule, TimeAs};
use super::spot::{Place, Spot};

/// `stub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    #[allow(dead_code, reason = "for those who read the file")]
    pub product: String,
    #[allow(dead_code, reason = "for those who read the file")]
    pub docs: Vec<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub bases: BTreeMap<String, Base>,
    pub auth: Vec<Auth>,
    #[serde(default)]
    pub answers: Answers,
    #[serde(default)]
    pub rows: BTreeMap<String, RowFile>,
    #[serde(rename = "operation")]
    pub operations: Vec<Operation>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Base {
    /// What the address of the base has as its path.
    pub root: String,
    pub service: Option<String>,
    pub region: Option<String>,
}

/// `[[auth]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub kind: Kind,
    #[serde(default = "authorization")]
    pub header: String,
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub base: Option<String>,
    #[serde(default)]
    pub scope: Option<String>,
    #[serde(default = "an_hour")]
    pub lifetime: u64,
    #[serde(default)]
    pub algorithm: Algorithm,
    #[serde(default)]
    pub thumbprint: bool,
    #[serde(default)]
    pub secret_in: SecretIn,
    #[serde(default)]
    pub form: BTreeMap<String, String>,
    #[serde(default)]
    pub assume: Option<String>,
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn an_hour() -> u64 {
    3600
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    None,
    Basic,
    Bearer,
    Key,
    ClientCredentials,
    PrivateKeyJwt,
    ServiceAccount,
    Aws,
    GithubApp,
}

impl Kind {
    /// Whether requests carry a token that was asked for before, and that can run out.
    pub fn has_tokens(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::PrivateKeyJwt | Self::ServiceAccount | Self::GithubApp)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Algorithm {
    #[default]
    RS256,
    PS256,
    ES256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretIn {
    #[default]
    Form,
    Header,
}

/// `[answers]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    pub unauthorised: Option<Failure>,
    pub denied: Option<Failure>,
    pub missing: Option<Failure>,
    pub bad: Option<Failure>,
    pub throttled: Several,
    pub broken: Several,
}

/// One answer, or several that are used in turn.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Several {
    Several(Vec<Failure>),
    One(Box<Failure>),
}

impl Default for Several {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Several {
    pub fn all(&self) -> &[Failure] {
        match self {
            Self::Several(all) => all,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

/// An answer that is none.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Failure {
    pub status: Option<u16>,
    pub headers: BTreeMap<String, String>,
    pub content_type: Option<String>,
    pub body: Value,
}

/// `[rows."FILE"]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RowFile {
    pub required: Vec<String>,
    pub ids: Vec<String>,
    pub maps: Vec<String>,
    /// So many rows are always there.
    pub always: usize,
}

/// `[[operation]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    pub name: String,
    #[serde(default)]
    pub steps: Vec<String>,
    #[serde(default = "get")]
    pub method: String,
    #[serde(default)]
    pub base: Option<String>,
    pub path: String,
    #[serde(default)]
    pub permission: Option<String>,
    #[serde(default)]
    pub values: BTreeMap<String, Rule>,
    #[serde(default)]
    pub query: BTreeMap<String, Rule>,
    #[serde(default)]
    pub headers: BTreeMap<String, Rule>,
    #[serde(default)]
    pub body: BTreeMap<String, Rule>,
    #[serde(default)]
    pub form: BTreeMap<String, Rule>,
    pub rows: Rows,
    #[serde(default, rename = "filter")]
    pub filters: Vec<Filter>,
    #[serde(default)]
    pub answer: Answer,
    #[serde(default)]
    pub page: Page,
    #[serde(default)]
    pub delta: Option<Delta>,
    #[serde(default)]
    pub job: Option<Job>,
    #[serde(default)]
    pub answers: Answers,
}

fn get() -> String {
    "GET".to_owned()
}

impl Operation {
    /// The steps of the manifest that make it.
    pub fn steps(&self) -> Vec<&str> {
        if self.steps.is_empty() {
            return vec![&self.name];
        }
        self.steps.iter().map(String::as_str).collect()
    }

    /// The base it is on.
    pub fn base<'s>(&'s self, bases: &'s [String]) -> &'s str {
        self.base.as_deref().unwrap_or_else(|| first(bases))
    }
}

/// The base that is meant where none is named.
pub fn first(bases: &[String]) -> &str {
    bases.iter().find(|base| *base == "main").or(bases.first()).map_or("main", String::as_str)
}

/// Where the rows of an operation come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Rows {
    File(String),
    Of(Of),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    pub file: String,
    #[serde(default)]
    pub by: By,
    #[serde(default)]
    pub pattern: Option<String>,
    #[serde(default)]
    pub split: Option<String>,
    #[serde(default)]
    pub absent: Option<u16>,
    #[serde(default)]
    pub lists: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum By {
    One(Spot),
    Several(Vec<Spot>),
}

impl Default for By {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl By {
    pub fn spots(&self) -> &[Spot] {
        match self {
            Self::One(spot) => std::slice::from_ref(spot),
            Self::Several(spots) => spots,
        }
    }
}

impl Rows {
    pub fn file(&self) -> &str {
        match self {
            Self::File(file) => file,
            Self::Of(of) => &of.file,
        }
    }

    /// What kind of file it has to be.
    pub fn shape(&self) -> Shape {
        match self {
            Self::File(_) => Shape::Plain,
            Self::Of(of) if of.lists => Shape::Lists,
            Self::Of(of) if of.by.spots().is_empty() => Shape::Plain,
            Self::Of(_) => Shape::Keyed,
        }
    }
}

/// How a row file is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An array of rows, or a document.
    Plain,
    /// An object from keys to arrays of rows, or documents.
    Keyed,
    /// An object of lists.
    Lists,
}

/// `[[operation.filter]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(rename = "in")]
    pub spot: Spot,
    #[serde(default)]
    pub pattern: Option<String>,
    pub at: String,
    pub keeps: Keeps,
    #[serde(rename = "as", default)]
    pub format: Option<TimeAs>,
    #[serde(default)]
    pub split: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeps {
    From,
    After,
    Until,
    Before,
    Is,
    In,
}

/// `[operation.answer]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    pub format: Format,
    pub at: Option<String>,
    pub with: BTreeMap<Place, Value>,
    pub status: Option<u16>,
    pub headers: BTreeMap<String, String>,
    pub content_type: Option<String>,
    pub columns: Vec<String>,
    pub root: Option<String>,
    pub xmlns: Option<String>,
    pub item: Option<String>,
    pub etag: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    #[default]
    Json,
    Jsonl,
    Csv,
    Xml,
}

/// `[operation.delta]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    pub at: String,
    pub into: Spot,
    pub key: Vec<String>,
    pub removed: String,
    #[serde(default = "yes")]
    pub mark: Value,
    #[serde(default = "gone")]
    pub expired: u16,
}

fn yes() -> Value {
    Value::Bool(true)
}

fn gone() -> u16 {
    410
}

/// `[operation.job]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub calls: usize,
    pub at: String,
    pub going: String,
    pub done: String,
}
