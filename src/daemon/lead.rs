//! Who may run on a store. On a file one program may, by a lock beside it. On a database several are there, and one of them
//! leads: it pulls, judges and writes; the others show pages, deliver what waits, and take over within seconds when it is gone.
//!
//! A thread of its own keeps the lead, so that no run, however long, lets it slip; and what is written says in which term it
//! is, so that whoever was frozen in a run and wakes later can commit nothing of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration as Span, Instant as Tick};

use super::setup::SetupError;
use crate::lock::ProcessLock;
use crate::store::{LEASE, Member, Place, Server, StoreError};

/// How often a member shows that it is there.
const BEAT: Span = Span::from_secs(1);
/// After what time, by the clock of this machine, a lead that was not renewed is over whatever the database's clock says.
const STALE: Span = Span::from_secs(8);
/// How long a command waits to be let on a store on which a daemon runs.
const ADMISSION: Span = Span::from_secs(60);

/// What is heard about the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It was won or lost.
    Turned,
    /// Elsewhere somebody did something that the leader should look at.
    Acted,
}

/// Is told the news.
pub type Tell = Arc<dyn Fn(News) + Send + Sync>;

/// The right to be on a store, until this is dropped.
#[derive(Debug)]
pub enum Hold {
    /// On a file: nobody else is.
    File(Place, ProcessLock),
    /// On a database, with others.
    Server(Box<Lead>),
}

impl Hold {
    /// Takes the right to be on a store; never waits.
    ///
    /// # Errors
    /// When another process has the file, or the server cannot be reached.
    pub fn join(place: &Place, tell: Tell) -> Result<Self, SetupError> {
        let fail = |e: &dyn std::fmt::Display| SetupError(e.to_string());
        match place {
            Place::File(path) => {
                ProcessLock::take(path).map(|lock| Self::File(place.clone(), lock)).map_err(|e| fail(&e))
            }
            Place::Server(server) => {
                Lead::join(server, tell).map(|lead| Self::Server(Box::new(lead))).map_err(|e| fail(&e))
            }
        }
    }

    /// Takes the right to lead on a store, for a command. A daemon that leads lets it, once its run is over, and leads again
    /// when this is dropped.
    ///
    /// # Errors
    /// As [`Hold::join`], and when whoever leads does not let go.
    pub fn lead(place: &Place) -> Result<Self, SetupError> {
        let hold = Self::join(place, Arc::new(|_| ()))?;
        let Self::Server(lead) = &hold else { return Ok(hold) };
        let until = Tick::now() + ADMISSION;
        while lead.term().is_none() {
            if Tick::now() > until {
                let (who, secs) = (lead.leader(), ADMISSION.as_secs());
                return Err(SetupError(format!(
                    "another counterfoil ({who}) leads on this store and is busy: {place}; it did not let go within {secs} s"
                )));
            }
            lead.shared.asks.store(true, Ordering::Relaxed);
            std::thread::sleep(Span::from_millis(100));
        }
        lead.shared.asks.store(false, Ordering::Relaxed);
        lead.busy(true);
        Ok(hold)
    }

    /// The term in which this one leads now; `None` where another does. On a file 0.
    #[must_use]
    pub fn term(&self) -> Option<u64> {
        match self {
            Self::File(..) => Some(0),
            Self::Server(lead) => lead.term(),
        }
    }

    /// The store, for who leads in this term.
    #[must_use]
    pub fn led(&self, term: u64) -> Place {
        match self {
            Self::File(place, _) => place.clone(),
            Self::Server(lead) => Place::Server(Box::new(lead.server.led_in(term))),
        }
    }

    /// The store, for all that anybody may do who is there: reading, delivering, what people decide.
    #[must_use]
    pub fn shared(&self) -> Place {
        match self {
            Self::File(place, _) => place.clone(),
            Self::Server(lead) => Place::Server(Box::new(lead.server.clone())),
        }
    }

    /// Says whether something goes on that should not be broken off to let another lead.
    pub fn busy(&self, busy: bool) {
        if let Self::Server(lead) = self {
            lead.busy(busy);
        }
    }

    /// Lets the leader know that somebody did something it should look at.
    pub fn knock(&self) {
        if let Self::Server(lead) = self {
            lead.shared.knocks.store(true, Ordering::Relaxed);
            lead.shared.wake();
        }
    }

    /// Who leads, in words.
    #[must_use]
    pub fn leader(&self) -> String {
        match self {
            Self::File(..) => String::new(),
            Self::Server(lead) => lead.leader(),
        }
    }
}

/// Being one of those who share a database.
#[derive(Debug)]
pub struct Lead {
    server: Server,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread that keeps the lead and the others know together.
#[derive(Debug)]
struct Shared {
    /// The term in which this one leads; 0 where it does not.
    term: AtomicU64,
    /// When that was last heard.
    heard: Mutex<Tick>,
    leader: Mutex<String>,
    busy: AtomicBool,
    asks: AtomicBool,
    knocks: AtomicBool,
    ends: Mutex<bool>,
    woken: Condvar,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn wake(&self) {
        self.woken.notify_all();
    }

