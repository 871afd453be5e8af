//! exec: a program that prints what a connector reads. `examples/plugins/README.md` is the contract with it.
//!
//! It runs without a shell of its own, with the environment it is given and no other, in a process group of its own, with
//! limits on time, memory and output. What it prints goes to a temporary file, and is read only once the program has ended
//! and said by its exit status that it is right. Nothing of it outlives the pull: what is left of the group is killed, and
//! when this program dies so is the group.

mod running;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use self::running::Running;
use super::Ask;
use crate::connect::error::{Place, PullError};
use crate::model::Duration;
use crate::secret::SecretRef;

/// The version of the contract, which the program is told.
const PROTOCOL: &str = "1";

/// What of our environment the program gets.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// What our own variables begin with.
const OURS: &str = "COUNTERFOIL_";

/// The file of the output. Its name goes into the evidence of records, so it is the same in every pull.
const OUTPUT: &str = "output";

/// `[source.exec]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The program and its arguments. No shell is in between. A program with a `/` in its name starts at the folder of the
    /// configuration, any other is looked for in PATH.
    pub command: Vec<String>,
    /// Variables of its environment: where a secret is, or `{ value = "…" }`. Beside these it has PATH, HOME, LANG and TZ as
    /// they are here, and what Counterfoil tells it.
    #[serde(default)]
    pub env: BTreeMap<String, Variable>,
    /// The folder it runs in; that of the configuration when absent.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// How long it may take (ISO 8601).
    #[serde(default = "ten_minutes")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How much memory each of its processes may take, as address space in MiB; 0 for no limit of ours.
    #[serde(default = "two_gib")]
    pub memory_mib: u64,
    /// How much it may print, in MiB.
    #[serde(default = "four_gib")]
    pub max_output_mib: u64,
}

fn ten_minutes() -> Duration {
    Duration::minutes(10)
}

fn two_gib() -> u64 {
    2048
}

fn four_gib() -> u64 {
    4096
}

/// A variable of the program's environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected where a secret is (`credential:NAME`, `file:PATH`, `env:NAME`), or { value = \"…\" } for what is none"
)]
pub enum Variable {
    /// A secret, by where it is.
    Secret(SecretRef),
    /// What is no secret.
    Plain {
        /// The value.
        value: String,
    },
}

impl Site {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// Which setting cannot.
    pub fn check(&self) -> Result<(), String> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err("[source.exec]: `command` is empty: expected a program and its arguments".to_owned());
        }
        for name in self.env.keys() {
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty();
            if !plain {
                return Err(format!(
                    "[source.exec]: `env` names `{}`: expected letters, digits and `_`",
                    name.escape_debug()
                ));
            }
            if name.starts_with(OURS) {
                return Err(format!("[source.exec]: `env` names `{name}`: {OURS}… is what Counterfoil says"));
            }
        }
        if self.timeout.ms() == 0 || self.max_output_mib == 0 {
            return Err("[source.exec]: `timeout` and `max_output_mib` must be more than nothing".to_owned());
        }
        Ok(())
    }
}

/// Runs the program to its end.
///
/// # Errors
/// When it cannot be run, meets a limit, does not end well, or the pull is broken off. Nothing it printed is then used.
pub fn run(ask: &Ask<'_>, site: &Site) -> Result<Printed, PullError> {
    let plan = Plan::new(ask, site)?;
    let fail = |why: String| PullError::Asked(format!("{}: {why}", plan.name));
    let aside = |e: io::Error| fail(format!("what it prints cannot be set aside: {e}"));
    let folder = tempfile::tempdir().map_err(aside)?;
    let path = folder.path().join(OUTPUT);
    let file = File::create_new(&path).map_err(aside)?;
    let mut running = Running::start(&plan, site).map_err(|e| fail(format!("it cannot be started: {e}")))?;
    let events = running.listen(file, site).map_err(|e| fail(format!("it cannot be listened to: {e}")))?;
    let reasons = running.wait(&events, ask, site, &plan).map_err(fail)?;
    Ok(Printed { _folder: folder, path, reasons, name: plan.name, secrets: plan.secrets })
}

/// Looks whether the program and its secrets are there. It is not run.
///
/// # Errors
/// What is not there.
pub fn probe(ask: &Ask<'_>, site: &Site) -> Result<(), PullError> {
    Plan::new(ask, site).map(drop)
}

/// What a program printed, as long as this lives.
#[derive(Debug)]
pub struct Printed {
    _folder: tempfile::TempDir,
    path: PathBuf,
    /// Why that is not all, in the program's words; empty when it is.
    pub reasons: Vec<String>,
    name: String,
    secrets: Secrets,
}

impl Printed {
    /// The file with what it printed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A message of somebody who read that file, in the words of whoever runs the program: its name in the place of the
    /// file's, and without its secrets.
    #[must_use]
    pub fn told(&self, message: &str) -> String {
        let file = self.path.display().to_string();
        self.secrets.hidden(&message.replace(&file, &format!("the output of {}", self.name)))
    }

