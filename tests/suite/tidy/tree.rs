//! The repository as texts by their paths, so that a rule can be shown a breach without a file being touched.

use std::collections::BTreeMap;
use std::path::Path;

/// What is made, not written.
const MADE: [&str; 5] = [".git", "target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];

/// Texts by their paths from the root, `/` between the parts.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, String>);

/// A change that breaks a rule, or that must not.
pub enum Plant {
    /// Adds to the end of a file, or makes it.
    Append(&'static str, &'static str),
    /// Puts one text in the place of another that must be there.
    Replace(&'static str, &'static str, &'static str),
    /// Takes a file away.
    Remove(&'static str),
    /// What no constant can say.
    Change(fn(&mut Tree)),
}

impl Tree {
    /// Reads the repository.
    pub fn of_repository() -> Self {
        let mut tree = Self::default();
        tree.read(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        tree
    }

    fn read(&mut self, root: &Path, under: &str) {
        for entry in std::fs::read_dir(root.join(under)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{under}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().unwrap();
            if MADE.contains(&path.as_str()) || kind.is_symlink() {
                continue;
            }
            if kind.is_dir() {
                self.read(root, &format!("{path}/"));
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                self.0.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }

    /// All files, in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files of a folder (`a/`) and below whose names end so.
    pub fn under(&self, folder: &str, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.starts_with(folder) && path.ends_with(end))
    }

    /// The names of the folders right under a folder (`a/`).
    pub fn folders(&self, folder: &str) -> Vec<&str> {
        let inner = self.0.keys().filter_map(|path| path.strip_prefix(folder)?.split_once('/'));
        let mut names: Vec<&str> = inner.map(|(name, _)| name).collect();
        names.dedup();
        names
    }

    /// One file; empty when it is not there.
    pub fn text(&self, path: &str) -> &str {
        self.0.get(path).map_or("", String::as_str)
    }

    /// Whether a file is there.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Puts a file in.
    pub fn put(&mut self, path: &str, text: String) {
        self.0.insert(path.to_owned(), text);
    }

    /// The tree after a change.
    pub fn planted(&self, plant: &Plant) -> Self {
        let mut tree = self.clone();
        match plant {
            Plant::Append(path, text) => tree.put(path, format!("{}{text}", self.text(path))),
            Plant::Replace(path, from, to) => {
                assert!(self.text(path).contains(from), "{path} does not hold `{from}`");
                tree.put(path, self.text(path).replace(from, to));
            }
            Plant::Remove(path) => {
                assert!(tree.0.remove(*path).is_some(), "{path} is not there");
            }
            Plant::Change(change) => change(&mut tree),
        }
        tree
    }
}
