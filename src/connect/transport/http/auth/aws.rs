//! A signature over the whole request: AWS Signature Version 4.

use std::time::{Duration as Wait, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Request, Url};
use secrecy::{ExposeSecret, SecretString};

use super::oauth::form;
use super::{AuthError, Signing};
use crate::model::Instant;

/// What stays as it is in a path: what is unreserved, what is encoded already, and what parts it.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'%');

/// What a signature adds.
const ADDED: [&str; 3] = ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];

/// Keys.
#[derive(Clone)]
pub(super) struct Keys {
    /// The id of the access key.
    pub(super) id: SecretString,
    /// The access key.
    pub(super) secret: SecretString,
    /// The session token of keys that end.
    pub(super) session: Option<SecretString>,
}

impl Keys {
    /// Each by itself.
    pub(super) fn each(&self) -> Vec<SecretString> {
        [&self.id, &self.secret].into_iter().chain(&self.session).cloned().collect()
    }

    /// All in one text. What keeps secrets out of messages takes what is between blanks for a secret of its own.
    pub(super) fn all(&self) -> SecretString {
        let each = self.each();
        let each: Vec<&str> = each.iter().map(ExposeSecret::expose_secret).collect();
        SecretString::from(each.join(" "))
    }
}

/// Signs a request for a service in a region. What an earlier signature added gives way.
pub(super) fn sign(
    request: &mut Request,
    keys: &Keys,
    base: &Signing<'_>,
    now: Instant,
) -> Result<(), AuthError> {
    let missing =
        |what: &str| AuthError::Refused(format!("the connector does not say the {what} to sign for"));
    let service = base.service.ok_or_else(|| missing("`service`"))?;
    let region = base.region.ok_or_else(|| missing("`region`"))?;
    signed(request, keys, service, region, now).map_err(|why| {
        AuthError::Refused(format!("the request cannot be signed: {why}; check the keys and the address"))
    })
}

fn signed(
    request: &mut Request,
    keys: &Keys,
    service: &str,
    region: &str,
    now: Instant,
) -> Result<(), String> {
    plain(request.url_mut());
    for name in ADDED.map(HeaderName::from_static).into_iter().chain([AUTHORIZATION]) {
        request.headers_mut().remove(name);
    }
    let body = match request.body() {
        None => &[][..],
        Some(body) => body.as_bytes().ok_or("its body is not there as a whole")?,
    };
    let headers =
        request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.url().as_str(),
        headers,
        SignableBody::Bytes(body),
    );
    let session = keys.session.as_ref().map(|token| token.expose_secret().to_owned());
    let (id, secret) = (keys.id.expose_secret(), keys.secret.expose_secret());
    let identity = Credentials::new(id, secret, session, None, "counterfoil").into();
    let mut settings = SigningSettings::default();
    if service == "s3" {
        // S3 alone takes a path as it is, and wants to see the hash of the body.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time(now))
        .settings(settings)
        .build()
        .map_err(|e| e.to_string())?
        .into();
    // What cannot be signed is told by what kind it is, without its text.
    let signable = signable.map_err(|e| e.to_string())?;
    let signed = aws_sigv4::http_request::sign(signable, &params).map_err(|e| e.to_string())?;
    let (instructions, _) = signed.into_parts();
    for header in instructions.into_parts().0 {
        let name = HeaderName::from_bytes(header.name().as_bytes()).map_err(|e| e.to_string())?;
        let mut value = HeaderValue::from_str(header.value()).map_err(|e| e.to_string())?;
        value.set_sensitive(header.sensitive() || name == AUTHORIZATION);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

fn time(now: Instant) -> SystemTime {
    UNIX_EPOCH + Wait::from_millis(u64::try_from(now.unix_ms()).unwrap_or_default())
}

/// Writes an address the one way in which both sides write it for the signature, so that it does not matter how the service
/// reads a `+` or a `:`.
fn plain(url: &mut Url) {
    let path = utf8_percent_encode(url.path(), PATH).to_string();
    url.set_path(&path);
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        url.set_query(Some(&form(&pairs)));
    }
}
