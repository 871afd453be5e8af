//! Notes: text that is signed by one or more keys, in the form of <https://c2sp.org/signed-note>, with Ed25519.
//!
//! Whatever reads notes of transparency logs reads these too, Go's `golang.org/x/mod/sumdb/note` among them.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// How long a note may be, in bytes.
pub const MAX_NOTE: usize = 1 << 20;
/// How many signatures a note may have.
const MAX_SIGNATURES: usize = 100;
/// The kind of signature that is Ed25519.
const ED25519_NOTE: u8 = 1;
/// How a line with a signature begins.
const SIGNATURE: &str = "— ";
/// How the text of a private key begins.
const PRIVATE: &str = "PRIVATE+KEY+";

/// Why a note or a key is not good. Never holds any of a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteError(String);

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoteError {}

fn wrong<T>(what: impl Into<String>) -> Result<T, NoteError> {
    Err(NoteError(what.into()))
}

/// Whether a key may be called that.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The number by which a signature names its key.
fn key_id(name: &str, key: &[u8]) -> u32 {
    let mut sha = Sha256::new();
    sha.update(name.as_bytes());
    sha.update([b'\n', ED25519_NOTE]);
    sha.update(key);
    sha.finalize().first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Takes a key's text apart: name, id, and the bytes of an Ed25519 key.
fn parse_key(text: &str) -> Option<(&str, u32, [u8; 32])> {
    let mut parts = text.splitn(3, '+');
    let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
    let lower = id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let id = lower.then(|| u32::from_str_radix(id, 16).ok())??;
    let bytes = STANDARD.decode(key).ok()?;
    let key = bytes.strip_prefix(&[ED25519_NOTE])?.try_into().ok()?;
    is_name(name).then_some((name, id, key))
}

fn key_text(name: &str, id: u32, key: &[u8; 32]) -> String {
    let bytes: Vec<u8> = [ED25519_NOTE].iter().chain(key).copied().collect();
    format!("{name}+{id:08x}+{}", STANDARD.encode(bytes))
}

/// A public key with its name: `NAME+ID+KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: u32,
    key: [u8; 32],
}

impl Verifier {
    /// Reads `NAME+ID+KEY`.
    ///
    /// # Errors
    /// When it is not of that form, no Ed25519 key, or the id is that of another key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let text = text.trim();
        let Some((name, id, key)) = parse_key(text) else {
            return wrong(
                "expected a public key NAME+ID+KEY (Ed25519), as `counterfoil evidence keygen` prints it",
            );
        };
        if key_id(name, &key) != id {
            return wrong(format!("the public key of {name}: the id {id:08x} belongs to another key"));
        }
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number by which a signature names the key.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The Ed25519 key itself.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    fn made(&self, signature: &Signature) -> bool {
        signature.id == self.id && signature.name == self.name
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(&self.name, self.id, &self.key))
    }
}

/// A private key with its name.
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.verifier.to_string()).finish()
    }
}

