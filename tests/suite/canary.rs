//! No secret gets out. One is planted in every setting that takes one, the program runs against receivers that are away
//! and against one that answers by repeating whatever it was sent, and then nothing that came out of it may show any:
//! standard output, logs at their most talkative, the store's files, metrics, dead letters.

mod mirror;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use counterfoil::config::{Config, instant};
use counterfoil::controls::Controls;
use counterfoil::daemon::Setup;
use counterfoil::model::Duration as Period;
use tempfile::TempDir;

use mirror::Mirror;

/// What every secret begins and ends with; nothing else holds it, and no encoding but base64 changes it.
const MARK: &str = "cnry7Q";

/// A key for the evidence log that holds the mark; it needs an id that fits.
const LOG_KEY: &str = "PRIVATE+KEY+corp.example/log+6365b4a4+AQcnry7Qcnry7Qcnry7Qcnry7Qcnry7Qcnry7Qcnry7Q";

/// A secret with what encodings change in its middle.
fn secret(name: &str) -> String {
    format!("{MARK}{name}+/=~%&\"<é>{MARK}")
}

/// How a secret is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    File,
    Environment,
    Credential,
}

/// A site whose every secret is planted.
struct Site {
    folder: TempDir,
    /// What the program finds in its environment.
    environment: BTreeMap<String, String>,
    ways: Vec<Way>,
    /// The lines of the key in PEM, which are secrets too.
    key: String,
    sinks: Vec<String>,
    table: String,
    log: &'static str,
}

