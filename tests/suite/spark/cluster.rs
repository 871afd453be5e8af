//! A Spark cluster on loopback: a master and two workers as processes of their own, and one session on it that is given jobs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::servers::{free_port, is_there, python};

/// How long a part of the cluster may take to start on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a job ended.
#[derive(Debug)]
pub struct Ended {
    pub status: i64,
    pub out: String,
    pub err: String,
}

impl Ended {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { status: answer["status"].as_i64().unwrap(), out: text("out"), err: text("err") }
    }

    /// The last line, which says what went wrong.
    pub fn error(&self) -> &str {
        assert_eq!(self.status, 2, "{}\n{}", self.out, self.err);
        self.err.lines().last().unwrap()
    }
}

/// The cluster; stopped when dropped.
pub struct Cluster {
    at: PathBuf,
    programs: PathBuf,
    port: u16,
    master: Child,
    workers: Vec<Child>,
}

/// One session on it; ended when dropped.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Session {
    /// Runs a job.
    pub fn run(&mut self, job: &Path, arguments: &[&str]) -> Ended {
        self.ask(&json!({ "job": job, "arguments": arguments }))
    }

    /// Makes a table of each type of record in a file of JSON lines; the types.
    pub fn make_tables(&mut self, records: &Path, folder: &Path) -> Vec<String> {
        let made = self.ask(&json!({ "records": records, "parquet": folder }));
        serde_json::from_str(&made.out).unwrap()
    }

    /// What Spark logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn ask(&mut self, asked: &Value) -> Ended {
        writeln!(self.input.as_mut().unwrap(), "{asked}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Ended {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer = serde_json::from_str(&line);
        Ended::of(&answer.unwrap_or_else(|e| panic!("the session said `{line}`: {e}\n{}", self.log())))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It ends with its input, and with it its executors.
        self.input = None;
        if !ends(&mut self.child) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Cluster {
    /// Starts one that keeps its files in a folder. `None` means that a test has to do without.
    pub fn start(at: &Path) -> Option<Self> {
        let java = || {
            let said = Command::new("java").arg("-version").output().map(|done| done.stderr);
            let said = String::from_utf8(said.unwrap_or_default()).unwrap_or_default();
            let version = said.split('"').nth(1).and_then(|version| version.split('.').next()?.parse().ok());
            version.is_some_and(|version: u32| version >= 17)
        };
        if !is_there("Java 17", &["default-jre-headless"], &java) {
            return None;
        }
        let programs = python("spark", &["pyspark[sql]==4.3.0", "pandas<3"])?;
        let port = free_port();
        let mut master = class(&programs, at, "master.Master");
        let ports =
            ["--port", &port.to_string(), "--webui-port", &free_port().to_string()].map(str::to_owned);
        let master =
            master.args(["--host", "127.0.0.1"]).args(ports).stderr(log(at, "master")).spawn().unwrap();
        let mut cluster = Self { at: at.to_owned(), programs, port, master, workers: vec![] };
        cluster.wait_for("New state: ALIVE", 1);
        cluster.add_worker();
        cluster.add_worker();
        cluster.wait_for("Registering worker", 2);
        Some(cluster)
    }

    /// One worker more, with one core.
    pub fn add_worker(&mut self) {
        let name = format!("worker{}", self.workers.len());
        let mut worker = class(&self.programs, &self.at, "worker.Worker");
        worker.arg(format!("spark://127.0.0.1:{}", self.port)).args([
            "--host",
            "127.0.0.1",
            "--webui-port",
            "0",
        ]);
        worker.args(["--cores", "1", "--memory", "2g", "--work-dir"]).arg(self.at.join(&name));
        self.workers.push(worker.stderr(log(&self.at, &name)).spawn().unwrap());
    }

    /// Waits until the master's log has so many lines that hold this.
    fn wait_for(&self, what: &str, many: usize) {
        let read = || fs::read_to_string(self.at.join("master.log")).unwrap_or_default();
        let until = Instant::now() + PATIENCE;
        while read().matches(what).count() < many {
            assert!(Instant::now() < until, "the master did not say `{what}` {many} times:\n{}", read());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What one needs on a busy machine, for spark-submit.
    fn settings(&self) -> Vec<String> {
        let mut all = vec!["--master".to_owned(), format!("spark://127.0.0.1:{}", self.port)];
        for setting in [
            "spark.executor.cores=1",
            "spark.executor.memory=1g",
            "spark.driver.memory=1g",
            "spark.ui.enabled=false",
            "spark.driver.host=127.0.0.1",
            "spark.driver.bindAddress=127.0.0.1",
            "spark.executor.heartbeatInterval=3s",
            "spark.network.timeout=30s",
            "spark.network.timeoutInterval=5s",
        ] {
            all.extend(["--conf".to_owned(), setting.to_owned()]);
        }
        all
    }

    /// Submits a job by itself.
    pub fn submit(&self, job: &Path, arguments: &[&str]) -> Output {
        let mut command = spark(&self.programs, &self.at, "spark-submit");
        command.args(self.settings()).arg(job).args(arguments).output().unwrap()
    }

    /// Starts a session.
    pub fn session(&self) -> Session {
        let home = home(&self.programs);
        let mut command = Command::new(self.programs.join("python"));
        keep_to(&mut command, &home, &self.programs, &self.at);
        command.env("PYSPARK_SUBMIT_ARGS", format!("{} pyspark-shell", self.settings().join(" ")));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/spark/session.py"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log(&self.at, "session"));
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut session = Session { child, input, output, log: self.at.join("session.log") };
        assert_eq!(session.answer().status, 0);
        session
    }

    /// Processes other than Spark's own that work for it, as id and command line: those whose arguments hold `what`.
    pub fn children(&self, what: &str) -> Vec<u32> {
        let ours = self.at.to_str().unwrap();
        processes()
            .into_iter()
            .filter(|p| p.says.contains(ours) && p.says.contains(what))
            .map(|p| p.id)
            .collect()
    }

    /// Kills -9 the worker for which a process works, and its executor.
    pub fn kill_the_worker_of(&mut self, child: u32) {
        let all = processes();
        let parent = |id: u32| all.iter().find(|p| p.id == id).map(|p| p.parent);
        let line: Vec<u32> = std::iter::successors(Some(child), |id| parent(*id)).collect();
        let worker = self.workers.iter_mut().find(|worker| line.contains(&worker.id())).unwrap();
        let at = line.iter().position(|id| *id == worker.id()).unwrap();
        worker.kill().unwrap();
        // The executor is the child of the worker.
        assert!(Command::new("kill").args(["-9", &line[at - 1].to_string()]).status().unwrap().success());
        worker.wait().unwrap();
    }

    /// Stops everything, and says what is still there after a while.
    pub fn stop(mut self) -> Vec<u32> {
        self.end();
        let until = Instant::now() + Duration::from_secs(20);
        while !self.children("").is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
        }
        self.children("")
    }

    fn end(&mut self) {
        for child in self.workers.iter_mut().chain([&mut self.master]) {
            // A worker that is asked to takes its executors with it.
            let _ = Command::new("kill").arg(child.id().to_string()).stderr(Stdio::null()).status();
            if !ends(child) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a process ends by itself within a while.
fn ends(child: &mut Child) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn log(at: &Path, name: &str) -> File {
    File::create(at.join(name).with_extension("log")).unwrap()
}

/// Where PySpark is.
fn home(programs: &Path) -> PathBuf {
    let lib = fs::read_dir(programs.parent().unwrap().join("lib")).unwrap();
    let mut packages = lib.map(|entry| entry.unwrap().path().join("site-packages/pyspark"));
    packages.find(|path| path.exists()).unwrap()
}

/// Lets a command of Spark's use this folder and this machine alone.
fn keep_to(command: &mut Command, home: &Path, programs: &Path, at: &Path) {
    command.env("SPARK_HOME", home).env("PYSPARK_PYTHON", programs.join("python"));
    command.env("SPARK_LOCAL_IP", "127.0.0.1").env("SPARK_LOCAL_DIRS", at.join("local")).env("TMPDIR", at);
    command.env("SPARK_DAEMON_MEMORY", "256m").env("SPARK_MASTER_OPTS", "-Dspark.worker.timeout=15");
    command.stdin(Stdio::null()).current_dir(at);
}

/// A program of PySpark's.
fn spark(programs: &Path, at: &Path, name: &str) -> Command {
    let home = home(programs);
    let mut command = Command::new(home.join("bin").join(name));
    keep_to(&mut command, &home, programs, at);
    command
}

fn class(programs: &Path, at: &Path, name: &str) -> Command {
    let mut command = spark(programs, at, "spark-class");
    command.arg(format!("org.apache.spark.deploy.{name}")).stdout(Stdio::null());
    command
}

/// A process of this machine.
struct Process {
    id: u32,
    parent: u32,
    /// Its arguments.
    says: String,
}

/// All that can be seen.
fn processes() -> Vec<Process> {
    let mut all = vec![];
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let (stat, says) = (read("stat"), read("cmdline"));
        let stat = String::from_utf8_lossy(&stat);
        // The name stands in parentheses and may hold anything.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let (Some(id), Some(parent)) = (id, parent) {
            let says = String::from_utf8_lossy(&says).replace('\0', " ");
            all.push(Process { id, parent, says });
        }
    }
    all
}
