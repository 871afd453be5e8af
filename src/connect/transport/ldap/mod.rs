//! ldap: a directory, asked by searches (RFC 4511), page by page (RFC 2696).
//!
//! The protocol is spoken by a few pages of our own: what a server sends is hostile until it was looked at, before TLS even
//! from anyone on the way, and must neither bring the program down nor fill its memory. `ber` reads elements, `message`
//! messages, `wire` is the connection, `filter` writes filters, `entry` makes rows, `search` asks what the manifest
//! says, `said` puts results into words.
//!
//! What is not whole is said to be so: a limit of the server or of ours, a connection that broke, a place the server sends
//! on to, a search that may not be made. What came until then is kept.

mod ber;
mod entry;
mod filter;
mod message;
mod said;
mod search;
mod wire;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Ask, Fetched, block_on};
use crate::connect::error::PullError;
use crate::model::Duration;
use crate::secret::SecretRef;

/// `[source.ldap]`: a directory, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Where it is: `ldaps://HOST` or `ldap://HOST`, with `:PORT` where it is not 636 or 389. What is searched stands in
    /// the settings of the connector.
    pub url: String,
    /// Go over to TLS on an `ldap://` connection before anything else is said.
    #[serde(default)]
    pub start_tls: bool,
    /// How this program says who it is.
    pub bind: Bind,
    /// A PEM file with the certificates of your own authority; then no other is trusted.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A PEM file with this program's certificate, and what leads to its authority.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    #[serde(default)]
    pub key: Option<SecretRef>,
    /// The name the server's certificate must carry; the host in `url` when absent.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Whether the directory may be on this machine or in a private network. Link-local addresses and the metadata services
    /// of clouds are out of reach whatever this says.
    #[serde(default)]
    pub allow_private: bool,
    /// Whether it may be spoken to without TLS, so that anyone on the way can read and change what is said, a password
    /// included.
    #[serde(default)]
    pub allow_plain: bool,
    /// How long one answer may take, as an ISO 8601 duration; a minute when absent.
    #[schemars(with = "String")]
    #[serde(default = "minute")]
    pub timeout: Duration,
    /// How long the whole pull may take; an hour when absent.
    #[schemars(with = "String")]
    #[serde(default = "hour")]
    pub deadline: Duration,
    /// How many entries are asked for at a time.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = 10_000))]
    pub page_size: u32,
    /// The most entries of a pull; with more it is not complete.
    #[serde(default = "entries")]
    pub max_entries: u64,
    /// DNs to which the directory may send on without the pull being incomplete: parts of it that are another source.
    #[serde(default)]
    pub other_sources: Vec<String>,
}

/// How this program says who it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Bind {
    /// It does not: what everyone may read.
    None,
    /// As the name in its TLS certificate (SASL EXTERNAL).
    External,
    /// With a name and a password.
    Simple {
        /// The DN of its account; Active Directory also takes `name@corp.example`.
        dn: String,
        /// The password.
        password: SecretRef,
    },
}

fn minute() -> Duration {
    Duration::minutes(1)
}

fn hour() -> Duration {
    Duration::hours(1)
}

fn page() -> u32 {
    500
}

fn entries() -> u64 {
    5_000_000
}

impl Site {
    /// What cannot be meant. `secure`: the address begins with `ldaps://`.
    fn check(&self, secure: bool) -> Result<(), String> {
        if secure && self.start_tls {
            return Err("`start_tls`: ldaps:// is TLS from the start; take one of the two out".to_owned());
        }
        if !(1..=10_000).contains(&self.page_size) {
            return Err(format!("`page_size` is {}: expected 1 to 10000", self.page_size));
        }
        if self.timeout.ms() <= 0 || self.deadline.ms() <= 0 {
            return Err("`timeout` and `deadline`: expected more than no time".to_owned());
        }
        if secure || self.start_tls {
            if self.bind == Bind::External && self.certificate_file.is_none() {
                return Err("`bind = \"external\"` needs `certificate_file` and `key`".to_owned());
            }
            return Ok(());
        }
        if !self.allow_plain {
            return Err(
                "`url`: ldap:// can be read and changed by anyone on the way; use ldaps:// or `start_tls = true`, or set `allow_plain = true`"
                    .to_owned(),
            );
        }
        let given = [
            ("ca_file", self.ca_file.is_some()),
            ("certificate_file", self.certificate_file.is_some()),
            ("key", self.key.is_some()),
            ("server_name", self.server_name.is_some()),
            ("bind = \"external\"", self.bind == Bind::External),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => {
                Err(format!("`{name}` says nothing without TLS; take it out, or use ldaps://"))
            }
            None => Ok(()),
        }
    }
}

/// Asks everything the manifest says.
///
/// # Errors
/// When nothing could be had, or whoever watches broke it off.
pub fn fetch(ask: &Ask<'_>, site: &Site) -> Result<Fetched, PullError> {
    block_on(search::fetch(ask, site))
}

/// Looks for the entry at which the first search starts.
///
/// # Errors
/// What does not work, and which permission would make it.
pub fn probe(ask: &Ask<'_>, site: &Site) -> Result<(), PullError> {
    block_on(search::probe(ask, site))
}
