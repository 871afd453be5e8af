//! The one who keeps the answers: a thread that makes them anew after a run that changed something, and when something
//! changes by itself; and that looks at the sources after every run.

use std::sync::{Arc, Weak};
use std::time::{Duration as Span, Instant as Tick};

use super::super::site::Site;
use super::Decisions;
use super::held::{Held, Ready};
use crate::model::life::SourceState;
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
    // How the sources stood that the index was made of.
    let mut seen: Vec<SourceState> = vec![];
    // Why there is nothing to hold, said once.
    let mut said: Option<String> = None;
    let mut build = true;
    let mut next = Tick::now();
    let mut wait = Span::ZERO;
    loop {
        let wish = decisions.wait(wait);
        let Some(site) = site.upgrade() else { return };
        build |= wish.build || held.is_none();
        build |= held.as_ref().and_then(|held| held.next_change).is_some_and(|at| at <= site.now());
        let mut fresh = false;
        let (settings, begun) = (site.facts().settings.clone(), Tick::now());
        if build && begun >= next {
            let terms = decisions.terms();
            let (most, offers) = (terms.settings.max_grants, terms.offering.is_some());
            // Before: what is taken in meanwhile may not be in the index.
            let stood = store.sources().unwrap_or_default();
            match Held::build(store, &settings, site.now(), most, offers) {
                Ok(new) => {
                    let ms = begun.elapsed().as_millis();
                    tracing::info!(
                        grants = new.decide.len(),
                        run = new.run,
                        ms,
                        "decisions are given as of now"
                    );
                    held = Some(Arc::new(new));
                    (build, fresh, seen) = (false, true, stood);
                    said = None;
                }
                Err(e) => {
                    if said.as_ref() != Some(&e) {
                        tracing::error!(error = e, "no decisions can be given");
                    }
                    held = None;
                    decisions.set(Err(e.clone()));
                    said = Some(e);
                }
            }
            next = Tick::now() + PAUSE.max(begun.elapsed() * PAUSES);
        }
        // In between a run may have taken in what is not judged yet: nobody looks then.
        if let Some(held) = held.as_ref().filter(|_| wish.look || fresh) {
            let max_age = settings.checks.thresholds.source_max_age;
            match store.sources() {
                Ok(sources) => {
                    seen = if build || fresh { no_newer(sources, &seen) } else { sources };
                    decisions.set(Ok(Ready::new(Arc::clone(held), &seen, max_age)));
                }
                // What is held says itself until when it is fresh.
                Err(e) => tracing::warn!(error = %e, "how the sources stand is not known"),
            }
        }
        wait = if build { next.saturating_duration_since(Tick::now()).min(LONGEST) } else { LONGEST };
    }
}

/// How the sources stand, where what is held is of the snapshots before: what it rests on is as old as those.
fn no_newer(mut sources: Vec<SourceState>, seen: &[SourceState]) -> Vec<SourceState> {
    for source in &mut sources {
        let before = seen.iter().find(|s| s.id == source.id).and_then(|s| s.taken_at);
        // `None` is less than any instant: what was never read is still not.
        source.taken_at = source.taken_at.min(before);
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Instant;

    #[test]
    fn an_index_is_no_fresher_than_the_snapshots_it_was_made_of() {
        let at = |id: &str, hour: Option<u8>| SourceState {
            id: id.to_owned(),
            taken_at: hour.map(|h| Instant::parse(&format!("2026-06-01T{h:02}:00:00Z")).unwrap()),
            complete: true,
            ..SourceState::default()
        };
        let seen = [at("a", Some(10)), at("b", Some(12)), at("c", None)];
        let now = vec![at("a", Some(11)), at("b", Some(11)), at("c", Some(11)), at("new", Some(11))];
        let taken = no_newer(now, &seen);
        assert_eq!(taken, [at("a", Some(10)), at("b", Some(11)), at("c", None), at("new", None)]);
    }
}
