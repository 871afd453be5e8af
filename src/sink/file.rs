//! A file of JSON lines, or standard output: one event a line.
//!
//! The file is opened for each batch, so that whatever rotates logs may move it away at any time and needs no signal.
//! What is written is appended whole; where an earlier line was cut short, by a full disk or a crash, the next batch
//! starts on a line of its own. A message is taken when the disk has it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::Deserialize;

use super::wording::plain;
use super::{Audience, Format, Limits, Receipt, Sending, Sink, SinkError, parts};
use crate::model::Instant;
use crate::model::event::Message;

/// How many messages are written at once.
const BATCH: usize = 500;

/// `[sink.file]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file; `-` is standard output. A relative path starts from the folder of the configuration file. The folder
    /// must exist; the file is created, readable by its owner only.
    pub path: PathBuf,
    /// What a line is.
    #[serde(default)]
    pub format: Format,
    /// Whether to wait until the disk has what was written. Without it, what was written last may be lost when the
    /// machine, not the program, fails.
    #[serde(default = "yes")]
    pub fsync: bool,
}

fn yes() -> bool {
    true
}

impl super::Settings for Settings {
    fn build(&self, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
        if self.path.as_os_str() == "-" {
            return Ok(Box::new(Lines {
                format: self.format,
                out: Arc::new(Out::Stdout(AtomicBool::new(false))),
            }));
        }
        let path = folder.join(&self.path);
        let wrong = |why: &str| SinkError(format!("path: {}: {why}", path.display()));
        if path.file_name().is_none() {
            return Err(wrong("expected the path of a file, or `-` for standard output"));
        }
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return Err(wrong(&format!("there is no folder {}; create it", parent.display())));
        }
        // A pipe without a reader would hold the program up; a device keeps nothing.
        if std::fs::metadata(&path).is_ok_and(|m| !m.is_file()) {
            return Err(wrong("not a file; `-` is standard output"));
        }
        Ok(Box::new(Lines { format: self.format, out: Arc::new(Out::File { path, fsync: self.fsync }) }))
    }
}

/// The sink.
#[derive(Debug)]
struct Lines {
    format: Format,
    out: Arc<Out>,
}

/// Where the lines go.
#[derive(Debug)]
enum Out {
    File {
        path: PathBuf,
        fsync: bool,
    },
    /// Standard output, and whether a line on it was cut short.
    Stdout(AtomicBool),
}

impl Sink for Lines {
    fn audience(&self) -> Audience {
        Audience::Machines
    }

    fn limits(&self) -> Limits {
        Limits { messages: BATCH }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], _now: Instant) -> Sending<'a> {
        Box::pin(async move {
            let mut lines = String::new();
            for part in batch.iter().flat_map(parts) {
                lines.push_str(&part.json(self.format));
                lines.push('\n');
            }
            if lines.is_empty() {
                return vec![Receipt::Taken; batch.len()];
            }
            let out = Arc::clone(&self.out);
            // A disk may take its time; a thread for such things waits for it.
            let written = tokio::task::spawn_blocking(move || out.write(lines.as_bytes())).await;
            let receipt = match written {
                Ok(Ok(())) => Receipt::Taken,
                Ok(Err(e)) if self.out.is_closed(&e) => {
                    Receipt::Paused { reason: "standard output: nobody reads it any more".to_owned() }
                }
                Ok(Err(e)) => Receipt::Later {
                    reason: plain(&format!("{}: {}", self.out, said(&e)), 300),
                    retry_after: None,
                },
                Err(_) => Receipt::Later { reason: "the program is ending".to_owned(), retry_after: None },
            };
            vec![receipt; batch.len()]
        })
    }
}

/// What to do about what the system says.
fn said(e: &io::Error) -> String {
    let todo = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk",
        ErrorKind::ReadOnlyFilesystem => "the disk is mounted read-only; under systemd, see ReadWritePaths=",
        ErrorKind::PermissionDenied => "let the user that runs this write the file and its folder",
        ErrorKind::NotFound => "its folder is gone; create it",
        _ => return e.to_string(),
    };
    format!("{e}; {todo}")
}

impl std::fmt::Display for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(f),
            Self::Stdout(_) => f.write_str("standard output"),
        }
    }
}

impl Out {
    fn is_closed(&self, e: &io::Error) -> bool {
        matches!(self, Self::Stdout(_)) && e.kind() == ErrorKind::BrokenPipe
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File { path, fsync } => append(path, lines, *fsync),
            Self::Stdout(cut) => print(&mut io::stdout().lock(), cut, lines),
        }
    }
}

/// Appends lines to a file, and makes sure that the disk has them.
fn append(path: &Path, lines: &[u8], fsync: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a file; `-` is standard output"));
    }
    let is_new = metadata.len() == 0;
    if !is_new && is_cut(&mut file)? {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)?;
    if fsync {
        file.sync_data()?;
        // The name of a new file stands in its folder, which the disk must have too.
        #[cfg(unix)]
        if is_new && let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(())
}

/// Whether the last line of a file that is not empty has no end.
fn is_cut(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Writes lines to standard output; `cut` remembers whether the last attempt may have left half a line.
fn print(out: &mut dyn Write, cut: &AtomicBool, lines: &[u8]) -> io::Result<()> {
    if cut.swap(true, Ordering::Relaxed) {
        out.write_all(b"\n")?;
    }
    out.write_all(lines)?;
    out.flush()?;
    cut.store(false, Ordering::Relaxed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes some bytes, then fails once.
    struct Failing(Vec<u8>, usize);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = std::mem::replace(&mut self.1, usize::MAX);
            if room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let n = bytes.len().min(room);
            self.1 = if room == usize::MAX { room } else { room - n };
            self.0.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_cut_line_on_standard_output_comes_a_line_end() {
        let (mut out, cut) = (Failing(vec![], 7), AtomicBool::new(false));
        assert!(print(&mut out, &cut, b"{\"a\":1}\n{\"b\":2}\n").is_err());
        print(&mut out, &cut, b"{\"a\":1}\n").unwrap();
        print(&mut out, &cut, b"{\"b\":2}\n").unwrap();
        assert_eq!(String::from_utf8(out.0).unwrap(), "{\"a\":1}\n{\"a\":1}\n{\"b\":2}\n");
    }
}
