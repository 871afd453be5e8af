//! A program meets its limits, is stopped when it is asked to, and leaves nothing behind.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use counterfoil::config::Config;
use counterfoil::connect::transport::Doing;

use super::{Desk, SYSTEM, wait_for};

/// Whether a process works; one that has ended and that nobody has asked for does not.
fn lives(process: u32) -> bool {
    let state = match fs::read_to_string(format!("/proc/{process}/stat")) {
        // The name, which may hold anything, stands in brackets.
        Ok(known) => known.rsplit(')').next().unwrap_or_default().trim().to_owned(),
        Err(_) if cfg!(target_os = "linux") => String::new(),
        Err(_) => {
            let known =
                Command::new("ps").args(["-o", "stat=", "-p", &process.to_string()]).output().unwrap();
            String::from_utf8_lossy(&known.stdout).trim().to_owned()
        }
    };
    !state.is_empty() && !state.starts_with('Z')
}

fn ends(process: u32) {
    wait_for(&format!("process {process} to end"), || (!lives(process)).then_some(()));
}

/// Writes down its own id and that of a process it starts, and says that it is ready.
const FAMILY: &str =
    "sleep 300 & echo $! > child.new; mv child.new child; echo $$ > own.new; mv own.new own\n";

impl Desk {
    /// The process whose id a script wrote down.
    fn process(&self, file: &str) -> u32 {
        wait_for(&format!("{file} to be written"), || {
            fs::read_to_string(self.path(file)).ok()?.trim().parse().ok()
        })
    }
}

#[test]
fn it_meets_its_limits() {
    let began = Instant::now();
    let desk = Desk::with(&format!("echo '{SYSTEM}'; echo begun >&2\n{FAMILY}wait"), "timeout = \"PT1.5S\"");
    let error = desk.fails();
    assert!(
        error.contains("stopped: it did not end within PT1.500S (`timeout`); the last it said: begun"),
        "{error}"
    );
    ends(desk.process("own"));
    ends(desk.process("child"));

    let desk = Desk::with(&format!("{FAMILY}yes '{SYSTEM}'"), "max_output_mib = 1");
    let error = desk.fails();
    assert!(error.contains("stopped: it printed more than 1 MiB (`max_output_mib`)"), "{error}");
    ends(desk.process("own"));
    ends(desk.process("child"));
    let exact = format!("head -c 1048576 /dev/zero | tr '\\0' ' '; echo '{SYSTEM}' >&2");
    let error = Desk::with(&exact, "max_output_mib = 1").fails();
    assert!(error.contains("empty"), "one MiB is not more than one: {error}");

    #[cfg(target_os = "linux")]
    {
        let swell = "exec python3 -c 'x = bytearray(400 << 20); print(\"{\\\"type\\\":\\\"system\\\",\\\"id\\\":\\\"a\\\"}\")'";
        let error = Desk::with(swell, "memory_mib = 300").fails();
        assert!(error.contains("exit status 1") && error.contains("MemoryError"), "{error}");
        assert_eq!(Desk::with(swell, "memory_mib = 1000").pulls().0.len(), 2);
        assert_eq!(Desk::with(swell, "memory_mib = 0").pulls().0.len(), 2);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

/// Pulls in this process, and breaks off when it has heard of it so often.
fn broken_off(desk: &Desk, when: impl Fn(&Doing<'_>) -> bool) -> String {
    let config = Config::load(&desk.path("c.toml")).unwrap();
    let job = config.prepared("plug").unwrap().unwrap();
    let mut lines = vec![];
    let pulled = job.pull(
        &mut |line| {
            lines.push(line.to_owned());
            Ok(())
        },
        &mut |_| {},
        &when,
    );
    assert!(lines.is_empty(), "{lines:?}");
    pulled.unwrap_err().to_string()
}

#[test]
fn it_is_stopped_with_all_it_started() {
    let desk = Desk::with(&format!("echo '{SYSTEM}'\n{FAMILY}wait"), "");
    let (heard, last) = (std::cell::Cell::new(0), std::cell::Cell::new(Instant::now()));
    let error = broken_off(&desk, |doing| {
        assert_eq!(*doing, Doing::Busy);
        assert!(last.replace(Instant::now()).elapsed() < Duration::from_secs(1), "it is asked each second");
        heard.set(heard.get() + 1);
        heard.get() > 2 && desk.path("own").exists()
    });
    assert_eq!(error, "`./p.sh`: stopped");
    ends(desk.process("own"));
    ends(desk.process("child"));

    let desk = Desk::with(&format!("{FAMILY}echo now >&2; wait"), "");
    assert_eq!(broken_off(&desk, |doing| *doing == Doing::Said { line: "now" }), "`./p.sh`: stopped");
    ends(desk.process("own"));
}

#[test]
fn it_dies_with_us() {
    let desk = Desk::with(&format!("{FAMILY}wait"), "");
    let mut pull: Child = desk.puller().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (own, child) = (desk.process("own"), desk.process("child"));
    assert!(lives(own) && lives(child));
    pull.kill().unwrap();
    pull.wait().unwrap();
    ends(own);
    ends(child);
}

#[test]
fn what_it_leaves_behind_is_ended() {
    // What holds nothing of ours open does not matter, and ends all the same.
    let desk = Desk::with(&format!("sleep 300 >/dev/null 2>&1 & echo $! > child; echo '{SYSTEM}'"), "");
    assert_eq!(desk.pulls().0.len(), 2);
    ends(desk.process("child"));
    let desk = Desk::with(&format!("sleep 300 >/dev/null & echo $! > child; echo '{SYSTEM}'"), "");
    assert_eq!(desk.pulls().0.len(), 2);
    ends(desk.process("child"));

    // What may still print may print more; not in the group, it cannot even be ended.
    for (start, ended) in [("", true), ("setsid ", false)] {
        let script = format!(
            "{start}sh -c 'echo $$ > child; exec sleep 300' & echo '{SYSTEM}'; while [ ! -s child ]; do :; done"
        );
        let desk = Desk::with(&script, "");
        let began = Instant::now();
        let error = desk.fails();
        assert!(error.contains("a process that it left behind holds its output open"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let child = desk.process("child");
        if ended {
            ends(child);
        } else {
            Command::new("kill").arg(child.to_string()).status().unwrap();
        }
    }
    // Status 3 is no way round that.
    let script = format!("sleep 300 & echo '{SYSTEM}'; echo incomplete: x >&2; exit 3");
    assert!(Desk::with(&script, "").fails().contains("holds its output open"));
    let error = Desk::with("sleep 300 & exit 5", "").fails();
    assert!(error.contains("exit status 5"), "{error}");
}
