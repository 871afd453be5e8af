//! What is remembered, as SQL that SQLite and PostgreSQL both understand: every question and every change is written once,
//! against a small seam. What cannot be said in one way is a fragment of the [`Dialect`].
//!
//! The dialect: `?1` stands for a parameter; `ON CONFLICT` in place of `INSERT OR …`; an order says where what is absent
//! goes, which is where SQLite puts it; a parameter that may be absent is cast where its type does not follow from its place.

pub(super) mod evidence;
mod findings;
mod held;
mod judging;
pub(super) mod keeping;
mod looking;
mod outbox;
mod reading;
mod records;
pub(super) mod runs;
mod slots;
mod steps;
mod systems;
mod touch;

use std::borrow::Cow;

use super::*;
pub use steps::{Base, Step, Touches};

/// A value that is written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'v> {
    /// Nothing.
    Null,
    /// A number, or yes and no as 1 and 0.
    Int(i64),
    /// A text.
    Text(&'v str),
    /// Bytes.
    Bytes(&'v [u8]),
    /// Several numbers, any of which is meant; see `rows_of`.
    Ints(&'v [i64]),
}

/// What can be handed over as a value.
pub trait Param {
    /// As a value.
    fn value(&self) -> Value<'_>;
}

impl Param for i64 {
    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}

impl Param for u32 {
    fn value(&self) -> Value<'_> {
        Value::Int((*self).into())
    }
}

impl Param for u8 {
    fn value(&self) -> Value<'_> {
        Value::Int((*self).into())
    }
}

impl Param for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Param for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Param for Cow<'_, str> {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Param for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<const N: usize> Param for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl<T: Param + ?Sized> Param for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Param> Param for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Param::value)
    }
}

/// Parameters as values.
macro_rules! params {
    ($($param:expr),* $(,)?) => { &[$($crate::store::sql::Param::value(&$param)),*] };
}
use params;

/// A row that was found.
pub trait Row {
    /// The value in a column, from 0.
    fn value(&self, column: usize) -> Result<Value<'_>>;
}

/// What can be read from a column.
pub trait Column<'r>: Sized {
    /// Of a value; `None` where it is of another kind.
    fn of(value: Value<'r>) -> Option<Self>;
}

impl<'r> Column<'r> for i64 {
    fn of(value: Value<'r>) -> Option<Self> {
        if let Value::Int(n) = value { Some(n) } else { None }
    }
}

impl<'r> Column<'r> for u32 {
    fn of(value: Value<'r>) -> Option<Self> {
        i64::of(value)?.try_into().ok()
    }
}

impl<'r> Column<'r> for bool {
    fn of(value: Value<'r>) -> Option<Self> {
        i64::of(value).map(|n| n != 0)
    }
}

impl<'r> Column<'r> for &'r str {
    fn of(value: Value<'r>) -> Option<Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
}

impl<'r> Column<'r> for String {
    fn of(value: Value<'r>) -> Option<Self> {
        <&str>::of(value).map(str::to_owned)
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn of(value: Value<'r>) -> Option<Self> {
        if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
    }
}

impl<'r, const N: usize> Column<'r> for [u8; N] {
    fn of(value: Value<'r>) -> Option<Self> {
        <&[u8]>::of(value)?.try_into().ok()
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn of(value: Value<'r>) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::of(value).map(Some) }
    }
}

impl dyn Row + '_ {
    /// What stands in a column, from 0.
    fn get<'r, T: Column<'r>>(&'r self, column: usize) -> Result<T> {
        let broken = || StoreError::Broken(format!("column {column} of an answer is not what it should be"));
        T::of(self.value(column)?).ok_or_else(broken)
    }
}

/// A table whose rows are numbered, and whose new row's number is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbered {
    /// Runs: no number is ever given twice.
    Run,
    /// Records, in the order in which they came.
    Record,
    /// Events: no number is ever given twice, and they grow with the entries of the evidence log.
    Event,
}

/// Shows a row.
pub type Each<'e> = dyn FnMut(&dyn Row) -> Result<()> + 'e;

