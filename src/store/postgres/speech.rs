//! How what the store says is said to PostgreSQL: parameters, values, and texts, in which PostgreSQL has no NUL.

use std::borrow::Cow;
use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::super::sql::{Row, Value};
use super::super::{Result, StoreError};

/// The statement with its parameters as PostgreSQL numbers them: `?1` is `$1`, and `?` the next.
pub(super) fn numbered(sql: &str) -> String {
    let mut said = String::with_capacity(sql.len() + 8);
    let (mut next, mut rest) = (1, sql);
    while let Some((before, after)) = rest.split_once('?') {
        said.push_str(before);
        said.push('$');
        if !after.starts_with(|c: char| c.is_ascii_digit()) {
            said.push_str(&next.to_string());
            next += 1;
        }
        rest = after;
    }
    said.push_str(rest);
    said
}

/// A statement that adds a row, with one more column and parameter, the last.
pub(super) fn with_number(sql: &str, column: &str, parameters: usize) -> String {
    let said = sql.replacen('(', &format!("({column}, "), 1);
    said.replacen("VALUES (", &format!("VALUES (?{parameters}, "), 1)
}

/// Keeps a text without a NUL: NUL and U+0001 are two characters each, and order is what it was.
pub(super) fn keep(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
}

/// A text as it was before it was kept.
fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1}') {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1}' => whole.push(if rest.next() == Some('\u{1}') { '\0' } else { '\u{1}' }),
            c => whole.push(c),
        }
    }
    Cow::Owned(whole)
}

/// A parameter that waits to be sent.
#[derive(Debug)]
pub(super) enum Owned {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Ints(Vec<i64>),
}

impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(n) => Self::Int(n),
            Value::Text(text) => Self::Text(keep(text).into_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_owned()),
            Value::Ints(numbers) => Self::Ints(numbers.to_owned()),
        }
    }
}

impl Owned {
    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 16,
            Self::Bytes(bytes) => bytes.len() + 16,
            Self::Ints(numbers) => numbers.len() * 8 + 16,
            _ => 16,
        }
    }
}

impl ToSql for Owned {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(n) => n.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
            Self::Ints(numbers) => numbers.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA, Type::INT8_ARRAY].contains(ty)
    }

    to_sql_checked!();
}

/// What stands in a column.
struct Cell<'r>(Value<'r>);

impl<'r> FromSql<'r> for Cell<'r> {
    fn from_sql(ty: &Type, raw: &'r [u8]) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT8 => Value::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Value::Int(i32::from_sql(ty, raw)?.into()),
            Type::BOOL => Value::Int(bool::from_sql(ty, raw)?.into()),
            Type::BYTEA => Value::Bytes(raw),
            _ => Value::Text(std::str::from_utf8(raw)?),
        }))
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::BYTEA, Type::TEXT].contains(ty)
    }
}

/// A row of an answer.
pub(super) struct Answer {
    row: tokio_postgres::Row,
    /// The texts that were kept otherwise than they are, by their columns.
    texts: Vec<(usize, String)>,
}

impl Answer {
    pub(super) fn new(row: tokio_postgres::Row) -> Self {
        let mut texts = vec![];
        for column in 0..row.len() {
            if let Ok(Cell(Value::Text(text))) = row.try_get(column)
                && let Cow::Owned(whole) = kept(text)
            {
                texts.push((column, whole));
            }
        }
        Self { row, texts }
    }
}

impl Row for Answer {
    fn value(&self, column: usize) -> Result<Value<'_>> {
        if let Some((_, text)) = self.texts.iter().find(|(at, _)| *at == column) {
            return Ok(Value::Text(text));
        }
        let cell: Cell<'_> = self.row.try_get(column).map_err(|e| StoreError::Broken(e.to_string()))?;
        Ok(cell.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(numbered("a = ?2 AND b = ?1 OR c = ?12"), "a = $2 AND b = $1 OR c = $12");
        assert_eq!(numbered("a IN (?, ?) LIMIT ?"), "a IN ($1, $2) LIMIT $3");
        let sql = "INSERT INTO t (a, b) VALUES (?1, ?2)";
        assert_eq!(with_number(sql, "id", 3), "INSERT INTO t (id, a, b) VALUES (?3, ?1, ?2)");
    }

    /// Any text comes back, holds no NUL meanwhile, and stands where it stood among others.
    #[test]
    fn every_text_is_kept_with_its_order() {
        let parts = ["", "a", "\0", "\u{1}", "\u{2}", "\u{1}\u{1}", "é", "\u{3}", "0", "1"];
        let mut all: Vec<String> = vec![];
        for a in parts {
            for b in parts {
                all.extend(parts.iter().map(|c| format!("{a}{b}{c}")));
            }
        }
        for text in &all {
            assert!(!keep(text).contains('\0'));
            assert_eq!(kept(&keep(text)), text.as_str());
        }
        all.sort();
        assert!(all.is_sorted_by(|a, b| keep(a).as_bytes() <= keep(b).as_bytes()));
    }
}
