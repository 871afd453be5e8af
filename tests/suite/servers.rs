//! Real servers that tests talk to: found, or installed from Debian's packages where that may be done, or from Python's into
//! a virtual environment below `target`.
//!
//! Somebody who just runs `cargo test` on a machine without them is told what was left out. Where the variable `CI` is
//! set, nothing may be left out.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

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

/// A virtual environment of Python with these packages (as `pip install` takes them, each with its version), called
/// `name`: the folder of its programs. It is made once, below `target/tmp`. `None` means that a test has to do without, and
/// that was said.
///
/// # Panics
/// Where tests must not be left out.
pub fn python(name: &str, packages: &[&str]) -> Option<PathBuf> {
    // Two tests at a time must not both make it; nor two runs, which a lock on a file keeps apart.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{name}"));
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let (programs, made) = (folder.join("bin"), folder.join("made"));
    let wanted = packages.join(" ");
    if fs::read_to_string(&made).is_ok_and(|said| said == wanted) {
        return Some(programs);
    }
    let why = environment(&folder).or_else(|_| {
        if is_root() {
            install(&["python3", "python3-venv"]);
        }
        environment(&folder)
    });
    let why = why.and_then(|()| {
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
        works(Command::new(programs.join("python")).args(quiet).args(packages))
    });
    match why {
        Ok(()) => {
            // Written last: what broke off in between is made anew.
            fs::write(&made, wanted).unwrap();
            Some(programs)
        }
        Err(why) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "there is no {name} to test against, and pip install {wanted} failed: {why}"
            );
            let said = format!("left out: there is no {name} to test against; pip install {wanted}: {why}\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            None
        }
    }
}

/// An empty virtual environment.
fn environment(folder: &Path) -> Result<(), String> {
    works(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

/// Runs a command; when it fails, the last line it said.
fn works(command: &mut Command) -> Result<(), String> {
    let done = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(said.lines().last().unwrap_or("no word why").to_owned())
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

/// A port of this machine at which nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A file that only its owner may read.
pub fn put_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Certificates in a folder: `ca.pem` and `other-ca.pem` of two authorities; by the first `server.pem` of a server named
/// `localhost` and `client.pem` of a client of this name, with their keys `server.key` and `client.key`.
pub fn write_certificates(dir: &Path, client: &str) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        fs::write(dir.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(params, key)
    };
    let issuer = authority("ca");
    authority("other-ca");
    for (file, name) in [("server", "localhost"), ("client", client)] {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(dir.join(format!("{file}.pem")), certificate.pem()).unwrap();
        put_secret(&dir.join(format!("{file}.key")), &key.serialize_pem());
    }
}
