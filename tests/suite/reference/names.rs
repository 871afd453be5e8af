//! How a name resolves within its namespace, and when two names are the same.

use serde_json::Value;

use super::values::{norm, text, texts};

/// What a name resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The id of a record in the catalogue.
    Id(String),
    /// "claimed by none, `norm(name)` itself stands as the key"
    Norm(String),
    /// "A name that two different ids claim is *ambiguous*". Keeps the norm only to be shown.
    Ambiguous(String),
}

impl Key {
    /// "People are given by the key their name resolves to"; an ambiguous name is shown in its norm form.
    pub fn shown(&self) -> String {
        match self {
            Key::Id(text) | Key::Norm(text) | Key::Ambiguous(text) => text.clone(),
        }
    }
}

/// "so that two records agree on a name"; an ambiguous name "never equals anything".
pub fn same(one: &Key, other: &Key) -> bool {
    !matches!(one, Key::Ambiguous(_)) && !matches!(other, Key::Ambiguous(_)) && one == other
}

/// The names by which a catalogue record is claimed: "by its own id or an alias".
pub fn claims(record: &Value) -> Vec<String> {
    let mut names = vec![norm(text(record, "id").unwrap())];
    names.extend(texts(record, "aliases").into_iter().map(norm));
    names
}

/// "A name *resolves* within its namespace […]"
pub fn resolve(name: &str, catalogue: &[&Value]) -> Key {
    // "an exact match on an id;"
    for record in catalogue {
        if text(record, "id") == Some(name) {
            return Key::Id(name.to_string());
        }
    }
    // "else the one id that claims `norm(name)` by its own id or an alias;"
    let wanted = norm(name);
    let mut ids: Vec<&str> = Vec::new();
    for record in catalogue {
        let id = text(record, "id").unwrap();
        if claims(record).contains(&wanted) && !ids.contains(&id) {
            ids.push(id);
        }
    }
    match ids.as_slice() {
        // "else, claimed by none, `norm(name)` itself stands as the key"
        [] => Key::Norm(wanted),
        [id] => Key::Id(id.to_string()),
        // "A name that two different ids claim is *ambiguous*"
        _ => Key::Ambiguous(wanted),
    }
}
