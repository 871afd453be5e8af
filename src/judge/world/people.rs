//! Identities: their names, and the accounts they hold.

use super::resolver::Resolver;
use super::{Estate, Fast, Key, Sym};

/// Which identity holds which account; `None` where two do.
#[derive(Debug, Default)]
pub(super) struct Links {
    exact: Fast<(Key, Sym), Option<Key>>,
    norm: Fast<(Key, Sym), Option<Key>>,
}

impl Links {
    /// Links an account of a system to an identity.
    pub(super) fn link(&mut self, system: Key, account: Sym, form: Sym, holder: Key) {
        for (links, name) in [(&mut self.exact, account), (&mut self.norm, form)] {
            links
                .entry((system, name))
                .and_modify(|held| {
                    if *held != Some(holder) {
                        *held = None;
                    }
                })
                .or_insert(Some(holder));
        }
    }

    /// The identity an account is linked to, exactly or by its normal form: `Some(None)` when two are. `account` is absent
    /// where no link is spelled like that.
    pub(super) fn holder(
        &self,
        system: Key,
        account: impl Into<Option<Sym>>,
        form: Sym,
    ) -> Option<Option<Key>> {
        let system = system.certain()?;
        let exact = account.into().and_then(|account| self.exact.get(&(system, account)));
        exact.or_else(|| self.norm.get(&(system, form))).copied()
    }
}

/// A name that two identities claim, or an account that is linked to two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ambiguous {
    /// As it is printed: the name in its normal form, or `SYSTEM/ACCOUNT`.
    pub(crate) alias: Sym,
    /// The name, or the account as written.
    pub(crate) name: Sym,
    /// The ids of the identities, sorted.
    pub(crate) holders: Vec<Sym>,
}

/// The aliases that two identities claim and the accounts that are linked to two, sorted as they are printed.
pub(super) fn ambiguous(r: &mut Resolver, estate: &Estate) -> Vec<Ambiguous> {
    let mut found: Fast<Sym, (Sym, Vec<Sym>)> =
        r.people.ambiguous().map(|form| (form, (form, vec![]))).collect();
    let contested = r.links.exact.values().any(Option::is_none);
    if found.is_empty() && !contested {
        return vec![];
    }
    for i in &estate.identities {
        for name in [i.id].iter().chain(i.aliases.within(&estate.pools.names)) {
            if let Some((_, holders)) = found.get_mut(&r.norm(*name)) {
                holders.push(i.id);
            }
        }
        for (system, account) in i.accounts.within(&estate.pools.accounts).iter().filter(|_| contested) {
            let key = r.system(*system);
            if r.links.exact.get(&(key, *account)) == Some(&None) {
                let system = r.systems.text(key).map_or("", |s| r.text.get(s));
                let text = format!("{system}/{}", r.text.get(*account));
                found.entry(r.text.intern(&text)).or_insert((*account, vec![])).1.push(i.id);
            }
        }
    }
    let mut found: Vec<_> =
        found.into_iter().map(|(alias, (name, holders))| Ambiguous { alias, name, holders }).collect();
    found.sort_by(|a, b| r.text.get(a.alias).cmp(r.text.get(b.alias)));
    for Ambiguous { holders, .. } in &mut found {
        holders.sort_by(|a, b| r.text.get(*a).cmp(r.text.get(*b)));
        holders.dedup();
    }
    found
}
