//! Proofs that an entry is in the log, in the form of <https://c2sp.org/tlog-proof>: with the entry's text and the log's
//! public key, all that is needed to check it, without the log and without a network.

use std::fmt::Write as _;

use super::checkpoint::{Checkpoint, CheckpointError, base64, hash, number};
use super::note::{MAX_NOTE, Verifier};
use super::tree::{Node, includes, leaf};

/// The first line.
const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// No tree is higher.
const MAX_STEPS: usize = 64;

/// A proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Which entry, from 0.
    pub index: u64,
    /// The hashes beside its way up, from its sibling to a child of the root.
    pub path: Vec<Node>,
    /// The checkpoint, as it was signed.
    pub checkpoint: String,
}

/// Why a proof shows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofError(String);

impl std::fmt::Display for ProofError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ProofError {}

impl From<CheckpointError> for ProofError {
    fn from(e: CheckpointError) -> Self {
        Self(format!("the checkpoint of the proof: {e}"))
    }
}

/// What a proof showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Which entry, from 0.
    pub index: u64,
    /// Of how many.
    pub size: u64,
    /// The log.
    pub origin: String,
}

impl Proof {
    /// The text, which ends with the checkpoint.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}\nindex {}\n", self.index);
        for node in &self.path {
            let _ = writeln!(text, "{}", base64(node));
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a proof. What is in its line `extra` is passed over: nobody signed it.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let wrong = |what: &str| ProofError(format!("this is no proof: {what}"));
        if text.len() > 2 * MAX_NOTE {
            return Err(wrong("it is too long"));
        }
        let (proof, checkpoint) = text.split_once("\n\n").ok_or_else(|| wrong("it holds no empty line"))?;
        let mut lines = proof.split('\n').peekable();
        if lines.next() != Some(HEAD) {
            return Err(wrong(&format!("its first line is not `{HEAD}`")));
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
        let index = index.ok_or_else(|| wrong("it has no line `index NUMBER`"))?;
        let path: Option<Vec<Node>> = lines.by_ref().take(MAX_STEPS).map(hash).collect();
        let path = path.ok_or_else(|| wrong("a line of it is not a hash (32 bytes in base64)"))?;
        if lines.next().is_some() {
            return Err(wrong(&format!("it has more than {MAX_STEPS} steps")));
        }
        Ok(Self { index, path, checkpoint: checkpoint.to_owned() })
    }

    /// Whether it shows that this text is an entry of the log of one of these keys.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, entry: &[u8], known: &[Verifier]) -> Result<Proven, ProofError> {
        let checkpoint = Checkpoint::parse(&self.checkpoint)?;
        checkpoint.verify(known)?;
        let head = checkpoint.head;
        if self.index >= head.size {
            let (index, size) = (self.index, head.size);
            return Err(ProofError(format!(
                "the proof is of entry {index}, and its checkpoint covers {size} entries"
            )));
        }
        if !includes(&leaf(entry), self.index, head.size, &self.path, &head.root) {
            let index = self.index;
            return Err(ProofError(format!(
                "this text is not entry {index} of the log that the checkpoint covers"
            )));
        }
        Ok(Proven { index: self.index, size: head.size, origin: head.origin })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use super::super::checkpoint::seal;
    use super::super::note::Signer;
    use super::super::tree::{Frontier, inclusion};
    use super::*;

    #[test]
    fn a_proof_is_checked_with_the_public_key_alone() {
        let (signer, _) = Signer::generate("example.com/log").unwrap();
        let (mut frontier, mut nodes) = (Frontier::default(), BTreeMap::new());
        for n in 0..11 {
            frontier.push(leaf(format!("{n}").as_bytes()), |place, node| _ = nodes.insert(place, *node));
        }
        let (_, checkpoint) = seal(11, frontier.root(), Some(&signer)).unwrap();
        let Ok(path) = inclusion(5, 11, &mut |place| Ok::<_, Infallible>(nodes[&place]));
        let proof = Proof { index: 5, path, checkpoint };
        let read = Proof::parse(&proof.text()).unwrap();
        assert_eq!(read, proof);
        let extra = proof.text().replacen("\nindex", "\nextra AAAA\nindex", 1);
        assert_eq!(Proof::parse(&extra).unwrap(), proof);
        let keys = [Verifier::parse(&signer.verifier().to_string()).unwrap()];
        let proven = read.check(b"5", &keys).unwrap();
        assert_eq!((proven.index, proven.size, &*proven.origin), (5, 11, "example.com/log"));
        assert!(read.check(b"6", &keys).unwrap_err().to_string().contains("not entry 5"));
        let (other, _) = Signer::generate("example.com/log").unwrap();
        assert!(
            read.check(b"5", std::slice::from_ref(other.verifier()))
                .unwrap_err()
                .to_string()
                .contains("no known key")
        );
        let beyond = Proof { index: 11, ..read.clone() };
        assert!(beyond.check(b"5", &keys).unwrap_err().to_string().contains("covers 11 entries"));
        let unsigned = Proof { checkpoint: seal(11, frontier.root(), None).unwrap().1, ..read };
        assert!(unsigned.check(b"5", &keys).unwrap_err().to_string().contains("nobody signed it"));
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let hash = base64(&[1; 32]);
        for bad in [
            "",
            "c2sp.org/tlog-proof@v1\n",
            "c2sp.org/tlog-proof@v2\nindex 0\n\nx",
            "c2sp.org/tlog-proof@v1\nindex 00\n\nx",
            "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx",
            &format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\nx", format!("{hash}\n").repeat(65)),
        ] {
            assert!(Proof::parse(bad).is_err(), "{bad:?}");
        }
        let most = format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\nx", format!("{hash}\n").repeat(64));
        assert!(Proof::parse(&most).is_ok());
    }
}
