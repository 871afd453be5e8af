//! Secrets by reference: the configuration says where one is, never what it is.
//!
//! `credential:NAME` is a file in the folder that systemd names in `$CREDENTIALS_DIRECTORY`; `file:PATH` a file that
//! only its owner may read; `env:NAME` a variable of the environment, which is the weakest of the three, since whatever
//! the program starts inherits it.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::SecretString;
use serde::de::{self, Deserialize, Deserializer};

/// How large a secret may be, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

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
        let fail = |why: String| SecretError(format!("the secret {self}: {why}"));
        let text = match self {
            Self::Environment(name) => std::env::var(name).map_err(|_| {
                fail("there is no such variable in the environment, or it is not UTF-8".to_owned())
            })?,
            Self::File(path) => read_private(&folder.join(path), 0o077).map_err(fail)?,
            Self::Credential(name) => {
                let dir = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    fail(
                        "$CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential="
                            .to_owned(),
                    )
                })?;
                // systemd may let the unit's user in by an access list, whose mask shows where the group's rights
                // stand otherwise. The folder itself is open to nobody else.
                read_private(&Path::new(&dir).join(name), 0o037).map_err(fail)?
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(fail("it is empty".to_owned()));
        }
        Ok(SecretString::from(text.to_owned()))
    }
}

/// Reads a small file that gives none of these rights away (the bits of a mode).
fn read_private(path: &Path, forbidden: u32) -> Result<String, String> {
    let at = |e: &dyn fmt::Display| format!("{}: {e}", path.display());
    let metadata = std::fs::metadata(path).map_err(|e| at(&e))?;
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
    #[cfg(not(unix))]
    let _ = forbidden;
    std::fs::read_to_string(path).map_err(|e| at(&e))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_that_others_may_read_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret\n").unwrap();
        let with_mode = |mode: u32, forbidden: u32| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            read_private(file.path(), forbidden)
        };
        assert_eq!(with_mode(0o400, 0o077).as_deref(), Ok("secret\n"));
        assert_eq!(with_mode(0o440, 0o037).as_deref(), Ok("secret\n"), "systemd's access list");
        for (mode, forbidden) in [(0o440, 0o077), (0o404, 0o077), (0o404, 0o037), (0o460, 0o037)] {
            let error = with_mode(mode, forbidden).unwrap_err();
            assert!(error.contains("chmod 600") && !error.contains("secret"), "{error}");
        }
    }
}
