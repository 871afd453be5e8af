//! The lines of a pull, some at once: read, the time of the pull left out, and hashed, on a thread of their own where there
//! is one to spare, so that the store is asked about some while the next are made ready.

use std::io::BufRead;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use super::prepare::Stamp;
use crate::model::MAX_LINE;
use crate::store::{Body, StoreError};

/// How the error of a pull begins that broke off while its lines were read.
pub(super) const CUT: &str = "the records of the pull";
/// How many bytes of lines are made ready at once; one line may be longer.
const AT_ONCE: usize = 256 * 1024;
/// How many such heaps of lines there are: one is made ready, one is looked at, one waits.
const HEAPS: usize = 3;

/// A line made ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'h> {
    /// As it was written.
    pub(super) written: &'h str,
    /// As it is kept.
    pub(super) body: Body<'h>,
    /// See [`Stamp::hides`].
    pub(super) hides: bool,
}

/// Where a line stands in its heap.
struct Place {
    written: Range<usize>,
    /// Where its kept form stands, if that is another.
    kept: Option<Range<usize>>,
    /// Its hash, if there was time for it.
    hash: Option<crate::store::Hash>,
    hides: bool,
}

/// Lines made ready together.
#[derive(Default)]
struct Heap {
    written: String,
    kept: String,
    places: Vec<Place>,
    /// Why there are no more: all were read, or reading failed.
    end: Option<Result<(), StoreError>>,
}

impl Heap {
    /// Fills it with the next lines, or as many as come before `enough` says so, and hashes them or leaves that to whoever
    /// looks at them.
    fn fill(&mut self, lines: &mut dyn BufRead, stamp: &Stamp, hashed: bool, enough: &AtomicBool) {
        self.written.clear();
        self.kept.clear();
        self.places.clear();
        while self.written.len() < AT_ONCE && self.end.is_none() && !enough.load(Ordering::Relaxed) {
            self.end = self.line(lines, stamp, hashed);
        }
    }

    /// Takes the next line, without its line end; none may be longer than a record may. Says why there is none.
    fn line(
        &mut self,
        lines: &mut dyn BufRead,
        stamp: &Stamp,
        hashed: bool,
    ) -> Option<Result<(), StoreError>> {
        let cut =
            |e: &dyn std::fmt::Display| Some(Err(StoreError::Other(format!("{CUT} could not be read: {e}"))));
        let start = self.written.len();
        let mut limited = std::io::Read::take(lines, MAX_LINE as u64 + 2);
        let n = match limited.read_line(&mut self.written) {
            Ok(0) => return Some(Ok(())),
            Ok(n) if n > MAX_LINE + 1 => return cut(&"a line is too long"),
            Ok(n) => n,
            Err(e) => return cut(&e),
        };
        let line = self.written.get(start..start + n).unwrap_or_default();
        let line = line.strip_suffix('\n').unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        let from = self.kept.len();
        let kept = stamp.without(line, &mut self.kept).then_some(from..self.kept.len());
        let body = kept.clone().and_then(|k| self.kept.get(k)).unwrap_or(line);
        let hash = hashed.then(|| Body::new(body).hash);
        self.places.push(Place { written: start..start + line.len(), kept, hash, hides: stamp.hides(line) });
        None
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.places.iter().filter_map(|place| {
            let written = self.written.get(place.written.clone())?;
            let text = match &place.kept {
                Some(kept) => self.kept.get(kept.clone())?,
                None => written,
            };
            let body = place.hash.map_or_else(|| Body::new(text), |hash| Body { text, hash });
            Some(Line { written, body, hides: place.hides })
        })
    }
}

