//! A source that is ready to be pulled: its connector, its settings, and where its rows come from.

use std::io;
use std::path::PathBuf;

use super::catalog::Connector;
use super::error::PullError;
use super::manifest::Way;
use super::pull::{Progress, PullOptions, PullSummary, pull_fetched, pull_files, pull_printed};
use super::settings::Settings;
use super::transport::{self, Ask, Doing, Origin, Watch, files};

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
    /// Whether what it reads is there: its files can be opened, its program and the secrets of that are there. A product is
    /// not asked.
    ///
    /// # Errors
    /// Names the first thing that is not.
    pub fn check_files(&self) -> Result<(), String> {
        match &self.origin {
            Origin::Files(files) => {
                for file in files.as_ref().map_err(Clone::clone)? {
                    files::look(file)?;
                }
                Ok(())
            }
            Origin::Exec(site) => {
                let Self { connector, settings, options, .. } = self;
                let watch = &|_: &Doing<'_>| false;
                let ask = Ask { connector, settings, options, folder: &self.folder, keep: None, watch };
                transport::exec::probe(&ask, site).map_err(|e| e.to_string())
            }
            _ => Ok(()),
        }
    }

    /// Its files, where it has some.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        match &self.origin {
            Origin::Files(Ok(files)) => files,
            _ => &[],
        }
    }

    /// How it is read, in the word that manifests and configurations have for it.
    #[must_use]
    pub fn way(&self) -> Way {
        match &self.origin {
            Origin::Files(_) => Way::Files,
            Origin::Exec(_) => Way::Exec,
            Origin::Http(_) => Way::Http,
            Origin::Ldap(_) => Way::Ldap,
            Origin::Postgres(_) => Way::Postgres,
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
            Origin::Files(files) => {
                let files = files.as_ref().map_err(|e| PullError::Asked(e.clone()))?;
                return pull_files(connector, settings, options, files, sink, progress);
            }
            Origin::Exec(site) => {
                let printed = transport::exec::run(&ask, site)?;
                let (file, reasons) = (printed.path(), printed.reasons.clone());
                let pulled = pull_printed(connector, settings, options, file, reasons, sink, progress);
                let mut summary = pulled.map_err(|e| printed.error(e))?;
                for text in summary.rejects.iter_mut().chain(&mut summary.reasons) {
                    *text = printed.told(text);
                }
                return Ok(summary);
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
            Origin::Files(_) | Origin::Exec(_) => self.check_files().map_err(PullError::Asked),
            Origin::Http(site) => transport::http::probe(&ask, site),
            Origin::Ldap(site) => transport::ldap::probe(&ask, site),
            Origin::Postgres(site) => transport::postgres::probe(&ask, site),
        }
    }
}
