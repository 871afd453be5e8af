//! The guard against mass changes: an empty list of grants would resolve everything, an empty list of tickets accuse
//! everyone. A pull that changes too much at once is held until somebody has looked.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::RecordType;
use crate::model::life::{Counts, Difference};

/// `[guard]`: a pull is held when it adds or takes away more than both. One that holds nothing where there was something is
/// held however little that was, unless `percent` is 100 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// This many records of one type,
    pub records: u64,
    /// and this part of the records of that type that there were, in percent.
    pub percent: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: 10, percent: 10 }
    }
}

/// Why a pull must be held; `None` lets it pass.
///
/// Records that have a key are counted one by one, so that another company's export of the same length is noticed too.
/// The others (a use, say, is another record after each use) by their number only.
#[must_use]
pub fn objection(difference: &Difference, limits: Limits) -> Option<String> {
    use RecordType as T;
    // What marks the end of a pull, and what accepts a finding, is nothing that anything is judged by.
    let judged = |kind: T| !matches!(kind, T::Snapshot | T::Exception);
    let sum = |of: fn(&Counts) -> u64| -> u64 {
        difference.of.iter().filter(|(kind, _)| judged(**kind)).map(|(_, c)| of(c)).sum()
    };
    let (before, now) = (sum(|c| c.before), sum(|c| c.now));
    if before > 0 && now == 0 && limits.percent < 100 {
        return Some(format!("all {before} records are gone; the export is empty"));
    }
    let too_many = |n: u64, before: u64| n > limits.records && n * 100 > before * limits.percent;
    difference.of.iter().find_map(|(kind, c)| {
        let keyed = !matches!(kind, T::Usage | T::Certification | T::Delegation | T::Exception | T::Snapshot);
        let (added, removed) = if keyed {
            (c.added, c.removed)
        } else {
            (c.now.saturating_sub(c.before), c.before.saturating_sub(c.now))
        };
        let what = match (too_many(removed, c.before), too_many(added, c.before)) {
            (true, _) => format!("{removed} of {} {} records are gone", c.before, kind.as_str()),
            (_, true) => format!("{added} {} records are new, to {} there were", kind.as_str(), c.before),
            _ => return None,
        };
        Some(format!("{what}, more than {} and {} % ([guard])", limits.records, limits.percent))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: RecordType, before: u64, added: u64, removed: u64) -> Difference {
        let counts = Counts { before, now: before + added - removed, added, removed, changed: 0 };
        Difference { of: [(kind, counts)].into() }
    }

    #[test]
    fn both_limits_must_be_passed_in_either_direction() {
        let held = |d: &Difference| objection(d, Limits::default()).is_some();
        assert!(held(&of(RecordType::Grant, 100, 0, 100)), "an empty pull");
        assert!(held(&of(RecordType::Request, 100, 11, 0)), "grown by more than 10 and 10 %");
        assert!(!held(&of(RecordType::Grant, 100, 0, 10)), "not more than ten rows");
        assert!(!held(&of(RecordType::Grant, 10, 0, 9)), "not more than ten rows");
        assert!(held(&of(RecordType::Grant, 1, 0, 1)), "nothing is left");
        assert!(!held(&of(RecordType::Snapshot, 2, 0, 2)), "only end marks");
        assert!(
            objection(&of(RecordType::Grant, 100, 0, 100), Limits { records: 10, percent: 100 }).is_none(),
            "the guard is off"
        );
        assert!(!held(&of(RecordType::Grant, 1000, 0, 100)), "not more than ten percent");
        assert!(held(&of(RecordType::Grant, 100, 50, 50)), "another company's list");
        assert!(!held(&of(RecordType::Usage, 100, 50, 50)), "uses are never the same twice");
        assert!(held(&of(RecordType::Usage, 100, 0, 50)));
        assert!(held(&of(RecordType::Grant, 0, 11, 0)), "from nothing to something, after a first good pull");
    }
}
