//! Every text once, known by a number: names are compared as numbers from here on.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// A text, by its number. An `Option<Sym>` needs no more room than a `Sym`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(NonZeroU32);

impl Sym {
    /// The place of this text in a table over all texts.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// As a bare number; never 0.
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }
}

/// The texts of an estate. The hash is seeded anew in each process: ticket text comes from strangers.
#[derive(Debug, Default)]
pub struct Interner {
    table: HashTable<Sym>,
    hasher: RandomState,
    text: String,
    ends: Vec<usize>,
}

impl Interner {
    /// The number of this text, given to it now if it had none.
    ///
    /// There is room for four thousand million texts; further ones would all share the last number, and memory
    /// ends long before.
    pub fn intern(&mut self, text: &str) -> Sym {
        let hash = self.hasher.hash_one(text);
        let Self { table, hasher, text: all, ends } = self;
        let entry =
            table.entry(hash, |s| slice(all, ends, *s) == text, |s| hasher.hash_one(slice(all, ends, *s)));
        match entry {
            hashbrown::hash_table::Entry::Occupied(e) => *e.get(),
            hashbrown::hash_table::Entry::Vacant(e) => {
                let number =
                    u32::try_from(ends.len() + 1).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
                e.insert(Sym(number));
                all.push_str(text);
                ends.push(all.len());
                Sym(number)
            }
        }
    }

    /// The number of this text, if it has one.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Sym> {
        self.table.find(self.hasher.hash_one(text), |s| self.get(*s) == text).copied()
    }

    /// The text of a number.
    #[must_use]
    pub fn get(&self, sym: Sym) -> &str {
        slice(&self.text, &self.ends, sym)
    }

    /// How many texts there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "nobody asks whether an estate has no text")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The table that finds a number by its text is not needed once everything is read: lets go of spare room.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

fn slice<'a>(text: &'a str, ends: &[usize], sym: Sym) -> &'a str {
    let i = sym.index();
    let start = if i == 0 { 0 } else { ends.get(i - 1).copied().unwrap_or(0) };
    let end = ends.get(i).copied().unwrap_or(start);
    text.get(start..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_keeps_it() {
        let mut names = Interner::default();
        let all: Vec<_> = (0..1000).map(|i| names.intern(&format!("name {i}"))).collect();
        let empty = names.intern("");
        for (i, s) in all.iter().enumerate() {
            assert_eq!(names.get(*s), format!("name {i}"));
            assert_eq!(names.intern(&format!("name {i}")), *s);
            assert_eq!(names.find(&format!("name {i}")), Some(*s));
        }
        assert_eq!(names.get(empty), "");
        assert_eq!(names.find("another"), None);
        assert_eq!(names.len(), 1001);
    }
}
