//! A receiver that records: it checks every signature, and is as slow, busy and unreliable as it is told to be.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::estate::Dice;

/// What messages are signed with.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes everything at once.
    Well,
    /// Now and then it is slow, has no time, or hangs up on what it took.
    Moody,
    /// It takes nothing, and does not answer.
    Hangs,
    /// It says that nothing is right.
    Refuses,
    /// It says that it has no time.
    Busy,
}

/// What came once: `webhook-id`, the body, and whether it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub id: String,
    pub body: String,
    pub taken: bool,
}

struct State {
    mood: Mood,
    dice: Dice,
    copies: Vec<Copy>,
    complaints: Vec<String>,
}

/// A running receiver; its threads end with the tests.
#[derive(Clone)]
pub struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { mood, dice: Dice::new(7), copies: vec![], complaints: vec![] };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    serve(stream, &state)
                });
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// All that came, in its order.
    pub fn copies(&self) -> Vec<Copy> {
        self.state.lock().unwrap().copies.clone()
    }

    pub fn count(&self) -> usize {
        self.state.lock().unwrap().copies.len()
    }

    /// What was wrong with what came.
    pub fn complaints(&self) -> Vec<String> {
        self.state.lock().unwrap().complaints.clone()
    }
}

/// What it does with one message.
enum Answer {
    Status(u16, bool, u64),
    Silence(bool),
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    while let Some((headers, body)) = read(&mut stream) {
        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
        let id = header("webhook-id");
        let answer = {
            let mut state = state.lock().unwrap();
            let answer = match state.mood {
                Mood::Well => Answer::Status(200, true, 0),
                Mood::Hangs => Answer::Silence(false),
                Mood::Refuses => Answer::Status(422, false, 0),
                Mood::Busy => Answer::Status(503, false, 0),
                Mood::Moody => match state.dice.below(100) {
                    0..3 => Answer::Status(500, false, 0),
                    3..5 => Answer::Status(429, false, 0),
                    5..6 => Answer::Silence(true),
                    6..20 => Answer::Status(204, true, 5 + state.dice.below(20) as u64),
                    _ => Answer::Status(202, true, 1),
                },
            };
            if let Err(complaint) =
                signed(&id, &header("webhook-timestamp"), &header("webhook-signature"), &body)
            {
                state.complaints.push(complaint);
            }
            let taken = matches!(answer, Answer::Status(200..300, true, _) | Answer::Silence(true));
            let body = String::from_utf8(body).unwrap_or_else(|_| "no UTF-8".to_owned());
            state.copies.push(Copy { id, body, taken });
            answer
        };
        match answer {
            Answer::Status(status, _, slow) => {
                std::thread::sleep(Duration::from_millis(slow));
                let length = if status == 204 { "" } else { "content-length: 0\r\n" };
                if write!(stream, "HTTP/1.1 {status} Status\r\n{length}\r\n").is_err() {
                    return;
                }
            }
            Answer::Silence(true) => return,
            Answer::Silence(false) => {
                std::thread::sleep(Duration::from_secs(60));
                return;
            }
        }
    }
}

fn signed(id: &str, timestamp: &str, signature: &str, body: &[u8]) -> Result<(), String> {
    let key = BASE64.decode(&SECRET["whsec_".len()..]).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat());
    let expected = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    if signature == expected && timestamp.parse::<i64>().is_ok() {
        Ok(())
    } else {
        Err(format!("{id}: the signature is {signature}, not {expected}"))
    }
}

/// The next request: its headers, with names in lower case, and its body; `None` when the connection ends, also within.
fn read(stream: &mut TcpStream) -> Option<(BTreeMap<String, String>, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let headers: BTreeMap<String, String> = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some((headers, body))
}
