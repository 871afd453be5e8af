//! The program while it runs: its limits, what it says, and what its end means.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration as Span, Instant as Tick};

use super::{Plan, Site, visible};
use crate::connect::transport::{Ask, Doing};

/// The exit status that says: what was printed is right, and not all.
const NOT_ALL: i32 = 3;

/// What a line on standard error begins with that says why it is not all.
const WHY: &str = "incomplete:";

/// How often it is looked whether the program has ended.
const LOOK: Span = Span::from_millis(50);

/// How often whoever asked is told that it still works.
const TELL: Span = Span::from_millis(250);

/// How long after its end the output may stay open: what a process that it left behind prints may be a part of it.
const GRACE: Span = Span::from_secs(2);

/// Bytes of a line on standard error that are kept.
const MAX_LINE: u64 = 2048;

/// Lines on standard error that are handed on.
const MAX_LINES: usize = 10_000;

/// Lines of it that an error repeats.
const TAIL: usize = 3;

/// Reasons that are taken.
const MAX_REASONS: usize = 20;

/// What the program does.
pub(super) enum Event {
    /// A line on standard error.
    Line(String),
    /// Its output is at its end: how many bytes, or what kept them from being set aside.
    Printed(io::Result<u64>),
}

/// The program while it runs. When this goes, so does all that is left of its process group.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            // The group is not yet another's: the process that waits for our end is in it.
            let id = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
            let _ = id.map(|id| rustix::process::kill_process_group(id, rustix::process::Signal::KILL));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(super) fn start(plan: &Plan, site: &Site) -> io::Result<Self> {
        let mut command = command(&plan.program, site);
        command.args(&plan.arguments).current_dir(&plan.folder);
        command.env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map(Self)
    }

    /// Reads what it prints. The two threads end with what they read: should a process that left the group keep that open,
    /// they wait for it, and nobody for them.
    pub(super) fn listen(&mut self, file: File, site: &Site) -> io::Result<Receiver<Event>> {
        let (Some(output), Some(errors)) = (self.0.stdout.take(), self.0.stderr.take()) else {
            return Err(io::Error::other("it has no output"));
        };
        let limit = bytes(site.max_output_mib);
        let (sender, events) = sync_channel(64);
        let lines = sender.clone();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("exec-output").spawn(move || {
            let mut file = file;
            let copied = io::copy(&mut output.take(limit.saturating_add(1)), &mut file);
            let _ = sender.send(Event::Printed(copied));
        })?;
        thread("exec-errors").spawn(move || read_lines(errors, &lines))?;
        Ok(events)
    }

    /// Waits for its end. Gives the reasons why what it printed is not all.
    pub(super) fn wait(
        &mut self,
        events: &Receiver<Event>,
        ask: &Ask<'_>,
        site: &Site,
        plan: &Plan,
    ) -> Result<Vec<String>, String> {
        let began = Tick::now();
        let limit = Span::from_millis(site.timeout.ms().unsigned_abs());
        let mut said = Said::default();
        let mut told = Tick::now();
        let (mut printed, mut silent) = (false, false);
        let mut ended: Option<(ExitStatus, Tick)> = None;
        loop {
            match events.recv_timeout(LOOK) {
                Ok(Event::Line(line)) => {
                    let line = visible(&plan.secrets.hidden(&line));
                    if said.take(&line) && (ask.watch)(&Doing::Said { line: &line }) {
                        return Err("stopped".to_owned());
                    }
                }
                Ok(Event::Printed(Ok(n))) if n > bytes(site.max_output_mib) => {
                    let mib = site.max_output_mib;
                    return Err(format!("stopped: it printed more than {mib} MiB (`max_output_mib`){said}"));
                }
                Ok(Event::Printed(Ok(_))) => printed = true,
                Ok(Event::Printed(Err(e))) => {
                    return Err(format!("what it prints cannot be set aside: {e}"));
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Both are at their end, and it may still work on something.
                Err(RecvTimeoutError::Disconnected) => {
                    silent = true;
                    std::thread::sleep(LOOK);
                }
            }
            if told.elapsed() >= TELL {
                told = Tick::now();
                if (ask.watch)(&Doing::Busy) {
                    return Err("stopped".to_owned());
                }
            }
            let status = match ended {
                Some(ended) => Some(ended),
                None => self.0.try_wait().map_err(|e| e.to_string())?.map(|status| (status, Tick::now())),
            };
            ended = status;
            match status {
                Some((status, _)) if printed && silent => return said.verdict(status, site),
                // What else it has to say is waited for, and no more than that.
                Some((status, at)) if at.elapsed() >= GRACE => {
                    if printed || !matches!(status.code(), Some(0 | NOT_ALL)) {
                        return said.verdict(status, site);
                    }
                    return Err(format!(
                        "it ended, but a process that it left behind holds its output open, so what it printed may not \
                         be all: let it wait for its processes, or close their output{said}"
                    ));
                }
                None if began.elapsed() >= limit => {
                    return Err(format!("stopped: it did not end within {} (`timeout`){said}", site.timeout));
                }
                _ => {}
            }
        }
    }
}

