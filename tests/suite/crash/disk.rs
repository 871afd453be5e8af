//! A disk that is full, and a store that cannot be written: the program says so, stops, and goes on once there is room;
//! what was not committed is never told.
//!
//! Who may mount gets a small file system of the test's own. For everybody else a limit on the size of files stands in for
//! the full disk, and a folder without the right to write, which means nothing to root, for the one that is read-only.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration as Span;

use counterfoil::model::{Duration, Instant};

use super::audit::{audit, remembered, stateless};
use super::estate::Estate;
use super::receiver::Mood;
use super::site::{Site, now, said, until};

const SETTINGS: &str = "[store]\npath = \"FOLDER/counterfoil.db\"\n\n[guard]\nrecords = 100000\n\n[alerts]\nflapping_changes = 100000\nresolve_after = 1\n";

/// A small file system, gone with the test.
struct Mount(PathBuf);

impl Mount {
    /// One of so many KiB in this folder; `None` for those who may not mount, who have the limit on files.
    fn new(folder: PathBuf, size: u32) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let options = format!("size={size}k,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "counterfoil-test"]).arg(&folder);
        mount.output().is_ok_and(|done| done.status.success()).then_some(Self(folder))
    }

    fn again(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The site whose store is in a folder of its own, and an estate.
fn site() -> (Site, Estate) {
    let site = Site::new(Mood::Well, "");
    std::fs::create_dir(site.path("disk")).unwrap();
    let text = SETTINGS.replace("FOLDER", "disk");
    site.configure(&text, &site.sinks());
    let link = site.path("counterfoil.db");
    // Where the tests look for it.
    std::os::unix::fs::symlink(site.path("disk/counterfoil.db"), link).unwrap();
    (site, Estate::new(21, 160, now()))
}

/// Everything ends as if nothing had happened.
fn recovers(site: &Site, estate: &Estate, at: Instant) {
    site.export(estate, at);
    let at = at.plus(Duration::seconds(1));
    site.reconcile(at);
    site.reconcile(at);
    println!("{}", audit(site));
    assert_eq!(remembered(site), stateless(site, at));
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let (site, mut estate) = site();
    let Some(disk) = Mount::new(site.path("disk"), 1200) else {
        return println!("may not mount; the limit on files stands in for it");
    };
    let at = now();
    site.export(&estate, at);
    // Too small for the first run.
    let error = site.fails(&["reconcile", "--now", &at.to_string()]);
    assert!(error.contains("the store's disk is full") && error.contains("free some room"), "{error}");
    let committed = site.ask("SELECT count(*) FROM event");
    assert!(site.receiver.count() as i64 <= committed.unwrap_or(0));
    disk.again("size=64m");
    recovers(&site, &estate, at);

    // It fills up at another moment each time, and each time the rest is done once there is room.
    let mut failed = 0;
    for round in 0..12 {
        let at = at.plus(Duration::minutes(1 + round));
        for _ in 0..4 {
            estate.step(at);
        }
        site.export(&estate, at);
        let filler = site.path("disk/filler");
        let free = Command::new("df").args(["-k", "--output=avail"]).arg(&disk.0).output().unwrap();
        let free: u64 =
            String::from_utf8(free.stdout).unwrap().split_whitespace().last().unwrap().parse().unwrap();
        std::fs::write(&filler, vec![1; (free.saturating_sub(round * round * 40) * 1024) as usize]).unwrap();
        let done = site.run(&["reconcile", "--now", &at.to_string()]);
        let text = said(&done);
        if !done.status.success() {
            failed += 1;
            assert_eq!(done.status.code(), Some(2), "{text}");
            assert!(text.contains("disk is full") && !text.contains("panicked"), "{text}");
        }
        std::fs::remove_file(&filler).unwrap();
    }
    println!("{failed} of 12 runs failed");
    assert!((3..12).contains(&failed), "{failed}");
    recovers(&site, &estate, at.plus(Duration::hours(1)));
}

#[test]
fn a_file_that_may_not_grow_stops_the_run_and_loses_nothing() {
    let (site, mut estate) = site();
    let at = now();
    let mut failed = 0;
    for round in 0..8_u64 {
        let at = at.plus(Duration::minutes(round));
        estate.step(at);
        site.export(&estate, at);
        // In blocks of 512 bytes; the signal that comes with it is passed over, so that writing fails as it does on a full disk.
        let blocks = 200 + round * 700;
        let command = site.command(&["reconcile", "--now", &at.to_string()]);
        let line: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {}", line.join(" "));
        let done = Command::new("sh").arg("-c").arg(script).env_remove("STATE_DIRECTORY").output().unwrap();
        if !done.status.success() {
            failed += 1;
            let text = said(&done);
            assert_eq!(done.status.code(), Some(2), "{text}");
            assert!(text.contains("error: the store") && !text.contains("panicked"), "{text}");
        }
        let committed = site.ask("SELECT count(*) FROM event").unwrap_or(0);
        let heard: std::collections::BTreeSet<String> =
            site.receiver.copies().into_iter().map(|copy| copy.id).collect();
        assert!(heard.len() as i64 <= committed, "told what was not committed");
    }
    println!("{failed} of 8 runs failed");
    assert!((2..8).contains(&failed), "{failed}");
    recovers(&site, &estate, at.plus(Duration::hours(1)));
}

#[test]
fn a_store_that_cannot_be_written_stops_the_run_and_loses_nothing() {
    let (site, mut estate) = site();
    let disk = Mount::new(site.path("disk"), 65_536);
    let writable = |yes: bool| match &disk {
        Some(disk) => disk.again(if yes { "rw" } else { "ro" }),
        None => {
            use std::os::unix::fs::PermissionsExt;
            let (folder, file) = if yes { (0o700, 0o600) } else { (0o500, 0o400) };
            for (name, mode) in
                [("disk/counterfoil.db", file), ("disk/counterfoil.db.lock", file), ("disk", folder)]
            {
                let path = site.path(name);
                if path.exists() {
                    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
                }
            }
        }
    };
    let at = now();
    site.export(&estate, at);
    writable(false);
    if std::fs::write(site.path("disk/trial"), "").is_ok() {
        assert!(
            std::env::var("COUNTERFOIL_SKIP_SERVERS").is_ok(),
            "root without the right to mount can make nothing read-only; COUNTERFOIL_SKIP_SERVERS=1 leaves this out"
        );
        return;
    }
    let error = site.fails(&["reconcile"]);
    assert!(error.contains("disk/counterfoil.db"), "{error}");
    assert_eq!(site.receiver.count(), 0);
    writable(true);
    recovers(&site, &estate, at);

    let told = site.receiver.count();
    estate.step(now());
    site.export(&estate, now());
    writable(false);
    for command in [&["reconcile"] as &[&str], &["run"], &["store", "prune"]] {
        let error = site.fails(command);
        let named = error.contains("disk/counterfoil.db") || command[0] == "store";
        assert!(named && error.contains(" cannot be "), "{error}");
    }
    assert_eq!(site.receiver.count(), told);
    writable(true);
    recovers(&site, &estate, now());
}

#[test]
fn a_daemon_outlives_a_full_disk() {
    let (site, mut estate) = site();
    let Some(disk) = Mount::new(site.path("disk"), 65_536) else {
        return println!("may not mount; the limit on files stands in for it");
    };
    let settings = format!("{}\n[serve]\nlisten = \"127.0.0.1:0\"\n", SETTINGS.replace("FOLDER", "disk"));
    site.configure(&settings, &site.sinks());
    site.export(&estate, now());
    let mut running = site.start(&["run"]);
    let done = || site.ask("SELECT count(*) FROM run WHERE ended_at IS NOT NULL").unwrap_or(0);
    until("the first run is told", Span::from_secs(60), || {
        done() == 1 && site.ask("SELECT count(*) FROM outbox") == Some(0)
    });
    // Another company altogether, so that there is a lot to write.
    estate = Estate::new(22, 900, now());
    site.export(&estate, now());
    site.all_due();
    let filler = site.path("disk/filler");
    assert!(std::fs::write(&filler, vec![1; 70 << 20]).is_err(), "the disk is full");
    running.signal("HUP");
    until("it says that the disk is full", Span::from_secs(30), || {
        let log = site.read("log");
        log.contains("run failed; it is tried again") && log.contains("the store's disk is full")
    });
    assert!(running.has_ended().is_none());
    assert_eq!(done(), 1);
    std::fs::remove_file(&filler).unwrap();
    until("it goes on", Span::from_secs(60), || {
        done() > 1 && site.ask("SELECT count(*) FROM outbox") == Some(0)
    });
    running.stop();
    audit(&site);
    drop(disk);
}
