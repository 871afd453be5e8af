//! A source that is ready to be pulled: its connector, its settings, and where its rows come from.

use std::io;
use std::path::PathBuf;

use super::catalog::Connector;
use super::error::PullError;
use super::pull::{Progress, PullOptions, PullSummary, pull_fetched, pull_files};
use super::settings::Settings;
use super::transport::{self, Ask, Origin, Watch};

/// A source that is ready to be pulled.
#[derive(Debug)]
pub struct Job {
    /// The connector.
    pub connector: Connector,
    /// Its settings.
    pub settings: Settings,
    /// Id and time.
    pub options: PullOptions,
    /// Where its rows come from.
    pub origin: Origin,
    /// The folder that relative paths of secrets and certificates start from.
    pub folder: PathBuf,
    /// The folder where what was pulled is kept between pulls, so that only changes are asked for; without one everything
    /// is, always.
    pub keep: Option<PathBuf>,
}

impl Job {
    /// Whether what it reads is there: its files can be opened. A product is not asked.
    ///
    /// # Errors
    /// Names the first file that cannot be opened.
    pub fn check_files(&self) -> Result<(), String> {
        let Origin::Files(files) = &self.origin else { return Ok(()) };
        for file in files {
            std::fs::File::open(file).map_err(|e| format!("{}: cannot be opened: {e}", file.display()))?;
        }
        Ok(())
    }

    /// Its files, where it has some.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        match &self.origin {
            Origin::Files(files) => files,
            _ => &[],
        }
    }

    /// Pulls it and hands on each record as one line without its line end; the last is the end mark.
    ///
    /// # Errors
    /// Nothing could be had, or what was had is wrong at a place that is named.
    pub fn pull(
        &self,
        sink: &mut dyn FnMut(&str) -> io::Result<()>,
        progress: &mut dyn FnMut(Progress<'_>),
        watch: &Watch<'_>,
    ) -> Result<PullSummary, PullError> {
        let Self { connector, settings, options, .. } = self;
        let ask =
            Ask { connector, settings, options, folder: &self.folder, keep: self.keep.as_deref(), watch };
        let fetched = match &self.origin {
            Origin::Files(files) => return pull_files(connector, settings, options, files, sink, progress),
            Origin::Exec(site) => {
                let printed = transport::exec::run(&ask, site)?;
                let files = [printed.path().to_owned()];
                return pull_files(connector, settings, options, &files, sink, progress);
            }
            Origin::Http(site) => transport::http::fetch(&ask, site)?,
            Origin::Ldap(site) => transport::ldap::fetch(&ask, site)?,
            Origin::Postgres(site) => transport::postgres::fetch(&ask, site)?,
        };
        let requests = fetched.requests;
        let mut summary = pull_fetched(connector, settings, options, fetched, sink, progress)?;
        summary.requests = requests;
        Ok(summary)
    }

    /// Asks the product one thing that needs the least of what a pull needs, and says what is missing.
    ///
    /// # Errors
    /// What does not work, and which permission would make it.
    pub fn probe(&self, watch: &Watch<'_>) -> Result<(), PullError> {
        let Self { connector, settings, options, .. } = self;
        let ask = Ask { connector, settings, options, folder: &self.folder, keep: None, watch };
        match &self.origin {
            Origin::Files(_) => self.check_files().map_err(PullError::Asked),
            Origin::Exec(site) => transport::exec::probe(&ask, site),
            Origin::Http(site) => transport::http::probe(&ask, site),
            Origin::Ldap(site) => transport::ldap::probe(&ask, site),
            Origin::Postgres(site) => transport::postgres::probe(&ask, site),
        }
    }
}
