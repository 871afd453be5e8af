//! What is asked, as AuthZEN writes it. What is not known is passed over; what has to be there and is not, or is something
//! else than it has to be, is an error that names it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::model::Instant;

/// What the whole is called.
const WHOLE: &str = "the body";
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
    /// As it was written.
    pub(super) text: Box<str>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) name: String,
    /// As it was written.
    pub(super) text: Box<str>,
}

/// An approval that whoever asks says it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Presented {
    /// Its id; `None`: what was given is no approval.
    pub(super) id: Option<String>,
    pub(super) approved_at: Option<Instant>,
    pub(super) approved_until: Option<Instant>,
}

/// One question. What several have in common is held once: it may be long, and they many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) subject: Arc<Entity>,
    pub(super) action: Arc<Action>,
    pub(super) resource: Arc<Entity>,
    pub(super) approval: Option<Arc<Presented>>,
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
    serde_json::from_str(text).map_err(|e| {
        let (why, place) = (e.to_string(), format!(" at line {} column {}", e.line(), e.column()));
        // Of a part its place within the part would be taken for one within the whole.
        let why = if name == WHOLE { &why } else { why.strip_suffix(&place).unwrap_or(&why) };
        format!("{name}: {why}")
    })
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

fn entity(part: &'static str, raw: Option<&RawValue>) -> Result<Arc<Entity>, String> {
    let named = named(part, raw)?;
    Ok(Arc::new(Entity {
        kind: named.r#type.ok_or_else(|| format!("`{part}.type` is missing"))?,
        id: named.id.ok_or_else(|| format!("`{part}.id` is missing"))?,
        properties: named.properties.unwrap_or_default(),
        text: raw.map(RawValue::get).unwrap_or_default().into(),
    }))
}

fn action(raw: Option<&RawValue>) -> Result<Arc<Action>, String> {
    let name = named("action", raw)?.name.ok_or("`action.name` is missing")?;
    Ok(Arc::new(Action { name, text: raw.map(RawValue::get).unwrap_or_default().into() }))
}

/// The approval that a context names. What is wrong with it is no error: whoever presents something that is no approval is
/// answered as one who presents none that is known.
fn presented(context: Option<&RawValue>) -> Option<Arc<Presented>> {
    #[derive(Deserialize)]
    struct Of {
        approval: Option<Box<RawValue>>,
    }
    #[derive(Deserialize)]
    struct Approval {
        id: String,
        approved_at: Option<String>,
        approved_until: Option<String>,
    }
    let none = Presented { id: None, approved_at: None, approved_until: None };
    let raw = match serde_json::from_str::<Of>(context?.get()) {
        Ok(of) => of.approval?,
        Err(_) => return Some(Arc::new(none)),
    };
    let at = |text: Option<String>| {
        text.map(|text| Instant::parse(&text).ok()).map_or(Some(None), |at| at.map(Some))
    };
    let read = || {
        let own: Approval = object("`context.approval`", raw.get()).ok()?;
        Some(Presented {
            id: Some(own.id),
            approved_at: at(own.approved_at)?,
            approved_until: at(own.approved_until)?,
        })
    };
    Some(Arc::new(read().unwrap_or(none)))
}

/// What is said beside the questions, for those that do not say it themselves: read once, and wrong only where it is needed.
struct Common {
    subject: Result<Arc<Entity>, String>,
    action: Result<Arc<Action>, String>,
    resource: Result<Arc<Entity>, String>,
    approval: Option<Arc<Presented>>,
}

impl Common {
    fn of(parts: &Parts) -> Self {
        Self {
            subject: entity("subject", parts.subject.as_deref()),
            action: action(parts.action.as_deref()),
            resource: entity("resource", parts.resource.as_deref()),
            approval: presented(parts.context.as_deref()),
        }
    }
}

/// One question; what it does not say itself is said by `common`.
fn one(own: &Parts, common: &Common) -> Result<Asked, String> {
    let of = |part, raw: &Option<Box<RawValue>>, common: &Result<Arc<Entity>, String>| match raw.as_deref() {
        Some(raw) => entity(part, Some(raw)),
        None => common.clone(),
    };
    Ok(Asked {
        subject: of("subject", &own.subject, &common.subject)?,
        action: own.action.as_deref().map_or_else(|| common.action.clone(), |raw| action(Some(raw)))?,
        resource: of("resource", &own.resource, &common.resource)?,
        approval: if own.context.is_some() {
            presented(own.context.as_deref())
        } else {
            common.approval.clone()
        },
    })
}

/// Reads a request; `many`: of several questions.
///
/// # Errors
/// What is wrong with the request as a whole.
pub(super) fn read(body: &[u8], many: bool) -> Result<Request, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let all = parts(WHOLE, text)?;
    let common = Common::of(&all);
    let evaluations = all.evaluations.as_deref().filter(|e| many && !e.is_empty());
    let Some(evaluations) = evaluations else { return one(&Parts::default(), &common).map(Request::One) };
    if evaluations.len() > MOST {
        return Err(format!("`evaluations` has {}; at most {MOST}", evaluations.len()));
    }
    let options = all.options.as_deref().map(|o| object::<Options>("`options`", o.get())).transpose()?;
    let semantic = options.and_then(|o| o.evaluations_semantic).unwrap_or_default();
    let each = evaluations.iter().map(|raw| one(&parts("an evaluation", raw.get())?, &common));
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
    fn an_approval_is_read_leniently_and_never_makes_a_question_wrong() {
        let ask = |approval: Value| {
            let mut asked = whole();
            asked["context"] = json!({"time": "now", "approval": approval});
            match read(asked.to_string().as_bytes(), false) {
                Ok(Request::One(asked)) => asked.approval,
                other => panic!("{other:?}"),
            }
        };
        let at = |text| Instant::parse(text).ok();
        let good =
            ask(json!({"id": "a:1", "approved_until": "2026-05-01T00:42:00Z", "state": {"x": [1]}})).unwrap();
        assert_eq!((good.id.as_deref(), good.approved_at), (Some("a:1"), None));
        assert_eq!(good.approved_until, at("2026-05-01T00:42:00Z"));
        assert_eq!(ask(Value::Null), None);
        for bad in
            [json!("a:1"), json!({}), json!({"id": 7}), json!({"id": "a", "approved_at": "soon"}), json!([])]
        {
            assert_eq!(ask(bad.clone()).unwrap().id, None, "{bad}");
        }
    }

    #[test]
    fn what_many_have_in_common_is_held_once() {
        let mut many = whole();
        many["subject"]["properties"] = json!({"long": "x".repeat(100_000)});
        many["evaluations"] = json!(vec![json!({}); MOST]);
        let Request::Many(_, each) = read(many.to_string().as_bytes(), true).unwrap() else { panic!() };
        let first = each[0].as_ref().unwrap();
        assert!(each.iter().all(|e| Arc::ptr_eq(&e.as_ref().unwrap().subject, &first.subject)));
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
        let actions: Vec<_> = each.iter().map(|e| e.as_ref().map(|a| a.action.name.as_str()).ok()).collect();
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
