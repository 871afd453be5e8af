//! From bytes to UTF-8 text: byte order marks, UTF-16, windows-1252; no NUL, nothing replaced by guess.

use super::meter::Meter;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::io::{self, Read};
use std::rc::Rc;

/// The encoding of this name, if it is one we read.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Encoding> {
    match name.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Some(UTF_8),
        "utf-16le" => Some(UTF_16LE),
        "utf-16be" => Some(UTF_16BE),
        // ISO-8859-1 is read as windows-1252 by the WHATWG encoding standard, and by every browser.
        "windows-1252" | "cp1252" | "iso-8859-1" | "latin1" => Some(WINDOWS_1252),
        _ => None,
    }
}

/// What the head of a file says about its encoding.
#[must_use]
pub fn from_mark(head: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(head).map(|(encoding, _)| encoding)
}

/// The encoding an XML declaration names, if the head has one.
#[must_use]
pub fn from_xml_declaration(head: &[u8]) -> Option<String> {
    let head = head.get(..head.len().min(200))?;
    let text = String::from_utf8_lossy(head);
    let declaration = text.trim_start().strip_prefix("<?xml")?.split("?>").next()?.to_owned();
    let rest = declaration.split("encoding").nth(1)?.trim_start().strip_prefix('=')?.trim_start().to_owned();
    let quote = rest.chars().next().filter(|mark| *mark == '"' || *mark == '\'')?;
    rest.split(quote).nth(1).map(str::to_owned)
}

/// Reads bytes of one encoding and yields UTF-8, counting lines, refusing NUL and what is malformed.
pub struct TextReader<R> {
    inner: R,
    decoder: Decoder,
    encoding: &'static Encoding,
    meter: Rc<Meter>,
    raw: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    finished: bool,
}

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

impl<R: Read> TextReader<R> {
    /// A reader of this encoding; a byte order mark of the same encoding is left out.
    pub fn new(inner: R, encoding: &'static Encoding, meter: Rc<Meter>) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            encoding,
            meter,
            raw: vec![0; CHUNK],
            start: 0,
            end: 0,
            at_end: false,
            finished: false,
        }
    }
}

impl<R: Read> Read for TextReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.len() < 16 {
            // The decoder needs room for one character; nobody reads us without a buffer.
            return Err(io::Error::other("text must be read through a buffer"));
        }
        loop {
            if self.finished {
                return Ok(0);
            }
            if self.start == self.end && !self.at_end {
                self.start = 0;
                self.end = self.inner.read(&mut self.raw)?;
                self.at_end = self.end == 0;
            }
            let source = self.raw.get(self.start..self.end).unwrap_or_default();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(source, out, self.at_end);
            self.start += read;
            let text = out.get(..written).unwrap_or_default();
            if let Some(nul) = memchr::memchr(0, text) {
                self.meter.count_lines(text.get(..nul).unwrap_or_default());
                return Err(self.meter.fail(
                    "a NUL byte: the file is not text, or UTF-16 without a byte order mark (then set `encoding`)",
                ));
            }
            match result {
                DecoderResult::Malformed(..) => {
                    self.meter.count_lines(text);
                    return Err(self.meter.fail(format!(
                        "not valid {}: set `encoding` (for example windows-1252) if that is what the file is in",
                        self.encoding.name()
                    )));
                }
                DecoderResult::InputEmpty if self.at_end => self.finished = true,
                _ => {}
            }
            if written > 0 {
                self.meter.text(text)?;
                return Ok(written);
            }
        }
    }
}
