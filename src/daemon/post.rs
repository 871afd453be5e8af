//! Emptying the outbox: what waits for a sink is sent, and what came of it is written down. At least once, in order for
//! each finding; a receiver that is away is asked again later and later, and loses nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration as Span, Instant as Tick};

use crate::engine::Listener;
use crate::model::event::{Activity, EVENT_SCHEMA, Event, Message, Notice, State, event_id};
use crate::model::finding::Finding;
use crate::model::{Duration, Instant};
use crate::sink::{Receipt, Sink};
use crate::store::{Content, Fate, Letter, Store, StoreError};

/// How long to wait after each failure in a row; the last from then on.
const DELAYS: [Duration; 6] = [
    Duration::seconds(1),
    Duration::seconds(5),
    Duration::seconds(30),
    Duration::minutes(2),
    Duration::minutes(5),
    Duration::minutes(15),
];
/// How long a sink is left alone whose settings somebody has to change first.
const PAUSED: Duration = Duration::minutes(15);
/// How often the store is waited for to write down what was sent; each time for as long as the store itself waits.
const MAX_WAITS: u32 = 120;
/// How many open findings a receiver that forgets is told of again.
const MAX_OPEN: usize = 20_000;
/// How old a message may become.
const OLDEST: Duration = Duration::days(30);
/// How long one sending may take at the most: a sink has limits of its own, and this is for one that forgot them.
const PATIENCE: Span = Span::from_secs(180);

/// A sink, and what it is told.
#[derive(Debug)]
pub struct Destination {
    /// The kind of sink.
    pub kind: &'static str,
    /// Its id, and what it wants to hear.
    pub listener: Listener,
    /// How often it is sent a sign of life.
    pub heartbeat: Option<Duration>,
    /// The sink itself.
    pub sink: Box<dyn Sink>,
}

impl Destination {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.listener.id
    }
}

/// The store, as those see it who send what is in its outbox.
#[derive(Clone)]
pub struct Post(Arc<Mutex<Box<dyn Store>>>);

impl Post {
    /// Sends from this store.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    /// The store. Held only for one step, never while something is sent.
    pub fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the store where waiting for it harms nobody.
    async fn with<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let post = self.clone();
        let done = tokio::task::spawn_blocking(move || step(&mut **post.store())).await;
        done.unwrap_or_else(|e| Err(StoreError::Other(format!("a step of the outbox broke off: {e}"))))
    }
}

/// That a sink is left alone for a while.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Option<Instant>,
    /// Until when.
    pub until: Option<Instant>,
    /// How often in a row nothing was taken.
    pub failures: u32,
    /// Why nothing was taken last.
    pub reason: String,
}

/// What came of sending once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages the receiver has.
    pub taken: u64,
    /// Messages to be tried again.
    pub later: u64,
    /// Messages given up.
    pub refused: u64,
}

