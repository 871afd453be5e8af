//! Rows with their names resolved: what stands beside a row of the estate, in the same order.

use std::cmp::Ordering;

use super::super::estate::{Origin, Sym};
use super::super::names::Key;
use crate::model::record::{Attribution, Risk};
use crate::model::{Duration, Instant};

/// Who answers for an identity, and to whom it answers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Relations {
    pub(crate) owner: Option<Key>,
    pub(crate) manager: Option<Key>,
}

/// A grant's names, resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) subject: Key,
    pub(crate) system: Key,
    /// `None` when the system or the entitlement is ambiguous.
    pub(crate) entitlement: Option<Key>,
    /// The account in its normal form.
    pub(crate) account: Sym,
    pub(crate) granted_by: Option<Key>,
}

/// A request's names and times, resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) requester: Option<Key>,
    pub(crate) decided_at: Option<Instant>,
    pub(crate) start: Option<Instant>,
    pub(crate) end: Option<Instant>,
    /// Row of the policy it cites, where the catalogue has it.
    pub(crate) policy: Option<u32>,
    pub(crate) workflow: Option<u32>,
}

impl Asked {
    /// Whether the request, if approved, is in force then.
    pub(crate) fn in_force_at(&self, t: Instant) -> bool {
        self.start.is_none_or(|start| start <= t) && self.end.is_none_or(|end| t < end)
    }

    /// Whether it was decided after a revocation, if there was one.
    pub(crate) fn is_decided_after(&self, revoked: Option<Instant>) -> bool {
        revoked.is_none_or(|at| self.decided_at.is_some_and(|decided| decided > at))
    }

    /// How long it runs, where that is known.
    pub(crate) fn length(&self) -> Option<Duration> {
        self.end?.since(self.start?).or(Some(Duration::default()))
    }
}

/// An access item's names, resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) system: Key,
    pub(crate) entitlement: Option<Key>,
    /// Without a trailing `/*`; `None` covers any scope.
    pub(crate) scope: Option<Sym>,
}

/// Who said something on a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Say {
    pub(crate) approver: Option<Key>,
    pub(crate) on_behalf_of: Option<Key>,
}

/// Authority that somebody lent to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lent {
    pub(crate) from: Instant,
    pub(crate) until: Option<Instant>,
    pub(crate) origin: Origin,
}

/// What the catalogue says of an entitlement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Right {
    pub(crate) risk: Risk,
    pub(crate) owner: Option<Key>,
}

/// Use, merged over all that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Use {
    pub(crate) last: Option<Instant>,
    pub(crate) tracked_since: Option<Instant>,
    pub(crate) attribution: Option<Attribution>,
}

impl Use {
    /// Takes in what another source knows: the latest use, the earliest tracking.
    pub(crate) fn merge(&mut self, other: Self) {
        // How the latest use was attributed; of several at one instant the closest that is known. Which record came first
        // must not show.
        match other.last.cmp(&self.last) {
            Ordering::Greater => self.attribution = other.attribution,
            Ordering::Equal if self.last.is_some() || self.attribution.is_some() => {
                self.attribution = [self.attribution, other.attribution].into_iter().flatten().min();
            }
            _ => {}
        }
        self.last = self.last.max(other.last);
        self.tracked_since = match (self.tracked_since, other.tracked_since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Whether anything about use is known.
    pub(crate) fn is_known(&self) -> bool {
        self.last.is_some() || self.tracked_since.is_some()
    }
}

/// A policy's names, resolved.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) approvers: Vec<Selector>,
    /// System, and the entitlement where one is named (`Some(None)`: an ambiguous name, which is nothing).
    pub(crate) applies_to: Vec<(Key, Option<Option<Key>>)>,
}

/// Who may approve, resolved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Selector {
    Identity(Key),
    Group(Sym),
    Manager,
    IdentityOwner,
    SystemOwner,
    EntitlementOwner,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn uses_are_merged_alike_in_any_order(
            seen in prop::collection::vec((prop::option::of(0..3i64), prop::option::of(0..3i64), 0..4usize), 0..5),
            turn in 0..5usize,
        ) {
            let words = [None, Some(Attribution::Grant), Some(Attribution::Account), Some(Attribution::Credential)];
            let mut uses: Vec<Use> = seen
                .iter()
                .map(|(last, since, word)| Use {
                    last: last.map(Instant::from_unix_ms),
                    tracked_since: since.map(Instant::from_unix_ms),
                    attribution: words[*word],
                })
                .collect();
            let merged = |uses: &[Use]| {
                let mut all = Use::default();
                uses.iter().for_each(|one| all.merge(*one));
                format!("{all:?}")
            };
            let first = merged(&uses);
            let turn = turn.min(uses.len());
            uses.rotate_left(turn);
            prop_assert_eq!(&first, &merged(&uses));
            uses.reverse();
            prop_assert_eq!(&first, &merged(&uses));
        }
    }
}
