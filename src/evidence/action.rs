//! What people and the program did, as entries of the log: `{"schema":"counterfoil.action/1","action":…,"at":…,"by":…}`.

use serde::{Deserialize, Serialize};

use crate::model::Instant;
use crate::model::event::push_hash;

/// The schema name every action carries.
pub const ACTION_SCHEMA: &str = "counterfoil.action/1";

/// The program itself, where nobody else did it.
pub const PROGRAM: &str = "counterfoil";

/// An entry of the log that is neither an event nor a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Always [`ACTION_SCHEMA`].
    pub schema: String,
    /// When; of what is forgotten, before when it happened.
    pub at: Instant,
    /// Who; `null` where nobody said.
    pub by: Option<String>,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Deed {
    /// The log was begun on a store that held something: what is before this entry was there already.
    Begun {
        /// Events that were there.
        events: u64,
        /// Runs that were there.
        runs: u64,
        /// Exceptions that were there.
        exceptions: u64,
    },
    /// A finding was accepted for a time.
    Accepted {
        /// The finding.
        finding: String,
        /// Its check.
        check: String,
        /// Why.
        reason: String,
        /// Until when, exclusive.
        until: Instant,
    },
    /// A pull that was held was let pass.
    Approved {
        /// The run whose pull it was.
        run: u64,
        /// The source.
        source: String,
        /// How many records it had.
        before: u64,
        /// How many it has.
        now: u64,
    },
    /// The next checkpoints may be signed by this key.
    KeyAnnounced {
        /// The public key.
        key: String,
        /// Why.
        reason: String,
    },
    /// Old texts were forgotten as the configuration says; their hashes stay.
    Forgotten {
        /// How many entries.
        entries: u64,
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// Hex SHA-256 of their numbers in order, each as decimal digits and a line end.
        sha256: String,
    },
}

impl Action {
    /// An action.
    #[must_use]
    pub fn new(at: Instant, by: Option<&str>, deed: Deed) -> Self {
        Self { schema: ACTION_SCHEMA.to_owned(), at, by: by.map(str::to_owned), deed }
    }

    /// The text that is kept.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Deed {
    /// That these entries, in order, were forgotten; `None` when there are none.
    #[must_use]
    pub fn forgotten(entries: &[u64]) -> Option<Self> {
        let (first, last) = (*entries.first()?, *entries.last()?);
        let mut text = String::with_capacity(entries.len() * 8);
        for index in entries {
            text.push_str(&index.to_string());
            text.push('\n');
        }
        let mut sha256 = String::new();
        push_hash(&text, &mut sha256);
        Some(Self::Forgotten { entries: entries.len() as u64, first, last, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_as_it_was_written() {
        let at = Instant::from_unix_ms(0);
        let deed = Deed::forgotten(&[3, 4, 9]).unwrap();
        let action = Action::new(at, Some(PROGRAM), deed);
        let text = action.text();
        assert!(text.starts_with(r#"{"schema":"counterfoil.action/1","at":"1970-01-01T00:00:00Z","by":"counterfoil","action":"forgotten","entries":3,"first":3,"last":9,"sha256":""#), "{text}");
        assert_eq!(serde_json::from_str::<Action>(&text).unwrap(), action);
        assert_eq!(Deed::forgotten(&[]), None);
    }
}
