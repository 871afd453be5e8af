//! What a map says about what includes what: read strictly, since a word that is passed over would be access that nobody
//! sees.

use crate::connect::record;
use crate::model::Instant;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

use super::names::{Name, Names};

/// The keys an edge may have beside `type`, and those of them that a grant has too.
const KEYS: [&str; 9] = [
    "system",
    "entitlement",
    "scope",
    "gives",
    "granted_at",
    "granted_at_basis",
    "granted_by",
    "expires_at",
    "mode",
];

/// Holds an edge to its form: its fields are those of a grant, and so is what it gives.
///
/// # Errors
/// What is wrong with it.
pub fn check(edge: &Map<String, Value>) -> Result<(), String> {
    let fault = |message: &str| Err(format!("the map made an `includes` {message}"));
    if let Some(key) = edge.keys().find(|key| *key != "type" && !KEYS.contains(&key.as_str())) {
        return fault(&format!("with `{key}`: expected only {}", KEYS.join(", ")));
    }
    if edge.get("scope").and_then(Value::as_str) == Some("") {
        return fault("whose `scope` is empty: leave it out where any scope will do");
    }
    let Some(gives) = edge.get("gives").and_then(Value::as_object) else {
        return fault("without `gives`, the object that says what comes with it");
    };
    if let Some(key) = gives.keys().find(|key| !["system", "entitlement", "scope"].contains(&key.as_str())) {
        return fault(&format!("that gives `{key}`: expected only system, entitlement, scope"));
    }
    let mut given = gives.clone();
    if given.get("system").is_none_or(Value::is_null) {
        given.insert("system".into(), edge.get("system").cloned().unwrap_or_default());
    }
    for (fields, of) in [(edge, "includes"), (&given, "includes: gives")] {
        let mut grant = fields.clone();
        grant.remove("gives");
        grant.insert("type".into(), json!("grant"));
        grant.insert("account".into(), json!(""));
        record::validate(&record::line(&grant)).map_err(|message| format!("{of}: {message}"))?;
    }
    Ok(())
}

/// Since when, until when and how something is held: a grant, an edge, or both one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Since when, where that is known.
    pub granted: Option<Granted>,
    /// When it ends by itself.
    pub expires_at: Option<Instant>,
    /// It has to be activated first.
    pub eligible: bool,
}

/// When something was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// When.
    pub at: Instant,
    /// How that is known.
    pub basis: Option<Basis>,
    /// Who did it.
    pub by: Option<Name>,
}

/// How a time is known, the most certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// An event says it.
    Event,
    /// The state says it.
    State,
    /// First seen then.
    FirstSeen,
}

impl Basis {
    /// As a record has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::State => "state",
            Self::FirstSeen => "first_seen",
        }
    }
}

impl Terms {
    /// Those of a grant or an edge that is known to be well formed.
    pub fn read(object: &Map<String, Value>, texts: &mut Names) -> Self {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let instant = |key: &str| text(key).and_then(|text| text.parse::<Instant>().ok());
        let granted = instant("granted_at").map(|at| Granted {
            at,
            basis: match text("granted_at_basis") {
                Some("event") => Some(Basis::Event),
                Some("state") => Some(Basis::State),
                Some("first_seen") => Some(Basis::FirstSeen),
                _ => None,
            },
            by: text("granted_by").map(|by| texts.add(by)),
        });
        Self { granted, expires_at: instant("expires_at"), eligible: text("mode") == Some("eligible") }
    }

    /// Of what is held through this and then through `next`: since the later of the two, where both are known; until the
    /// earlier; active where both are.
    pub fn then(self, next: Self) -> Self {
        let granted = match (self.granted, next.granted) {
            (Some(first), Some(second)) => Some(match second.at.cmp(&first.at) {
                Ordering::Greater => second,
                Ordering::Less => first,
                // Of two that say the same time, the one that knows it better.
                Ordering::Equal if second.certainty() < first.certainty() => second,
                Ordering::Equal => first,
            }),
            _ => None,
        };
        let expires_at = match (self.expires_at, next.expires_at) {
            (Some(first), Some(second)) => Some(first.min(second)),
            (first, second) => first.or(second),
        };
        Self { granted, expires_at, eligible: self.eligible || next.eligible }
    }

    /// Which of two ways from one to the same comes first: the one that gives more, then the older; so that it does not
    /// matter which was read first.
    pub fn compare(&self, other: &Self, texts: &Names) -> Ordering {
        let end = |terms: &Self| terms.expires_at.unwrap_or(Instant::MAX);
        let start = |terms: &Self| {
            let granted = terms.granted?;
            Some((granted.at, granted.certainty(), granted.by.map(|by| texts.text(by))))
        };
        self.eligible
            .cmp(&other.eligible)
            .then_with(|| end(other).cmp(&end(self)))
            .then_with(|| start(self).is_none().cmp(&start(other).is_none()))
            .then_with(|| start(self).cmp(&start(other)))
    }
}

impl Granted {
    /// How certain it is, the most certain first.
    fn certainty(self) -> (bool, Option<Basis>) {
        (self.basis.is_none(), self.basis)
    }
}
