//! AWS Signature Version 4 as the one who checks it works it out, from the request as it came over the wire.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest, Sha256};

use crate::sinks::stub::Request;

/// What a signature should be made with.
pub struct Expected<'a> {
    pub id: &'a str,
    pub secret: &'a str,
    pub session: Option<&'a str>,
    pub service: &'a str,
    pub region: &'a str,
    /// `20260601T120000Z`
    pub time: &'a str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A path as all services but S3 take it: without empty parts, and encoded once more.
fn canonical(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let mut path = path.to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Whether this is written as a signature wants it: nothing that two could read differently.
fn strict(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%/".contains(&b))
}

impl Expected<'_> {
    /// The signature of a request must be the one that it should have, and cover what it must.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, request: &Request) -> Result<(), String> {
        let day = &self.time[..8];
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let start = format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=", self.id);
        let header = request.header("authorization");
        let rest =
            header.strip_prefix(&start).ok_or_else(|| format!("`{header}` does not start with `{start}`"))?;
        let (names, signature) = rest.split_once(", Signature=").ok_or("no signature")?;
        let names: Vec<&str> = names.split(';').collect();
        if !names.is_sorted() {
            return Err(format!("{names:?} are not in order"));
        }
        let hash = hex(&Sha256::digest(&request.body));
        for (name, value) in [
            ("x-amz-date", Some(self.time)),
            ("x-amz-security-token", self.session),
            ("x-amz-content-sha256", (self.service == "s3").then_some(hash.as_str())),
        ] {
            if request.headers.get(name).map(String::as_str) != value
                || names.contains(&name) != value.is_some()
            {
                return Err(format!("`{name}` is `{}`", request.header(name)));
            }
        }
        let covered = |name: &&str| {
            *name == "host"
                || *name == "content-type"
                || (name.starts_with("x-amz-") && *name != "x-amz-date")
        };
        let mut there = request.headers.keys().map(String::as_str).filter(covered);
        if let Some(open) = there.find(|name| !names.contains(name)) {
            return Err(format!("`{open}` is not covered"));
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        let pair =
            |pair: &&str| pair.split_once('=').is_some_and(|(name, value)| strict(name) && strict(value));
        if !strict(path) || !pairs.iter().all(pair) {
            return Err("the address may be read in two ways".to_owned());
        }
        pairs.sort_unstable();
        let path = if self.service == "s3" { path.to_owned() } else { canonical(path) };
        let headers: String = names.iter().map(|name| format!("{name}:{}\n", request.header(name))).collect();
        let canonical = [&request.method, &path, &pairs.join("&"), &headers, &names.join(";"), &hash]
            .map(String::as_str)
            .join("\n");
        let canonical = hex(&Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{canonical}", self.time);
        let key = hmac(format!("AWS4{}", self.secret).as_bytes(), day);
        let key = hmac(&hmac(&hmac(&key, self.region), self.service), "aws4_request");
        let expected = hex(&hmac(&key, &text));
        if signature == expected {
            Ok(())
        } else {
            Err(format!("the signature is {signature}, not {expected}"))
        }
    }
}
