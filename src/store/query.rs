//! Looking through the findings and grants that are remembered: some of them, in an order, a page at a time; or counted by what
//! they have in common.

use super::KeptVerdict;
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::{Severity, Standing};
use crate::model::life::Life;

/// Which findings. What is empty or absent leaves nothing out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// In one of these states.
    pub states: Vec<State>,
    /// Of one of these severities.
    pub severities: Vec<Severity>,
    /// Of one of these checks.
    pub checks: Vec<String>,
    /// On this system, as the grant names it.
    pub system: Option<String>,
    /// About this source.
    pub source: Option<String>,
    /// For which this one answers first; `Some(None)`: for which nobody does.
    pub owner: Option<Option<String>>,
    /// About access of this identity.
    pub subject: Option<String>,
    /// About this account.
    pub account: Option<String>,
    /// That rest on this request: source and id.
    pub request: Option<(String, String)>,
    /// That were first seen before this.
    pub seen_before: Option<Instant>,
    /// In whose id, system, account, subject, owner or request this text stands, whatever its capitals (ASCII).
    pub text: Option<String>,
}

/// By what findings are put in order. Those that are alike in it are in the order in which they were first kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OrderBy {
    /// How bad they are.
    #[default]
    Severity,
    /// When they were first seen.
    FirstSeen,
    /// When something last happened to them.
    ChangedAt,
    /// Their check.
    Check,
    /// Their system.
    System,
    /// Who answers first.
    Owner,
    /// When the exception that accepts them ends, or the last one that did.
    Until,
}

impl OrderBy {
    /// All orders, with the word for each.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Severity, "severity"),
        (Self::FirstSeen, "first_seen"),
        (Self::ChangedAt, "changed_at"),
        (Self::Check, "check"),
        (Self::System, "system"),
        (Self::Owner, "owner"),
        (Self::Until, "until"),
    ];
}

/// A page of findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// By what they are put in order.
    pub order: OrderBy,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// How many are passed over.
    pub offset: u64,
    /// How many are shown at the most.
    pub limit: u32,
}

/// What there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// How many there are on all pages.
    pub total: u64,
    /// Those of this page.
    pub lives: Vec<Life>,
}

/// What findings can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The request they rest on: its source and id, with a line end between them.
    Request,
    /// Who answers first.
    Owner,
    /// The system.
    System,
    /// The check.
    Check,
    /// Whose access it is.
    Subject,
}

impl GroupBy {
    /// All of them, with the word for each.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Request, "request"),
        (Self::Owner, "owner"),
        (Self::System, "system"),
        (Self::Check, "check"),
        (Self::Subject, "subject"),
    ];
}

/// Findings that have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCount {
    /// What that is; `None` for those that have nothing of the kind.
    pub name: Option<String>,
    /// How many.
    pub count: u64,
    /// How many of them are critical, and how many high.
    pub urgent: [u64; 2],
    /// The worst of them.
    pub worst: Severity,
    /// When the oldest of them was first seen.
    pub oldest: Instant,
}

/// Which grants. What is empty or absent leaves nothing out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WhichGrants {
    /// That stand in one of these ways.
    pub standings: Vec<Standing>,
    /// On this system, as the grant names it.
    pub system: Option<String>,
    /// Of this account, as the grant names it.
    pub account: Option<String>,
    /// Of this entitlement, as the grant names it.
    pub entitlement: Option<String>,
    /// Of this identity.
    pub subject: Option<String>,
}

/// Some grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantsFound {
    /// How each stands.
    pub grants: Vec<KeptVerdict>,
    /// The place after which there may be more; `None` at the end. Only so many are looked at for one answer, so there may be
    /// more where none was found.
    pub next: Option<u64>,
}

/// An entry of the evidence log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryOf {
    /// By its place, from 0.
    Place(u64),
    /// That of an event, by its id.
    Event(String),
    /// That of a run.
    Run(u64),
}

/// How many findings there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingCount {
    /// The check.
    pub check: String,
    /// The severity.
    pub severity: Severity,
    /// The state.
    pub state: State,
    /// How many.
    pub count: u64,
}
