//! Signature Version 4 from the receiver's side, written after the AWS documentation (*Create a signed AWS API
//! request*), so that what signs is held against something else than itself.

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::wire::Request;

/// What is not encoded: the unreserved characters of RFC 3986.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The keys that a request has to be signed with.
#[derive(Debug, Clone)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub session: Option<String>,
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says what is wrong with the signature of a request.
pub fn verify(request: &Request, keys: &Keys, service: &str, region: &str) -> Result<(), String> {
    let said = request.header("authorization");
    let parts = said.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("not signed with AWS4-HMAC-SHA256")?;
    let part = |name: &str| {
        let found = parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| format!("the signature has no {name}"))
    };
    let (credential, signed, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let stamp = request.header("x-amz-date");
    let day = stamp.get(..8).ok_or("no x-amz-date")?;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    if credential != format!("{}/{scope}", keys.id) {
        return Err(format!("signed for `{credential}`, expected `KEY/{scope}`"));
    }
    if request.headers.get("x-amz-security-token") != keys.session.as_ref() {
        return Err("x-amz-security-token is not that of the session".to_owned());
    }
    let names: Vec<&str> = signed.split(';').collect();
    let must =
        ["host", "x-amz-date"].into_iter().chain(keys.session.is_some().then_some("x-amz-security-token"));
    for name in must {
        if !names.contains(&name) {
            return Err(format!("the header {name} is not signed"));
        }
    }
    // Each part of the path is encoded once more, except for S3.
    let path: Vec<String> =
        request.raw_path().split('/').map(|part| utf8_percent_encode(part, KEPT).to_string()).collect();
    let encode = |text: &str| utf8_percent_encode(text, KEPT).to_string();
    let mut query: Vec<String> =
        request.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    query.sort();
    let headers: String =
        names.iter().map(|name| format!("{name}:{}\n", request.header(name).trim())).collect();
    let body = counterfoil::connect::map::sha256(&request.body);
    let canonical =
        format!("{}\n{}\n{}\n{headers}\n{signed}\n{body}", request.method, path.join("/"), query.join("&"));
    let digest = counterfoil::connect::map::sha256(canonical.as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}");
    let key = mac(format!("AWS4{}", keys.secret).as_bytes(), day);
    let key = [region, service, "aws4_request"].iter().fold(key, |key, part| mac(&key, part));
    match hex(&mac(&key, &text)) == signature {
        true => Ok(()),
        false => Err(format!("the signature is wrong; signed should have been:\n{canonical}")),
    }
}
