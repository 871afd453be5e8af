//! Files as they lie on the disk: plain, gzip, zstd, or the entries of a zip.
//!
//! A zip is read entry by entry in the order of its directory. Names of entries are only shown, never used as
//! paths. An archive within an archive is refused; a workbook (XLSX) is a zip by construction and counts as one
//! file.

use super::meter::{CappedReader, Meter, RawReader};
use crate::connect::error::{Place, PullError};
use crate::connect::limits::{MAX_XLSX_FILE_BYTES, MAX_ZIP_ENTRIES};
use std::cell::RefCell;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
    Zip,
}

/// One input: a file, or one entry of a zip. It can be read more than once.
pub struct Input {
    path: PathBuf,
    packing: Packing,
    /// For an entry of a zip: the archive, whose directory is read once, and the number of the entry.
    entry: Option<(Rc<RefCell<Archive>>, usize)>,
    /// How messages call it.
    pub shown: String,
    /// Base name without the ending of a compression; the map sees it as `$file`.
    pub base: String,
    /// Is it a workbook?
    pub is_workbook: bool,
    /// Counters of the file.
    pub meter: Rc<Meter>,
}

type Archive = zip::ZipArchive<BufReader<File>>;

/// Anything a workbook can be read from.
pub trait Seekable: Read + Seek {}
impl<T: Read + Seek> Seekable for T {}

/// The inputs of one file: one, or as many as a zip has entries.
///
/// # Errors
/// The file cannot be read, or is an archive that is refused.
pub fn open(path: &Path) -> Result<Vec<Input>, PullError> {
    let shown = path.display().to_string();
    let fail = |message: String| PullError::input(Place::file(shown.clone()), message);
    let meter = Meter::new();
    // Before opening: to open a pipe is to wait for its other end.
    let kind =
        std::fs::metadata(path).map_err(|error| fail(format!("cannot be opened: {error}")))?.file_type();
    if kind.is_dir() {
        return Err(fail("is a folder: name its files".into()));
    }
    if !kind.is_file() {
        return Err(fail("is no regular file, and it has to be read more than once: save it first".into()));
    }
    let file = File::open(path).map_err(|error| fail(format!("cannot be opened: {error}")))?;
    let head = read_head(file).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let packing = sniff(&head);
    let base = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let input = Input {
        path: path.to_owned(),
        packing,
        entry: None,
        shown: shown.clone(),
        base,
        is_workbook: false,
        meter: Rc::clone(&meter),
    };
    match packing {
        Packing::Plain => Ok(vec![input]),
        Packing::Gzip | Packing::Zstd => {
            let mut input = input;
            for ending in [".gz", ".zst", ".zstd"] {
                if let Some(stem) = input.base.strip_suffix(ending) {
                    input.base = stem.to_owned();
                }
            }
            let head = input.with_bytes(|reader| read_head(reader).map_err(|error| error.to_string()))?;
            input.is_workbook = match sniff(&head) {
                Packing::Plain => false,
                Packing::Zip if looks_like_workbook(&head) => true,
                _ => return Err(fail("an archive within a compressed file: unpack it first".into())),
            };
            Ok(vec![input])
        }
        Packing::Zip => entries(input),
    }
}

/// The entries of a zip, or the zip itself if it is a workbook.
fn entries(zip: Input) -> Result<Vec<Input>, PullError> {
    let fail = |message: String| PullError::input(Place::file(zip.shown.clone()), message);
    let file = File::open(&zip.path).map_err(|error| fail(error.to_string()))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|error| fail(format!("not a whole zip file, is it cut off? ({error})")))?;
    if archive.len() > MAX_ZIP_ENTRIES {
        return Err(fail(format!(
            "a zip with {} entries: at most {MAX_ZIP_ENTRIES} are read",
            archive.len()
        )));
    }
    let count = archive.len();
    let mut names: Vec<(usize, String)> = Vec::new();
    for index in 0..count {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| fail(format!("entry {} of the zip cannot be read: {error}", index + 1)))?;
        let name = entry
            .name()
            .map_err(|error| fail(format!("the name of entry {} of the zip: {error}", index + 1)))?
            .into_owned();
        if name == "[Content_Types].xml" {
            return Ok(vec![Input { is_workbook: true, packing: Packing::Plain, ..zip }]);
        }
        if entry.is_dir() || name.starts_with("__MACOSX/") {
            continue;
        }
        let shown_name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        if entry.encrypted() {
            return Err(fail(format!("entry `{shown_name}` is encrypted: unpack it first")));
        }
        names.push((index, shown_name));
    }
    if names.is_empty() {
        return Err(fail("a zip without files".into()));
    }
    let archive = Rc::new(RefCell::new(archive));
    let input = |(index, shown_name): (usize, String)| Input {
        path: zip.path.clone(),
        packing: Packing::Zip,
        entry: Some((Rc::clone(&archive), index)),
        shown: format!("{}!{shown_name}", zip.shown),
        base: shown_name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
        is_workbook: false,
        meter: Rc::clone(&zip.meter),
    };
    let inputs: Vec<Input> = names.into_iter().map(input).collect();
    for input in &inputs {
        let head = input.with_bytes(|reader| read_head(reader).map_err(|error| error.to_string()))?;
        if sniff(&head) != Packing::Plain {
            return Err(PullError::input(
                Place::file(input.shown.clone()),
                "an archive or workbook within a zip: unpack it first",
            ));
        }
    }
    Ok(inputs)
}

