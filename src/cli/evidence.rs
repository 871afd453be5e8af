//! `evidence`: keys, checkpoints and proofs of the evidence log.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::store::Configured;
use super::{Done, Outcome, Stop, fault, note, say, writing};
use crate::config::instant;
use crate::evidence::{Action, Checkpoint, Deed, Proof, Signer, Verifier};

/// How large a proof or an entry may be.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// `counterfoil evidence …`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key that signs checkpoints: the private one goes to a file, the public one is printed.
    Keygen(Keygen),
    /// Write down that the next checkpoints may be signed by another key, before it takes over.
    Announce(Announce),
    /// Print the last checkpoint, to be kept elsewhere.
    Checkpoint(Configured),
    /// Write an entry and the proof that it is in the log to files.
    Prove(Prove),
    /// Check a proof: needs neither the log nor a network.
    Check(Check),
}

/// `counterfoil evidence keygen`
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// The name of the log, as checkpoints carry it: one word, best an address of yours without `https://`.
    #[arg(long, value_name = "NAME", default_value = "counterfoil")]
    name: String,
    /// The new file for the private key, which only its owner may read.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `counterfoil evidence announce`
#[derive(Debug, Args)]
pub(super) struct Announce {
    /// The public key (NAME+ID+KEY).
    key: String,
    /// Who changes it.
    #[arg(long, value_name = "IDENTITY")]
    by: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    configured: Configured,
}

/// `counterfoil evidence prove`
#[derive(Debug, Args)]
pub(super) struct Prove {
    /// The id of an event (`e1:…`), `run:NUMBER`, or the number of an entry.
    entry: String,
    /// The folder for `entry-N.json` and `entry-N.tlog-proof`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    configured: Configured,
}

/// `counterfoil evidence check`
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The proof (https://c2sp.org/tlog-proof).
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    /// The text of the entry: of an event the line that a program was told; one line end after it does not count.
    #[arg(long, value_name = "FILE")]
    entry: PathBuf,
    /// The public key of the log (NAME+ID+KEY). May be repeated.
    #[arg(long = "key", value_name = "KEY", required = true)]
    keys: Vec<String>,
}

impl Command {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Keygen(keygen) => keygen.run(),
            Self::Announce(announce) => announce.run(),
            Self::Checkpoint(configured) => checkpoint(&configured),
            Self::Prove(prove) => prove.run(),
            Self::Check(check) => check.run(),
        }
    }
}

/// A new file with these bytes; one that is there is left alone.
fn write_new(path: &Path, bytes: &[u8], private: bool) -> Result<(), Stop> {
    let shown = path.display().to_string();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    let mut file = options.open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            fault(format!("{shown}: it exists already; nothing is overwritten"))
        }
        _ => writing(&shown)(e),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(writing(&shown))
}

/// Reads a file of at most so many bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Stop> {
    let shown = path.display();
    let mut bytes = vec![];
    let file = File::open(path).map_err(|e| fault(format!("{shown}: cannot be read: {e}")))?;
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| fault(format!("{shown}: cannot be read: {e}")))?;
    if bytes.len() as u64 > most {
        return Err(fault(format!("{shown}: it has more than {most} bytes")));
    }
    Ok(bytes)
}

impl Keygen {
    fn run(self) -> Outcome {
        let (signer, text) = Signer::generate(&self.name)?;
        write_new(&self.out, format!("{text}\n").as_bytes(), true)?;
        note(format_args!(
            "the private key is in {}; its public key, which may be known to all:",
            self.out.display()
        ));
        say(signer.verifier())?;
        Ok(Done::Well)
    }
}

impl Announce {
    fn run(self) -> Outcome {
        let key = Verifier::parse(&self.key)?;
        if self.reason.trim().is_empty() || self.by.trim().is_empty() {
            return Err(fault("a key has a --reason and somebody who answers for it (--by)"));
        }
        let (_, mut store) = self.configured.open()?;
        let deed = Deed::KeyAnnounced { key: key.to_string(), reason: self.reason };
        store.act(&Action::new(instant(SystemTime::now()), Some(&self.by), deed))?;
        note("written down; put the key into [evidence] once the next checkpoint, by the old key, was made");
        Ok(Done::Well)
    }
}

fn checkpoint(configured: &Configured) -> Outcome {
    let (_, store) = configured.open_read()?;
    let last = store.evidence()?.last_checkpoint()?;
    let Some(last) = last else { return Err(fault("there is no checkpoint yet; each run makes one")) };
    if Checkpoint::parse(&last.note)?.note.is_none() {
        note("nobody signed it: there is no [evidence] key");
    }
    let text = last.note.strip_suffix('\n').unwrap_or(&last.note);
    say(text)?;
    Ok(Done::Well)
}

impl Prove {
    fn run(self) -> Outcome {
        let (_, store) = self.configured.open_read()?;
        let log = store.evidence()?;
        let entry = self.entry.as_str();
        let index = match (entry.strip_prefix("run:"), entry.parse::<u64>()) {
            (Some(run), _) => match run.parse() {
                Ok(run) => log.of_run(run)?,
                Err(_) => return Err(fault(format!("`{entry}`: expected `run:` and the number of a run"))),
            },
            (None, Ok(index)) => Some(index),
            (None, Err(_)) => log.of_event(entry)?,
        };
        let Some(index) = index else {
            return Err(fault(format!("there is no entry of `{entry}`, or it was forgotten")));
        };
        let Some(shown) = log.show(index)? else {
            return Err(fault(format!(
                "entry {index} cannot be proven: its text was forgotten, or no checkpoint covers it yet; each run makes one"
            )));
        };
        if Checkpoint::parse(&shown.checkpoint.note)?.note.is_none() {
            return Err(fault(format!(
                "entry {index} cannot be proven: nobody signed the checkpoint that covers it; set [evidence] key"
            )));
        }
        let text = self.out.join(format!("entry-{index}.json"));
        let file = self.out.join(format!("entry-{index}.tlog-proof"));
        let proof = Proof { index, path: shown.path, checkpoint: shown.checkpoint.note };
        write_new(&text, shown.text.as_bytes(), false)?;
        write_new(&file, proof.text().as_bytes(), false)?;
        note(format_args!("entry {index} is in {}, its proof in {}", text.display(), file.display()));
        Ok(Done::Well)
    }
}

impl Check {
    fn run(self) -> Outcome {
        let keys: Result<Vec<Verifier>, Stop> =
            self.keys.iter().map(|k| Verifier::parse(k).map_err(|e| fault(format!("--key: {e}")))).collect();
        let keys = keys?;
        let shown = self.proof.display();
        let text = String::from_utf8(read(&self.proof, MAX_FILE)?);
        let text = text.map_err(|_| fault(format!("{shown}: it is not UTF-8")))?;
        let proof = Proof::parse(&text).map_err(|e| fault(format!("{shown}: {e}")))?;
        let entry = read(&self.entry, MAX_FILE)?;
        let line = entry.strip_suffix(b"\n").unwrap_or(&entry);
        let proven = proof.check(line, &keys).map_err(|e| fault(format!("{shown}: {e}")))?;
        say(format_args!(
            "{} is entry {} of the log {}, as its checkpoint of {} entries says",
            self.entry.display(),
            proven.index,
            proven.origin,
            proven.size
        ))?;
        Ok(Done::Well)
    }
}
