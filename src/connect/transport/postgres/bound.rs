//! A limit on what a server sends. A message says how long it is, up to 2 GiB, and is held in memory as a whole: one that
//! is longer than any row may be ends the connection before it is read.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::connect::limits::MAX_ROW_BYTES;

/// Bytes one message may have: a row, and what is around it.
const MAX_MESSAGE_BYTES: u64 = MAX_ROW_BYTES + (1 << 16);

/// Where one is in a stream of messages: a letter, four bytes with the length (theirs included), the rest.
#[derive(Debug, Default)]
struct Messages {
    head: Vec<u8>,
    rest: u64,
}

impl Messages {
    /// Takes what came.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let skipped = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(skipped..).unwrap_or_default();
                self.rest -= skipped as u64;
                continue;
            }
            let (head, after) = bytes.split_at(bytes.len().min(5 - self.head.len().min(5)));
            self.head.extend_from_slice(head);
            bytes = after;
            let [_, a, b, c, d] = *self.head.as_slice() else { continue };
            self.head.clear();
            let length = u64::from(u32::from_be_bytes([a, b, c, d]));
            if length > MAX_MESSAGE_BYTES {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    format!("a message of {length} bytes, more than {MAX_MESSAGE_BYTES}"),
                ));
            }
            self.rest = length.saturating_sub(4);
        }
        Ok(())
    }
}

/// A connection on which no message is longer than it may be.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    inner: S,
    messages: Messages,
}

impl<S> Bounded<S> {
    /// For one on which no byte has come yet.
    pub fn new(inner: S) -> Self {
        Self { inner, messages: Messages::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.messages.take(came))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Bounded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// Agrees on TLS, and bounds what comes through it.
pub(super) struct Bounding<C>(pub C);

impl<S, C> TlsConnect<S> for Bounding<C>
where
    C: TlsConnect<S>,
    C::Future: Send + 'static,
{
    type Stream = Bounded<C::Stream>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let agreeing = self.0.connect(stream);
        Box::pin(async move { agreeing.await.map(Bounded::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        [b"D", length.to_be_bytes().as_slice(), &vec![7; length as usize - 4]].concat()
    }

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let stream = [message(4), message(300), message(5), message(70_000), message(4)].concat();
        for size in [1, 2, 3, 5, 6, 299, stream.len()] {
            let mut messages = Messages::default();
            for piece in stream.chunks(size) {
                messages.take(piece).unwrap();
            }
            assert_eq!((messages.head.len(), messages.rest), (0, 0), "in pieces of {size}");
            let long = [b"D".as_slice(), &0x7fff_ffff_u32.to_be_bytes()].concat();
            let error = long.chunks(size).try_for_each(|piece| messages.take(piece)).unwrap_err();
            assert!(error.to_string().contains("2147483647 bytes"), "{error}");
        }
    }
}
