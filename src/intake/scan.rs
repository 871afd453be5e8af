//! Going through the lines of an input on several threads, with whatever is to be made of them: what each block comes to
//! is taken in the order of the input.

use super::IntakeError;
use super::input::{Block, Blocks, Lines};
use crate::turns::Turns;

/// Makes something of each block, and takes it.
pub(super) fn scan<R>(
    lines: Lines<'_>,
    threads: usize,
    make: &(dyn Fn(&Block) -> R + Sync),
    take: &mut (dyn FnMut(R) -> Result<(), IntakeError> + Send),
) -> Result<(), IntakeError> {
    let (blocks, turns) = (Blocks::new(lines), Turns::new(take));
    let work = || {
        let _alarm = turns.alarm();
        let mut block = Block::default();
        loop {
            let (number, read) = blocks.next(&mut block);
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
