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
    /// Numbers by their text. Half of the hash stands beside each, so that the table grows, and passes over most texts
    /// that are not the one, without looking at a text: they lie anywhere in memory.
    table: HashTable<(u32, Sym)>,
    hasher: RandomState,
    text: String,
    ends: Vec<usize>,
}

impl Interner {
    /// A table for a part of the texts, to be taken in by [`Interner::absorb`] later.
    pub(super) fn part(&self) -> Self {
        Self { hasher: self.hasher.clone(), ..Self::default() }
    }

    /// The number of this text, given to it now if it had none.
    ///
    /// There is room for four thousand million texts; further ones would all share the last number, and memory
    /// ends long before.
    pub fn intern(&mut self, text: &str) -> Sym {
        let short = self.short(text);
        self.place(short, text)
    }

    /// Half of the hash of a text.
    fn short(&self, text: &str) -> u32 {
        (self.hasher.hash_one(text) >> 32) as u32
    }

    fn place(&mut self, short: u32, text: &str) -> Sym {
        let Self { table, text: all, ends, .. } = self;
        let same = |(held, s): &(u32, Sym)| *held == short && slice(all, ends, *s) == text;
        match table.entry(whole(short), same, |(short, _)| whole(*short)) {
            hashbrown::hash_table::Entry::Occupied(e) => e.get().1,
            hashbrown::hash_table::Entry::Vacant(e) => {
                let number =
                    u32::try_from(ends.len() + 1).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
                e.insert((short, Sym(number)));
                all.push_str(text);
                ends.push(all.len());
                Sym(number)
            }
        }
    }

    /// Takes in all texts of a part, in their order; the new number of each.
    pub(super) fn absorb(&mut self, part: &Self) -> Vec<Sym> {
        let mut shorts = vec![0; part.len()];
        for (short, sym) in &part.table {
            if let Some(slot) = shorts.get_mut(sym.index()) {
                *slot = *short;
            }
        }
        let mut texts = Vec::with_capacity(part.len());
        let mut start = 0;
        for (short, end) in shorts.into_iter().zip(&part.ends) {
            texts.push((short, part.text.get(start..*end).unwrap_or("")));
            start = *end;
        }
        let mut numbers = Vec::with_capacity(part.len());
        for some in texts.chunks(TOGETHER) {
            self.look_up(some, &mut numbers);
        }
        numbers
    }

    /// Adds the numbers of some different texts. Each step is taken for all of them before the next: what has to come from
    /// memory (a slot of the table, the place of a text, the text) is then waited for together and not one by one.
    fn look_up(&mut self, texts: &[(u32, &str)], numbers: &mut Vec<Sym>) {
        let mut found = [None; TOGETHER];
        for (slot, (short, _)) in found.iter_mut().zip(texts) {
            *slot = self.table.find(whole(*short), |(held, _)| held == short).map(|(_, sym)| (*sym, 0, 0));
        }
        for (sym, from, to) in found.iter_mut().flatten() {
            (*from, *to) = bounds(&self.ends, *sym);
        }
        let all = self.text.as_bytes();
        let near = found.iter().flatten().fold(0, |sum: u8, (_, from, _)| sum ^ all.get(*from).unwrap_or(&0));
        std::hint::black_box(near);
        for (held, (short, text)) in found.iter().zip(texts) {
            let number = match held {
                Some((sym, from, to)) if self.text.get(*from..*to) == Some(text) => *sym,
                _ => self.place(*short, text),
            };
            numbers.push(number);
        }
    }

    /// Forgets all texts, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.text.clear();
        self.ends.clear();
    }

    /// The number of this text, if it has one.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Sym> {
        let short = self.short(text);
        let same = |(held, s): &(u32, Sym)| *held == short && self.get(*s) == text;
        self.table.find(whole(short), same).map(|(_, sym)| *sym)
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

/// How many texts are looked up together.
const TOGETHER: usize = 32;

/// A hash for the table made of half a hash: the table looks at its highest and at its lowest bits.
fn whole(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn slice<'a>(text: &'a str, ends: &[usize], sym: Sym) -> &'a str {
    let (start, end) = bounds(ends, sym);
    text.get(start..end).unwrap_or("")
}

/// Where a text stands among all.
fn bounds(ends: &[usize], sym: Sym) -> (usize, usize) {
    let i = sym.index();
    let start = if i == 0 { 0 } else { ends.get(i - 1).copied().unwrap_or(0) };
    (start, ends.get(i).copied().unwrap_or(start))
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
