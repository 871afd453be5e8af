//! The connection to a directory: TCP to an address that was looked at, TLS, messages out and in; each wait has an end, and
//! whoever watches is told every half second that it goes on.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration as Wait, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Site;
use super::ber;
use super::message::{self, Answer, What};
use crate::connect::transport::{Doing, Watch};
use crate::net::{Guard, Hidden, tls};

/// How often whoever watches is told.
const TICK: Wait = Wait::from_millis(500);
/// Bytes that one message may have: a group of about a million members in one piece. The memory is taken only as they come.
const MAX_MESSAGE: usize = 128 << 20;
/// Room made before each read, in bytes.
const READ: usize = 64 << 10;

/// Why it does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// Whoever watches said so.
    BrokenOff,
    /// The time for the whole pull is up.
    Deadline,
    /// Something failed.
    Failed(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenOff => f.write_str("broken off"),
            Self::Deadline => f.write_str("the time for the whole pull is up (`deadline`)"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Waits for something, but not for ever.
pub(super) struct Patience<'w> {
    watch: &'w Watch<'w>,
    /// For one step.
    each: Wait,
    /// For all of them.
    end: Instant,
    told: Cell<Instant>,
}

impl<'w> Patience<'w> {
    /// From now on.
    pub(super) fn new(watch: &'w Watch<'w>, site: &Site) -> Self {
        let now = Instant::now();
        let whole = Wait::from_millis(site.deadline.ms().unsigned_abs());
        // A deadline so far away that no clock can tell it is as good as a year.
        let end = now.checked_add(whole).unwrap_or_else(|| now + Wait::from_secs(31_536_000));
        let each = Wait::from_millis(site.timeout.ms().unsigned_abs());
        Self { watch, each, end, told: Cell::new(now) }
    }

    /// Says that it goes on, if that was not said lately.
    fn look(&self) -> Result<(), Lost> {
        let now = Instant::now();
        // Whoever is told something all the time has no more time for that.
        if now >= self.end {
            return Err(Lost::Deadline);
        }
        if now.duration_since(self.told.get()) < TICK { Ok(()) } else { self.tell(&Doing::Busy) }
    }

    /// Says what goes on.
    pub(super) fn tell(&self, doing: &Doing<'_>) -> Result<(), Lost> {
        self.told.set(Instant::now());
        if (self.watch)(doing) { Err(Lost::BrokenOff) } else { Ok(()) }
    }

    /// Waits for one step.
    async fn step<T>(&self, what: &str, doing: impl Future<Output = io::Result<T>>) -> Result<T, Lost> {
        let mut doing = pin!(doing);
        let begun = Instant::now();
        loop {
            self.look()?;
            match timeout(TICK, &mut doing).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(e)) => return Err(Lost::Failed(format!("{what}: {e}"))),
                Err(_) if begun.elapsed() >= self.each => {
                    let seconds = self.each.as_secs_f32();
                    return Err(Lost::Failed(format!("{what}: no answer within {seconds} s (`timeout`)")));
                }
                Err(_) => {}
            }
        }
    }
}

trait Pipe: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Pipe for T {}

/// A connection.
pub(super) struct Wire<'w> {
    /// How long it waits.
    pub(super) patience: Patience<'w>,
    /// Bytes that came so far.
    pub(super) came: u64,
    /// What is kept out of all that is said.
    hidden: Hidden,
    pipe: Box<dyn Pipe>,
    buffer: Vec<u8>,
    /// Where in the buffer the next message begins.
    start: usize,
    last: i64,
}

/// Where a site is: host, port, and whether TLS comes before all else.
pub(super) struct Place<'s> {
    host: &'s str,
    port: u16,
    secure: bool,
}