/// Sends what waits for a sink, one batch; nothing when there is nothing or the sink is left alone.
///
/// # Errors
/// When the store fails. What was sent may then be sent again, with the same ids.
pub async fn deliver(
    post: &Post,
    to: &Arc<Destination>,
    pause: &mut Pause,
    now: Instant,
) -> Result<Sent, StoreError> {
    // A clock that was set back must not keep a sink waiting.
    if pause.until.is_some_and(|until| now < until) && pause.since.is_none_or(|since| since <= now) {
        return Ok(Sent::default());
    }
    let (id, limit) = (to.id().to_owned(), to.sink.limits().messages.max(1));
    let letters = post.with(move |store| store.letters(&id, now, limit)).await?;
    if letters.is_empty() {
        return Ok(Sent::default());
    }
    let mut fates: Vec<(Letter, Fate)> = vec![];
    let mut going: Vec<Letter> = vec![];
    let mut messages: Vec<Message<'static>> = vec![];
    for letter in letters {
        match message(&letter) {
            Ok(message) if letter.at.plus(OLDEST) > now || letter.attempts == 0 => {
                messages.push(message);
                going.push(letter);
            }
            Ok(_) => fates.push((letter, Fate::Dead { reason: format!("not taken within {OLDEST}") })),
            Err(reason) => fates.push((letter, Fate::Dead { reason })),
        }
    }
    let receipts = if messages.is_empty() {
        vec![]
    } else {
        tokio::time::timeout(PATIENCE, to.sink.send(&messages, now)).await.unwrap_or_default()
    };
    let sent = settle(going, receipts, &mut fates, pause, now);
    tell(to, pause, &sent, &fates);
    // While a large pull is taken in, the store may be held for minutes. What was sent and not written down would be sent
    // again, so this waits.
    let fates = Arc::new(fates);
    for _ in 0..MAX_WAITS {
        let own = Arc::clone(&fates);
        match post.with(move |store| store.settle(&own)).await {
            Err(StoreError::Busy(why) | StoreError::Unreachable(why)) => {
                tracing::debug!(sink = to.id(), why, "waits for the store")
            }
            other => return other.map(|()| sent),
        }
    }
    Err(StoreError::Busy("it was held for too long; what was sent is sent again".to_owned()))
}

/// What becomes of each message, and of the sink.
fn settle(
    going: Vec<Letter>,
    receipts: Vec<Receipt>,
    fates: &mut Vec<(Letter, Fate)>,
    pause: &mut Pause,
    now: Instant,
) -> Sent {
    let mut sent = Sent { refused: fates.len() as u64, ..Sent::default() };
    let mut receipts = receipts.into_iter();
    let mut until: Option<Instant> = None;
    let mut asked: Option<Instant> = None;
    let delay = usize::try_from(pause.failures).unwrap_or(usize::MAX).min(DELAYS.len() - 1);
    let delay = DELAYS.get(delay).copied().unwrap_or(PAUSED);
    for letter in going {
        // A receipt that is missing is a sink that did not come to it.
        let missing = || Receipt::Later { reason: "no answer in time".to_owned(), retry_after: None };
        let fate = match receipts.next().unwrap_or_else(missing) {
            Receipt::Taken => {
                sent.taken += 1;
                Fate::Delivered
            }
            Receipt::Refused { reason } => {
                sent.refused += 1;
                Fate::Dead { reason }
            }
            Receipt::Later { reason, retry_after } => {
                sent.later += 1;
                let at = now.plus(retry_after.unwrap_or_default().max(delay));
                until = until.max(Some(at));
                asked = asked.max(retry_after.map(|_| at));
                pause.reason.clone_from(&reason);
                Fate::Retry { at, reason }
            }
            Receipt::Paused { reason } => {
                sent.later += 1;
                let at = now.plus(PAUSED);
                until = until.max(Some(at));
                pause.reason.clone_from(&reason);
                Fate::Retry { at, reason }
            }
        };
        fates.push((letter, fate));
    }
    if sent.taken + sent.refused > 0 {
        // A receiver that took a part and asked to be left alone is left alone.
        *pause = Pause { since: asked.map(|_| now), until: asked, ..Pause::default() };
    } else if sent.later > 0 {
        pause.failures = pause.failures.saturating_add(1);
        pause.since = Some(now);
        pause.until = until;
    }
    sent
}

fn tell(to: &Destination, pause: &Pause, sent: &Sent, fates: &[(Letter, Fate)]) {
    let sink = to.id();
    if pause.failures == 1 {
        tracing::warn!(sink, reason = pause.reason, "sink does not take messages; they are kept");
    } else if pause.failures > 1 {
        tracing::debug!(sink, reason = pause.reason, failures = pause.failures, "sink still takes nothing");
    }
    for (letter, fate) in fates {
        if let Fate::Dead { reason } = fate {
            tracing::error!(
                sink,
                letter = letter.message,
                reason,
                "message given up; `counterfoil outbox dead` lists it"
            );
        }
    }
    tracing::debug!(sink, taken = sent.taken, later = sent.later, refused = sent.refused, "sent");
}

