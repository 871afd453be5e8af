//! The tasks that empty the outbox, one for each sink, at its own pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration as Span;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::post::{Destination, Pause, Post, deliver, resend};
use super::watch::now;
use crate::model::Instant;
use crate::serve::Status;

/// How often a sink looks whether something waits that nobody told it of.
const LOOK: Span = Span::from_secs(1);
/// How long all sendings may go on together once they are to end.
const GRACE: Span = Span::from_secs(4);

/// All of them.
pub(super) struct PostOffice {
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl PostOffice {
    /// Begins.
    pub(super) fn open(
        runtime: &Runtime,
        post: &Post,
        status: &Arc<Status>,
        destinations: &[Arc<Destination>],
        leads: &Arc<AtomicBool>,
    ) -> Self {
        let (end, ended) = watch::channel(false);
        let spawn = |to: &Arc<Destination>| {
            runtime.spawn(carry(
                post.clone(),
                Arc::clone(to),
                Arc::clone(status),
                Arc::clone(leads),
                ended.clone(),
            ))
        };
        let tasks = destinations.iter().map(spawn).collect();
        Self { end, tasks }
    }

    /// Ends all of them; what is being sent may still arrive.
    pub(super) fn close(self, runtime: &Runtime) {
        let _ = self.end.send(true);
        runtime.block_on(async {
            // One limit for all: receivers that do not answer must not add up.
            let until = tokio::time::Instant::now() + GRACE;
            for mut task in self.tasks {
                if tokio::time::timeout_at(until, &mut task).await.is_err() {
                    task.abort();
                }
            }
        });
    }
}

/// Sends what waits for one sink, and, where this one leads, what a receiver that forgets must hear again; until it is asked to end.
async fn carry(
    post: Post,
    to: Arc<Destination>,
    status: Arc<Status>,
    leads: Arc<AtomicBool>,
    mut ended: watch::Receiver<bool>,
) {
    let mut pause = Pause::default();
    let mut told_open: Option<Instant> = None;
    loop {
        let at = now();
        if let Some(every) = to.sink.resends_open()
            && told_open.is_none_or(|last| last > at || last.plus(every) <= at)
            && pause.failures == 0
            && leads.load(Ordering::Relaxed)
        {
            told_open = Some(at);
            if let Err(e) = resend(&post, &to, at).await {
                tracing::warn!(sink = to.id(), error = %e, "what is open could not be told again");
            }
        }
        let idle = match deliver(&post, &to, &mut pause, at).await {
            Ok(sent) => {
                for (result, n) in [("taken", sent.taken), ("later", sent.later), ("refused", sent.refused)] {
                    if n > 0 {
                        status.metrics.delivered(to.id(), result, n);
                    }
                }
                sent.taken + sent.refused == 0
            }
            Err(e) => {
                tracing::warn!(sink = to.id(), error = %e, "the outbox cannot be used; it is tried again");
                true
            }
        };
        let wait = if idle { LOOK } else { Span::ZERO };
        let end = tokio::time::timeout(wait, ended.wait_for(|end| *end)).await;
        if end.is_ok() {
            return;
        }
    }
}