    fn term(&self) -> Option<u64> {
        let term = self.term.load(Ordering::Relaxed);
        (term > 0 && lock(&self.heard).elapsed() < LEASE).then_some(term)
    }
}

impl Lead {
    fn join(server: &Server, tell: Tell) -> Result<Self, StoreError> {
        // The schema first: who shares it stands in it.
        drop(Place::Server(Box::new(server.clone())).open()?);
        let member = Member::new(server, &here())?;
        let shared = Arc::new(Shared {
            term: AtomicU64::new(0),
            heard: Mutex::new(Tick::now()),
            leader: Mutex::default(),
            busy: AtomicBool::new(false),
            asks: AtomicBool::new(false),
            knocks: AtomicBool::new(false),
            ends: Mutex::new(false),
            woken: Condvar::new(),
        });
        let server = member.server().clone();
        let mut keeper = Keeper {
            member,
            term: None,
            end: (0, Tick::now()),
            acted: None,
            shared: Arc::clone(&shared),
            tell,
        };
        keeper.beat()?;
        let failed = |e: std::io::Error| StoreError::Other(format!("no thread to keep the lead with: {e}"));
        let keep = move || keeper.keep();
        let thread = std::thread::Builder::new().name("lead".to_owned()).spawn(keep).map_err(failed)?;
        Ok(Self { server, shared, thread: Some(thread) })
    }

    fn term(&self) -> Option<u64> {
        self.shared.term()
    }

    fn leader(&self) -> String {
        lock(&self.shared.leader).clone()
    }

    fn busy(&self, busy: bool) {
        self.shared.busy.store(busy, Ordering::Relaxed);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        *lock(&self.shared.ends) = true;
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Keeps the lead, or waits for it.
struct Keeper {
    member: Member,
    /// The term in which it leads.
    term: Option<u64>,
    /// The end of the lead that was last seen, and since when it is that.
    end: (i64, Tick),
    /// How often people had acted when it last looked.
    acted: Option<u64>,
    shared: Arc<Shared>,
    tell: Tell,
}

impl Keeper {
    fn keep(mut self) {
        loop {
            let ended = {
                let ends = lock(&self.shared.ends);
                // One that is woken too early looks too early, which harms nobody.
                match *ends {
                    true => true,
                    false => {
                        *self.shared.woken.wait_timeout(ends, BEAT).unwrap_or_else(PoisonError::into_inner).0
                    }
                }
            };
            if ended {
                return self.end();
            }
            if let Err(e) = self.beat() {
                tracing::debug!(error = %e, "the lead cannot be asked for");
                if self.term.is_some() && self.shared.term().is_none() {
                    tracing::warn!(error = %e, "the store's server does not answer: another may lead now");
                    self.turn(None);
                }
            }
        }
    }

    fn beat(&mut self) -> Result<(), StoreError> {
        let began = Tick::now();
        if self.shared.knocks.swap(false, Ordering::Relaxed)
            && let Err(e) = self.member.knock()
        {
            self.shared.knocks.store(true, Ordering::Relaxed);
            return Err(e);
        }
        if self.shared.asks.load(Ordering::Relaxed) && self.term.is_none() {
            self.member.ask()?;
        }
        let stale = (self.end.1.elapsed() > STALE).then_some(self.end.0);
        let beat = self.member.beat(self.term, true, stale)?;
        if self.end.0 != beat.until {
            self.end = (beat.until, Tick::now());
        }
        *lock(&self.shared.leader) = beat.leader;
        if beat.leads && beat.is_led {
            *lock(&self.shared.heard) = began;
            if self.term != Some(beat.epoch) {
                self.turn(Some(beat.epoch));
            }
        } else if self.term.is_some() {
            self.turn(None);
        }
        if let Some(term) = self.term.filter(|_| beat.asked && !self.shared.busy.load(Ordering::Relaxed)) {
            self.turn(None);
            self.member.step_down(term)?;
        }
        let acted = self.acted.replace(beat.acted);
        if self.term.is_some() && acted.is_some_and(|before| before != beat.acted) {
            (self.tell)(News::Acted);
        }
        Ok(())
    }

    fn turn(&mut self, term: Option<u64>) {
        self.term = term;
        self.shared.term.store(term.unwrap_or(0), Ordering::Relaxed);
        (self.tell)(News::Turned);
    }

    /// Another may lead at once, and what this one had claimed is free.
    fn end(mut self) {
        let given = match self.term {
            Some(term) => self.member.step_down(term),
            None => Ok(()),
        };
        if let Err(e) = given.and_then(|()| self.member.leave()) {
            tracing::debug!(error = %e, "the lead cannot be given back; it ends by itself");
        }
    }
}

/// Where this runs, for people: the machine and the process.
fn here() -> String {
    let machine = crate::sink::this_host().unwrap_or_else(|| "unknown".to_owned());
    format!("{machine}:{}", std::process::id())
}
