//! A slapd of our own: configured in a folder that goes away with it, on ports of this machine that nobody else uses. One
//! that came with the package and runs as a service is never touched.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::servers;

/// The name of the account that the tests read with, and its password.
pub const READER: &str = "uid=counterfoil,ou=readers,dc=corp,dc=example";
pub const PASSWORD: &str = "canary-of-the-reader";
/// Who may do anything, and the password.
const ADMIN: &str = "cn=admin,dc=corp,dc=example";
const SECRET: &str = "admin";

/// Whether there is none, and the test has to do without.
pub fn skipped() -> bool {
    let there = || {
        ["/usr/sbin/slapd", "/usr/sbin/slapadd", "/usr/bin/ldapmodify"].iter().all(|p| Path::new(p).exists())
    };
    !servers::is_there("slapd", &["slapd", "ldap-utils"], &there)
}

/// How one is set up.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'p> {
    /// What stands behind `olcAccess:`, in order; without any, the reader may read everything.
    pub access: &'p [&'p str],
    /// What stands behind `olcLimits:`.
    pub limits: &'p [&'p str],
    /// Further schema.
    pub schema: &'p str,
    /// The entries, as LDIF.
    pub entries: &'p str,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self { access: &[], limits: &[], schema: "", entries: include_str!("corp.ldif") }
    }
}

/// A running slapd.
pub struct Slapd {
    child: Mutex<Option<Child>>,
    dir: tempfile::TempDir,
    pub port: u16,
    pub tls_port: u16,
}

