//! The loop itself: it waits for the next thing that is due, for a signal, or for the moment to tell the watchdog that it
//! lives; and keeps a task going for each sink.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration as Span, Instant as Tick, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ahead::Ahead;
use super::core::Core;
use super::post::{Destination, Pause, Post, deliver, resend};
use super::setup::{Setup, SetupError};
use super::status::refresh;
use crate::config::{Config, instant};
use crate::controls::Controls;
use crate::engine::EngineError;
use crate::model::event::Activity;
use crate::model::{Duration, Instant};
use crate::notify::Notifier;
use crate::serve::{Facts, Server, Site, Status};
use crate::store::{Place, Store};

/// The longest wait: the clock may be set meanwhile.
const LONGEST: Span = Span::from_secs(30);
/// How long to wait after a run that the store broke off.
const AFTER_FAULT: Span = Span::from_secs(15);
/// How often a sink looks whether something waits that nobody told it of.
const LOOK: Span = Span::from_secs(1);
/// How long all sendings may go on together once the daemon is asked to stop.
const GRACE: Span = Span::from_secs(4);
/// How long after that it ends whatever still hangs: a disk or a pipe that does not answer, say.
const LAST: Span = Span::from_secs(8);

/// How many requests may read the store at once.
const READERS: usize = 3;

/// What the loop is woken by.
#[derive(Clone, Copy)]
enum Wake {
    Stop,
    Reload,
    /// A pull has ended.
    Pulled,
    /// Somebody has accepted a finding, or let a pull pass.
    Acted,
}

/// The clock.
fn now() -> Instant {
    instant(SystemTime::now())
}

/// Runs until it is asked to stop. `load` reads the configuration, also when it is read again; `controls` what goes with
/// it; what sources keep between pulls is kept beside `beside`.
///
/// # Errors
/// When it cannot begin: the configuration, a secret, the store, the lock, or the address to listen on.
pub fn run(
    config: Config,
    load: &dyn Fn() -> Result<Config, SetupError>,
    controls: &dyn Fn(&Config) -> Result<Controls, SetupError>,
    store: &Place,
    beside: &Path,
    threads: usize,
) -> Result<(), SetupError> {
    let fail = |e: &dyn std::fmt::Display| SetupError(e.to_string());
    let setup = Setup::new(&config, controls(&config)?, threads)?;
    let _lock = super::hold::hold(store)?;
    let open = || -> Result<Box<dyn Store>, SetupError> { store.open().map_err(|e| fail(&e)) };
    let keep = config.store.clone().unwrap_or_default().keep;
    let core = Core::new(open()?, setup, keep).map_err(|e| fail(&e))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| fail(&e))?;
    let status = Arc::new(Status::new(env!("CARGO_PKG_VERSION")));
    let (end, ended) = watch::channel(false);
    let stopping = Arc::new(AtomicBool::new(false));
    let (wake, woken) = channel();
    let mut site = None;
    if let Some(serve) = &config.serve {
        let stores = (0..READERS).map(|_| open()).collect::<Result<_, _>>()?;
        let look = waker(&wake, Wake::Acted);
        let own =
            Site::new(serve, &config.folder, Arc::clone(&status), stores, now, look).map_err(|e| fail(&e))?;
        // Beside the store there is room, and nobody else reads; a file without a name goes with whoever has it open.
        let beside =
            beside.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let own = Arc::new(own.spooling(Arc::new(move || Ok(Box::new(tempfile::tempfile_in(&beside)?)))));
        own.set_facts(facts(&config, &core));
        if own.decides() {
            own.keep_decisions(open()?).map_err(|e| fail(&e))?;
        }
        let server = runtime.block_on(Server::bind(serve, Arc::clone(&own))).map_err(|e| fail(&e))?;
        tracing::info!(address = %server.address(), "serving pages, health, readiness and metrics");
        let mut ended = ended.clone();
        runtime.spawn(server.run(async move { drop(ended.wait_for(|end| *end).await) }));
        site = Some(own);
    }
    runtime.spawn(signals(wake.clone(), Arc::clone(&stopping)));
    let pulls = super::pull::kept_beside(beside);
    let ahead = Ahead::new(config.clone(), pulls.clone(), waker(&wake, Wake::Pulled));
    let mut daemon = Daemon {
        core,
        config,
        post: Post::new(open()?),
        post_office: None,
        runtime,
        status,
        site,
        notifier: Notifier::from_environment(),
        stopping,
        uncounted: true,
        ahead,
        wake,
        pulls,
    };
    daemon.open_post_office();
    tracing::info!(store = %store, "counterfoil runs");
    daemon.notifier.ready("runs");
    daemon.watch(&woken, load, controls, threads);
    daemon.notifier.stopping("stops");
    daemon.close_post_office();
    let _ = end.send(true);
    daemon.runtime.shutdown_timeout(Span::from_secs(1));
    tracing::info!("counterfoil has stopped; what was not delivered is kept");
    Ok(())
}

