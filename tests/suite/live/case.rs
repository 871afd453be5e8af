//! What stands in `live/`: a connector, the API it asks, and what has to come out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use counterfoil::connect::manifest::http::{ForEach, Http, Step, When};
use counterfoil::connect::{Catalog, Connector, Settings};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::rows::Files;
use super::rule::text;
use super::spec::{Operation, Spec};

/// One connector, or one edition of its product.
#[derive(Debug, Clone)]
pub struct Case {
    /// The connector, with the edition where there are several.
    pub name: String,
    pub connector: Connector,
    pub spec: Arc<Spec>,
    /// What the product holds on the first day.
    pub files: Files,
    /// What it holds on the second, where there is one.
    pub changed: Option<Files>,
    pub settings: toml::Table,
    pub http: toml::Table,
    pub source: String,
    /// When the pulls of both days are.
    pub days: [Timestamp; 2],
    pub folder: PathBuf,
    /// Nothing goes wrong, whatever a scenario wants: to see that it then complains.
    pub tame: bool,
    /// Something is planted in it, so that what comes out is not to be kept.
    pub planted: bool,
}

/// The folder of the harness itself: an invented product that uses every word.
pub fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/live")
}

fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The folders with a `stub.toml` of one connector, each with the name of its edition.
fn folders(live: &Path) -> Vec<(String, PathBuf)> {
    if live.join("stub.toml").is_file() {
        return vec![(String::new(), live.to_owned())];
    }
    let editions = sorted(live).into_iter().filter(|path| path.join("stub.toml").is_file());
    editions.map(|path| (format!(" ({})", name(&path)), path)).collect()
}

/// The case of the invented product.
pub fn product() -> Case {
    let catalog = Catalog::load(Some(&own())).unwrap();
    Case::load(catalog.get("product").unwrap(), "product", &own().join("product/live")).unwrap()
}

/// All cases, or those that `LIVE` names, for one scenario; and what is wrong with how they are written.
pub fn cases(scenario: &str) -> (Vec<Case>, Vec<String>) {
    let wanted = std::env::var("LIVE").unwrap_or_default();
    let (connector, part) = wanted.split_once('/').unwrap_or((&wanted, ""));
    if !part.is_empty() && part != scenario {
        return (Vec::new(), Vec::new());
    }
    let mut cases = Vec::new();
    let mut wrong = Vec::new();
    for root in [own(), connectors()] {
        let catalog = Catalog::load(Some(&root)).unwrap();
        for folder in sorted(&root) {
            let id = name(&folder);
            if !connector.is_empty() && id != connector {
                continue;
            }
            for (edition, live) in folders(&folder.join("live")) {
                match Case::load(catalog.get(&id).unwrap(), &format!("{id}{edition}"), &live) {
                    Ok(case) => cases.push(case),
                    Err(why) => wrong.push(format!("{}: {why}", live.display())),
                }
            }
        }
    }
    (cases, wrong)
}

/// Steps of connectors that no case makes, since settings of none switch them on, or that no case has a second day for.
pub fn never_made(cases: &[Case]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for case in cases {
        let id = case.connector.name();
        if !known.insert(id) {
            continue;
        }
        let of: Vec<&Case> = cases.iter().filter(|case| case.connector.name() == id).collect();
        for step in &case.manifest().steps {
            let name = &step.name;
            if !step.probe_only && !of.iter().any(|case| case.wanted(step)) {
                wrong.push(format!("{id}: the settings of no case switch on the step `{name}`"));
            }
            let keeps = step.conditional || step.incremental.is_some();
            if keeps && !of.iter().any(|case| case.wanted(step) && case.changed.is_some()) {
                wrong
                    .push(format!("{id}: changes/ is needed, since the step `{name}` asks for what changed"));
            }
        }
    }
    wrong
}

fn files(folder: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    for path in sorted(folder) {
        if path.extension().is_some_and(|ending| ending == "json") {
            let read = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let value = serde_json::from_str(&read).map_err(|e| format!("{}: {e}", path.display()))?;
            files.insert(name(&path), value);
        }
    }
    Ok(files)
}

