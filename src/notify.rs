//! Telling systemd how the service is: that it is ready, reloads, stops, and still works (`Type=notify-reload`,
//! `WatchdogSec=`).
//!
//! The protocol is a datagram of `NAME=value` lines to the socket that `$NOTIFY_SOCKET` names; see sd_notify(3). Where
//! there is no such socket nothing is told, and whatever goes wrong is no reason to stop: it is logged, and that is all.

use std::ffi::OsString;
use std::time::Duration;

/// How systemd is told. Does nothing where nobody listens.
#[derive(Debug, Default)]
pub struct Notifier {
    #[cfg(unix)]
    socket: Option<unix::Socket>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment of this process says.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(&|name| std::env::var_os(name), std::process::id())
    }

    /// As an environment says, given as a function from the name of a variable to its value, to a process of this id.
    #[must_use]
    pub fn new(environment: &dyn Fn(&str) -> Option<OsString>, process: u32) -> Self {
        Self {
            #[cfg(unix)]
            socket: environment("NOTIFY_SOCKET").and_then(|name| unix::Socket::open(&name)),
            watchdog: watchdog(environment, process),
        }
    }

    /// After how long without [`Notifier::alive`] systemd takes this process for stuck; `None` when it does not watch.
    /// To be on the safe side, say it twice as often.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The service is up, or up again after [`Notifier::reloading`]. `status` is shown by `systemctl status`.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\n{}", status_line(status)));
    }

    /// The configuration is being read again; [`Notifier::ready`] says that it was.
    pub fn reloading(&self) {
        self.tell(&format!("RELOADING=1{}", monotonic()));
    }

    /// The service is going down.
    pub fn stopping(&self, status: &str) {
        self.tell(&format!("STOPPING=1\n{}", status_line(status)));
    }

    /// What the service does now, in a sentence for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.tell(&status_line(status));
    }

    /// The service still works: to be said by whatever does the work, not by a thread that would go on without it.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket {
            socket.send(message);
        }
        #[cfg(not(unix))]
        let _ = message;
    }
}

/// A status is one line, since another line would be another statement, and not longer than a person reads.
fn status_line(status: &str) -> String {
    let line = status.chars().take(500).map(|c| if c.is_control() { ' ' } else { c });
    format!("STATUS={}", line.collect::<String>())
}

fn watchdog(environment: &dyn Fn(&str) -> Option<OsString>, process: u32) -> Option<Duration> {
    let number = |name| environment(name).map(|value| value.to_str().and_then(|v| v.parse::<u64>().ok()));
    // The variables are inherited: they may be meant for the process that started this one.
    if number("WATCHDOG_PID").is_some_and(|meant| meant != Some(process.into())) {
        return None;
    }
    number("WATCHDOG_USEC")?.filter(|us| *us > 0).map(Duration::from_micros)
}

/// When it was said, for systemd to tell one reload from the next: microseconds of the clock that is never set.
#[cfg(unix)]
fn monotonic() -> String {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    format!("\nMONOTONIC_USEC={}", now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000))
}

#[cfg(not(unix))]
fn monotonic() -> String {
    String::new()
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::io;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    /// How long a message may take when nobody takes it from the socket: the work goes on without it.
    const PATIENCE: Duration = Duration::from_millis(500);

    /// Where messages go.
    #[derive(Debug)]
    pub struct Socket {
        socket: UnixDatagram,
        to: SocketAddr,
    }

    impl Socket {
        /// The socket of this name: a path, or a name without one after `@`.
        pub fn open(name: &OsStr) -> Option<Self> {
            let open = || {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(PATIENCE))?;
                Ok(Self { socket, to: address(name)? })
            };
            open().inspect_err(|e: &io::Error| tracing::debug!(?name, error = %e, "systemd is not told")).ok()
        }

        pub fn send(&self, message: &str) {
            if let Err(e) = self.socket.send_to_addr(message.as_bytes(), &self.to) {
                tracing::debug!(message, error = %e, "systemd was not told");
            }
        }
    }

    fn address(name: &OsStr) -> io::Result<SocketAddr> {
        match name.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(name),
            #[cfg(target_os = "linux")]
            [b'@', rest @ ..] if !rest.is_empty() => SocketAddr::from_abstract_name(rest),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "$NOTIFY_SOCKET is no path and no @name")),
        }
    }
}
