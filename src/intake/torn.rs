//! Whether a home is in two partitions: what was told of it would then rest on a part of what decides.
//!
//! Where records were cut in slices nobody knew all homes, and sums do not show it. So the homes of each partition, which
//! are in order, go into a file that has no name, eight bytes each, and are merged from there: memory holds a few thousand
//! bytes for each partition, and there is one open file, however many homes there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use crate::judge::Home;

/// How many homes of a partition are read at once.
const AT_ONCE: u64 = if cfg!(test) { 3 } else { 1024 };

/// The homes of partitions, each in its order.
#[derive(Debug)]
pub(super) struct Homes {
    spool: BufWriter<File>,
    parts: Vec<Part>,
    /// How many homes are in the file.
    written: u64,
    /// Of the home that there is once: the first and the second partition that has it.
    nobody: Vec<usize>,
}

/// The homes of one partition, as far as they were not read again.
#[derive(Debug, Default)]
struct Part {
    /// What it is called.
    at: String,
    /// Where the next are in the file, and where they end.
    next: u64,
    end: u64,
    /// Those that were read, the next one last.
    read: Vec<u64>,
}

impl Homes {
    pub(super) fn new() -> io::Result<Self> {
        let spool = BufWriter::with_capacity(1 << 16, tempfile::tempfile()?);
        Ok(Self { spool, parts: vec![], written: 0, nobody: vec![] })
    }

    /// The next home of the partition that is not over.
    pub(super) fn add(&mut self, home: Home) -> io::Result<()> {
        match home {
            Home::Nobody => self.nobody.push(self.parts.len()),
            Home::Of(start) => {
                self.spool.write_all(&start.to_be_bytes())?;
                self.written += 1;
            }
        }
        Ok(())
    }

    /// A partition is over.
    pub(super) fn end(&mut self, at: &str) {
        let next = self.parts.last().map_or(0, |part| part.end);
        self.parts.push(Part { at: at.to_owned(), next, end: self.written, read: vec![] });
    }

    /// The first home that is in two partitions, and these.
    pub(super) fn torn(mut self) -> io::Result<Option<(Home, [String; 2])>> {
        let mut file = self.spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        let names = |parts: &[Part], two: [usize; 2]| {
            two.map(|n| parts.get(n).map_or_else(String::new, |part| part.at.clone()))
        };
        if let [first, second, ..] = *self.nobody {
            return Ok(Some((Home::Nobody, names(&self.parts, [first, second]))));
        }
        let mut heads = BinaryHeap::new();
        for (n, part) in self.parts.iter_mut().enumerate() {
            heads.extend(part.pop(&mut file)?.map(|home| Reverse((home, n))));
        }
        let mut last = None;
        while let Some(Reverse((home, n))) = heads.pop() {
            match last {
                Some((before, first)) if before == home => {
                    return Ok(Some((Home::Of(home), names(&self.parts, [first, n]))));
                }
                _ => last = Some((home, n)),
            }
            if let Some(part) = self.parts.get_mut(n) {
                heads.extend(part.pop(&mut file)?.map(|home| Reverse((home, n))));
            }
        }
        Ok(None)
    }
}

impl Part {
    fn pop(&mut self, file: &mut File) -> io::Result<Option<u64>> {
        if self.read.is_empty() && self.next < self.end {
            let some = AT_ONCE.min(self.end - self.next);
            let mut bytes = vec![];
            file.seek(SeekFrom::Start(self.next * 8))?;
            file.take(some * 8).read_to_end(&mut bytes)?;
            self.next += some;
            let (homes, _) = bytes.as_chunks::<8>();
            self.read.extend(homes.iter().rev().map(|home| u64::from_be_bytes(*home)));
        }
        Ok(self.read.pop())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn torn(parts: &[BTreeSet<Home>]) -> Option<(Home, [String; 2])> {
        let mut homes = Homes::new().unwrap();
        for (n, part) in parts.iter().enumerate() {
            part.iter().for_each(|home| homes.add(*home).unwrap());
            homes.end(&n.to_string());
        }
        homes.torn().unwrap()
    }

    proptest! {
        #[test]
        fn the_first_home_of_two_partitions_is_found_and_no_other(
            parts in prop::collection::vec(prop::collection::btree_set(0..400u64, 0..12), 0..8),
            nobody in prop::collection::vec(0..8usize, 0..3),
        ) {
            let mut parts: Vec<BTreeSet<Home>> =
                parts.into_iter().map(|p| p.into_iter().map(|n| Home::Of(n << 55)).collect()).collect();
            for n in nobody {
                parts.get_mut(n).map(|p| p.insert(Home::Nobody));
            }
            let mut of: BTreeMap<Home, Vec<String>> = BTreeMap::new();
            for (n, part) in parts.iter().enumerate() {
                part.iter().for_each(|home| of.entry(*home).or_default().push(n.to_string()));
            }
            let expected = of.into_iter().find(|(_, parts)| parts.len() > 1);
            let expected = expected.map(|(home, parts)| (home, [parts[0].clone(), parts[1].clone()]));
            prop_assert_eq!(torn(&parts), expected);
        }
    }
}
