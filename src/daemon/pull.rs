//! Pulling one configured source: through its connector into a file without a name, so that nothing is left behind
//! however the program ends.

use std::cell::RefCell;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::connect::transport::Doing;
use crate::engine::Pulled;

/// The shortest wait that is logged, in seconds.
const LONG: u64 = 5;

/// Pulls the sources of a configuration.
pub struct Puller<'c> {
    config: &'c Config,
    /// Called again and again while a pull goes on; `true` breaks it off.
    stop: &'c dyn Fn() -> bool,
    /// The folder where what was pulled is kept between pulls.
    keep: Option<PathBuf>,
}

impl<'c> Puller<'c> {
    /// Pulls the sources of this configuration until it is asked to stop. `keep` is the folder where what was pulled is kept
    /// between pulls, so that only what changed is asked for.
    #[must_use]
    pub fn new(config: &'c Config, keep: Option<PathBuf>, stop: &'c dyn Fn() -> bool) -> Self {
        Self { config, stop, keep }
    }

    /// What a source holds now.
    #[must_use]
    pub fn pull(&self, source: &str) -> Pulled {
        match self.try_pull(source) {
            Ok(pulled) => pulled,
            Err(why) => Pulled::Failed(why),
        }
    }

    fn try_pull(&self, source: &str) -> Result<Pulled, String> {
        let job = self.config.prepared(source).map_err(|e| e.to_string())?;
        let mut job = job.ok_or_else(|| format!("there is no source `{source}`"))?;
        job.check_files()?;
        job.keep.clone_from(&self.keep);
        // A map that is not built in runs as a process of its own: this program once more.
        job.options.worker = std::env::current_exe().ok();
        let failed = |e: &dyn std::fmt::Display| format!("the pulled records could not be set aside: {e}");
        let spool = tempfile::tempfile().map_err(|e| failed(&e))?;
        let mut out = BufWriter::with_capacity(1 << 18, &spool);
        let mut lines: u64 = 0;
        let mut sink = |line: &str| {
            lines += 1;
            if lines.is_multiple_of(1024) && (self.stop)() {
                return Err(std::io::Error::other("stopped"));
            }
            writeln!(out, "{line}")
        };
        let heard = Heard { source, waiting: RefCell::default() };
        let watch = |doing: &Doing<'_>| {
            heard.log(doing);
            (self.stop)()
        };
        let pulled = job.pull(&mut sink, &mut |_| _ = (self.stop)(), &watch);
        let summary = pulled.map_err(|e| e.to_string())?;
        out.flush().map_err(|e| failed(&e))?;
        drop(out);
        tracing::debug!(
            source,
            requests = summary.requests,
            rows = summary.rows,
            records = summary.records,
            "pulled"
        );
        for reject in &summary.rejects {
            tracing::warn!(source, reject, "passed over");
        }
        let mut spool = spool;
        spool.seek(SeekFrom::Start(0)).map_err(|e| failed(&e))?;
        Ok(Pulled::Records {
            taken_at: job.options.taken_at,
            lines: Box::new(BufReader::with_capacity(1 << 18, spool)),
        })
    }
}

/// Logs what goes on while a source is asked.
struct Heard<'s> {
    source: &'s str,
    /// The wait that was logged last, until an answer comes: while it lasts it is heard of again and again.
    waiting: RefCell<Option<(String, String)>>,
}

impl Heard<'_> {
    fn log(&self, doing: &Doing<'_>) {
        let source = self.source;
        match doing {
            Doing::Asked { step, requests, rows } => {
                self.waiting.replace(None);
                tracing::trace!(source, step, requests, rows, "asked");
            }
            Doing::Waiting { step, pause, why } if pause.as_secs() >= LONG => {
                let wait = Some(((*step).to_owned(), (*why).to_owned()));
                if *self.waiting.borrow() != wait {
                    self.waiting.replace(wait);
                    tracing::info!(source, step, seconds = pause.as_secs(), why, "waits");
                }
            }
            Doing::Said { line } => tracing::info!(source, line, "said"),
            Doing::Waiting { .. } | Doing::Busy => {}
        }
    }
}

/// The folder where what was pulled is kept between pulls: beside the store, `counterfoil.db.pulls` for `counterfoil.db`.
#[must_use]
pub fn kept_beside(store: &Path) -> Option<PathBuf> {
    let name = store.file_name()?.to_str()?;
    Some(store.with_file_name(format!("{name}.pulls")))
}
