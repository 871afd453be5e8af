//! Output by batches: several threads render, and whoever has the next batch ready writes it, while the others
//! render on.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::turns::Turns;

/// Renders the batches `0..count` on this many threads (at least one) and writes them in their order. Each thread has
/// one buffer, and a worker of its own that `start` makes: `render` fills the buffer with one batch, and the workers
/// are handed back in the end. `wrote` is told, from any thread, which batch is written.
///
/// # Errors
/// The first error, by the order of the batches, of rendering or writing; then nothing further is written.
pub(super) fn write_in_order<W>(
    out: impl Write + Send,
    count: usize,
    threads: usize,
    start: impl Fn() -> W + Sync,
    render: impl Fn(&mut W, usize, &mut Vec<u8>) -> io::Result<()> + Sync,
    wrote: impl Fn(usize) + Sync,
) -> io::Result<Vec<W>>
where
    W: Send,
{
    let turns = Turns::new(out);
    let next = AtomicUsize::new(0);
    let work = || {
        let _alarm = turns.alarm();
        let (mut worker, mut buffer) = (start(), Vec::new());
        loop {
            // Only the number matters: what a batch holds does not depend on the others.
            let batch = next.fetch_add(1, Ordering::Relaxed);
            if batch >= count {
                return worker;
            }
            buffer.clear();
            let rendered = render(&mut worker, batch, &mut buffer);
            if !turns.hand_on(batch as u64, |out| rendered.and_then(|()| out.write_all(&buffer))) {
                return worker;
            }
            wrote(batch);
        }
    };
    let workers = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.clamp(1, count.max(1))).map(|_| scope.spawn(work)).collect();
        // A panic in a thread is a defect; it goes on in this one.
        running.into_iter().map(|r| r.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    turns.end().map(|_| workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then no more.
    struct Pipe {
        text: Vec<u8>,
        room: usize,
    }

    impl Write for Pipe {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let n = buf.len().min(self.room - self.text.len());
            self.text.extend_from_slice(&buf[..n]);
            if n == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(n) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(
        out: &mut Pipe,
        threads: usize,
        spoil: impl Fn(usize) -> io::Result<()> + Sync,
    ) -> io::Result<usize> {
        let render = |done: &mut usize, batch: usize, buffer: &mut Vec<u8>| {
            // The later a batch, the sooner it is ready.
            std::thread::sleep(std::time::Duration::from_micros(200 - batch as u64));
            *done += 1;
            spoil(batch)?;
            writeln!(buffer, "{batch}")
        };
        write_in_order(out, 200, threads, || 0, render, |_| {}).map(|done| done.into_iter().sum())
    }

    #[test]
    fn batches_come_in_their_order_whatever_the_number_of_threads() {
        let expected: String = (0..200).map(|n| format!("{n}\n")).collect();
        for threads in [0, 1, 2, 7, 300] {
            let mut out = Pipe { text: vec![], room: 1000 };
            assert_eq!(write(&mut out, threads, |_| Ok(())).unwrap(), 200);
            assert_eq!(out.text, expected.as_bytes(), "{threads}");
        }
        let nothing = write_in_order(vec![], 0, 4, || (), |(), _, _| Ok(()), |_| {});
        assert_eq!(nothing.unwrap().len(), 1);
    }

    #[test]
    fn the_first_error_ends_it_and_what_was_before_it_is_written() {
        for threads in [1, 3] {
            let mut out = Pipe { text: vec![], room: 1000 };
            let spoil = |batch| if batch >= 20 { Err(io::Error::other(format!("{batch}"))) } else { Ok(()) };
            assert_eq!(write(&mut out, threads, spoil).unwrap_err().to_string(), "20");
            assert_eq!(out.text.iter().filter(|b| **b == b'\n').count(), 20);

            let mut out = Pipe { text: vec![], room: 95 };
            assert_eq!(write(&mut out, threads, |_| Ok(())).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(out.text.len(), 95);
        }
    }

    #[test]
    fn a_panic_is_passed_on_and_nobody_waits_for_ever() {
        for at in [0, 3, 199] {
            let outcome = std::panic::catch_unwind(|| {
                let mut out = Pipe { text: vec![], room: 1000 };
                write(&mut out, 3, |batch| if batch == at { panic!("at {at}") } else { Ok(()) })
            });
            assert_eq!(outcome.unwrap_err().downcast_ref::<String>().unwrap(), &format!("at {at}"));
        }
    }
}