/// A database, within a transaction or not.
pub trait Db {
    /// How it wants to be spoken to.
    fn dialect(&self) -> Dialect;
    /// Changes something. Nothing is asked of it: that it failed may show only with the next question, or when all is kept.
    fn run(&self, sql: &str, params: &[Value<'_>]) -> Result<()>;
    /// Changes something; how many rows.
    fn change(&self, sql: &str, params: &[Value<'_>]) -> Result<u64>;
    /// Adds a row; its number.
    fn add(&self, table: Numbered, sql: &str, params: &[Value<'_>]) -> Result<i64>;
    /// Shows the rows that are found.
    fn rows(&self, sql: &str, params: &[Value<'_>], each: &mut Each<'_>) -> Result<()>;
    /// Shows the first row that is found, and looks for no other; whether there is one.
    fn first(&self, sql: &str, params: &[Value<'_>], show: &mut Each<'_>) -> Result<bool>;
}

impl dyn Db + '_ {
    /// The first row that is found.
    fn one<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        read: impl Fn(&dyn Row) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        self.first(sql, params, &mut |row| {
            found = Some(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Shows the rows in which a column, compared with `= ?1`, is one of these numbers: one question each where that costs
    /// little, all in one where the answer has a way to go. In no order.
    fn rows_of(&self, sql: &str, numbers: &[i64], each: &mut Each<'_>) -> Result<()> {
        match self.dialect() {
            Dialect::Sqlite => numbers.iter().try_for_each(|n| self.rows(sql, params![n], each)),
            Dialect::Postgres => {
                let any = sql.replace("= ?1", "= ANY(?1)");
                let some = |numbers| self.rows(&any, &[Value::Ints(numbers)], each);
                numbers.chunks(1_000).try_for_each(some)
            }
        }
    }

    /// The number that is the answer.
    fn int(&self, sql: &str, params: &[Value<'_>]) -> Result<i64> {
        let found = self.one(sql, params, |row| row.get(0))?;
        found.ok_or_else(|| StoreError::Broken("a row is missing".to_owned()))
    }

    /// The rows that are found.
    fn all<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        read: impl Fn(&dyn Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = vec![];
        self.rows(sql, params, &mut |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }
}

/// How a database wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// One of two ways to say the same.
    fn pick<'s>(self, sqlite: &'s str, postgres: &'s str) -> &'s str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }

    /// A field of an object in a column of JSON, as a text.
    fn field(self, column: &str, name: &str) -> String {
        match self {
            Self::Sqlite => format!("({column} ->> '$.{name}')"),
            Self::Postgres => format!("(cast({column} AS json) ->> '{name}') COLLATE \"C\""),
        }
    }

    /// The lesser of two.
    fn lesser(self) -> &'static str {
        self.pick("min", "least")
    }

    /// Whether a text, whatever its capitals, stands in one of these columns.
    fn stands_in(self, columns: &str) -> String {
        match self {
            Self::Sqlite => format!("instr(lower(concat_ws(char(10), {columns})), lower(?)) > 0"),
            Self::Postgres => format!(
                "strpos(lower(concat_ws(chr(10), {columns}) COLLATE \"C\"), lower(cast(? AS text) COLLATE \"C\")) > 0"
            ),
        }
    }

    /// Joined to what stands before it, which is gone through first where the database lets one say so.
    fn then(self) -> &'static str {
        self.pick("CROSS JOIN", "JOIN")
    }
}

pub(super) fn ms(t: Instant) -> i64 {
    t.unix_ms()
}

pub(super) fn at(ms: i64) -> Instant {
    Instant::from_unix_ms(ms)
}

pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The place of a word in the list of all, and back: for what is stored as a small number.
fn place<T: PartialEq>(all: &[T], one: &T) -> i64 {
    all.iter().position(|x| x == one).map_or(-1, |p| i64::try_from(p).unwrap_or(-1))
}

fn word<T: Copy>(all: &[T], place: i64) -> Result<T> {
    usize::try_from(place)
        .ok()
        .and_then(|p| all.get(p).copied())
        .ok_or_else(|| StoreError::Broken(format!("a number that stands for no word: {place}")))
}

/// Numbers as a list in a column.
fn list(numbers: &[i64]) -> String {
    let mut text = String::with_capacity(numbers.len() * 20 + 2);
    text.push('[');
    for (i, n) in numbers.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&n.to_string());
    }
    text.push(']');
    text
}
