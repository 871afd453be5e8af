//! `report`: the evidence pack of an instant, for somebody who was not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};

use super::store::Configured;
use super::{Done, Outcome, Stop, fault, note, writing};
use crate::audit::{Asked, Hashed, Pack, Tables, gather, html, oscal, weighed};
use crate::config::{Config, instant};
use crate::engine::Terms;
use crate::model::Instant;
use crate::store::Store;

/// How many findings a page lists; the others are counted, and stand in the CSV.
const PAGE: usize = 2_000;
/// How many findings OSCAL results hold.
const OSCAL: usize = 5_000;

/// `counterfoil report …`
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    configured: Configured,
    /// The instant, RFC 3339 with an offset; that of the last run when absent.
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    as_of: Option<Instant>,
    /// Where the period begins whose changes are told, RFC 3339 with an offset; 90 days before the instant when absent.
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// The form of the pack.
    #[arg(long, value_enum, default_value = "html")]
    format: Form,
    /// The file it is written to; for `csv` a folder.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Threads to use; as many as there are processors when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// The word for a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One page for a browser or a printer, with everything in it.
    Html,
    /// A folder of tables: every finding and every grant.
    Csv,
    /// OSCAL 1.1 assessment results, for programs of compliance.
    Oscal,
}

/// With what a run is judged again that did not keep its terms.
pub(super) fn today(config: &Config) -> Result<Terms, Stop> {
    let controls = super::checks::controls(config.controls.as_deref())?;
    Ok(Terms {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: config.settings(),
        frameworks: controls.to_json(),
    })
}

impl Report {
    pub(super) fn run(self) -> Outcome {
        let now = instant(SystemTime::now());
        if self.as_of.is_some_and(|at| at > now) {
            return Err(fault(format!("--as-of lies ahead: it is {now}; what will be is not known")));
        }
        let (config, store) = self.configured.open()?;
        let at = self.as_of.unwrap_or(Instant::MAX);
        if self.from.is_some_and(|from| from > at) {
            return Err(fault("--from is after --as-of"));
        }
        let running = store.runs(1)?.into_iter().find(|r| r.ended_at.is_none() && r.started_at <= at);
        if let Some(run) = running {
            note(format_args!(
                "run {} had begun by then and has not ended; once it has, it counts too",
                run.id
            ));
        }
        let asked = Asked {
            at: self.as_of,
            from: self.from,
            today: today(&config)?,
            list: match self.format {
                Form::Html => PAGE,
                Form::Csv => 0,
                Form::Oscal => OSCAL,
            },
            threads: super::reconcile::threads(self.threads),
        };
        let pack = match self.format {
            Form::Csv => write_tables(&*store, &asked, &self.out)?,
            Form::Html => {
                let pack = gather(&*store, &asked, &mut ())?;
                write_whole(&self.out, html(&pack).as_bytes())?;
                pack
            }
            Form::Oscal => {
                let pack = gather(&*store, &asked, &mut ())?;
                write_whole(&self.out, format!("{:#}\n", oscal(&pack)).as_bytes())?;
                pack
            }
        };
        let open = crate::report::text::count(pack.findings.open.total(), "open finding");
        let grants = crate::report::text::count(pack.coverage.all.total(), "grant");
        note(format_args!("{}: {grants} and {open} as of {}", self.out.display(), pack.head.as_of));
        for caution in &pack.head.cautions {
            note(caution);
        }
        Ok(Done::Well)
    }
}

/// Writes the tables into a folder, and beside them what each weighs.
fn write_tables(store: &dyn Store, asked: &Asked, folder: &Path) -> Result<Pack, Stop> {
    let shown = folder.display().to_string();
    fs::create_dir_all(folder).map_err(writing(&shown))?;
    let mut make = |name: &str| create(&folder.join(name)).map(Hashed::new);
    let mut tables = Tables::begin(&mut make).map_err(writing(&shown))?;
    let pack = gather(store, asked, &mut tables)?;
    let mut files = vec![];
    for (name, file) in tables.finish(&pack).map_err(writing(&shown))? {
        files.push(file.finish(name).map_err(writing(&shown))?.1);
    }
    for (name, text) in weighed(&pack, &files) {
        write_whole(&folder.join(name), text.as_bytes())?;
    }
    Ok(pack)
}

/// Writes a file that is there whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), Stop> {
    let shown = path.display().to_string();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(writing(&shown))?;
    file.write_all(content).map_err(writing(&shown))?;
    file.persist(path).map_err(|e| writing(&shown)(e.error))?;
    Ok(())
}

/// A new file, which is nobody else's business: it says who holds what.
fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(BufWriter::with_capacity(1 << 18, options.open(path)?))
}
