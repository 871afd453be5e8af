//! Answers by the hash of the question, each in the place where it is looked for: to find one, or that there is none, is
//! mostly to read one line of memory.

use std::num::NonZeroU32;

use super::texts::Start;
use crate::model::Instant;
use crate::model::finding::Standing;

/// What is kept of one grant that can be asked for: the question, and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) mark: Mark,
    /// The key of the entitlement, which is one system's.
    pub(super) right: u32,
    /// Where the account's name starts, or the key of a person.
    pub(super) who: u32,
    /// Where the scope starts; 0 for none.
    pub(super) scope: Start,
    /// Where the source and the id of the request start; 0 for none.
    pub(super) request: Start,
    pub(super) row: u32,
    pub(super) until: Option<Instant>,
}

/// By what a slot is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The normal form of the account.
    Form = 0,
    /// The account as it is written, where spellings of it are linked to different identities.
    Spelling = 1,
    /// The person who holds it, by whichever account.
    Person = 2,
}

/// Part of the hash, how the slot is asked for, and its answer in short. Never 0, so an empty slot needs no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(NonZeroU32);

impl Mark {
    /// `None` stands for an account that has to be looked up as it is written.
    pub(super) fn new(hash: u64, by: By, standing: Option<Standing>) -> Self {
        let answer = standing.map_or(15, |s| s as u32);
        Self(NonZeroU32::MIN | (hash as u32 & !0xff) | ((by as u32) << 6) | (answer << 1))
    }

    /// Whether it is asked for in this way.
    pub(super) fn is(self, by: By) -> bool {
        (self.0.get() >> 6) & 3 == by as u32
    }

    /// Whether this may be what was asked.
    fn may_be(self, hash: u64, by: By) -> bool {
        (self.0.get() ^ (hash as u32)) >> 8 == 0 && self.is(by)
    }

    /// How it stands; `None`: the account has to be looked up as it is written.
    pub(super) fn standing(self) -> Option<Standing> {
        Standing::ALL.get(((self.0.get() >> 1) & 15) as usize).copied()
    }
}

/// As much as is read from memory at once.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Line([Option<Slot>; 2]);

/// All slots. A hash says the line to begin with; what finds no room there stands in the next that has some.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// A table of these slots by their hashes, with half as much room again.
    pub(super) fn new(mut slots: Vec<(u64, Slot)>) -> Self {
        // In the order in which they will stand: memory is then written from the beginning to the end.
        slots.sort_unstable_by_key(|(hash, _)| *hash);
        let mut table = Self { lines: vec![Line::default(); (slots.len() * 3).div_ceil(4) + 1] };
        for (hash, slot) in slots {
            let at = table.line(hash);
            let (before, from) = table.lines.split_at_mut_checked(at).unwrap_or_default();
            let room = from.iter_mut().chain(before).flat_map(|line| &mut line.0).find(|s| s.is_none());
            room.into_iter().for_each(|room| *room = Some(slot));
        }
        table
    }

    fn line(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.lines.len() as u128) >> 64) as usize
    }

    /// The slot of a question. `same` looks at the whole of it, and is asked about hardly any other.
    pub(super) fn find(&self, hash: u64, by: By, same: impl Fn(&Slot) -> bool) -> Option<&Slot> {
        let (before, from) = self.lines.split_at_checked(self.line(hash))?;
        for line in from.iter().chain(before) {
            for slot in &line.0 {
                let slot = slot.as_ref()?;
                if slot.mark.may_be(hash, by) && same(slot) {
                    return Some(slot);
                }
            }
        }
        None
    }

    /// A slot that may be what is asked, from the first line alone: to have near what will be read of it.
    pub(super) fn near(&self, hash: u64, by: By) -> Option<&Slot> {
        let line = self.lines.get(self.line(hash))?;
        line.0.iter().flatten().find(|slot| slot.mark.may_be(hash, by))
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.lines.iter().flat_map(|line| &line.0).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot(hash: u64, right: u32) -> (u64, Slot) {
        let mark = Mark::new(hash, By::Form, Some(Standing::Unapproved));
        (hash, Slot { mark, right, who: 0, scope: 0, request: 0, row: 0, until: None })
    }

    #[test]
    fn a_line_is_what_is_read_at_once() {
        assert_eq!((size_of::<Slot>(), size_of::<Line>()), (32, 64));
    }

    #[test]
    fn a_mark_gives_back_what_it_was_made_of() {
        for by in [By::Form, By::Spelling, By::Person] {
            for standing in Standing::ALL.map(Some).into_iter().chain([None]) {
                for hash in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
                    let mark = Mark::new(hash, by, standing);
                    assert_eq!(mark.standing(), standing);
                    for other in [By::Form, By::Spelling, By::Person] {
                        assert_eq!(mark.may_be(hash, other), by == other);
                    }
                    assert!(!mark.may_be(hash ^ 0x100, by));
                }
            }
        }
    }

    proptest! {
        /// Hashes that nearly all want the same line, the last one too, so that slots stand far from where they belong.
        #[test]
        fn every_slot_is_found_wherever_it_found_room(hashes in prop::collection::vec(0..4u64, 0..40)) {
            let hash = |n: u64| if n == 0 { u64::MAX } else { n };
            let slots: Vec<_> = (0..).zip(&hashes).map(|(right, n)| slot(hash(*n), right)).collect();
            let table = Table::new(slots.clone());
            prop_assert_eq!(table.slots().count(), slots.len());
            for (hash, slot) in &slots {
                let found = table.find(*hash, By::Form, |other| other.right == slot.right);
                prop_assert_eq!(found.map(|s| s.right), Some(slot.right));
            }
            for n in 0..5 {
                prop_assert!(table.find(hash(n), By::Form, |_| false).is_none());
            }
        }
    }
}
