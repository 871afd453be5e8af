//! All namespaces of an estate: asked for a name, each gives the key it stands for.

use super::coverage::approved_scope;
use super::people::Links;
use super::{Estate, Fast, Key, MANY, Namespace, Sym, normal};
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
        r.ask(estate);
        r
    }

    /// Asks for all that the catalogue knows, so that it is known from here on.
    fn ask(&mut self, estate: &Estate) {
        let aliases = &estate.pools.names;
        for i in &estate.identities {
            for name in [i.id].iter().chain(i.aliases.within(aliases)) {
                self.person(*name);
                self.norm(*name);
            }
        }
        for e in &estate.entitlements {
            let system = self.system(e.system);
            for name in [e.id].iter().chain(e.aliases.within(aliases)) {
                self.right(system, *name);
            }
        }
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

/// Turns names into keys: `None` where it is not known yet what a name means.
pub(super) trait Naming {
    /// The normal form of a name.
    fn norm(&mut self, name: Sym) -> Option<Sym>;
    /// A person.
    fn person(&mut self, name: Sym) -> Option<Key>;
    /// A system.
    fn system(&mut self, name: Sym) -> Option<Key>;
    /// An entitlement of a system; none when either is ambiguous.
    fn right(&mut self, system: Key, name: Sym) -> Option<Option<Key>>;
    /// Who holds an account.
    fn subject(&mut self, system: Key, account: Sym, form: Sym) -> Option<Key>;
    /// A scope as an approval means it; none where it covers everything.
    fn approved_scope(&mut self, scope: Sym) -> Option<Option<Sym>>;
}

/// Finds out what every name means.
impl Naming for Resolver {
    fn norm(&mut self, name: Sym) -> Option<Sym> {
        Some(Self::norm(self, name))
    }
    fn person(&mut self, name: Sym) -> Option<Key> {
        Some(Self::person(self, name))
    }
    fn system(&mut self, name: Sym) -> Option<Key> {
        Some(Self::system(self, name))
    }
    fn right(&mut self, system: Key, name: Sym) -> Option<Option<Key>> {
        Some(Self::right(self, system, name))
    }
    fn subject(&mut self, system: Key, account: Sym, form: Sym) -> Option<Key> {
        Some(Self::subject(self, system, account, form))
    }
    fn approved_scope(&mut self, scope: Sym) -> Option<Option<Sym>> {
        let whole = self.text.get(scope);
        let Some(meant) = approved_scope(whole) else { return Some(None) };
        if meant.len() == whole.len() {
            return Some(Some(scope));
        }
        let meant = meant.to_owned();
        Some(Some(self.text.intern(&meant)))
    }
}

/// Tells what is known by now; several threads may ask at a time.
pub(super) struct Known<'r>(pub(super) &'r Resolver);

impl Naming for Known<'_> {
    fn norm(&mut self, name: Sym) -> Option<Sym> {
        self.0.forms.get(name.index()).copied().flatten()
    }
    fn person(&mut self, name: Sym) -> Option<Key> {
        self.0.people.known(0, name)
    }
    fn system(&mut self, name: Sym) -> Option<Key> {
        self.0.systems.known(0, name)
    }
    fn right(&mut self, system: Key, name: Sym) -> Option<Option<Key>> {
        let Some(system) = system.certain() else { return Some(None) };
        self.0.entitlements.known(system.number(), name).map(Key::certain)
    }
    fn subject(&mut self, system: Key, account: Sym, form: Sym) -> Option<Key> {
        match self.0.links.holder(system, account, form) {
            Some(Some(holder)) => Some(holder),
            Some(None) => self.0.people.known_contested(0, form),
            None => self.person(account),
        }
    }
    fn approved_scope(&mut self, scope: Sym) -> Option<Option<Sym>> {
        let whole = self.0.text.get(scope);
        match approved_scope(whole) {
            None => Some(None),
            Some(meant) => (meant.len() == whole.len()).then_some(Some(scope)),
        }
    }
}

/// What is made of a row once its names are keys.
pub(super) trait Name<R>: Sync {
    /// What it is.
    type Out: Send;
    /// Makes it; `None` where a name is not known yet.
    fn of(&self, names: &mut impl Naming, row: &R) -> Option<Self::Out>;
}

impl Resolver {
    /// Resolves what each row names: what is known by now on all threads, then what is not, one by one. So keys are given in
    /// the order of the rows, with any number of threads.
    pub(super) fn each<R: Sync, N: Name<R>>(&mut self, rows: &[R], threads: usize, name: &N) -> Vec<N::Out> {
        let known = |rows: &[R]| -> Vec<Option<N::Out>> {
            let mut known = Known(self);
            rows.iter().map(|row| name.of(&mut known, row)).collect()
        };
        let mut parts = vec![];
        let share = if rows.len() < MANY { rows.len() } else { rows.len().div_ceil(threads.max(1)) };
        std::thread::scope(|scope| {
            let mut shares = rows.chunks(share.max(1));
            let first = shares.next();
            let others: Vec<_> = shares.map(|rows| scope.spawn(|| known(rows))).collect();
            parts.extend(first.map(known));
            let joined = others.into_iter().map(|part| part.join());
            parts.extend(joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        });
        let mut all = Vec::with_capacity(rows.len());
        for (known, row) in parts.into_iter().flatten().zip(rows) {
            all.extend(known.or_else(|| name.of(self, row)));
        }
        all
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

    /// The row of an id, if there is one; `None` where the normal form of the id is not known yet.
    pub(super) fn find(&self, names: &mut impl Naming, id: Option<Sym>) -> Option<Option<u32>> {
        let Some(id) = id else { return Some(None) };
        match self.exact.get(&id) {
            Some(row) => Some(Some(*row)),
            None => Some(self.norm.get(&names.norm(id)?).copied().flatten()),
        }
    }
}
