//! A real rsyslog to send to: started on a free port of this machine, told to write down how it understood what came.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::servers;

/// How rsyslog listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    Plain,
    Tls,
    /// With a certificate that it asks for and checks.
    MutualTls,
    Relp,
    RelpTls,
}

/// The program.
const PROGRAM: &str = "/usr/sbin/rsyslogd";

/// Whether there is none, and the test has to do without.
pub fn skipped() -> bool {
    let has = |module: &str| {
        let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        folders.map(|f| f.path().join("rsyslog").join(module)).any(|path| path.exists())
    };
    let whole = || Path::new(PROGRAM).exists() && has("imrelp.so") && has("lmnsd_gtls.so");
    !servers::is_there("rsyslog", &["rsyslog", "rsyslog-gnutls", "rsyslog-relp"], &whole)
}

/// A running rsyslog, and what it received.
pub struct Rsyslog {
    child: Option<Child>,
    dir: tempfile::TempDir,
    pub port: u16,
}

impl Rsyslog {
    /// Starts one, with certificates of its own.
    pub fn start(listen: Listen) -> Self {
        let dir = tempfile::tempdir().unwrap();
        servers::write_certificates(dir.path(), "client.example.com");
        let mut server = Self { child: None, dir, port: servers::free_port() };
        fs::write(server.dir().join("conf"), server.configuration(listen)).unwrap();
        server.run();
        server
    }

    /// Starts it again where it was.
    pub fn run(&mut self) {
        let mut command = Command::new(PROGRAM);
        command.arg("-n").arg("-f").arg(self.dir().join("conf")).arg("-i").arg(self.dir().join("pid"));
        let log = fs::File::create(self.dir().join("log")).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.dir().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(20), "rsyslog does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What was received by now, as rsyslog understood it: until nothing more comes for a while.
    pub fn settled(&self) -> Vec<Value> {
        let out = self.dir().join("out");
        let length = || fs::metadata(&out).map_or(0, |m| m.len());
        let (mut before, mut quiet) = (length(), 0);
        while quiet < 10 {
            std::thread::sleep(Duration::from_millis(20));
            let now = length();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
        self.received(0)
    }

    /// What was received, as rsyslog understood it, once there are so many.
    pub fn received(&self, least: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(self.dir().join("out")).unwrap_or_default();
            // The line that is being written is not there yet.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let lines: Vec<&str> = whole.lines().collect();
            if lines.len() >= least {
                return lines.iter().map(|l| serde_json::from_str(l).expect(l)).collect();
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{} of {least} arrived: {text}", lines.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn configuration(&self, listen: Listen) -> String {
        let dir = self.dir().display();
        let port = self.port;
        let driver = match listen {
            Listen::Plain | Listen::Relp | Listen::RelpTls => String::new(),
            Listen::Tls => {
                "streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\"".to_owned()
            }
            Listen::MutualTls => {
                "streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/name\" \
                                  permittedPeer=[\"client.example.com\"]"
                    .to_owned()
            }
        };
        let input = if matches!(listen, Listen::Relp | Listen::RelpTls) {
            let tls = if listen == Listen::RelpTls {
                format!(
                    "tls=\"on\" tls.caCert=\"{dir}/ca.pem\" tls.myCert=\"{dir}/server.pem\" \
                     tls.myPrivKey=\"{dir}/server.key\" tls.authMode=\"name\" tls.permittedPeer=[\"client.example.com\"]"
                )
            } else {
                String::new()
            };
            format!(
                "module(load=\"imrelp\")\ninput(type=\"imrelp\" address=\"127.0.0.1\" port=\"{port}\" {tls})"
            )
        } else {
            format!(
                "module(load=\"imtcp\" {driver})\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")"
            )
        };
        let fields: String = [
            "pri",
            "timereported",
            "hostname",
            "app-name",
            "procid",
            "msgid",
            "structured-data",
            "msg",
        ]
        .iter()
        .map(|name| {
            let date = if *name == "timereported" { " dateFormat=\"rfc3339\"" } else { "" };
            format!(
                "property(outname=\"{name}\" name=\"{name}\" format=\"jsonf\"{date}) constant(value=\",\") "
            )
        })
        .collect();
        format!(
            "global(workDirectory=\"{dir}\" defaultNetstreamDriverCAFile=\"{dir}/ca.pem\" \
             defaultNetstreamDriverCertFile=\"{dir}/server.pem\" defaultNetstreamDriverKeyFile=\"{dir}/server.key\")\n\
             {input}\n\
             template(name=\"understood\" type=\"list\") {{ constant(value=\"{{\") {fields} \
             constant(value=\"\\\"end\\\":1}}\\n\") }}\n\
             action(type=\"omfile\" file=\"{dir}/out\" template=\"understood\")\n"
        )
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.kill();
    }
}