/// The message that a letter holds.
fn message(letter: &Letter) -> Result<Message<'static>, String> {
    let broken = |e: serde_json::Error| format!("what is kept of it cannot be read: {e}");
    let notice = match &letter.content {
        Content::Events { bodies, group } => {
            let events: Result<Vec<Event<'static>>, _> =
                bodies.iter().map(|b| serde_json::from_str(b)).collect();
            Notice::Events { events: events.map_err(broken)?, group: group.clone() }
        }
        Content::Notice { kind, body } => match kind.as_str() {
            "digest" => Notice::Digest(serde_json::from_str(body).map_err(broken)?),
            "heartbeat" => Notice::Heartbeat(serde_json::from_str(body).map_err(broken)?),
            "checkpoint" => Notice::Checkpoint(serde_json::from_str(body).map_err(broken)?),
            other => return Err(format!("a notice of the unknown kind `{other}`")),
        },
    };
    Ok(Message { id: letter.message.clone(), time: letter.at, notice })
}

/// Sends all that waits for some sinks, for as long as they take it; what they do not take is kept for later.
///
/// # Errors
/// When the store fails.
pub fn deliver_all(
    post: &Post,
    destinations: &[Arc<Destination>],
    patience: Span,
    now: &dyn Fn() -> Instant,
) -> Result<(), StoreError> {
    let failed = |e: std::io::Error| StoreError::Other(format!("nothing can be sent: {e}"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let until = Tick::now() + patience;
    for to in destinations {
        let mut pause = Pause::default();
        while pause.failures == 0 && Tick::now() < until {
            let sent = runtime.block_on(deliver(post, to, &mut pause, now()))?;
            if sent == Sent::default() {
                break;
            }
        }
    }
    runtime.shutdown_timeout(Span::from_secs(1));
    Ok(())
}

/// Tells a receiver that forgets what it does not hear of everything that is open. Goes round the outbox: what is lost is
/// told again the next time.
///
/// # Errors
/// When the store fails.
pub async fn resend(post: &Post, to: &Arc<Destination>, now: Instant) -> Result<Sent, StoreError> {
    let destination = Arc::clone(to);
    let events = post
        .with(move |store| {
            let mut events: Vec<Event<'static>> = vec![];
            store.lives(&[State::Open], &mut |life| {
                // More than anybody looks at, and than there is room for.
                if events.len() >= MAX_OPEN || !life.told.iter().any(|id| id == destination.id()) {
                    return;
                }
                let Ok(finding) = serde_json::from_str::<Finding<'static>>(&life.body) else { return };
                let event = Event {
                    schema: EVENT_SCHEMA.into(),
                    id: event_id(&life.id, life.episode, life.seq),
                    activity: Activity::Update,
                    cause: life.cause,
                    state: life.state,
                    episode: life.episode,
                    seq: life.seq,
                    first_seen: life.first_seen,
                    time: life.changed_at,
                    run: 0,
                    initial: false,
                    finding,
                };
                events.push(event);
            })?;
            Ok(events)
        })
        .await?;
    let mut sent = Sent::default();
    let limit = to.sink.limits().messages.max(1);
    let mut events = events.into_iter().peekable();
    while events.peek().is_some() {
        let batch: Vec<Message<'static>> = events
            .by_ref()
            .take(limit)
            .map(|event| Message {
                id: event.id.clone(),
                time: now,
                notice: Notice::Events { events: vec![event], group: None },
            })
            .collect();
        let receipts = tokio::time::timeout(PATIENCE, to.sink.send(&batch, now)).await.unwrap_or_default();
        let taken = receipts.iter().filter(|r| **r == Receipt::Taken).count() as u64;
        sent.taken += taken;
        sent.later += batch.len() as u64 - taken;
        if taken == 0 {
            break;
        }
    }
    Ok(sent)
}