impl Signer {
    /// Reads `PRIVATE+KEY+NAME+ID+KEY`.
    ///
    /// # Errors
    /// When it is not of that form, or the id is that of another key. Shows none of it.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let Some((name, id, seed)) = text.trim().strip_prefix(PRIVATE).and_then(parse_key) else {
            return wrong(
                "expected a private key PRIVATE+KEY+NAME+ID+KEY (Ed25519), as `counterfoil evidence keygen` writes it",
            );
        };
        let signer = Self::of(name, &seed)?;
        if signer.verifier.id != id {
            return wrong(format!("the private key of {name}: the id {id:08x} belongs to another key"));
        }
        Ok(signer)
    }

    fn of(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        let pair = pair.map_err(|_| NoteError(format!("the private key of {name} cannot be used")))?;
        let key: Result<[u8; 32], _> = pair.public_key().as_ref().try_into();
        let key = key.map_err(|_| NoteError(format!("the private key of {name} has no public key")))?;
        Ok(Self { verifier: Verifier { name: name.to_owned(), id: key_id(name, &key), key }, pair })
    }

    /// A new key of this name, and its text, which is a secret.
    ///
    /// # Errors
    /// When the name cannot be one, or the system has no random numbers.
    pub fn generate(name: &str) -> Result<(Self, String), NoteError> {
        if !is_name(name) {
            return wrong(format!(
                "`{name}` cannot name a key: expected one word without `+`, like example.com/counterfoil"
            ));
        }
        let mut seed = [0; 32];
        if aws_lc_rs::rand::fill(&mut seed).is_err() {
            return wrong("the system gave no random numbers");
        }
        let signer = Self::of(name, &seed)?;
        let text = format!("{PRIVATE}{}", key_text(name, signer.verifier.id, &seed));
        Ok((signer, text))
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The note with this text, which ends with a line end, signed.
    ///
    /// # Errors
    /// When the text cannot be that of a note.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let mut bytes = self.verifier.id.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        Ok(format!("{text}\n{SIGNATURE}{} {}\n", self.verifier.name, STANDARD.encode(bytes)))
    }

    /// The Ed25519 signature of something that is no note, and can never be taken for one.
    ///
    /// # Errors
    /// When it ends with a line end, as the text of every note does.
    pub fn sign_other(&self, text: &str) -> Result<Vec<u8>, NoteError> {
        if text.ends_with('\n') {
            return wrong("what ends with a line end could be a note");
        }
        Ok(self.pair.sign(text.as_bytes()).as_ref().to_vec())
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
        return wrong("the text of a note ends with a line end and holds no other control character");
    }
    Ok(())
}

/// A signature, as it stands below a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// The id of the key.
    pub id: u32,
    bytes: Vec<u8>,
}

