//! A receiver that repeats whatever it was sent: in its answer's body in many forms, and in its headers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

/// How many answers it knows.
pub const ANSWERS: usize = 9;
/// The token that it issues.
pub const TOKEN: &str = "cnry7Qtoken+/=~%&cnry7Q";

#[derive(Default)]
struct Shared {
    answer: AtomicUsize,
    sent: Mutex<String>,
}

pub struct Mirror {
    port: u16,
    shared: Arc<Shared>,
}

impl Mirror {
    /// Starts it on a free port of the loopback. The thread ends with the tests.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&own);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From here on it answers in this way.
    pub fn answer(&self, number: usize) {
        self.shared.answer.store(number % ANSWERS, Ordering::Relaxed);
    }

    /// Everything it was sent.
    pub fn sent(&self) -> String {
        self.shared.sent.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    while let Some((head, body)) = request(&mut stream) {
        shared.sent.lock().unwrap().push_str(&format!("{head}{body}"));
        let first = head.lines().next().unwrap_or_default().to_owned();
        if first.contains("/issues/oauth2") {
            let issued = json!({"access_token": TOKEN, "expires_in": 3600}).to_string();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{issued}", issued.len());
            continue;
        }
        let values: Vec<&str> = head.lines().filter_map(|l| Some(l.split_once(": ")?.1)).collect();
        let words: Vec<&str> = values.iter().flat_map(|v| v.split(' ')).filter(|w| w.len() > 12).collect();
        // What is cut from an answer must not hide what would be shown of a longer one: the body last, and first.
        let all = format!("{first} {} {body}", words.join(" "));
        let backwards = body.split(',').rev().collect::<Vec<_>>().join(",");
        let documents = body.lines().count() / 2;
        let items: Vec<_> =
            (0..documents).map(|_| json!({"create": {"status": 400, "error": {"reason": all}}})).collect();
        let (status, text) = match shared.answer.load(Ordering::Relaxed) {
            0 => (500, format!("{} and {body}", words.join(" "))),
            1 => (400, backwards.clone()),
            2 => (401, format!("no such key: {}", words.last().copied().unwrap_or_default())),
            3 => {
                (403, json!({"text": all, "code": 4, "errors": [all], "error": {"reason": all}}).to_string())
            }
            4 => (
                400,
                json!([words.last(), backwards, {"code": 6, "errors": [body], "error": all}]).to_string(),
            ),
            5 => (200, json!({"errors": true, "items": items, "text": all, "code": 7}).to_string()),
            6 => (302, first.clone()),
            7 => (429, format!("{:?}", values)),
            _ => (404, first.split(['/', ' ']).filter(|part| part.len() > 12).collect::<Vec<_>>().join(" ")),
        };
        let echo: String = words.join(" ").chars().filter(|c| c.is_ascii() && !c.is_control()).collect();
        let head = format!(
            "HTTP/1.1 {status} {echo}\r\nx-echo: {echo}\r\nlocation: /{echo}\r\nretry-after: 1{echo}\r\n\
             content-length: {}\r\n\r\n",
            text.len()
        );
        if write!(stream, "{head}{text}").is_err() {
            return;
        }
    }
}

/// One request: head and body as texts. What is no HTTP is repeated as it is.
fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = vec![];
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() || head.len() > 1 << 16 {
            let _ = stream.write_all(&head);
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    if lower.contains("content-encoding: gzip") {
        let mut plain = vec![];
        flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).ok()?;
        body = plain;
    }
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}
