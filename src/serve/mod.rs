//! What Counterfoil says over HTTP: whether it lives and is ready, its metrics, the pages that people read, and what programs
//! ask for.
//!
//! ```text
//! connection ─▶ server: limits ─▶ guard: which host, who, which role ─▶ routes ─┬─▶ /healthz /readyz /metrics
//!                                       ▲                                       ├─▶ pages/     HTML
//!                            tokens, sessions (sign_in/)                        ├─▶ api/       JSON ◀─ shelf: the store
//!                                                                               └─▶ decisions/ JSON ◀─ memory
//! ```
//!
//! Handlers read the store through connections of their own, and never stop a run. What they change (an exception, a held pull
//! let pass) is written as if it had been done at the command line, and the next run goes by it. Where nobody signs in, it
//! listens on this machine alone, and nothing can be changed.

mod act;
mod answer;
mod api;
mod ask;
mod chains;
mod decisions;
mod guard;
mod metrics;
mod openapi;
mod pages;
mod routes;
mod server;
mod shelf;
mod sign_in;
mod site;
mod status;
mod taken;

pub use decisions::{AccessRequest, Deciding};
pub use metrics::{FindingCount, GrantCount, Metrics, SinkQueue, SourceState, SourceStatus};
pub use server::Server;
pub use sign_in::{Oidc, Role, TokenEntry};
pub use site::{Facts, MakeSpool, Site};
pub use status::{Readiness, Status};

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize;

/// `[serve]`: pages, the interface for programs, health, readiness and metrics over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// The address and port to listen on, `127.0.0.1:9187` when absent.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach; people must sign in then. What is said is not encrypted: a
    /// proxy before it does that.
    pub allow_remote: bool,
    /// The address under which people reach it, such as `https://counterfoil.corp.example`: behind a proxy that is another
    /// one than `listen`.
    pub url: Option<String>,
    /// Who may sign in with a token.
    pub token: Vec<TokenEntry>,
    /// The identity provider that people sign in with.
    pub oidc: Option<Box<Oidc>>,
    /// Answers to *may this account use this right now?*
    pub decisions: Deciding,
}

impl Default for Serve {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9187));
        Self {
            listen,
            allow_remote: false,
            url: None,
            token: vec![],
            oidc: None,
            decisions: Deciding::default(),
        }
    }
}

impl Serve {
    /// Whether somebody must sign in.
    #[must_use]
    pub fn signs_in(&self) -> bool {
        !self.token.is_empty() || self.oidc.is_some()
    }

    /// Whether it may listen there.
    ///
    /// # Errors
    /// When other machines could reach the address and that was not allowed, or nobody would have to sign in.
    pub fn check(&self) -> Result<(), ServeError> {
        if let Some(url) = &self.url
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            return Err(ServeError(format!("`url` = {url:?}: expected https://HOST or http://HOST")));
        }
        if let Some(oidc) = &self.oidc {
            oidc.check(self.url.as_deref()).map_err(|e| ServeError(format!("[serve.oidc]: {e}")))?;
        }
        self.decisions.check(self.url.as_deref()).map_err(ServeError)?;
        if self.listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        if !self.signs_in() {
            return Err(ServeError(format!(
                "`listen` = {}: other machines reach this address, and nobody signs in here: whoever reaches it would read \
                 who holds what; add a [[serve.token]] with a name, a secret and roles, or [serve.oidc], or listen on 127.0.0.1 or [::1]",
                self.listen
            )));
        }
        if !self.allow_remote {
            return Err(ServeError(format!(
                "`listen` = {}: other machines reach this address, and what is said here, tokens too, is not encrypted; \
                 listen on 127.0.0.1 or [::1] behind a proxy that ends TLS, or set `allow_remote = true` where the network \
                 between the two is your own",
                self.listen
            )));
        }
        Ok(())
    }
}

/// Why nothing can be served.
#[derive(Debug)]
pub struct ServeError(String);

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}
