//! Secrets by reference: the configuration says where one is, never what it is.
//!
//! `credential:NAME` is a file in the folder that systemd names in `$CREDENTIALS_DIRECTORY`; `file:PATH` a file that
//! only its owner may read; `env:NAME` a variable of the environment, which is the weakest of the three, since whatever
//! the program starts inherits it.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::SecretString;
use serde::de::{self, Deserialize, Deserializer};

/// How large a secret may be, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// What the mode of a file may not have: others than its owner must not read, write or run it.
const OWNER_ONLY: u32 = 0o077;
/// The same for a credential. systemd lets a unit with a user of its own read it through an access control list, which
/// shows as the group's right to read; the folder around it is that unit's alone.
const CREDENTIAL: u32 = 0o037;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

/// What a reference to a secret looks like.
const EXPECTED: &str =
    "`credential:NAME`, `file:PATH` or `env:NAME`: where the secret is, never the secret itself";

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        // The text may be the secret itself, so no error shows it.
        let wrong = || de::Error::custom(format_args!("expected {EXPECTED}"));
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        let plain = !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
        match kind {
            "credential" if plain => Ok(Self::Credential(name.to_owned())),
            "env" if plain && !name.contains('=') => Ok(Self::Environment(name.to_owned())),
            "file" if !name.is_empty() => Ok(Self::File(PathBuf::from(name))),
            _ => Err(wrong()),
        }
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(credential|file|env):.+",
            "description": EXPECTED,
        })
    }
}

/// Why a secret cannot be had. Never holds any of it.
#[derive(Debug)]
pub struct SecretError(String);

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SecretError {}

impl SecretRef {
    /// Fetches the secret; a line end after it does not belong to it. `folder` is what a relative `file:` starts from.
    ///
    /// # Errors
    /// When it is not there, empty, too large, not UTF-8, or its file may be read by others than its owner.
    pub fn fetch(&self, folder: &Path) -> Result<SecretString, SecretError> {
        self.fetch_with(folder, &|name| std::env::var_os(name))
    }

    /// [`SecretRef::fetch`] in an environment given as a function from the name of a variable to its value.
    ///
    /// # Errors
    /// As [`SecretRef::fetch`].
    pub fn fetch_with(
        &self,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<SecretString, SecretError> {
        let fail = |why: String| SecretError(format!("the secret {self}: {why}"));
        let text = match self {
            Self::Environment(name) => {
                let value = environment(name)
                    .ok_or_else(|| fail("there is no such variable in the environment".to_owned()))?;
                // The value itself must not get into the error, which `OsString` would put there.
                value.into_string().map_err(|_| fail("it is not UTF-8".to_owned()))?
            }
            Self::File(path) => read_private(&folder.join(path), OWNER_ONLY).map_err(fail)?,
            Self::Credential(name) => {
                let dir = environment("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    fail(
                        "$CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential="
                            .to_owned(),
                    )
                })?;
                read_private(&Path::new(&dir).join(name), CREDENTIAL).map_err(fail)?
            }
        };
        if text.len() as u64 > MAX_SECRET {
            return Err(fail(format!("{} bytes; a secret has at most {MAX_SECRET}", text.len())));
        }
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(fail("it is empty".to_owned()));
        }
        Ok(SecretString::from(text.to_owned()))
    }
}

/// Reads a file that only its owner may read. Its size and mode are those of the open file, so that what was checked is
/// what is read; and it is read to the limit and not to its end, so that one that grows cannot fill the memory.
fn read_private(path: &Path, forbidden: u32) -> Result<String, String> {
    let at = |e: &dyn fmt::Display| format!("{}: {e}", path.display());
    // Before it is opened: a pipe would keep us waiting for somebody to write.
    if !std::fs::metadata(path).map_err(|e| at(&e))?.is_file() {
        return Err(at(&"it is not a file"));
    }
    let file = std::fs::File::open(path).map_err(|e| at(&e))?;
    let metadata = file.metadata().map_err(|e| at(&e))?;
    if metadata.len() > MAX_SECRET {
        return Err(at(&format_args!("{} bytes; a secret has at most {MAX_SECRET}", metadata.len())));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & forbidden != 0 {
            let what =
                format_args!("others than its owner may read it (mode {mode:03o}); run `chmod 600` on it");
            return Err(at(&what));
        }
    }
    let mut bytes = vec![];
    file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(|e| at(&e))?;
    String::from_utf8(bytes).map_err(|_| at(&"it is not UTF-8"))
}
