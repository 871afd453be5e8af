//! Whether somebody may accept a finding for a time: what every way of doing so goes by.

use crate::model::finding::Finding;
use crate::model::{Duration, Instant, norm};

/// An exception that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who would accept the finding.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Until when, exclusive.
    pub until: Instant,
}

/// How long a reason may be, in bytes.
pub const MAX_REASON: usize = 4096;

/// Why this exception cannot be; `None` when it can. `most` is how far ahead one may end.
#[must_use]
pub fn objection(asked: Asked<'_>, finding: &Finding<'_>, now: Instant, most: Duration) -> Option<String> {
    let Asked { by, reason, until } = asked;
    if until <= now {
        return Some(format!("its end {until} is not after now ({now})"));
    }
    if until > now.plus(most) {
        return Some(format!(
            "its end {until} is further ahead than an exception may reach: {most} ([alerts] max_exception)"
        ));
    }
    if reason.trim().is_empty() || by.trim().is_empty() {
        return Some("an exception has a reason and somebody who answers for it".to_owned());
    }
    if reason.len() > MAX_REASON {
        return Some(format!("its reason has {} bytes; at most {MAX_REASON}", reason.len()));
    }
    holds(by, finding).then(|| format!("{by} holds the access, and cannot accept it"))
}

/// Whether somebody holds the access that a finding is about.
#[must_use]
pub fn holds(who: &str, finding: &Finding<'_>) -> bool {
    finding.subject.as_ref().is_some_and(|s| norm(&s.id) == norm(who))
}
