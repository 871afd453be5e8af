//! A real Alertmanager, for as long as a test runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::servers;

/// Where Debian puts it.
const BINARY: &str = "/usr/bin/prometheus-alertmanager";
/// The package.
const PACKAGE: &str = "prometheus-alertmanager";

/// The program; `None` where there is none and the test has to do without.
fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = || {
        std::env::split_paths(&path)
            .flat_map(|dir| [dir.join("prometheus-alertmanager"), dir.join("alertmanager")])
            .chain([PathBuf::from(BINARY)])
            .find(|file| file.is_file())
    };
    servers::is_there("Alertmanager", &[PACKAGE], &|| find().is_some()).then(find).flatten()
}

/// A running Alertmanager; it ends with this.
pub struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// Starts it on a free port of the loopback; `None` where there is none.
    pub fn start() -> Option<Self> {
        let binary = binary()?;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").unwrap();
        // Free a moment ago; where another program was quicker it is tried again.
        let port = servers::free_port();
        let child = Command::new(&binary)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self { child, port, folder };
        if server.is_ready() {
            return Some(server);
        }
        let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        assert!(log.contains("address already in use"), "Alertmanager does not start:\n{log}");
        Self::start()
    }

    fn is_ready(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.try_ask("GET", "/-/ready", "").is_some_and(|(status, _)| status == 200) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("Alertmanager is not ready within a minute");
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A folder to start from.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The alerts that fire.
    pub fn alerts(&self) -> Vec<Value> {
        let (status, body) = self.ask("GET", "/api/v2/alerts", "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A request; the status and the body.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.try_ask(method, path, body).unwrap()
    }

    fn try_ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        // HTTP/1.0: the answer ends with the connection, and comes in one piece.
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\n");
        write!(stream, "{head}content-length: {length}\r\n\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
