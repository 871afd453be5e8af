//! files: which files a source reads. A path may be a pattern, so that whatever an export is called today is found; it is
//! looked at anew for each pull.
//!
//! `*` stands for any characters of a name, `?` for one, `[a-z]` for one of these and `[!a-z]` for one of no others; `**`
//! alone between two `/` stands for any folders, or none. A name that begins with `.` is matched only where the pattern
//! says the point: such files are often not yet whole. A path that exists as it is written is no pattern.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration as Span, SystemTime};

use crate::model::Duration;

/// Files one source may have.
const MAX_FILES: usize = 100_000;

/// Names that are looked at for one pattern.
const MAX_NAMES: usize = 1_000_000;

/// Folders that `**` goes down.
const MAX_DEPTH: usize = 64;

/// What a source says of its files.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The folder that relative paths start from.
    pub folder: &'a Path,
    /// Paths and patterns.
    pub paths: &'a [PathBuf],
    /// Of those that a pattern matches, only the one that was modified last.
    pub newest: bool,
    /// Only those that were modified within this time; where that leaves none of a path, it is an error.
    pub modified_within: Option<Duration>,
    /// How long ago the newest of each path may have been modified; where it is longer, it is an error.
    pub max_age: Option<Duration>,
}

/// A file, and when it was modified, where that can be told.
type Found = (PathBuf, Option<SystemTime>);

impl Wanted<'_> {
    /// The files there are now, in the order of the paths, those of one pattern by name; none twice.
    ///
    /// # Errors
    /// A pattern cannot be meant or matches nothing, a file cannot be read or is too old, or there are too many.
    pub fn choose(&self, now: SystemTime) -> Result<Vec<PathBuf>, String> {
        let mut chosen = vec![];
        let mut seen = BTreeSet::new();
        for path in self.paths {
            let path = path.strip_prefix(".").unwrap_or(path);
            for (file, _) in self.of(&self.folder.join(path), path, now)? {
                if seen.insert(file.clone()) {
                    chosen.push(file);
                }
            }
            if chosen.len() > MAX_FILES {
                return Err(format!("{}: more than {MAX_FILES} files", path.display()));
            }
        }
        Ok(chosen)
    }

    /// The files of one path.
    fn of(&self, whole: &Path, path: &Path, now: SystemTime) -> Result<Vec<Found>, String> {
        let shown = whole.display();
        let mut found = match std::fs::metadata(whole) {
            Ok(known) => vec![(whole.to_owned(), known.modified().ok())],
            Err(e) if !is_pattern(path) => return Err(unopened(whole, &e)),
            Err(_) => {
                let pattern = Pattern::parse(path).map_err(|e| format!("{}: {e}", path.display()))?;
                let mut walk = Walk { found: vec![], names: 0 };
                walk.down(self.folder, &pattern.0, 0).map_err(|e| format!("{shown}: {e}"))?;
                walk.found.sort();
                walk.found
            }
        };
        if found.is_empty() {
            return Err(format!("{shown}: there is no such file: is the export put down there?"));
        }
        let age = |modified: &Option<SystemTime>| {
            modified.and_then(|m| now.duration_since(m).ok()).unwrap_or_default()
        };
        let least = found.iter().map(|(_, modified)| age(modified)).min().unwrap_or_default();
        let last = |limit: Duration, setting: &str| {
            let ago = Duration::seconds(least.as_secs());
            format!(
                "{shown}: last modified {ago} ago, and `{setting}` is {limit}: does the export still run?"
            )
        };
        if let Some(limit) = self.max_age.filter(|limit| least > span(*limit)) {
            return Err(last(limit, "max_age"));
        }
        if let Some(limit) = self.modified_within {
            found.retain(|(_, modified)| age(modified) <= span(limit));
            if found.is_empty() {
                return Err(last(limit, "modified_within"));
            }
        }
        if self.newest {
            // Of two of one time, the one whose name comes last.
            let newest = found.into_iter().max_by(|(a, then), (b, now)| then.cmp(now).then_with(|| a.cmp(b)));
            found = newest.into_iter().collect();
        }
        Ok(found)
    }
}

/// Whether a file can be opened. What is no file is not opened: a pipe would keep us waiting for its other end. Whoever
/// reads it says what it is.
///
/// # Errors
/// Why it cannot.
pub fn look(file: &Path) -> Result<(), String> {
    let opened = std::fs::metadata(file).and_then(|known| match known.is_file() {
        true => std::fs::File::open(file).map(drop),
        false => Ok(()),
    });
    opened.map_err(|e| unopened(file, &e))
}

/// What to say of a file that cannot be opened.
#[must_use]
fn unopened(file: &Path, error: &io::Error) -> String {
    format!("{}: cannot be opened: {error}", file.display())
}

