//! A store in a PostgreSQL database of its own, on a server that the tests share; and what is particular to it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use counterfoil::store::{Batch, Postgres, Server as Address, Sqlite, Store, StoreError};
use secrecy::SecretString;
use tempfile::TempDir;

use super::history::play;
use super::keeping::everything;
use super::toy::{Toy, at, close, event, life, pull, records, tell};
use super::wire::{Cut, Wire};
use super::{File, Home};
use crate::postgres::server::{self, PASSWORD, Server};
use crate::reference::estates::Dice;

/// The server, as long as a test needs it.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The database that the others are copies of, with the schema in it.
const TEMPLATE: &str = "made";

/// A database of one test.
pub struct Database {
    server: Arc<Server>,
    name: String,
    folder: TempDir,
}

/// Where a database is, for who comes by the socket.
pub fn by_socket(server: &Server, name: &str) -> Address {
    let folder = server.path().join("data").display().to_string().replace('/', "%2F");
    Address::new(&format!("postgres://keeper@{folder}:{}/{name}", server.port), None, None).unwrap()
}

impl Database {
    /// One with the schema; `None` where there is no PostgreSQL.
    pub fn new() -> Option<Self> {
        if server::skipped() {
            return None;
        }
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let server = shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(begun());
            *shared = Arc::downgrade(&server);
            server
        });
        let name = format!("store{}", NEXT.fetch_add(1, Ordering::Relaxed));
        server.sql("postgres", &format!("CREATE DATABASE {name} OWNER keeper TEMPLATE {TEMPLATE}"));
        drop(shared);
        Some(Self { server, name, folder: tempfile::tempdir().unwrap() })
    }

    pub fn address(&self) -> Address {
        by_socket(&self.server, &self.name)
    }
}

/// A server with a role that keeps stores.
pub fn begun() -> Server {
    let server = Server::start();
    server.sql("postgres", &format!("CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'"));
    server.sql("postgres", &format!("CREATE DATABASE {TEMPLATE} OWNER keeper"));
    drop(Postgres::open(&by_socket(&server, TEMPLATE)).unwrap());
    server
}

impl Home for Database {
    fn open(&self) -> Box<dyn Store> {
        Box::new(Postgres::open(&self.address()).unwrap())
    }

