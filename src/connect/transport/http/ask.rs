//! One question, asked until it is answered: who asks is proved, limits are heeded, what may pass is tried again.

use std::cell::{Cell, RefCell};
use std::time::{Duration as Wait, Instant as Tick, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::auth::{AuthError, Authorizer, Proof, Signing};
use super::limits::{self, Rest};
use super::request::Made;
use crate::connect::limits::{MAX_DECODED_BYTES, MAX_DOCUMENT_BYTES, MAX_REFUSAL_BYTES};
use crate::connect::manifest::http::{Http, Step};
use crate::connect::transport::{Doing, Watch};
use crate::model::Instant;
use crate::net::{Web, why};

/// How often a request is sent that nobody answers, or that is answered by an error of the server.
const TRIES: u32 = 6;
/// How often a product may say that it is asked too much, for one request.
const MAX_THROTTLED: u32 = 30;
/// The longest wait between two tries that nobody asked for.
const MAX_BACKOFF: Wait = Wait::from_secs(60);

/// What a product answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// Why there is no answer. Texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answers, or nothing but errors: there is no use in asking anything else.
    Lost(String),
    /// The product does not know who asks: there is no use either.
    Unauthorised(String),
    /// This will never be answered. Other questions may be.
    Refused(String),
    /// Whoever asks may not know this. Other questions may be answered.
    Denied(String),
    /// Somebody wants it to stop.
    Stopped,
}

impl Trouble {
    /// The words of it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Lost(text) | Self::Unauthorised(text) | Self::Refused(text) | Self::Denied(text) => text,
            Self::Stopped => "it was broken off",
        }
    }

    /// Whether nothing else needs to be asked.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Unauthorised(_) | Self::Stopped)
    }
}

/// Asks one product.
pub(super) struct Asker<'a> {
    /// The client, and what is kept out of messages.
    pub web: Web,
    /// Who asks.
    pub auth: Authorizer,
    /// How the product says that it is asked too much.
    pub http: &'a Http,
    /// Is told what goes on.
    pub watch: &'a Watch<'a>,
    /// How many questions are under way at a time.
    pub turns: Semaphore,
    /// How many may be asked.
    pub max_requests: u64,
    /// When it has to be over, and how long that was.
    pub deadline: (Tick, Wait),
    /// Does not wait.
    pub swift: bool,
    /// Questions sent so far.
    pub requests: Cell<u64>,
    /// Questions answered so far.
    pub answers: Cell<u64>,
    /// Bytes of answers so far.
    pub bytes: Cell<u64>,
    /// Rows so far.
    pub rows: Cell<u64>,
    /// The token that was used last, to be kept out of messages too.
    pub token: RefCell<Option<SecretString>>,
    /// Nothing is asked before this.
    pub not_before: Cell<Option<Tick>>,
    /// Why.
    pub not_before_why: RefCell<String>,
}