fn span(d: Duration) -> Span {
    Span::from_millis(d.ms().unsigned_abs())
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// A path with patterns.
#[derive(Debug, PartialEq, Eq)]
struct Pattern(Vec<Part>);

/// What stands between two `/`.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// A name as it stands, `..` and the root among them.
    Name(PathBuf),
    /// Any folders, or none.
    Folders,
    /// Names like this.
    Like(Vec<Piece>),
}

/// A piece of a name.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    One(char),
    Any,
    Many,
    /// One character, within one of these (or within none of them).
    Of(bool, Vec<(char, char)>),
}

impl Pattern {
    fn parse(path: &Path) -> Result<Self, String> {
        let mut parts = vec![];
        for component in path.components() {
            let name = component.as_os_str().to_string_lossy();
            parts.push(match &*name {
                "**" => Part::Folders,
                name if name.contains("**") => {
                    return Err("`**` stands for folders and has to stand alone between two `/`".to_owned());
                }
                name if is_pattern(Path::new(name)) => Part::Like(pieces(name)?),
                _ => Part::Name(PathBuf::from(component.as_os_str())),
            });
        }
        if parts.last() == Some(&Part::Folders) {
            return Err("`**` stands for folders: write `**/*` for the files in them".to_owned());
        }
        if parts.iter().filter(|part| **part == Part::Folders).count() > 1 {
            return Err("`**` may stand in it once".to_owned());
        }
        Ok(Self(parts))
    }
}

fn pieces(name: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = vec![];
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Many,
            '?' => Piece::Any,
            '[' => {
                let not = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
                let mut ranges: Vec<(char, char)> = vec![];
                loop {
                    let open = || "`[` without `]`; a `[` itself is written `[[]`".to_owned();
                    let first = chars.next().ok_or_else(open)?;
                    if first == ']' && !ranges.is_empty() {
                        break;
                    }
                    let mut ahead = chars.clone();
                    let last = match (ahead.next(), ahead.next()) {
                        (Some('-'), Some(last)) if last != ']' => {
                            chars = ahead;
                            last
                        }
                        _ => first,
                    };
                    if last < first {
                        return Err(format!("`{first}-{last}` is no range: it runs backwards"));
                    }
                    ranges.push((first, last));
                }
                Piece::Of(!not, ranges)
            }
            c => Piece::One(c),
        });
    }
    Ok(pieces)
}