    fn spare(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open_copy(&self, path: &Path) -> Box<dyn Store> {
        Box::new(Sqlite::open(path).unwrap())
    }
}

/// A server of a test's own, and a role that keeps stores there.
fn own() -> Option<Server> {
    (!server::skipped()).then(begun)
}

fn with_password(address: &str) -> Address {
    Address::new(address, Some(&SecretString::from(PASSWORD.to_owned())), None).unwrap()
}

/// The same steps lead to the same on both, and a copy of either holds it.
#[test]
fn what_is_remembered_is_the_same_wherever_it_is_kept() {
    for seed in [71, 72] {
        let Some(server) = Database::new() else { return };
        let file = File::new();
        let (mut one, mut two) = (file.open(), server.open());
        let pasts: Vec<_> = [&mut one, &mut two]
            .map(|store| play(&mut **store, &mut Dice::new(seed), 25))
            .into_iter()
            .collect();
        assert_eq!(pasts[0], pasts[1]);
        for store in [&mut one, &mut two] {
            let lives = (0..5).map(|n| life(&format!("f{n}"), n)).collect();
            let sinks: &[(&str, Option<&str>)] = &[("siem", None), ("chat", Some("g"))];
            let events = (0..5).map(|n| event(&format!("{seed}-{n}"), &format!("f{n}"), n, sinks)).collect();
            tell(&mut **store, 1, lives, events);
            close(&mut **store, 1);
        }
        assert_eq!(everything(&*one), everything(&*two), "{seed}");
        assert_eq!(one.twins_shown(), two.twins_shown());
        let proofs = |store: &dyn Store| {
            let log = store.evidence().unwrap();
            counterfoil::evidence::verify(&log, &[], &[])
                .map(|r| format!("{:?} {:?}", r.root, r.faults))
                .unwrap()
        };
        assert_eq!(proofs(&*one), proofs(&*two));
    }
}

/// What is asked for a comparison.
trait Shown {
    fn twins_shown(&self) -> Vec<(i64, counterfoil::store::Hash)>;
}

impl Shown for Box<dyn Store> {
    fn twins_shown(&self) -> Vec<(i64, counterfoil::store::Hash)> {
        let mut all = vec![];
        self.twins(&mut |row, key| all.push((row, key))).unwrap();
        all.sort_unstable();
        all
    }
}

/// PostgreSQL has no NUL in a text, and names from outside may have one.
#[test]
fn a_name_with_a_nul_is_kept_as_it_is() {
    let Some(home) = Database::new() else { return };
    let mut store = home.open();
    let odd = "a\0b\u{1}c\u{1}\u{1}";
    pull(&mut *store, odd, &[Toy::grant("g", 0, 1, odd)]);
    let kept = counterfoil::model::life::Life {
        account: Some(odd.to_owned()),
        owner: Some("\0".to_owned()),
        ..life(odd, 1)
    };
    tell(&mut *store, 1, vec![kept.clone()], vec![]);
    store.set_meta(odd, odd).unwrap();
    let store = home.open();
    assert_eq!(store.meta(odd).unwrap().as_deref(), Some(odd));
    assert_eq!(store.systems_held().unwrap(), [odd]);
    assert_eq!(store.life(odd).unwrap(), Some(kept));
    assert_eq!(store.sources().unwrap()[0].id, odd);
}

#[test]
fn two_that_begin_a_store_at_once_begin_one() {
    let Some(server) = own() else { return };
    server.sql("postgres", "CREATE DATABASE empty OWNER keeper");
    let address = by_socket(&server, "empty");
    assert!(!Postgres::is_there(&address).unwrap());
    let said = Postgres::open_read(&address).unwrap_err().to_string();
    assert!(said.contains("it has schema 0"), "{said}");
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| Postgres::open(&address).map(drop))).collect();
        all.into_iter().for_each(|one| one.join().unwrap().unwrap());
    });
    assert!(Postgres::is_there(&address).unwrap());
    assert_eq!(server.sql("empty", "SELECT count(*) FROM counterfoil_schema"), "1\n");
    server.sql("empty", "UPDATE counterfoil_schema SET version = 99");
    assert!(matches!(Postgres::open(&address), Err(StoreError::Newer { found: 99, .. })));
    server.sql("postgres", "CREATE DATABASE other OWNER keeper");
    server.sql("other", "CREATE TABLE event (id INT)");
    let said = Postgres::open(&by_socket(&server, "other")).unwrap_err().to_string();
    assert!(said.contains("tables of another program"), "{said}");
}

