//! Several threads on one input: each takes the next block, parses it by itself, and hands on what it holds in its turn.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::input::{Block, Lines};
use super::{IntakeError, Whole, digest};
use crate::judge::Builder;

/// Reads an input to its end, or to the first line that is no record where those are not passed over.
pub(super) fn read(
    mut lines: Lines<'_>,
    input: usize,
    threads: usize,
    whole: &mut Whole<'_>,
) -> Result<(), IntakeError> {
    let mut block = Block::default();
    let mut part = whole.builder.part();
    let pass_over = whole.rejects.is_some();
    // Most inputs are small: one block, and nobody to share it with.
    while lines.next_block(&mut block)? {
        let digest = digest(&block, input, pass_over, &mut part);
        whole.take(&mut part, digest)?;
        if threads > 1 && !lines.is_over() {
            let shared = Shared {
                input,
                pass_over,
                source: Mutex::new((lines, 0)),
                turn: Mutex::new(Turn { next: 0, whole, failed: None, stopped: false }),
                moved: Condvar::new(),
            };
            return shared.run(threads, block, part);
        }
    }
    Ok(())
}

/// What the threads share.
struct Shared<'s, 'w, 'l> {
    input: usize,
    pass_over: bool,
    /// The rest of the input, and the number of the next block.
    source: Mutex<(Lines<'l>, u64)>,
    turn: Mutex<Turn<'s, 'w>>,
    /// It is another block's turn, or nobody's any more.
    moved: Condvar,
}

/// Whose turn it is to hand on.
struct Turn<'s, 'w> {
    /// The number of the block.
    next: u64,
    whole: &'s mut Whole<'w>,
    failed: Option<IntakeError>,
    stopped: bool,
}

impl Shared<'_, '_, '_> {
    fn run(self, threads: usize, block: Block, part: Builder) -> Result<(), IntakeError> {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                let part = part.part();
                scope.spawn(|| self.work(Block::default(), part));
            }
            // A part that was used has its room already.
            self.work(block, part);
        });
        let turn = self.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        turn.failed.map_or(Ok(()), Err)
    }

    fn work(&self, mut block: Block, mut part: Builder) {
        // Nobody may wait for the turn of a thread that is no more.
        let _stop = OnPanic(self);
        loop {
            let (number, read) = {
                let mut source = lock(&self.source);
                let (lines, next) = &mut *source;
                let number = *next;
                *next += 1;
                (number, lines.next_block(&mut block))
            };
            let digested = match read {
                Ok(false) => return,
                Ok(true) => Ok(digest(&block, self.input, self.pass_over, &mut part)),
                Err(e) => Err(e),
            };
            let mut turn = lock(&self.turn);
            while turn.next != number && !turn.stopped {
                turn = self.moved.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            if turn.stopped {
                return;
            }
            let taken = digested.and_then(|digest| turn.whole.take(&mut part, digest));
            turn.next += 1;
            if let Err(e) = taken {
                turn.failed = Some(e);
                turn.stopped = true;
            }
            drop(turn);
            self.moved.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops all others when its thread panics; the panic goes on where the threads are joined.
struct OnPanic<'a, 's, 'w, 'l>(&'a Shared<'s, 'w, 'l>);

impl Drop for OnPanic<'_, '_, '_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.turn).stopped = true;
            self.0.moved.notify_all();
        }
    }
}
