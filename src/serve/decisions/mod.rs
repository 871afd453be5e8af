//! Decisions for those who enforce them: OpenID AuthZEN Authorization API 1.0. *May this account use this right now?* is
//! answered with yes only where the grant is there, is justified at this instant, and what that rests on is fresh.
//!
//! ```text
//! store ─▶ keep: estate, judged ─▶ held: index, sources ──┐
//!            ▲ a run ended, something changes by itself   ├─▶ decide ─▶ answer
//! request ─▶ ask: subject, action, resource ─▶ question ──┘       └─▶ request/: where to ask for what is denied
//! ```
//!
//! What is asked of the store is asked ahead, by one thread; a request looks at memory alone and waits for nothing. A new
//! index takes the place of the old one at once, and every answer says as of when it is.

mod ask;
mod decide;
mod held;
mod keep;
mod request;
mod routes;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use held::Ready;
use request::Offering;

pub(super) use keep::keep;
pub use request::AccessRequest;
pub(super) use routes::routes;

/// `[serve.decisions]`: answers to *may this account use this right now?*, as AuthZEN asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deciding {
    /// Whether decisions are given. All grants are then held in memory.
    pub enabled: bool,
    /// The types of subjects that are accounts of the system.
    pub account_types: Vec<String>,
    /// The types of subjects that are people, services or agents, whichever of their accounts holds the right.
    pub identity_types: Vec<String>,
    /// The types of resources that are asked about; all others are denied.
    pub resource_types: Vec<String>,
    /// The property of the resource that names the system; its `id` is then the scope. When absent, `id` is the system.
    pub system_property: Option<String>,
    /// The property of the resource that names the scope, where `id` is the system.
    pub scope_property: String,
    /// What stands before the name of an action to make the id of an entitlement.
    pub entitlement_prefix: String,
    /// How many grants are held in memory at the most; where there are more, no decision is given.
    pub max_grants: u64,
    /// Where denied access can be asked for; nothing is said of that when absent. Experimental.
    pub access_request: Option<Box<AccessRequest>>,
}

impl Default for Deciding {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            enabled: false,
            account_types: words(&["account"]),
            identity_types: words(&["user", "identity", "human", "service", "agent"]),
            resource_types: words(&["system"]),
            system_property: None,
            scope_property: "scope".to_owned(),
            entitlement_prefix: String::new(),
            max_grants: 2_000_000,
            access_request: None,
        }
    }
}

impl Deciding {
    /// Whether it can be meant. `url` is where Counterfoil is reached.
    ///
    /// # Errors
    /// Says which setting is wrong.
    pub(super) fn check(&self, url: Option<&str>) -> Result<(), String> {
        let check =
            |a: &AccessRequest| a.check(url).map_err(|e| format!("[serve.decisions.access_request]: {e}"));
        self.access_request.as_deref().map_or(Ok(()), check)
    }
}

/// What answers go by: the settings, and what they lead to.
#[derive(Debug)]
pub(super) struct Terms {
    settings: Deciding,
    offering: Option<Offering>,
}

impl Terms {
    /// Fetches what the settings lead to. `folder` is what a relative `file:` starts from, `url` where Counterfoil is reached.
    ///
    /// # Errors
    /// When a key cannot be had, or something is set that cannot be meant.
    pub(super) fn fetch(settings: &Deciding, url: Option<&str>, folder: &Path) -> Result<Self, String> {
        let fetch = |a: &AccessRequest| Offering::fetch(a, url, folder);
        let offering = settings.access_request.as_deref().map(fetch).transpose();
        let offering = offering.map_err(|e| format!("[serve.decisions.access_request]: {e}"))?;
        Ok(Self { settings: settings.clone(), offering })
    }
}

/// What there is to do for the one who keeps the answers.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    /// The sources were read.
    look: bool,
    /// Grants, requests or people have changed.
    build: bool,
}

/// All answers, and whoever waits for a reason to make them anew.
#[derive(Debug)]
pub(super) struct Decisions {
    terms: RwLock<Arc<Terms>>,
    /// Why there is none, where there is none.
    ready: RwLock<Result<Arc<Ready>, Arc<str>>>,
    wish: Mutex<Wish>,
    wished: Condvar,
}

impl Decisions {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms: RwLock::new(Arc::new(terms)),
            ready: RwLock::new(Err("the grants are still being read".into())),
            wish: Mutex::default(),
            wished: Condvar::new(),
        }
    }

    pub(super) fn reload(&self, terms: Terms) {
        *self.terms.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(terms);
        self.wish(true);
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn ready(&self) -> Result<Arc<Ready>, Arc<str>> {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, ready: Result<Ready, String>) {
        let ready = ready.map(Arc::new).map_err(Arc::from);
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    /// Lets the sources be looked at, and, where anything changed, the answers be made anew.
    pub(super) fn wish(&self, changed: bool) {
        let mut wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        wish.look = true;
        wish.build |= changed;
        self.wished.notify_all();
    }

    /// Waits for a wish, at most for so long.
    fn wait(&self, most: Duration) -> Wish {
        let wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |wish: &mut Wish| !wish.look;
        let (mut wish, _) =
            self.wished.wait_timeout_while(wish, most, idle).unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *wish)
    }
}
