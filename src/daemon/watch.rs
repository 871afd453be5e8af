//! The loop itself: it waits for the next thing that is due, for a signal, or for the moment to tell the watchdog that it
//! lives; and keeps a task going for each sink.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration as Span, Instant as Tick, SystemTime};

use tokio::sync::watch;

use super::core::Core;
use super::lead::{Hold, News};
use super::office::PostOffice;
use super::post::Post;
use super::setup::{Setup, SetupError};
use super::signals::{Signal, signals};
use super::spread::Pulling;
use super::status::refresh;
use crate::config::{Config, instant};
use crate::controls::Controls;
use crate::engine::EngineError;
use crate::model::event::Activity;
use crate::model::{Duration, Instant};
use crate::notify::Notifier;
use crate::serve::{Facts, Server, Site, Status};
use crate::store::{Place, RunRow, Store, StoreError};

/// How long to wait when the store could not be taken over.
const AFTER_TURN: Span = Span::from_secs(1);
/// The longest wait: the clock may be set meanwhile.
const LONGEST: Span = Span::from_secs(30);
/// How long to wait after a run that the store broke off.
const AFTER_FAULT: Span = Span::from_secs(15);
/// How often is looked at what others do.
const LOOK: Span = Span::from_secs(1);

/// How many requests may read the store at once.
const READERS: usize = 3;

/// What the loop is woken by.
#[derive(Clone, Copy)]
enum Wake {
    Stop,
    Reload,
    /// A pull has ended.
    Pulled,
    /// Somebody has accepted a finding, or let a pull pass, here.
    ActedHere,
    /// The same, anywhere.
    Acted,
    /// This one leads from now on, or no longer.
    Turned,
}

