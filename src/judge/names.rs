//! Which names mean the same: a name within a namespace becomes a key, and keys compare as numbers.
//!
//! An exact id first; else the one id that claims the name's normal form by its own id or an alias; else, claimed
//! by none, the normal form itself. A name that two ids claim is *ambiguous*: its key equals no key, itself
//! included.

use std::num::NonZeroU32;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::estate::{Interner, Sym};
use crate::model::norm;

type Fast<K, V> = HashMap<K, V, FxBuildHasher>;

/// What a name resolved to, within one namespace. An `Option<Key>` needs no more room than a `Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(NonZeroU32);

impl Key {
    /// Marks the keys of ambiguous names.
    const AMBIGUOUS: u32 = 1 << 31;

    /// As a number, for sorting and indexes.
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }

    /// The place of this key in a table over all keys of its namespace, see [`Namespace::len`].
    pub(crate) fn index(self) -> usize {
        (self.0.get() & !Self::AMBIGUOUS) as usize - 1
    }

    /// Whether two ids claim the name.
    pub(crate) fn is_ambiguous(self) -> bool {
        self.0.get() & Self::AMBIGUOUS != 0
    }

    /// The key itself, unless it is ambiguous and so equals nothing.
    pub(crate) fn certain(self) -> Option<Self> {
        (!self.is_ambiguous()).then_some(self)
    }

    /// Whether both are the same, which an ambiguous one never is.
    pub(crate) fn same(self, other: Self) -> bool {
        self == other && !self.is_ambiguous()
    }
}

/// One or several namespaces of one kind; `domain` tells them apart (entitlements have one for each system).
#[derive(Debug, Default)]
pub struct Namespace {
    /// Ids exactly as written.
    exact: Fast<(u32, Sym), Key>,
    /// Normal forms, by the one id that claims them, or `None` when two do.
    claims: Fast<(u32, Sym), Option<Key>>,
    /// Normal forms that no one id claims, as they were met.
    unclaimed: Fast<(u32, Sym), Key>,
    /// Normal forms of names held twice.
    contested: Fast<(u32, Sym), Key>,
    /// What was asked before.
    asked: Asked,
    /// For each key its text and the catalogue row behind it.
    keys: Vec<(Sym, Option<u32>)>,
}

/// What was asked before. Most names are asked for many times, so this is what the time goes into.
#[derive(Debug)]
enum Asked {
    /// In the one domain 0, by the number of the name.
    One(Vec<Option<Key>>),
    /// By domain and name.
    Many(Fast<(u32, Sym), Key>),
}

impl Default for Asked {
    fn default() -> Self {
        Self::Many(Fast::default())
    }
}

impl Asked {
    fn get(&self, domain: u32, name: Sym) -> Option<Key> {
        match self {
            Self::One(keys) => keys.get(name.index()).copied().flatten(),
            Self::Many(keys) => keys.get(&(domain, name)).copied(),
        }
    }

    fn insert(&mut self, names: usize, domain: u32, name: Sym, key: Key) {
        match self {
            Self::One(keys) => {
                if keys.len() <= name.index() {
                    keys.resize(names, None);
                }
                if let Some(slot) = keys.get_mut(name.index()) {
                    *slot = Some(key);
                }
            }
            Self::Many(keys) => drop(keys.insert((domain, name), key)),
        }
    }
}

impl Namespace {
    /// One namespace, of domain 0.
    pub(crate) fn one() -> Self {
        Self { asked: Asked::One(vec![]), ..Self::default() }
    }

    /// How many keys there are: each of their numbers is smaller.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Gives an id of the catalogue its key. Two rows of one id share the key; the later row of the call stands.
    pub(crate) fn define(&mut self, domain: u32, id: Sym, row: u32) -> Key {
        if let Some(key) = self.exact.get(&(domain, id)).copied() {
            if let Some(entry) = self.keys.get_mut(key.index()) {
                entry.1 = Some(row);
            }
            return key;
        }
        let key = self.push(id, Some(row), 0);
        self.exact.insert((domain, id), key);
        key
    }

    /// Lets a key claim a name by its normal form.
    pub(crate) fn claim(&mut self, names: &mut Interner, domain: u32, key: Key, name: Sym) {
        let form = normal(names, name);
        self.claims
            .entry((domain, form))
            .and_modify(|held| {
                if *held != Some(key) {
                    *held = None;
                }
            })
            .or_insert(Some(key));
    }

    /// What a name means.
    pub(crate) fn resolve(&mut self, names: &mut Interner, domain: u32, name: Sym) -> Key {
        if let Some(key) = self.asked.get(domain, name) {
            return key;
        }
        let key = match self.exact.get(&(domain, name)) {
            Some(key) => *key,
            None => {
                let form = normal(names, name);
                match self.claims.get(&(domain, form)) {
                    Some(Some(key)) => *key,
                    claimed => match self.unclaimed.get(&(domain, form)) {
                        Some(key) => *key,
                        None => {
                            let flag = if claimed.is_some() { Key::AMBIGUOUS } else { 0 };
                            let key = self.push(form, None, flag);
                            self.unclaimed.insert((domain, form), key);
                            key
                        }
                    },
                }
            }
        };
        self.asked.insert(names.len(), domain, name, key);
        key
    }

