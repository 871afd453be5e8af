//! JSON values to jq values and back, with the limits that jaq does not have.

use crate::connect::limits::MAX_OUTPUT_DEPTH;
use jaq_json::{Map as ValMap, Num, Val};
use serde_json::{Map, Number, Value};

/// JSON to jq. The depth of a row was limited when it was read.
pub fn to_val(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(flag) => Val::Bool(*flag),
        Value::Number(number) => Val::Num(to_num(number)),
        Value::String(text) => Val::utf8_str(text.clone()),
        Value::Array(items) => items.iter().map(to_val).collect(),
        Value::Object(object) => {
            let pairs = object.iter().map(|(key, value)| (Val::utf8_str(key.clone()), to_val(value)));
            Val::obj(pairs.collect::<ValMap>())
        }
    }
}

fn to_num(number: &Number) -> Num {
    if let Some(integer) = number.as_i64() {
        return Num::from_integral(integer);
    }
    if let Some(integer) = number.as_u64() {
        return Num::from_integral(integer);
    }
    Num::Float(number.as_f64().unwrap_or_default())
}

/// jq to JSON.
///
/// # Errors
/// The value nests too deep, or holds what JSON cannot: bytes that are not UTF-8, a key that is not text, a number
/// that is not finite.
pub fn from_val(value: &Val) -> Result<Value, String> {
    nested(value, 0)
}

fn nested(value: &Val, depth: usize) -> Result<Value, String> {
    if depth > MAX_OUTPUT_DEPTH {
        return Err(format!("the map made a value that nests deeper than {MAX_OUTPUT_DEPTH} levels"));
    }
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(flag) => Value::Bool(*flag),
        Val::Num(number) => {
            let text = number.to_string();
            let parsed: Result<Number, _> = serde_json::from_str(&text);
            Value::Number(
                parsed.map_err(|_| format!("the map made the number {text}, which JSON does not have"))?,
            )
        }
        Val::TStr(_) | Val::BStr(_) => Value::String(text(value)?.to_owned()),
        Val::Arr(items) => {
            Value::Array(items.iter().map(|item| nested(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Val::Obj(object) => {
            let mut pairs = Map::new();
            for (key, value) in object.iter() {
                pairs.insert(text(key)?.to_owned(), nested(value, depth + 1)?);
            }
            Value::Object(pairs)
        }
    })
}

/// The text of a jq string.
///
/// # Errors
/// It is no string, or not UTF-8.
pub fn text(value: &Val) -> Result<&str, String> {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".to_owned())
        }
        _ => Err("expected a text".to_owned()),
    }
}

/// Longest message taken from a map, in characters.
const MAX_MESSAGE: usize = 500;

/// The message of an error a map raised. What it quotes of the row is cut short.
pub fn error_text(error: jaq_core::Error<Val>) -> String {
    let value = error.into_val();
    let message = match &value {
        Val::TStr(_) | Val::BStr(_) => text(&value).map_or_else(|_| "an error".to_owned(), str::to_owned),
        other => other.to_string(),
    };
    if message.chars().count() > MAX_MESSAGE {
        let cut: String = message.chars().take(MAX_MESSAGE).collect();
        return format!("{cut}…");
    }
    message
}
