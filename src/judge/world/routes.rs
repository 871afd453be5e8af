//! Where each record belongs before there is a world: the names of identities and systems, resolved as a world resolves
//! them, asked without being changed.
//!
//! It holds identities and systems and nothing else, however many grants and requests are asked for. A name that no
//! catalogue knows needs no key here: the text of the key it would get is its normal form.

use super::people::Links;
use super::resolver::Resolver;
use super::{Estate, Fast, Key, Namespace, Sym};
use crate::judge::estate::Interner;
use crate::judge::home::Home;
use crate::model::record::{Record, Request};
use crate::model::{Text, norm};

/// Tells at which homes a record is needed.
#[derive(Debug)]
pub struct Routes {
    text: Interner,
    people: Namespace,
    systems: Namespace,
    links: Links,
    /// By system and account in its normal form: all identities that hold it under some spelling.
    holders: Fast<(Key, Sym), Vec<Key>>,
}

impl Routes {
    /// From an estate that holds all identities and systems.
    #[must_use]
    pub fn new(mut estate: Estate) -> Self {
        let mut r = Resolver::new(std::mem::take(&mut estate.names), &estate, &[]);
        let mut holders: Fast<(Key, Sym), Vec<Key>> = Fast::default();
        for i in &estate.identities {
            let holder = r.person(i.id);
            for (system, account) in i.accounts.within(&estate.pools.accounts) {
                if let Some(system) = r.system(*system).certain() {
                    let all = holders.entry((system, r.norm(*account))).or_default();
                    if !all.contains(&holder) {
                        all.push(holder);
                    }
                }
            }
        }
        r.people.settle();
        r.systems.settle();
        Self { text: r.text, people: r.people, systems: r.systems, links: r.links, holders }
    }

    /// Tells each home of a record, none twice; `None` where it belongs to all: records that anything may rest on, and
    /// identities.
    #[must_use]
    pub fn homes(&self, record: &Record<'_>) -> Option<Vec<Home>> {
        let mut homes = match record {
            Record::Grant(g) => vec![self.holder(&g.system, &g.account)],
            Record::Usage(u) => self.holders(&u.system, &u.account),
            Record::Certification(c) => self.holders(&c.system, &c.account),
            Record::Request(r) => self.asked(r),
            _ => return None,
        };
        homes.sort_unstable();
        homes.dedup();
        Some(homes)
    }

    fn of(&self, key: Key) -> Home {
        Home::of_person(self.people.text(key).map_or("", |text| self.text.get(text)))
    }

    fn person(&self, name: &str) -> Home {
        match self.people.find(&self.text, 0, name) {
            Some(key) => self.of(key),
            // Strangers, and names that two claim.
            None => Home::of_person(&norm(name)),
        }
    }

    /// The subject of a grant.
    fn holder(&self, system: &str, account: &str) -> Home {
        let linked = || {
            let system = self.systems.find(&self.text, 0, system)?;
            let form = self.text.find(&norm(account))?;
            self.links.holder(system, self.text.find(account), form)
        };
        match linked() {
            Some(Some(holder)) => self.of(holder),
            Some(None) => Home::of_person(&norm(account)),
            None => self.person(account),
        }
    }

    /// All subjects of whom a grant could be that a use or a certification of this account speaks of: these name the account
    /// in its normal form, while spellings of it may be held by different identities.
    fn holders(&self, system: &str, account: &str) -> Vec<Home> {
        let held = || {
            let system = self.systems.find(&self.text, 0, system)?.certain()?;
            self.holders.get(&(system, self.text.find(&norm(account))?))
        };
        match held().map_or(&[][..], Vec::as_slice) {
            [] => vec![self.person(&norm(account))],
            [one] => vec![self.of(*one)],
            many => {
                let contested = Home::of_person(&norm(account));
                many.iter().map(|holder| self.of(*holder)).chain([contested]).collect()
            }
        }
    }

    fn asked(&self, r: &Request<'_>) -> Vec<Home> {
        let named = |name: &&Text<'_>| !name.trim().is_empty();
        let mut homes: Vec<Home> = r.beneficiaries.iter().filter(named).map(|b| self.person(b)).collect();
        if homes.is_empty() {
            homes.push(Home::of_request(&r.source, &r.id));
        }
        homes
    }
}
