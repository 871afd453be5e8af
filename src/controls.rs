//! Which controls of which frameworks a check speaks to: data in `config/controls/*.toml`, not code, so that an id
//! can be corrected without a build.
//!
//! The files are built in; a folder on disk replaces them one by one and adds others. `config/controls/README.md`
//! says what a file holds. A check nobody knows is an error that names the file and the line: a misspelt name
//! would silently take a control off every finding.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::judge::ControlSource;
use crate::model::finding::ControlRef;
use crate::model::record::Kind;

/// Largest file read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Most files read from a folder.
const MAX_FILES: usize = 200;
/// The kinds of identity a control can be limited to.
const KINDS: [&str; 3] = ["human", "service", "agent"];

#[derive(RustEmbed)]
#[folder = "config/controls"]
struct Embedded;

/// A framework with its controls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framework {
    /// The id in a finding, such as `nist-csf-2.0`.
    pub framework: String,
    /// Its name for a person.
    pub title: String,
    /// Which edition.
    pub version: String,
    /// Where the text can be read.
    pub source: String,
    /// Its controls, by id.
    pub controls: Vec<Control>,
}

/// A control of a framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// As the framework writes it.
    pub id: String,
    /// A paraphrase, short enough for a table.
    pub title: String,
    /// The kinds of identity it speaks about; empty is every finding, whoever it is about.
    pub identity_kinds: Vec<String>,
    /// The checks that speak to it, sorted.
    pub checks: Vec<String>,
}

impl Control {
    /// Whether it speaks about an identity of this kind.
    fn speaks_about(&self, kind: Option<&str>) -> bool {
        self.identity_kinds.is_empty()
            || kind.is_some_and(|kind| self.identity_kinds.iter().any(|k| k == kind))
    }
}

/// Every framework that is known.
#[derive(Debug, Clone, Default)]
pub struct Controls {
    frameworks: BTreeMap<String, Framework>,
    /// For each check the (framework, position of the control), in the order of findings.
    by_check: HashMap<String, Vec<(String, usize)>>,
}

/// Why a file of controls cannot be used, with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlError {
    place: String,
    message: String,
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for ControlError {}

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    framework: Spanned<String>,
    title: Spanned<String>,
    version: String,
    source: String,
    #[serde(default)]
    identity_kinds: Vec<Spanned<String>>,
    #[serde(default)]
    control: Vec<Entry>,
}

/// One `[[control]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    title: Spanned<String>,
    #[serde(default)]
    identity_kinds: Vec<Spanned<String>>,
    checks: Vec<Spanned<String>>,
}

impl ControlSource for Controls {
    fn controls(&self, check: &str, subject: Option<Kind>) -> Vec<ControlRef<'_>> {
        self.for_check(check, subject.map(Kind::as_str))
    }
}

impl Controls {
    /// The frameworks that are built in. `checks` are the names of all checks there are.
    ///
    /// # Errors
    /// When a file that is built in is at fault; a test sees to it that none is.
    pub fn embedded(checks: &[&str]) -> Result<Self, ControlError> {
        let mut all = Self::default();
        let mut names: Vec<Cow<'static, str>> =
            Embedded::iter().filter(|name| name.ends_with(".toml")).collect();
        names.sort_unstable();
        for name in names {
            let data = Embedded::get(&name).map(|f| f.data).unwrap_or_default();
            all.add(&format!("config/controls/{name}"), &data, checks)?;
        }
        all.index();
        Ok(all)
    }

