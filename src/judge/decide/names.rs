//! Names of systems and of rights, to be read only: what the judge's namespaces say, without giving new keys.
//!
//! A world lets go of those namespaces once every row has its key, so the catalogue is read again.

use super::Fast;
use super::Sym;
use crate::judge::estate::Estate;
use crate::model::norm;

/// Names of one kind. What a name means is a number; `domain` tells namespaces apart (rights have one for each system).
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Ids of the catalogue as they are written.
    exact: Fast<(u32, Sym), u32>,
    /// Normal forms: what the one id that claims each means, or a name no catalogue knows; `None` where two claim it.
    forms: Fast<(u32, Sym), Option<u32>>,
    /// How many things have a name.
    count: u32,
}

impl Names {
    /// An id of the catalogue with its other names.
    fn define(&mut self, estate: &Estate, domain: u32, id: Sym, others: impl Iterator<Item = Sym>) {
        let next = self.count;
        let meant = *self.exact.entry((domain, id)).or_insert(next);
        self.count += u32::from(meant == next);
        for name in std::iter::once(id).chain(others) {
            // A world has the normal form of every name it met.
            let Some(form) = estate.names.find(&norm(estate.text(name))) else { continue };
            let claimed = self.forms.entry((domain, form)).or_insert(Some(meant));
            if *claimed != Some(meant) {
                *claimed = None;
            }
        }
    }

    /// What a name of a record means; one that no catalogue knows means itself from now on. `None`: it is ambiguous.
    pub(super) fn meet(&mut self, estate: &Estate, domain: u32, name: Sym) -> Option<u32> {
        if let Some(meant) = self.exact.get(&(domain, name)) {
            return Some(*meant);
        }
        let form = estate.names.find(&norm(estate.text(name)))?;
        let next = self.count;
        let meant = *self.forms.entry((domain, form)).or_insert(Some(next));
        self.count += u32::from(meant == Some(next));
        meant
    }

    /// What a name means. `None`: it is ambiguous, or nobody met it.
    pub(super) fn find(&self, estate: &Estate, domain: u32, name: &str) -> Option<u32> {
        let written = estate.names.find(name);
        if let Some(meant) = written.and_then(|name| self.exact.get(&(domain, name))) {
            return Some(*meant);
        }
        let form = norm(name);
        let form = if *form == *name { written } else { estate.names.find(&form) };
        self.forms.get(&(domain, form?)).copied().flatten()
    }
}

/// The systems of the catalogue, and its rights by system.
pub(super) fn catalogue(estate: &Estate) -> (Names, Names) {
    let (mut systems, mut rights) = (Names::default(), Names::default());
    let aliases = &estate.pools.names;
    for s in &estate.systems {
        systems.define(estate, 0, s.id, s.aliases.within(aliases).iter().copied());
    }
    for e in &estate.entitlements {
        if let Some(system) = systems.meet(estate, 0, e.system) {
            rights.define(estate, system, e.id, e.aliases.within(aliases).iter().copied());
        }
    }
    (systems, rights)
}
