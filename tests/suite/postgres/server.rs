//! A PostgreSQL server of a test's own: made in a folder without a name, on a free port of this machine, and stopped by its
//! process id. One that may be running on this machine is never touched.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::servers;

/// The password of every role that has one. No message may show it.
pub const PASSWORD: &str = "canary-wren-4711";

/// Who may connect, and how: the tests by the socket as whom they like, everybody else with a password.
const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// How it runs.
const SETTINGS: &str = "listen_addresses = '127.0.0.1'
fsync = off
shared_buffers = 16MB
max_connections = 60
autovacuum = off
log_connections = on
";

/// How it takes TLS, where it was built to.
const TLS: &str = "ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_ca_file = 'ca.pem'
";

/// A running server.
pub struct Server {
    dir: tempfile::TempDir,
    programs: PathBuf,
    child: Option<Child>,
    pub port: u16,
    /// Whether it takes TLS: what Debian brings does, some builds do not.
    pub tls: bool,
}

/// Whether there is none, and the test has to do without.
pub fn skipped() -> bool {
    !servers::is_there("PostgreSQL", &["postgresql", "postgresql-client"], &|| programs().is_some())
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let whole =
        |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).exists());
    if let Some(folder) = std::env::var_os("COUNTERFOIL_POSTGRES").map(PathBuf::from) {
        assert!(
            whole(&folder),
            "COUNTERFOIL_POSTGRES: there is no initdb, postgres and psql in {}",
            folder.display()
        );
        return Some(folder);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |folder: &PathBuf| {
        let name = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        name.and_then(|name| name.parse::<u32>().ok())
    };
    versions.map(|version| version.path().join("bin")).filter(whole).max_by_key(number)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}

impl Server {
    /// Makes one and starts it. It takes TLS connections and others; there is a role `watch` with a password and nothing
    /// else.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The second is of a client: the role it may be stands in it.
        servers::write_certificates(dir.path(), "carder");
        let secret = dir.path().join("password");
        fs::write(&secret, PASSWORD).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut server = Self { programs: programs().unwrap(), dir, child: None, port: 0, tls: true };
        server.hand_over(&data);
        let made = server
            .program("initdb")
            .args(["--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        for file in ["server.pem", "server.key", "ca.pem"] {
            fs::copy(server.path().join(file), data.join(file)).unwrap();
            server.hand_over(&data.join(file));
        }
        fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        let settings = format!("unix_socket_directories = '{}'\n{SETTINGS}", data.display());
        fs::write(data.join("postgresql.conf"), format!("{settings}{TLS}")).unwrap();
        let tried = server.program("postgres").args(["-C", "ssl", "-D"]).arg(&data).output().unwrap();
        if String::from_utf8_lossy(&tried.stderr).contains("SSL is not supported by this build") {
            server.tls = false;
            fs::write(data.join("postgresql.conf"), settings).unwrap();
        }
        server.run();
        server.sql("postgres", &format!("CREATE ROLE watch LOGIN PASSWORD '{PASSWORD}'"));
        server
    }

    /// Starts it where it is.
    pub fn run(&mut self) {
        self.run_on(servers::free_port());
    }

    /// Starts it where it is, on this port if nobody has it.
    pub fn run_on(&mut self, port: u16) {
        self.port = port;
        for _ in 0..5 {
            let log = fs::File::create(self.path().join("log")).unwrap();
            let mut command = self.program("postgres");
            command.arg("-D").arg(self.path().join("data")).args(["-p", &self.port.to_string()]);
            self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
            let begun = Instant::now();
            // Another program may have taken the port in between: then it ends at once.
            while self.child.as_mut().unwrap().try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                    && self.try_sql("postgres", "SELECT 1").is_ok()
                {
                    return;
                }
                assert!(
                    begun.elapsed() < Duration::from_secs(60),
                    "PostgreSQL does not listen: {}",
                    self.log()
                );
                std::thread::sleep(Duration::from_millis(50));
            }
            self.port = servers::free_port();
        }
        panic!("PostgreSQL does not start: {}", self.log());
    }

    /// Ends it at once, with all its connections, as a crash would.
    pub fn crash(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The folder with certificates and the password.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Lets in whom these lines say, from now on.
    pub fn let_in(&self, lines: &str) {
        fs::write(self.path().join("data/pg_hba.conf"), format!("{lines}\n{HBA}")).unwrap();
        self.sql("postgres", "SELECT pg_reload_conf()");
        // It takes a moment until the server has read it.
        std::thread::sleep(Duration::from_millis(300));
    }

    /// `[source.postgres]` for a role with the password, without the heading.
    pub fn site(&self, user: &str, more: &str) -> String {
        let protected = match self.tls {
            true => format!("ca_file = \"{}\"", self.path().join("ca.pem").display()),
            false => "tls = \"off\"\nallow_plain = true".to_owned(),
        };
        format!(
            "host = \"localhost\"\nport = {}\nuser = \"{user}\"\npassword = \"file:{}\"\nallow_private = true\n{protected}\n{more}\n",
            self.port,
            self.path().join("password").display(),
        )
    }

    /// The same over the socket, where nobody is asked for a password.
    pub fn socket_site(&self, user: &str, more: &str) -> String {
        let folder = self.path().join("data");
        format!("socket = \"{}\"\nport = {}\nuser = \"{user}\"\n{more}\n", folder.display(), self.port)
    }

    /// Runs statements as the superuser.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.try_sql(database, statements).unwrap()
    }

    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        let path = tempfile::NamedTempFile::new().unwrap();
        fs::write(path.path(), statements).unwrap();
        self.psql(database, &["-v", "ON_ERROR_STOP=1", "-Atq", "-f", &path.path().display().to_string()])
    }

    /// Runs psql; what it printed.
    pub fn psql(&self, database: &str, arguments: &[&str]) -> Result<String, String> {
        let out = Command::new(self.programs.join("psql"))
            .args(["-X", "-U", "postgres", "-h"])
            .arg(self.path().join("data"))
            .args(["-p", &self.port.to_string(), "-d", database])
            .args(arguments)
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        match out.status.success() {
            true => Ok(String::from_utf8(out.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
        }
    }

    /// Gives a file to whom the server runs as: it refuses to be root.
    fn hand_over(&self, path: &Path) {
        if is_root() {
            let owner = format!("{0}:", unprivileged());
            assert!(Command::new("chown").arg(owner).arg(path).status().unwrap().success());
        }
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let user = unprivileged();
            let group = Command::new("id").args(["-g", user]).output().unwrap().stdout;
            let group = String::from_utf8(group).unwrap();
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={user}"),
                &format!("--regid={}", group.trim()),
                "--clear-groups",
            ]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

/// Somebody who is not root: Debian's package makes one.
fn unprivileged() -> &'static str {
    let known =
        |user: &str| Command::new("id").args(["-u", user]).output().is_ok_and(|out| out.status.success());
    if known("postgres") { "postgres" } else { "nobody" }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}
