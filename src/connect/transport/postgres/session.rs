//! A connection to one database: how it is reached, what is set before anything is asked, and what went wrong in words
//! that say what to do.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration as Wait, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::bound::{Bounded, Bounding};
use super::site::Site;
use crate::connect::error::PullError;
use crate::connect::transport::{Ask, Doing, Watch};
use crate::net::{Guard, Hidden, tls};

/// How often whoever watches is told that we still wait.
const TICK: Wait = Wait::from_millis(500);

/// How long a connection may take until the server lets us in or not.
const CONNECT: Wait = Wait::from_secs(30);

/// How much longer than the server allows itself we wait for an answer, before we take it for lost.
const GRACE: Wait = Wait::from_secs(15);

/// A connection over whatever it goes.
trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was broken off from outside.
    Stopped,
    /// The time for the whole pull is up.
    Late,
    /// There are more rows than the site allows.
    Full,
    /// The connection is no more, or there never was one; the server as such may be gone.
    Lost(String),
    /// The server answered that it will not.
    Refused(Refusal),
    /// Rows could not be set aside.
    Disk(io::Error),
}

/// What a server said when it would not.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Its code.
    pub code: SqlState,
    /// Its words, fit to be told.
    pub said: String,
}

/// Patience: how long one waits, and who may end it.
pub(super) struct Patience<'a> {
    watch: &'a Watch<'a>,
    end: Instant,
}

impl<'a> Patience<'a> {
    /// For a pull that begins now.
    pub fn new(watch: &'a Watch<'a>, deadline: Wait) -> Self {
        let now = Instant::now();
        Self { watch, end: now.checked_add(deadline).unwrap_or(now) }
    }

    /// Tells what goes on.
    pub fn tell(&self, doing: &Doing<'_>) -> Result<(), Trouble> {
        if (self.watch)(doing) {
            Err(Trouble::Stopped)
        } else if Instant::now() >= self.end {
            Err(Trouble::Late)
        } else {
            Ok(())
        }
    }

    /// Waits for something, at most so long.
    pub async fn wait<T>(&self, limit: Wait, work: impl Future<Output = T>) -> Result<T, Trouble> {
        let mut work = pin!(work);
        let begun = Instant::now();
        loop {
            if let Ok(done) = timeout(TICK, work.as_mut()).await {
                return Ok(done);
            }
            self.tell(&Doing::Busy)?;
            if begun.elapsed() >= limit {
                return Err(Trouble::Lost(format!("no answer within {} s", limit.as_secs())));
            }
        }
    }
}

/// What is needed to connect, read once.
pub(super) struct Door<'a> {
    site: &'a Site,
    patience: &'a Patience<'a>,
    password: Option<SecretString>,
    tls: Option<MakeRustlsConnect>,
    hidden: Hidden,
}

/// A connection that was let in.
pub(super) struct Session {
    /// To ask with.
    pub client: Client,
    /// The version of the server, `150018` for 15.18.
    pub version: u32,
    /// What carries the connection, until it has ended.
    task: Option<JoinHandle<Result<(), Error>>>,
}

