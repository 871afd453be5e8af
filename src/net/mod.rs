//! How this program speaks to others, whether it asks them or tells them: which addresses it goes to, whom it trusts, which
//! way out it takes, and what is never said of it.

use std::fmt;

pub mod guard;
pub mod http;
mod rest;
pub mod tls;

pub use guard::Guard;
pub use http::{Connection, Hidden, Web, causes, why};
pub use rest::retry_after;

/// Why nothing can be reached: a setting is wrong. Never holds a secret.
#[derive(Debug)]
pub struct NetError(pub String);

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NetError {}
