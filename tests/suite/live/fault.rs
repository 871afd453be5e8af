//! What a scenario makes the stub do wrong.

/// A fault, and when it happens.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation; all where none is named.
    pub operation: Option<String>,
    pub when: When,
    pub what: What,
}

/// Which calls of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    /// The call of this number, from 1, of each operation.
    Call(usize),
    /// The answer that has no next page.
    LastPage,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is asked too much.
    Throttled,
    /// It does not work; the number of the answer among those of the product.
    Broken(usize),
    Unauthorised,
    Denied,
    /// The answer breaks off in the middle.
    Cut,
    /// The connection breaks before there is an answer.
    Dropped,
    /// An answer that is none.
    Wrong(Wrong),
    /// The next page is this one.
    Repeat,
    /// The next page is at this address.
    Elsewhere(String),
    /// A redirect to this address.
    Redirect(String),
    /// An error that repeats all that was sent, credentials included.
    Echo,
}

/// Answers that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    LoginPage,
    Empty,
    Null,
    Array,
    Text,
    CutOff,
    ContentType,
    /// More bytes than any answer may have.
    Endless(u64),
}

impl Fault {
    /// One that always happens to an operation.
    pub fn always(operation: &str, what: What) -> Self {
        Self { operation: Some(operation.to_owned()), when: When::Always, what }
    }

    /// One that happens to all operations.
    pub fn everywhere(when: When, what: What) -> Self {
        Self { operation: None, when, what }
    }

    /// Whether it concerns this call, `last` if it is known whether a page follows.
    pub fn concerns(&self, operation: &str, call: usize, last: Option<bool>) -> bool {
        let when = match self.when {
            When::Always => true,
            When::Call(number) => number == call,
            When::LastPage => last == Some(true),
        };
        when && self.operation.as_deref().is_none_or(|name| name == operation)
    }

    /// Whether it happens before the request is looked at.
    pub fn is_early(&self) -> bool {
        let late = matches!(self.what, What::Cut | What::Wrong(_) | What::Repeat | What::Elsewhere(_));
        !late && self.when != When::LastPage
    }
}
