//! A site that runs the program: a folder with the files of its sources, a configuration, a store, and two receivers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant as Tick, SystemTime};

use counterfoil::config::instant;
use counterfoil::model::Instant;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use tempfile::TempDir;

use super::estate::{Estate, SOURCES};
use super::receiver::{Mood, Receiver, SECRET};

/// The clock.
pub fn now() -> Instant {
    instant(SystemTime::now())
}

/// The site.
pub struct Site {
    folder: TempDir,
    pub receiver: Receiver,
}

/// The sinks of a site: a file, and a receiver that is called `hook`.
const SINKS: &str = r#"
[[sink]]
id = "lines"
heartbeat = "PT0S"
[sink.file]
path = "events.jsonl"

[[sink]]
id = "hook"
heartbeat = "PT0S"
[sink.webhook]
url = "http://localhost:PORT/hook"
secrets = ["file:secret"]
[sink.webhook.http]
allow_private = true
timeout = "PT5S"
"#;

impl Site {
    /// A site with these settings beside its sources and sinks.
    pub fn new(mood: Mood, settings: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), receiver: Receiver::start(mood) };
        site.put("secret", SECRET);
        private(&site.path("secret"));
        site.configure(settings, &site.sinks());
        site
    }

    pub fn sinks(&self) -> String {
        SINKS.replace("PORT", &self.receiver.port().to_string())
    }

    /// Writes the configuration.
    pub fn configure(&self, settings: &str, sinks: &str) {
        let mut text = format!("{settings}\n");
        for source in SOURCES {
            text.push_str(&source_table(source));
        }
        self.put("counterfoil.toml", &format!("{text}{sinks}"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Puts a file in place, all at once.
    pub fn put(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(&new, self.path(name)).unwrap();
    }

    /// Exports everything anew, as of `at`.
    pub fn export(&self, estate: &Estate, at: Instant) {
        for (source, lines) in estate.files() {
            self.export_one(source, &lines, at);
        }
    }

    /// Exports one source, as of `at`.
    pub fn export_one(&self, source: &str, lines: &str, at: Instant) {
        let new = self.path(&format!("{source}.new"));
        fs::write(&new, lines).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.unix_ms()).unwrap());
        File::options().write(true).open(&new).unwrap().set_modified(time).unwrap();
        fs::rename(&new, self.path(&format!("{source}.jsonl"))).unwrap();
    }

    /// The program with these arguments, and `--config`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command.args(arguments).arg("--config").arg(self.path("counterfoil.toml"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["STATE_DIRECTORY", "COUNTERFOIL_CONFIG", "RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it to its end, which must be a good one; what it printed.
    pub fn well(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs it to its end, which must be exit status 2 and one message; the message.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", said(&done));
        let text = said(&done);
        assert!(text.lines().any(|line| line.starts_with("error: ")), "{text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    }

    /// One run, undisturbed, as of `at`. A source that could not be read is said by the exit status too.
    pub fn reconcile(&self, at: Instant) -> String {
        let done = self.run(&["reconcile", "--format", "jsonl", "--now", &at.to_string()]);
        let unread = said(&done).contains("could not be read, see above");
        assert_eq!(done.status.code(), Some(if unread { 2 } else { 0 }), "{}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Starts the program and leaves it running; what it logs is added to `log`.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command(arguments);
        Running(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// The store, as it is, unchanged by the look.
    pub fn store(&self) -> Option<Connection> {
        let path = self.path("counterfoil.db");
        let db =
            path.exists().then(|| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
        let db = db.unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        Some(db)
    }

    /// A number out of the store; none where there is no store yet.
    pub fn ask(&self, sql: &str) -> Option<i64> {
        self.store()?.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional().ok()??
    }

    /// Changes the store behind the program's back.
    pub fn tamper(&self, sql: &str) {
        let db = Connection::open(self.path("counterfoil.db")).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        db.execute_batch(sql).unwrap();
    }

    /// Every job of the daemon is due again.
    pub fn all_due(&self) {
        if self.store().is_some()
            && self.ask("SELECT count(*) FROM sqlite_schema WHERE name = 'slot'") == Some(1)
        {
            self.tamper("DELETE FROM slot");
        }
    }
}

/// The table of a source.
pub fn source_table(source: &str) -> String {
    format!("\n[[source]]\nid = \"{source}\"\nconnector = \"records\"\nfiles = [\"{source}.jsonl\"]\n")
}

/// All that a program said of itself.
pub fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A program that runs; it does not outlive the test.
pub struct Running(Child);

impl Running {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL; whether it was still running.
    pub fn kill(&mut self) -> bool {
        let running = self.0.try_wait().unwrap().is_none();
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        running
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.0.id())).status().unwrap();
        assert!(sent.success());
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for its end, and says how it ended and how long that took.
    pub fn end(&mut self, most: Duration) -> (ExitStatus, Duration) {
        let began = Tick::now();
        loop {
            if let Some(status) = self.has_ended() {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < most, "it has not ended within {most:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop, and waits until it has, in good order.
    pub fn stop(&mut self) -> Duration {
        self.signal("TERM");
        let (status, took) = self.end(Duration::from_secs(10));
        assert!(status.success(), "{status}");
        took
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
pub fn until(what: &str, most: Duration, mut so: impl FnMut() -> bool) {
    let began = Tick::now();
    while !so() {
        assert!(began.elapsed() < most, "not within {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
