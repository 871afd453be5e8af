//! How often somebody may be wrong: whoever shows what is not known again and again is not listened to for a while.
//!
//! Counted by the address of the connection; of IPv6 by its network, since whoever has one address there has them all. Behind
//! a proxy everybody has the proxy's address, and so a right token in a header is always let in: nobody can lock another out
//! of the interface for programs by being wrong.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often within [`WINDOW`].
const MOST: u32 = 20;
/// How long that is counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Of how many addresses; the one that was wrong first gives way.
const ADDRESSES: usize = 4096;

/// From where a connection comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl Peer {
    /// The peer at an address.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Who was wrong how often, and since when.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Peer, (u32, Instant)>>);

impl Attempts {
    /// How long this peer must be quiet; `None` where it may go on.
    #[must_use]
    pub fn wait(&self, peer: Peer, now: Instant) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = all.get(&peer)?;
        let left = WINDOW.checked_sub(now.saturating_duration_since(*since))?;
        (*count >= MOST && !left.is_zero()).then_some(left)
    }

    /// Takes down that this peer was wrong.
    pub fn failed(&self, peer: Peer, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |since: Instant| now.saturating_duration_since(since) >= WINDOW;
        if all.len() >= ADDRESSES && !all.contains_key(&peer) {
            all.retain(|_, (_, since)| !over(*since));
            if all.len() >= ADDRESSES
                && let Some(first) = all.iter().min_by_key(|(_, (_, since))| *since).map(|(peer, _)| *peer)
            {
                all.remove(&first);
            }
        }
        let (count, since) = all.entry(peer).or_insert((0, now));
        if over(*since) {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_too_often_waits_and_nobody_else_does() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let peer = |text: &str| Peer::new(text.parse().unwrap());
        let (bad, good) = (peer("2001:db8::1"), peer("192.0.2.1"));
        for n in 0..MOST {
            assert_eq!(attempts.wait(bad, start), None, "{n}");
            attempts.failed(bad, start);
        }
        assert_eq!(attempts.wait(peer("2001:db8::2"), start), Some(WINDOW), "the same network");
        assert_eq!(attempts.wait(good, start), None);
        assert_eq!(attempts.wait(bad, start + WINDOW), None);
        attempts.failed(bad, start + WINDOW);
        assert_eq!(attempts.wait(bad, start + WINDOW), None, "it is counted anew");
        assert_eq!(peer("::ffff:192.0.2.1"), good);
    }

    #[test]
    fn what_is_held_of_them_does_not_grow() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for n in 0..ADDRESSES as u32 + 10 {
            attempts.failed(
                Peer::new(std::net::Ipv4Addr::from(n).into()),
                start + Duration::from_millis(n.into()),
            );
        }
        assert_eq!(attempts.0.lock().unwrap().len(), ADDRESSES);
    }
}
