//! The configuration file.
//!
//! TOML; every table is closed, so that a mistyped name is an error with its line and not a silent default.
//! Paths in it are relative to the file itself.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::alert::mute::Mute;
use crate::alert::{guard, life};
use crate::connect::manifest::Way;
use crate::connect::transport::{Origin, exec, files, http, ldap, postgres};
use crate::connect::{Catalog, Job, Manifest, PullOptions};
use crate::engine::Team;
use crate::evidence::Evidence;
use crate::judge::{Accountability, Birthright, Checks, Settings};
use crate::log::Log;
use crate::model::{Duration, Instant};
use crate::schedule::{Cadence, Schedule};
use crate::secret::SecretRef;
use crate::serve::Serve;
use crate::sink;

/// How large a configuration file may be.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where requests, grants, people and policies come from.
    #[serde(rename = "source")]
    pub source: Vec<Source>,
    /// A folder of connectors that add to those built in or stand in their place.
    pub connectors: Option<PathBuf>,
    /// A folder of framework references that stand in place of those built in.
    pub controls: Option<PathBuf>,
    /// Thresholds, and checks that are off or weigh differently.
    pub checks: Checks,
    /// What everyone of a kind may hold without a request.
    pub birthright: Vec<Birthright>,
    /// Who answers where no record names anybody.
    pub accountability: Accountability,
    /// Where what is found is remembered. `run` always remembers; `reconcile` does when this table is there.
    pub store: Option<StoreTable>,
    /// When sources are pulled and everything is reconciled.
    pub schedule: ScheduleTable,
    /// How findings live, and what people are told.
    pub alerts: Alerts,
    /// When a pull that changes too much at once is held.
    pub guard: guard::Limits,
    /// What people are not told for a while.
    pub mute: Vec<Mute>,
    /// People who answer together.
    pub team: Vec<Team>,
    /// Where findings are told.
    pub sink: Vec<sink::Entry>,
    /// How the log of what happened is signed.
    pub evidence: Evidence,
    /// Health, readiness and metrics over HTTP; nothing is served when absent.
    pub serve: Option<Serve>,
    /// What is logged.
    pub log: Log,
    /// The folder of the file, from which relative paths start.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreTable {
    /// The file; `counterfoil.db` when absent, in the folder that systemd gives the service (`$STATE_DIRECTORY`), else beside
    /// the configuration.
    pub path: Option<PathBuf>,
    /// In place of a file a PostgreSQL database: `postgres://USER@HOST/DATABASE`, without the password. TLS is spoken with any
    /// host but this one, and proved (`?sslmode=verify-full`, or `disable` where the network is trusted).
    pub url: Option<String>,
    /// Where the password for `url` is.
    pub password: Option<SecretRef>,
    /// The authorities that the server of `url` is trusted by, in PEM; those of the system when absent.
    pub ca_file: Option<PathBuf>,
    /// For how long what is over is kept: earlier versions of records, resolved findings, events (ISO 8601).
    #[schemars(with = "String")]
    pub keep: Duration,
}

impl Default for StoreTable {
    fn default() -> Self {
        Self { path: None, url: None, password: None, ca_file: None, keep: Duration::days(400) }
    }
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleTable {
    /// When a source is pulled that has no `schedule` of its own; every hour when absent.
    pub pull: Cadence,
    /// When everything is reconciled; after every pull when absent.
    pub reconcile: Option<Cadence>,
}

impl Default for ScheduleTable {
    fn default() -> Self {
        Self { pull: Cadence { every: Some(Duration::hours(1)), ..Cadence::default() }, reconcile: None }
    }
}

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// In how many runs in a row a finding must be absent before it is resolved; one whose grant is gone is resolved at once.
    pub resolve_after: u32,
    /// How many changes within `flapping_window` make a finding flap: it is then held open, and said so once.
    pub flapping_changes: u32,
    /// How long a finding must keep quiet to flap no more.
    #[schemars(with = "String")]
    pub flapping_window: Duration,
    /// How far ahead an exception may end.
    #[schemars(with = "String")]
    pub max_exception: Duration,
}

