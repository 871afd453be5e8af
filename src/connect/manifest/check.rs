//! What the types of `[http]` do not say: that names lead somewhere, and that what is asked for goes together.

use super::http::{ForEach, Http, Incremental, Of, Paging, Step, Text};
use super::{Manifest, SettingType};

/// Whether `[http]` can be meant.
///
/// # Errors
/// The step and what is wrong with it.
pub(super) fn http(manifest: &Manifest, http: &Http) -> Result<(), String> {
    if http.bases.is_empty() {
        return Err("[http] needs at least one address, such as `bases.main = {}`".to_owned());
    }
    if http.auth.kinds.is_empty() {
        return Err("[http.auth] needs `kinds`: the ways in which a site can say who it is".to_owned());
    }
    if http.steps.is_empty() {
        return Err("[http] needs at least one [[http.step]]".to_owned());
    }
    for (number, step) in http.steps.iter().enumerate() {
        let before = http.steps.get(..number).unwrap_or_default();
        check(manifest, http, before, step).map_err(|e| format!("step `{}`: {e}", step.name))?;
    }
    if let Some(probe) = &http.probe {
        let step = http.steps.iter().find(|step| step.name == *probe);
        let step = step.ok_or_else(|| format!("`probe` names `{probe}`, which is no step"))?;
        if step.for_each.is_some() {
            return Err(format!("`probe` names `{probe}`, which is made for each of other rows"));
        }
    } else if http.steps.iter().all(|step| step.for_each.is_some()) {
        return Err("`probe` is needed: every step is made for each of other rows".to_owned());
    }
    Ok(())
}

