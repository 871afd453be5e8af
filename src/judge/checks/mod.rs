//! The checks: one file each, one line here each. A file's `//!` text is the check's page.

use super::case::{Case, RequestCase, SourceCase, Telling};
use super::estate::Sym;
use super::names::Key;
use super::weigh::Moment;
use crate::model::finding::{Role, Severity};
use crate::model::record::{Intent, State};

/// One check: what it is called, how bad it is, who answers, when it fires and what it says.
#[derive(Debug)]
pub struct Check {
    /// Its name in findings and configuration.
    pub name: &'static str,
    /// Its title, for a person.
    pub title: &'static str,
    /// How bad it is, before configuration and the entitlement's risk.
    pub severity: Severity,
    /// The role that answers first.
    pub primary: Role,
    /// What would clear it.
    pub remediation: &'static str,
    pub(crate) rule: Rule,
    page: &'static str,
}

/// Is told the item and the beneficiary at fault.
pub(crate) type Accuse<'a> = dyn FnMut(Option<u32>, Option<Key>) + 'a;

/// What a check looks at.
pub(crate) enum Rule {
    /// Each grant.
    Grant { fires: fn(&Case<'_>) -> bool, tell: fn(&Case<'_>) -> Telling },
    /// Each request; it may find several items and beneficiaries at fault.
    Request {
        fires: fn(&RequestCase<'_>, &mut Accuse<'_>),
        tell: fn(&RequestCase<'_>, Option<u32>, Option<Key>) -> Telling,
    },
    /// Each ambiguous alias: there is nothing to decide.
    Alias { tell: fn(&Moment<'_>, Sym) -> Telling },
    /// Each source.
    Source { fires: fn(&SourceCase<'_>) -> bool, tell: fn(&SourceCase<'_>) -> Telling },
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Grant { .. } => "Grant",
            Self::Request { .. } => "Request",
            Self::Alias { .. } => "Alias",
            Self::Source { .. } => "Source",
        })
    }
}

impl Check {
    /// The page: Markdown, made of the doc comment at the head of the check's file.
    #[must_use]
    pub fn page(&self) -> String {
        let lines = self.page.lines().map_while(|l| l.strip_prefix("//!"));
        lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).flat_map(|l| [l, "\n"]).collect()
    }
}

macro_rules! checks {
    ($($name:ident)*) => {
        $(pub(super) mod $name;)*
        /// All checks, in the order of their names.
        static ALL: &[&Check] = &[$(&$name::CHECK),*];
    };
}

checks! {
    access_resurrected
    agent_without_expiry
    ambiguous_identity
    approval_expired
    approval_not_fulfilled
    approver_inactive
    approver_not_authorised
    changed_after_approval
    cited_ticket_invalid
    delegation_invalid
    denied_grant
    departed_identity
    emergency_not_ratified
    expiry_not_enforced
    granted_before_approval
    insufficient_approvals
    missing_approver
    missing_justification
    missing_owner
    missing_policy_basis
    missing_review_date
    orphan_account
    ownerless_identity
    pending_grant
    policy_violated
    review_overdue
    revocation_failed
    revocation_overdue
    scope_exceeded
    self_approval
    source_incomplete
    stale_approval
    unapproved_grant
    unknown_policy_basis
    unreconcilable_request
    unused_grant
    usage_unknown
    used_after_end
}

/// All checks, in the order of their names.
pub fn all() -> impl ExactSizeIterator<Item = &'static Check> + Clone {
    ALL.iter().copied()
}

/// The check of a name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Check> {
    all().find(|c| c.name == name)
}

fn is_approved_grant(case: &RequestCase<'_>) -> bool {
    case.request.state == State::Approved && case.request.intent == Intent::Grant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_38_in_order_of_their_names_and_each_has_its_page() {
        let names: Vec<_> = all().map(|c| c.name).collect();
        assert_eq!(names.len(), 38);
        assert!(names.is_sorted());
        for check in all() {
            let page = check.page();
            assert!(page.starts_with(&format!("# {}\n", check.name)), "{}", check.name);
            for part in
                ["What it does", "Why it matters", "Who answers", "Example", "How to clear it", "Settings"]
            {
                assert!(page.contains(&format!("\n## {part}\n")), "{}: {part}", check.name);
            }
            assert!(check.title.len() <= 60 && check.remediation.ends_with('.'), "{}", check.name);
        }
    }
}
