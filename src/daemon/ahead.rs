//! Pulls that go on beside the loop, so that one slow source (a product that wants to be asked slowly, say) holds up nobody
//! else: not the other sources, not what is told, not the watchdog.
//!
//! Sources that are due together are taken in together where they can be: a run waits a while for those that are still being
//! pulled. The first run of all waits for every one, since it tells people of all that is there in one digest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration as Span, Instant as Tick};

use super::pull::Puller;
use crate::config::Config;
use crate::engine::Pulled;

/// How many sources are pulled at a time.
pub(super) const AT_A_TIME: usize = 4;
/// How long a run waits for sources that became due with others.
pub(super) const GATHER: Span = Span::from_secs(30);
/// How long pulls may take to notice that they are to end.
pub(super) const GRACE: Span = Span::from_secs(2);

/// Where a run gets its pulls from.
pub trait Pulls {
    /// Those of the due sources that can be taken in now; the others are started, or go on. `None`: it is worth waiting for
    /// more of them. `first` says that no run was ever finished.
    fn ready(&mut self, due: &[String], first: bool) -> Option<Vec<String>>;
    /// What a source that is ready gave.
    fn take(&mut self, source: &str) -> Pulled;
}

/// Pulls each source when it is its turn, and waits for it.
pub struct AtOnce<'p>(pub &'p mut dyn FnMut(&str) -> Pulled);

impl Pulls for AtOnce<'_> {
    fn ready(&mut self, due: &[String], _: bool) -> Option<Vec<String>> {
        Some(due.to_vec())
    }

    fn take(&mut self, source: &str) -> Pulled {
        (self.0)(source)
    }
}

/// Pulls sources beside the loop.
pub struct Ahead {
    config: Arc<Config>,
    /// The folder where what was pulled is kept between pulls.
    keep: Option<PathBuf>,
    /// Is told when a pull has ended.
    wake: Arc<dyn Fn() + Send + Sync>,
    /// Breaks all of them off.
    cancel: Arc<AtomicBool>,
    under_way: BTreeMap<String, JoinHandle<Pulled>>,
    /// Since when a run waits.
    waiting: Option<Tick>,
}

impl Ahead {
    /// For the sources of a configuration. `wake` is called when a pull has ended.
    pub fn new(config: Config, keep: Option<PathBuf>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            config: Arc::new(config),
            keep,
            wake,
            cancel: Arc::default(),
            under_way: BTreeMap::new(),
            waiting: None,
        }
    }

    /// Whether something is being pulled, or was and was not taken in yet.
    pub fn is_busy(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Breaks off all that is under way: what is due stays due, and another does it.
    pub fn stop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.cancel = Arc::default();
        self.under_way.clear();
        self.waiting = None;
    }

    fn start(&mut self, source: &str) {
        let (config, keep) = (Arc::clone(&self.config), self.keep.clone());
        let (cancel, wake) = (Arc::clone(&self.cancel), Arc::clone(&self.wake));
        let id = source.to_owned();
        let pull = move || {
            let stop = || cancel.load(Ordering::Relaxed);
            let pulled = Puller::new(&config, keep, &stop).pull(&id);
            wake();
            pulled
        };
        match std::thread::Builder::new().name(format!("pull {source}")).spawn(pull) {
            Ok(handle) => drop(self.under_way.insert(source.to_owned(), handle)),
            // It stays due and is tried again.
            Err(e) => tracing::error!(source, error = %e, "no thread to pull it with"),
        }
    }

    fn is_done(&self, source: &str) -> bool {
        self.under_way.get(source).is_some_and(JoinHandle::is_finished)
    }
}

impl Pulls for Ahead {
    fn ready(&mut self, due: &[String], first: bool) -> Option<Vec<String>> {
        for source in due {
            let running = self.under_way.values().filter(|pull| !pull.is_finished()).count();
            if !self.under_way.contains_key(source) && running < AT_A_TIME {
                self.start(source);
            }
        }
        let done: Vec<String> = due.iter().filter(|source| self.is_done(source)).cloned().collect();
        let waited = self.waiting.get_or_insert_with(Tick::now).elapsed();
        if done.len() < due.len() && (first || waited < GATHER) {
            return None;
        }
        self.waiting = None;
        Some(done)
    }

    fn take(&mut self, source: &str) -> Pulled {
        match self.under_way.remove(source).map(JoinHandle::join) {
            Some(Ok(pulled)) => pulled,
            Some(Err(_)) => {
                Pulled::Failed("the pull broke down, which is a defect: please report it".to_owned())
            }
            None => Pulled::Failed("it was not pulled".to_owned()),
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        let until = Tick::now() + GRACE;
        while self.under_way.values().any(|pull| !pull.is_finished()) && Tick::now() < until {
            std::thread::sleep(Span::from_millis(20));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CONFIG: &str = r#"
        [[source]]
        id = "slow"
        connector = "records"
        exec = { command = ["/bin/sleep", "60"] }

        [[source]]
        id = "quick"
        connector = "records"
        files = ["quick.jsonl"]
    "#;

    fn ahead(folder: &Path) -> Ahead {
        std::fs::write(folder.join("quick.jsonl"), "{\"type\":\"system\",\"id\":\"vault\"}\n").unwrap();
        let file = folder.join("counterfoil.toml");
        std::fs::write(&file, CONFIG).unwrap();
        Ahead::new(Config::load(&file).unwrap(), None, Arc::new(|| ()))
    }

    #[test]
    fn a_slow_source_holds_up_nobody_but_the_first_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut ahead = ahead(folder.path());
        let due = ["slow".to_owned(), "quick".to_owned()];
        let began = Tick::now();
        while !ahead.is_done("quick") {
            assert_eq!(ahead.ready(&due, false), None, "a run waits a while for both");
            assert!(began.elapsed() < Span::from_secs(20), "the quick one is never done");
            std::thread::sleep(Span::from_millis(10));
        }
        ahead.waiting = Tick::now().checked_sub(GATHER);
        assert_eq!(ahead.ready(&due, true), None, "the first run waits for all");
        let ready = ahead.ready(&due, false);
        assert_eq!(ready, Some(vec!["quick".to_owned()]), "and others go on without the slow one");
        assert!(matches!(ahead.take("quick"), Pulled::Records { .. }));
        assert!(ahead.is_busy(), "the slow one goes on");
        let dropped = Tick::now();
        drop(ahead);
        assert!(dropped.elapsed() < GRACE, "it is broken off");
    }

    #[test]
    fn what_was_not_pulled_is_said_to_have_failed() {
        let folder = tempfile::tempdir().unwrap();
        let mut ahead = ahead(folder.path());
        assert!(matches!(ahead.take("quick"), Pulled::Failed(_)));
    }
}
