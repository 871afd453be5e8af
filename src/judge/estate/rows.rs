//! The records as rows: texts as numbers, lists as spans of shared pools. Small, because there may be ten
//! million of them.

use super::intern::Sym;
use crate::model::record::{
    Attribution, CertificationDecision, Decision, Intent, Kind, Mode, RecordType, Risk, State, Status,
};
use crate::model::{Duration, Instant};

/// A run of items in a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Moves items to the end of a pool and remembers where they are.
    pub(crate) fn of<T>(pool: &mut Vec<T>, items: impl IntoIterator<Item = T>) -> Self {
        let start = pool.len();
        pool.extend(items);
        Self::since(start, pool)
    }

    /// The same items where their pool was put behind another of this length.
    pub(super) fn shift(&mut self, by: u32) {
        self.start = self.start.saturating_add(by);
    }

    /// From here to the end of a pool.
    pub(super) fn since<T>(start: usize, pool: &[T]) -> Self {
        Self {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            len: u32::try_from(pool.len().saturating_sub(start)).unwrap_or(u32::MAX),
        }
    }

    /// The items, to be changed.
    pub(crate) fn within_mut<T>(self, pool: &mut [T]) -> &mut [T] {
        let start = self.start as usize;
        pool.get_mut(start..start + self.len as usize).unwrap_or(&mut [])
    }

    /// The items.
    pub(crate) fn within<T>(self, pool: &[T]) -> &[T] {
        let start = self.start as usize;
        pool.get(start..start + self.len as usize).unwrap_or(&[])
    }
}

/// What every row knows of where it came from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    pub observed_at: Option<Instant>,
    /// Row of the evidence table, plus one.
    pub evidence: Option<std::num::NonZeroU32>,
}

/// Where a row was seen whose origin is kept beside it.
#[derive(Debug, Clone, Copy)]
pub struct Cited(pub Origin);

#[derive(Debug)]
pub struct EvidenceRow {
    pub source: Option<Sym>,
    pub id: Option<Sym>,
    pub sha256: Option<Sym>,
    pub collected_at: Option<Instant>,
}

#[derive(Debug)]
pub struct IdentityRow {
    pub id: Sym,
    pub kind: Kind,
    pub status: Status,
    pub status_since: Option<Instant>,
    pub owner: Option<Sym>,
    pub manager: Option<Sym>,
    pub aliases: Span,
    pub accounts: Span,
    /// Group names in their normal form.
    pub groups: Span,
    pub origin: Origin,
}

#[derive(Debug)]
pub struct SystemRow {
    pub id: Sym,
    pub aliases: Span,
    pub owner: Option<Sym>,
    pub origin: Origin,
}

#[derive(Debug)]
pub struct WorkflowRow {
    pub id: Sym,
    pub owner: Option<Sym>,
    pub origin: Origin,
}

#[derive(Debug)]
pub struct EntitlementRow {
    pub system: Sym,
    pub id: Sym,
    pub aliases: Span,
    pub risk: Risk,
    pub owner: Option<Sym>,
    pub includes: Box<[IncludeRow]>,
    pub origin: Origin,
}

#[derive(Debug)]
pub struct IncludeRow {
    pub system: Option<Sym>,
    pub entitlement: Sym,
    pub scope: Option<Sym>,
}

#[derive(Debug, Clone, Copy)]
pub enum SelectorRow {
    Identity(Sym),
    /// In its normal form.
    Group(Sym),
    Manager,
    IdentityOwner,
    SystemOwner,
    EntitlementOwner,
}

#[derive(Debug)]
pub struct PolicyRow {
    pub id: Sym,
    pub in_force_from: Option<Instant>,
    pub in_force_until: Option<Instant>,
    pub max_ttl: Option<Duration>,
    pub review_every: Option<Duration>,
    pub approvers: Box<[SelectorRow]>,
    pub min_approvers: u32,
    pub applies_to: Box<[(Sym, Option<Sym>)]>,
    pub identity_kinds: Box<[Kind]>,
    pub origin: Origin,
}

