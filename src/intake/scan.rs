//! Going through the lines of an input on several threads, with whatever is to be made of them: what each block comes to
//! is taken in the order of the input.

use std::sync::{Mutex, PoisonError};

use super::IntakeError;
use super::input::{Block, Lines};
use crate::turns::Turns;

/// Makes something of each block, and takes it.
pub(super) fn scan<R>(
    lines: Lines<'_>,
    threads: usize,
    make: &(dyn Fn(&Block) -> R + Sync),
    take: &mut (dyn FnMut(R) -> Result<(), IntakeError> + Send),
) -> Result<(), IntakeError> {
    let (source, turns) = (Mutex::new((lines, 0)), Turns::new(take));
    let work = || {
        let _alarm = turns.alarm();
        let mut block = Block::default();
        loop {
            let (number, read) = {
                let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                let (lines, next) = &mut *source;
                let number = *next;
                *next += 1;
                (number, lines.next_block(&mut block))
            };
            let made = match read {
                Ok(false) => return,
                Ok(true) => Ok(make(&block)),
                Err(e) => Err(e),
            };
            if !turns.hand_on(number, |take| take(made?)) {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    turns.end().map(drop)
}

impl Block {
    /// Each line with its number, counted from 1 in the input.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, usize, &[u8])> {
        let lines = self.lines();
        let rest = (lines.last() != Some(&b'\n')).then_some(lines.len());
        let ends = memchr::memchr_iter(b'\n', lines).chain(rest);
        let mut start = 0;
        (self.first_line..).zip(ends).map(move |(number, end)| {
            let from = std::mem::replace(&mut start, end + 1);
            (number, from, lines.get(from..end).unwrap_or(&[]))
        })
    }
}
