//! A wire to a server that can be cut: where somebody says a word, before the server hears it or after it did.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Where the wire is cut, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server hears these words.
    At(&'static str),
    /// When the server heard them and nobody has its answer.
    After(&'static str),
}

/// A wire to a port of this machine.
pub struct Wire {
    port: u16,
    /// Whether it swallows all that is said, either way, and tells nobody.
    dead: Arc<AtomicBool>,
    cut: Arc<Mutex<Option<Cut>>>,
}

impl Wire {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(Mutex::new(None));
        let place = Arc::clone(&cut);
        let dead = Arc::new(AtomicBool::new(false));
        let swallows = Arc::clone(&dead);
        // It ends with the tests.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let place = Arc::clone(&place);
                let (one, two) = (Arc::clone(&swallows), Arc::clone(&swallows));
                thread::spawn(move || said(from, to, &place, &one));
                thread::spawn(move || heard(server, client, &two));
            }
        });
        Self { port, cut, dead }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it swallows everything from now on. What was said meanwhile is lost: such a connection is of no use any more.
    pub fn swallow(&self, all: bool) {
        self.dead.store(all, Ordering::Relaxed);
    }

    /// Cuts it the next time.
    pub fn cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = Some(cut);
    }

    /// Whether it was cut.
    pub fn has_cut(&self) -> bool {
        self.cut.lock().unwrap().is_none()
    }
}

/// What the client says.
fn said(mut from: TcpStream, mut to: TcpStream, place: &Mutex<Option<Cut>>, dead: &AtomicBool) {
    let mut some = [0; 1 << 16];
    let mut lost = false;
    while let Ok(n @ 1..) = from.read(&mut some) {
        if dead.load(Ordering::Relaxed) {
            lost = true;
            continue;
        }
        // Something is missing in what was said.
        if lost {
            break;
        }
        let met = {
            let mut cut = place.lock().unwrap();
            let (Some(Cut::At(words)) | Some(Cut::After(words))) = *cut else {
                drop(cut);
                if to.write_all(&some[..n]).is_err() {
                    break;
                }
                continue;
            };
            let there = some[..n].windows(words.len()).any(|part| part == words.as_bytes());
            if there { cut.take() } else { None }
        };
        match met {
            None => {
                if to.write_all(&some[..n]).is_err() {
                    break;
                }
            }
            Some(Cut::At(_)) => break,
            Some(Cut::After(_)) => {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.write_all(&some[..n]);
                thread::sleep(Duration::from_millis(100));
                break;
            }
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// What the server says.
fn heard(mut from: TcpStream, mut to: TcpStream, dead: &AtomicBool) {
    let mut some = [0; 1 << 16];
    let mut lost = false;
    while let Ok(n @ 1..) = from.read(&mut some) {
        if dead.load(Ordering::Relaxed) {
            lost = true;
            continue;
        }
        if lost || to.write_all(&some[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