impl Site {
    /// A site whose sinks are at these ports; its secrets are referred to in these ways, in turn.
    fn new(ports: &[u16], ways: &[Way], log: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("credentials")).unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_pem();
        let mut site = Self {
            folder,
            environment: BTreeMap::new(),
            ways: ways.to_vec(),
            key,
            sinks: vec![],
            table: String::new(),
            log,
        };
        ports.iter().for_each(|port| site.add_sinks(*port));
        let signs = site.plant("log", LOG_KEY);
        site.table.push_str(&format!("[evidence]\nkey = {signs}\n"));
        site.grants(0);
        let config = site.config(&site.table);
        fs::write(site.path("counterfoil.toml"), config).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, sinks: &str) -> String {
        format!(
            "store = {{ path = \"s.db\" }}\nserve = {{ listen = \"127.0.0.1:{}\" }}\n{}\n[[source]]\nid = \"a\"\nconnector = \"records\"\nfiles = [\"r.jsonl\"]\n{sinks}",
            crate::servers::free_port(),
            self.log
        )
    }

    /// Another record in each round: people are told of what changed since the first.
    fn grants(&self, round: usize) {
        let mut lines = String::new();
        for n in 0..3 + round {
            lines.push_str(&format!(
                "{{\"type\":\"grant\",\"system\":\"vpn\",\"account\":\"ghost{n}\",\"entitlement\":\"admin\"}}\n"
            ));
        }
        fs::write(self.path("r.jsonl"), lines).unwrap();
    }

    /// Plants a secret; how the configuration refers to it.
    fn plant(&mut self, name: &str, secret: &str) -> String {
        let way = self.ways[self.environment.len() % self.ways.len()];
        let number = self.environment.len();
        let name = format!("{}_{number}", name.to_uppercase());
        let place = match way {
            Way::File => self.path(&name),
            Way::Credential => self.path("credentials").join(&name),
            Way::Environment => {
                self.environment.insert(name.clone(), secret.to_owned());
                return format!("\"env:{name}\"");
            }
        };
        private(&place, secret);
        self.environment.insert(format!("{name}_IS_A_FILE"), String::new());
        if way == Way::File { format!("\"file:{name}\"") } else { format!("\"credential:{name}\"") }
    }

    fn add_sinks(&mut self, port: u16) {
        let at = format!("http://127.0.0.1:{port}");
        let http = |kind: &str| format!("[sink.{kind}.http]\nallow_private = true\ntimeout = \"PT3S\"\n");
        let whsec = format!("whsec_{}", MARK.repeat(8));
        let add = |site: &mut Self, id: &str, kind: &str, settings: &str| {
            let id = format!("{id}-{port}");
            site.table.push_str(&format!(
                "[[sink]]\nid = \"{id}\"\nheartbeat = \"PT1S\"\n[sink.{kind}]\n{settings}"
            ));
            if kind != "syslog" {
                site.table.push_str(&http(kind));
            }
            site.sinks.push(id);
        };
        let (signs, lets_in) =
            (self.plant("signs", &whsec), self.plant("bearer", &format!("Bearer {}", header("b"))));
        add(
            self,
            "webhook",
            "webhook",
            &format!("url = \"{at}/hook\"\nsecrets = [{signs}]\nauthorization = {lets_in}\n"),
        );
        let token = self.plant("token", &header("splunk"));
        add(self, "splunk", "splunk", &format!("url = \"{at}\"\ntoken = {token}\n"));
        let key = self.plant("api_key", &header("elastic"));
        add(self, "elastic-key", "elastic", &format!("url = \"{at}\"\napi_key = {key}\n"));
        let password = self.plant("password", &secret("elastic"));
        add(
            self,
            "elastic-user",
            "elastic",
            &format!("url = \"{at}\"\nuser = \"u\"\npassword = {password}\n"),
        );
        for (id, authority) in [("sentinel", "refuses"), ("sentinel-token", "issues")] {
            let secret = self.plant("client_secret", &secret("entra"));
            add(
                self,
                id,
                "sentinel",
                &format!(
                    "endpoint = \"{at}\"\nrule = \"dcr-1\"\nstream = \"Custom-S\"\ntenant = \"{authority}\"\n\
                 client_id = \"c\"\nclient_secret = {secret}\nauthority = \"{at}\"\n"
                ),
            );
        }
        let routing = self.plant("routing_key", &secret("pager"));
        add(self, "pagerduty", "pagerduty", &format!("url = \"{at}\"\nrouting_key = {routing}\n"));
        let url = self.plant("slack", &format!("{at}/services/T000/B000/{MARK}slackslackslack{MARK}"));
        add(self, "slack", "slack", &format!("url = {url}\n"));
        let pair = BASE64.encode(format!("u:{}", secret("am")));
        let basic = self.plant("basic", &format!("Basic {pair}"));
        add(self, "alertmanager", "alertmanager", &format!("url = \"{at}\"\nauthorization = {basic}\n"));
        let key = self.plant("key", &self.key.clone());
        for protocol in ["syslog", "relp"] {
            add(
                self,
                protocol,
                "syslog",
                &format!(
                    "address = \"localhost:{port}\"\nprotocol = \"{protocol}\"\nca_file = \"ca.pem\"\n\
                 certificate_file = \"ca.pem\"\nkey = {key}\ntimeout = \"PT1S\"\n"
                ),
            );
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("CREDENTIALS_DIRECTORY", self.path("credentials")).envs(&self.environment);
        command
    }

    /// What nothing may show: the mark, in any encoding, and the lines of the key.
    fn needles(&self) -> Vec<(String, String)> {
        let mut needles = vec![("a secret".to_owned(), MARK.to_owned())];
        // The three ways in which base64 shows a text, by what stands before it; the ends depend on what is around.
        for before in ["", "u", "u:"] {
            let text = BASE64.encode(format!("{before}{MARK}"));
            let inner = text.get(before.len().div_ceil(3) * 4..text.len() - 4).unwrap_or_default();
            needles.push((format!("a secret in base64, after {} bytes", before.len()), inner.to_owned()));
        }
        needles
            .extend(self.key.lines().filter(|l| l.len() > 30).map(|l| ("the key".to_owned(), l.to_owned())));
        assert!(needles.iter().all(|(_, needle)| needle.len() >= 4), "{needles:?}");
        needles
    }

    /// Says what shows a secret.
    fn shows_none(&self, what: &str, bytes: &[u8]) {
        for (secret, needle) in self.needles() {
            if let Some(place) = bytes.windows(needle.len()).position(|w| w == needle.as_bytes()) {
                let around = &bytes[place.saturating_sub(300)..(place + 200).min(bytes.len())];
                panic!("{what} shows {secret}: …{}…", String::from_utf8_lossy(around));
            }
        }
    }

    /// Looks at all files that the program wrote.
    fn files_show_none(&self) {
        let mut looked = 0;
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("s.db") {
                self.shows_none(&name, &fs::read(&path).unwrap());
                looked += 1;
            }
        }
        assert!(looked > 0, "there is no store");
    }

    fn output_shows_none(&self, what: &str, output: &Output) {
        self.shows_none(&format!("{what}: standard output"), &output.stdout);
        self.shows_none(&format!("{what}: standard error"), &output.stderr);
    }
}