impl Case {
    /// Reads a folder `live/`.
    pub fn load(connector: &Connector, name: &str, folder: &Path) -> Result<Self, String> {
        let read = |file: &str| fs::read_to_string(folder.join(file)).map_err(|e| format!("{file}: {e}"));
        let spec: Spec = toml::from_str(&read("stub.toml")?).map_err(|e| format!("stub.toml: {e}"))?;
        let said = read("settings.toml").unwrap_or_default();
        let said: toml::Table = toml::from_str(&said).map_err(|e| format!("settings.toml: {e}"))?;
        let known = ["source", "taken_at", "taken_at_2", "settings", "http"];
        if let Some(key) = said.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("settings.toml: unknown key `{key}`"));
        }
        let text = |key: &str| said.get(key).and_then(toml::Value::as_str);
        let table = |key: &str| said.get(key).and_then(toml::Value::as_table).cloned().unwrap_or_default();
        let time = |text: &str| text.parse::<Timestamp>().map_err(|e| format!("settings.toml: {text}: {e}"));
        let first = time(text("taken_at").unwrap_or("2026-06-01T00:00:00Z"))?;
        let second = text("taken_at_2").map_or(Ok(first + SignedDuration::from_hours(6)), time)?;
        let before = files(folder)?;
        let changes = folder.join("changes");
        let changed = changes.is_dir().then(|| files(&changes)).transpose()?;
        if let Some(other) = changed.iter().flat_map(Files::keys).find(|file| !before.contains_key(*file)) {
            return Err(format!("changes/{other}: there is no such file on the first day"));
        }
        let changed = changed.map(|changed| {
            let mut all = before.clone();
            all.extend(changed);
            all
        });
        let case = Self {
            name: name.to_owned(),
            connector: connector.clone(),
            spec: Arc::new(spec),
            files: before,
            changed,
            settings: table("settings"),
            http: table("http"),
            source: text("source").unwrap_or(connector.name()).to_owned(),
            days: [first, second],
            folder: folder.to_owned(),
            tame: false,
            planted: false,
        };
        case.check()?;
        Ok(case)
    }

    /// Whether what comes out is what is expected from now on.
    pub fn updates(&self) -> bool {
        !self.planted && std::env::var_os("UPDATE_EXPECTED").is_some()
    }

    /// How the connector asks.
    pub fn manifest(&self) -> &Http {
        self.connector.manifest.http.as_ref().unwrap()
    }

    /// The names of the manifest's bases.
    pub fn bases(&self) -> Vec<String> {
        self.manifest().bases.keys().cloned().collect()
    }

    pub fn step(&self, name: &str) -> &Step {
        self.manifest().steps.iter().find(|step| step.name == name).unwrap()
    }

    /// The settings of the source.
    pub fn settings(&self) -> Settings {
        Settings::from_table(&self.connector.manifest, &self.settings).unwrap()
    }

    /// Is the step made with these settings? One that is made for the rows of another is not, where that one is not.
    pub fn wanted(&self, step: &Step) -> bool {
        if let Some(ForEach::Step(parent)) = &step.for_each
            && !self.wanted(self.step(parent))
        {
            return false;
        }
        let Some(When { setting, is }) = &step.when else { return true };
        let settings = self.settings();
        let value = settings.as_object().get(setting).cloned().unwrap_or_default();
        let empty = match &value {
            Value::Array(items) => items.is_empty(),
            Value::Object(object) => object.is_empty(),
            Value::Null | Value::Bool(false) => true,
            other => text(other).is_some_and(|text| text.is_empty()),
        };
        is.as_ref().map_or(!empty, |is| *is == value)
    }

    /// The operations that a pull makes, with the steps that make them.
    pub fn made(&self) -> Vec<(&Operation, Vec<&Step>)> {
        let of = |operation: &Operation| -> Vec<&Step> {
            let steps = operation.steps().into_iter().map(|name| self.step(name));
            steps.filter(|step| !step.probe_only && self.wanted(step)).collect()
        };
        let all = self.spec.operations.iter().map(|operation| (operation, of(operation)));
        all.filter(|(_, steps)| !steps.is_empty()).collect()
    }

    /// The rules that types alone do not say.
    fn check(&self) -> Result<(), String> {
        let Some(http) = &self.connector.manifest.http else {
            return Err("the manifest has no [http]".to_owned());
        };
        Settings::from_table(&self.connector.manifest, &self.settings)
            .map_err(|e| format!("settings.toml: {e}"))?;
        let spec = &self.spec;
        let fail = |what: String| Err(format!("stub.toml: {what}"));
        if spec.docs.is_empty() || spec.auth.is_empty() || spec.product.is_empty() {
            return fail("`product`, `docs` and at least one [[auth]] are needed".to_owned());
        }
        let mut names = BTreeSet::new();
        let mut steps = BTreeSet::new();
        for operation in &spec.operations {
            if !names.insert(operation.name.as_str()) {
                return fail(format!("two operations are named `{}`", operation.name));
            }
            for name in operation.steps() {
                steps.insert(name);
                let step = http.steps.iter().find(|step| step.name == name);
                let Some(step) = step else {
                    return fail(format!("operation `{}`: there is no step `{name}`", operation.name));
                };
                let said = step.permission.as_deref().unwrap_or_default();
                if let Some(wanted) = operation.permission.as_deref().filter(|wanted| !said.contains(wanted))
                {
                    return fail(format!("the step `{name}` needs `{wanted}`, its `permission` is `{said}`"));
                }
            }
            if !self.files.contains_key(operation.rows.file()) {
                return fail(format!("there is no file {}", operation.rows.file()));
            }
            if let Err(why) = operation.page.check() {
                return fail(format!("operation `{}`: {why}", operation.name));
            }
        }
        if let Some(step) = http.steps.iter().find(|s| !steps.contains(s.name.as_str()) && self.wanted(s)) {
            return fail(format!("no operation is made by the step `{}`", step.name));
        }
        let used = |file: &&String| spec.operations.iter().any(|o| o.rows.file() == *file);
        if let Some(file) = self.files.keys().find(|file| !used(file)) {
            return fail(format!("no operation has rows of {file}"));
        }
        if let Some(file) = spec.rows.keys().find(|file| !self.files.contains_key(*file)) {
            return fail(format!("[rows.\"{file}\"]: there is no such file"));
        }
        Ok(())
    }
}

/// What is wrong with how a case is written.
///
/// # Errors
/// The first thing.
pub fn wrong_with(case: &Case) -> Result<(), String> {
    case.check()
}
