//! What was fetched and ends: kept until shortly before, and fetched by one at a time.

use std::future::Future;

use tokio::sync::Mutex;

use super::AuthError;
use crate::model::{Duration, Instant};

/// How long before its end a thing is no longer used: a request that is on its way should still be let in.
const MARGIN: Duration = Duration::seconds(60);

/// Something that was handed out.
pub(super) struct Issued<T> {
    what: T,
    /// When it is no longer used; `None` when nobody said when it ends.
    until: Option<Instant>,
}

impl<T> Issued<T> {
    /// What was handed out at `now` for so long. It is used until a minute before its end, or for half of a short life.
    pub(super) fn new(what: T, now: Instant, life: Option<Duration>) -> Self {
        let used = |life: Duration| {
            let half = Duration::seconds(life.ms().unsigned_abs() / 2000);
            now.plus(life).minus(MARGIN.min(half))
        };
        Self { what, until: life.map(used) }
    }
}

/// Keeps one.
pub(super) struct Keep<T>(Mutex<Kept<T>>);

struct Kept<T> {
    held: Option<Issued<T>>,
    /// How many there were.
    number: u64,
    /// Why there will be none.
    refused: Option<String>,
}

impl<T> Default for Keep<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { held: None, number: 0, refused: None }))
    }
}

impl<T: Clone> Keep<T> {
    /// What is kept, or what `fetch` brings; and its number. While one fetches, the others wait for what it brings. Who was
    /// refused once does not ask again: a name may be locked for it.
    pub(super) async fn get(
        &self,
        now: Instant,
        fetch: impl Future<Output = Result<Issued<T>, AuthError>>,
    ) -> Result<(T, u64), AuthError> {
        let mut kept = self.0.lock().await;
        if let Some(why) = &kept.refused {
            return Err(AuthError::Refused(why.clone()));
        }
        if let Some(held) = &kept.held
            && held.until.is_none_or(|until| now < until)
        {
            return Ok((held.what.clone(), kept.number));
        }
        let issued = fetch.await.inspect_err(|error| {
            if let AuthError::Refused(why) = error {
                kept.refused = Some(why.clone());
            }
        })?;
        let what = issued.what.clone();
        kept.held = Some(issued);
        kept.number += 1;
        Ok((what, kept.number))
    }

    /// Throws away what has this number; whether a new one may be had.
    pub(super) async fn forget(&self, number: u64) -> bool {
        let mut kept = self.0.lock().await;
        if kept.number == number {
            kept.held = None;
        }
        kept.refused.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_used_until_a_minute_before_its_end_or_for_half_of_a_short_life() {
        let now: Instant = "2026-06-01T12:00:00Z".parse().unwrap();
        for (life, used) in [(3600, 3540), (121, 61), (120, 60), (60, 30), (1, 1), (0, 0)] {
            let issued = Issued::new((), now, Some(Duration::seconds(life)));
            assert_eq!(issued.until, Some(now.plus(Duration::seconds(used))), "{life}");
        }
        assert_eq!(Issued::new((), now, None).until, None);
    }
}
