//! The texts an index keeps for itself, one after the other, and the names that mean a key.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::judge::estate::{Interner, Sym};
use crate::judge::names::{Key, Namespace};
use crate::judge::world::Fast;
use crate::model::norm;

/// Ends a text; no text holds it, since it is never a part of UTF-8.
const END: u8 = 0xff;

/// Texts start at every eighth byte: so a number of 32 bits reaches 32 GiB of names, and memory ends before.
const STEP: usize = 8;

/// Where a text starts. 0 stands for none.
pub(super) type Start = u32;

/// Texts, each as it is written, known by where it starts: to compare one is to read one place of memory.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
}

impl Texts {
    /// Lays a text down that consists of these parts.
    pub(super) fn add(&mut self, parts: &[&str]) -> Start {
        let start = self.bytes.len().max(STEP).next_multiple_of(STEP);
        self.bytes.resize(start, END);
        for part in parts {
            self.bytes.extend_from_slice(part.as_bytes());
            self.bytes.push(END);
        }
        // Past the last number nothing is compared equal: such a grant is one that is not known.
        u32::try_from(start / STEP).unwrap_or(u32::MAX)
    }

    fn from(&self, start: Start) -> &[u8] {
        self.bytes.get(start as usize * STEP..).unwrap_or(&[])
    }

    /// Whether this is the text that starts there.
    pub(super) fn is(&self, start: Start, text: &str) -> bool {
        self.from(start).strip_prefix(text.as_bytes()).is_some_and(|rest| rest.first() == Some(&END))
    }

    /// The two parts of a text.
    pub(super) fn pair(&self, start: Start) -> Option<[&str; 2]> {
        let mut parts = self.from(start).split(|byte| *byte == END);
        let mut part = || std::str::from_utf8(parts.next()?).ok();
        Some([part()?, part()?])
    }

    /// The first byte of a text, for no other reason than to have it near.
    pub(super) fn touch(&self, start: Start) -> u8 {
        self.from(start).first().copied().unwrap_or(0)
    }

    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

/// Texts of an estate that are taken over once each.
pub(super) struct Taking<'n> {
    pub(super) names: &'n Interner,
    pub(super) texts: Texts,
    taken: Fast<Sym, Start>,
}

impl<'n> Taking<'n> {
    pub(super) fn new(names: &'n Interner) -> Self {
        Self { names, texts: Texts::default(), taken: Fast::default() }
    }

    pub(super) fn take(&mut self, name: Sym) -> Start {
        *self.taken.entry(name).or_insert_with(|| self.texts.add(&[self.names.get(name)]))
    }
}

/// Names of one kind, as they are asked: within a domain, exactly or by their normal form.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashTable<Name>,
    forms: HashTable<Name>,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    /// Half of the hash: most names that are not the one are passed over without looking at their texts.
    short: u32,
    domain: u32,
    text: Start,
    key: Key,
}

/// A hash for the table made of half a hash: the table looks at its highest and at its lowest bits.
fn whole(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn short(hasher: &RandomState, domain: u32, name: &str) -> u32 {
    let mut hash = hasher.build_hasher();
    hash.write_u32(domain);
    hash.write(name.as_bytes());
    (hash.finish() >> 32) as u32
}

impl Names {
    /// All names of a namespace that mean one key.
    pub(super) fn new(space: &Namespace, hasher: &RandomState, taking: &mut Taking<'_>) -> Self {
        let mut names = Self::default();
        for (exact, domain, name, key) in space.meanings() {
            let table = if exact { &mut names.exact } else { &mut names.forms };
            put(table, hasher, taking, (domain, name, key));
        }
        names
    }

    /// Adds a normal form that no id claims.
    pub(super) fn stranger(
        &mut self,
        hasher: &RandomState,
        taking: &mut Taking<'_>,
        (domain, form, key): (u32, Sym, Key),
    ) {
        if find(&self.forms, &taking.texts, hasher, domain, taking.names.get(form)).is_none() {
            put(&mut self.forms, hasher, taking, (domain, form, key));
        }
    }

    /// What a name means: exactly, else by its normal form; nothing where two claim it.
    pub(super) fn find(&self, texts: &Texts, hasher: &RandomState, domain: u32, name: &str) -> Option<Key> {
        find(&self.exact, texts, hasher, domain, name)
            .or_else(|| find(&self.forms, texts, hasher, domain, &norm(name)))
    }
}

fn put(
    table: &mut HashTable<Name>,
    hasher: &RandomState,
    taking: &mut Taking<'_>,
    (domain, name, key): (u32, Sym, Key),
) {
    let short = short(hasher, domain, taking.names.get(name));
    let name = Name { short, domain, text: taking.take(name), key };
    table.insert_unique(whole(short), name, |name| whole(name.short));
}

fn find(
    table: &HashTable<Name>,
    texts: &Texts,
    hasher: &RandomState,
    domain: u32,
    name: &str,
) -> Option<Key> {
    let short = short(hasher, domain, name);
    let same = |held: &Name| held.short == short && held.domain == domain && texts.is(held.text, name);
    table.find(whole(short), same).map(|name| name.key)
}
