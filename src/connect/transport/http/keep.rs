//! What is kept between pulls, so that only changes are asked for: rows by their key, since when to ask, and answers that may
//! not have changed.
//!
//! It lies in a folder of its own for each source, is written anew by each pull that is complete, and takes effect with one
//! renaming. Whatever is wrong with it (cut off, of another version, of other settings) means that everything is asked
//! anew: it can cost time, never truth.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::connect::limits::{MAX_DOCUMENT_BYTES, MAX_KEPT_ANSWER_BYTES};
use crate::connect::map::sha256;
use crate::connect::transport::{Batch, Writer};
use crate::model::{Duration, Instant};

/// The version of what is written.
const VERSION: u32 = 1;

/// What is known from the last complete pull.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    version: u32,
    /// What was asked of whom: with anything else, what is kept says nothing.
    fingerprint: String,
    /// When everything was last asked.
    full_at: Option<Instant>,
    steps: BTreeMap<String, StepState>,
    /// The file of answers.
    answers: Option<Sealed>,
}

/// Of one step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct StepState {
    rows: Option<Sealed>,
    /// For each unit of the step, the time of its latest row.
    latest: BTreeMap<String, Instant>,
    /// The address that gives the changes from then on.
    link: Option<String>,
    /// What stood beside the rows: names of fields, which rows that did not change need too.
    #[serde(default)]
    head: Value,
}

/// A file and what it must hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sealed {
    file: String,
    sha256: String,
}

/// An answer, and by what it is known to be unchanged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// By what.
    pub etag: String,
    /// The headers `Link`.
    pub links: Vec<String>,
    /// The body.
    pub body: String,
}

/// What is kept of one source.
#[derive(Debug, Default)]
pub(super) struct Keep {
    folder: Option<PathBuf>,
    old: State,
    new: State,
    old_answers: BTreeMap<String, Kept>,
    new_answers: BTreeMap<String, Kept>,
    answer_bytes: u64,
    /// Everything but events is asked anew.
    full: bool,
    /// A number that no file there has yet.
    generation: u64,
    /// Held as long as what is kept is used: two pulls would write the same files.
    _lock: Option<File>,
}

impl Keep {
    /// What is kept of a source in a folder; nothing where there is none, or where everything is due to be asked anew.
    pub fn open(
        folder: Option<&Path>,
        source: &str,
        fingerprint: &str,
        now: Instant,
        full_every: Duration,
    ) -> Self {
        let Some(folder) = folder else { return Self::default() };
        // The id of a source can hold anything; its hash is a name of a folder.
        let id = sha256(source.as_bytes());
        let folder = folder.join(id.get(..32).unwrap_or_default());
        let lock = match locked(&folder) {
            Ok(lock) => lock,
            Err(e) => {
                tracing::warn!(source, "what is kept between pulls cannot be used: {e}: everything is asked");
                return Self::default();
            }
        };
        let mut keep = Self { folder: Some(folder.clone()), _lock: Some(lock), ..Self::default() };
        fingerprint.clone_into(&mut keep.new.fingerprint);
        keep.new.version = VERSION;
        keep.new.full_at = Some(now);
        keep.generation = 1;
        let read = fs::read(folder.join("state.json")).ok();
        let Some(state) = read.and_then(|text| serde_json::from_slice::<State>(&text).ok()) else {
            return keep;
        };
        let generations = state.steps.values().filter_map(|s| s.rows.as_ref()).chain(&state.answers);
        keep.generation = generations.filter_map(|sealed| number(&sealed.file)).max().unwrap_or(0) + 1;
        let fresh = state.full_at.and_then(|at| now.since(at)).is_some_and(|age| age < full_every);
        if state.version != VERSION || state.fingerprint != fingerprint {
            return keep;
        }
        let whole = state.steps.values().filter_map(|s| s.rows.as_ref()).all(|s| is_whole(&folder, s));
        if !whole {
            tracing::warn!(source, "what was kept of the last pull is damaged: everything is asked anew");
            return keep;
        }
        keep.old_answers = state.answers.as_ref().and_then(|s| answers(&folder, s)).unwrap_or_default();
        keep.full = !fresh;
        if fresh {
            keep.new.full_at = state.full_at;
        }
        keep.old = state;
        keep
    }

    /// The time of the latest row of a unit of a step, as of the last pull.
    pub fn latest(&self, step: &str, events: bool, unit: &str) -> Option<Instant> {
        self.old(step, events)?.latest.get(unit).copied()
    }

    /// What is known of a step that is not asked anew.
    fn old(&self, step: &str, events: bool) -> Option<&StepState> {
        self.old.steps.get(step).filter(|_| events || !self.full)
    }

    /// The address that gives the changes of a step.
    pub fn link(&self, step: &str) -> Option<&str> {
        self.old(step, false)?.link.as_deref()
    }

