//! What an answer about a grant rests on besides the records of the grant itself: the sources that have to be right and
//! fresh, when its request was decided, and when anything could change by itself. For whoever answers at the time of a
//! decision ([`Decide`](super::Decide)).

use std::collections::BTreeSet;

use super::estate::Sym;
use super::judgement::Judgement;
use super::world::World;
use crate::model::record::{Decision, Intent};
use crate::model::{Instant, RecordType};

/// What the last snapshot of a source speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker<'w> {
    /// The source.
    pub source: &'w str,
    /// When it was taken.
    pub taken_at: Instant,
    /// Whether it speaks of grants, and of people or requests, which every answer rests on.
    pub grants: bool,
    /// See `grants`.
    pub everyone: bool,
    /// The systems that it speaks of, each as [`Decide::system`](super::Decide::system) numbers it; of all when empty.
    pub systems: Vec<u32>,
}

impl World {
    /// What each snapshot speaks of. One that says nothing of what it provides may speak of anything.
    pub fn speakers(&self) -> impl Iterator<Item = Speaker<'_>> {
        self.estate.snapshots.iter().zip(&self.snapshot_systems).map(|(s, systems)| {
            let says = |kind| s.provides.is_empty() || s.provides.contains(&kind);
            Speaker {
                source: self.estate.text(s.source),
                taken_at: s.taken_at,
                grants: says(RecordType::Grant),
                everyone: says(RecordType::Request) || says(RecordType::Identity),
                // A system that may be either of two is one nobody can ask for.
                systems: systems.iter().map(|key| key.number()).collect(),
            }
        })
    }

    /// The requests for access that were decided, each as source and id, with when: as it says itself, else when the last who
    /// approved it did.
    pub fn decided(&self) -> impl Iterator<Item = ([&str; 2], Instant)> {
        let requests = self.estate.requests.iter();
        let approved = requests.filter(|r| r.intent == Intent::Grant);
        approved.filter_map(|r| {
            let says = r.approvals.within(&self.estate.pools.approvals).iter();
            let yes = says.filter(|a| a.decision == Decision::Approved).filter_map(|a| a.decided_at);
            let decided_at = r.decided_at.or_else(|| yes.max())?;
            Some(([r.source, r.id].map(|text| self.estate.text(text)), decided_at))
        })
    }

    /// How access to each system was asked for so far: the number of a system that a request for access names, as
    /// [`Decide::system`](super::Decide::system) has it, the source of the request, and the approval path it says it went
    /// through. Each once, in no order that means anything.
    pub fn ways(&self) -> impl Iterator<Item = (u32, &str, Option<&str>)> {
        let mut ways: BTreeSet<(u32, Sym, Option<Sym>)> = BTreeSet::new();
        for r in self.estate.requests.iter().filter(|r| r.intent == Intent::Grant) {
            let items = r.access.within(&self.items).iter();
            ways.extend(items.map(|item| (item.system.number(), r.source, r.workflow)));
        }
        let text = |sym| self.estate.text(sym);
        ways.into_iter().map(move |(system, source, path)| (system, text(source), path.map(text)))
    }
}

impl Judgement<'_> {
    /// The next instant at which any standing could change by itself.
    #[must_use]
    pub fn next_change(&self) -> Option<Instant> {
        self.facts.iter().filter_map(|facts| facts.recheck_at).min()
    }
}