impl Slapd {
    pub fn start(plan: &Plan<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["config", "data", "log"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        servers::write_certificates(dir.path(), "client.example.com");
        let (port, tls_port) = (servers::free_port(), servers::free_port());
        let server = Self { child: Mutex::new(None), dir, port, tls_port };
        fs::write(server.dir().join("config.ldif"), server.configuration(plan)).unwrap();
        let reader = format!(
            "dn: ou=readers,dc=corp,dc=example\nobjectClass: organizationalUnit\nou: readers\n\n\
             dn: {READER}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: counterfoil\nuserPassword: {PASSWORD}\n\n"
        );
        let base = "dn: dc=corp,dc=example\nobjectClass: domain\ndc: corp\n\n";
        let base = if plan.entries.contains(base.trim_end()) || !plan.schema.is_empty() { "" } else { base };
        fs::write(server.dir().join("entries.ldif"), format!("{base}{}\n{reader}", plan.entries)).unwrap();
        server.add("0", "config.ldif");
        server.add("2", "entries.ldif");
        servers::put_secret(&server.dir().join("reader.secret"), PASSWORD);
        server.run();
        server
    }

    fn add(&self, number: &str, file: &str) {
        let done = Command::new("/usr/sbin/slapadd")
            .args(["-n", number, "-F"])
            .arg(self.dir().join("config"))
            .arg("-l")
            .arg(self.dir().join(file))
            .output()
            .unwrap();
        assert!(done.status.success(), "{file}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn run(&self) {
        let log = fs::File::create(self.dir().join("slapd.log")).unwrap();
        let child = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-F"])
            .arg(self.dir().join("config"))
            .arg("-h")
            .arg(format!("ldap://127.0.0.1:{} ldaps://127.0.0.1:{}", self.port, self.tls_port))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.child.lock().unwrap() = Some(child);
        let begun = Instant::now();
        for port in [self.port, self.tls_port] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                let log = || fs::read_to_string(self.dir().join("slapd.log")).unwrap_or_default();
                assert!(begun.elapsed() < Duration::from_secs(20), "slapd does not listen: {}", log());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Ends it, as a crash would.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Changes entries, as somebody who may. `who`: a DN and a password.
    pub fn modify_as(&self, who: (&str, &str), changes: &str) {
        let mut child = Command::new("/usr/bin/ldapmodify")
            .args(["-x", "-H", &format!("ldap://127.0.0.1:{}", self.port), "-D", who.0, "-w", who.1])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(changes.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Changes entries.
    pub fn modify(&self, changes: &str) {
        self.modify_as((ADMIN, SECRET), changes);
    }

    /// Puts somebody into a group, or takes somebody out.
    pub fn member(&self, who: (&str, &str), what: &str, group: &str, member: &str) {
        self.modify_as(who, &format!("dn: {group}\nchangetype: modify\n{what}: member\nmember: {member}\n"));
    }

    /// Who may do anything.
    pub fn admin() -> (&'static str, &'static str) {
        (ADMIN, SECRET)
    }

    /// Says who one is, and nothing else.
    pub fn log_on(&self, dn: &str, password: &str) {
        let url = format!("ldap://127.0.0.1:{}", self.port);
        let done = Command::new("/usr/bin/ldapwhoami")
            .args(["-x", "-H", &url, "-D", dn, "-w", password])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A configuration whose one source reads here; `ldap` are further lines of `[source.ldap]`, `settings` of
    /// `[source.settings]`.
    pub fn config(&self, ldap: &str, settings: &str) -> String {
        self.config_at(
            &format!("ldap://127.0.0.1:{}", self.port),
            &format!("allow_plain = true\n{ldap}"),
            settings,
        )
    }

    pub fn config_at(&self, url: &str, ldap: &str, settings: &str) -> String {
        let bind = if ldap.contains("bind") {
            String::new()
        } else {
            format!("[source.ldap.bind.simple]\ndn = \"{READER}\"\npassword = \"file:reader.secret\"\n")
        };
        format!(
            "[[source]]\nid = \"corp-ldap\"\nconnector = \"ldap\"\n[source.ldap]\nurl = \"{url}\"\nallow_private = true\n{ldap}\n{bind}[source.settings]\nbase = [\"dc=corp,dc=example\"]\n{settings}\n"
        )
    }

    fn configuration(&self, plan: &Plan<'_>) -> String {
        let dir = self.dir().display();
        let everything = [
            "to attrs=userPassword by anonymous auth by * none".to_owned(),
            format!("to * by dn.exact=\"{READER}\" read by * none"),
        ];
        let access: Vec<String> = match plan.access {
            [] => everything.to_vec(),
            own => own.iter().map(|line| (*line).to_owned()).collect(),
        };
        let lines = |name: &str, lines: &[String]| {
            lines.iter().fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{name}: {line}");
                text
            })
        };
        let limits: Vec<String> = plan.limits.iter().map(|line| (*line).to_owned()).collect();
        format!(
            "dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {dir}/slapd.pid
olcTLSCACertificateFile: {dir}/ca.pem
olcTLSCertificateFile: {dir}/server.pem
olcTLSCertificateKeyFile: {dir}/server.key
olcTLSVerifyClient: try
olcAuthzRegexp: \"cn=client.example.com\" \"{READER}\"

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: accesslog
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/nis.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif

{schema}
dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{-1}}frontend

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: cn=accesslog
olcDbDirectory: {dir}/log
olcRootDN: cn=accesslog
olcDbIndex: objectClass,reqStart,reqResult,reqDN eq
olcAccess: to attrs=reqMod val.regex=\"^userPassword:\" by * none
olcAccess: to * by dn.exact=\"{READER}\" read by * none

dn: olcDatabase={{2}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{2}}mdb
olcSuffix: dc=corp,dc=example
olcDbDirectory: {dir}/data
olcRootDN: {ADMIN}
olcRootPW: {SECRET}
olcLastBind: TRUE
olcDbIndex: objectClass,entryUUID,uid eq
{access}{limits}
dn: olcOverlay=accesslog,olcDatabase={{2}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcAccessLogConfig
olcOverlay: accesslog
olcAccessLogDB: cn=accesslog
olcAccessLogOps: writes
olcAccessLogSuccess: TRUE
",
            schema = plan.schema,
            access = lines("olcAccess", &access),
            limits = lines("olcLimits", &limits),
        )
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.kill();
    }
}
