//! Going through the lines of an input on several threads, with whatever is to be made of them: what each block comes to
//! is taken in the order of the input.

use std::io::{self, Write};

use super::input::{Block, Blocks, Input, Lines};
use super::rows::{IN_SLICE, SLICES};
use super::{IntakeError, Source};
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

/// How the lines of all inputs are numbered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    /// What is added to the number of a line.
    pub(super) start: u64,
    /// How many lines there may be.
    pub(super) most: u64,
}

impl Numbers {
    /// Those of everything in one.
    pub(super) const ALL: Self = Self { start: 0, most: SLICES as u64 * IN_SLICE - 1 };

    pub(super) fn of_slice(slice: u16) -> Self {
        Self { start: u64::from(slice) * IN_SLICE, most: IN_SLICE - 1 }
    }
}

/// How inputs are read.
pub(super) struct How<'a> {
    /// Whether they are read again later.
    pub(super) again: bool,
    pub(super) threads: usize,
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
}

/// Goes through all inputs for the first time. `make` is told the place of the input, and what to add to the numbers of its
/// lines. The inputs, each with the latter, and the number behind the last line.
pub(super) fn each_input<R>(
    sources: &[Source],
    numbers: Numbers,
    how: &How<'_>,
    make: &(dyn Fn(&Block, (usize, u64)) -> R + Sync),
    take: &mut (dyn FnMut(R, &str) -> Result<(), IntakeError> + Send),
) -> Result<(Vec<(Input, u64)>, u64), IntakeError> {
    let mut next = numbers.start;
    let mut inputs = vec![];
    for (number, source) in sources.iter().enumerate() {
        let mut input = Input::open(source, number)?;
        let (file, start) = (input.to_string(), next);
        let lines = if how.again { input.lines(how.progress) } else { input.lines_once(how.progress) }?;
        let make = |block: &Block| (make(block, (number, start)), block.last_line());
        scan(lines, how.threads, &make, &mut |(made, last)| {
            next = start + last;
            if next > numbers.start + numbers.most {
                let what =
                    format!("there are more than {} lines to number; cut them in more slices", numbers.most);
                return Err(IntakeError::Line { file: file.clone(), line: last, what });
            }
            take(made, &file)
        })?;
        inputs.push((input, start));
    }
    Ok((inputs, next + 1))
}

/// Where rows go. When nobody takes them any more there is no use in making them.
pub(super) struct Pour<'o> {
    out: &'o mut (dyn Write + Send),
    wrote: io::Result<()>,
}

impl<'o> Pour<'o> {
    pub(super) fn new(out: &'o mut (dyn Write + Send)) -> Self {
        Self { out, wrote: Ok(()) }
    }

    /// Writes; the error only ends what is being done, [`Self::end`] has the one that counts.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        if self.wrote.is_ok() {
            self.wrote = self.out.write_all(bytes);
        }
        if self.wrote.is_ok() { Ok(()) } else { Err(IntakeError::TooMany) }
    }

    /// What was done, or why it could not be written.
    pub(super) fn end<T>(self, done: Result<T, IntakeError>) -> Result<io::Result<T>, IntakeError> {
        match self.wrote {
            Err(e) => Ok(Err(e)),
            Ok(()) => done.map(|done| self.out.flush().map(|()| done)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_lines_than_numbers() {
        let source =
            |lines: usize| Source::Text { name: "text".to_owned(), text: "{}\n".repeat(lines).into_bytes() };
        let how = How { again: false, threads: 2, progress: &|_| {} };
        let numbers = Numbers { start: 70, most: 400 };
        let last = |sources: &[Source]| {
            let make = |block: &Block, (_, start)| start + block.last_line();
            let mut last = 0;
            let read = each_input(sources, numbers, &how, &make, &mut |number, _| {
                last = number;
                Ok(())
            });
            read.map(|(inputs, next)| {
                (inputs.into_iter().map(|(_, start)| start).collect::<Vec<_>>(), next, last)
            })
        };
        assert_eq!(last(&[source(100), source(300)]).unwrap(), (vec![70, 170], 471, 470));
        let error = last(&[source(100), source(301)]).unwrap_err().to_string();
        assert_eq!(error, "text: line 301: there are more than 400 lines to number; cut them in more slices");
        assert_eq!((Numbers::ALL.most, Numbers::of_slice(9999).start), (999_999_999_999, 999_900_000_000));
    }
}
