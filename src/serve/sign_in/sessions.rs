//! Who has signed in with a browser: a cookie that means nothing elsewhere, and what it stands for.
//!
//! Kept in memory: after a restart people sign in again. The cookie's value is 256 random bits, and only its SHA-256 is held.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{Caller, Role};

/// The cookie's name.
pub const COOKIE: &str = "counterfoil_session";
/// How long a session lasts at the most.
const LIFE: Duration = Duration::from_secs(12 * 3600);
/// How long it lasts without a request.
const IDLE: Duration = Duration::from_secs(3600);
/// How many there may be; the one that was quiet for longest gives way.
const MOST: usize = 1000;

/// A new session: what the browser is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The cookie's value.
    pub cookie: String,
    /// How long it lasts, in seconds.
    pub lasts: u64,
}

#[derive(Debug)]
struct Entry {
    caller: Caller,
    begun: Instant,
    seen: Instant,
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Entry>>);

impl Sessions {
    /// Begins one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn begin(&self, name: String, roles: Vec<Role>, now: Instant) -> Result<Session, String> {
        let (cookie, csrf) = (random()?, random()?);
        let caller = Caller { name: Some(name), roles, csrf: Some(csrf) };
        let mut all = self.all();
        all.retain(|_, e| !is_over(e, now));
        if all.len() >= MOST
            && let Some(quiet) = all.iter().min_by_key(|(_, e)| e.seen).map(|(key, _)| *key)
        {
            all.remove(&quiet);
        }
        all.insert(hash(&cookie), Entry { caller, begun: now, seen: now });
        Ok(Session { cookie, lasts: LIFE.as_secs() })
    }

    /// Whose session this is, and that it was used.
    #[must_use]
    pub fn find(&self, cookie: &str, now: Instant) -> Option<Caller> {
        let mut all = self.all();
        let key = hash(cookie);
        let entry = all.get_mut(&key)?;
        if is_over(entry, now) {
            all.remove(&key);
            return None;
        }
        entry.seen = now;
        Some(entry.caller.clone())
    }

    /// Ends one.
    pub fn end(&self, cookie: &str) {
        self.all().remove(&hash(cookie));
    }

    /// Ends all: the configuration says anew who may do what.
    pub fn end_all(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_over(e: &Entry, now: Instant) -> bool {
    now.saturating_duration_since(e.begun) >= LIFE || now.saturating_duration_since(e.seen) >= IDLE
}

fn hash(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

/// 256 random bits as text.
///
/// # Errors
/// When the system has none.
pub(in crate::serve) fn random() -> Result<String, String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random numbers".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_itself_and_when_asked() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let begin = || sessions.begin("mia".into(), vec![Role::Viewer], start).unwrap().cookie;
        let (one, two) = (begin(), begin());
        assert_ne!(one, two);
        assert!(sessions.find("", start).is_none() && sessions.find(&one[1..], start).is_none());
        let minute = Duration::from_secs(60);
        assert_eq!(sessions.find(&one, start + 50 * minute).unwrap().name.as_deref(), Some("mia"));
        assert!(sessions.find(&two, start + 61 * minute).is_none(), "an hour without a request");
        assert!(sessions.find(&one, start + 100 * minute).is_some(), "used meanwhile");
        for hour in 2..13 {
            let _ = sessions.find(&one, start + hour * 50 * minute);
        }
        assert!(sessions.find(&one, start + 720 * minute).is_none(), "half a day, however much it is used");
        let three = begin();
        sessions.end(&three);
        assert!(sessions.find(&three, start).is_none());
    }

    #[test]
    fn there_are_not_more_than_a_limit() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.begin("a".into(), vec![], start).unwrap().cookie;
        for n in 1..=MOST as u64 {
            sessions.begin("b".into(), vec![], start + Duration::from_millis(n)).unwrap();
        }
        assert_eq!(sessions.all().len(), MOST);
        assert!(sessions.find(&first, start).is_none(), "the one that was quiet for longest gave way");
    }
}