/// The clock.
pub(super) fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Asker<'_> {
    /// Asks, and asks again where that may help.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, step: &Step, made: &Made, signing: &Signing<'_>) -> Result<Reply, Trouble> {
        let (mut tries, mut throttled, mut renewed) = (0, 0, false);
        loop {
            let turn = self.turns.acquire().await.map_err(|_| Trouble::Stopped)?;
            self.wait_for_turn(step).await?;
            if self.requests.get() >= self.max_requests {
                return Err(Trouble::Lost(format!(
                    "more than {} requests (`max_requests`)",
                    self.max_requests
                )));
            }
            self.requests.set(self.requests.get() + 1);
            let sent = self.send(made, signing).await;
            drop(turn);
            let (pause, why) = match sent {
                Sent::Answer(reply, proof) => {
                    let exhausted = limits::exhausted(&self.http.limits, &reply.headers, now());
                    if let Some(rest) = &exhausted {
                        self.rest(rest);
                    }
                    match self.judge(step, &reply, &proof, exhausted.is_some()) {
                        Judged::Answer => {
                            self.answers.set(self.answers.get() + 1);
                            let doing = Doing::Asked {
                                step: &step.name,
                                requests: self.requests.get(),
                                rows: self.rows.get(),
                            };
                            return if (self.watch)(&doing) { Err(Trouble::Stopped) } else { Ok(reply) };
                        }
                        Judged::Trouble(Trouble::Unauthorised(_))
                            if !renewed && self.auth.renew(&proof).await =>
                        {
                            renewed = true;
                            continue;
                        }
                        Judged::Trouble(trouble) => return Err(trouble),
                        Judged::TooMuch(why) => {
                            throttled += 1;
                            if throttled > MAX_THROTTLED {
                                return Err(Trouble::Lost(format!("{why}, {MAX_THROTTLED} times over")));
                            }
                            let asked = exhausted.map(|rest| rest.pause);
                            let asked = limits::retry_after(&reply.headers, now()).or(asked);
                            (asked.unwrap_or_else(|| backoff(throttled)), why)
                        }
                        Judged::Again(why) => {
                            tries += 1;
                            if tries >= TRIES {
                                return Err(Trouble::Lost(why));
                            }
                            let asked = limits::retry_after(&reply.headers, now());
                            (asked.unwrap_or_else(|| backoff(tries)), why)
                        }
                    }
                }
                Sent::Nothing(why, asked) => {
                    tries += 1;
                    if tries >= TRIES {
                        return Err(Trouble::Lost(why));
                    }
                    (asked.unwrap_or_else(|| backoff(tries)), why)
                }
                Sent::Trouble(trouble) => return Err(trouble),
            };
            self.pause(step, pause, &why).await?;
        }
    }

    /// A text from the product, fit for a message.
    pub fn safe(&self, text: &str) -> String {
        self.web.hidden.safe(text, self.token.borrow().as_ref())
    }

    /// Holds everything until a time.
    fn rest(&self, rest: &Rest) {
        let until = Tick::now().checked_add(rest.pause);
        if until > self.not_before.get() {
            self.not_before.set(until);
            rest.why.clone_into(&mut self.not_before_why.borrow_mut());
        }
    }

    async fn wait_for_turn(&self, step: &Step) -> Result<(), Trouble> {
        while let Some(until) = self.not_before.get() {
            let pause = until.saturating_duration_since(Tick::now());
            if pause.is_zero() {
                break;
            }
            let why = self.not_before_why.borrow().clone();
            if self.swift {
                self.not_before.set(None);
            }
            self.pause(step, pause, &why).await?;
        }
        Ok(())
    }

    /// Waits, and says so.
    ///
    /// # Errors
    /// When there is no time for it, or somebody wants it to stop.
    pub async fn pause(&self, step: &Step, pause: Wait, why: &str) -> Result<(), Trouble> {
        let (end, whole) = self.deadline;
        if Tick::now().checked_add(pause).is_none_or(|until| until > end) && !self.swift {
            return Err(Trouble::Lost(format!(
                "{why}, and to wait {} s would take longer than the pull may ({} s, `deadline`)",
                pause.as_secs(),
                whole.as_secs()
            )));
        }
        if (self.watch)(&Doing::Waiting { step: &step.name, pause, why }) {
            return Err(Trouble::Stopped);
        }
        if self.swift {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn send(&self, made: &Made, signing: &Signing<'_>) -> Sent {
        let safe = |text: &str| self.safe(text);
        if Tick::now() > self.deadline.0 {
            let whole = self.deadline.1.as_secs();
            return Sent::Trouble(Trouble::Lost(format!(
                "the pull takes longer than {whole} s (`deadline`)"
            )));
        }
        let mut request = match made.request(&self.web.client) {
            Ok(request) => request,
            Err(why) => return Sent::Trouble(Trouble::Refused(safe(&why))),
        };
        let proof = match self.auth.sign(&mut request, signing, &self.web, now()).await {
            Ok(proof) => {
                self.token.replace(proof.secret().cloned());
                proof
            }
            Err(AuthError::Refused(why)) => return Sent::Trouble(Trouble::Unauthorised(why)),
            Err(AuthError::Transient { reason, retry_after }) => {
                let asked = retry_after.map(|d| Wait::from_millis(d.ms().unsigned_abs()));
                return Sent::Nothing(reason, asked);
            }
        };
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let mut response = match self.web.client.execute(request).await {
            Ok(response) => response,
            // Nothing was sent, and nothing will be: an address that is too long, say.
            Err(e) if e.is_builder() => {
                return Sent::Trouble(Trouble::Refused(safe(&format!("it cannot be asked: {}", why(&e)))));
            }
            Err(e) => return Sent::Nothing(safe(&format!("{host}: {}", why(&e))), None),
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body: Vec<u8> = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    if (body.len() + chunk.len()) as u64 > MAX_DOCUMENT_BYTES {
                        let limit = MAX_DOCUMENT_BYTES >> 20;
                        return Sent::Trouble(Trouble::Refused(format!(
                            "an answer of more than {limit} MiB"
                        )));
                    }
                    self.bytes.set(self.bytes.get() + chunk.len() as u64);
                    if self.bytes.get() > MAX_DECODED_BYTES {
                        let limit = MAX_DECODED_BYTES >> 30;
                        let why = format!(
                            "more than {limit} GiB of answers in one pull: the other pages are not read"
                        );
                        return Sent::Trouble(Trouble::Lost(why));
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                Err(e) => {
                    return Sent::Nothing(safe(&format!("{host}: the answer broke off: {}", why(&e))), None);
                }
            }
        }
        Sent::Answer(Reply { status, headers, body }, proof)
    }

    /// What an answer means.
    fn judge(&self, step: &Step, reply: &Reply, proof: &Proof, exhausted: bool) -> Judged {
        let status = reply.status;
        if status == 206 {
            let why = "answered 206, which is a part of an answer, and the whole was asked for".to_owned();
            return Judged::Trouble(Trouble::Refused(why));
        }
        if (200..300).contains(&status) || status == 304 && step.conditional || step.nothing.contains(&status)
        {
            return Judged::Answer;
        }
        let text = String::from_utf8_lossy(reply.body.get(..MAX_REFUSAL_BYTES).unwrap_or(&reply.body));
        let said = self.web.hidden.safe(&text, proof.secret());
        let said = format!("{status}{}{said}", if said.is_empty() { "" } else { ": " });
        let limits = &self.http.limits;
        // It comes from the product, and decides only which kind of failure this is.
        let says = |words: &[String]| (400..500).contains(&status) && limits::says(&text, words);
        let forbidden = status == 403 && limits.forbidden_when_exhausted;
        let too_much = status == 429
            || forbidden && (exhausted || reply.headers.contains_key(RETRY_AFTER))
            || says(&limits.codes);
        if too_much {
            return Judged::TooMuch(format!("it is asked too much ({said})"));
        }
        let granted = step.permission.as_deref().map(|p| format!(" (needed: {p})")).unwrap_or_default();
        let unauthorised = || {
            let why = format!("the product does not accept who asks: {said}{granted}");
            Judged::Trouble(Trouble::Unauthorised(why))
        };
        let denied = || Judged::Trouble(Trouble::Denied(format!("denied: {said}{granted}")));
        match status {
            _ if says(&limits.unauthorised) => unauthorised(),
            _ if says(&limits.denied) => denied(),
            401 => unauthorised(),
            403 => denied(),
            300..=399 => Judged::Trouble(Trouble::Refused(format!(
                "a redirect, which is never followed: set the address it leads to ({said})"
            ))),
            408 | 421 | 423 | 425 | 500..=599 => Judged::Again(format!("answered {said}")),
            404 | 410 => Judged::Trouble(Trouble::Refused(format!("not found: {said}{granted}"))),
            _ => Judged::Trouble(Trouble::Refused(format!("answered {said}"))),
        }
    }
}

enum Sent {
    Answer(Reply, Proof),
    Nothing(String, Option<Wait>),
    Trouble(Trouble),
}

enum Judged {
    Answer,
    Trouble(Trouble),
    TooMuch(String),
    Again(String),
}

/// How long to wait before a try: longer and longer, and not the same for everybody.
fn backoff(tries: u32) -> Wait {
    use std::hash::{BuildHasher, Hasher};
    let whole = Wait::from_secs(1 << tries.min(6)).min(MAX_BACKOFF);
    let chance = std::collections::hash_map::RandomState::new().build_hasher().finish() % 1000;
    whole.mul_f64(0.5 + f64::from(u32::try_from(chance).unwrap_or(0)) / 2000.0)
}
