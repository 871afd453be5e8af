//! Work on many items by several threads, with what comes of them in the order of the items.
//!
//! One thread reads and takes: it alone touches the input and the records. What is between (the map, the hash, the check of
//! each record) is done in batches by lanes, one thread each. Batches go to the lanes in turn and are taken in the same turn,
//! so nothing has to be sorted, and a lane never has more than two: memory is bounded whatever is slow.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle, scope};

/// Items of one batch at most.
const BATCH_ITEMS: usize = 64;

/// Weight of one batch at most, in bytes: 256 KiB.
const BATCH_BYTES: usize = 256 << 10;

/// An item of this weight, in bytes, is worked on by the reader alone once everything before it is done: 1 MiB. What comes
/// of a large document may be large, and there should be one of it at a time.
const ALONE_BYTES: usize = 1 << 20;

/// Batches a lane may have: one it works on, one that waits.
const PER_LANE: usize = 2;

/// Takes an item; an error ends the reading.
pub(super) type Give<'g, T, E> = dyn FnMut(T) -> Result<(), E> + 'g;

/// Does `work` on everything that `read` gives, on so many lanes beside this thread (none: on this thread), and hands what
/// came of it to `take`, on this thread and in order. `weigh` says what an item takes of memory, in bytes.
///
/// # Errors
/// The first of what `take` and `read` returned, in the order of the items: all before an error is taken, nothing behind it.
pub(super) fn in_order<T: Send, R: Send, E>(
    lanes: usize,
    weigh: impl Fn(&T) -> usize,
    work: &(dyn Fn(Vec<T>) -> Vec<R> + Sync),
    take: &mut dyn FnMut(R) -> Result<(), E>,
    read: impl FnOnce(&mut Give<'_, T, E>) -> Result<u64, E>,
) -> Result<u64, E> {
    if lanes == 0 {
        return read(&mut |item| work(vec![item]).into_iter().try_for_each(&mut *take));
    }
    scope(|scope| {
        let mut crew = Crew { scope, work, size: lanes, lanes: Vec::new(), next: 0, due: 0, out: 0 };
        let mut batch = Vec::new();
        let (mut weight, mut stopped) = (0, false);
        let read = read(&mut |item| {
            let heavy = weigh(&item);
            weight += heavy;
            let alone = heavy >= ALONE_BYTES;
            if !alone {
                batch.push(item);
                if batch.len() < BATCH_ITEMS && weight < BATCH_BYTES {
                    return Ok(());
                }
                weight = 0;
                let given = crew.give(std::mem::take(&mut batch), take);
                stopped = given.is_err();
                return given;
            }
            weight = 0;
            let done = crew.finish(std::mem::take(&mut batch), take);
            let done = done.and_then(|()| work(vec![item]).into_iter().try_for_each(&mut *take));
            stopped = done.is_err();
            done
        });
        if !stopped {
            crew.finish(batch, take)?;
        }
        read
    })
}

/// The lanes, which start when there is a whole batch: most pulls are small.
struct Crew<'s, 'e, T, R> {
    scope: &'s Scope<'s, 'e>,
    work: &'e (dyn Fn(Vec<T>) -> Vec<R> + Sync),
    size: usize,
    lanes: Vec<Lane<'s, T, R>>,
    /// The lane that gets the next batch.
    next: usize,
    /// The lane whose batch is to be taken next.
    due: usize,
    /// Batches given and not taken.
    out: usize,
}

struct Lane<'s, T, R> {
    batches: SyncSender<Vec<T>>,
    done: Receiver<Vec<R>>,
    thread: ScopedJoinHandle<'s, ()>,
}

