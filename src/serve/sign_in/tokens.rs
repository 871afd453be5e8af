//! Bearer tokens: who shows one is who the configuration says.
//!
//! Only their SHA-256 is held, and a token is found by that: how long it takes says nothing about how much of a guess was
//! right.

use std::collections::HashMap;
use std::path::Path;

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Caller, Role};
use crate::secret::SecretRef;

/// How short a token may be, in bytes: nobody shall find one by trying.
const MIN_TOKEN: usize = 20;

/// `[[serve.token]]`: somebody who shows a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Who that is, as the evidence log names it: a person or a program, never several.
    pub name: String,
    /// Where the token is: at least 20 characters that nobody can guess, such as `openssl rand -base64 32` gives.
    #[schemars(with = "String")]
    pub secret: SecretRef,
    /// What that one may do.
    pub roles: Vec<Role>,
}

/// Whose tokens are known.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    by_hash: HashMap<[u8; 32], Caller>,
}

impl Tokens {
    /// Fetches the tokens. `folder` is what a relative `file:` starts from.
    ///
    /// # Errors
    /// When a secret cannot be had, is short, or is that of another; when an entry has no name or no role.
    pub fn fetch(entries: &[TokenEntry], folder: &Path) -> Result<Self, String> {
        let mut by_hash = HashMap::new();
        for entry in entries {
            let fail = |why: String| format!("[[serve.token]] `{}`: {why}", entry.name);
            if entry.name.trim().is_empty() {
                return Err(
                    "[[serve.token]]: `name` is empty; the evidence log names who did something".to_owned()
                );
            }
            if entry.roles.is_empty() {
                return Err(fail("`roles` is empty: it could do nothing".to_owned()));
            }
            let secret = entry.secret.fetch(folder).map_err(|e| fail(e.to_string()))?;
            let text = secret.expose_secret();
            if text.len() < MIN_TOKEN {
                return Err(fail(format!(
                    "the token has fewer than {MIN_TOKEN} characters; `openssl rand -base64 32` makes a good one"
                )));
            }
            let caller = Caller { name: Some(entry.name.clone()), roles: entry.roles.clone(), csrf: None };
            if by_hash.insert(hash(text), caller).is_some() {
                return Err(fail(
                    "another entry has the same token; nobody could tell them apart".to_owned(),
                ));
            }
        }
        Ok(Self { by_hash })
    }

    /// Whose token this is.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&Caller> {
        self.by_hash.get(&hash(token))
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
