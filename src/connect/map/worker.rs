//! A map that was not shipped with the program runs in a process of its own.
//!
//! jq can loop for ever and take any amount of memory, and the `jaq` crates have no limit to stop it by. A map from
//! disk therefore runs in a child: this program again, as `map-worker`, with an empty environment, bounded address
//! space, and a time-out for each row. What it cannot do anyway (see the module above) it cannot do there either.
//!
//! They speak JSON lines. To the child: `{"map","file"}` once, `{"joined"}` when there is something,
//! `{"settings","shape","file","head","taken_at"}` before each file, `{"row","number","at"}` for each row. From the child: any
//! number of `{"value"}`, then `{"done":true}`; or `{"error"}`.
//!
//! Several rows are asked for at once, so that neither waits for the other after each; the child answers each row as soon as
//! it is done, so that a limit it meets is met at the row that is at fault. What is said to it is written by a thread of its
//! own: a child that cannot get rid of its answers reads no requests.

use super::{Bindings, Joined, Program};
use crate::connect::limits::{MAX_WORKER_KIB, MAX_WORKER_LINE_BYTES, WORKER_ROW_SECONDS};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Name of the hidden command that serves as the child.
pub const COMMAND: &str = "map-worker";

/// Replies that may wait to be taken.
const WAITING: usize = 64;

/// The parent's end of a child that runs one map.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// Whole lines, written by a thread.
    requests: SyncSender<Vec<u8>>,
    replies: Receiver<io::Result<String>>,
    name: String,
}

