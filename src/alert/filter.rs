//! What a sink is told of, and who reads it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::finding::{Finding, Severity};
use crate::model::norm;

/// Who reads a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Programs: every event, each alone, in order, from the first run on.
    Machines,
    /// People: grouped, muted where configured, and one digest in place of the first run's events.
    People,
}

/// `[sink.filter]`: a finding passes when it fits every line that is given. What a sink was told of once it is told on, until
/// that is resolved, though the finding no longer passes: whoever opened a case can close it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// At least this severity.
    pub min_severity: Option<Severity>,
    /// One of these checks.
    pub checks: Vec<String>,
    /// None of these checks.
    pub except_checks: Vec<String>,
    /// A grant on one of these systems; findings about requests, names and sources pass only without this line.
    pub systems: Vec<String>,
    /// The person who answers first is one of these, or of these teams (`team:NAME`).
    pub owners: Vec<String>,
    /// Only what no other sink with `owners` takes: so that nothing falls between the desks.
    pub unrouted: bool,
}

impl Filter {
    /// Whether the filter, apart from `unrouted`, lets what is said of this finding pass. `is_member` says whether a person
    /// belongs to a team, both in their normal form.
    #[must_use]
    pub fn passes(&self, finding: &Finding<'_>, is_member: &dyn Fn(&str, &str) -> bool) -> bool {
        self.min_severity.is_none_or(|least| finding.severity >= least)
            && (self.checks.is_empty() || self.checks.iter().any(|c| *c == finding.check))
            && !self.except_checks.iter().any(|c| *c == finding.check)
            && (self.systems.is_empty() || self.systems.iter().any(|s| is_on(finding, s)))
            && (self.owners.is_empty() || self.takes_owner(finding, is_member))
    }

    /// Whether somebody who answers first for a finding is among the owners.
    #[must_use]
    pub fn takes_owner(&self, finding: &Finding<'_>, is_member: &dyn Fn(&str, &str) -> bool) -> bool {
        let primary = finding.accountable.iter().filter(|a| a.primary).filter_map(|a| a.identity.as_deref());
        let mut primary = primary.map(norm);
        primary.any(|who| {
            self.owners.iter().any(|owner| match owner.strip_prefix("team:") {
                Some(team) => is_member(&who, &norm(team)),
                None => norm(owner) == who,
            })
        })
    }
}

fn is_on(finding: &Finding<'_>, system: &str) -> bool {
    finding.grant.as_ref().is_some_and(|g| norm(&g.system) == norm(system))
}