    /// An answer of the last pull.
    pub fn answer(&self, request: &str) -> Option<&Kept> {
        self.old_answers.get(request)
    }

    /// Keeps an answer, as far as there is room.
    pub fn keep_answer(&mut self, request: String, kept: Kept) {
        if self.folder.is_some() && self.answer_bytes + (kept.body.len() as u64) < MAX_KEPT_ANSWER_BYTES {
            self.answer_bytes += kept.body.len() as u64;
            self.new_answers.insert(request, kept);
        }
    }

    /// The rows of a step: those of the last pull, to which the new ones are added. `anew` leaves out the old ones; events
    /// stay when everything else is asked anew. So does the lack of anything that says since when.
    ///
    /// # Errors
    /// When there is no room for temporary files, or what is kept cannot be read.
    pub fn rows(&self, step: &str, events: bool, anew: bool) -> io::Result<Rows> {
        let mut rows = Rows::new(step)?;
        let says_when = |old: &&StepState| events || old.link.is_some() || !old.latest.is_empty();
        let old = self.old(step, events).filter(|_| !anew).filter(says_when);
        if let (Some(folder), Some(sealed)) = (&self.folder, old.and_then(|s| s.rows.as_ref())) {
            let file = zstd::Decoder::new(File::open(folder.join(&sealed.file))?)?;
            for line in BufReader::new(file).lines() {
                let kept: (String, Value) = serde_json::from_str(&line?)?;
                rows.add(kept.0, &kept.1)?;
            }
        }
        if let Some(old) = old {
            rows.latest.clone_from(&old.latest);
            rows.anew = false;
        }
        Ok(rows)
    }

    /// The step is done: what it gave, sorted by key, which is what the next pull starts from.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn done(&mut self, rows: Rows, head: Value) -> io::Result<Batch> {
        let step = rows.step.clone();
        let before = if rows.anew { None } else { self.old.steps.get(&step) };
        let head = joined(before.map(|s| &s.head), head);
        let (latest, link) = (rows.latest.clone(), rows.link.clone());
        let mut state = StepState { latest, link, rows: None, head: head.clone() };
        let mut out = Writer::new(&step)?;
        out.head(head);
        // The name of a step can hold anything, too.
        let id = sha256(step.as_bytes());
        let name = format!("{}-{}.jsonl.zst", id.get(..16).unwrap_or_default(), self.generation);
        let path = self.folder.as_ref().map(|folder| folder.join(&name));
        // What cannot be kept costs the next pull time, and this one nothing.
        let opened = path.as_ref().map(|path| zstd::Encoder::new(private_file(path)?, 3)).transpose();
        let mut kept = opened.map(|file| file.map(BufWriter::new));
        rows.each(|key, row| {
            if let Ok(Some(file)) = &mut kept
                && let Err(e) = line(file, &(key, row))
            {
                kept = Err(e);
            }
            out.row(row)
        })?;
        let sealed = kept.and_then(|file| {
            let (Some(file), Some(path)) = (file, &path) else { return Ok(None) };
            file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?.sync_all()?;
            Ok(Some(Sealed { sha256: hash(path)?, file: name }))
        });
        match sealed {
            Ok(rows) => state.rows = rows,
            Err(e) => {
                tracing::warn!("what was fetched could not be kept for the next pull: {e}");
                self.folder = None;
            }
        }
        self.new.steps.insert(step, state);
        out.finish()
    }

    /// The pull is complete: the next one starts from here.
    ///
    /// # Errors
    /// When the disk is full; then the next one starts from where this one did.
    pub fn commit(mut self) -> io::Result<()> {
        let Some(folder) = self.folder.take() else { return Ok(()) };
        if self.new.steps.is_empty() && self.new_answers.is_empty() {
            return Ok(());
        }
        if !self.new_answers.is_empty() {
            let name = format!("answers-{}.jsonl.zst", self.generation);
            let mut file = zstd::Encoder::new(private_file(&folder.join(&name))?, 3)?;
            for kept in &self.new_answers {
                serde_json::to_writer(&mut file, &kept)?;
                file.write_all(b"\n")?;
            }
            file.finish()?.sync_all()?;
            self.new.answers = Some(Sealed { sha256: hash(&folder.join(&name))?, file: name });
        }
        let (next, state) = (folder.join("state.json.new"), folder.join("state.json"));
        let mut file = private_file(&next)?;
        file.write_all(&serde_json::to_vec(&self.new)?)?;
        file.sync_all()?;
        fs::rename(&next, &state)?;
        File::open(&folder)?.sync_all()?;
        let kept: Vec<&str> = self
            .new
            .steps
            .values()
            .filter_map(|s| s.rows.as_ref())
            .chain(&self.new.answers)
            .map(|s| s.file.as_str())
            .collect();
        for entry in fs::read_dir(&folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".zst") && !kept.contains(&name.as_str()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// The folder, made and locked.
fn locked(folder: &Path) -> io::Result<File> {
    private_folder(folder)?;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(io::Error::other("another pull of this source uses it")),
        Err(fs::TryLockError::Error(e)) => Err(e),
    }
}

/// One line of JSON.
fn line(file: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, value)?;
    file.write_all(b"\n")
}