    /// What a name means, if it was asked before.
    pub(crate) fn known(&self, domain: u32, name: Sym) -> Option<Key> {
        self.asked.get(domain, name)
    }

    /// The key of a contested name, if it was asked for before.
    pub(crate) fn known_contested(&self, domain: u32, form: Sym) -> Option<Key> {
        self.contested.get(&(domain, form)).copied()
    }

    /// The key of a name that two ids hold in another way than by claiming it: as ambiguous as any.
    pub(crate) fn contested(&mut self, domain: u32, form: Sym) -> Key {
        if let Some(key) = self.contested.get(&(domain, form)) {
            return *key;
        }
        let key = self.push(form, None, Key::AMBIGUOUS);
        self.contested.insert((domain, form), key);
        key
    }

    fn push(&mut self, text: Sym, row: Option<u32>, flag: u32) -> Key {
        self.keys.push((text, row));
        // Memory ends long before the numbers do.
        let number = u32::try_from(self.keys.len()).unwrap_or(u32::MAX) & !Key::AMBIGUOUS;
        Key(NonZeroU32::new(number | flag).unwrap_or(NonZeroU32::MAX))
    }

    /// The text of a key: an id, or the normal form of a name that no catalogue knows.
    pub(crate) fn text(&self, key: Key) -> Option<Sym> {
        self.keys.get(key.index()).map(|(text, _)| *text)
    }

    /// The catalogue row of a key; none for strangers and ambiguous names.
    pub(crate) fn row(&self, key: Key) -> Option<u32> {
        self.keys.get(key.index()).and_then(|(_, row)| *row)
    }

    /// The normal forms that two or more ids claim.
    pub(crate) fn ambiguous(&self) -> impl Iterator<Item = Sym> + '_ {
        self.claims.iter().filter(|(_, key)| key.is_none()).map(|((_, form), _)| *form)
    }

    /// What a name means when everything is resolved, and no name gets a key any more: `None` where two ids claim it or
    /// nobody met it.
    pub(crate) fn find(&self, names: &Interner, domain: u32, name: &str) -> Option<Key> {
        let written = names.find(name);
        if let Some(key) = written.and_then(|name| self.exact.get(&(domain, name))) {
            return Some(*key);
        }
        let form = norm(name);
        let form = if *form == *name { written? } else { names.find(&form)? };
        match self.claims.get(&(domain, form)) {
            Some(claimed) => *claimed,
            None => self.unclaimed.get(&(domain, form)).copied(),
        }
    }

    /// All names that mean one key, each with its domain, when everything is resolved: ids exactly as they are written
    /// (`true`), which come first, and normal forms.
    pub(crate) fn meanings(&self) -> impl Iterator<Item = (bool, u32, Sym, Key)> + '_ {
        let exact = self.exact.iter().map(|((domain, id), key)| (true, *domain, *id, *key));
        let claims = self.claims.iter().filter_map(|(at, key)| Some((at, (*key)?)));
        let unclaimed = self.unclaimed.iter().filter(|(at, _)| !self.claims.contains_key(*at));
        let forms = claims.chain(unclaimed.map(|(at, key)| (at, *key)));
        exact.chain(forms.map(|((domain, form), key)| (false, *domain, *form, key)))
    }

    /// Lets go of what only [`Namespace::resolve`] needs.
    pub(crate) fn settle(&mut self) {
        self.asked = Asked::default();
    }

    /// Lets go of what [`Namespace::find`] and [`Namespace::meanings`] tell of strangers as well.
    pub(crate) fn seal(&mut self) {
        self.settle();
        self.unclaimed = Fast::default();
    }
}

/// The normal form of a name, as a text of its own.
pub(crate) fn normal(names: &mut Interner, name: Sym) -> Sym {
    let text = names.get(name);
    match norm(text) {
        std::borrow::Cow::Borrowed(form) if form.len() == text.len() => name,
        form => {
            let form = form.into_owned();
            names.intern(&form)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_then_claimed_then_stranger_and_never_the_ambiguous() {
        let mut names = Interner::default();
        let mut people = Namespace::default();
        let mut sym = |s: &str| names.intern(s);
        let (alice, bob, upper) = (sym("alice@x"), sym("bob@x"), sym("ALICE@X"));
        let (al, al2, new, new2, alias) = (sym("Al"), sym(" al "), sym("Zoe"), sym("ZOE"), sym("bobby"));
        let (a, b) = (people.define(0, alice, 0), people.define(0, bob, 1));
        for (key, name) in [(a, alice), (b, bob), (a, al), (b, al2), (b, alias)] {
            people.claim(&mut names, 0, key, name);
        }
        let mut ask = |s| people.resolve(&mut names, 0, s);
        assert_eq!(ask(alice), a);
        assert_eq!(ask(upper), a);
        assert_eq!(ask(alias), b);
        assert!(ask(al).is_ambiguous() && !ask(al).same(ask(al)));
        assert_eq!(ask(al), ask(al2), "one key, so that it is listed once");
        assert!(ask(new).same(ask(new2)), "two records agree on a name no catalogue knows");
        let n = people.resolve(&mut names, 0, new);
        assert_eq!((people.text(n).map(|t| names.get(t)), people.row(n)), (Some("zoe"), None));
        assert_eq!(people.ambiguous().map(|s| names.get(s)).collect::<Vec<_>>(), ["al"]);
    }
}
