//! What is said of one route.

use std::sync::LazyLock;

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::answer::JSON;
use super::super::sign_in::Need;
use super::schema;

type Schema = fn(&mut SchemaGenerator) -> Value;

/// What is sent and answered of an invented company, by the name of the operation: `answer` of each that gives JSON, and `body`
/// of each that takes some. Left out where it cannot be read, which a test does not let pass.
static EXAMPLES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// A schema, with an example where there is one.
fn shown(schema: Value, example: Option<&Value>) -> Value {
    let mut shown = json!({ "schema": schema });
    if let (Some(shown), Some(example)) = (shown.as_object_mut(), example) {
        shown.insert("example".to_owned(), example.clone());
    }
    shown
}

/// What a route is for, what it takes and what it gives.
pub(in crate::serve) struct About {
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    body: Option<Schema>,
    answer: (&'static str, Schema),
    also: Option<(u16, Schema)>,
    /// What the answer may be too: JSON, a zip.
    kinds: Vec<&'static str>,
}

/// A parameter of an address.
#[derive(Clone)]
pub(in crate::serve) struct Parameter {
    name: &'static str,
    doc: &'static str,
    schema: Value,
    many: bool,
}

impl Parameter {
    /// Any text. As long as this all parameters of a route together fit into what a connection takes as its head, however they
    /// are written there.
    pub(in crate::serve) fn text(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, schema: json!({ "type": "string", "maxLength": 256 }), many: false }
    }

    /// A whole number up to a limit.
    pub(in crate::serve) fn number(name: &'static str, most: u64, doc: &'static str) -> Self {
        Self { name, doc, schema: json!({ "type": "integer", "minimum": 0, "maximum": most }), many: false }
    }

    /// An instant.
    pub(in crate::serve) fn instant(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, schema: json!({ "type": "string", "format": "date-time" }), many: false }
    }

    /// One of several words; `many`: it may be given more than once.
    pub(in crate::serve) fn one_of<'w>(
        name: &'static str,
        words: impl IntoIterator<Item = &'w str>,
        many: bool,
        doc: &'static str,
    ) -> Self {
        let words: Vec<&str> = words.into_iter().collect();
        Self { name, doc, schema: json!({ "type": "string", "enum": words }), many }
    }

    fn value(&self) -> Value {
        let schema =
            if self.many { json!({ "type": "array", "items": self.schema }) } else { self.schema.clone() };
        json!({ "name": self.name, "in": "query", "description": self.doc, "schema": schema })
    }
}

impl About {
    /// A route that gives a value as JSON. `id` is what programs made of the description call it.
    pub(in crate::serve) fn gives<T: JsonSchema>(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            parameters: vec![],
            body: None,
            answer: (JSON, schema::<T>),
            also: None,
            kinds: vec![],
        }
    }

    /// A route that gives a text.
    pub(in crate::serve) fn text(id: &'static str, summary: &'static str, kind: &'static str) -> Self {
        let text: Schema = |_| json!({ "type": "string" });
        Self { id, summary, parameters: vec![], body: None, answer: (kind, text), also: None, kinds: vec![] }
    }

    /// With these parameters in the address.
    pub(in crate::serve) fn with(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// That takes a value as JSON.
    pub(in crate::serve) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema::<T>);
        self
    }

    /// That may give something of another kind too: an object as JSON, or bytes.
    pub(in crate::serve) fn or_kinds(mut self, kinds: impl IntoIterator<Item = &'static str>) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// That gives a value with another status too.
    pub(in crate::serve) fn or<T: JsonSchema>(mut self, status: u16) -> Self {
        self.also = Some((status, schema::<T>));
        self
    }

    /// The operation, as OpenAPI says it.
    /// `bodies` describes what is taken.
    pub(super) fn operation(
        &self,
        path: &str,
        need: Option<Need>,
        generator: &mut SchemaGenerator,
        bodies: &mut SchemaGenerator,
    ) -> Value {
        let example = |part: &str| EXAMPLES.get(self.id)?.get(part);
        let within = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let of_path = within.map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
        });
        let parameters: Vec<Value> = of_path.chain(self.parameters.iter().map(Parameter::value)).collect();
        let (kind, answer) = self.answer;
        let mut responses = json!({
            "200": { "description": "It is given.", "content": { kind: shown(answer(generator), example("answer")) } },
            "431": { "description": "The address or the headers are too long." },
            "default": {
                "description": "Why not.",
                "content": { JSON: { "schema": { "$ref": "#/components/schemas/ErrorBody" } } },
            },
        });
        if let Some(content) = responses.pointer_mut("/200/content").and_then(Value::as_object_mut) {
            for kind in &self.kinds {
                // Of bytes OpenAPI says nothing but what they are.
                let what = if *kind == JSON { json!({ "schema": { "type": "object" } }) } else { json!({}) };
                content.insert((*kind).to_owned(), what);
            }
        }
        if let (Some((status, also)), Some(all)) = (self.also, responses.as_object_mut()) {
            let content = json!({ JSON: { "schema": also(generator) } });
            all.insert(
                status.to_string(),
                json!({ "description": "It is so, and not well.", "content": content }),
            );
        }
        let tag = path.split('/').nth(if path.starts_with("/api/") { 3 } else { 1 }).unwrap_or("health");
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [tag],
            "parameters": parameters,
            "responses": responses,
            "security": need.map_or(json!([]), |_| json!([{ "token": [] }])),
        });
        if let Some(all) = operation.as_object_mut() {
            if let Some(need) = need {
                all.insert("description".to_owned(), json!(format!("Needs the role {}.", need.roles())));
            }
            if let Some(body) = self.body {
                let content = json!({ JSON: shown(body(bodies), example("body")) });
                all.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
            }
        }
        operation
    }
}
