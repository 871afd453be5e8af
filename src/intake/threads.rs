//! Several threads on one input: each takes the next block, parses it by itself, and hands on what it holds in its turn.

use super::input::{Block, Blocks, Lines};
use super::{IntakeError, Whole, digest};
use crate::judge::Builder;
use crate::turns::Turns;

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
            let shared = Shared { input, pass_over, blocks: Blocks::new(lines), turns: Turns::new(whole) };
            return shared.run(threads, block, part);
        }
    }
    Ok(())
}

/// What the threads share.
struct Shared<'s, 'w, 'l> {
    input: usize,
    pass_over: bool,
    /// The rest of the input.
    blocks: Blocks<'l>,
    turns: Turns<&'s mut Whole<'w>, IntakeError>,
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
        self.turns.end().map(drop)
    }

    fn work(&self, mut block: Block, mut part: Builder) {
        let _alarm = self.turns.alarm();
        loop {
            let (number, read) = self.blocks.next(&mut block);
            let digested = match read {
                Ok(false) => return,
                Ok(true) => Ok(digest(&block, self.input, self.pass_over, &mut part)),
                Err(e) => Err(e),
            };
            let take = |whole: &mut &mut Whole<'_>| whole.take(&mut part, digested?);
            if !self.turns.hand_on(number, take) {
                return;
            }
        }
    }
}