impl<'s> Place<'s> {
    /// Reads `ldaps://host:636`.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn read(url: &'s str) -> Result<Self, String> {
        let expected = "`url`: expected ldaps://HOST or ldap://HOST, with :PORT where it is not 636 or 389";
        let (scheme, rest) = url.split_once("://").ok_or(expected)?;
        let secure = match scheme {
            "ldaps" => true,
            "ldap" => false,
            _ => return Err(expected.to_owned()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err("`url`: a name or password does not belong in it; say them in `bind`".to_owned());
        }
        if rest.contains(['/', '?', '#', ' ']) {
            return Err(format!("{expected}; what is searched stands in the settings"));
        }
        let usual = if secure { 636 } else { 389 };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            },
        };
        let port = match port {
            Some("") => Some(usual),
            Some(port) => port.parse().ok().filter(|port| *port > 0),
            None => None,
        };
        match port {
            Some(port) if !host.is_empty() => Ok(Self { host, port, secure }),
            _ => Err(expected.to_owned()),
        }
    }
}

impl<'w> Wire<'w> {
    /// Connects, and agrees on TLS where the site says so.
    pub(super) async fn open(
        site: &Site,
        folder: &Path,
        hidden: Hidden,
        patience: Patience<'w>,
    ) -> Result<Wire<'w>, Lost> {
        let place = Place::read(&site.url).map_err(Lost::Failed)?;
        site.check(place.secure).map_err(Lost::Failed)?;
        let secure = if place.secure || site.start_tls { Some(agree(site, &place, folder)?) } else { None };
        let guard = Guard { allow_private: site.allow_private };
        let host = place.host.to_owned();
        let found = async { guard.addresses(host).await.map_err(io::Error::other) };
        let mut addresses = patience.step(&format!("`{}` cannot be found", place.host), found).await?;
        addresses.iter_mut().for_each(|address| address.set_port(place.port));
        let shown = format!("{}:{}", place.host, place.port);
        let connecting = TcpStream::connect(addresses.as_slice());
        let tcp = patience.step(&format!("cannot connect to {shown}"), connecting).await?;
        // What is written is whole messages.
        let _ = tcp.set_nodelay(true);
        let pipe: Box<dyn Pipe> = Box::new(tcp);
        let mut wire = Self { patience, came: 0, hidden, pipe, buffer: Vec::new(), start: 0, last: 0 };
        if let Some((connector, name)) = secure {
            if site.start_tls {
                wire.start_tls().await?;
            }
            wire.secure(&connector, name, &shown).await?;
        }
        Ok(wire)
    }

    /// Asks the server to go on in TLS.
    async fn start_tls(&mut self) -> Result<(), Lost> {
        let id = self.number();
        self.send(&message::start_tls(id)).await?;
        match self.answer(id).await? {
            What::Extended(outcome) if outcome.code == 0 => {}
            What::Extended(outcome) => {
                let said = self.hidden.safe(&outcome.said, None);
                return Err(Lost::Failed(format!("`start_tls` was refused ({}): {said}", outcome.code)));
            }
            _ => return Err(malformed()),
        }
        // What was sent before TLS was sent by anyone.
        if self.start < self.buffer.len() {
            return Err(Lost::Failed("the server sent more before TLS than it was asked".to_owned()));
        }
        Ok(())
    }

    async fn secure(
        &mut self,
        connector: &TlsConnector,
        name: ServerName<'static>,
        shown: &str,
    ) -> Result<(), Lost> {
        let plain = std::mem::replace(&mut self.pipe, Box::new(tokio::io::empty()));
        let agreeing = connector.connect(name, plain);
        let tls = self.patience.step(&format!("cannot agree on TLS with {shown}"), agreeing).await;
        self.pipe = Box::new(tls.map_err(|lost| match lost {
            Lost::Failed(why) if why.contains("UnknownIssuer") => Lost::Failed(format!(
                "{why}; if its authority is not one of the system's, name it in `ca_file`"
            )),
            lost => lost,
        })?);
        Ok(())
    }

    /// A number for the next message.
    pub(super) fn number(&mut self) -> i64 {
        self.last = if self.last >= i64::from(i32::MAX) { 1 } else { self.last + 1 };
        self.last
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), Lost> {
        let sending = async {
            self.pipe.write_all(message).await?;
            self.pipe.flush().await
        };
        self.patience.step("cannot send", sending).await
    }

    /// The next answer to a message.
    pub(super) async fn answer(&mut self, id: i64) -> Result<What, Lost> {
        let Answer { id: of, what } = self.next().await?;
        match what {
            what if of == id => Ok(what),
            // Unasked a server says only that it hangs up.
            What::Extended(outcome) if of == 0 => {
                let said = self.hidden.safe(&outcome.said, None);
                Err(Lost::Failed(format!("the server ended the connection ({}): {said}", outcome.code)))
            }
            _ => Err(Lost::Failed("the server answers what was not asked".to_owned())),
        }
    }

    async fn next(&mut self) -> Result<Answer, Lost> {
        loop {
            self.patience.look()?;
            let here = self.buffer.get(self.start..).unwrap_or_default();
            // What begins otherwise is not waited for: a web server says little and then nothing.
            if here.first().is_some_and(|tag| *tag != ber::SEQUENCE) {
                return Err(malformed());
            }
            if let Some((head, length)) = ber::length(here).map_err(|_| malformed())? {
                if length > MAX_MESSAGE {
                    let most = MAX_MESSAGE >> 20;
                    return Err(Lost::Failed(format!("the server sends more than {most} MiB in one piece")));
                }
                if let Some(whole) = here.get(..head + length) {
                    let answer = message::read(whole).map_err(|_| malformed())?;
                    self.start += head + length;
                    return Ok(answer);
                }
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.reserve(READ);
            let reading = self.pipe.read_buf(&mut self.buffer);
            match self.patience.step("the connection broke", reading).await? {
                0 => return Err(Lost::Failed("the connection broke: the server hung up".to_owned())),
                more => self.came += more as u64,
            }
        }
    }

    /// Says goodbye, as far as the server still listens.
    pub(super) async fn close(mut self) {
        let id = self.number();
        let goodbye = message::unbind(id);
        let leaving = async {
            self.pipe.write_all(&goodbye).await?;
            self.pipe.shutdown().await
        };
        let _ = timeout(TICK, leaving).await;
    }
}