    /// An error of somebody who read that file, told so.
    #[must_use]
    pub fn error(&self, error: PullError) -> PullError {
        let at = |place: Place| Place { file: self.told(&place.file), ..place };
        match error {
            PullError::Connector(message) => PullError::Connector(self.told(&message)),
            PullError::Setting(message) => PullError::Setting(self.told(&message)),
            PullError::Asked(message) => PullError::Asked(self.told(&message)),
            PullError::Input { place, message } => PullError::input(at(place), self.told(&message)),
            PullError::Row { place, message } => PullError::row(at(place), self.told(&message)),
            PullError::Output(error) => PullError::Output(error),
        }
    }
}

/// The values that no message may hold.
#[derive(Debug, Default)]
struct Secrets(Vec<(String, SecretString)>);

impl Secrets {
    /// A text with the name of the variable in the place of each of them.
    fn hidden(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, secret) in &self.0 {
            let secret = secret.expose_secret();
            // A key of several lines is printed line by line.
            let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 8);
            for part in std::iter::once(secret).chain(lines) {
                if text.contains(part) {
                    text = text.replace(part, &format!("(${name})"));
                }
            }
        }
        text
    }
}

/// All that has to be known before the program starts.
struct Plan {
    /// The program, from the root.
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    environment: Vec<(OsString, OsString)>,
    secrets: Secrets,
    /// How messages call it.
    name: String,
}

impl Plan {
    fn new(ask: &Ask<'_>, site: &Site) -> Result<Self, PullError> {
        let fail = |why: String| PullError::Asked(format!("[source.exec]: {why}"));
        let base =
            std::path::absolute(if ask.folder.as_os_str().is_empty() { Path::new(".") } else { ask.folder })
                .map_err(|e| fail(format!("the folder of the configuration cannot be told: {e}")))?;
        let folder = base.join(site.folder.as_deref().unwrap_or(Path::new("")));
        if !folder.is_dir() {
            return Err(fail(format!("`folder`: there is no folder {}", folder.display())));
        }
        let mut environment: BTreeMap<OsString, OsString> = INHERITED
            .into_iter()
            .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)))
            .collect();
        let mut secrets = Secrets::default();
        for (name, variable) in &site.env {
            let value = match variable {
                Variable::Plain { value } => OsString::from(value),
                Variable::Secret(place) => {
                    let secret = place.fetch(&base).map_err(|e| fail(format!("`env`: {name}: {e}")))?;
                    let value = OsString::from(secret.expose_secret());
                    secrets.0.push((name.clone(), secret));
                    value
                }
            };
            environment.insert(OsString::from(name), value);
        }
        let settings = serde_json::Value::Object(ask.settings.as_object().clone());
        for (name, value) in [
            ("PROTOCOL", PROTOCOL.to_owned()),
            ("SOURCE", ask.options.source.clone()),
            ("TAKEN_AT", ask.options.taken_at.clone()),
            ("SETTINGS", settings.to_string()),
        ] {
            environment.insert(OsString::from(format!("{OURS}{name}")), OsString::from(value));
        }
        let Some((program, arguments)) = site.command.split_first() else {
            return Err(fail("`command` is empty".to_owned()));
        };
        let program = find(program, &base, environment.get(OsStr::new("PATH"))).map_err(fail)?;
        let name = visible(&secrets.hidden(&site.command.join(" ")));
        let name = match name.char_indices().nth(100) {
            Some((end, _)) => format!("`{}…`", name.get(..end).unwrap_or_default()),
            None => format!("`{name}`"),
        };
        let environment = environment.into_iter().collect();
        Ok(Self { program, arguments: arguments.to_vec(), folder, environment, secrets, name })
    }
}

/// The file of a program: from `base` where its name has a `/`, else from PATH.
fn find(program: &str, base: &Path, path: Option<&OsString>) -> Result<PathBuf, String> {
    if program.contains('/') {
        let file = base.join(program);
        return match std::fs::metadata(&file) {
            Err(e) => Err(format!("`command`: {}: {e}", file.display())),
            Ok(known) if !known.is_file() => Err(format!("`command`: {}: it is not a file", file.display())),
            Ok(known) if !may_run(&known) => {
                Err(format!("`command`: {}: it may not be run; run `chmod +x` on it", file.display()))
            }
            Ok(_) => Ok(file),
        };
    }
    let runs = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|known| known.is_file() && may_run(&known));
    let mut folders = path.iter().flat_map(std::env::split_paths);
    let found = folders.find_map(|folder| Some(base.join(folder).join(program)).filter(runs));
    found.ok_or_else(|| format!("`command`: there is no program `{}` in PATH", program.escape_debug()))
}

#[cfg(unix)]
fn may_run(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn may_run(_file: &std::fs::Metadata) -> bool {
    true
}

/// A line of somebody else's as it may be shown: what a terminal would act on, and what turns or hides text, written out.
fn visible(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_default()),
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}
