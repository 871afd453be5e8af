//! `[source.postgres]`: where a server is, who one is there, and how long it may take.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Duration;
use crate::secret::SecretRef;

/// `[source.postgres]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// The name or address of the server; `socket` in its place where the server is on this machine.
    pub host: Option<String>,
    /// The folder of the server's socket, `/run/postgresql` say.
    pub socket: Option<PathBuf>,
    /// The port.
    pub port: u16,
    /// The database to connect to first.
    pub database: String,
    /// The role to be.
    pub user: String,
    /// Its password, where the server asks for one.
    pub password: Option<SecretRef>,
    /// `verify-full`: encrypted, and the server shows a certificate for its name. `off`: neither; on a network only with
    /// `allow_plain`.
    pub tls: Option<Tls>,
    /// A PEM file with the certificates of your own authority; then no other is trusted.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with our certificate, where the server asks for one; with `key`.
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate, PEM.
    pub key: Option<SecretRef>,
    /// The name in the server's certificate, where it is not `host`.
    pub server_name: Option<String>,
    /// Whether the server may be on this machine or in a private network. Link-local addresses and the metadata services of
    /// clouds are out of reach whatever this says.
    pub allow_private: bool,
    /// Whether `tls = "off"` is meant: that anyone on the way can read and change what is asked and answered.
    pub allow_plain: bool,
    /// The databases that are looked into, by name; or `all`: those that can be connected to.
    pub databases: Databases,
    /// How long one query may take to its next rows (ISO 8601).
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How long one pull may take (ISO 8601).
    #[schemars(with = "String")]
    pub deadline: Duration,
    /// How many rows are asked for at a time.
    pub page_size: u32,
    /// How many rows one pull may bring; what is beyond is not read, and the pull not complete.
    pub max_rows: u64,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// By TLS; the certificate must be of an authority that is trusted, and for the server's name.
    VerifyFull,
    /// Not at all.
    Off,
}

/// Which databases are looked into.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Databases {
    /// All that can be connected to.
    All(All),
    /// These.
    Named(Vec<String>),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// All of them.
    All,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            host: None,
            socket: None,
            port: 5432,
            database: "postgres".to_owned(),
            user: String::new(),
            password: None,
            tls: None,
            ca_file: None,
            certificate_file: None,
            key: None,
            server_name: None,
            allow_private: false,
            allow_plain: false,
            databases: Databases::All(All::All),
            timeout: Duration::minutes(5),
            deadline: Duration::hours(1),
            page_size: 1000,
            max_rows: 20_000_000,
        }
    }
}

impl Site {
    /// Whether what is said can be meant together.
    ///
    /// # Errors
    /// Which setting cannot, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let fail = |why: &str| Err(format!("[source.postgres]: {why}"));
        if self.user.is_empty() {
            return fail("`user` is missing: the role to be");
        }
        if self.port == 0 || self.page_size == 0 || self.max_rows == 0 {
            return fail("`port`, `page_size` and `max_rows` must be more than 0");
        }
        if self.databases == Databases::Named(Vec::new()) {
            return fail("`databases` is empty: expected names, or \"all\"");
        }
        match (&self.host, &self.socket) {
            (None, None) => return fail("expected `host`, or `socket` where the server is on this machine"),
            (Some(_), Some(_)) => return fail("`host` and `socket` are both given; take one of the two out"),
            (Some(host), None) if host.is_empty() || host.contains(['/', '@']) => {
                return fail("`host`: expected the name or address of a server, without user, port or path");
            }
            _ => {}
        }
        if self.encrypted() {
            return Ok(());
        }
        if self.socket.is_some() && self.tls == Some(Tls::VerifyFull) {
            return fail("`tls`: there is none on a socket; take it out");
        }
        if self.socket.is_none() && !self.allow_plain {
            return fail(
                "`tls = \"off\"` would let anyone on the way read and change everything; `allow_plain = true` says that it is meant",
            );
        }
        let given = [
            ("ca_file", self.ca_file.is_some()),
            ("certificate_file", self.certificate_file.is_some()),
            ("key", self.key.is_some()),
            ("server_name", self.server_name.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => fail(&format!("`{name}` says nothing without TLS; take it out")),
            None => Ok(()),
        }
    }

    /// Whether the connection is by TLS.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.socket.is_none() && self.tls != Some(Tls::Off)
    }

    /// How messages call the server.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.host, &self.socket) {
            (Some(host), _) if host.contains(':') && !host.starts_with('[') => {
                format!("[{host}]:{}", self.port)
            }
            (Some(host), _) => format!("{host}:{}", self.port),
            (None, Some(socket)) => format!("{}/.s.PGSQL.{}", socket.display(), self.port),
            (None, None) => "the server".to_owned(),
        }
    }

    /// The host as a resolver and a certificate know it: an IPv6 address without brackets.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        let host = self.host.as_deref().unwrap_or_default();
        host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        let site: Site = toml::from_str(text).unwrap();
        site.check()
    }

    #[test]
    fn what_cannot_be_meant_together_is_said() {
        for good in [
            "host = \"db.example.com\"",
            "host = \"db.example.com\"\ntls = \"off\"\nallow_plain = true\ndatabases = [\"crm\"]",
            "socket = \"/run/postgresql\"\ndatabases = \"all\"",
        ] {
            assert_eq!(checked(&format!("user = \"watch\"\n{good}")), Ok(()), "{good}");
        }
        assert!(checked("host = \"db\"").unwrap_err().contains("`user`"));
        for (bad, part) in [
            ("", "`host`"),
            ("host = \"db\"\nsocket = \"/run\"", "both"),
            ("host = \"postgres://db\"", "without user"),
            ("host = \"db\"\nport = 0", "more than 0"),
            ("host = \"db\"\ndatabases = []", "empty"),
            ("host = \"db\"\ntls = \"off\"", "allow_plain"),
            ("host = \"db\"\ntls = \"off\"\nallow_plain = true\nca_file = \"ca.pem\"", "`ca_file`"),
            ("socket = \"/run\"\ntls = \"verify-full\"", "there is none on a socket"),
            ("socket = \"/run\"\nkey = \"env:KEY\"", "`key`"),
        ] {
            let error = checked(&format!("user = \"watch\"\n{bad}")).unwrap_err();
            assert!(error.contains(part), "{bad}: {error}");
        }
        assert!(toml::from_str::<Site>("databases = \"some\"").is_err());
        assert!(toml::from_str::<Site>("tls = \"prefer\"").is_err(), "which protects from nobody");
    }

    #[test]
    fn an_address_is_shown_as_one_writes_it() {
        let site = |host: &str| Site { host: Some(host.to_owned()), ..Site::default() };
        assert_eq!(site("db").shown(), "db:5432");
        assert_eq!(site("::1").shown(), "[::1]:5432");
        assert_eq!(site("[::1]").shown(), "[::1]:5432");
        assert_eq!(site("[::1]").bare_host(), "::1");
    }
}
