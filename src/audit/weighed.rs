//! What the files of a pack weigh: each is hashed while it is written, and a manifest and a list for `sha256sum --check` say what
//! came of it. Told in one place, so that a pack is the same in a folder and in one file.

use std::io::{self, Write};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::pack::Pack;
use crate::model::event::hashed;

/// The names of the two files that speak of the others.
pub const MANIFEST: &str = "manifest.json";
/// See [`MANIFEST`].
pub const SUMS: &str = "SHA256SUMS";

/// A file that is hashed while it is written.
#[derive(Debug)]
pub struct Hashed<W: Write> {
    out: W,
    hash: Sha256,
    bytes: u64,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// Its name.
    pub name: &'static str,
    /// How long it is.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl<W: Write> Hashed<W> {
    /// Nothing yet, written to `out`.
    pub fn new(out: W) -> Self {
        Self { out, hash: Sha256::new(), bytes: 0 }
    }

    /// What was written to, and what it weighs under this name.
    ///
    /// # Errors
    /// When the last of it cannot be written.
    pub fn finish(mut self, name: &'static str) -> io::Result<(W, Weighed)> {
        self.out.flush()?;
        let digest: [u8; 32] = self.hash.finalize().into();
        let sha256 = digest.iter().map(|b| format!("{b:02x}")).collect();
        Ok((self.out, Weighed { name, bytes: self.bytes, sha256 }))
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The texts of the manifest, and of the list that `sha256sum --check` reads.
#[must_use]
pub fn weighed(pack: &Pack, files: &[Weighed]) -> [(&'static str, String); 2] {
    let told = files.iter().map(|f| json!({"name": f.name, "bytes": f.bytes, "sha256": f.sha256}));
    let told: Vec<serde_json::Value> = told.collect();
    let manifest = json!({"schema": "counterfoil.pack/1", "head": pack.head, "files": told});
    let manifest = format!("{manifest:#}\n");
    let mut sums: String = files.iter().map(|f| format!("{}  {}\n", f.sha256, f.name)).collect();
    sums += &format!("{}  {MANIFEST}\n", hashed("", &manifest));
    [(MANIFEST, manifest), (SUMS, sums)]
}