impl Default for Alerts {
    fn default() -> Self {
        let rules = life::Rules::default();
        Self {
            resolve_after: rules.resolve_after,
            flapping_changes: u32::try_from(rules.flapping_changes).unwrap_or(4),
            flapping_window: rules.flapping_window,
            max_exception: rules.max_exception,
        }
    }
}

/// `[[source]]`: one export, or several that belong together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its id in records and findings.
    pub id: String,
    /// The connector that reads it.
    pub connector: String,
    /// Its files, where it is read from exports. In a name `*` stands for any characters, `?` for one and `[a-z]` for one of
    /// these; `**` between two `/` stands for any folders. They are looked for at each pull.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Of the files that a pattern matches, read only the one that was modified last.
    #[serde(default)]
    pub newest: bool,
    /// Read only files that were modified within this time (ISO 8601).
    #[schemars(with = "Option<String>")]
    pub modified_within: Option<Duration>,
    /// How long ago the newest file of each path or pattern may have been modified (ISO 8601); where it is longer, the pull
    /// fails. Without it any age is read, and `taken_at` says it.
    #[schemars(with = "Option<String>")]
    pub max_age: Option<Duration>,
    /// A program that prints what would be in a file.
    pub exec: Option<exec::Site>,
    /// The product itself, over HTTP.
    pub http: Option<Box<http::Site>>,
    /// A directory.
    pub ldap: Option<Box<ldap::Site>>,
    /// A PostgreSQL server.
    pub postgres: Option<Box<postgres::Site>>,
    /// When the export was taken (RFC 3339 with an offset); the files' newest modification time when absent. What is asked for
    /// is taken when it is asked.
    #[schemars(with = "Option<String>")]
    pub taken_at: Option<Instant>,
    /// When it is pulled; as `[schedule]` says when absent.
    pub schedule: Option<Cadence>,
    /// Pass over bad rows and call the pull incomplete, instead of stopping at the first.
    #[serde(default)]
    pub skip_bad_rows: bool,
    /// The connector's settings; its page lists them.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub settings: toml::Table,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a file; paths in it are then relative to where the program runs.
    ///
    /// # Errors
    /// Says what is wrong with file, line and column.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display();
        let unreadable = |e| ConfigError(format!("{file}: cannot be read: {e}"));
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_FILE {
            return Err(ConfigError(format!("{file}: {size} bytes; a configuration has at most {MAX_FILE}")));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut config = Self::parse(&file.to_string(), &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for path in config.connectors.iter_mut().chain(&mut config.controls) {
            *path = folder.join(&path);
        }
        config.folder = folder.to_owned();
        Ok(config)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|e| {
            let place = e.span().map(|span| {
                let before = text.get(..span.start).unwrap_or(text);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                format!(":{line}:{column}")
            });
            ConfigError(format!("{file}{}: {}", place.unwrap_or_default(), in_words(e.message())))
        })?;
        let mut ids: Vec<&str> = config.source.iter().map(|s| s.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => Err(ConfigError(format!(
                "{file}: two sources have the id `{}`; each needs its own",
                pair.first().unwrap_or(&"")
            ))),
            None => {
                config.check_alerts().map_err(|e| ConfigError(format!("{file}: {e}")))?;
                Ok(config)
            }
        }
    }

    /// What the judge is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            checks: self.checks.clone(),
            birthrights: self.birthright.clone(),
            accountability: self.accountability.clone(),
        }
    }

    /// Whether what is said of schedules, sinks, mutes and teams can be meant.
    fn check_alerts(&self) -> Result<(), String> {
        let mut ids: Vec<&str> = self.sink.iter().map(|s| s.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(format!(
                "two sinks have the id `{}`; each needs its own",
                pair.first().unwrap_or(&"")
            ));
        }
        for sink in &self.sink {
            sink.kind().map_err(|e| e.to_string())?;
            for check in sink.filter.checks.iter().chain(&sink.filter.except_checks) {
                self.check_name(check).map_err(|e| format!("sink `{}`: {e}", sink.id))?;
            }
            for team in sink.filter.owners.iter().filter_map(|o| o.strip_prefix("team:")) {
                if !self.team.iter().any(|t| t.id == team) {
                    return Err(format!("sink `{}`: there is no [[team]] `{team}`", sink.id));
                }
            }
        }
        for (number, mute) in self.mute.iter().enumerate() {
            let wrong = |e: String| format!("[[mute]] {}: {e}", number + 1);
            if let Some(fault) = mute.fault() {
                return Err(wrong(fault.to_owned()));
            }
            mute.checks.iter().try_for_each(|c| self.check_name(c)).map_err(wrong)?;
        }
        self.evidence.verifiers()?;
        if let Some(serve) = &self.serve {
            serve.check().map_err(|e| format!("[serve]: {e}"))?;
        }
        self.schedules().map(drop).map_err(|e| e.to_string())
    }

    fn check_name(&self, name: &str) -> Result<(), String> {
        match crate::judge::checks::by_name(name) {
            Some(_) => Ok(()),
            None => Err(format!("there is no check `{name}`; `counterfoil checks` lists them")),
        }
    }

    /// The jobs of the daemon: `pull ID` for each source, and `reconcile` where that has times of its own.
    ///
    /// # Errors
    /// When a cadence cannot be read.
    pub fn schedules(&self) -> Result<Vec<Schedule>, ConfigError> {
        let wrong = |e: crate::schedule::ScheduleError| ConfigError(e.to_string());
        let mut all = vec![];
        for s in &self.source {
            let cadence = s.schedule.as_ref().unwrap_or(&self.schedule.pull);
            all.push(Schedule::new(&format!("pull {}", s.id), cadence).map_err(wrong)?);
        }
        if let Some(cadence) = &self.schedule.reconcile {
            all.push(Schedule::new("reconcile", cadence).map_err(wrong)?);
        }
        Ok(all)
    }

    /// How findings live.
    #[must_use]
    pub fn life(&self) -> life::Rules {
        life::Rules {
            resolve_after: self.alerts.resolve_after.max(1),
            flapping_changes: self.alerts.flapping_changes as usize,
            flapping_window: self.alerts.flapping_window,
            max_exception: self.alerts.max_exception,
        }
    }

    /// Where the store is that is a file, and beside what all is kept that is no store. `state` is the folder that a service may write to, where there is one.
    #[must_use]
    pub fn store_path(&self, state: Option<&Path>) -> PathBuf {
        let own = self.store.as_ref().and_then(|s| s.path.clone());
        let folder = state.unwrap_or(&self.folder);
        own.map_or_else(|| folder.join("counterfoil.db"), |path| self.folder.join(path))
    }

    /// The sources with their connectors and settings.
    ///
    /// # Errors
    /// When a connector is not known or a setting is not its own, or wrong.
    pub fn sources(&self) -> Result<Vec<Job>, ConfigError> {
        let catalog = Catalog::load(self.connectors.as_deref()).map_err(ConfigError)?;
        self.source.iter().map(|s| s.prepare(&catalog, &self.folder)).collect()
    }

    /// One source with its connector and settings; `None` when there is none of that id.
    ///
    /// # Errors
    /// As [`Config::sources`], for this source.
    pub fn prepared(&self, id: &str) -> Result<Option<Job>, ConfigError> {
        let Some(source) = self.source.iter().find(|s| s.id == id) else { return Ok(None) };
        let catalog = Catalog::load(self.connectors.as_deref()).map_err(ConfigError)?;
        source.prepare(&catalog, &self.folder).map(Some)
    }
}