fn malformed() -> Lost {
    Lost::Failed(format!("{}; is it a directory that answers there?", ber::Malformed))
}

/// What TLS needs: whom to trust, and the name the server must have.
fn agree(site: &Site, place: &Place<'_>, folder: &Path) -> Result<(TlsConnector, ServerName<'static>), Lost> {
    let files = tls::Files {
        ca_file: site.ca_file.as_deref(),
        certificate_file: site.certificate_file.as_deref(),
        key: site.key.as_ref(),
    };
    let name = site.server_name.as_deref().unwrap_or(place.host);
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| Lost::Failed(format!("`{name}`: expected the name or address of a host")))?;
    let connector = tls::connector(&files, folder).map_err(|e| Lost::Failed(e.to_string()))?;
    Ok((connector, server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_up_also_for_whoever_is_told_something_all_the_time() {
        let (watch, now): (&Watch<'_>, _) = (&|_: &Doing<'_>| false, Instant::now());
        let hour = Wait::from_secs(3600);
        let mut patience = Patience { watch, each: hour, end: now + hour, told: Cell::new(now) };
        assert!(patience.look().is_ok());
        patience.end = now;
        assert!(patience.tell(&Doing::Busy).is_ok());
        assert!(matches!(patience.look(), Err(Lost::Deadline)));
    }

    #[test]
    fn addresses_are_read_or_refused() {
        for (url, host, port, secure) in [
            ("ldaps://dc1.corp.example", "dc1.corp.example", 636, true),
            ("ldap://dc1.corp.example/", "dc1.corp.example", 389, false),
            ("ldaps://dc1.corp.example:3269", "dc1.corp.example", 3269, true),
            ("ldap://[2001:db8::1]", "2001:db8::1", 389, false),
            ("ldap://[2001:db8::1]:10389", "2001:db8::1", 10389, false),
        ] {
            let place = Place::read(url).unwrap_or_else(|e| panic!("{url}: {e}"));
            assert_eq!((place.host, place.port, place.secure), (host, port, secure), "{url}");
        }
        for url in [
            "dc1.corp.example",
            "https://dc1.corp.example",
            "ldap://",
            "ldap://:389",
            "ldap://dc1:0",
            "ldap://dc1:65536",
            "ldap://dc1:ldap",
            "ldap://[::1",
            "ldap://[::1]389",
            "ldap://user:secret@dc1",
            "ldap://dc1/dc=corp??sub",
        ] {
            let why = Place::read(url).err().unwrap_or_else(|| panic!("{url} was read"));
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