/// What stood beside rows before, with what stands there now, which counts where both say something: names of old fields
/// stay known.
pub(super) fn joined(old: Option<&Value>, new: Value) -> Value {
    match (old, new) {
        (Some(Value::Object(old)), Value::Object(mut new)) => {
            for (key, value) in old {
                let value = joined(Some(value), new.remove(key).unwrap_or_default());
                new.insert(key.clone(), value);
            }
            Value::Object(new)
        }
        (Some(old), Value::Null) => old.clone(),
        (_, new) => new,
    }
}

/// The number in the name of a file.
fn number(file: &str) -> Option<u64> {
    file.strip_suffix(".jsonl.zst")?.rsplit_once('-')?.1.parse().ok()
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn hash(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => break,
            read => hasher.update(part.get(..read).unwrap_or_default()),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_whole(folder: &Path, sealed: &Sealed) -> bool {
    // Its name comes from a file that somebody may have changed.
    let plain = !sealed.file.contains(['/', '\\']) && sealed.file.ends_with(".zst");
    plain && hash(&folder.join(&sealed.file)).is_ok_and(|hash| hash == sealed.sha256)
}

fn answers(folder: &Path, sealed: &Sealed) -> Option<BTreeMap<String, Kept>> {
    if !is_whole(folder, sealed) {
        return None;
    }
    let file = zstd::Decoder::new(File::open(folder.join(&sealed.file)).ok()?).ok()?;
    let lines = BufReader::new(file).lines();
    lines.map(|line| serde_json::from_str(&line.ok()?).ok()).collect()
}

/// The rows of a step by their keys; of two with one key the later stands.
#[derive(Debug)]
pub(super) struct Rows {
    step: String,
    file: BufWriter<File>,
    end: u64,
    /// Whether nothing of the last pull is among them.
    anew: bool,
    /// Where each row stands: offset and length.
    index: BTreeMap<String, (u64, u64)>,
    /// The time of the latest row of each unit.
    pub latest: BTreeMap<String, Instant>,
    /// The address that gives the changes from now on.
    pub link: Option<String>,
}

impl Rows {
    fn new(step: &str) -> io::Result<Self> {
        Ok(Self {
            step: step.to_owned(),
            file: BufWriter::with_capacity(1 << 16, tempfile::tempfile()?),
            end: 0,
            anew: true,
            index: BTreeMap::new(),
            latest: BTreeMap::new(),
            link: None,
        })
    }

    /// Adds a row, or puts it in place of the one with its key.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn add(&mut self, key: String, row: &Value) -> io::Result<()> {
        let line = serde_json::to_vec(row)?;
        self.file.write_all(&line)?;
        self.index.insert(key, (self.end, line.len() as u64));
        self.end += line.len() as u64;
        Ok(())
    }

    /// Is there a row of this key?
    pub fn has(&self, key: &str) -> bool {
        self.index.contains_key(key)
    }

    /// The row of this key is gone.
    pub fn remove(&mut self, key: &str) {
        self.index.remove(key);
    }

    /// A row of a unit has this time.
    pub fn saw(&mut self, unit: &str, at: Instant) {
        let latest = self.latest.entry(unit.to_owned()).or_insert(at);
        *latest = at.max(*latest);
    }

    /// Hands on each row in the order of keys.
    fn each(self, mut take: impl FnMut(&str, &Value) -> io::Result<()>) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut line = Vec::new();
        for (key, (offset, length)) in self.index {
            line.clear();
            file.seek(SeekFrom::Start(offset))?;
            (&mut file).take(length.min(MAX_DOCUMENT_BYTES)).read_to_end(&mut line)?;
            take(&key, &serde_json::from_slice(&line)?)?;
        }
        Ok(())
    }

    /// Lets go of what `stays` says does not stay.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn retain(&mut self, stays: impl Fn(&Value) -> bool) -> io::Result<()> {
        self.file.flush()?;
        let mut file = self.file.get_ref().try_clone()?;
        let mut gone = Vec::new();
        let mut line = Vec::new();
        for (key, (offset, length)) in &self.index {
            line.clear();
            file.seek(SeekFrom::Start(*offset))?;
            (&mut file).take(*length).read_to_end(&mut line)?;
            if !stays(&serde_json::from_slice(&line)?) {
                gone.push(key.clone());
            }
        }
        file.seek(SeekFrom::End(0))?;
        gone.iter().for_each(|key| self.remove(key));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
