//! The file: whole lines, in order, whatever happens to the file.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use counterfoil::model::event::Event;
use counterfoil::sink::Receipt;
use serde_json::Value;

use super::contract::{Fault, Peer, Wire, contract};
use super::samples::{alone, digest, heartbeat};
use super::sending::{HOSTILE, build, event, kept, messages, send, send_all};

/// A file on a disk that can be gone.
struct Disk(tempfile::TempDir);

impl Peer for Disk {
    fn start(_: Wire) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        Self(dir)
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self) -> String {
        "[file]\npath = \"logs/out.jsonl\"".to_owned()
    }

    fn secrets(&self) -> Vec<String> {
        vec![]
    }

    fn supports(fault: &Fault) -> bool {
        *fault == Fault::ServerError
    }

    fn has_tls() -> bool {
        false
    }

    fn inject(&self, fault: Option<Fault>) {
        let (here, gone) = (self.0.path().join("logs"), self.0.path().join("gone"));
        let (from, to) = if fault.is_some() { (here, gone) } else { (gone, here) };
        fs::rename(from, to).unwrap();
    }

    fn taken(&self) -> Vec<String> {
        let path = self.0.path().join("logs/out.jsonl");
        if path.exists() { read(&path).0 } else { vec![] }
    }

    fn complaints(&self) -> Vec<String> {
        let path = self.0.path().join("logs/out.jsonl");
        if path.exists() && read(&path).1 > 0 { vec!["a line is no JSON".to_owned()] } else { vec![] }
    }
}

contract!(Disk);

/// The lines of a file that are JSON, by their id, and the number of others.
fn read(path: &Path) -> (Vec<String>, usize) {
    let text = fs::read_to_string(path).unwrap();
    let (json, broken): (Vec<_>, Vec<_>) =
        text.lines().map(serde_json::from_str::<Value>).partition(Result::is_ok);
    (json.into_iter().map(|v| v.unwrap()["id"].as_str().unwrap().to_owned()).collect(), broken.len())
}

fn ids(batch: &[counterfoil::model::event::Message<'_>]) -> Vec<String> {
    batch.iter().map(|m| m.id.clone()).collect()
}

#[test]
fn every_message_is_one_line_that_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let sink = build("[file]\npath = \"out.jsonl\"", dir.path()).unwrap();
    let hostile = alone(event(1, HOSTILE, HOSTILE));
    let batch = [hostile, digest(), heartbeat()];
    send_all(&*sink, &batch);
    send_all(&*sink, &messages(2..4));
    let text = fs::read_to_string(dir.path().join("out.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 5);
    let first: Event<'_> = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first, event(1, HOSTILE, HOSTILE));
    assert!(!text.chars().any(|c| c != '\n' && counterfoil::report::text::is_hidden(c)));
    let schemas: Vec<Value> =
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["schema"].clone()).collect();
    assert_eq!(schemas[..3], ["counterfoil.event/1", "counterfoil.digest/1", "counterfoil.heartbeat/1"]);
}

#[test]
fn ocsf_tells_events_and_leaves_the_rest_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let sink = build("[file]\npath = \"out\"\nformat = \"ocsf\"", dir.path()).unwrap();
    let batch = [heartbeat(), alone(event(1, HOSTILE, "alice")), digest()];
    send_all(&*sink, &batch);
    let text = fs::read_to_string(dir.path().join("out")).unwrap();
    assert!(!text.chars().any(|c| c != '\n' && counterfoil::report::text::is_hidden(c)));
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        (&lines[1]["class_uid"], &lines[1]["metadata"]["uid"]),
        (&2008.into(), &batch[1].id.as_str().into())
    );
    assert_eq!(
        (&lines[0]["id"], &lines[2]["id"]),
        (&batch[0].id.as_str().into(), &batch[2].id.as_str().into())
    );
    assert_eq!(lines.len(), 3);
}

#[cfg(unix)]
#[test]
fn a_new_file_is_for_its_owner_only_and_an_old_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    send_all(&*build("[file]\npath = \"new\"", dir.path()).unwrap(), &messages(0..1));
    assert_eq!(mode("new"), 0o600);
    fs::write(dir.path().join("old"), "").unwrap();
    fs::set_permissions(dir.path().join("old"), fs::Permissions::from_mode(0o640)).unwrap();
    send_all(&*build("[file]\npath = \"old\"\nfsync = false", dir.path()).unwrap(), &messages(0..1));
    assert_eq!(mode("old"), 0o640);
}

