//! Which findings keep still while a source is in doubt: what it does not show proves nothing, in either direction.

use crate::model::{RecordType as T, norm};

/// A source that is stale, partial, failed or held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Its id.
    pub source: String,
    /// The record types it provides.
    pub provides: Vec<T>,
    /// The systems whose grants it provides, in their normal form; all when empty.
    pub systems: Vec<String>,
    /// Whether what it shows may be believed, though not what it lacks: it was never whole, and what there is of it has
    /// been judged with that in mind.
    pub shows: bool,
}

/// The record types that a check's answer rests on, beside the catalogue.
#[must_use]
pub fn rests_on(check: &str) -> &'static [T] {
    match check {
        "source-incomplete" => &[],
        "ambiguous-identity" => &[T::Identity],
        "departed-identity" | "orphan-account" | "ownerless-identity" => &[T::Grant, T::Identity],
        "unused-grant" | "usage-unknown" => &[T::Grant, T::Usage, T::Identity, T::Entitlement],
        "used-after-end" => &[T::Grant, T::Request, T::Identity, T::Certification, T::Usage],
        _ => &[
            T::Grant,
            T::Request,
            T::Identity,
            T::Certification,
            T::Policy,
            T::Delegation,
            T::Entitlement,
            T::System,
            T::Workflow,
        ],
    }
}

/// Whether a finding of this check on this system must keep still. `appears`: it is there now, and was not before or
/// not like this; otherwise it is no longer there.
#[must_use]
pub fn is_frozen(check: &str, system: Option<&str>, appears: bool, doubts: &[Doubt]) -> bool {
    let rests = rests_on(check);
    doubts.iter().filter(|d| !(appears && d.shows)).any(|d| {
        d.provides.iter().any(|t| match t {
            // Grants of another system do not matter.
            T::Grant => rests.contains(t) && touches(d, system),
            _ => rests.contains(t),
        })
    })
}

fn touches(doubt: &Doubt, system: Option<&str>) -> bool {
    doubt.systems.is_empty() || system.is_none_or(|s| doubt.systems.iter().any(|d| **d == *norm(s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(provides: &[T], systems: &[&str], shows: bool) -> Doubt {
        let systems = systems.iter().map(|s| (*s).to_owned()).collect();
        Doubt { source: "s".to_owned(), provides: provides.to_vec(), systems, shows }
    }

    #[test]
    fn only_what_rests_on_the_source_keeps_still() {
        let tickets = [doubt(&[T::Request], &[], false)];
        assert!(is_frozen("unapproved-grant", Some("aws"), true, &tickets));
        assert!(is_frozen("unapproved-grant", Some("aws"), false, &tickets));
        assert!(
            !is_frozen("departed-identity", Some("aws"), true, &tickets),
            "who left is not said in tickets"
        );
        let github = [doubt(&[T::Grant], &["github"], false)];
        assert!(is_frozen("unapproved-grant", Some(" GitHub"), false, &github));
        assert!(!is_frozen("unapproved-grant", Some("aws"), false, &github));
        assert!(!is_frozen("source-incomplete", None, true, &github), "the one thing that is said");
    }

    #[test]
    fn a_source_that_never_was_whole_still_shows_what_it_shows() {
        let partial = [doubt(&[T::Grant], &[], true)];
        assert!(!is_frozen("unapproved-grant", Some("aws"), true, &partial));
        assert!(is_frozen("unapproved-grant", Some("aws"), false, &partial), "what it lacks proves nothing");
    }

    #[test]
    fn every_check_rests_on_something_or_is_about_sources() {
        for check in ["unapproved-grant", "approval-not-fulfilled", "unreconcilable-request", "usage-unknown"]
        {
            assert!(!rests_on(check).is_empty());
        }
    }
}
