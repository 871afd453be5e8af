//! The one who keeps the answers: a thread that makes them anew after a run that changed something, and when something
//! changes by itself; and that looks at the sources after every run.

use std::sync::{Arc, Weak};
use std::time::{Duration as Span, Instant as Tick};

use super::super::site::Site;
use super::Decisions;
use super::held::{Held, Ready};
use crate::store::Store;

/// The longest wait: what changes by itself is looked for as often.
const LONGEST: Span = Span::from_secs(10);
/// How long to leave between two times of making them all, at the least, and as a multiple of how long that took: it must
/// not keep a processor busy.
const PAUSE: Span = Span::from_secs(2);
const PAUSES: u32 = 5;

/// Keeps the answers of a site until the site is gone.
pub(in crate::serve) fn keep(site: &Weak<Site>, decisions: &Arc<Decisions>, store: &dyn Store) {
    let mut held: Option<Arc<Held>> = None;
    let mut build = true;
    let mut next = Tick::now();
    let mut wait = Span::ZERO;
    loop {
        let wish = decisions.wait(wait);
        let Some(site) = site.upgrade() else { return };
        build |= wish.build || held.is_none();
        build |= held.as_ref().and_then(|held| held.next_change).is_some_and(|at| at <= site.now());
        let (settings, begun) = (site.facts().settings.clone(), Tick::now());
        if build && begun >= next {
            let most = decisions.settings().max_grants;
            match Held::build(store, &settings, site.now(), most) {
                Ok(new) => {
                    let ms = begun.elapsed().as_millis();
                    tracing::info!(
                        grants = new.decide.len(),
                        run = new.run,
                        ms,
                        "decisions are given as of now"
                    );
                    held = Some(Arc::new(new));
                    build = false;
                }
                Err(e) => {
                    tracing::error!(error = %e, "no decisions can be given");
                    held = None;
                    decisions.set(Err(e.to_string()));
                }
            }
            next = Tick::now() + PAUSE.max(begun.elapsed() * PAUSES);
        }
        if let Some(held) = &held {
            let max_age = settings.checks.thresholds.source_max_age;
            match store.sources() {
                Ok(sources) => decisions.set(Ok(Ready::new(Arc::clone(held), &sources, max_age))),
                // What is held says itself until when it is fresh.
                Err(e) => tracing::warn!(error = %e, "how the sources stand is not known"),
            }
        }
        wait = if build { next.saturating_duration_since(Tick::now()).min(LONGEST) } else { LONGEST };
    }
}