    /// The frameworks that are built in, with the `*.toml` files of a folder in the place of those with the same
    /// name, and beside them.
    ///
    /// # Errors
    /// When the folder or a file cannot be read, or a file is at fault: then the file, and mostly the line, is named.
    pub fn load(folder: &Path, checks: &[&str]) -> Result<Self, ControlError> {
        let fault =
            |path: &Path, message: String| ControlError { place: path.display().to_string(), message };
        let mut all = Self::embedded(checks)?;
        let entries = std::fs::read_dir(folder)
            .map_err(|e| fault(folder, format!("cannot read the folder of controls: {e}")))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path =
                entry.map_err(|e| fault(folder, format!("cannot read the folder of controls: {e}")))?.path();
            if path.extension().is_some_and(|e| e == "toml") {
                paths.push(path);
            }
            if paths.len() > MAX_FILES {
                return Err(fault(folder, format!("more than {MAX_FILES} files of controls")));
            }
        }
        paths.sort_unstable();
        for path in paths {
            let size =
                std::fs::metadata(&path).map_err(|e| fault(&path, format!("cannot be read: {e}")))?.len();
            if size > MAX_FILE {
                return Err(fault(&path, format!("{size} bytes; a file of controls has at most {MAX_FILE}")));
            }
            let data = std::fs::read(&path).map_err(|e| fault(&path, format!("cannot be read: {e}")))?;
            all.add(&path.display().to_string(), &data, checks)?;
        }
        all.index();
        Ok(all)
    }

    /// The controls a finding of this check carries, sorted. `kind` is the kind of the finding's subject; without
    /// one, controls that speak about certain kinds of identity alone are left out.
    #[must_use]
    pub fn for_check(&self, check: &str, kind: Option<&str>) -> Vec<ControlRef<'_>> {
        self.of(check)
            .filter(|(_, control)| control.speaks_about(kind))
            .map(|(f, c)| ControlRef { framework: f.framework.as_str().into(), id: c.id.as_str().into() })
            .collect()
    }

    /// The controls of a check with their frameworks, for its page, whatever kind of identity they speak about.
    pub fn of(&self, check: &str) -> impl Iterator<Item = (&Framework, &Control)> {
        self.by_check.get(check).into_iter().flatten().filter_map(|(framework, at)| {
            let framework = self.frameworks.get(framework)?;
            Some((framework, framework.controls.get(*at)?))
        })
    }

    fn of_frameworks(frameworks: Vec<Framework>) -> Self {
        let frameworks = frameworks.into_iter().map(|f| (f.framework.clone(), f)).collect();
        let mut all = Self { frameworks, by_check: HashMap::new() };
        all.index();
        all
    }

    /// The frameworks as JSON, to be kept: [`Controls::of_json`] reads them.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.frameworks().collect::<Vec<_>>()).unwrap_or_default()
    }

    /// The frameworks that were kept as JSON; none where that is `null`.
    ///
    /// # Errors
    /// When it is not what [`Controls::to_json`] writes.
    pub fn of_json(kept: &serde_json::Value) -> serde_json::Result<Self> {
        Option::<Vec<Framework>>::deserialize(kept).map(|all| Self::of_frameworks(all.unwrap_or_default()))
    }

    /// A framework by its id.
    #[must_use]
    pub fn framework(&self, id: &str) -> Option<&Framework> {
        self.frameworks.get(id)
    }

    /// Every framework, by id.
    pub fn frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.values()
    }

    fn add(&mut self, place: &str, data: &[u8], checks: &[&str]) -> Result<(), ControlError> {
        let framework = read(place, data, checks)?;
        self.frameworks.insert(framework.framework.clone(), framework);
        Ok(())
    }

    fn index(&mut self) {
        self.by_check.clear();
        for (id, framework) in &self.frameworks {
            for (at, control) in framework.controls.iter().enumerate() {
                for check in &control.checks {
                    self.by_check.entry(check.clone()).or_default().push((id.clone(), at));
                }
            }
        }
    }
}

fn read(place: &str, data: &[u8], checks: &[&str]) -> Result<Framework, ControlError> {
    let whole = |message: String| ControlError { place: place.to_owned(), message };
    let text = std::str::from_utf8(data).map_err(|_| whole("is not UTF-8".into()))?;
    let at = |offset: usize, message: String| {
        let line = text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1;
        ControlError { place: format!("{place}:{line}"), message }
    };
    let file: File = toml::from_str(text).map_err(|e| match e.span() {
        Some(span) => at(span.start, e.message().to_owned()),
        None => whole(e.message().to_owned()),
    })?;
    let filled = |field: &str, value: &Spanned<String>| {
        let empty = value.get_ref().trim().is_empty();
        if empty { Err(at(value.span().start, format!("`{field}` is empty"))) } else { Ok(()) }
    };
    filled("framework", &file.framework)?;
    filled("title", &file.title)?;
    let stem = Path::new(place).file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    if stem != file.framework.get_ref() {
        let found = file.framework.get_ref();
        let message =
            format!("the framework `{found}` stands in a file named `{stem}.toml`, expected `{found}.toml`");
        return Err(at(file.framework.span().start, message));
    }
    let one_of =
        |what: &str, known: &[&str], names: &[Spanned<String>]| -> Result<Vec<String>, ControlError> {
            let mut out: Vec<String> = Vec::new();
            for name in names {
                if !known.contains(&name.get_ref().as_str()) {
                    let hint = match nearest(name.get_ref(), known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("expected one of {}", known.join(", ")),
                    };
                    return Err(at(
                        name.span().start,
                        format!("there is no {what} `{}`; {hint}", name.get_ref()),
                    ));
                }
                out.push(name.get_ref().clone());
            }
            out.sort_unstable();
            out.dedup();
            Ok(out)
        };
    let file_kinds = one_of("kind of identity", &KINDS, &file.identity_kinds)?;
    let mut controls: Vec<Control> = Vec::with_capacity(file.control.len());
    for entry in &file.control {
        filled("id", &entry.id)?;
        filled("title", &entry.title)?;
        if controls.iter().any(|c| &c.id == entry.id.get_ref()) {
            return Err(at(
                entry.id.span().start,
                format!("the control `{}` stands twice", entry.id.get_ref()),
            ));
        }
        let kinds = one_of("kind of identity", &KINDS, &entry.identity_kinds)?;
        controls.push(Control {
            id: entry.id.get_ref().clone(),
            title: entry.title.get_ref().clone(),
            identity_kinds: if kinds.is_empty() { file_kinds.clone() } else { kinds },
            checks: one_of("check", checks, &entry.checks)?,
        });
    }
    controls.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Framework {
        framework: file.framework.into_inner(),
        title: file.title.into_inner(),
        version: file.version,
        source: file.source,
        controls,
    })
}

/// The known name that is at most two slips of the pen away.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known.iter().map(|k| (slips(name, k), *k)).filter(|(n, _)| *n <= 2).min().map(|(_, k)| k)
}

/// How many letters must be added, taken away or changed to get from one to the other.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(100).enumerate() {
        let mut next = vec![i + 1];
        for ((y, above_left), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(i + 1);
            next.push((above_left + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
