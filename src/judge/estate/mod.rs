//! The estate: all records of one run as compact rows, duplicates settled.
//!
//! [`Builder::add`] takes records in any order; [`Builder::finish`] settles what the order must not decide and
//! hands over an [`Estate`] that does not change any more.

mod build;
mod intern;
mod keyed;
mod moved;
mod rows;

pub use build::{Builder, Fetch, Locator, TieError};
pub use intern::{Interner, Sym};
pub(crate) use rows::*;

/// All records of one run.
#[derive(Debug, Default)]
pub struct Estate {
    pub(crate) names: Interner,
    pub(crate) identities: Vec<IdentityRow>,
    pub(crate) systems: Vec<SystemRow>,
    pub(crate) workflows: Vec<WorkflowRow>,
    pub(crate) entitlements: Vec<EntitlementRow>,
    pub(crate) policies: Vec<PolicyRow>,
    pub(crate) delegations: Vec<DelegationRow>,
    pub(crate) requests: Vec<RequestRow>,
    pub(crate) grants: Vec<GrantRow>,
    pub(crate) usages: Vec<UsageRow>,
    /// In the order of the uses where it is asked for, and empty elsewhere: there may be as many uses as grants, and the
    /// judge never looks at this.
    pub(crate) usages_cited: Vec<Cited>,
    pub(crate) certifications: Vec<CertificationRow>,
    pub(crate) exceptions: Vec<ExceptionRow>,
    pub(crate) snapshots: Vec<SnapshotRow>,
    pub(crate) evidence: Vec<EvidenceRow>,
    /// Systems on which grants are held that this part of an estate does not show.
    pub(crate) held_elsewhere: Vec<Sym>,
    /// Whether there are identities that belong to another part of the estate.
    pub(crate) identities_elsewhere: bool,
    pub(crate) pools: Pools,
    /// Records that lost against another of the same key and were not the same as it.
    pub(crate) dropped: u64,
}

/// Lists of all rows, one pool for each kind of item.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pub(crate) names: Vec<Sym>,
    pub(crate) beneficiaries: Vec<Sym>,
    pub(crate) accounts: Vec<(Sym, Sym)>,
    pub(crate) items: Vec<ItemRow>,
    pub(crate) approvals: Vec<ApprovalRow>,
    pub(crate) changes: Vec<ChangeRow>,
    pub(crate) steps: Vec<StepRow>,
}

impl Estate {
    /// The text of a name.
    pub(crate) fn text(&self, sym: Sym) -> &str {
        self.names.get(sym)
    }

    /// How many differing records of the same key were dropped in favour of another.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many grants there are.
    #[must_use]
    pub fn grant_count(&self) -> usize {
        self.grants.len()
    }

    /// How many requests there are.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.requests.len()
    }
}