impl Worker {
    /// Starts `program` as a child with this map. `name` is what messages call the map.
    ///
    /// # Errors
    /// The child cannot be started, or the map does not compile.
    pub fn start(program: &Path, map: &str, name: &str) -> Result<Self, String> {
        let fail = |error: io::Error| format!("{name}: cannot start the process for the map: {error}");
        let mut child = command(program)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(fail)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{name}: cannot speak to the process for the map"));
        };
        let (sender, replies) = sync_channel(WAITING);
        // Ends with the child: its output closes, or nobody takes the replies any more.
        std::thread::Builder::new()
            .name("map-replies".into())
            .spawn(move || read_replies(output, &sender))
            .map_err(fail)?;
        // Ends with the worker, or with the child: then nothing can be written any more.
        let (requests, lines) = sync_channel::<Vec<u8>>(1);
        std::thread::Builder::new()
            .name("map-requests".into())
            .spawn(move || while lines.recv().is_ok_and(|lines| input.write_all(&lines).is_ok()) {})
            .map_err(fail)?;
        let mut worker = Self { child, requests, replies, name: name.to_owned() };
        worker.send(&json!({ "map": map, "file": name }));
        worker.replies("compiling", &mut |_| Ok(()))?;
        Ok(worker)
    }

    /// Tells the child what other rows say, for the files to come.
    ///
    /// # Errors
    /// The child has ended.
    pub fn join(&mut self, joined: &Joined) -> Result<(), String> {
        self.send(&json!({ "joined": joined.to_json()? }));
        self.replies("what rows say to each other", &mut |_| Ok(()))
    }

    /// Tells the child of the next file.
    ///
    /// # Errors
    /// The child has ended.
    pub fn open(
        &mut self,
        settings: &Value,
        shape: &str,
        file: &str,
        head: &Value,
        taken_at: &str,
    ) -> Result<(), String> {
        let request =
            json!({ "settings": settings, "shape": shape, "file": file, "head": head, "taken_at": taken_at });
        self.send(&request);
        self.replies("a file", &mut |_| Ok(()))
    }

    /// Asks for some rows. Each is to be answered with [`Self::answer`], in this order, before anything else is said.
    pub fn ask<'v>(&mut self, rows: impl Iterator<Item = (&'v Value, u64, &'v str)>) {
        let mut lines = Vec::new();
        for (row, number, at) in rows {
            write_line(&mut lines, &json!({ "row": row, "number": number, "at": at }));
        }
        // Nobody to write it to: the child has ended, which the answer will say.
        let _ = self.requests.send(lines);
    }

    /// Hands on each result of the next row that was asked for.
    ///
    /// # Errors
    /// What the map called an error, what `take` returned, or that the child hit a limit.
    pub fn answer(&mut self, take: &mut dyn FnMut(Value) -> Result<(), String>) -> Result<(), String> {
        self.replies("a row", take)
    }

    fn send(&mut self, request: &Value) {
        let mut line = Vec::new();
        write_line(&mut line, request);
        let _ = self.requests.send(line);
    }

    /// Takes replies until the child is done with what was asked.
    fn replies(
        &mut self,
        what: &str,
        take: &mut dyn FnMut(Value) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut refused = None;
        let started = Instant::now();
        loop {
            // One allowance for all replies to one request: a map may also loop by giving results for ever.
            let left = Duration::from_secs(WORKER_ROW_SECONDS).saturating_sub(started.elapsed());
            let line = match self.replies.recv_timeout(left) {
                Ok(Ok(line)) => line,
                Ok(Err(error)) => return Err(format!("{}: {error}", self.name)),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    return Err(format!(
                        "{}: stopped after {WORKER_ROW_SECONDS} seconds on {what}: does it loop?",
                        self.name
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
            };
            let mut reply: Value = serde_json::from_str(&line)
                .map_err(|_| format!("{}: its process said something that is no reply", self.name))?;
            if let Some(message) = reply.get("error").and_then(Value::as_str) {
                return Err(message.to_owned());
            }
            match reply.get_mut("value") {
                // Once refused, the rest of the row is read and dropped, so that the next row stays in step.
                Some(value) if refused.is_none() => refused = take(value.take()).err(),
                Some(_) => {}
                None => return refused.map_or(Ok(()), Err),
            }
        }
    }

    /// What to say of a child that is no more.
    fn ended(&mut self) -> String {
        let _ = self.child.kill();
        let how = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        format!(
            "{}: the process of the map ended ({how}): more than {} MiB of memory, or too deep a recursion?",
            self.name,
            MAX_WORKER_KIB >> 10
        )
    }
}

/// Adds a request. Writing to memory does not fail, and a value of JSON is always written.
fn write_line(lines: &mut Vec<u8>, request: &Value) {
    let _ = serde_json::to_writer(&mut *lines, request);
    lines.push(b'\n');
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's command, with its limits where a shell can set them.
fn command(program: &Path) -> Command {
    if cfg!(unix) {
        let mut command = Command::new("/bin/sh");
        let script =
            format!("ulimit -v {MAX_WORKER_KIB} 2>/dev/null; ulimit -c 0 2>/dev/null; exec \"$0\" {COMMAND}");
        command.arg("-c").arg(script).arg(program);
        return command;
    }
    let mut command = Command::new(program);
    command.arg(COMMAND);
    command
}

fn read_replies(output: impl Read, sender: &SyncSender<io::Result<String>>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = String::new();
        match output.by_ref().take(MAX_WORKER_LINE_BYTES).read_line(&mut line) {
            Ok(0) => return,
            Ok(_) if line.ends_with('\n') => {}
            Ok(_) => {
                let _ = sender.send(Err(io::Error::other("one result of the map is too large")));
                return;
            }
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        }
        if sender.send(Ok(line)).is_err() {
            return;
        }
    }
}

/// Serves as the child: reads requests, writes replies, until the input ends.
///
/// # Errors
/// The parent has gone.
pub fn serve(input: impl Read, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    let mut program: Option<Program> = None;
    let mut bindings: Option<Bindings> = None;
    let mut joined = Joined::default();
    for line in BufReader::new(input).lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
        let field = |key: &str| request.get(key).unwrap_or(&Value::Null);
        let outcome = if request.get("map").is_some() {
            Program::compile(text("map"), text("file")).map(|compiled| program = Some(compiled))
        } else if let Some(value) = request.get("joined") {
            joined = Joined::from_json(value);
            Ok(())
        } else if request.get("settings").is_some() {
            let (settings, head) = (field("settings"), field("head"));
            bindings =
                Some(Bindings::new(settings, text("shape"), text("file"), head, &joined, text("taken_at")));
            Ok(())
        } else {
            let number = field("number").as_u64().unwrap_or_default();
            match (&program, &bindings) {
                (Some(program), Some(bindings)) => {
                    program.run(field("row"), number, text("at"), bindings, &mut |value| {
                        reply(&mut output, &json!({ "value": value })).map_err(|error| error.to_string())
                    })
                }
                _ => Err("a row came before its map and file".to_owned()),
            }
        };
        match outcome {
            Ok(()) => reply(&mut output, &json!({ "done": true }))?,
            Err(message) => reply(&mut output, &json!({ "error": message }))?,
        }
        output.flush()?;
    }
    Ok(())
}

fn reply(output: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")
}