impl Source {
    fn prepare(&self, catalog: &Catalog, folder: &Path) -> Result<Job, ConfigError> {
        let wrong = |e: String| ConfigError(format!("source `{}`: {e}", self.id));
        let connector = catalog.get(&self.connector).map_err(wrong)?.clone();
        let settings =
            crate::connect::Settings::from_table(&connector.manifest, &self.settings).map_err(wrong)?;
        let origin = self.origin(&connector.manifest, folder).map_err(wrong)?;
        let taken_at = match &origin {
            Origin::Files(files) => {
                let files = files.as_deref().unwrap_or_default();
                self.taken_at.or_else(|| newest(files)).unwrap_or(Instant::MIN)
            }
            _ if self.taken_at.is_some() => {
                return Err(wrong(
                    "`taken_at` goes with `files`: what is asked for is taken when it is asked".to_owned(),
                ));
            }
            _ => instant(SystemTime::now()),
        };
        let options = PullOptions {
            source: self.id.clone(),
            taken_at: taken_at.to_string(),
            skip_bad_rows: self.skip_bad_rows,
            worker: None,
        };
        Ok(Job { connector, settings, options, origin, folder: folder.to_owned(), keep: None })
    }

    /// Where its rows come from: exactly one of several.
    fn origin(&self, manifest: &Manifest, folder: &Path) -> Result<Origin, String> {
        let given: Vec<Way> = [
            (!self.files.is_empty(), Way::Files),
            (self.exec.is_some(), Way::Exec),
            (self.http.is_some(), Way::Http),
            (self.ldap.is_some(), Way::Ldap),
            (self.postgres.is_some(), Way::Postgres),
        ]
        .into_iter()
        .filter_map(|(given, way)| given.then_some(way))
        .collect();
        let ways = manifest.ways();
        let named = |way: &Way| match way {
            Way::Files => "`files`".to_owned(),
            way => format!("[source.{}]", way.word()),
        };
        let known = || ways.iter().map(named).collect::<Vec<_>>().join(", ");
        match given.as_slice() {
            [way] if ways.contains(way) => {}
            [_] => return Err(format!("connector `{}` reads from {}", manifest.name, known())),
            _ => {
                let name = &manifest.name;
                let one = if ways.len() > 1 { "exactly one of " } else { "" };
                return Err(format!("expected {one}{}: where connector `{name}` reads", known()));
            }
        }
        let of_files = self.newest || self.modified_within.is_some() || self.max_age.is_some();
        if of_files && self.files.is_empty() {
            return Err("`newest`, `modified_within` and `max_age` go with `files`".to_owned());
        }
        if let Some(site) = &self.exec {
            site.check()?;
            return Ok(Origin::Exec(site.clone()));
        }
        let asked = self.http.clone().map(Origin::Http);
        let asked = asked.or_else(|| self.ldap.clone().map(Origin::Ldap));
        let asked = asked.or_else(|| self.postgres.clone().map(Origin::Postgres));
        Ok(asked.unwrap_or_else(|| {
            let wanted = files::Wanted {
                folder,
                paths: &self.files,
                newest: self.newest,
                modified_within: self.modified_within,
                max_age: self.max_age,
            };
            Origin::Files(wanted.choose(SystemTime::now()))
        }))
    }
}

/// What was expected, without the name that it has among the types of this program.
fn in_words(message: &str) -> String {
    let Some((before, after)) = message.split_once("expected struct ") else { return message.to_owned() };
    let rest = after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    format!("{before}expected a table{rest}")
}

/// The newest modification time of some files, as far as it can be told.
#[must_use]
pub fn newest(files: &[PathBuf]) -> Option<Instant> {
    let modified = |file: &PathBuf| std::fs::metadata(file).and_then(|m| m.modified()).ok();
    files.iter().filter_map(modified).max().map(instant)
}

/// A time of the system's clock as an instant.
#[must_use]
pub fn instant(time: SystemTime) -> Instant {
    let ms = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    };
    Instant::from_unix_ms(ms)
}