/// A note as it was read: believed in nothing before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, its last line end included.
    pub text: String,
    /// The signatures below it.
    pub signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// When it is none: no signature, a line that is no signature below the text, too long.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return wrong(format!("the note has {} bytes; at most {MAX_NOTE} are read", note.len()));
        }
        check_text(note)?;
        let Some(at) = note.rfind("\n\n") else {
            return wrong("the note has no empty line before its signatures");
        };
        let (text, below) = note.split_at_checked(at + 1).unwrap_or((note, ""));
        let mut signatures = vec![];
        for line in below.lines().skip(1) {
            let Some(signature) = signature(line) else {
                return wrong("below the text of a note stand lines `— NAME SIGNATURE`, and nothing else");
            };
            signatures.push(signature);
            if signatures.len() > MAX_SIGNATURES {
                return wrong(format!("the note has more than {MAX_SIGNATURES} signatures"));
            }
        }
        if signatures.is_empty() {
            return wrong("the note has no signature");
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Which of these keys signed it. Signatures of other keys are passed over.
    ///
    /// # Errors
    /// When a signature names one of the keys and is not by it, or none names any of them.
    pub fn verify<'v>(&self, known: &'v [Verifier]) -> Result<Vec<&'v Verifier>, NoteError> {
        let mut by: Vec<&Verifier> = vec![];
        for signature in &self.signatures {
            for verifier in known.iter().filter(|v| v.made(signature)) {
                let key = UnparsedPublicKey::new(&ED25519, &verifier.key);
                if key.verify(self.text.as_bytes(), &signature.bytes).is_err() {
                    return wrong(format!("the signature is not by {verifier}, whose it says to be"));
                }
                if !by.contains(&verifier) {
                    by.push(verifier);
                }
            }
        }
        if by.is_empty() {
            let names: Vec<String> =
                self.signatures.iter().take(3).map(|s| format!("{}+{:08x}", s.name, s.id)).collect();
            return wrong(format!("it is signed by {}, and that is no known key", names.join(", ")));
        }
        Ok(by)
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, base64) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
    let bytes = STANDARD.decode(base64).ok()?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    let known = is_name(name) && !bytes.is_empty();
    known.then(|| Signature { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys and the note of Go's package `golang.org/x/mod/sumdb/note`.
    const GO_PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
         then you don't know what your problem is.\n";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
         then you don't know what your problem is.\n\
         \n\
         — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn what_is_signed_beside_notes_can_be_no_note() {
        let signer = Signer::parse(GO_PRIVATE).unwrap();
        assert!(signer.sign_other(GO_TEXT).is_err());
        let signature = signer.sign_other("head.body").unwrap();
        let key = UnparsedPublicKey::new(&ED25519, signer.verifier().key());
        assert!(
            key.verify(b"head.body", &signature).is_ok() && key.verify(b"head.bodz", &signature).is_err()
        );
        assert_eq!(signer.verifier().id(), 0xc74f_20a3);
    }

    #[test]
    fn a_note_is_that_of_go() {
        let signer = Signer::parse(GO_PRIVATE).unwrap();
        assert_eq!(signer.verifier().to_string(), GO_PUBLIC);
        assert_eq!(signer.sign(GO_TEXT).unwrap(), GO_NOTE);
        let note = Note::parse(GO_NOTE).unwrap();
        assert_eq!(note.text, GO_TEXT);
        assert_eq!(note.verify(&[Verifier::parse(GO_PUBLIC).unwrap()]).unwrap().len(), 1);
    }

    /// The example of the specification.
    #[test]
    fn a_note_is_that_of_the_specification() {
        let verifier =
            Verifier::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
        let note = "This is an example message.\n\n— example.com/foo \
            Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        assert_eq!(Note::parse(note).unwrap().verify(std::slice::from_ref(&verifier)).unwrap(), [&verifier]);
        let other = note.replace("example message", "exemplary message");
        let said = Note::parse(&other).unwrap().verify(&[verifier]).unwrap_err().to_string();
        assert!(said.contains("is not by example.com/foo+530d903a"), "{said}");
    }

    #[test]
    fn a_new_key_signs_what_its_public_key_verifies() {
        let (signer, text) = Signer::generate("example.com/log").unwrap();
        let again = Signer::parse(&text).unwrap();
        assert_eq!(signer.verifier(), again.verifier());
        assert!(!format!("{signer:?}").contains(&text[20..40]));
        let note = Note::parse(&again.sign("a\n\nb\n").unwrap()).unwrap();
        assert_eq!(note.text, "a\n\nb\n");
        let public = signer.verifier().to_string();
        assert!(note.verify(&[Verifier::parse(&public).unwrap()]).is_ok());
        let (other, _) = Signer::generate("example.com/log").unwrap();
        let said = note.verify(std::slice::from_ref(other.verifier())).unwrap_err().to_string();
        assert!(said.contains("no known key"), "{said}");
        // Among others it is found, and they are passed over.
        let both = [other.verifier().clone(), signer.verifier().clone()];
        assert_eq!(note.verify(&both).unwrap(), [signer.verifier()]);
        assert!(Signer::generate("two words").is_err() && Signer::generate("a+b").is_err());
    }

    #[test]
    fn what_is_no_note_or_key_is_refused() {
        for bad in [
            "",
            "text\n",
            "text\n\n",
            "text\n\nmore\n",
            "text\n\n— a b\n",
            "text\n\n— a AAAA\n",
            "text\n\n— a AAAAAA==",
            "te\txt\n\n— a AAAAAAA=\n",
            "text\n\n— a+b AAAAAAAAAAA=\n",
            "text\n\n— a AAAAAAAAAAA=\nmore\n",
        ] {
            assert!(Note::parse(bad).is_err(), "{bad:?}");
        }
        let long = format!("{}\n\n— a AAAAAAAAAAA=\n", "x".repeat(MAX_NOTE));
        assert!(Note::parse(&long).is_err());
        let many = format!("x\n\n{}", "— a AAAAAAAAAAA=\n".repeat(MAX_SIGNATURES + 1));
        assert!(Note::parse(&many).is_err());
        assert!(Note::parse(&many.replacen("— a AAAAAAAAAAA=\n", "", 1)).is_ok());
        for bad in [
            "",
            "a",
            "a+b+c",
            &GO_PUBLIC.replace("c74f20a3", "c74f20a4"),
            &GO_PUBLIC.replace("+c7", "+C7"),
            GO_PRIVATE,
        ] {
            assert!(Verifier::parse(bad).is_err(), "{bad}");
        }
        let bad = GO_PRIVATE.replace("c74f20a3", "c74f20a4");
        let said = Signer::parse(&bad).unwrap_err().to_string();
        assert!(!said.contains("AYEKF") && said.contains("another key"), "{said}");
        assert!(Signer::parse(GO_PUBLIC).is_err());
    }
}
