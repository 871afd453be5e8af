//! The pages in a real browser, Chromium: nothing is said on its console, nothing is loaded from elsewhere, the keyboard is
//! enough, and axe finds nothing that would keep somebody out; by day and by night, wide and narrow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::super::servers;
use super::access::{House, OPERATOR};

/// axe-core, which npm holds.
const AXE: &str = "axe-core@4.10.3";
/// SHA-256 of its `axe.min.js`.
const AXE_SHA256: &str = "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb";

/// `axe.min.js`, fetched once below `target/tmp`.
fn axe() -> Option<PathBuf> {
    let runs = || Command::new("npm").arg("--version").output().is_ok_and(|out| out.status.success());
    if !servers::is_there("npm", &["npm"], &runs) {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file = folder.join("package/axe.min.js");
    let is_it = |bytes: Vec<u8>| {
        let digest = Sha256::digest(&bytes);
        digest.iter().map(|b| format!("{b:02x}")).collect::<String>() == AXE_SHA256
    };
    if !fs::read(&file).is_ok_and(is_it) {
        fs::create_dir_all(&folder).unwrap();
        let packed =
            Command::new("npm").args(["pack", "--silent", AXE]).current_dir(&folder).output().unwrap();
        let name = String::from_utf8_lossy(&packed.stdout);
        let opened = Command::new("tar").args(["xzf", name.trim()]).current_dir(&folder).status().unwrap();
        assert!(packed.status.success() && opened.success(), "npm pack {AXE}: {packed:?}");
        assert!(fs::read(&file).is_ok_and(is_it), "{AXE} is not what it was");
    }
    Some(file)
}

#[test]
fn a_browser_shows_every_page_to_everybody() {
    let chromium = || Path::new("/usr/bin/chromium").exists();
    if !servers::is_there("Chromium", &["chromium", "fonts-dejavu-core"], &chromium) {
        return;
    }
    let (Some(python), Some(axe)) = (servers::python("browser", &["playwright==1.55.0"]), axe()) else {
        return;
    };
    let mut house = House::new(true);
    house.hold("iam", 7);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/serve/browser.py");
    let done = Command::new(python.join("python"))
        .arg(script)
        .arg(format!("http://{}", house.address))
        .arg(axe)
        .arg(OPERATOR)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let (pages, wrong) = said.split_once('\n').unwrap();
    assert!(pages.trim_end_matches(" pages").parse::<usize>().unwrap() >= 12, "{said}");
    assert!(wrong.trim().is_empty(), "{wrong}");
}
