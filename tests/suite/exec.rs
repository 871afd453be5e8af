//! A program as a source: what it is told, and what of what it prints and says is used.

mod bounds;
mod example;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// What every script here begins with.
const SHELL: &str = "#!/bin/sh\n";
const SYSTEM: &str = r#"{"type":"system","id":"a"}"#;

/// A folder with a configuration whose only source is a program.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A source that is this script, with further lines in `[source.exec]`.
    fn with(script: &str, more: &str) -> Self {
        let desk = Self::new();
        desk.script("p.sh", script);
        desk.configure(&format!("command = [\"./p.sh\"]\n{more}"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, name: &str, script: &str) {
        fs::write(self.path(name), format!("{SHELL}{script}")).unwrap();
        self.may_run(name);
    }

    fn may_run(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn configure(&self, exec: &str) {
        let text = format!("[[source]]\nid = \"plug\"\nconnector = \"records\"\n[source.exec]\n{exec}");
        fs::write(self.path("c.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command.args(arguments).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        for name in ["PATH", "HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
    }

    fn puller(&self) -> Command {
        self.command(&["pull", "--config", "c.toml", "--source", "plug"])
    }

    /// Pulls; the records, and what was said.
    fn pulls(&self) -> (Vec<Value>, String) {
        let (status, out, err) = texts(self.puller().output().unwrap());
        assert_eq!(status, Some(0), "{out}\n{err}");
        (out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), err)
    }

    /// Pulls what must fail; what was said. There must be no end mark, for that would say that it was all.
    fn fails(&self) -> String {
        let (status, out, err) = texts(self.puller().output().unwrap());
        assert_eq!(status, Some(2), "{out}\n{err}");
        assert!(!out.contains("snapshot"), "{out}");
        let errors: Vec<&str> =
            err.lines().filter(|line| line.starts_with("error: source `plug`: ")).collect();
        assert_eq!(errors.len(), 1, "{err}");
        errors[0].to_owned()
    }
}

fn texts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Waits until something is there.
fn wait_for<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_is_told_what_it_needs_and_nothing_else() {
    let desk = Desk::new();
    desk.script(
        "p.sh",
        "env > env.txt; printf '%s\\n' \"$@\" > arguments.txt; cat > input.txt; pwd > folder.txt\n\
        echo '{\"type\":\"system\",\"id\":\"a\"}'",
    );
    fs::create_dir(desk.path("work")).unwrap();
    desk.configure(
        "command = [\"./p.sh\", \"a b\", \"$(touch x) `id`\", \"'\\\"\", \"-c\", \"\", \"*\"]\nfolder = \"work\"\n\
         env = { SHOWN = { value = \"yes \\\"'$HOME\" }, TOKEN = \"env:PLUG_TOKEN\", HOME = { value = \"/nowhere\" } }\n",
    );
    let mut puller = desk.puller();
    puller
        .env("PLUG_TOKEN", "correct horse")
        .env("OURS", "x")
        .env("LANG", "C")
        .env("TZ", "UTC")
        .env("COUNTERFOIL_LOG", "off");
    let (status, out, err) = texts(puller.output().unwrap());
    assert_eq!(status, Some(0), "{err}");
    let read = |name: &str| fs::read_to_string(desk.path("work").join(name)).unwrap();
    assert_eq!(read("arguments.txt"), "a b\n$(touch x) `id`\n'\"\n-c\n\n*\n");
    assert_eq!(read("input.txt"), "");
    assert!(read("folder.txt").trim().ends_with("/work"));
    let variables = read("env.txt");
    let value = |name: &str| {
        let found: Vec<&str> =
            variables.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix('=')).collect();
        assert_eq!(found.len(), 1, "{name}:\n{variables}");
        found[0].to_owned()
    };
    // What the shell of the script adds by itself is not ours to keep from it.
    let mut names: Vec<&str> = variables.lines().map(|l| l.split('=').next().unwrap()).collect();
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    let ours = ["COUNTERFOIL_PROTOCOL", "COUNTERFOIL_SETTINGS", "COUNTERFOIL_SOURCE", "COUNTERFOIL_TAKEN_AT"];
    assert_eq!(names, [&ours[..], &["HOME", "LANG", "PATH", "SHOWN", "TOKEN", "TZ"]].concat());
    assert_eq!((value("SHOWN"), value("TOKEN")), ("yes \"'$HOME".to_owned(), "correct horse".to_owned()));
    assert_eq!((value("HOME"), value("TZ")), ("/nowhere".to_owned(), "UTC".to_owned()));
    assert_eq!((value(ours[0]), value(ours[2])), ("1".to_owned(), "plug".to_owned()));
    let end: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(end["taken_at"], value(ours[3]).as_str());
    assert!(serde_json::from_str::<Value>(&value(ours[1])).unwrap().is_object());

    // The settings of a connector come with their defaults, and what it prints is what that connector reads.
    let text = "[[source]]\nid = \"plug\"\nconnector = \"csv\"\nexec = { command = [\"./p.sh\"] }\n\
        settings = { record = \"system\", fields = { id = \"Name\" } }\n";
    fs::write(desk.path("c.toml"), text).unwrap();
    desk.script("p.sh", "echo \"$COUNTERFOIL_SETTINGS\" > settings.txt; printf 'Name\\nledger\\n' | gzip -c");
    let (records, _) = desk.pulls();
    assert_eq!((&records[0]["id"], records.len()), (&"ledger".into(), 2));
    let settings: Value =
        serde_json::from_str(&fs::read_to_string(desk.path("settings.txt")).unwrap()).unwrap();
    assert_eq!((&settings["fields"]["id"], &settings["list_separator"]), (&"Name".into(), &";".into()));
}

#[test]
fn its_exit_status_says_whether_it_is_right_and_all() {
    let end = |script: &str| {
        let (records, err) = Desk::with(&format!("echo '{SYSTEM}'\n{script}"), "").pulls();
        assert_eq!((records.len(), &records[0]["id"]), (2, &"a".into()));
        (records[1]["complete"].clone(), records[1]["reason"].as_str().unwrap_or("").to_owned(), err)
    };
    let (complete, reason, err) = end("echo all is well >&2");
    assert_eq!((complete, reason.as_str()), (true.into(), ""));
    assert!(err.contains("source `plug`: all is well\n") && err.contains("1 row, 1 record\n"), "{err}");
    let (complete, reason, err) = end("echo 'incomplete: page 2 was refused' >&2; echo more >&2; exit 3");
    assert_eq!((complete, reason.as_str()), (false.into(), "page 2 was refused"));
    assert!(err.contains("source `plug` is not complete: page 2 was refused"), "{err}");
    let (complete, reason, _) = end("echo 'incomplete: a' >&2; echo 'incomplete:  b ' >&2; exit 0");
    assert_eq!((complete, reason.as_str()), (false.into(), "a; b"));

    for (script, says) in [
        ("exit 3", "exit status 3 says that it printed not all; then a line `incomplete: REASON`"),
        ("echo incomplete: >&2; exit 3", "exit status 3 says"),
        (
            "echo 1 >&2; echo 2 >&2; echo >&2; echo 3 >&2; echo 4 >&2; exit 1",
            "it failed with exit status 1; the last it said: 2 / 3 / 4",
        ),
        ("echo 'incomplete: x' >&2; exit 4", "it failed with exit status 4"),
        ("kill -SEGV $$", "it was ended by a signal: 11"),
        ("exec ./nothing", "it failed with exit status 127; the last it said: "),
    ] {
        let error = Desk::with(&format!("echo '{SYSTEM}'\n{script}"), "").fails();
        assert!(error.contains("`./p.sh`: ") && error.contains(says), "{script}: {error}");
    }
    // An end mark of its own stands; one that comes of the exit status stands behind it.
    let own = r#"{"type":"snapshot","source":"plug","taken_at":"2026-06-01T00:00:00Z","complete":true}"#;
    let (records, _) = Desk::with(&format!("echo '{own}'"), "").pulls();
    assert_eq!((records.len(), &records[0]["taken_at"]), (1, &"2026-06-01T00:00:00Z".into()));
    let (records, _) = Desk::with(&format!("echo '{own}'; echo incomplete: late >&2; exit 3"), "").pulls();
    assert_eq!((records.len(), &records[1]["complete"]), (2, &false.into()));
}

#[test]
fn what_it_prints_is_judged_like_any_file() {
    for (script, says) in [
        ("echo '{\"type\":\"system\"'", "the output of `./p.sh`:2:0: not JSON"),
        (
            "echo '{\"type\":\"system\",\"id\":\"a\"}'; echo '{\"type\":\"sistem\",\"id\":\"b\"}'",
            "the output of `./p.sh`:2, row 2: ",
        ),
        ("true", "the output of `./p.sh`: empty"),
        ("printf '\\n\\n'", "the output of `./p.sh`: empty"),
        ("echo '<html><body>sign in</body></html>'", "the output of `./p.sh`: an HTML page"),
        ("head -c 100000 /dev/urandom", "the output of `./p.sh`"),
    ] {
        let error = Desk::with(script, "").fails();
        assert!(error.contains(says) && !error.contains("/tmp"), "{script}: {error}");
    }
    // What is passed over is told with its place, too.
    let desk = Desk::with(&format!("echo '{SYSTEM}'; echo '{{\"type\":\"x\"}}'"), "");
    let text = fs::read_to_string(desk.path("c.toml")).unwrap();
    fs::write(desk.path("c.toml"), text.replace("[source.exec]", "skip_bad_rows = true\n[source.exec]"))
        .unwrap();
    let (records, err) = desk.pulls();
    assert_eq!(records[1]["complete"], false);
    assert!(err.contains("passed over: the output of `./p.sh`:2, row 2: "), "{err}");
}

#[test]
fn what_is_not_there_or_cannot_be_meant_is_said_before_it_runs() {
    let desk = Desk::new();
    fs::write(desk.path("text"), "").unwrap();
    fs::create_dir(desk.path("folder")).unwrap();
    desk.script("p.sh", "");
    for (exec, says) in [
        ("command = [\"./none\"]", "[source.exec]: `command`: "),
        ("command = [\"./none\"]", "/none: No such file or directory"),
        ("command = [\"./folder\"]", "it is not a file"),
        ("command = [\"./text\"]", "it may not be run; run `chmod +x` on it"),
        ("command = [\"no-such-program\", \"x\"]", "there is no program `no-such-program` in PATH"),
        ("command = [\"./p.sh\"]\nfolder = \"none\"", "`folder`: there is no folder "),
        (
            "command = [\"./p.sh\"]\nenv = { T = \"env:NOT_SET\" }",
            "`env`: T: the secret env:NOT_SET: there is no such variable",
        ),
        ("command = []", "`command` is empty"),
        ("command = [\"\"]", "`command` is empty"),
        (
            "command = [\"./p.sh\"]\ntimeout = \"PT0S\"",
            "`timeout` and `max_output_mib` must be more than nothing",
        ),
        (
            "command = [\"./p.sh\"]\nenv = { \"A B\" = { value = \"x\" } }",
            "`env` names `A B`: expected letters",
        ),
        (
            "command = [\"./p.sh\"]\nenv = { COUNTERFOIL_SOURCE = { value = \"x\" } }",
            "is what Counterfoil says",
        ),
        (
            "command = [\"./p.sh\"]\nenv = { T = \"hunter2\" }",
            "expected where a secret is (`credential:NAME`",
        ),
        ("command = [\"./p.sh\"]\nenv = { T = { valu = \"hunter2\" } }", "or { value = \"…\" }"),
        ("command = \"./p.sh\"", "c.toml:5:"),
        ("command = [\"./p.sh\"]\nshell = true", "unknown field `shell`"),
    ] {
        desk.configure(exec);
        for command in
            [&["config", "check", "c.toml"][..], &["pull", "--config", "c.toml", "--source", "plug"]]
        {
            let (status, _, err) = texts(desk.command(command).output().unwrap());
            assert_eq!(status, Some(2), "{exec}: {err}");
            assert!(err.contains(says) && !err.contains("hunter2"), "{exec}: {err}");
        }
    }
    // In order, and only looked at: what it would do is not done.
    desk.script("p.sh", "touch ran");
    desk.configure("command = [\"./p.sh\"]");
    let (status, _, err) = texts(desk.command(&["config", "check", "c.toml"]).output().unwrap());
    assert!(status == Some(0) && !desk.path("ran").exists(), "{err}");
}

#[test]
fn its_secrets_are_in_no_error_and_no_line() {
    let desk = Desk::new();
    let key = "-----BEGIN KEY-----\nb3BlbiBzZXNhbWUgcGxlYXNl\n-----END KEY-----\n";
    fs::write(desk.path("key"), key).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(desk.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let env = "env = { TOKEN = \"env:PLUG_TOKEN\", KEY = \"file:key\" }\n";
    let pull = |script: &str, more: &str| {
        desk.script("p.sh", script);
        desk.configure(&format!("command = [\"./p.sh\"]\n{env}{more}"));
        texts(desk.puller().env("PLUG_TOKEN", "correct-horse").output().unwrap())
    };
    let (status, out, err) = pull(
        "[ \"$TOKEN\" = correct-horse ] && [ \"$(echo \"$KEY\" | wc -l)\" = 3 ] && echo '{\"type\":\"system\",\"id\":\"a\"}'",
        "",
    );
    assert_eq!(status, Some(0), "it reaches the program: {out}{err}");
    for (script, says) in [
        ("echo \"denied: Bearer $TOKEN\" >&2; echo \"$KEY\" >&2; exit 1", "denied: Bearer ($TOKEN)"),
        ("echo \"$KEY\" >&2; exit 1", "($KEY)"),
        ("echo \"{\\\"type\\\":\\\"$TOKEN\\\"}\"", "($TOKEN)"),
        (
            "echo \"incomplete: $TOKEN\" >&2; echo '{\"type\":\"system\",\"id\":\"a\"}'; exit 3",
            "is not complete: ($TOKEN)",
        ),
        (
            "echo \"{\\\"type\\\":\\\"system\\\",\\\"id\\\":\\\"a\\\"}\"; echo \"{\\\"type\\\":\\\"$TOKEN\\\"}\"",
            "($TOKEN)",
        ),
    ] {
        let (_, out, err) = pull(script, "");
        assert!(err.contains(says), "{script}: {err}");
        for secret in ["correct-horse", "b3BlbiBzZXNhbWUgcGxlYXNl"] {
            assert!(!err.contains(secret) && !out.contains(secret), "{script}: {out}{err}");
        }
    }
}

#[test]
fn what_it_says_does_nothing_to_a_terminal_and_takes_no_memory() {
    let script = format!(
        "printf 'red \\033[31m\\007 \\342\\200\\256turned\\n\\377\\376 bytes\\n' >&2\n\
         head -c 9000000 /dev/zero | tr '\\0' x >&2; echo >&2; seq 1 12000 >&2; printf 'no line end' >&2\n\
         echo '{SYSTEM}'"
    );
    let desk = Desk::with(&script, "");
    let (records, err) = desk.pulls();
    assert_eq!(records.len(), 2);
    for c in ['\u{1b}', '\u{7}', '\u{202e}', '\r'] {
        assert!(!err.contains(c), "{c:?}");
    }
    assert!(err.contains(r"source `plug`: red \u{1b}[31m\u{7} \u{202e}turned"), "{}", &err[..500]);
    assert!(err.contains("\u{fffd}\u{fffd} bytes"));
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines.iter().all(|line| line.len() < 2200), "a line is cut");
    assert!(
        lines.contains(&"counterfoil: source `plug`: 9990")
            && !lines.contains(&"counterfoil: source `plug`: 11990")
    );
    // Those that are not handed on still stand in the error.
    let desk = Desk::with(&format!("{script}\nexit 1"), "");
    let error = desk.fails();
    assert!(error.ends_with("the last it said: 11999 / 12000 / no line end"), "{error}");
}

#[test]
fn the_service_logs_what_it_says() {
    let desk = Desk::with(&format!("echo 'half way \u{1b}[31m' >&2; echo '{SYSTEM}'"), "");
    let log = fs::File::create(desk.path("log")).unwrap();
    let mut run: Child = desk.command(&["run", "--config", "c.toml"]).stderr(log).spawn().unwrap();
    let line = wait_for("the log", || {
        let log = fs::read_to_string(desk.path("log")).unwrap();
        log.lines().find(|line| line.contains("half way")).map(str::to_owned)
    });
    assert!(line.contains("INFO") && line.contains("plug") && !line.contains('\u{1b}'), "{line}");
    run.kill().unwrap();
    run.wait().unwrap();
}
