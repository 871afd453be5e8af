//! RELP, the Reliable Event Logging Protocol: the receiver answers for each message.
//!
//! ```text
//! ours    1 open 75 relp_version=0 …   2 syslog 210 <109>1 …   3 syslog …   4 close 0
//! theirs  1 rsp 86 200 OK …            2 rsp 6 200 OK          3 rsp 6 …    4 rsp 0
//! ```
//!
//! A frame is a number, a command, a length, the data and a line end. A message counts as arrived when every one before
//! it has, too; after an error the rest is sent again, with the same ids.
//! Source: <https://www.rsyslog.com/doc/relp.html>.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::wire::{Pipe, Receiver};

/// How many messages may be under way without an answer.
const WINDOW: usize = 64;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024;

/// What we say of ourselves.
const OFFER: &[u8] = b"relp_version=0\nrelp_software=counterfoil\ncommands=syslog";

/// Sends messages; how many of them arrived, counted from the first, and why not all.
pub(super) async fn deliver(receiver: &Receiver, frames: &[Vec<u8>]) -> (usize, Result<(), String>) {
    let mut session = match receiver.connect().await {
        Ok(pipe) => Session { receiver, pipe: BufReader::new(pipe), asked: 0, answered: 0 },
        Err(why) => return (0, Err(why)),
    };
    let outcome = session.all(frames).await;
    // The first number is that of `open`.
    let arrived = session.answered.saturating_sub(1).min(frames.len());
    if arrived == frames.len() {
        // They all arrived; how the two part is of no consequence.
        let _ = session.leave().await;
        return (arrived, Ok(()));
    }
    (arrived, outcome)
}

/// A connection, and how far it is.
struct Session<'r> {
    receiver: &'r Receiver,
    pipe: BufReader<Box<dyn Pipe>>,
    /// The number of the last command.
    asked: usize,
    /// The number of the last command that was answered with yes.
    answered: usize,
}

impl Session<'_> {
    async fn all(&mut self, frames: &[Vec<u8>]) -> Result<(), String> {
        self.ask("open", OFFER).await?;
        self.answer().await?;
        for frame in frames {
            if self.asked - self.answered >= WINDOW {
                self.answer().await?;
            }
            self.ask("syslog", frame).await?;
        }
        while self.answered < self.asked {
            self.answer().await?;
        }
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), String> {
        self.ask("close", b"").await?;
        self.answer().await?;
        self.receiver.close(self.pipe.get_mut()).await
    }

    async fn ask(&mut self, command: &str, data: &[u8]) -> Result<(), String> {
        self.asked += 1;
        let mut frame = format!("{} {command} {}", self.asked, data.len()).into_bytes();
        if !data.is_empty() {
            frame.push(b' ');
            frame.extend_from_slice(data);
        }
        frame.push(b'\n');
        let send = async {
            self.pipe.write_all(&frame).await?;
            self.pipe.flush().await
        };
        self.receiver.step("cannot send", send).await
    }

    /// Reads the answer to the next command, which must be yes.
    async fn answer(&mut self) -> Result<(), String> {
        let frame = self.receiver.step("no answer", read(&mut self.pipe)).await?;
        if frame.command == "serverclose" {
            return Err("the receiver ends the session".to_owned());
        }
        if frame.command != "rsp" || frame.number != self.answered + 1 {
            return Err(format!(
                "expected an answer to {}, received `{} {}`",
                self.answered + 1,
                frame.number,
                frame.command
            ));
        }
        // `close` is answered by nothing at all.
        if !frame.data.is_empty() && !frame.data.starts_with("200") {
            return Err(format!("the receiver said `{}`", frame.data));
        }
        self.answered += 1;
        Ok(())
    }
}

/// A frame of the receiver's.
struct Frame {
    number: usize,
    command: String,
    data: String,
}

async fn read(pipe: &mut BufReader<Box<dyn Pipe>>) -> io::Result<Frame> {
    let number = number(&word(pipe).await?.0)?;
    let (command, _) = word(pipe).await?;
    let (length, ended) = word(pipe).await?;
    let length = self::number(&length)?;
    if length > MAX_ANSWER {
        return Err(wrong());
    }
    let mut data = vec![0; length];
    if !ended {
        pipe.read_exact(&mut data).await?;
        if pipe.read_u8().await? != b'\n' {
            return Err(wrong());
        }
    } else if length > 0 {
        return Err(wrong());
    }
    Ok(Frame { number, command, data: String::from_utf8_lossy(&data).into_owned() })
}

/// A word up to a blank or a line end, and whether it was a line end.
async fn word(pipe: &mut BufReader<Box<dyn Pipe>>) -> io::Result<(String, bool)> {
    let mut word = String::new();
    loop {
        let [byte] = pipe.fill_buf().await?.first().map(|b| [*b]).ok_or(ErrorKind::UnexpectedEof)?;
        pipe.consume(1);
        match byte {
            b' ' | b'\n' if !word.is_empty() => return Ok((word, byte == b'\n')),
            byte if byte.is_ascii_alphanumeric() && word.len() < 32 => word.push(char::from(byte)),
            _ => return Err(wrong()),
        }
    }
}

fn number(word: &str) -> io::Result<usize> {
    word.parse().map_err(|_| wrong())
}

fn wrong() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        "what came is not RELP; is that the port of imrelp, and TLS the same on both sides?",
    )
}
