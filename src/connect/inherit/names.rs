//! Names held once, however often they are said.

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashTable};
use std::hash::BuildHasher;

/// A text that is held once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

impl Name {
    /// Its number, from 0.
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// What a text costs in memory beside its bytes: where it is, and its place in the table.
const TEXT_BYTES: u64 = 40;

/// Texts, each once.
#[derive(Debug, Default)]
pub struct Names {
    texts: Vec<Box<str>>,
    table: HashTable<u32>,
    hasher: RandomState,
    bytes: u64,
}

impl Names {
    /// The name of a text.
    pub fn add(&mut self, text: &str) -> Name {
        let Self { texts, table, hasher, bytes } = self;
        let held = |number: u32| texts.get(number as usize).map_or("", |text| text);
        let hash = hasher.hash_one(text);
        if let Some(number) = table.find(hash, |number| held(*number) == text) {
            return Name(*number);
        }
        let number = u32::try_from(texts.len()).unwrap_or(u32::MAX);
        table.insert_unique(hash, number, |number| hasher.hash_one(held(*number)));
        texts.push(text.into());
        *bytes += text.len() as u64 + TEXT_BYTES;
        Name(number)
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.texts.get(name.number()).map_or("", |text| text)
    }

    /// Bytes they take, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// For each name its place in the order of the texts.
    pub fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<(&str, usize)> = self.texts.iter().map(|text| &**text).zip(0..).collect();
        order.sort_unstable();
        ranked(order.into_iter().map(|(_, number)| number))
    }
}

/// An entitlement of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Right(u32);

impl Right {
    /// Its number, from 0.
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// What a right costs in memory: its two names, and both again in the table.
const RIGHT_BYTES: u64 = 32;

/// Rights, each once.
#[derive(Debug, Default)]
pub struct Rights {
    pairs: Vec<(Name, Name)>,
    numbers: HashMap<(Name, Name), u32, RandomState>,
}

impl Rights {
    /// The right of a system and an entitlement.
    pub fn add(&mut self, system: Name, entitlement: Name) -> Right {
        let next = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry((system, entitlement)).or_insert(next);
        if number == next {
            self.pairs.push((system, entitlement));
        }
        Right(number)
    }

    /// Its system and its entitlement.
    pub fn pair(&self, right: Right) -> Option<(Name, Name)> {
        self.pairs.get(right.number()).copied()
    }

    /// Bytes they take, about.
    pub fn bytes(&self) -> u64 {
        self.pairs.len() as u64 * RIGHT_BYTES
    }

    /// For each right its place in the order of its names, of which each has a rank.
    pub fn ranks(&self, ranks: &[u32]) -> Vec<u32> {
        let rank = |name: Name| ranks.get(name.number()).copied().unwrap_or_default();
        let pairs = self.pairs.iter().map(|(system, entitlement)| (rank(*system), rank(*entitlement)));
        let mut order: Vec<((u32, u32), usize)> = pairs.zip(0..).collect();
        order.sort_unstable();
        ranked(order.into_iter().map(|(_, number)| number))
    }
}

/// From numbers in their order to the place of each.
fn ranked(order: impl ExactSizeIterator<Item = usize>) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    for (rank, number) in (0..).zip(order) {
        if let Some(slot) = ranks.get_mut(number) {
            *slot = rank;
        }
    }
    ranks
}