/// What the program said on standard error.
#[derive(Default)]
struct Said {
    lines: usize,
    last: VecDeque<String>,
    reasons: Vec<String>,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last: Vec<&str> = self.last.iter().map(String::as_str).collect();
        if last.is_empty() { Ok(()) } else { write!(f, "; the last it said: {}", last.join(" / ")) }
    }
}

impl Said {
    /// Takes a line; whether it is to be handed on.
    fn take(&mut self, line: &str) -> bool {
        if let Some(reason) = line.strip_prefix(WHY).map(str::trim).filter(|reason| !reason.is_empty())
            && self.reasons.len() < MAX_REASONS
        {
            self.reasons.push(reason.to_owned());
        }
        if !line.trim().is_empty() {
            if self.last.len() == TAIL {
                self.last.pop_front();
            }
            self.last.push_back(line.to_owned());
        }
        self.lines += 1;
        self.lines <= MAX_LINES
    }

    /// What its end means.
    fn verdict(self, status: ExitStatus, site: &Site) -> Result<Vec<String>, String> {
        match status.code() {
            Some(0) => Ok(self.reasons),
            Some(NOT_ALL) if !self.reasons.is_empty() => Ok(self.reasons),
            Some(NOT_ALL) => Err(format!(
                "exit status {NOT_ALL} says that it printed not all; then a line `{WHY} REASON` on standard error has to \
                 say why{self}"
            )),
            Some(code) => Err(format!("it failed with exit status {code}{self}")),
            None => {
                let limit = match site.memory_mib {
                    0 => String::new(),
                    mib => format!(": more than {mib} MiB of memory (`memory_mib`)?"),
                };
                Err(format!("it was ended by a {status}{limit}{self}"))
            }
        }
    }
}

/// Reads lines of standard error, each cut at [`MAX_LINE`].
fn read_lines(errors: impl Read, to: &SyncSender<Event>) {
    let mut errors = BufReader::new(errors);
    loop {
        let mut line = Vec::new();
        match errors.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let cut = !line.ends_with(b"\n") && line.len() as u64 == MAX_LINE;
        if cut && !skip_line(&mut errors) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = format!("{}{}", text.trim_end(), if cut { " …" } else { "" });
        if to.send(Event::Line(text)).is_err() {
            return;
        }
    }
}

/// Passes over the rest of a line; `false` when it cannot be read.
fn skip_line(errors: &mut impl BufRead) -> bool {
    loop {
        let Ok(buffer) = errors.fill_buf() else { return false };
        let (n, ends) = match buffer.iter().position(|b| *b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        errors.consume(n);
        if ends {
            return true;
        }
    }
}

fn bytes(mib: u64) -> u64 {
    mib.saturating_mul(1 << 20)
}

/// The program with its limits. A shell sets them and then becomes the program, which it hands its arguments as they are;
/// beside it, it leaves a process that ends the whole group when the pipe from here closes: when this program dies.
#[cfg(unix)]
fn command(program: &Path, site: &Site) -> Command {
    use std::os::unix::process::CommandExt;
    let memory = match site.memory_mib {
        0 => String::new(),
        mib => format!("ulimit -v {} 2>/dev/null; ", mib.saturating_mul(1024)),
    };
    let script = format!(
        "{memory}ulimit -c 0 2>/dev/null; exec 3<&0 </dev/null; \
         {{ read -r _ <&3; kill -KILL -$$; }} >/dev/null 2>&1 & \
         exec \"$0\" \"$@\" 3<&-"
    );
    let mut command = Command::new("/bin/sh");
    command.process_group(0).arg("-c").arg(script).arg(program);
    command
}

#[cfg(not(unix))]
fn command(program: &Path, _site: &Site) -> Command {
    Command::new(program)
}
