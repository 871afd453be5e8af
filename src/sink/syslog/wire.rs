//! The way to the receiver: TCP or TLS, each step with a limit on time.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::super::SinkError;
use super::{Protocol, Settings};
use crate::net::{Guard, tls};

/// How many bytes are written in one step.
const CHUNK: usize = 64 * 1024;

/// A connection.
pub(super) trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// Where messages go.
pub(super) struct Receiver {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    patience: Duration,
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({self}, tls: {})", self.tls.is_some())
    }
}

impl Receiver {
    pub(super) fn of(settings: &Settings, folder: &Path) -> Result<Self, SinkError> {
        let usual = if settings.protocol == Protocol::Relp { 2514 } else { 6514 };
        let (host, port) = settings
            .address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((bare(host)?, port.parse().ok().filter(|port| *port > 0)?)))
            .ok_or_else(|| {
                SinkError(format!(
                    "address: `{}`; expected HOST:PORT, such as logs.example.com:{usual} or [2001:db8::1]:{usual}",
                    settings.address
                ))
            })?;
        let files = tls::Files {
            ca_file: settings.ca_file.as_deref(),
            certificate_file: settings.certificate_file.as_deref(),
            key: settings.key.as_ref(),
        };
        let tls = if settings.tls {
            let name = settings.server_name.as_deref().unwrap_or(host);
            let name = ServerName::try_from(name.to_owned()).map_err(|_| {
                SinkError(format!("server_name: `{name}`; expected the name or address of a host"))
            })?;
            Some((tls::connector(&files, folder)?, name))
        } else {
            let given = [
                ("ca_file", files.ca_file.is_some()),
                ("certificate_file", files.certificate_file.is_some()),
                ("key", files.key.is_some()),
                ("server_name", settings.server_name.is_some()),
            ];
            if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
                return Err(SinkError(format!(
                    "{name}: says nothing with `tls = false`; take one of the two out"
                )));
            }
            None
        };
        let patience = settings.timeout.map_or(10_000, |d| d.ms().unsigned_abs()).max(1);
        Ok(Self { host: host.to_owned(), port, tls, patience: Duration::from_millis(patience) })
    }

    /// Waits for one step, but not for ever.
    pub(super) async fn step<T>(
        &self,
        what: &str,
        doing: impl Future<Output = io::Result<T>>,
    ) -> Result<T, String> {
        match timeout(self.patience, doing).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(e)) => Err(format!("{what}: {e}")),
            Err(_) => Err(format!("{what}: no answer within {} s", self.patience.as_secs_f32())),
        }
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Box<dyn Pipe>, String> {
        // Collectors of logs stand in networks of their own; only where none can be is not gone to.
        let guard = Guard { allow_private: true };
        let found = async { guard.addresses(self.host.clone()).await.map_err(io::Error::other) };
        let mut addresses = self.step("cannot connect", found).await?;
        addresses.iter_mut().for_each(|address| address.set_port(self.port));
        let tcp = self.step("cannot connect", TcpStream::connect(addresses.as_slice())).await?;
        // What is written is whole messages already.
        let _ = tcp.set_nodelay(true);
        let Some((connector, name)) = &self.tls else { return Ok(Box::new(tcp)) };
        let tls = self.step("cannot agree on TLS", connector.connect(name.clone(), tcp)).await;
        Ok(Box::new(tls.map_err(|why| {
            if why.contains("UnknownIssuer") {
                format!("{why}; if the receiver's authority is not one of the system's, name it in `ca_file`")
            } else {
                why
            }
        })?))
    }

    /// Sends messages by plain syslog, and waits until the receiver has closed its side.
    pub(super) async fn deliver(&self, frames: &[Vec<u8>]) -> Result<(), String> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend_from_slice(format!("{} ", frame.len()).as_bytes());
            bytes.extend_from_slice(frame);
        }
        let mut pipe = self.connect().await?;
        for chunk in bytes.chunks(CHUNK) {
            self.step("cannot send", pipe.write_all(chunk)).await?;
        }
        self.step("cannot send", pipe.flush()).await?;
        self.close(&mut *pipe).await
    }

    /// Says that no more will come, and waits until the receiver says the same. If it had not read everything when it
    /// closed, the system tells us here.
    pub(super) async fn close(&self, pipe: &mut dyn Pipe) -> Result<(), String> {
        self.step("cannot end the connection", pipe.shutdown()).await?;
        let end = async {
            let mut ignored = [0; 1024];
            loop {
                match pipe.read(&mut ignored).await {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    // Some close without a word of TLS; that all was read follows from the missing reset.
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                    Err(e) => return Err(e),
                }
            }
        };
        self.step("the receiver did not end the connection in order, so what it has is not known", end).await
    }
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> Option<&str> {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!bare.is_empty() && !bare.contains(char::is_whitespace)).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_with_and_without_brackets() {
        assert_eq!(bare("logs.example.com"), Some("logs.example.com"));
        assert_eq!(bare("[::1]"), Some("::1"));
        assert_eq!((bare("::1"), bare("[::1"), bare(""), bare("a b")), (None, None, None, None));
    }
}
