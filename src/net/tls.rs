//! TLS to a server that speaks no HTTP: whom to trust, who we are.

use std::path::Path;
use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::ExposeSecret;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::NetError;
use crate::secret::SecretRef;

/// Where whom to trust and who we are stands.
#[derive(Debug)]
pub struct Files<'s> {
    /// The authorities to trust, in place of those of the system.
    pub ca_file: Option<&'s Path>,
    /// Our certificate, and what leads to its authority.
    pub certificate_file: Option<&'s Path>,
    /// The key of our certificate.
    pub key: Option<&'s SecretRef>,
}

/// Reads what is needed to connect. `folder` is what relative paths start from.
///
/// # Errors
/// As [`config`].
pub fn connector(files: &Files<'_>, folder: &Path) -> Result<TlsConnector, NetError> {
    Ok(TlsConnector::from(config(files, folder)?))
}

/// The same for a library that connects by itself.
///
/// # Errors
/// When a file or the key cannot be read, or there is no authority to trust.
pub fn config(files: &Files<'_>, folder: &Path) -> Result<Arc<ClientConfig>, NetError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |e: &dyn std::fmt::Display| NetError(format!("TLS cannot be set up: {e}"));
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(&e))?;
    let trusting = match files.ca_file {
        None => versions.with_platform_verifier().map_err(|e| {
            NetError(format!("no authority to trust: {e}; install ca-certificates, or name one in `ca_file`"))
        })?,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("ca_file", &folder.join(path))? {
                roots.add(certificate).map_err(|e| NetError(format!("ca_file: {}: {e}", path.display())))?;
            }
            versions.with_root_certificates(roots)
        }
    };
    let config = match (files.certificate_file, files.key) {
        (None, None) => trusting.with_no_client_auth(),
        (Some(path), Some(key)) => {
            let chain = certificates("certificate_file", &folder.join(path))?;
            let secret = key.fetch(folder).map_err(|e| NetError(format!("key: {e}")))?;
            // What the reader of PEM says shows nothing of the key.
            let key = PrivateKeyDer::from_pem_slice(secret.expose_secret().as_bytes())
                .map_err(|e| NetError(format!("key: {key}: no key in PEM: {e}")))?;
            trusting
                .with_client_auth_cert(chain, key)
                .map_err(|e| NetError(format!("certificate_file and key do not fit: {e}")))?
        }
        (Some(_), None) => {
            return Err(NetError("certificate_file needs `key`, where its key is".to_owned()));
        }
        (None, Some(_)) => return Err(NetError("key needs `certificate_file`, whose key it is".to_owned())),
    };
    Ok(Arc::new(config))
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let at = |e: &dyn std::fmt::Display| NetError(format!("{setting}: {}: {e}", path.display()));
    let pem = std::fs::read(path).map_err(|e| at(&e))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let read = read.map_err(|e| at(&e))?;
    if read.is_empty() {
        return Err(at(&"no certificate in it; expected PEM, which begins with -----BEGIN CERTIFICATE-----"));
    }
    Ok(read)
}
