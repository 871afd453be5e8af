//! Where a store on a server is, and how it is reached: what may stand in its address, and what must not.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::{Result, StoreError};
use crate::net::tls;

/// After how long a connection on which nothing is heard is tried, how often, and how many times.
const QUIET: Duration = Duration::from_secs(10);
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 2;

/// A database on a PostgreSQL server. What is shown of it holds no password.
#[derive(Clone)]
pub struct Server {
    config: Config,
    shown: String,
    encrypted: bool,
    /// The authorities to trust, in place of those of the system.
    ca_file: Option<PathBuf>,
    /// As which of those who share the database.
    member: Option<String>,
    /// The term of leadership in which alone changes hold.
    term: Option<u64>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}

/// Whether a place is the address of a server.
#[must_use]
pub fn is_address(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://")
}

fn is_own(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

impl Server {
    /// Reads `postgres://USER@HOST/DATABASE`. The password stands elsewhere.
    ///
    /// # Errors
    /// When it cannot be read, holds a password, or asks for TLS that proves nothing.
    pub fn new(address: &str, password: Option<&SecretString>, ca_file: Option<PathBuf>) -> Result<Self> {
        // The address may hold a password, so no error shows it.
        let wrong = |why: &str| {
            StoreError::Other(format!("`url`: {why}; expected postgres://USER@HOST:PORT/DATABASE"))
        };
        let (before, query) = address.split_once('?').unwrap_or((address, ""));
        let mut mode = None;
        let mut kept = vec![];
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("sslmode", "verify-full" | "disable")) => mode = part.split_once('=').map(|(_, m)| m),
                Some(("sslmode", _)) => {
                    return Err(wrong(
                        "`sslmode` is `verify-full`, or `disable`: nothing between proves who answers",
                    ));
                }
                Some(("password" | "sslrootcert", _)) => {
                    return Err(wrong(
                        "say where the password and the authority are in `password` and `ca_file`",
                    ));
                }
                _ => kept.push(part),
            }
        }
        let plain = if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) };
        let mut config = Config::from_str(&plain).map_err(|_| wrong("it cannot be read"))?;
        if config.get_password().is_some() {
            return Err(wrong("it holds a password; say in `password` where that is, such as `file:…`"));
        }
        if config.get_user().is_none() {
            return Err(wrong("it names no user"));
        }
        let Some(database) = config.get_dbname().map(str::to_owned) else {
            return Err(wrong("it names no database"));
        };
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        let own = config.get_hosts().iter().all(is_own);
        let sockets = !config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        let encrypted = match mode {
            Some("disable") => false,
            Some(_) => true,
            None => !own,
        } && !sockets;
        if !encrypted && !own {
            tracing::warn!("`sslmode=disable`: what is remembered goes over the network for all to read");
        }
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        if let Some(password) = password {
            config.password(password.expose_secret());
        }
        config.application_name("counterfoil").connect_timeout(super::CONNECT);
        // A network that swallows everything shows by itself only after hours.
        config.keepalives_idle(QUIET).keepalives_interval(PROBE).keepalives_retries(PROBES);
        config.tcp_user_timeout(QUIET + PROBE * PROBES);
        let hosts: Vec<String> = config.get_hosts().iter().map(shown).collect();
        let ports: Vec<String> = config.get_ports().iter().map(|port| format!(":{port}")).collect();
        let shown = format!("postgres://{}{}/{database}", hosts.join(","), ports.join(","));
        Ok(Self { config, shown, encrypted, ca_file, member: None, term: None })
    }

    /// The same for one of those who share the database.
    #[must_use]
    pub(super) fn known_as(&self, member: &str) -> Self {
        let mut server = self.clone();
        server.config.application_name(format!("counterfoil {member}"));
        server.member = Some(member.to_owned());
        server
    }

    /// The same for whoever leads in this term: what is changed holds only as long as nobody else has taken over.
    #[must_use]
    pub fn led_in(&self, term: u64) -> Self {
        Self { term: Some(term), ..self.clone() }
    }

    pub(super) fn member(&self) -> Option<&str> {
        self.member.as_deref()
    }

    pub(super) fn term(&self) -> Option<u64> {
        self.term
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// How TLS is spoken, where it is.
    pub(super) fn tls(&self) -> Result<Option<MakeRustlsConnect>> {
        if !self.encrypted {
            return Ok(None);
        }
        let files = tls::Files { ca_file: self.ca_file.as_deref(), certificate_file: None, key: None };
        let config = tls::config(&files, std::path::Path::new("."));
        let config = config.map_err(|e| StoreError::Other(format!("{self}: {e}")))?;
        Ok(Some(MakeRustlsConnect::new((*config).clone())))
    }
}

fn shown(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_nothing_or_shows_a_password_is_refused() {
        let server = |address: &str| Server::new(address, None, None);
        for (address, said) in [
            ("postgres://me:canary@db/x", "holds a password"),
            ("postgres://me@db/x?password=canary", "`password`"),
            ("postgres://me@db/x?sslmode=require", "nothing between proves"),
            ("postgres://me@db/x?sslmode=prefer", "nothing between proves"),
            ("postgres://db/x", "names no user"),
            ("postgres://me@db", "names no database"),
            ("postgres://me@db:port/x", "cannot be read"),
        ] {
            let error = server(address).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("canary"), "{address}: {error}");
        }
        for (address, encrypted) in [
            ("postgres://me@db.example.com/x", true),
            ("postgres://me@localhost/x", false),
            ("postgres://me@127.0.0.1:5433/x", false),
            ("postgres://me@localhost/x?sslmode=verify-full", true),
            ("postgres://me@db.example.com/x?sslmode=disable", false),
            ("postgresql://me@%2Frun%2Fpostgresql/x", false),
            ("postgres://me@localhost,db.example.com/x", true),
        ] {
            assert_eq!(server(address).unwrap().encrypted, encrypted, "{address}");
        }
        let secret = SecretString::from("canary".to_owned());
        let server = Server::new("postgres://me@db:5433/x", Some(&secret), None).unwrap();
        assert_eq!(format!("{server} {server:?}"), "postgres://db:5433/x Server(postgres://db:5433/x)");
    }
}
