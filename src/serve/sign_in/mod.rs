//! Who asks, and what that one may do.
//!
//! ```text
//! Authorization: Bearer …  ─▶ tokens ───┐
//! Cookie: session         ─▶ sessions ─┼─▶ caller: name, roles ─▶ handler
//! nobody configured       ─▶ reader ───┘
//!     ▲ attempts: who is wrong too often is not listened to
//! ```
//!
//! A program shows a token with each request. A person gives one once, or signs in with an identity provider, and is
//! remembered by a cookie; whatever that person then changes must carry the word that the page was given, so that no other
//! site can speak through the browser. Where no sign-in is configured, whoever reaches the address may read and change
//! nothing: it is this machine alone.

mod attempts;
pub mod oidc;
mod sessions;
mod tokens;

pub use attempts::{Attempts, Peer};
pub use oidc::{Oidc, Provider};
pub(super) use sessions::random;
pub use sessions::{COOKIE, Sessions};
pub use tokens::{TokenEntry, Tokens};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read pages, findings and metrics.
    Viewer,
    /// Read, and also accept findings for a time and let held pulls pass.
    Operator,
    /// Read, and also fetch reports and the evidence log.
    Auditor,
    /// Ask for decisions, and read nothing else.
    Decider,
}

impl Role {
    /// The word used everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Decider => "decider",
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To look.
    Read,
    /// To change something.
    Act,
    /// To fetch evidence.
    Audit,
    /// To ask for decisions.
    Decide,
}

impl Need {
    /// Whether a role is enough for it.
    #[must_use]
    pub fn is_met_by(self, role: Role) -> bool {
        match self {
            Self::Read => role != Role::Decider,
            Self::Act => role == Role::Operator,
            Self::Audit => matches!(role, Role::Auditor | Role::Operator),
            Self::Decide => role == Role::Decider,
        }
    }

    /// The roles that are enough for it, in words.
    #[must_use]
    pub fn roles(self) -> &'static str {
        match self {
            Self::Read => "viewer, operator or auditor",
            Self::Act => "operator",
            Self::Audit => "auditor or operator",
            Self::Decide => "decider",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A name for the evidence log and the page; `None` where nobody signs in.
    pub name: Option<String>,
    /// What that one may do.
    pub roles: Vec<Role>,
    /// The word that a form must carry; a program with a token needs none.
    pub csrf: Option<String>,
}

impl Caller {
    /// Whoever reaches the address where no sign-in is configured: reads, asks for decisions, and changes nothing.
    #[must_use]
    pub fn nobody() -> Self {
        Self { name: None, roles: vec![Role::Viewer, Role::Auditor, Role::Decider], csrf: None }
    }

    /// Whether that one may do this.
    #[must_use]
    pub fn may(&self, need: Need) -> bool {
        self.roles.iter().any(|role| need.is_met_by(*role))
    }
}
