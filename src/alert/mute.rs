//! Mutes: what people are not told for a while. Every one has an owner, a reason and an end; machines are told all the
//! same, and when a mute ends, what still holds is told after all.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::event::Event;
use crate::model::finding::Severity;
use crate::model::{Instant, norm};

/// `[[mute]]`: an event is muted when it fits every line that is given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Who answers for the silence.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when (RFC 3339 with an offset), exclusive.
    #[schemars(with = "String")]
    pub until: Instant,
    /// These checks.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Grants on these systems.
    #[serde(default)]
    pub systems: Vec<String>,
    /// At most this severity.
    pub max_severity: Option<Severity>,
    /// These findings, by id.
    #[serde(default)]
    pub findings: Vec<String>,
}

impl Mute {
    fn fits(&self, event: &Event<'_>) -> bool {
        let f = &event.finding;
        let on = |s: &String| f.grant.as_ref().is_some_and(|g| norm(&g.system) == norm(s));
        (self.checks.is_empty() || self.checks.iter().any(|c| *c == f.check))
            && (self.systems.is_empty() || self.systems.iter().any(on))
            && (self.findings.is_empty() || self.findings.contains(&f.id))
            && self.max_severity.is_none_or(|most| f.severity <= most)
    }

    /// What is wrong with it; `None` when nothing is.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let everything = self.checks.is_empty()
            && self.systems.is_empty()
            && self.findings.is_empty()
            && self.max_severity.is_none();
        match () {
            () if self.owner.trim().is_empty() => Some("`owner` is empty: somebody answers for a mute"),
            () if self.reason.trim().is_empty() => Some("`reason` is empty: a mute has a reason"),
            () if everything => {
                Some("it would mute everything; say `checks`, `systems`, `findings` or `max_severity`")
            }
            () => None,
        }
    }
}

/// Until when an event is muted; `None` when it is not.
#[must_use]
pub fn muted_until(mutes: &[Mute], event: &Event<'_>, now: Instant) -> Option<Instant> {
    mutes.iter().filter(|m| now < m.until && m.fits(event)).map(|m| m.until).max()
}