impl<'a> Door<'a> {
    /// Reads secrets and certificates.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(ask: &Ask<'_>, site: &'a Site, patience: &'a Patience<'a>) -> Result<Self, PullError> {
        let fail = |e: &dyn std::fmt::Display| PullError::Setting(format!("[source.postgres]: {e}"));
        let folder: &Path = ask.folder;
        let password = site.password.as_ref().map(|p| p.fetch(folder)).transpose();
        let password = password.map_err(|e| fail(&format_args!("password: {e}")))?;
        let files = tls::Files {
            ca_file: site.ca_file.as_deref(),
            certificate_file: site.certificate_file.as_deref(),
            key: site.key.as_ref(),
        };
        let tls = match site.encrypted() {
            true => {
                let config = tls::config(&files, folder).map_err(|e| fail(&e))?;
                Some(MakeRustlsConnect::new((*config).clone()))
            }
            false => None,
        };
        let hidden = Hidden::new(&password.iter().cloned().collect::<Vec<_>>());
        Ok(Self { site, patience, password, tls, hidden })
    }

    /// Connects to a database, and sets what holds for everything asked there.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let us in.
    pub async fn open(&self, database: &str) -> Result<Session, Trouble> {
        let pipe = self.patience.wait(CONNECT, self.reach()).await?.map_err(Trouble::Lost)?;
        let mut config = Config::new();
        config.user(&self.site.user).dbname(database).application_name("counterfoil");
        if let Some(password) = &self.password {
            config.password(password.expose_secret());
        }
        let entered = self.patience.wait(CONNECT, self.enter(pipe, &mut config)).await?;
        let (client, task) = entered.map_err(|e| self.trouble(&e))?;
        let mut session = Session { client, version: 0, task: Some(task) };
        let set = self.patience.wait(self.patiently(), self.set_up(&mut session)).await?;
        match set {
            Ok(()) => Ok(session),
            Err(e) => Err(self.trouble_in(&mut session, &e).await),
        }
    }

    /// How long one answer may take.
    pub fn patiently(&self) -> Wait {
        self.allowed().saturating_add(GRACE)
    }

    /// How long the server may take over it.
    fn allowed(&self) -> Wait {
        Wait::from_millis(self.site.timeout.ms().unsigned_abs().clamp(1, i32::MAX.unsigned_abs().into()))
    }

    /// The way to the server, to an address that was looked at.
    async fn reach(&self) -> Result<Box<dyn Pipe>, String> {
        let said = |e: io::Error| format!("cannot connect: {e}");
        if let Some(folder) = &self.site.socket {
            return socket(&folder.join(format!(".s.PGSQL.{}", self.site.port))).await.map_err(said);
        }
        let guard = Guard { allow_private: self.site.allow_private };
        let host = self.site.bare_host().to_owned();
        let mut addresses =
            guard.addresses(host.clone()).await.map_err(|e| format!("cannot connect to `{host}`: {e}"))?;
        addresses.iter_mut().for_each(|address| address.set_port(self.site.port));
        let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(said)?;
        let _ = tcp.set_nodelay(true);
        Ok(Box::new(tcp))
    }

    /// Agrees on TLS, and says who we are.
    async fn enter(
        &self,
        pipe: Box<dyn Pipe>,
        config: &mut Config,
    ) -> Result<(Client, JoinHandle<Result<(), Error>>), Error> {
        let Some(tls) = &self.tls else {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect_raw(Bounded::new(pipe), NoTls).await?;
            return Ok((client, tokio::spawn(connection)));
        };
        config.ssl_mode(SslMode::Require);
        let name = self.site.server_name.as_deref().unwrap_or(self.site.bare_host());
        let mut tls = tls.clone();
        let Ok(connect) = MakeTlsConnect::<Box<dyn Pipe>>::make_tls_connect(&mut tls, name);
        let (client, connection) = config.connect_raw(pipe, Bounding(connect)).await?;
        Ok((client, tokio::spawn(connection)))
    }

    /// Nothing is changed, no name leads elsewhere than to the catalogue, no row is left out silently, nothing is written as
    /// somebody set it for the role, and nothing goes on for long once we are gone.
    async fn set_up(&self, session: &mut Session) -> Result<(), Error> {
        let milliseconds = self.allowed().as_millis();
        let settings = format!(
            "SET default_transaction_read_only = on; SET search_path = pg_catalog; SET row_security = off; \
             SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; \
             SET idle_in_transaction_session_timeout = {milliseconds}; \
             SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET bytea_output = 'hex'; SET quote_all_identifiers = off"
        );
        session.client.batch_execute(&settings).await?;
        let version = session.client.query_one("SELECT current_setting('server_version_num')", &[]).await?;
        session.version = version.try_get::<_, &str>(0)?.parse().unwrap_or(0);
        if session.version >= 140_000 {
            // Not every system can do it, and it is not needed.
            let _ = session.client.batch_execute("SET client_connection_check_interval = '2s'").await;
        }
        Ok(())
    }

    /// What an error means, before there is a session.
    pub fn trouble(&self, error: &Error) -> Trouble {
        match error.as_db_error() {
            Some(said) if !is_gone(said.code()) => {
                let mut text = said.message().to_owned();
                if let Some(hint) = said.hint() {
                    text = format!("{text}; {hint}");
                }
                let code = said.code().clone();
                let said = format!("{} ({})", self.hidden.safe(&text, None), code.code());
                Trouble::Refused(Refusal { code, said })
            }
            _ => Trouble::Lost(self.hidden.safe(&chain(error), None)),
        }
    }

    /// What an error of a session means. Where the connection is closed, it knows why better than the query does.
    pub async fn trouble_in(&self, session: &mut Session, error: &Error) -> Trouble {
        if error.is_closed()
            && let Some(task) = session.task.take()
            && let Ok(Ok(Err(why))) = timeout(TICK, task).await
        {
            return match self.trouble(&why) {
                Trouble::Refused(refusal) => Trouble::Lost(refusal.said),
                other => other,
            };
        }
        self.trouble(error)
    }

    /// What to do about it that we were not let in, in words.
    pub fn advice(&self, database: &str, trouble: &Trouble) -> String {
        let Site { user, .. } = self.site;
        let tls = |said: &str| said.contains("TLS handshake");
        match trouble {
            Trouble::Stopped => "it was broken off".to_owned(),
            Trouble::Late => "`deadline` was over".to_owned(),
            Trouble::Full => "`max_rows` were read".to_owned(),
            Trouble::Disk(e) => format!("rows cannot be set aside: {e}"),
            Trouble::Lost(said) if said.contains("does not support TLS") => {
                format!("{said}; turn `ssl` on there, or say `tls = \"off\"` and `allow_plain = true`")
            }
            Trouble::Lost(said) if tls(said) && said.contains("UnknownIssuer") => {
                format!("{said}; name the authority of the server's certificate in `ca_file`")
            }
            Trouble::Lost(said) if tls(said) && said.contains("not valid for name") => {
                format!("{said}; give the name in the server's certificate as `host` or as `server_name`")
            }
            Trouble::Lost(said) if said.contains("password missing") => {
                format!("the server asks for a password; say in `password` where that of `{user}` is")
            }
            Trouble::Lost(said) => said.clone(),
            Trouble::Refused(Refusal { code, said }) => {
                let advice = match code {
                    c if *c == SqlState::INVALID_PASSWORD => match &self.site.password {
                        Some(place) => format!("the password in {place} is not that of `{user}`"),
                        None => format!("say in `password` where the password of `{user}` is"),
                    },
                    c if *c == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => format!(
                        "look whether there is a role `{user}` that may log in, and whether pg_hba.conf lets it in from here"
                    ),
                    c if *c == SqlState::INVALID_CATALOG_NAME => {
                        "name one that is there in `database`".to_owned()
                    }
                    c if *c == SqlState::INSUFFICIENT_PRIVILEGE => {
                        format!(
                            "it needs: GRANT CONNECT ON DATABASE {} TO {}",
                            quoted(database),
                            quoted(user)
                        )
                    }
                    c if *c == SqlState::TOO_MANY_CONNECTIONS => {
                        "there is no room for another connection".to_owned()
                    }
                    _ => return said.clone(),
                };
                format!("{said}; {advice}")
            }
        }
    }
}

impl Session {
    /// Says goodbye, so that the server's log shows no connection that broke.
    pub async fn close(self) {
        drop(self.client);
        if let Some(task) = self.task {
            let _ = timeout(TICK, task).await;
        }
    }
}

/// A name as SQL has it, for advice.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether this ends the connection, and not only what was asked: the server stops, or somebody ended it.
fn is_gone(code: &SqlState) -> bool {
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::DATABASE_DROPPED].contains(code)
        || code.code() == "57P05"
        || code.code() == "25P03"
}

/// An error with what is behind it.
fn chain(error: &Error) -> String {
    crate::net::causes(vec![error.to_string()], error).join(": ")
}

#[cfg(unix)]
async fn socket(path: &Path) -> io::Result<Box<dyn Pipe>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn socket(_: &Path) -> io::Result<Box<dyn Pipe>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no such sockets; name the `host`"))
}
