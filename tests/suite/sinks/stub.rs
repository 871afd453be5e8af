//! A strict HTTP server for doubles of receivers: it fails in the ways of [`Fault`], and leaves to the [`Vendor`] what
//! its receiver's documentation says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio_rustls::rustls;

use super::contract::{Fault, Wire};

/// A request, as it came.
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value, String> {
        serde_json::from_slice(&self.body).map_err(|e| format!("no JSON: {e}"))
    }
}

/// An answer, and what was taken.
#[derive(Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub taken: Vec<String>,
}

impl Reply {
    /// An answer that takes nothing.
    pub fn of(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }
}

/// What a receiver's documentation says.
pub trait Vendor: Send + Sync + 'static {
    /// What it answers to a request, of which it finds the part with the key `refused` wrong.
    ///
    /// # Errors
    /// What of the request the documentation forbids: a mistake of the sink, which fails the test.
    fn answer(&self, request: &Request, refused: Option<&str>) -> Result<Reply, String>;

    /// Its answer where it fails, with one of the statuses 401, 413, 429 and 503.
    fn failure(&self, status: u16, request: &Request) -> Reply;

    /// Whether requests to this path are answered whatever fails otherwise.
    fn exempt(&self, _path: &str) -> bool {
        false
    }
}

#[derive(Default)]
struct Seen {
    fault: Option<Fault>,
    taken: Vec<String>,
    complaints: Vec<String>,
    requests: usize,
}

/// A running double.
pub struct Stub {
    port: u16,
    wire: Wire,
    folder: TempDir,
    seen: Arc<Mutex<Seen>>,
}

impl Stub {
    /// Starts it on a free port of the loopback. The thread ends with the tests.
    pub fn start(wire: Wire, vendor: impl Vendor) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = (wire != Wire::Plain).then(|| certified(folder.path()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (vendor, shared) = (Arc::new(vendor), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (vendor, seen, tls) = (vendor.clone(), shared.clone(), tls.clone());
                std::thread::spawn(move || {
                    let Ok(mut stream) = stream else { return };
                    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                    match tls {
                        None => serve(&mut stream, &*vendor, &seen),
                        Some(config) => secured(stream, config, &*vendor, &seen),
                    }
                });
            }
        });
        Self { port, wire, folder, seen }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let scheme = if self.wire == Wire::Plain { "http" } else { "https" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// The keys of the table `http` of a sink's settings.
    pub fn connection(&self) -> String {
        let ca = if self.wire == Wire::Trusted { "ca_file = \"ca.pem\"\n" } else { "" };
        format!("allow_private = true\ntimeout = \"PT3S\"\n{ca}")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a secret, which settings then name as `file:NAME`.
    pub fn secret(&self, name: &str, secret: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        format!("file:{name}")
    }

    pub fn inject(&self, fault: Option<Fault>) {
        self.seen.lock().unwrap().fault = fault;
    }

    pub fn taken(&self) -> Vec<String> {
        self.seen.lock().unwrap().taken.clone()
    }

    pub fn complaints(&self) -> Vec<String> {
        self.seen.lock().unwrap().complaints.clone()
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap().requests
    }
}

/// A certificate for `localhost`, in `ca.pem` for whoever trusts it.
fn certified(folder: &Path) -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("ca.pem"), made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

fn secured(
    mut stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    vendor: &dyn Vendor,
    seen: &Mutex<Seen>,
) {
    let mut session = rustls::ServerConnection::new(config).unwrap();
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    serve(&mut tls, vendor, seen);
    session.send_close_notify();
    while session.wants_write() && session.write_tls(&mut stream).is_ok() {}
}

/// Answers the requests of one connection, until it ends or a fault ends it.
fn serve(stream: &mut (impl Read + Write), vendor: &dyn Vendor, seen: &Mutex<Seen>) {
    while let Some(request) = read(stream) {
        let fault = {
            let mut seen = seen.lock().unwrap();
            seen.requests += 1;
            seen.fault.clone().filter(|_| !vendor.exempt(&request.path))
        };
        let mut cut = false;
        let reply = match fault {
            Some(Fault::Hang) => {
                let reply = vendor.answer(&request, None).unwrap_or_default();
                seen.lock().unwrap().taken.extend(reply.taken);
                return std::thread::sleep(Duration::from_secs(6));
            }
            Some(Fault::ResetAfterBody) => return,
            Some(Fault::OkThenReset) => {
                cut = true;
                vendor.answer(&request, None)
            }
            Some(Fault::TooManySeconds) => Ok(resting(vendor.failure(429, &request), "7".to_owned())),
            Some(Fault::TooManyDate) => {
                let date = u64::try_from(super::samples::now().unix_ms()).unwrap() / 1000 + 90;
                let date = std::time::UNIX_EPOCH + Duration::from_secs(date);
                Ok(resting(vendor.failure(429, &request), httpdate::fmt_http_date(date)))
            }
            Some(Fault::TooLarge) => Ok(vendor.failure(413, &request)),
            Some(Fault::ServerError) => Ok(vendor.failure(503, &request)),
            Some(Fault::Unauthorised) => Ok(vendor.failure(401, &request)),
            Some(Fault::Redirect) => {
                let mut reply = Reply::of(307, "");
                reply.headers.push(("location", format!("/elsewhere{}", request.path)));
                Ok(reply)
            }
            Some(Fault::Refused(key)) => vendor.answer(&request, Some(&key)),
            None => vendor.answer(&request, None),
        };
        let reply = reply.unwrap_or_else(|complaint| {
            seen.lock().unwrap().complaints.push(format!("{} {}: {complaint}", request.method, request.path));
            Reply::of(400, "the double of the receiver complains")
        });
        seen.lock().unwrap().taken.extend(reply.taken);
        let length = reply.body.len() + if cut { 100 } else { 0 };
        let mut head = format!("HTTP/1.1 {} Status\r\ncontent-length: {length}\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // No Content has no length either.
        let head = if reply.status == 204 { head.replace("content-length: 0\r\n", "") } else { head };
        if write!(stream, "{head}\r\n{}", reply.body).and_then(|()| stream.flush()).is_err() || cut {
            return;
        }
    }
}

fn resting(mut reply: Reply, retry_after: String) -> Reply {
    reply.headers.push(("retry-after", retry_after));
    reply
}

/// The next request; `None` when the connection ends or what comes is no request.
fn read(stream: &mut impl Read) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

/// Says that an object has a key that nobody knows, or lacks one that must be there.
pub fn keys_are(value: &serde_json::Value, must: &[&str], may: &[&str]) -> Result<(), String> {
    let object = value.as_object().ok_or_else(|| format!("no object: {value}"))?;
    for key in object.keys().map(String::as_str) {
        if !must.contains(&key) && !may.contains(&key) {
            return Err(format!("unknown field `{key}`"));
        }
    }
    match must.iter().find(|key| !object.contains_key(**key)) {
        Some(missing) => Err(format!("missing field `{missing}`")),
        None => Ok(()),
    }
}

/// The methods of [`Peer`](super::contract::Peer) that every double with a field `stub` has alike.
macro_rules! by_stub {
    () => {
        fn folder(&self) -> &std::path::Path {
            self.stub.folder()
        }

        fn inject(&self, fault: Option<Fault>) {
            self.stub.inject(fault);
        }

        fn taken(&self) -> Vec<String> {
            self.stub.taken()
        }

        fn complaints(&self) -> Vec<String> {
            self.stub.complaints()
        }
    };
}
pub(crate) use by_stub;
