//! What is told together: people get one message for the fifty grants of one bad ticket.

use crate::model::event::hashed;
use crate::model::finding::Finding;

/// What a finding has in common with others that people are told of together with it: the check and the ticket; without
/// a ticket, the check, the system and who answers first. `None` for what is told alone.
#[must_use]
pub fn key(finding: &Finding<'_>) -> Option<String> {
    let of = |parts: &[&str]| Some(hashed("g1:", &serde_json::to_string(parts).unwrap_or_default()));
    if let Some(request) = &finding.request {
        return of(&[&finding.check, "request", &request.source, &request.id]);
    }
    let grant = finding.grant.as_ref()?;
    of(&[&finding.check, "system", &grant.system, owner(finding).unwrap_or_default()])
}

/// Who answers first, where somebody does.
#[must_use]
pub fn owner<'f>(finding: &'f Finding<'_>) -> Option<&'f str> {
    finding.accountable.iter().filter(|a| a.primary).find_map(|a| a.identity.as_deref())
}