/// Each line of a reader, in its order, with `threads` to do it.
pub(super) fn each_line(
    mut lines: Box<dyn BufRead + Send>,
    stamp: &Stamp,
    threads: usize,
    take: &mut dyn FnMut(Line<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let enough = AtomicBool::new(false);
    if threads < 2 {
        let mut heap = Heap::default();
        loop {
            heap.fill(&mut *lines, stamp, false, &enough);
            heap.lines().try_for_each(&mut *take)?;
            if let Some(end) = heap.end {
                return end;
            }
        }
    }
    let waiting = AtomicUsize::new(0);
    let (empty, to_fill) = channel();
    let (full, filled) = sync_channel(HEAPS);
    for _ in 0..HEAPS {
        _ = empty.send(Heap::default());
    }
    thread::scope(|scope| {
        let reader = thread::Builder::new().name("lines".to_owned());
        let read = || fill_all(lines, stamp, (&enough, &waiting), to_fill, full);
        reader.spawn_scoped(scope, read).map_err(|e| StoreError::Other(e.to_string()))?;
        let mut taken = || {
            for mut heap in &filled {
                waiting.fetch_sub(1, Ordering::Relaxed);
                heap.lines().try_for_each(&mut *take)?;
                if let Some(end) = heap.end.take() {
                    return end;
                }
                _ = empty.send(heap);
            }
            Err(StoreError::Other(format!("{CUT} could not be read")))
        };
        let taken = taken();
        // Whatever came of it, nobody waits for more lines than the one that is being read.
        enough.store(true, Ordering::Relaxed);
        drop((empty, filled));
        taken
    })
}

/// Fills heaps with lines until there are no more, or nobody wants them.
fn fill_all(
    mut lines: Box<dyn BufRead + Send>,
    stamp: &Stamp,
    (enough, waiting): (&AtomicBool, &AtomicUsize),
    to_fill: Receiver<Heap>,
    full: SyncSender<Heap>,
) {
    for mut heap in to_fill {
        // Whoever waits for lines hashes them as well; whoever has lines left is better given the hashes too.
        let hashed = waiting.load(Ordering::Relaxed) > 0;
        heap.fill(&mut *lines, stamp, hashed, enough);
        let last = heap.end.is_some() || enough.load(Ordering::Relaxed);
        waiting.fetch_add(1, Ordering::Relaxed);
        if full.send(heap).is_err() || last {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    /// What comes of a text: the lines as they are kept, and how it ended.
    fn all(text: Vec<u8>, threads: usize, last: usize) -> (Vec<String>, Option<String>) {
        let stamp = Stamp::new("2026-01-01T00:00:00Z");
        let mut found = vec![];
        let end = each_line(Box::new(Cursor::new(text)), &stamp, threads, &mut |line| {
            assert_eq!(line.body, Body::new(line.body.text));
            found.push(format!("{} {}", line.body.text, line.written.len()));
            if found.len() == last { Err(StoreError::Other("enough".to_owned())) } else { Ok(()) }
        });
        (found, end.err().map(|e| e.to_string()))
    }

    #[test]
    fn lines_are_the_same_on_a_thread_of_their_own() {
        let mut text = String::new();
        for n in 0..20_000 {
            let time = if n % 3 == 0 { "2026-01-01T00:00:00Z" } else { "2025-01-01T00:00:00Z" };
            text.push_str(&format!("{{\"id\":\"{n}\",\"observed_at\":\"{time}\"}}\n"));
            text.push_str(if n % 7 == 0 { "\n" } else { "" });
        }
        text.push_str("the last, without an end");
        let (one, end) = all(text.clone().into_bytes(), 1, 0);
        assert_eq!((one.len(), end.as_deref()), (20_001, None));
        assert!(one.first().is_some_and(|l| l.starts_with("{\"id\":\"0\",\"observed_at\":\"@\"}")));
        assert!(one.last().is_some_and(|l| l.starts_with("the last, without an end")));
        assert_eq!((one, end), all(text.clone().into_bytes(), 2, 0));
        assert_eq!(all(text.clone().into_bytes(), 2, 7), all(text.into_bytes(), 1, 7));
    }

    #[test]
    fn what_comes_before_a_fault_is_seen_and_then_the_fault() {
        for threads in [1, 2] {
            let (found, end) = all(b"one\ntwo\n\xff\xff\nthree\n".to_vec(), threads, 0);
            assert_eq!(found, ["one 3", "two 3"]);
            assert!(end.is_some_and(|e| e.contains(CUT)), "{threads}");
            let long = [b"one\n".to_vec(), vec![b'x'; MAX_LINE + 1], b"\n".to_vec()].concat();
            let (found, end) = all(long, threads, 0);
            assert_eq!(found, ["one 3"]);
            assert!(end.is_some_and(|e| e.contains("a line is too long")), "{threads}");
        }
    }

    /// A reader that goes on for ever must not be waited for.
    #[test]
    fn who_has_enough_does_not_wait() {
        let lines = Box::new(BufReader::new(std::io::repeat(b'\n').take(u64::MAX)).chain(Cursor::new("")));
        let lines = Box::new(Cursor::new("one\n").chain(lines));
        let stamp = Stamp::new("2026-01-01T00:00:00Z");
        let mut seen = 0;
        let end =
            each_line(Box::new(Cursor::new("x\n".repeat(200_000)).chain(lines)), &stamp, 2, &mut |_| {
                seen += 1;
                if seen == 150_000 { Err(StoreError::Other("enough".to_owned())) } else { Ok(()) }
            });
        assert!(end.is_err());
    }
}
