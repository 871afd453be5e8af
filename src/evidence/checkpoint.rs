//! Checkpoints: how large the log is and what its root is, in the form of <https://c2sp.org/tlog-checkpoint>. Whoever keeps
//! one can tell later whether what it covers is still there, unchanged and in its place.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::note::{Note, NoteError, Signer, Verifier};
use super::tree::Node;
use crate::model::event::CHECKPOINT_SCHEMA;

/// The origin of a log that has no key.
pub const UNSIGNED: &str = "counterfoil";

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// Which log: the name of its key.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of their tree.
    pub root: Node,
}

/// A hash as text.
#[must_use]
pub fn base64(node: &Node) -> String {
    STANDARD.encode(node)
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointError(String);

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CheckpointError {}

impl From<NoteError> for CheckpointError {
    fn from(e: NoteError) -> Self {
        Self(e.to_string())
    }
}

/// A number as checkpoints and proofs write it: digits, and no zero before others.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

/// A hash as checkpoints and proofs write it.
pub(super) fn hash(text: &str) -> Option<Node> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

impl TreeHead {
    /// The three lines.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root))
    }

    /// Reads the lines; what other logs add below the three is passed over.
    ///
    /// # Errors
    /// When a line is missing, or none of a checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let wrong = |what: &str| CheckpointError(format!("this is no checkpoint: {what}"));
        let mut lines =
            text.strip_suffix('\n').ok_or_else(|| wrong("it does not end with a line end"))?.split('\n');
        let mut next = |what: &str| lines.next().filter(|l| !l.is_empty()).ok_or_else(|| wrong(what));
        let origin = next("its first line, the log's name, is missing")?.to_owned();
        let size = next("its second line, the number of entries, is missing")?;
        let size = number(size).ok_or_else(|| wrong("its second line is not the number of entries"))?;
        let root = next("its third line, the root, is missing")?;
        let root = hash(root).ok_or_else(|| wrong("its third line is not a root (32 bytes in base64)"))?;
        if lines.any(str::is_empty) {
            return Err(wrong("it holds an empty line"));
        }
        Ok(Self { origin, size, root })
    }
}

/// A checkpoint as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it says.
    pub head: TreeHead,
    /// The note; `None` when nobody signed it.
    pub note: Option<Note>,
}

impl Checkpoint {
    /// Reads a signed checkpoint, or the bare three lines of one that nobody signed.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        if !text.contains("\n\n") {
            return Ok(Self { head: TreeHead::parse(text)?, note: None });
        }
        let note = Note::parse(text)?;
        Ok(Self { head: TreeHead::parse(&note.text)?, note: Some(note) })
    }

    /// Reads all checkpoints of a file: one as it was printed, or JSON lines as sinks receive them, in which others may
    /// stand between.
    ///
    /// # Errors
    /// When there is none, or one cannot be read; with the line.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, CheckpointError> {
        if !text.trim_start().starts_with('{') {
            return Ok(vec![Self::parse(text)?]);
        }
        let mut all = vec![];
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |e: &dyn fmt::Display| CheckpointError(format!("line {number}: {e}"));
            if line.trim().is_empty() {
                continue;
            }
            #[derive(serde::Deserialize)]
            struct Line {
                schema: Option<String>,
                note: Option<String>,
            }
            let line: Line = serde_json::from_str(line).map_err(|e| wrong(&e))?;
            if line.schema.as_deref() == Some(CHECKPOINT_SCHEMA) {
                let note = line.note.ok_or_else(|| wrong(&"it has no `note`"))?;
                all.push(Self::parse(&note).map_err(|e| wrong(&e))?);
            }
        }
        if all.is_empty() {
            return Err(CheckpointError(format!("no line of it is a checkpoint ({CHECKPOINT_SCHEMA})")));
        }
        Ok(all)
    }

    /// Who signed it, of these: a key whose name is the log's.
    ///
    /// # Errors
    /// When nobody did, or one of them did not whose signature stands there.
    pub fn verify<'v>(&self, known: &'v [Verifier]) -> Result<&'v Verifier, CheckpointError> {
        let Some(note) = &self.note else { return Err(CheckpointError("nobody signed it".to_owned())) };
        let by = note.verify(known)?;
        by.into_iter()
            .find(|v| v.name() == self.head.origin)
            .ok_or_else(|| CheckpointError(format!("no key of its own log, {}, signed it", self.head.origin)))
    }
}

/// The checkpoint of a log of this size and root: signed, where there is a key.
///
/// # Errors
/// When the key's name cannot stand in a note.
pub fn seal(size: u64, root: Node, signer: Option<&Signer>) -> Result<(TreeHead, String), NoteError> {
    let origin = signer.map_or(UNSIGNED, |s| s.verifier().name()).to_owned();
    let head = TreeHead { origin, size, root };
    let note = match signer {
        Some(signer) => signer.sign(&head.text())?,
        None => head.text(),
    };
    Ok((head, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let (signer, _) = Signer::generate("example.com/log").unwrap();
        let (head, note) = seal(7, [9; 32], Some(&signer)).unwrap();
        let read = Checkpoint::parse(&note).unwrap();
        assert_eq!(read.head, head);
        assert_eq!(read.verify(std::slice::from_ref(signer.verifier())).unwrap(), signer.verifier());
        let (head, note) = seal(0, [9; 32], None).unwrap();
        let read = Checkpoint::parse(&note).unwrap();
        assert_eq!((&read.head, &read.note), (&head, &None));
        assert!(read.verify(std::slice::from_ref(signer.verifier())).is_err());
        // Signed by somebody known, but as the head of another log.
        let foreign = signer.sign(&head.text()).unwrap();
        let said =
            Checkpoint::parse(&foreign).unwrap().verify(std::slice::from_ref(signer.verifier())).unwrap_err();
        assert!(said.to_string().contains("no key of its own log, counterfoil"), "{said}");
    }

    /// The example of the specification (its signature is that of a key that is not given there).
    #[test]
    fn the_example_is_read() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let read = Checkpoint::parse(text).unwrap();
        assert_eq!((read.head.size, read.note.unwrap().signatures.len()), (20_852_163, 1));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = base64(&[1; 32]);
        for bad in [
            String::new(),
            "\n".to_owned(),
            "a\n1\n".to_owned(),
            format!("a\n01\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n-1\n{root}\n"),
            format!("a\n99999999999999999999\n{root}\n"),
            format!("a\n1\n{}\n", &root[4..]),
            format!("a\n1\n{root}"),
            format!("\n1\n{root}\n"),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
        assert!(TreeHead::parse(&format!("a\n1\n{root}\nmore\n")).is_ok());
    }

    #[test]
    fn the_lines_of_a_sink_are_searched() {
        let (_, note) = seal(3, [1; 32], None).unwrap();
        let line = serde_json::json!({"schema": CHECKPOINT_SCHEMA, "note": note, "id": "x"});
        let text = format!("{{\"schema\":\"counterfoil.event/1\"}}\n\n{line}\n{line}\n");
        assert_eq!(Checkpoint::parse_all(&text).unwrap().len(), 2);
        assert_eq!(Checkpoint::parse_all(&note).unwrap().len(), 1);
        let said = Checkpoint::parse_all("{}\n{\"schema\"\n").unwrap_err().to_string();
        assert!(said.starts_with("line 2: "), "{said}");
        assert!(Checkpoint::parse_all("{}\n").unwrap_err().to_string().contains("no line of it"));
    }
}