/// Whether a name is like this. Where a `*` was too short it is tried longer, and no earlier one again, so that no name
/// takes longer than its length times the pattern's.
fn like(pieces: &[Piece], name: &str) -> bool {
    if name.starts_with('.') && pieces.first() != Some(&Piece::One('.')) {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut last_many: Option<(usize, usize)> = None;
    while let Some(c) = name.get(from) {
        let fits = match pieces.get(at) {
            Some(Piece::Many) => {
                last_many = Some((at, from));
                at += 1;
                continue;
            }
            Some(Piece::One(one)) => one == c,
            Some(Piece::Any) => true,
            Some(Piece::Of(within, ranges)) => ranges.iter().any(|(a, z)| (a..=z).contains(&c)) == *within,
            None => false,
        };
        match (fits, last_many) {
            (true, _) => (at, from) = (at + 1, from + 1),
            (false, Some((many, start))) => {
                (at, from) = (many + 1, start + 1);
                last_many = Some((many, start + 1));
            }
            (false, None) => return false,
        }
    }
    pieces.get(at..).unwrap_or_default().iter().all(|piece| *piece == Piece::Many)
}

/// The search for what a pattern matches.
struct Walk {
    found: Vec<Found>,
    names: usize,
}

impl Walk {
    /// Looks in a folder for what the rest of a pattern says. A folder that cannot be read is an error: a file in it would
    /// be missed.
    fn down(&mut self, folder: &Path, parts: &[Part], depth: usize) -> Result<(), String> {
        let Some((part, rest)) = parts.split_first() else { return Ok(()) };
        match part {
            Part::Name(name) => self.take(folder.join(name), rest, depth),
            Part::Like(pieces) => {
                for (name, path, _) in self.names(folder)? {
                    if like(pieces, &name) {
                        self.take(path, rest, depth)?;
                    }
                }
                Ok(())
            }
            Part::Folders => {
                self.down(folder, rest, depth)?;
                for (name, path, is_folder) in self.names(folder)? {
                    // A link to a folder may lead back to where it stands.
                    if is_folder && !name.starts_with('.') {
                        if depth >= MAX_DEPTH {
                            return Err(format!("{}: more than {MAX_DEPTH} folders deep", path.display()));
                        }
                        self.down(&path, parts, depth + 1)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Takes a path that the pattern has matched so far.
    fn take(&mut self, path: PathBuf, rest: &[Part], depth: usize) -> Result<(), String> {
        match std::fs::metadata(&path) {
            Ok(known) if rest.is_empty() => {
                if known.is_file() {
                    self.found.push((path, known.modified().ok()));
                }
                if self.found.len() > MAX_FILES {
                    return Err(format!("more than {MAX_FILES} files"));
                }
                Ok(())
            }
            Ok(known) if known.is_dir() => self.down(&path, rest, depth),
            Ok(_) => Ok(()),
            // It was taken away meanwhile, or is a link to nothing.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(unopened(&path, &e)),
        }
    }

    /// What is in a folder: name, path, and whether it is a folder itself and no link to one.
    fn names(&mut self, folder: &Path) -> Result<Vec<(String, PathBuf, bool)>, String> {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let fail = |e: io::Error| format!("the folder {} cannot be read: {e}", here.display());
        let entries = match std::fs::read_dir(here) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(fail(e)),
        };
        let mut names = vec![];
        for entry in entries {
            let entry = entry.map_err(fail)?;
            self.names += 1;
            if self.names > MAX_NAMES {
                return Err(format!(
                    "more than {MAX_NAMES} names had to be looked at: say more of the folders"
                ));
            }
            let name = entry.file_name();
            let is_folder = entry.file_type().map_err(fail)?.is_dir();
            names.push((name.to_string_lossy().into_owned(), folder.join(&name), is_folder));
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn fits(pattern: &str, name: &str) -> bool {
        like(&pieces(pattern).unwrap(), name)
    }

    #[test]
    fn names_are_like_their_patterns() {
        for (pattern, yes, no) in [
            ("*", &["a", "a.b", "ü"][..], &[".a"][..]),
            ("*.json", &["a.json", "a.json.json"], &["a.jsonl", ".json", "json"]),
            ("jira-?.csv", &["jira-1.csv", "jira-ü.csv"], &["jira-.csv", "jira-12.csv"]),
            ("a[0-9][!x-z]", &["a0a", "a9w"], &["aa0", "a0y", "a0"]),
            ("a[^b]c", &["aac"], &["abc"]),
            ("[]]", &["]"], &["["]),
            ("[[]old[]].csv", &["[old].csv"], &["old.csv", "o.csv"]),
            ("[a-]", &["a", "-"], &["b"]),
            (".*", &[".a", "."], &["a"]),
            ("[.]a", &[], &[".a"]),
            ("?a", &["ba"], &[".a"]),
            ("a*b*c", &["abc", "aXbYc", "abbcc", "abcbc"], &["acb", "ab", "aXbYcZ"]),
            ("*a*a*a*b", &["aaab", "xaxaxab"], &["aaaa", "aab"]),
            ("[*]", &["*"], &["a"]),
        ] {
            for name in yes {
                assert!(fits(pattern, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!fits(pattern, name), "{pattern} {name}");
            }
        }
        let long = "a".repeat(20_000);
        assert!(!fits(&format!("{}b", "*a".repeat(20)), &long), "and in little time");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (pattern, says) in [
            ("a/[b", "`[` without `]`"),
            ("a/[]", "`[` without `]`"),
            ("[z-a]", "runs backwards"),
            ("a/**", "write `**/*`"),
            ("a/b**/c", "alone between two `/`"),
            ("**/a/**/b", "once"),
        ] {
            let error = Pattern::parse(Path::new(pattern)).unwrap_err();
            assert!(error.contains(says), "{pattern}: {error}");
        }
    }

    struct Shelf(tempfile::TempDir, SystemTime);

    impl Shelf {
        fn new(files: &[(&str, u64)]) -> Self {
            let shelf = Self(tempfile::tempdir().unwrap(), SystemTime::now());
            for (name, hours) in files {
                shelf.put(name, *hours);
            }
            shelf
        }

        /// A file that was modified so many hours ago.
        fn put(&self, name: &str, hours: u64) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(path).unwrap();
            file.set_modified(self.1 - Span::from_secs(hours * 3600)).unwrap();
        }

        fn choose(
            &self,
            paths: &[&str],
            newest: bool,
            within: Option<u64>,
            max: Option<u64>,
        ) -> Result<String, String> {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let (modified_within, max_age) = (within.map(Duration::hours), max.map(Duration::hours));
            let wanted = Wanted { folder: self.0.path(), paths: &paths, newest, modified_within, max_age };
            let shorter = |text: &str| text.replace(&format!("{}/", self.0.path().display()), "");
            let chosen = wanted.choose(self.1).map_err(|e| shorter(&e))?;
            Ok(chosen.iter().map(|p| shorter(&p.display().to_string())).collect::<Vec<_>>().join(" "))
        }

        fn all(&self, paths: &[&str]) -> Result<String, String> {
            self.choose(paths, false, None, None)
        }
    }

    #[test]
    fn files_are_found_by_their_patterns_in_order_and_once() {
        let shelf = Shelf::new(&[
            ("b-2.json", 1),
            ("b-1.json", 2),
            (".b-3.json", 1),
            ("a.csv", 1),
            ("x[1].csv", 1),
            ("t/2026/01/e.gz", 1),
            ("t/2026/02/e.gz", 1),
            ("t/e.gz", 1),
            ("t/.git/e.gz", 1),
            ("t/2026/02/dir.gz/inner", 1),
        ]);
        for (paths, files) in [
            (&["b-*.json"][..], "b-1.json b-2.json"),
            (&["b-2.json", "b-*.json", "a.csv"], "b-2.json b-1.json a.csv"),
            (&["./b-*.json", "b-1.json", "./b-2.json"], "b-1.json b-2.json"),
            (&["x[1].csv"], "x[1].csv"),
            (&["x[[]*.csv"], "x[1].csv"),
            (&["t/*/*/e.gz"], "t/2026/01/e.gz t/2026/02/e.gz"),
            (&["t/20??/0[2-9]/*.gz"], "t/2026/02/e.gz"),
            (&["t/**/*.gz"], "t/2026/01/e.gz t/2026/02/e.gz t/e.gz"),
            (&["t/*/../e.gz"], "t/2026/../e.gz"),
            (&[".b*"], ".b-3.json"),
        ] {
            assert_eq!(shelf.all(paths).as_deref(), Ok(files), "{paths:?}");
        }
        assert_eq!(
            shelf.all(&["c.json"]).unwrap_err(),
            "c.json: cannot be opened: No such file or directory (os error 2)"
        );
        for nothing in ["c*.json", "none/*.json", "a.csv/*", "t/*.csv"] {
            let error = shelf.all(&["a.csv", nothing]).unwrap_err();
            assert_eq!(error, format!("{nothing}: there is no such file: is the export put down there?"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_files_and_never_in_circles() {
        let shelf = Shelf::new(&[("d/a.json", 1)]);
        let root = shelf.0.path();
        std::os::unix::fs::symlink(root, root.join("d/up")).unwrap();
        std::os::unix::fs::symlink("a.json", root.join("d/link.json")).unwrap();
        std::os::unix::fs::symlink("nothing", root.join("d/lost.json")).unwrap();
        assert_eq!(shelf.all(&["**/*.json"]).as_deref(), Ok("d/a.json d/link.json"));
        assert_eq!(shelf.all(&["d/*/d/a.json"]).as_deref(), Ok("d/up/d/a.json"));
    }

    #[test]
    fn age_chooses_and_limits() {
        let shelf = Shelf::new(&[("p-1", 30), ("p-2", 5), ("p-3", 4), ("q-1", 50), ("q-2", 40)]);
        let newest = |paths, max| shelf.choose(paths, true, None, max);
        assert_eq!(newest(&["p-*", "q-*"], None).as_deref(), Ok("p-3 q-2"), "of each pattern");
        assert_eq!(newest(&["p-1"], None).as_deref(), Ok("p-1"));
        shelf.put("p-0", 4);
        assert_eq!(newest(&["p-*"], None).as_deref(), Ok("p-3"), "of one time: by name");
        // The newest of each pattern counts, not its oldest.
        assert_eq!(shelf.choose(&["p-[123]"], false, None, Some(4)).as_deref(), Ok("p-1 p-2 p-3"));
        assert_eq!(
            shelf.choose(&["p-*", "q-*"], false, None, Some(39)).unwrap_err(),
            "q-*: last modified P1DT16H ago, and `max_age` is P1DT15H: does the export still run?"
        );
        assert_eq!(shelf.choose(&["p-1"], true, None, Some(29)).unwrap_err().split(':').next(), Some("p-1"));
        assert_eq!(shelf.choose(&["p-[123]"], false, Some(5), None).as_deref(), Ok("p-2 p-3"));
        let error = shelf.choose(&["p-*", "q-*"], false, Some(10), None).unwrap_err();
        assert!(error.contains("q-*: last modified P1DT16H ago, and `modified_within` is PT10H"), "{error}");
        // A clock that was set back makes nothing old.
        fs::File::open(shelf.0.path().join("q-1"))
            .unwrap()
            .set_modified(shelf.1 + Span::from_secs(9))
            .unwrap();
        assert_eq!(newest(&["q-*"], Some(1)).as_deref(), Ok("q-1"));
    }

    #[test]
    fn too_many_are_refused() {
        let shelf = Shelf::new(&[]);
        let mut deep = "d/".repeat(MAX_DEPTH + 2);
        deep.push_str("a.json");
        shelf.put(&deep, 1);
        assert!(shelf.all(&["**/*.json"]).unwrap_err().contains("more than 64 folders deep"));
    }
}