struct Daemon {
    core: Core,
    config: Config,
    post: Post,
    post_office: Option<PostOffice>,
    runtime: tokio::runtime::Runtime,
    status: Arc<Status>,
    /// What is served, where something is.
    site: Option<Arc<Site>>,
    notifier: Notifier,
    stopping: Arc<AtomicBool>,
    /// Whether grants and findings have yet to be counted for the metrics.
    uncounted: bool,
    /// The pulls under way.
    ahead: Ahead,
    wake: Sender<Wake>,
    /// Where what was pulled is kept between pulls.
    pulls: Option<std::path::PathBuf>,
}

/// Wakes the loop.
fn waker(wake: &Sender<Wake>, what: Wake) -> Arc<dyn Fn() + Send + Sync> {
    let wake = wake.clone();
    Arc::new(move || {
        let _ = wake.send(what);
    })
}

/// What pages show of a configuration.
fn facts(config: &Config, core: &Core) -> Facts {
    let rules = core.rules();
    Facts {
        sources: config.source.iter().map(|s| (s.id.clone(), s.connector.clone())).collect(),
        settings: rules.settings.clone(),
        max_exception: rules.life.max_exception,
        controls: Controls::of_json(&rules.frameworks).unwrap_or_default(),
    }
}

/// The tasks that empty the outbox, one for each sink.
struct PostOffice {
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Daemon {
    fn watch(
        &mut self,
        woken: &Receiver<Wake>,
        load: &dyn Fn() -> Result<Config, SetupError>,
        controls: &dyn Fn(&Config) -> Result<Controls, SetupError>,
        threads: usize,
    ) {
        let mut wait = Span::ZERO;
        loop {
            self.notifier.alive();
            match woken.recv_timeout(wait) {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Wake::Reload) => self.reload(load, controls, threads),
                Ok(Wake::Acted) => self.core.judge_soon(),
                Ok(Wake::Pulled) | Err(RecvTimeoutError::Timeout) => {}
            }
            wait = if self.tick() { self.until_next() } else { AFTER_FAULT };
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// How long until something is due, or somebody wants to hear that all is well.
    fn until_next(&self) -> Span {
        let now = now();
        let due = self.core.next_wake(now).and_then(|t| t.since(now)).map_or(LONGEST, span);
        let watchdog = self.notifier.watchdog().map_or(LONGEST, |w| w / 3);
        // What is due and still being pulled is waited for: its end wakes the loop.
        let due = if self.ahead.is_busy() { due.max(LOOK) } else { due };
        due.min(LONGEST).min(watchdog)
    }

    /// Does what is due; `false` when the store failed.
    fn tick(&mut self) -> bool {
        let (began, now) = (Tick::now(), now());
        let (stopping, notifier) = (Arc::clone(&self.stopping), &self.notifier);
        let last = std::cell::Cell::new(Tick::now());
        // Asked between any two steps of a run, which thereby also show that it goes on.
        let stop = || {
            if last.get().elapsed() > Span::from_secs(1) {
                last.set(Tick::now());
                notifier.alive();
            }
            stopping.load(Ordering::Relaxed)
        };
        let ticked = self.core.tick_with(now, &stop, &mut self.ahead);
        let took = duration(began.elapsed());
        let metrics = &self.status.metrics;
        let mut recount = self.uncounted;
        let well = match ticked {
            Ok(ticked) => {
                recount |= ticked.run.is_some();
                if let Some(run) = &ticked.run {
                    if let Some(site) = &self.site {
                        site.renew_decisions(run.homes > 0);
                    }
                    metrics.run_ended("ok", took, now);
                    for activity in [Activity::Create, Activity::Update, Activity::Close] {
                        metrics.changed(activity, run.events.get(activity.as_str()).copied().unwrap_or(0));
                    }
                    tracing::info!(
                        run = run.run,
                        homes = run.homes,
                        grants = run.grants,
                        events = run.event_count(),
                        kept_still = run.frozen,
                        ms = took.ms(),
                        "run finished"
                    );
                    self.notifier.status(&format!(
                        "run {} finished, {} changes told",
                        run.run,
                        run.event_count()
                    ));
                }
                true
            }
            Err(EngineError::Stopped) => {
                metrics.run_ended("stopped", took, now);
                tracing::info!("stopped within a run; the next one goes on");
                true
            }
            Err(e) => {
                metrics.run_ended("failed", took, now);
                tracing::error!(error = %e, "run failed; it is tried again");
                false
            }
        };
        let (sinks, max_age) = (self.core.setup().sink_ids(), self.core.source_max_age());
        let sources = self.core.setup().sources.clone();
        let refreshed = refresh(&self.status, self.core.store(), &sources, &sinks, max_age, now, recount);
        self.uncounted = refreshed.is_err();
        if let Err(e) = refreshed {
            tracing::warn!(error = %e, "the store cannot be asked how things stand");
        }
        well
    }

    fn reload(
        &mut self,
        load: &dyn Fn() -> Result<Config, SetupError>,
        controls: &dyn Fn(&Config) -> Result<Controls, SetupError>,
        threads: usize,
    ) {
        self.notifier.reloading();
        let loaded = load().and_then(|config| {
            let setup = Setup::new(&config, controls(&config)?, threads)?;
            Ok((config, setup))
        });
        match loaded {
            Ok((config, setup)) => {
                self.close_post_office();
                let keep = config.store.clone().unwrap_or_default().keep;
                if let Err(e) = self.core.reload(setup, keep) {
                    tracing::error!(error = %e, "the store failed while the configuration was read again");
                }
                // What is being pulled goes by the old configuration: it is broken off, and due again.
                self.ahead = Ahead::new(config.clone(), self.pulls.clone(), waker(&self.wake, Wake::Pulled));
                if let (Some(site), Some(serve)) = (&self.site, &config.serve) {
                    site.set_facts(facts(&config, &self.core));
                    if let Err(e) = site.reload(serve, &config.folder) {
                        tracing::error!(error = %e, "who may sign in is not read again; the old tokens stay");
                    }
                }
                if config.serve.as_ref().map(|s| s.listen) != self.config.serve.as_ref().map(|s| s.listen) {
                    tracing::warn!("another address to listen on takes a restart");
                }
                self.config = config;
                self.open_post_office();
                tracing::info!("the configuration was read again");
            }
            Err(e) => tracing::error!(error = %e, "the new configuration is refused; the old one stays"),
        }
        self.notifier.ready("runs");
    }

    fn open_post_office(&mut self) {
        let (end, ended) = watch::channel(false);
        let spawn = |to: &Arc<Destination>| {
            let task = carry(self.post.clone(), Arc::clone(to), Arc::clone(&self.status), ended.clone());
            self.runtime.spawn(task)
        };
        let tasks = self.core.setup().destinations.iter().map(spawn).collect();
        self.post_office = Some(PostOffice { end, tasks });
    }

    fn close_post_office(&mut self) {
        let Some(office) = self.post_office.take() else { return };
        let _ = office.end.send(true);
        self.runtime.block_on(async {
            // One limit for all: receivers that do not answer must not add up.
            let until = tokio::time::Instant::now() + GRACE;
            for mut task in office.tasks {
                if tokio::time::timeout_at(until, &mut task).await.is_err() {
                    task.abort();
                }
            }
        });
    }
}

/// Sends what waits for one sink, until it is asked to end.
async fn carry(post: Post, to: Arc<Destination>, status: Arc<Status>, mut ended: watch::Receiver<bool>) {
    let mut pause = Pause::default();
    let mut told_open: Option<Instant> = None;
    loop {
        let at = now();
        if let Some(every) = to.sink.resends_open()
            && told_open.is_none_or(|last| last > at || last.plus(every) <= at)
            && pause.failures == 0
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

#[cfg(unix)]
async fn signals(wake: Sender<Wake>, stopping: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let all =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = all else {
        tracing::error!("signals cannot be waited for");
        return;
    };
    loop {
        let what = tokio::select! {
            _ = terminate.recv() => Wake::Stop,
            _ = interrupt.recv() => Wake::Stop,
            _ = hangup.recv() => Wake::Reload,
        };
        if matches!(what, Wake::Stop) && !stopping.swap(true, Ordering::Relaxed) {
            std::thread::spawn(end_at_last);
        }
        if wake.send(what).is_err() {
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
async fn signals(wake: Sender<Wake>, stopping: Arc<AtomicBool>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stopping.store(true, Ordering::Relaxed);
        std::thread::spawn(end_at_last);
        let _ = wake.send(Wake::Stop);
    }
}

fn duration(span: Span) -> Duration {
    let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Instant::from_unix_ms(ms).since(Instant::from_unix_ms(0)).unwrap_or_default()
}

fn span(d: Duration) -> Span {
    Span::from_millis(d.ms().unsigned_abs())
}