impl Input {
    /// The size on disk of the file the input is in, in bytes.
    #[must_use]
    pub fn disk_size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |data| data.len())
    }

    /// An error in this input as such.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> PullError {
        match self.meter.take_fault() {
            Some((fault, line)) => PullError::input(Place::file(self.shown.clone()).at_line(line), fault),
            None => PullError::input(Place::file(self.shown.clone()), message),
        }
    }

    /// Reads the decompressed bytes from the start.
    ///
    /// # Errors
    /// The file cannot be opened, or what `read` says.
    pub fn with_bytes<T>(
        &self,
        read: impl FnOnce(&mut dyn Read) -> Result<T, String>,
    ) -> Result<T, PullError> {
        let meter = &self.meter;
        let file =
            File::open(&self.path).map_err(|error| self.error(format!("cannot be opened: {error}")))?;
        let result = match self.packing {
            Packing::Plain => {
                let raw = RawReader::new(file, Rc::clone(meter));
                read(&mut CappedReader::plain(raw, Rc::clone(meter)))
            }
            Packing::Gzip => {
                let raw = BufReader::new(RawReader::new(file, Rc::clone(meter)));
                let unpacked = flate2::bufread::MultiGzDecoder::new(raw);
                read(&mut CappedReader::stream(unpacked, Rc::clone(meter)))
            }
            Packing::Zstd => {
                let raw = RawReader::new(file, Rc::clone(meter));
                let unpacked = zstd::Decoder::new(raw).map_err(|error| self.error(error.to_string()))?;
                read(&mut CappedReader::stream(unpacked, Rc::clone(meter)))
            }
            Packing::Zip => {
                let Some((archive, index)) = &self.entry else { return Err(self.error("no entry of a zip")) };
                let mut archive =
                    archive.try_borrow_mut().map_err(|_| self.error("an entry of a zip is being read"))?;
                let entry = archive.by_index(*index).map_err(|error| self.error(error.to_string()))?;
                let compressed = entry.compressed_size();
                let counted = RawReader::new(entry, Rc::clone(meter));
                read(&mut CappedReader::entry(counted, Rc::clone(meter), compressed))
            }
        };
        result.map_err(|message| self.error(message))
    }

    /// Opens the bytes for reading at any place, as a workbook needs.
    ///
    /// # Errors
    /// The file cannot be opened, or is too large to be held in memory.
    pub fn seekable(&self) -> Result<Box<dyn Seekable>, PullError> {
        if self.packing == Packing::Plain {
            let file = File::open(&self.path).map_err(|error| self.error(error.to_string()))?;
            return Ok(Box::new(BufReader::new(file)));
        }
        let mut bytes = Vec::new();
        self.with_bytes(|reader| {
            reader.take(MAX_XLSX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())
        })?;
        if bytes.len() as u64 > MAX_XLSX_FILE_BYTES {
            return Err(self.error(format!("a workbook larger than {} MiB", MAX_XLSX_FILE_BYTES >> 20)));
        }
        Ok(Box::new(Cursor::new(bytes)))
    }
}

/// Bytes looked at to tell what a file is.
const HEAD: u64 = 4096;

fn read_head(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

fn sniff(head: &[u8]) -> Packing {
    match head {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Packing::Zip,
        _ => Packing::Plain,
    }
}

/// A workbook by its first entry; only for one that is itself compressed.
fn looks_like_workbook(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"[Content_Types].xml").is_some()
        || memchr::memmem::find(head, b"xl/").is_some()
}