fn check(manifest: &Manifest, http: &Http, before: &[Step], step: &Step) -> Result<(), String> {
    if before.iter().any(|other| other.name == step.name) {
        return Err("there are two of this name".to_owned());
    }
    if manifest.shapes.iter().any(|shape| shape.name == step.name) && step.attach.is_some() {
        return Err("its rows go into other rows, so no shape is called like it".to_owned());
    }
    if !step.path.starts_with('/') {
        return Err(format!("`path` is `{}`: expected one that starts with `/`", step.path));
    }
    let mut rest = step.path.as_str();
    while let Some((_, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or("`path` has `{` without `}`")?;
        if !step.values.contains_key(name.trim_start_matches('+')) {
            return Err(format!("`path` has `{{{name}}}`, which is not among `values`"));
        }
        rest = behind;
    }
    if let Some(name) = step.values.keys().find(|name| {
        !step.path.contains(&format!("{{{name}}}")) && !step.path.contains(&format!("{{+{name}}}"))
    }) {
        return Err(format!("`values` has `{name}`, which is not in `path`"));
    }
    if !step.body.is_empty() && !step.form.is_empty() {
        return Err("`body` and `form` exclude each other".to_owned());
    }
    if let Some(base) = step.base.as_ref().filter(|base| !http.bases.contains_key(*base)) {
        return Err(format!("`base` names `{base}`, which is not among `bases`"));
    }
    if let Some(rows) = step.rows.iter().find(|r| !r.is_empty() && !r.starts_with('/') && *r != "document") {
        return Err(format!("`rows` is `{rows}`: expected a pointer such as `/value`, or `document`"));
    }
    if step.at_least > 0 && (step.attach.is_some() || step.probe_only) {
        return Err(
            "`at_least` counts rows of its own: it goes with neither `attach` nor `probe_only`".to_owned()
        );
    }
    if let Some(when) = step.when.as_ref().filter(|when| manifest.setting(&when.setting).is_none()) {
        return Err(format!("`when` names `{}`, which is no setting", when.setting));
    }
    made_for(manifest, before, step)?;
    incremental(step)?;
    let texts = step.values.values().chain(step.query.values()).chain(step.body.values());
    let texts = texts.chain(step.form.values()).chain(step.headers.values());
    texts.into_iter().try_for_each(|text| value(manifest, step, text))
}

/// What it is made for each of, and where its rows go.
fn made_for(manifest: &Manifest, before: &[Step], step: &Step) -> Result<(), String> {
    match &step.for_each {
        None if step.attach.is_some()
            || step.batch.is_some()
            || !step.only.is_empty()
            || step.distinct.is_some() =>
        {
            return Err("`attach`, `batch`, `only` and `distinct` need `for_each`".to_owned());
        }
        None => {}
        Some(ForEach::Setting { setting }) => {
            if manifest.setting(setting).is_none() {
                return Err(format!("`for_each` names `{setting}`, which is no setting"));
            }
            if step.attach.is_some() {
                return Err("`attach` needs rows of a step to go into".to_owned());
            }
        }
        Some(ForEach::Step(name)) => {
            let parent = before.iter().find(|other| other.name == *name);
            let parent =
                parent.ok_or_else(|| format!("`for_each` names `{name}`, which is no step before it"))?;
            if parent.attach.is_some() && step.attach.is_none() {
                return Err(format!("the rows of `{name}` are in other rows: make it for each of those"));
            }
            if parent.probe_only {
                return Err(format!("`{name}` is made by `config check --live` only"));
            }
        }
    }
    if let Some(attach) = &step.attach {
        if attach.row.is_some() != attach.parent.is_some() {
            return Err("`attach.row` and `attach.parent` go together".to_owned());
        }
        if step.batch.is_some() != attach.row.is_some() {
            return Err(
                "a `batch` whose rows go into others needs `attach.row` and `attach.parent`, and only that"
                    .to_owned(),
            );
        }
        if step.is_document() && !matches!(step.page, Paging::One) {
            return Err("of a `document` that goes into a row there is one: it has no pages".to_owned());
        }
        if step.distinct.is_some() {
            return Err("`distinct` and `attach` exclude each other".to_owned());
        }
    }
    if step.deep && (step.for_each.is_none() || step.attach.is_some() || step.batch.is_some()) {
        return Err("`deep` needs `for_each`, and neither `attach` nor `batch`".to_owned());
    }
    if step.batch.is_some() && !step.carry.is_empty() {
        return Err("`carry` and `batch` exclude each other: there are several rows to carry from".to_owned());
    }
    Ok(())
}

fn incremental(step: &Step) -> Result<(), String> {
    let Some(incremental) = &step.incremental else { return Ok(()) };
    if step.attach.is_some() || matches!(step.for_each, Some(ForEach::Step(_))) {
        return Err("`incremental` is for a step of its own, or one for each item of a setting".to_owned());
    }
    let (Incremental::Since { key, .. } | Incremental::Delta { key, .. }) = incremental;
    if key.is_empty() {
        return Err("`incremental` needs `key`: what a row is known by".to_owned());
    }
    let mut used: Vec<&String> = key.iter().collect();
    match incremental {
        Incremental::Since { at, .. } => used.extend(at),
        Incremental::Delta { removed, .. } => used.push(removed),
    }
    let taken = |pointer: &str| {
        let mut takes = step.take.iter();
        pointer.starts_with("/_from/")
            || takes.any(|take| format!("{pointer}/").starts_with(&format!("{take}/")))
    };
    if !step.take.is_empty()
        && let Some(pointer) = used.into_iter().find(|pointer| !taken(pointer))
    {
        return Err(format!("`take` lacks `{pointer}`, which `incremental` needs"));
    }
    if matches!(incremental, Incremental::Delta { .. }) && !matches!(step.page, Paging::Url { .. }) {
        return Err("`incremental` by an address for changes needs pages that give the address of the next"
            .to_owned());
    }
    if matches!(incremental, Incremental::Delta { .. }) && step.for_each.is_some() {
        return Err("`incremental` by an address for changes is for a step that is made once".to_owned());
    }
    Ok(())
}

fn value(manifest: &Manifest, step: &Step, text: &Text) -> Result<(), String> {
    let Text::Of(of) = text else { return Ok(()) };
    match of.as_ref() {
        Of::Setting(name) => match manifest.setting(name) {
            Some(_) => Ok(()),
            None => Err(format!("`setting = \"{name}\"`: there is no such setting")),
        },
        Of::Listed(name) => match manifest.setting(name) {
            Some(spec) if spec.kind == SettingType::List => Ok(()),
            _ => Err(format!("`listed = \"{name}\"`: there is no such setting that is a list")),
        },
        Of::Row(_) if step.for_each.is_none() => Err("`row` needs `for_each`".to_owned()),
        Of::Rows(_) if step.batch.is_none() => Err("`rows` needs `batch`".to_owned()),
        Of::Since(_) if step.incremental.is_none() => Err("`since` needs `incremental`".to_owned()),
        Of::Json(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => Ok(()),
            Err(e) => Err(format!("`json`: {e}")),
        },
        Of::Join(parts) | Of::First(parts) => parts.iter().try_for_each(|part| value(manifest, step, part)),
        _ => Ok(()),
    }
}
