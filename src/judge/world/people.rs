//! Identities: their names, and the accounts they hold.

use super::{Estate, Fast, Key, Namespace, Sym, normal};
use crate::judge::estate::Interner;

/// Which identity holds which account; `None` where two do.
#[derive(Debug, Default)]
pub(super) struct Links {
    exact: Fast<(Key, Sym), Option<Key>>,
    norm: Fast<(Key, Sym), Option<Key>>,
}

impl Links {
    /// The identity an account is linked to, exactly or by its normal form: `Some(None)` when two are.
    pub(super) fn holder(&self, system: Key, account: Sym, form: Sym) -> Option<Option<Key>> {
        let system = system.certain()?;
        self.exact.get(&(system, account)).or_else(|| self.norm.get(&(system, form))).copied()
    }
}

/// Gives every identity its key and takes in the names and accounts it claims.
pub(super) fn resolve(n: &mut Interner, estate: &Estate, systems: &mut Namespace) -> (Namespace, Links) {
    let mut people = Namespace::default();
    let mut links = Links::default();
    for (row, i) in (0..).zip(&estate.identities) {
        let key = people.define(0, i.id, row);
        people.claim(n, 0, key, i.id);
        for alias in i.aliases.within(&estate.pools.names) {
            people.claim(n, 0, key, *alias);
        }
        for (system, account) in i.accounts.within(&estate.pools.accounts) {
            let Some(system) = systems.resolve(n, 0, *system).certain() else { continue };
            let form = normal(n, *account);
            for (links, name) in [(&mut links.exact, *account), (&mut links.norm, form)] {
                links
                    .entry((system, name))
                    .and_modify(|held| {
                        if *held != Some(key) {
                            *held = None;
                        }
                    })
                    .or_insert(Some(key));
            }
        }
    }
    (people, links)
}

/// The aliases that two identities claim and the accounts that are linked to two, as they are printed, sorted; each
/// with the ids of the identities, sorted.
pub(super) fn ambiguous(
    n: &mut Interner,
    estate: &Estate,
    people: &Namespace,
    systems: &mut Namespace,
    links: &Links,
) -> Vec<(Sym, Vec<Sym>)> {
    let mut found: Fast<Sym, Vec<Sym>> = people.ambiguous().map(|form| (form, vec![])).collect();
    let contested = links.exact.values().any(Option::is_none);
    if found.is_empty() && !contested {
        return vec![];
    }
    for i in &estate.identities {
        for name in [i.id].iter().chain(i.aliases.within(&estate.pools.names)) {
            if let Some(holders) = found.get_mut(&normal(n, *name)) {
                holders.push(i.id);
            }
        }
        for (system, account) in i.accounts.within(&estate.pools.accounts).iter().filter(|_| contested) {
            let key = systems.resolve(n, 0, *system);
            if links.exact.get(&(key, *account)) == Some(&None) {
                let system = systems.text(key).map_or("", |s| n.get(s));
                let text = format!("{system}/{}", n.get(*account));
                found.entry(n.intern(&text)).or_default().push(i.id);
            }
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by(|a, b| n.get(a.0).cmp(n.get(b.0)));
    for (_, holders) in &mut found {
        holders.sort_by(|a, b| n.get(*a).cmp(n.get(*b)));
        holders.dedup();
    }
    found
}
