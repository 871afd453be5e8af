//! What is asked, as AuthZEN writes it. What is not known is passed over; what has to be there and is not, or is something
//! else than it has to be, is an error that names it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// How many evaluations one request asks for at the most.
pub(super) const MOST: usize = 1000;

/// Parts of a question, each still to be read.
#[derive(Debug, Default, Deserialize)]
struct Parts {
    subject: Option<Box<RawValue>>,
    action: Option<Box<RawValue>>,
    resource: Option<Box<RawValue>>,
    context: Option<Box<RawValue>>,
    evaluations: Option<Vec<Box<RawValue>>>,
    options: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Named {
    r#type: Option<String>,
    id: Option<String>,
    name: Option<String>,
    properties: Option<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    evaluations_semantic: Option<Semantic>,
}

/// How far the evaluations of one request are carried on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Semantic {
    /// All of them.
    #[default]
    ExecuteAll,
    /// Up to the first that is denied.
    DenyOnFirstDeny,
    /// Up to the first that is permitted.
    PermitOnFirstPermit,
}

/// A thing of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) properties: Map<String, Value>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) subject: Entity,
    pub(super) action: String,
    pub(super) resource: Entity,
}

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    One(Asked),
    /// Each question, or what is wrong with it.
    Many(Semantic, Vec<Result<Asked, String>>),
}

/// Reads a value that has to be an object: a list of the same values in the order of the fields is none.
fn object<'v, T: Deserialize<'v>>(name: &str, text: &'v str) -> Result<T, String> {
    if !text.trim_start().starts_with('{') {
        return Err(format!("{name}: expected an object"));
    }
    serde_json::from_str(text).map_err(|e| format!("{name}: {e}"))
}

fn parts(name: &str, text: &str) -> Result<Parts, String> {
    let parts: Parts = object(name, text)?;
    if let Some(context) = &parts.context {
        object::<Map<String, Value>>("`context`", context.get())?;
    }
    Ok(parts)
}

fn named(part: &'static str, raw: Option<&RawValue>) -> Result<Named, String> {
    let raw = raw.ok_or_else(|| format!("`{part}` is missing"))?;
    object(&format!("`{part}`"), raw.get())
}

fn entity(part: &'static str, raw: Option<&RawValue>) -> Result<Entity, String> {
    let named = named(part, raw)?;
    Ok(Entity {
        kind: named.r#type.ok_or_else(|| format!("`{part}.type` is missing"))?,
        id: named.id.ok_or_else(|| format!("`{part}.id` is missing"))?,
        properties: named.properties.unwrap_or_default(),
    })
}

/// One question; what it does not say itself is said by `default`.
fn one(own: &Parts, default: &Parts) -> Result<Asked, String> {
    fn either<'p>(
        own: &'p Option<Box<RawValue>>,
        default: &'p Option<Box<RawValue>>,
    ) -> Option<&'p RawValue> {
        own.as_deref().or(default.as_deref())
    }
    let action = named("action", either(&own.action, &default.action))?;
    Ok(Asked {
        subject: entity("subject", either(&own.subject, &default.subject))?,
        action: action.name.ok_or("`action.name` is missing")?,
        resource: entity("resource", either(&own.resource, &default.resource))?,
    })
}

/// Reads a request; `many`: of several questions.
///
/// # Errors
/// What is wrong with the request as a whole.
pub(super) fn read(body: &[u8], many: bool) -> Result<Request, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let all = parts("the body", text)?;
    let none = Parts::default();
    let evaluations = all.evaluations.as_deref().filter(|e| many && !e.is_empty());
    let Some(evaluations) = evaluations else { return one(&all, &none).map(Request::One) };
    if evaluations.len() > MOST {
        return Err(format!("`evaluations` has {}; at most {MOST}", evaluations.len()));
    }
    let options = all.options.as_deref().map(|o| object::<Options>("`options`", o.get())).transpose()?;
    let semantic = options.and_then(|o| o.evaluations_semantic).unwrap_or_default();
    let each = evaluations.iter().map(|raw| one(&parts("an evaluation", raw.get())?, &all));
    Ok(Request::Many(semantic, each.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn whole() -> Value {
        json!({"subject": {"type": "user", "id": "a"}, "action": {"name": "read"}, "resource": {"type": "system", "id": "s"}})
    }

    #[test]
    fn what_is_missing_or_something_else_is_named() {
        assert!(matches!(read(whole().to_string().as_bytes(), false), Ok(Request::One(_))));
        for part in ["subject", "action", "resource"] {
            let mut without = whole();
            without.as_object_mut().unwrap().remove(part);
            assert_eq!(read(without.to_string().as_bytes(), false), Err(format!("`{part}` is missing")));
            for other in [json!("alice"), json!(["user", "a"]), json!(7)] {
                let mut wrong = whole();
                wrong[part] = other;
                assert!(
                    read(wrong.to_string().as_bytes(), false).unwrap_err().contains("expected an object")
                );
            }
            let mut wrong = whole();
            wrong[part] = json!({"type": 1, "id": 2, "name": 3});
            assert!(read(wrong.to_string().as_bytes(), false).is_err());
        }
        let mut wrong = whole();
        wrong["context"] = json!([]);
        assert!(read(wrong.to_string().as_bytes(), true).is_err());
        for text in [
            "",
            "{",
            "[]",
            "null",
            "\"x\"",
            "\u{feff}{}",
            r#"[{"type":"user","id":"a"},{"name":"r"},{"type":"s","id":"s"}]"#,
        ] {
            assert!(read(text.as_bytes(), false).is_err(), "{text}");
        }
        assert!(read(b"\xff", false).is_err());
        // Whoever enforces may have read another of two values of one name.
        let twice = r#"{"subject":{"type":"user","id":"a","id":"b"},"action":{"name":"r"},"resource":{"type":"s","id":"s"}}"#;
        assert!(read(twice.as_bytes(), false).unwrap_err().contains("duplicate"));
    }

    #[test]
    fn each_of_several_has_what_all_have_in_common_unless_it_says_otherwise() {
        let mut many = whole();
        many["evaluations"] = json!([{}, {"action": {"name": "write"}}, {"resource": "x"}, 7]);
        many["options"] = json!({"evaluations_semantic": "deny_on_first_deny", "other": 1});
        let Request::Many(semantic, each) = read(many.to_string().as_bytes(), true).unwrap() else {
            panic!()
        };
        assert_eq!(semantic, Semantic::DenyOnFirstDeny);
        let actions: Vec<_> = each.iter().map(|e| e.as_ref().map(|a| a.action.as_str()).ok()).collect();
        assert_eq!(actions, [Some("read"), Some("write"), None, None]);
        // Asked at the address for one, or with an empty list, it is one.
        assert!(matches!(read(many.to_string().as_bytes(), false), Ok(Request::One(_))));
        many["evaluations"] = json!([]);
        assert!(matches!(read(many.to_string().as_bytes(), true), Ok(Request::One(_))));
        many["evaluations"] = json!(vec![json!({}); MOST + 1]);
        assert!(read(many.to_string().as_bytes(), true).unwrap_err().contains("at most"));
        many["evaluations"] = json!([{}]);
        many["options"] = json!({"evaluations_semantic": "guess"});
        assert!(read(many.to_string().as_bytes(), true).is_err());
    }
}
