//! The connectors there are: those built in, and those a folder on disk adds or puts in their place.

use super::limits::MAX_CONNECTOR_FILE_BYTES;
use super::manifest::{Manifest, MapKind};
use super::record::is_type;
use super::settings::Settings;
use rust_embed::RustEmbed;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The connector folders as they are in the source tree, without their fixtures.
#[derive(RustEmbed)]
#[folder = "connectors/"]
#[include = "*/manifest.toml"]
#[include = "*/map.jq"]
#[include = "*/README.md"]
#[exclude = "*/fixtures/*"]
struct Embedded;

/// Where a connector comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built into the program.
    BuiltIn,
    /// A folder on disk.
    Folder(PathBuf),
}

/// A connector: its manifest, its map and its page.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The manifest.
    pub manifest: Manifest,
    /// The text of `map.jq`; none where rows are records as they stand.
    pub map: Option<String>,
    /// The text of `README.md`.
    pub page: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// All connectors by name.
#[derive(Debug, Clone)]
pub struct Catalog {
    connectors: BTreeMap<String, Connector>,
}

impl Catalog {
    /// The built-in connectors, and those of `folder`, which win over a built-in one of the same name.
    ///
    /// # Errors
    /// Text that names the file (and line and column) at fault.
    pub fn load(folder: Option<&Path>) -> Result<Self, String> {
        let mut catalog = Self::built_in()?;
        if let Some(folder) = folder {
            catalog.add_folder(folder)?;
        }
        Ok(catalog)
    }

    fn built_in() -> Result<Self, String> {
        let mut folders: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for path in Embedded::iter() {
            let Some((folder, file)) = path.split_once('/') else { continue };
            let Some(content) = Embedded::get(&path) else { continue };
            let text = String::from_utf8(content.data.into_owned())
                .map_err(|_| format!("built-in connectors/{path}: not UTF-8"))?;
            folders.entry(folder.to_owned()).or_default().insert(file.to_owned(), text);
        }
        let mut connectors = BTreeMap::new();
        for (folder, mut files) in folders {
            let shown = format!("built-in connectors/{folder}");
            let connector = Connector::new(&folder, &shown, Origin::BuiltIn, |file| Ok(files.remove(file)))?;
            connectors.insert(folder, connector);
        }
        Ok(Self { connectors })
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), String> {
        let shown = folder.display();
        let entries = std::fs::read_dir(folder)
            .map_err(|error| format!("cannot read the folder of connectors {shown}: {error}"))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| format!("cannot read the folder {shown}: {error}"))?.path();
            if path.join("manifest.toml").is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        for path in paths {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                return Err(format!("{}: the name of the folder is not UTF-8", path.display()));
            };
            let shown = path.display().to_string();
            let origin = Origin::Folder(path.clone());
            let connector = Connector::new(&name, &shown, origin, |file| read_limited(&path.join(file)))?;
            self.connectors.insert(name, connector);
        }
        Ok(())
    }

    /// The connector of this name.
    ///
    /// # Errors
    /// Text that lists the names there are.
    pub fn get(&self, name: &str) -> Result<&Connector, String> {
        self.connectors.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.connectors.keys().map(String::as_str).collect();
            format!("there is no connector `{name}`: there are {}", known.join(", "))
        })
    }

    /// All connectors, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Connector> {
        self.connectors.values()
    }
}

impl Connector {
    fn new(
        name: &str,
        shown: &str,
        origin: Origin,
        mut read: impl FnMut(&str) -> Result<Option<String>, String>,
    ) -> Result<Self, String> {
        let file = format!("{shown}/manifest.toml");
        let text = read("manifest.toml")?.ok_or_else(|| format!("{file}: there is none"))?;
        let manifest = Manifest::parse(&text, &file)?;
        if manifest.name != name {
            return Err(format!("{file}: `name` is `{}`, but the folder is `{name}`", manifest.name));
        }
        let map = read("map.jq")?;
        match (manifest.map, &map) {
            (MapKind::Jq, None) => return Err(format!("{shown}/map.jq: there is none")),
            (MapKind::Records, Some(_)) => {
                return Err(format!("{shown}/map.jq: the manifest says that rows are records as they stand"));
            }
            _ => {}
        }
        let page = read("README.md")?.unwrap_or_default();
        Ok(Self { manifest, map, page, origin })
    }

    /// The record types that a complete pull with these settings vouches for. `$name` in a manifest stands for the value
    /// of that setting.
    #[must_use]
    pub fn provides(&self, settings: &Settings) -> BTreeSet<String> {
        let mut types = BTreeSet::new();
        for provided in &self.manifest.provides {
            match provided.strip_prefix('$') {
                None => drop(types.insert(provided.clone())),
                Some(setting) => {
                    let value = settings.as_object().get(setting).and_then(serde_json::Value::as_str);
                    types.extend(value.filter(|kind| is_type(kind)).map(str::to_owned));
                }
            }
        }
        types
    }

    /// The name of the connector.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.name
    }
}

/// The text of a small file, or none if there is no such file.
fn read_limited(path: &Path) -> Result<Option<String>, String> {
    let shown = path.display();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {shown}: {error}")),
    };
    let mut text = String::new();
    file.take(MAX_CONNECTOR_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if text.len() as u64 > MAX_CONNECTOR_FILE_BYTES {
        return Err(format!("{shown}: larger than {MAX_CONNECTOR_FILE_BYTES} bytes"));
    }
    Ok(Some(text))
}
