//! `[evidence]`: with which key checkpoints are signed, and which keys are known.

use std::path::Path;

use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::note::{Signer, Verifier};
use crate::secret::SecretRef;

/// `[evidence]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// Where the private key is that signs checkpoints; `counterfoil evidence keygen` makes one. The key's name is the name of
    /// the log. Without it checkpoints are kept, but neither signed nor told to sinks.
    #[schemars(with = "Option<String>")]
    pub key: Option<SecretRef>,
    /// Public keys (NAME+ID+KEY) that signed earlier checkpoints, or will sign the next ones.
    pub verifiers: Vec<String>,
}

impl Evidence {
    /// The private key, where there is one. `folder` is what a relative `file:` starts from.
    ///
    /// # Errors
    /// When it cannot be had, or is none.
    pub fn signer(&self, folder: &Path) -> Result<Option<Signer>, String> {
        let Some(key) = &self.key else { return Ok(None) };
        let text = key.fetch(folder).map_err(|e| format!("[evidence] key: {e}"))?;
        Signer::parse(text.expose_secret()).map(Some).map_err(|e| format!("[evidence] key: {key}: {e}"))
    }

    /// The public keys that are written down.
    ///
    /// # Errors
    /// When one is none.
    pub fn verifiers(&self) -> Result<Vec<Verifier>, String> {
        let parsed = self.verifiers.iter().enumerate();
        let wrong = |n: usize, e| format!("[evidence] verifiers: number {}: {e}", n + 1);
        parsed.map(|(n, text)| Verifier::parse(text).map_err(|e| wrong(n, e))).collect()
    }
}
