//! What all answers share: how Counterfoil is, the store, who may do what, and the part of the configuration that pages show
//! or go by.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Cursor};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Semaphore;

use super::decisions::{Deciding, Decisions, Terms, keep};
use super::pages::Kept;
use super::shelf::Shelf;
use super::sign_in::{Attempts, Provider, Sessions, Tokens};
use super::{Oidc, Serve, ServeError, Status};
use crate::audit::Spool;
use crate::controls::Controls;
use crate::judge::Settings;
use crate::model::{Duration, Instant};
use crate::store::Store;

/// What pages show of the configuration, and what actions go by.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Each configured source, and the connector that reads it.
    pub sources: BTreeMap<String, String>,
    /// What everything is judged by.
    pub settings: Settings,
    /// How far ahead an exception may end.
    pub max_exception: Duration,
    /// The controls of all frameworks.
    pub controls: Controls,
}

/// Makes something that what is too large for memory is kept in until it has been fetched.
pub type MakeSpool = Arc<dyn Fn() -> io::Result<Box<dyn Spool>> + Send + Sync>;

/// Where what is made for somebody is kept until it has been fetched, and how much of it.
#[derive(Clone)]
pub(super) struct Spooling {
    pub(super) make: MakeSpool,
    pub(super) most: u64,
}

/// How much is kept in memory, and how much where there is another place for it.
const IN_MEMORY: u64 = 64 << 20;
const ASIDE: u64 = 2 << 30;

/// What all answers share.
pub struct Site {
    pub(super) status: Arc<Status>,
    pub(super) shelf: Shelf,
    pub(super) sessions: Sessions,
    pub(super) overview: Kept,
    pub(super) attempts: Attempts,
    provider: RwLock<Option<Arc<Provider>>>,
    tokens: RwLock<Arc<Tokens>>,
    facts: RwLock<Arc<Facts>>,
    /// Whether somebody must sign in.
    guarded: bool,
    /// Whether people reach it over TLS.
    behind_tls: bool,
    /// Where people reach it, where that was said.
    url: Option<String>,
    pub(super) decisions: Option<Arc<Decisions>>,
    /// Whose turn it is to have an evidence pack made.
    pub(super) reports: Arc<Semaphore>,
    pub(super) spooling: Spooling,
    clock: fn() -> Instant,
    /// Tells whoever runs Counterfoil that there is something to do.
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("guarded", &self.guarded).finish_non_exhaustive()
    }
}

impl Site {
    /// A site that shows what these connections lead to. `folder` is what relative paths in the configuration start from.
    ///
    /// # Errors
    /// When a token cannot be had, or the provider's secret.
    pub fn new(
        serve: &Serve,
        folder: &Path,
        status: Arc<Status>,
        stores: Vec<Box<dyn Store>>,
        clock: fn() -> Instant,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, ServeError> {
        let tokens = Tokens::fetch(&serve.token, folder).map_err(ServeError)?;
        let provider = provider(serve, folder)?.map(Arc::new);
        let decisions = terms(serve, folder)?.map(|terms| Arc::new(Decisions::new(terms)));
        Ok(Self {
            status,
            shelf: Shelf::new(stores),
            sessions: Sessions::default(),
            overview: Kept::default(),
            attempts: Attempts::default(),
            provider: RwLock::new(provider),
            tokens: RwLock::new(Arc::new(tokens)),
            facts: RwLock::default(),
            guarded: serve.signs_in(),
            url: serve.url.clone(),
            reports: Arc::new(Semaphore::new(1)),
            decisions,
            behind_tls: serve.url.as_deref().is_some_and(|url| url.starts_with("https://")),
            spooling: Spooling { make: Arc::new(|| Ok(Box::new(Cursor::new(vec![])))), most: IN_MEMORY },
            clock,
            wake,
        })
    }

    /// Keeps what is large in what `make` gives, in place of memory.
    #[must_use]
    pub fn spooling(mut self, make: MakeSpool) -> Self {
        self.spooling = Spooling { make, most: ASIDE };
        self
    }

    /// Goes on with another configuration: whose tokens have changed must sign in again. The address stays what it is until a
    /// restart.
    ///
    /// # Errors
    /// When a token cannot be had; then nothing has changed.
    pub fn reload(&self, serve: &Serve, folder: &Path) -> Result<(), ServeError> {
        let tokens = Tokens::fetch(&serve.token, folder).map_err(ServeError)?;
        let (provider, terms) = (provider(serve, folder)?, terms(serve, folder)?);
        let same = match (&serve.oidc, self.provider()) {
            (Some(settings), Some(held)) => held.is_of(settings),
            (settings, held) => settings.is_none() && held.is_none(),
        };
        // A secret may have changed behind the same name.
        *self.provider.write().unwrap_or_else(PoisonError::into_inner) = provider.map(Arc::new);
        if let (Some(decisions), Some(terms)) = (&self.decisions, terms) {
            decisions.reload(terms);
        }
        if !same || tokens != *self.tokens() {
            *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
            self.sessions.end_all();
        }
        Ok(())
    }

    /// Puts what pages show of the configuration in place of what was there.
    pub fn set_facts(&self, facts: Facts) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(facts);
    }

    /// Gives decisions from now on, where the configuration wants that: from what this connection to the store leads to, kept
    /// in memory by a thread of its own, which ends with the site.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn keep_decisions(self: &Arc<Self>, store: Box<dyn Store>) -> Result<(), ServeError> {
        let Some(decisions) = self.decisions.clone() else { return Ok(()) };
        let site = Arc::downgrade(self);
        let named = std::thread::Builder::new().name("decisions".to_owned());
        let begun = named.spawn(move || keep(&site, &decisions, &*store));
        begun.map(drop).map_err(|e| ServeError(format!("[serve.decisions]: there can be no thread: {e}")))
    }

    /// Whether decisions are given.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.decisions.is_some()
    }

    /// Lets decisions go by what the store holds now; `changed`: more of it than how the sources stand is another.
    pub fn renew_decisions(&self, changed: bool) {
        if let Some(decisions) = &self.decisions {
            decisions.wish(changed);
        }
    }

    pub(super) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn provider(&self) -> Option<Arc<Provider>> {
        self.provider.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.guarded
    }

    pub(super) fn is_behind_tls(&self) -> bool {
        self.behind_tls
    }

    pub(super) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Lets what was changed be looked at soon.
    pub(super) fn wake(&self) {
        (self.wake)();
    }
}

fn provider(serve: &Serve, folder: &Path) -> Result<Option<Provider>, ServeError> {
    let new = |oidc: &Oidc| Provider::new(oidc, serve.url.as_deref(), folder).map_err(ServeError);
    serve.oidc.as_deref().map(new).transpose()
}

/// What decisions go by, where they are given.
fn terms(serve: &Serve, folder: &Path) -> Result<Option<Terms>, ServeError> {
    let fetch = |d: &Deciding| Terms::fetch(d, serve.url.as_deref(), folder).map_err(ServeError);
    Some(&serve.decisions).filter(|d| d.enabled).map(fetch).transpose()
}

/// Whether a request for this host may be meant for a server on this machine that nobody signs in to: a page elsewhere that has
/// its own name lead here must learn nothing.
pub(super) fn is_own_host(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in ["localhost", "LOCALHOST:9187", "127.0.0.1:1", "127.9.9.9", "[::1]:9187", "[::1]"] {
            assert!(is_own_host(own), "{own}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[fe80::1]",
            "127.0.0.1.evil.example:80",
            "[::1",
        ] {
            assert!(!is_own_host(other), "{other}");
        }
    }
}
