//! The signals that end the daemon or let it read its configuration again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration as Span;

/// How long after it was told to stop the daemon ends whatever still hangs: a disk or a pipe that does not answer, say.
const LAST: Span = Span::from_secs(8);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Stop,
    Reload,
}

/// Tells of each signal, until nobody listens any more.
#[cfg(unix)]
pub(super) async fn signals(tell: impl Fn(Signal) -> bool, stopping: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let all =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = all else {
        tracing::error!("signals cannot be waited for");
        return;
    };
    loop {
        let what = tokio::select! {
            _ = terminate.recv() => Signal::Stop,
            _ = interrupt.recv() => Signal::Stop,
            _ = hangup.recv() => Signal::Reload,
        };
        if matches!(what, Signal::Stop) && !stopping.swap(true, Ordering::Relaxed) {
            std::thread::spawn(end_at_last);
        }
        if !tell(what) {
            return;
        }
    }
}

/// Ends the process when something that cannot be broken off holds it up. Nothing is lost by that: what was committed
/// is on the disk, and what was not is done again.
fn end_at_last() {
    std::thread::sleep(LAST);
    tracing::warn!("something that was begun does not end; counterfoil stops without it, and does it again");
    std::process::exit(0);
}

#[cfg(not(unix))]
pub(super) async fn signals(tell: impl Fn(Signal) -> bool, stopping: Arc<AtomicBool>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stopping.store(true, Ordering::Relaxed);
        std::thread::spawn(end_at_last);
        tell(Signal::Stop);
    }
}
