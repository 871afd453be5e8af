//! All namespaces of an estate: asked for a name, each gives the key it stands for.

use super::people::Links;
use super::{Estate, Fast, Key, Namespace, Sym, normal};
use crate::judge::estate::Interner;

/// Turns names into keys while a world is built. Names no catalogue knows get their keys as they are met.
pub(super) struct Resolver {
    pub(super) text: Interner,
    pub(super) people: Namespace,
    pub(super) systems: Namespace,
    pub(super) entitlements: Namespace,
    pub(super) links: Links,
    /// The normal form of each name that was asked for, by the name's number.
    forms: Vec<Option<Sym>>,
}

impl Resolver {
    /// Takes in every id and alias of systems, identities and entitlements; `catalogue` are the rows of the
    /// entitlements, of which the last of one id stands.
    pub(super) fn new(text: Interner, estate: &Estate, catalogue: &[u32]) -> Self {
        let mut r = Self {
            text,
            people: Namespace::one(),
            systems: Namespace::one(),
            entitlements: Namespace::default(),
            links: Links::default(),
            forms: vec![],
        };
        let aliases = &estate.pools.names;
        for (row, s) in (0..).zip(&estate.systems) {
            let key = r.systems.define(0, s.id, row);
            for name in [s.id].iter().chain(s.aliases.within(aliases)) {
                r.systems.claim(&mut r.text, 0, key, *name);
            }
        }
        for (row, i) in (0..).zip(&estate.identities) {
            let key = r.people.define(0, i.id, row);
            for name in [i.id].iter().chain(i.aliases.within(aliases)) {
                r.people.claim(&mut r.text, 0, key, *name);
            }
            for (system, account) in i.accounts.within(&estate.pools.accounts) {
                if let Some(system) = r.system(*system).certain() {
                    let form = r.norm(*account);
                    r.links.link(system, *account, form, key);
                }
            }
        }
        for row in catalogue {
            let Some(e) = estate.entitlements.get(*row as usize) else { continue };
            let Some(system) = r.system(e.system).certain() else { continue };
            let key = r.entitlements.define(system.number(), e.id, *row);
            for name in [e.id].iter().chain(e.aliases.within(aliases)) {
                r.entitlements.claim(&mut r.text, system.number(), key, *name);
            }
        }
        r
    }

    pub(super) fn norm(&mut self, name: Sym) -> Sym {
        if let Some(form) = self.forms.get(name.index()).copied().flatten() {
            return form;
        }
        let form = normal(&mut self.text, name);
        if self.forms.len() <= name.index() {
            self.forms.resize(self.text.len(), None);
        }
        if let Some(slot) = self.forms.get_mut(name.index()) {
            *slot = Some(form);
        }
        form
    }

    pub(super) fn person(&mut self, name: Sym) -> Key {
        self.people.resolve(&mut self.text, 0, name)
    }

    pub(super) fn system(&mut self, name: Sym) -> Key {
        self.systems.resolve(&mut self.text, 0, name)
    }

    /// An entitlement of a system; `None` when either is ambiguous.
    pub(super) fn right(&mut self, system: Key, name: Sym) -> Option<Key> {
        let system = system.certain()?;
        self.entitlements.resolve(&mut self.text, system.number(), name).certain()
    }

    /// What a record that speaks of an account says it speaks of: system, account in its normal form, and the
    /// entitlement where it names one. `None` when a name in it is ambiguous, and so means nothing.
    pub(super) fn target(
        &mut self,
        system: Sym,
        account: Sym,
        entitlement: Option<Sym>,
    ) -> Option<(Key, Sym, Option<Key>)> {
        let system = self.system(system).certain()?;
        let entitlement = match entitlement {
            Some(name) => Some(self.right(system, name)?),
            None => None,
        };
        Some((system, self.norm(account), entitlement))
    }

    /// The identity whose `accounts` hold an account, else what the account's name means.
    pub(super) fn subject(&mut self, system: Key, account: Sym, form: Sym) -> Key {
        match self.links.holder(system, account, form) {
            Some(Some(holder)) => holder,
            Some(None) => self.people.contested(0, form),
            None => self.person(account),
        }
    }
}

/// Finds a row by an exact id, else by the normal form when only one row has it.
pub(super) struct ByName {
    exact: Fast<Sym, u32>,
    norm: Fast<Sym, Option<u32>>,
}

impl ByName {
    pub(super) fn new(r: &mut Resolver, ids: impl Iterator<Item = Sym>) -> Self {
        let mut by = Self { exact: Fast::default(), norm: Fast::default() };
        for (row, id) in (0..).zip(ids) {
            by.exact.insert(id, row);
            by.norm.entry(r.norm(id)).and_modify(|held| *held = None).or_insert(Some(row));
        }
        by
    }

    pub(super) fn find(&self, r: &mut Resolver, id: Option<Sym>) -> Option<u32> {
        let id = id?;
        self.exact.get(&id).copied().or_else(|| self.norm.get(&r.norm(id)).copied().flatten())
    }
}
