//! Secrets by reference: where they are looked for, what is refused, and that no error ever shows one.

use std::ffi::OsString;
use std::path::Path;

use counterfoil::secret::SecretRef;
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// What must never be shown.
const CANARY: &str = "s3cr3t-canary-91";

#[derive(Debug, serde::Deserialize)]
struct Settings {
    token: SecretRef,
}

fn reference(text: &str) -> SecretRef {
    toml::from_str::<Settings>(&format!("token = {text:?}")).unwrap().token
}

/// A file of these bytes that only its owner may read.
fn write(folder: &TempDir, name: &str, bytes: &[u8]) {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    permit(&path, 0o600);
}

fn permit(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// The secret, in an environment of one variable.
fn fetch(text: &str, folder: &Path, variable: &str, value: &str) -> Result<String, String> {
    let environment = |name: &str| (name == variable).then(|| OsString::from(value));
    let secret = reference(text).fetch_with(folder, &environment);
    secret.map(|secret| secret.expose_secret().to_owned()).map_err(|e| e.to_string())
}

#[test]
fn a_secret_comes_from_a_file_a_credential_or_a_variable() {
    let folder = TempDir::new().unwrap();
    write(&folder, "token", format!("{CANARY}\r\n").as_bytes());
    let path = folder.path();
    assert_eq!(fetch("file:token", path, "", "").as_deref(), Ok(CANARY), "relative, its line end cut off");
    let absolute = format!("file:{}", path.join("token").display());
    assert_eq!(fetch(&absolute, Path::new("elsewhere"), "", "").as_deref(), Ok(CANARY));
    let credentials = path.to_str().unwrap();
    assert_eq!(
        fetch("credential:token", Path::new("elsewhere"), "CREDENTIALS_DIRECTORY", credentials).as_deref(),
        Ok(CANARY)
    );
    assert_eq!(fetch("env:JIRA_TOKEN", path, "JIRA_TOKEN", CANARY).as_deref(), Ok(CANARY));
    assert_eq!(
        fetch("env:JIRA_TOKEN", path, "JIRA_TOKEN", " a b ").as_deref(),
        Ok(" a b "),
        "spaces are its own"
    );
    // Outside of tests the environment is that of the process, where no such variable is.
    assert!(reference("env:COUNTERFOIL_TEST_NO_SUCH_VARIABLE").fetch(path).is_err());
}

#[cfg(unix)]
#[test]
fn a_secret_that_cannot_be_had_says_why() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    write(&folder, "empty", b"\n");
    write(&folder, "large", "x".repeat(64 * 1024 + 1).as_bytes());
    write(&folder, "bytes", b"\xff\xfe");
    std::fs::create_dir(path.join("folder")).unwrap();
    permit(&path.join("folder"), 0o700);
    assert!(std::process::Command::new("mkfifo").arg(path.join("pipe")).status().unwrap().success());
    let long = "x".repeat(64 * 1024 + 1);
    for (text, variable, value, part) in [
        ("file:missing", "", "", "missing: "),
        ("file:empty", "", "", "it is empty"),
        ("file:large", "", "", "65537 bytes; a secret has at most 65536"),
        ("file:bytes", "", "", "it is not UTF-8"),
        ("file:folder", "", "", "it is not a file"),
        ("file:pipe", "", "", "it is not a file"),
        ("credential:token", "", "", "$CREDENTIALS_DIRECTORY is not set"),
        ("credential:token", "CREDENTIALS_DIRECTORY", "/nonexistent", "/nonexistent/token: "),
        ("env:TOKEN", "", "", "there is no such variable"),
        ("env:TOKEN", "TOKEN", "", "it is empty"),
        ("env:TOKEN", "TOKEN", &long, "65537 bytes"),
    ] {
        let error = fetch(text, path, variable, value).unwrap_err();
        assert!(
            error.starts_with(&format!("the secret {text}: ")) && error.contains(part),
            "{text}: {error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = TempDir::new().unwrap();
    write(&folder, "token", CANARY.as_bytes());
    let file = folder.path().join("token");
    for mode in [0o640, 0o604, 0o660, 0o601, 0o620, 0o666, 0o755] {
        permit(&file, mode);
        let error = fetch("file:token", folder.path(), "", "").unwrap_err();
        assert!(error.contains(&format!("mode {mode:03o}")) && error.contains("chmod 600"), "{error}");
        assert!(!error.contains(CANARY));
    }
    for mode in [0o600, 0o400] {
        permit(&file, mode);
        assert_eq!(fetch("file:token", folder.path(), "", "").as_deref(), Ok(CANARY), "{mode:o}");
    }
    // What a link leads to counts, not the link, which everybody may read.
    permit(&file, 0o644);
    std::os::unix::fs::symlink(&file, folder.path().join("link")).unwrap();
    assert!(fetch("file:link", folder.path(), "", "").unwrap_err().contains("mode 644"));
}

#[cfg(unix)]
#[test]
fn a_credential_is_taken_as_systemd_hands_it_over() {
    let folder = TempDir::new().unwrap();
    write(&folder, "token", CANARY.as_bytes());
    let fetch = |mode| {
        permit(&folder.path().join("token"), mode);
        fetch("credential:token", Path::new(""), "CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())
    };
    for mode in [0o400, 0o440] {
        assert_eq!(fetch(mode).as_deref(), Ok(CANARY), "{mode:o}");
    }
    for mode in [0o444, 0o460, 0o404] {
        assert!(fetch(mode).unwrap_err().contains(&format!("mode {mode:03o}")));
    }
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_are_not_shown() {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = CANARY.as_bytes().to_vec();
    bytes.push(0xff);
    let environment = |_: &str| Some(OsString::from_vec(bytes.clone()));
    let error = reference("env:TOKEN").fetch_with(Path::new(""), &environment).unwrap_err();
    assert!(error.to_string().contains("it is not UTF-8") && !format!("{error} {error:?}").contains(CANARY));
}

#[test]
fn a_literal_secret_is_refused_and_not_shown() {
    for text in [
        CANARY.to_owned(),
        format!("Bearer {CANARY}"),
        format!("{CANARY}:{CANARY}"),
        format!("https://{CANARY}"),
        format!("env:{CANARY}=1"),
        format!("credential:../{CANARY}"),
        format!("credential:{CANARY}/.."),
        format!("ENV:{CANARY}"),
        "credential:".to_owned(),
        "credential:..".to_owned(),
        "env:".to_owned(),
        "file:".to_owned(),
    ] {
        let read = serde_json::from_value::<SecretRef>(text.clone().into());
        let error = read.unwrap_err().to_string();
        assert!(error.contains("where the secret is, never the secret itself"), "{text}: {error}");
        assert!(!error.contains(CANARY), "{error}");
    }
}

#[test]
fn a_secret_that_was_fetched_does_not_show_in_debug_output() {
    let environment = |_: &str| Some(OsString::from(CANARY));
    let secret = reference("env:TOKEN").fetch_with(Path::new(""), &environment).unwrap();
    assert!(!format!("{secret:?}").contains(CANARY));
}

#[test]
fn a_reference_is_shown_as_it_is_written() {
    for text in ["credential:jira-token", "file:secrets/jira", "env:JIRA_TOKEN"] {
        assert_eq!(reference(text).to_string(), text);
    }
}