impl PolicyRow {
    /// Whether it was in force then (half open).
    pub(crate) fn in_force_at(&self, t: Instant) -> bool {
        self.in_force_from.is_none_or(|from| from <= t) && self.in_force_until.is_none_or(|until| t < until)
    }
}

#[derive(Debug)]
pub struct DelegationRow {
    pub from: Sym,
    pub to: Sym,
    pub starts_at: Instant,
    pub ends_at: Option<Instant>,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy)]
pub struct ItemRow {
    pub system: Sym,
    pub entitlement: Sym,
    pub scope: Option<Sym>,
}

#[derive(Debug, Clone, Copy)]
pub struct ApprovalRow {
    pub approver: Option<Sym>,
    pub on_behalf_of: Option<Sym>,
    pub decided_at: Option<Instant>,
    pub decision: Decision,
}

#[derive(Debug, Clone, Copy)]
pub struct ChangeRow {
    pub at: Instant,
    pub by: Option<Sym>,
    pub field: Sym,
}

#[derive(Debug)]
pub struct RequestRow {
    pub source: Sym,
    pub id: Sym,
    pub url: Option<Sym>,
    pub requester: Option<Sym>,
    pub policy: Option<Sym>,
    pub workflow: Option<Sym>,
    pub beneficiaries: Span,
    pub access: Span,
    pub approvals: Span,
    pub changes: Span,
    pub requested_at: Option<Instant>,
    pub decided_at: Option<Instant>,
    pub valid_from: Option<Instant>,
    pub expires_at: Option<Instant>,
    pub ttl: Option<Duration>,
    pub review_by: Option<Instant>,
    pub completed_at: Option<Instant>,
    pub state: State,
    pub intent: Intent,
    pub emergency: bool,
    pub justified: bool,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepRow {
    pub system: Option<Sym>,
    pub entitlement: Sym,
}

#[derive(Debug, Clone, Copy)]
pub struct GrantRow {
    pub system: Sym,
    pub account: Sym,
    pub entitlement: Sym,
    pub scope: Option<Sym>,
    pub path: Span,
    pub granted_by: Option<Sym>,
    pub ticket: Option<Sym>,
    pub granted_at: Option<Instant>,
    pub expires_at: Option<Instant>,
    pub last_used_at: Option<Instant>,
    pub usage_tracked_since: Option<Instant>,
    pub use_attribution: Option<Attribution>,
    pub mode: Mode,
    pub origin: Origin,
}

#[derive(Debug)]
pub struct UsageRow {
    pub system: Sym,
    pub account: Sym,
    pub entitlement: Option<Sym>,
    pub last_used_at: Option<Instant>,
    pub tracked_since: Option<Instant>,
    pub attribution: Option<Attribution>,
}

#[derive(Debug)]
pub struct CertificationRow {
    pub system: Sym,
    pub account: Sym,
    pub reviewer: Sym,
    pub decided_at: Instant,
    pub decision: CertificationDecision,
    pub entitlement: Option<Sym>,
    pub scope: Option<Sym>,
    pub next_review_by: Option<Instant>,
    pub origin: Origin,
}

#[derive(Debug)]
pub struct ExceptionRow {
    pub check: Sym,
    pub accepted_by: Sym,
    pub reason: Sym,
    pub expires_at: Instant,
    pub finding: Option<Sym>,
    pub system: Option<Sym>,
    pub account: Option<Sym>,
    pub entitlement: Option<Sym>,
}

#[derive(Debug)]
pub struct SnapshotRow {
    pub source: Sym,
    pub taken_at: Instant,
    pub complete: bool,
    pub provides: Box<[RecordType]>,
    pub systems: Box<[Sym]>,
    pub reason: Option<Sym>,
    pub origin: Origin,
}