impl<'s, T: Send, R: Send> Crew<'s, '_, T, R> {
    /// Gives a batch to the next lane, after taking what is done or has to be.
    fn give<E>(&mut self, batch: Vec<T>, take: &mut dyn FnMut(R) -> Result<(), E>) -> Result<(), E>
    where
        T: 's,
        R: 's,
    {
        while self.out >= self.size * PER_LANE {
            self.take(take)?;
        }
        while let Some(done) = self.ready() {
            done.into_iter().try_for_each(&mut *take)?;
        }
        if self.lanes.len() < self.size {
            let lane = self.start();
            self.lanes.push(lane);
        }
        // There is room: the lane has fewer than it may. A lane that is gone is found out when its turn comes.
        if let Some(lane) = self.lanes.get(self.next) {
            let _ = lane.batches.send(batch);
        }
        self.next = (self.next + 1) % self.size;
        self.out += 1;
        Ok(())
    }

    /// Takes everything that is out, and what comes of the last, not yet full batch.
    fn finish<E>(&mut self, last: Vec<T>, take: &mut dyn FnMut(R) -> Result<(), E>) -> Result<(), E> {
        while self.out > 0 {
            self.take(take)?;
        }
        if last.is_empty() {
            return Ok(());
        }
        (self.work)(last).into_iter().try_for_each(take)
    }

    /// Waits for the batch that is due and takes what came of it.
    fn take<E>(&mut self, take: &mut dyn FnMut(R) -> Result<(), E>) -> Result<(), E> {
        let done = self.lanes.get(self.due).and_then(|lane| lane.done.recv().ok());
        let Some(done) = done else { self.lost() };
        self.taken();
        done.into_iter().try_for_each(take)
    }

    /// The batch that is due, if it is done.
    fn ready(&mut self) -> Option<Vec<R>> {
        let done = self.lanes.get(self.due)?.done.try_recv().ok()?;
        self.taken();
        Some(done)
    }

    fn taken(&mut self) {
        self.due = (self.due + 1) % self.size;
        self.out = self.out.saturating_sub(1);
    }

    fn start(&self) -> Lane<'s, T, R>
    where
        T: 's,
        R: 's,
    {
        let (batches, given) = sync_channel::<Vec<T>>(PER_LANE);
        let (finished, done) = sync_channel(PER_LANE);
        let work = self.work;
        let thread = self.scope.spawn(move || {
            // Ends when the reader is through, or gone after an error.
            while let Ok(batch) = given.recv() {
                if finished.send(work(batch)).is_err() {
                    return;
                }
            }
        });
        Lane { batches, done, thread }
    }

    /// A lane ended before its time. That is a panic, which is a defect; it goes on in this thread.
    fn lost(&mut self) -> ! {
        let lane = (self.due < self.lanes.len()).then(|| self.lanes.swap_remove(self.due));
        match lane.map(|lane| lane.thread.join()) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => std::panic::resume_unwind(Box::new("a thread that maps rows ended before its work")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        lanes: usize,
        numbers: u64,
        bad: Option<u64>,
        refused: Option<u64>,
    ) -> (Vec<u64>, Result<u64, String>) {
        let mut taken = Vec::new();
        let work = |batch: Vec<u64>| {
            if batch.first().is_some_and(|n| n % 3 == 0) {
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
            batch.into_iter().map(|n| n * 2).collect()
        };
        let result = in_order(
            lanes,
            |n: &u64| if *n == 700 { ALONE_BYTES } else { 8 },
            &work,
            &mut |n| {
                if Some(n / 2) == refused {
                    return Err(format!("refused {n}"));
                }
                taken.push(n);
                Ok(())
            },
            |give| {
                for n in 0..numbers {
                    if Some(n) == bad {
                        return Err(format!("cannot read {n}"));
                    }
                    give(n)?;
                }
                Ok(numbers)
            },
        );
        (taken, result)
    }

    #[test]
    fn the_order_and_the_errors_are_those_of_one_thread() {
        for numbers in [0, 1, 63, 64, 65, 699, 701, 3_000] {
            for (bad, refused) in [(None, None), (Some(650), None), (None, Some(650)), (Some(660), Some(650))]
            {
                let alone = run(0, numbers, bad, refused);
                for lanes in 1..=4 {
                    assert_eq!(run(lanes, numbers, bad, refused), alone, "{numbers} {bad:?} {refused:?}");
                }
            }
        }
    }

    #[test]
    fn a_panic_of_a_lane_is_a_panic_of_the_pull() {
        let work = |batch: Vec<u64>| {
            assert!(!batch.contains(&500), "the five hundredth");
            batch
        };
        let caught = std::panic::catch_unwind(|| {
            in_order(
                2,
                |_| 8,
                &work,
                &mut |_| Ok::<(), String>(()),
                |give| (0..10_000).try_for_each(give).map(|()| 10_000),
            )
        });
        let text = caught.unwrap_err();
        assert!(text.downcast_ref::<&str>().is_some_and(|text| text.contains("five hundredth")));
    }
}