/// A secret that a header can bear.
fn header(name: &str) -> String {
    secret(name).replace('é', "e")
}

fn private(path: &Path, text: &str) {
    fs::write(path, format!("{text}\n")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// Ends the program even where the test stops.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const WAYS: [Way; 3] = [Way::File, Way::Environment, Way::Credential];
const TEXT: &str = "log = { level = \"trace\" }";
const JSON: &str = "log = { level = \"trace\", format = \"json\" }";

/// `reconcile` by hand, again and again: every sink is tried once each time, and gets another answer each time.
#[test]
fn reconciling_shows_no_secret() {
    let mirror = Mirror::start();
    let site = Site::new(&[mirror.port(), crate::servers::free_port()], &WAYS, TEXT);
    let now = instant(SystemTime::now());
    for round in 0..mirror::ANSWERS {
        mirror.answer(round);
        site.grants(round);
        let now = now.plus(Period::hours(round as u64)).to_string();
        let output =
            site.command(&["reconcile", "--config", "counterfoil.toml", "--now", &now]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        site.output_shows_none(&format!("round {round}"), &output);
        site.files_show_none();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(
            log.contains("TRACE") && log.contains("sink does not take messages"),
            "not at its most talkative"
        );
    }
    for arguments in [&["outbox", "dead"][..], &["outbox", "show"], &["store", "show"], &["config", "check"]]
    {
        let output = site.command(arguments).env("COUNTERFOIL_CONFIG", "counterfoil.toml").output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        site.output_shows_none(&format!("{arguments:?}"), &output);
        if arguments[1] == "dead" {
            let dead = String::from_utf8_lossy(&output.stdout).lines().count();
            assert!(
                dead > 4 && output.stdout.windows(3).any(|w| w == b"***"),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
    }
    // The test sees what it looks for: the receiver was sent every secret but those that only sign or prove.
    let sent = mirror.sent();
    for secret in ["b", "splunk", "elastic", "entra", "pager", "slack"] {
        assert!(sent.contains(&format!("{MARK}{secret}")), "{secret} was never sent");
    }
    let pair = BASE64.encode(format!("u:{MARK}elastic"));
    assert!(sent.contains(&pair[..8]), "the password was never sent");
    assert!(sent.contains(mirror::TOKEN), "no token was used");
}

/// The daemon, with its metrics.
#[test]
fn running_shows_no_secret() {
    let mirror = Mirror::start();
    let site = Site::new(&[mirror.port(), crate::servers::free_port()], &WAYS, JSON);
    mirror.answer(0);
    let config = fs::read_to_string(site.path("counterfoil.toml")).unwrap();
    let serving = config.split("127.0.0.1:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (out, err) =
        (fs::File::create(site.path("out")).unwrap(), fs::File::create(site.path("err")).unwrap());
    let mut command = site.command(&["run", "--config", "counterfoil.toml"]);
    let mut daemon = Running(command.stdout(out).stderr(err).spawn().unwrap());
    let began = Instant::now();
    let mut round = 0;
    while began.elapsed() < Duration::from_secs(9) {
        std::thread::sleep(Duration::from_millis(700));
        round += 1;
        mirror.answer(round);
        site.grants(round);
        assert!(daemon.0.try_wait().unwrap().is_none(), "{}", fs::read_to_string(site.path("err")).unwrap());
        for page in ["metrics", "readyz", "healthz"] {
            let text = get(&serving, page);
            site.shows_none(page, text.as_bytes());
            if page == "metrics" && round > 8 {
                assert!(text.contains("counterfoil_") && text.contains("webhook"), "{text}");
            }
        }
        site.files_show_none();
    }
    drop(daemon);
    let log = fs::read(site.path("err")).unwrap();
    site.shows_none("the log", &log);
    site.shows_none("standard output", &fs::read(site.path("out")).unwrap());
    site.files_show_none();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("sink does not take messages"), "{log}");
    assert!(log.contains("\"message\":\"message given up"), "{log}");
    assert!(mirror.sent().contains(MARK));
}

fn get(address: &str, page: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{address}")) else { return String::new() };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET /{page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

/// What a developer prints: settings, and sinks that are set up.
#[test]
fn debug_output_shows_no_secret() {
    let site = Site::new(&[crate::servers::free_port()], &[Way::File], TEXT);
    let config = Config::load(&site.path("counterfoil.toml")).unwrap();
    site.shows_none("the settings", format!("{config:?} {config:#?}").as_bytes());
    let checks: Vec<&str> = counterfoil::judge::checks::all().map(|c| c.name).collect();
    let setup = Setup::new(&config, Controls::embedded(&checks).unwrap(), 1).unwrap();
    assert_eq!(setup.destinations.len(), site.sinks.len());
    for destination in &setup.destinations {
        site.shows_none(destination.id(), format!("{destination:?} {destination:#?}").as_bytes());
    }
}

/// A secret that somebody wrote into the configuration itself is refused, and not repeated.
#[test]
fn a_secret_in_the_configuration_is_refused_without_being_shown() {
    let site = Site::new(&[crate::servers::free_port()], &WAYS, TEXT);
    let table = site.table.clone();
    let mut tried = 0;
    for (place, _) in table
        .match_indices("\"file:")
        .chain(table.match_indices("\"env:"))
        .chain(table.match_indices("\"credential:"))
    {
        let end = place + 1 + table[place + 1..].find('"').unwrap() + 1;
        for literal in [
            format!("{MARK} literal"),
            format!("sk:{MARK}"),
            format!("env:a/{MARK}"),
            format!("env:{MARK}=1"),
        ] {
            let text = site.config(&format!("{}{literal:?}{}", &table[..place], &table[end..]));
            let file = site.path("literal.toml");
            fs::write(&file, text).unwrap();
            let refused = Config::load(&file).unwrap_err();
            site.shows_none("the refusal", format!("{refused} {refused:?}").as_bytes());
            assert!(
                refused.to_string().contains("where the secret is, never the secret itself"),
                "{refused}"
            );
            assert!(refused.to_string().contains("literal.toml:"), "with its place: {refused}");
            tried += 1;
        }
    }
    assert_eq!(tried, 4 * 13, "every setting, in every wrong way");
    let output = site.command(&["config", "check", "literal.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    site.output_shows_none("config check", &output);
}

/// A secret that is not there is named by where it should be; one that is no use, too.
#[test]
fn a_secret_that_is_missing_or_wrong_is_named_and_not_shown() {
    let site = Site::new(&[crate::servers::free_port()], &WAYS, TEXT);
    let fails = |command: &mut Command, says: &str| {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{says}: {said}");
        site.output_shows_none(says, &output);
    };
    let check = ["config", "check", "counterfoil.toml"];
    for (name, _) in site.environment.iter().filter(|(name, _)| !name.ends_with("_IS_A_FILE")) {
        fails(
            site.command(&check).env_remove(name),
            &format!("the secret env:{name}: there is no such variable"),
        );
    }
    let files: Vec<&str> =
        site.environment.keys().filter_map(|name| name.strip_suffix("_IS_A_FILE")).collect();
    for name in files {
        let path =
            [site.path(name), site.path("credentials").join(name)].into_iter().find(|p| p.exists()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fails(&mut site.command(&check), name);
        fails(&mut site.command(&["run", "--config", "counterfoil.toml"]), name);
        private(&path, text.trim_end());
        if name.starts_with("KEY") {
            private(&path, &format!("{MARK}\nno key"));
            fails(&mut site.command(&check), "no key in PEM");
            private(&path, text.trim_end());
        }
        if name.starts_with("SLACK") {
            private(&path, &format!("https://u:{MARK}@hooks.example.com/"));
            fails(&mut site.command(&check), "`url`");
            private(&path, text.trim_end());
        }
        if name.starts_with("SIGNS") {
            private(&path, MARK);
            fails(&mut site.command(&check), "expected `whsec_`");
            private(&path, text.trim_end());
        }
    }
}