#[test]
fn a_file_that_is_moved_emptied_or_deleted_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("out"), dir.path().join("out.1"));
    let sink = build(&format!("[file]\npath = \"{}\"", path.display()), Path::new("/nowhere")).unwrap();
    let all = messages(0..4);
    send_all(&*sink, &all[..1]);
    fs::rename(&path, &moved).unwrap();
    send_all(&*sink, &all[1..2]);
    assert_eq!((read(&moved), read(&path)), ((ids(&all[..1]), 0), (ids(&all[1..2]), 0)));
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    send_all(&*sink, &all[2..3]);
    assert_eq!(read(&path), (ids(&all[2..3]), 0));
    fs::remove_file(&path).unwrap();
    send_all(&*sink, &all[3..]);
    assert_eq!(read(&path), (ids(&all[3..]), 0));
}

#[test]
fn a_line_that_was_cut_swallows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let sink = build("[file]\npath = \"out\"", dir.path()).unwrap();
    let all = messages(0..2);
    send_all(&*sink, &all[..1]);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"id\":\"ha").unwrap();
    send_all(&*sink, &all[1..]);
    assert_eq!(read(&path), (ids(&all), 1));
}

#[test]
fn what_the_system_refuses_is_kept_for_later() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let sink = build("[file]\npath = \"logs/out\"", dir.path()).unwrap();
    fs::remove_dir(dir.path().join("logs")).unwrap();
    let reason = kept(&*sink, &messages(0..2));
    assert!(reason.contains("logs/out") && reason.contains("its folder is gone"), "{reason}");
    fs::create_dir(dir.path().join("logs")).unwrap();
    send_all(&*sink, &messages(0..2));
    fs::remove_file(dir.path().join("logs/out")).unwrap();
    fs::create_dir(dir.path().join("logs/out")).unwrap();
    kept(&*sink, &messages(0..2));
}

/// A disk that is full in the middle of a batch; the mount needs root, and a sandbox may refuse it even so.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_batch_and_later_takes_it_whole() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&disk).status();
    if !mount.is_ok_and(|s| s.success()) {
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        fs::write(disk.join("ballast"), vec![b'x'; 48 * 1024]).unwrap();
        let sink = build("[file]\npath = \"disk/out\"", dir.path()).unwrap();
        let batch = messages(0..40);
        let reason = kept(&*sink, &batch);
        assert!(reason.contains("make room"), "{reason}");
        let (before, cut) = read(&disk.join("out"));
        assert!(before.len() < 40 && cut <= 1);
        fs::remove_file(disk.join("ballast")).unwrap();
        send_all(&*sink, &batch);
        let mut expected = before;
        expected.extend(ids(&batch));
        assert_eq!(read(&disk.join("out")), (expected, cut));
    });
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    outcome.unwrap();
}

#[test]
fn settings_that_cannot_work_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |entry: &str| build(entry, dir.path()).unwrap_err().to_string();
    let missing = refused("[file]\npath = \"no/such/file\"");
    assert!(missing.contains("there is no folder") && missing.contains("create it"), "{missing}");
    assert!(refused("[file]\npath = \"/dev/null\"").contains("`-` is standard output"));
    assert!(refused("[file]\npath = \"/\"").contains("expected the path of a file"));
    assert!(refused("[file]\npath = \"a\"\nformat = \"xml\"").contains("xml"));
    assert!(refused("[file]\npath = \"a\"\nfsynk = true").contains("fsynk"));
}

/// What the children below do: standard output of the test binary belongs to the harness, so a process of its own
/// writes to it.
#[test]
#[ignore = "a part of the tests of standard output, which start it"]
fn child() {
    // The parent says when.
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let sink = build("[file]\npath = \"-\"", Path::new("/nowhere")).unwrap();
    let receipts = send(&*sink, &messages(0..2));
    let paused = receipts.iter().all(|r| matches!(r, Receipt::Paused { .. }));
    let taken = receipts.iter().all(|r| *r == Receipt::Taken);
    std::process::exit(if paused {
        41
    } else if taken {
        42
    } else {
        43
    });
}

fn start_child() -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "sinks::file::child", "--ignored", "--nocapture", "--test-threads=1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn standard_output_gets_the_same_lines() {
    let mut child = start_child();
    child.stdin.take().unwrap().write_all(b"x").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(42));
    let text = String::from_utf8(output.stdout).unwrap();
    // The harness has begun the first line.
    let found: Vec<Event<'_>> =
        text.lines().filter_map(|l| serde_json::from_str(l.get(l.find('{')?..)?).ok()).collect();
    assert_eq!(found, [event(0, "message 0", "alice"), event(1, "message 1", "alice")]);
}

#[test]
fn standard_output_that_nobody_reads_pauses_the_sink() {
    let mut child = start_child();
    // The harness has said that it starts the test; nothing more comes before the lines.
    let mut output = child.stdout.take().unwrap();
    let mut seen = String::new();
    while !seen.contains("running 1 test\n") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    drop(output);
    child.stdin.take().unwrap().write_all(b"x").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(41));
}