/// Who may not in is told why and what to do, and never a password.
#[test]
fn who_is_not_let_in_is_told_what_to_do() {
    let Some(server) = own() else { return };
    let port = server.port;
    let refused = |address: Address| {
        let error = Postgres::open(&address).unwrap_err();
        assert!(!error.to_string().contains(PASSWORD) && !error.to_string().contains("canary"), "{error}");
        error
    };
    let wrong = SecretString::from("canary".to_owned());
    let address = format!("postgres://keeper@localhost:{port}/made");
    let error = refused(Address::new(&address, Some(&wrong), None).unwrap());
    assert!(matches!(error, StoreError::Refused(_)) && error.to_string().contains("`password`"), "{error}");
    let error = refused(Address::new(&address, None, None).unwrap());
    assert!(error.to_string().contains("say in `password`"), "{error}");
    let error = refused(with_password(&format!("postgres://keeper@localhost:{port}/nowhere")));
    assert!(
        matches!(error, StoreError::Refused(_)) && error.to_string().contains("CREATE DATABASE"),
        "{error}"
    );
    server.sql("postgres", "CREATE DATABASE theirs");
    server.sql("theirs", "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let error = refused(with_password(&format!("postgres://keeper@localhost:{port}/theirs")));
    assert!(matches!(error, StoreError::Refused(_)) && error.to_string().contains("OWNER TO"), "{error}");
    drop(Postgres::open(&with_password(&address)).unwrap());
    if server.tls {
        let full = format!("{address}?sslmode=verify-full");
        let error = refused(with_password(&full));
        assert!(error.to_string().contains("ca_file"), "{error}");
        let password = SecretString::from(PASSWORD.to_owned());
        let ca = server.path().join("ca.pem");
        drop(Postgres::open(&Address::new(&full, Some(&password), Some(ca.clone())).unwrap()).unwrap());
        // Its certificate is not for this name.
        let other = format!("postgres://keeper@127.0.0.2:{port}/made?sslmode=verify-full");
        refused(Address::new(&other, Some(&password), Some(ca)).unwrap());
    }
}

/// A server that was started again is found again, by who asks and by who changes.
#[test]
fn a_server_that_comes_back_is_found_again() {
    let Some(mut server) = own() else { return };
    let mut store = Postgres::open(&by_socket(&server, "made")).unwrap();
    pull(&mut store, "a", &[Toy::grant("g", 0, 1, "vpn")]);
    let port = server.port;
    for round in 0..2 {
        server.crash();
        if round == 0 {
            let error = store.runs(1).unwrap_err();
            assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        }
        server.run_on(port);
        match round {
            0 => assert_eq!(records(&store, None).len(), 1),
            _ => pull(&mut store, "a", &[]).total().removed.eq(&1).then_some(()).unwrap(),
        }
    }
}

/// Wherever the connection is cut, a change happens once or not at all, and who changes is told which.
#[test]
fn a_connection_that_is_cut_loses_nothing_and_doubles_nothing() {
    let Some(server) = own() else { return };
    let wire = Wire::to(server.port);
    let address = with_password(&format!("postgres://keeper@127.0.0.1:{}/made", wire.port()));
    let mut store = Postgres::open(&address).unwrap();
    let mut events = 0;
    for cut in [Cut::At("INSERT INTO event"), Cut::At("COMMIT"), Cut::After("COMMIT")] {
        for repeated in 0..2 {
            wire.cut(cut);
            // What is prepared already is not sent as a text: the second time only COMMIT is.
            if repeated == 1 && cut == Cut::At("INSERT INTO event") {
                continue;
            }
            events += 1;
            let one = event(&format!("e{events}"), "f", events, &[("siem", None)]);
            store
                .commit(Batch {
                    run: 1,
                    lives: vec![life("f", events)],
                    events: vec![one],
                    ..Batch::default()
                })
                .unwrap();
            assert!(wire.has_cut(), "{cut:?} was not met");
            assert_eq!(store.events_of("f", 99).unwrap().len() as i64, events, "{cut:?}");
            assert_eq!(store.letters("siem", at(1_000), 99).unwrap().len(), 1);
            assert_eq!(store.life("f").unwrap(), Some(life("f", events)));
        }
    }
    let report = counterfoil::evidence::verify(&store.evidence().unwrap(), &[], &[]).unwrap();
    assert_eq!((report.entries, report.faults), (events as u64, vec![]));
    // A pull tells others what it does, and is not repeated by itself.
    for (cut, kept) in [(Cut::At("COMMIT"), false), (Cut::After("COMMIT"), true)] {
        let run = store.open_run(at(0)).unwrap();
        wire.cut(cut);
        let grants = [Toy::grant(&format!("g{kept}"), 0, 1, "vpn")];
        let taken =
            super::toy::try_pull(&mut store, run, &format!("s{kept}"), &grants, false, &mut |_| Ok(()));
        assert_eq!(taken.is_ok(), kept, "{taken:?}");
        let source = format!("s{kept}");
        assert_eq!(records(&store, None).iter().filter(|(s, _)| *s == source).count(), usize::from(kept));
    }
}

/// An index of PostgreSQL holds no more than some 2,700 bytes of a name.
#[test]
fn a_name_may_be_as_long_as_a_line() {
    let Some(home) = Database::new() else { return };
    let mut store = home.open();
    // Nothing that could be packed.
    let mut dice = Dice::new(3);
    let name: String = (0..20_000).map(|_| char::from(b'a' + dice.below(26) as u8)).collect();
    pull(&mut *store, "a", &[Toy::grant("g", 0, 1, &name)]);
    assert_eq!(store.systems_held().unwrap(), std::slice::from_ref(&name));
    let run = store.open_run(at(1)).unwrap();
    for standing in
        [counterfoil::model::finding::Standing::Approved, counterfoil::model::finding::Standing::Unapproved]
    {
        let verdict = super::toy::verdict(1, 1, &name, standing);
        store.commit(Batch { run, homes: vec![1], verdicts: vec![verdict], ..Batch::default() }).unwrap();
        assert_eq!(store.standings().unwrap(), [(name.clone(), standing, 1)]);
    }
    pull(&mut *store, "a", &[]);
    assert_eq!(store.systems_held().unwrap(), [] as [&str; 0]);
}

/// While a pull is taken in, what was sent can be written down.
#[test]
fn the_outbox_waits_for_no_pull() {
    let Some(home) = Database::new() else { return };
    let (mut store, mut post) = (home.open(), home.open());
    tell(&mut *store, 1, vec![life("f", 1)], vec![event("e", "f", 0, &[("siem", None)])]);
    let run = store.open_run(at(0)).unwrap();
    super::toy::try_pull(&mut *store, run, "a", &[Toy::grant("g", 0, 1, "vpn")], false, &mut |_| {
        let letters = post.letters("siem", at(0), 9).unwrap();
        let sent: Vec<_> = letters.into_iter().map(|l| (l, counterfoil::store::Fate::Delivered)).collect();
        post.settle(&sent).unwrap();
        assert_eq!(post.outbox().unwrap(), []);
        Ok(())
    })
    .unwrap();
    assert_eq!(records(&*store, None).len(), 1);
}

/// The program itself on both: the same findings, the same report, a log that verifies, and a backup that goes on.
#[test]
fn the_program_says_the_same_wherever_its_store_is() {
    let Some(home) = Database::new() else { return };
    let counterfoil = |folder: &Path, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        let done = command.args(arguments).current_dir(folder).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{arguments:?}: {said}");
        (String::from_utf8(done.stdout).unwrap(), said)
    };
    let config = "counterfoil.toml";
    let [file, server] = ["file", "server"].map(|name| {
        let folder = home.folder.path().join(name);
        counterfoil(home.folder.path(), &["demo", "--write-to", name]);
        let written = std::fs::read_to_string(folder.join(config)).unwrap();
        let socket = home.server.path().join("data").display().to_string().replace('/', "%2F");
        let store = match name {
            "server" => format!("url = \"postgres://keeper@{socket}:{}/{}\"", home.server.port, home.name),
            _ => "path = \"counterfoil.db\"".to_owned(),
        };
        std::fs::write(folder.join(config), format!("{written}\n[store]\n{store}\n")).unwrap();
        folder
    });
    let now = "2026-07-01T00:00:00Z";
    let said = |folder: &Path, store: &str| {
        let mut all = vec![];
        for arguments in [
            &["reconcile", "--now", now, "--format", "jsonl"][..],
            &["reconcile", "--now", now, "--format", "jsonl", "--verdicts", "verdicts.jsonl"],
            &["report", "--as-of", now, "--format", "html", "--out", "report.html"],
            &["store", "show"],
            &["outbox", "show"],
            &["verify"],
        ] {
            let (printed, noted) = counterfoil(folder, &[arguments, &["--config", config]].concat());
            all.push(printed.replace(store, "STORE"));
            all.push(noted.replace(store, "STORE"));
        }
        all.extend(
            ["verdicts.jsonl", "report.html"].map(|f| std::fs::read_to_string(folder.join(f)).unwrap()),
        );
        all
    };
    let place = home.address().to_string();
    let (one, two) = (said(&file, &file.join("counterfoil.db").display().to_string()), said(&server, &place));
    for (one, two) in one.iter().zip(&two) {
        assert!(
            one == two.as_str()
                || one.replace("./counterfoil.db", "STORE").replace("counterfoil.db", "STORE") == *two,
            "{one}\n---\n{two}"
        );
    }
    assert!(one[0].lines().count() > 20 && !server.join("counterfoil.db").exists());
    counterfoil(&server, &["store", "backup", "copy.db", "--config", config]);
    std::fs::rename(server.join("copy.db"), file.join("counterfoil.db")).unwrap();
    for left in ["counterfoil.db-wal", "counterfoil.db-shm"] {
        let _ = std::fs::remove_file(file.join(left));
    }
    let (verified, _) = counterfoil(&file, &["verify", "--config", config]);
    assert_eq!(verified.replace("counterfoil.db", "STORE"), two[10].replace(&place, "STORE"));
}
