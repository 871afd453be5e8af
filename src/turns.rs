//! Several threads that hand on what they made in the order of its number: each waits for its turn, and all stop when one
//! fails.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Whose turn it is, and what is handed to: whoever has the turn may change it.
pub(crate) struct Turns<T, E> {
    state: Mutex<State<T, E>>,
    moved: Condvar,
}

struct State<T, E> {
    to: T,
    /// The number that comes next.
    next: u64,
    failed: Option<E>,
    /// Nobody's turn comes any more.
    over: bool,
}

impl<T, E> Turns<T, E> {
    /// The turn is that of number 0.
    pub(crate) fn new(to: T) -> Self {
        Self { state: Mutex::new(State { to, next: 0, failed: None, over: false }), moved: Condvar::new() }
    }

    /// Waits for the turn of a number and hands on; whether there is any use in going on. After an error nobody's turn comes.
    pub(crate) fn hand_on(&self, number: u64, hand: impl FnOnce(&mut T) -> Result<(), E>) -> bool {
        let mut state = self.lock();
        while state.next != number && !state.over {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.over {
            return false;
        }
        match hand(&mut state.to) {
            Ok(()) => state.next += 1,
            Err(e) => (state.failed, state.over) = (Some(e), true),
        }
        self.moved.notify_all();
        !state.over
    }

    /// To be kept by each thread: when it panics, nobody waits for its turn. The panic goes on where threads are joined.
    pub(crate) fn alarm(&self) -> Alarm<'_, T, E> {
        Alarm(self)
    }

    /// When all threads are done: what was handed to, or the error of the lowest number that failed.
    pub(crate) fn end(self) -> Result<T, E> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.failed.map_or(Ok(state.to), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Turns::alarm`].
pub(crate) struct Alarm<'t, T, E>(&'t Turns<T, E>);

impl<T, E> Drop for Alarm<'_, T, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().over = true;
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Hands on so many numbers with four threads; `wrong` is where one fails or panics.
    fn handed(wrong: Option<(u64, bool)>) -> Result<Vec<u64>, u64> {
        let (turns, next) = (Turns::new(vec![]), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let work = || {
                let _alarm = turns.alarm();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    assert_ne!(wrong, Some((number, true)), "a defect");
                    let hand = |to: &mut Vec<u64>| {
                        to.push(number);
                        if wrong.is_some_and(|(n, _)| n == number) { Err(number) } else { Ok(()) }
                    };
                    if number >= 1000 || !turns.hand_on(number, hand) {
                        return;
                    }
                }
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            let panics = threads.into_iter().map(|t| t.join()).filter(Result::is_err).count();
            assert_eq!(panics > 0, wrong.is_some_and(|(_, panics)| panics));
        });
        turns.end()
    }

    #[test]
    fn numbers_come_in_their_order_and_nobody_waits_for_ever() {
        assert_eq!(handed(None), Ok((0..1000).collect()));
        assert_eq!(handed(Some((500, false))), Err(500));
        // What comes before a panic may be missing too: those who wait are told to stop.
        let some = handed(Some((500, true))).unwrap();
        assert!(some.len() <= 500 && some.iter().zip(0..).all(|(n, i)| *n == i), "{some:?}");
    }
}
