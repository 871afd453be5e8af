//! moto: a server that holds AWS accounts in memory, asked through boto3 to change them.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::servers::python;

/// A running server.
pub struct Moto {
    child: Child,
    programs: PathBuf,
    port: u16,
}

impl Moto {
    /// Starts one of its own. `None` means that a test has to do without.
    pub fn start() -> Option<Self> {
        let programs = python("moto", &["moto[server]==5.2.5"])?;
        let serve = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/moto/serve.py");
        let mut child = Command::new(programs.join("python"))
            .arg(serve)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("moto did not say on which port it is");
        Some(Self { child, programs, port })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs a script of Python with what `client.py` gives, and gives what it prints.
    pub fn run(&self, script: &str) -> String {
        let script = format!("{}\n{script}", include_str!("client.py"));
        let mut child = Command::new(self.programs.join("python"))
            .args(["-", &self.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
