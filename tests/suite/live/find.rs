//! Which operation a request is, and whether the documentation allows it so.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rows::Values;
use super::rule::{Rule, compiled, keys, parameters};
use super::serve::Refusal;
use super::spec::{Operation, Spec};
use super::spot::Spot;
use super::wire::Request;

/// The operation that a request is.
pub(super) fn find<'s>(
    spec: &'s Spec,
    bases: &[String],
    request: &Request,
) -> Result<(&'s Operation, Values), (Option<&'s Operation>, Refusal)> {
    let root = spec.bases.get(&request.base).map_or("", |base| base.root.as_str());
    let depth = root.split('/').filter(|part| !part.is_empty()).count();
    let path = request.path.get(depth..).unwrap_or_default();
    let here = request.raw_path().starts_with(root);
    let mut candidates: Vec<(usize, &Operation, Values)> = Vec::new();
    for operation in spec.operations.iter().filter(|operation| here && operation.method == request.method) {
        if operation.base(bases) != request.base {
            continue;
        }
        if let Some((literal, values)) = matches(&operation.path, path) {
            candidates.push((literal, operation, values));
        }
    }
    let most = candidates.iter().map(|(literal, _, _)| *literal).max().unwrap_or_default();
    candidates.retain(|(literal, _, _)| *literal == most);
    let mut fits = Vec::new();
    let mut reasons = Vec::new();
    for (_, operation, values) in candidates {
        let wrong = operation
            .values
            .iter()
            .any(|(name, rule)| values.get(name).is_none_or(|value| rule.texts(&[value]).is_err()));
        if wrong {
            return Err((Some(operation), Refusal::Missing(404)));
        }
        match allowed(operation, request) {
            Ok(()) => fits.push((operation, values)),
            Err(why) => reasons.push((operation, why)),
        }
    }
    match (fits.len(), reasons.len()) {
        (1, _) => Ok(fits.remove(0)),
        (0, 0) => Err((None, Refusal::Bad("nothing of that path in the documentation".to_owned()))),
        (0, _) => {
            let why = reasons.iter().map(|(operation, why)| format!("{}: {why}", operation.name));
            let why = why.collect::<Vec<_>>().join("; ");
            Err((reasons.first().map(|(operation, _)| *operation), Refusal::Bad(why)))
        }
        _ => {
            let names: Vec<&str> = fits.iter().map(|(operation, _)| operation.name.as_str()).collect();
            Err((None, Refusal::Bad(format!("stub.toml: it is {} at once", names.join(" and ")))))
        }
    }
}

/// The names in a path, and how many of its parts are literal; none where the path is another.
fn matches(template: &str, path: &[String]) -> Option<(usize, Values)> {
    let parts: Vec<&str> = template.trim_start_matches('/').split('/').collect();
    if parts.len() != path.len() {
        return None;
    }
    let mut literal = 0;
    let mut values = Values::new();
    for (part, given) in parts.iter().zip(path) {
        if !part.contains('{') {
            if part != given {
                return None;
            }
            literal += 1;
            continue;
        }
        if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            if given.is_empty() {
                return None;
            }
            values.insert(name.to_owned(), given.clone());
            continue;
        }
        let mut pattern = String::from("^(?s)");
        for piece in part.split('{') {
            match piece.split_once('}') {
                Some((name, rest)) => {
                    pattern.push_str(&format!("(?<{name}>.+){}", regex::escape(rest)));
                }
                None => pattern.push_str(&regex::escape(piece)),
            }
        }
        let pattern = compiled(&format!("{pattern}$"));
        let found = pattern.captures(given)?;
        for name in pattern.capture_names().flatten() {
            values.insert(name.to_owned(), found[name].to_owned());
        }
    }
    Some((literal, values))
}

/// Says what of a request the documentation of the operation does not allow.
fn allowed(operation: &Operation, request: &Request) -> Result<(), String> {
    for (name, rule) in &operation.headers {
        match request.headers.get(&name.to_ascii_lowercase()) {
            Some(value) => rule.texts(&[value]).map_err(|why| format!("the header {name}: {why}"))?,
            None if rule.required() => return Err(format!("the header {name} is missing")),
            None => {}
        }
    }
    let page = &operation.page;
    // An address that the product gave holds all there is to say.
    let whole =
        |spot: &Spot| matches!(spot, Spot::Query(name) if request.query.iter().any(|(n, _)| n == name));
    let given = page.into.as_ref().filter(|spot| page.alone && whole(spot));
    let given = given.or(operation.delta.as_ref().map(|delta| &delta.into).filter(|spot| whole(spot)));
    if let Some(Spot::Query(name)) = given {
        return parameters(&BTreeMap::new(), &request.query, &[name]);
    }
    let free = [page.into.as_ref(), page.size.spot.as_ref()];
    let named = |name: fn(&Spot) -> Option<&str>| -> Vec<&str> {
        free.iter().copied().flatten().filter_map(name).collect()
    };
    let query = named(|spot| match spot {
        Spot::Query(name) => Some(name),
        _ => None,
    });
    parameters(&operation.query, &request.query, &query)?;
    let form = named(|spot| match spot {
        Spot::Form(name) => Some(name),
        _ => None,
    });
    if !operation.form.is_empty() || !form.is_empty() {
        if !request.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return Err("the body has to be a form".to_owned());
        }
        return parameters(&operation.form, &request.form, &form)
            .map_err(|why| format!("in the form: {why}"));
    }
    let body = named(|spot| match spot {
        Spot::Body(pointer) => Some(pointer.trim_start_matches('/')),
        _ => None,
    });
    if operation.body.is_empty() && body.is_empty() {
        // `{}` says nothing, and some clients send it with every POST.
        let nothing = request.body.is_empty()
            || request.json.as_ref().is_some_and(|v| *v == Value::Object(Default::default()));
        return if nothing { Ok(()) } else { Err("there is no body in the documentation".to_owned()) };
    }
    let empty = Value::Object(Default::default());
    let given = match &request.json {
        Some(json) => json,
        None if request.body.is_empty() => &empty,
        None => return Err("the body has to be JSON, and its content type has to say so".to_owned()),
    };
    let mut rules = operation.body.clone();
    for name in body.into_iter().filter(|name| !name.contains('/')) {
        rules.entry(name.to_owned()).or_insert_with(Rule::anything);
    }
    keys(&rules, given).map_err(|why| format!("in the body: {why}"))
}
