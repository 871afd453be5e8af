//! What Counterfoil says of itself over HTTP: whether it lives, whether it is ready, and its metrics.
//!
//! ```text
//! /healthz   200 as long as the process answers
//! /readyz    200, or 503 with the reasons; JSON
//! /metrics   OpenMetrics text
//! ```
//!
//! It only reads [`Status`], which whoever runs Counterfoil fills. Nobody signs in here, so it listens on this machine
//! alone unless told otherwise; and nothing can be changed through it.

mod metrics;
mod routes;
mod server;
mod status;

pub use metrics::{FindingCount, GrantCount, Metrics, SinkQueue, SourceState, SourceStatus};
pub use server::Server;
pub use status::{Readiness, Status};

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize;

/// `[serve]`: health, readiness and metrics over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// The address and port to listen on, `127.0.0.1:9187` when absent.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach. Nobody signs in, so whoever reaches it reads the
    /// names of systems and the number of findings in each.
    pub allow_remote: bool,
}

impl Default for Serve {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9187)), allow_remote: false }
    }
}

impl Serve {
    /// Whether it may listen there.
    ///
    /// # Errors
    /// When other machines could reach the address and that was not allowed.
    pub fn check(&self) -> Result<(), ServeError> {
        if self.allow_remote || self.listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(ServeError(format!(
            "`listen` = {}: other machines reach this address, and nobody signs in here: whoever reaches it reads the \
             names of systems and their findings; listen on 127.0.0.1 or [::1], behind a proxy that lets only those in \
             who may, or set `allow_remote = true` where the network does",
            self.listen
        )))
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