/// The clock.
pub(super) fn now() -> Instant {
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
    let (wake, woken) = channel();
    let tell = {
        let wake = wake.clone();
        move |news| {
            let _ = wake.send(match news {
                News::Turned => Wake::Turned,
                News::Acted => Wake::Acted,
            });
        }
    };
    let hold = Hold::join(store, Arc::new(tell))?;
    let store = hold.shared();
    let open = || -> Result<Box<dyn Store>, SetupError> { store.open().map_err(|e| fail(&e)) };
    let keep = config.store.clone().unwrap_or_default().keep;
    let core = Core::beside(open()?, setup, keep);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| fail(&e))?;
    let status = Arc::new(Status::new(env!("CARGO_PKG_VERSION")));
    let (end, ended) = watch::channel(false);
    let stopping = Arc::new(AtomicBool::new(false));
    let mut site = None;
    if let Some(serve) = &config.serve {
        let stores = (0..READERS).map(|_| open()).collect::<Result<_, _>>()?;
        let look = waker(&wake, Wake::ActedHere);
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
    let told = wake.clone();
    let tell = move |signal| {
        told.send(match signal {
            Signal::Stop => Wake::Stop,
            Signal::Reload => Wake::Reload,
        })
        .is_ok()
    };
    runtime.spawn(signals(tell, Arc::clone(&stopping)));
    let pulls = super::pull::kept_beside(beside);
    let pulling =
        Pulling::new(&store, &config, pulls.clone(), waker(&wake, Wake::Pulled)).map_err(|e| fail(&e))?;
    let mut daemon = Daemon {
        core,
        hold,
        term: None,
        leads: Arc::default(),
        looked: Tick::now(),
        last_run: None,
        config,
        post: Post::new(open()?),
        post_office: None,
        runtime,
        status,
        site,
        notifier: Notifier::from_environment(),
        stopping,
        uncounted: true,
        pulling,
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
    hold: Hold,
    /// The term in which this one leads.
    term: Option<u64>,
    /// The same, for those who send.
    leads: Arc<AtomicBool>,
    /// When was last said how everything stands, where another leads.
    looked: Tick,
    /// The last run of another that was seen.
    last_run: Option<u64>,
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
    pulling: Pulling,
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

/// Who does what is due.
enum Turn {
    /// This one.
    Leads,
    /// Another.
    LooksOn,
    /// This one could, and failed.
    Failed,
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
                Ok(Wake::ActedHere) if self.term.is_some() => self.core.judge_soon(),
                Ok(Wake::ActedHere) => self.hold.knock(),
                Ok(Wake::Pulled | Wake::Turned) | Err(RecvTimeoutError::Timeout) => {}
            }
            wait = match self.turn() {
                Turn::Leads => {
                    if self.tick() {
                        self.until_next()
                    } else {
                        AFTER_FAULT
                    }
                }
                Turn::LooksOn => self.look_on(),
                Turn::Failed => AFTER_TURN,
            };
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Sees whether this one leads, and acts on it where that changed.
    fn turn(&mut self) -> Turn {
        let term = self.hold.term();
        if term == self.term {
            return if term.is_some() { Turn::Leads } else { Turn::LooksOn };
        }
        if let Some(lost) = self.term.take() {
            self.leads.store(false, Ordering::Relaxed);
            self.status.metrics.set_leads(false);
            tracing::warn!(term = lost, "another may lead now: this one looks on, and delivers what waits");
            self.pulling.stop();
            match self.hold.shared().open() {
                Ok(store) => self.core.step_back(store),
                // What it would write is refused.
                Err(e) => tracing::debug!(error = %e, "the store cannot be opened anew"),
            }
            self.notifier.status("looks on while another leads");
        }
        let Some(term) = term else { return Turn::LooksOn };
        let begun = self.hold.led(term).open().and_then(|store| self.core.take_over(store, term));
        match begun {
            Ok(()) => {
                if term > 0 {
                    tracing::info!(term, "leads from now on");
                }
                self.term = Some(term);
                self.leads.store(true, Ordering::Relaxed);
                self.status.metrics.set_leads(true);
                self.uncounted = true;
                Turn::Leads
            }
            Err(e) => {
                tracing::error!(error = %e, "the store cannot be taken over; it is tried again");
                Turn::Failed
            }
        }
    }

    /// Follows what the leader does; how long until the next look.
    fn look_on(&mut self) -> Span {
        let ended = |runs: Vec<RunRow>| runs.into_iter().find(|run| run.ended_at.is_some());
        if let Some(last) = self.core.store().runs(8).ok().and_then(ended)
            && self.last_run != Some(last.id)
        {
            if let Some(site) = &self.site {
                site.renew_decisions(true);
            }
            self.last_run = Some(last.id);
            self.uncounted = true;
        }
        // As seldom as where one leads and nothing is due: it asks whether the store can be written to.
        if self.uncounted || self.looked.elapsed() >= self.longest() {
            self.looked = Tick::now();
            self.refresh(now(), self.uncounted);
        }
        // While the store cannot be asked, nobody need be told so every second; that this one leads wakes it.
        if self.uncounted { self.longest() } else { LOOK.min(self.longest()) }
    }

    /// How long to wait where nothing is due.
    fn longest(&self) -> Span {
        LONGEST.min(self.notifier.watchdog().map_or(LONGEST, |w| w / 3))
    }

    /// How long until something is due, or somebody wants to hear that all is well.
    fn until_next(&self) -> Span {
        let now = now();
        let due = self.core.next_wake(now).and_then(|t| t.since(now)).map_or(LONGEST, span);
        // What is due and still being pulled is waited for: its end wakes the loop.
        let due = if self.pulling.is_busy() { due.max(LOOK) } else { due };
        due.min(self.longest())
    }

    /// Does what is due; `false` when the store failed.
    fn tick(&mut self) -> bool {
        let (began, now) = (Tick::now(), now());
        let (stopping, notifier, hold) = (Arc::clone(&self.stopping), &self.notifier, &self.hold);
        let term = self.term;
        hold.busy(true);
        let last = std::cell::Cell::new(Tick::now());
        // Asked between any two steps of a run, which thereby also show that it goes on.
        let stop = || {
            if last.get().elapsed() > Span::from_secs(1) {
                last.set(Tick::now());
                notifier.alive();
            }
            stopping.load(Ordering::Relaxed) || hold.term() != term
        };
        let ticked = self.core.tick_with(now, &stop, &mut self.pulling);
        hold.busy(false);
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
            Err(EngineError::Store(e @ StoreError::Superseded(_))) => {
                metrics.run_ended("stopped", took, now);
                tracing::warn!(error = %e, "broken off within a run");
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
        self.refresh(now, recount);
        well
    }

    /// Says anew how everything stands.
    fn refresh(&mut self, now: Instant, recount: bool) {
        let (sinks, max_age) = (self.core.setup().sink_ids(), self.core.source_max_age());
        let sources = self.core.setup().sources.clone();
        let refreshed = refresh(&self.status, self.core.store(), &sources, &sinks, max_age, now, recount);
        self.uncounted = refreshed.is_err();
        if let Err(e) = refreshed {
            tracing::warn!(error = %e, "the store cannot be asked how things stand");
        }
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
                let look = waker(&self.wake, Wake::Pulled);
                match Pulling::new(&self.hold.shared(), &config, self.pulls.clone(), look) {
                    Ok(pulling) => self.pulling = pulling,
                    Err(e) => {
                        tracing::error!(error = %e, "sources are still pulled by the old configuration")
                    }
                }
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
        let destinations = &self.core.setup().destinations;
        self.post_office =
            Some(PostOffice::open(&self.runtime, &self.post, &self.status, destinations, &self.leads));
    }

    fn close_post_office(&mut self) {
        if let Some(office) = self.post_office.take() {
            office.close(&self.runtime);
        }
    }
}

fn duration(span: Span) -> Duration {
    let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Instant::from_unix_ms(ms).since(Instant::from_unix_ms(0)).unwrap_or_default()
}

fn span(d: Duration) -> Span {
    Span::from_millis(d.ms().unsigned_abs())
}
