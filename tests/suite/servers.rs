//! Real servers that tests talk to: found, or installed from Debian's packages where that may be done.
//!
//! Somebody who just runs `cargo test` on a machine without them is told what was left out. Where the variable `CI` is
//! set, nothing may be left out.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Whether a server is there: `there` looks for it, `packages` bring it. `false` means that a test has to do without, and
/// that was said.
///
/// # Panics
/// Where tests must not be left out.
pub fn is_there(server: &str, packages: &[&str], there: &dyn Fn() -> bool) -> bool {
    // Two tests at a time must not both install it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if !there() && is_root() {
        install(packages);
    }
    let found = there();
    let packages = packages.join(" ");
    assert!(
        found || std::env::var_os("CI").is_none(),
        "there is no {server} to test against, and it could not be installed: apt-get install {packages}"
    );
    if !found {
        let said = format!("left out: there is no {server} to test against; apt-get install {packages}\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    found
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}

fn install(packages: &[&str]) {
    let apt = |arguments: &[&str]| {
        let quiet = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        quiet.is_ok_and(|status| status.success())
    };
    let _ = apt(&["update"]) && apt(&[&["install", "-y", "--no-install-recommends"][..], packages].concat());
}
