//! The stub: one port for each base, and what was seen of those who asked.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use super::auth::Addresses;
use super::fault::Fault;
use super::rows::Files;
use super::serve::State;
use super::spec::{Auth, Spec};
use super::wire;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Calls of each operation, refused ones included.
    pub calls: BTreeMap<String, usize>,
    /// Pages that were answered in full, for each operation.
    pub answered: BTreeMap<String, usize>,
    /// Rows that were sent, for each operation.
    pub rows: BTreeMap<String, usize>,
    /// Answers that said that nothing changed.
    pub unchanged: usize,
    /// All requests, those for tokens included.
    pub requests: usize,
    /// What the documentation does not allow.
    pub complaints: Vec<String>,
}

impl Seen {
    /// All rows that were sent.
    pub fn sent(&self) -> usize {
        self.rows.values().sum()
    }
}

/// A running stub. It ends when it is dropped.
pub struct Stub {
    addresses: Addresses,
    ports: Vec<u16>,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
}

impl Stub {
    /// Starts one with these rows, for whoever is who `auth` says. `bases` are those of the manifest.
    pub fn start(spec: Arc<Spec>, auth: Auth, bases: &[String], files: Files, now: Timestamp) -> Self {
        let mut names: Vec<String> = bases.to_vec();
        let named = spec.operations.iter().filter_map(|operation| operation.base.clone());
        let named =
            named.chain(spec.bases.keys().cloned()).chain(auth.base.clone()).chain(auth.assume.clone());
        for name in named {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            names.push("main".to_owned());
        }
        let mut addresses = Addresses::new();
        let mut listeners = Vec::new();
        for name in &names {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let root = spec.bases.get(name).map_or("", |base| base.root.as_str());
            addresses.insert(name.clone(), format!("http://127.0.0.1:{port}{root}"));
            listeners.push((name.clone(), listener, port));
        }
        let ports = listeners.iter().map(|(_, _, port)| *port).collect();
        let state = State::new(spec, auth, names, addresses.clone(), files, now);
        let (state, over) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        for (name, listener, _) in listeners {
            let (state, over) = (state.clone(), over.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (state, name) = (state.clone(), name.clone());
                    let Ok(stream) = stream else { continue };
                    std::thread::spawn(move || serve(stream, &name, &state));
                }
            });
        }
        Self { addresses, ports, state, over }
    }

    /// Where each base is.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on this goes wrong.
    pub fn faults(&self, faults: Vec<Fault>) {
        self.state().faults = faults;
    }

    /// Tokens run out once, before the API call of this number.
    pub fn expire_before(&self, call: Option<usize>) {
        self.state().expire_before = call;
    }

    /// Pages have at most so many rows, where the request does not say.
    pub fn most(&self, rows: Option<usize>) {
        self.state().most = rows;
    }

    /// Answers have keys beside those that are known.
    pub fn unknown(&self, unknown: bool) {
        self.state().unknown = unknown;
    }

    /// That nothing changed is said without a word of the next page.
    pub fn bare(&self, bare: bool) {
        self.state().bare = bare;
    }

    /// Another day: other rows, and another time of the pull.
    pub fn day(&self, files: Files, now: Timestamp) {
        let mut state = self.state();
        state.files = files;
        state.now = now;
    }

    /// Forgets all addresses for changes that it gave out, as a product does after some time.
    pub fn forget(&self) {
        self.state().forget();
    }

    /// How many tokens it gave out.
    pub fn tokens(&self) -> usize {
        self.state().tokens()
    }

    /// What was seen since the last time, which is then forgotten.
    pub fn seen(&self) -> Seen {
        std::mem::take(&mut self.state().seen)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for port in &self.ports {
            let _ = TcpStream::connect(("127.0.0.1", *port));
        }
    }
}

/// Answers the requests of one connection, until it ends.
fn serve(stream: TcpStream, base: &str, state: &Mutex<State>) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stream.set_nodelay(true);
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(request) = wire::read(&mut reader, base) {
        let reply = state.lock().unwrap().answer(&request);
        if !wire::write(&mut writer, &reply) {
            return;
        }
    }
}
