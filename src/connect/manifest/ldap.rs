//! `[ldap]`: what a connector asks a directory, as data.
//!
//! A pull is a list of searches, made one after the other on one connection. A search starts at each entry that a setting of
//! the site names, and each entry it finds is a row.

use serde::Deserialize;

use super::Manifest;
use super::http::When;

/// `[ldap]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ldap {
    /// Beginnings of the DNs to which a directory may send on without anything being missed: parts of it that hold nothing a
    /// connector reads (`DC=DomainDnsZones`). Any other such place makes the pull incomplete, unless the site names it.
    #[serde(default)]
    pub harmless_references: Vec<String>,
    /// The searches, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

impl Ldap {
    /// Whether it can be meant: that steps have names of their own, and that what they name is a setting.
    ///
    /// # Errors
    /// The step and what is wrong with it.
    pub fn check(&self, manifest: &Manifest) -> Result<(), String> {
        for (number, step) in self.steps.iter().enumerate() {
            let wrong = |why: String| Err(format!("step `{}`: {why}", step.name));
            if self.steps.iter().take(number).any(|other| other.name == step.name) {
                return wrong("there are two of this name".to_owned());
            }
            if step.base.is_empty() {
                return wrong("`base` names no setting that says where it starts".to_owned());
            }
            let when = step.when.iter().map(|when| &when.setting);
            let attributes = step.attributes.iter().filter_map(|name| name.strip_prefix('$'));
            let named = when.chain(&step.base).chain(&step.filter_from).map(String::as_str).chain(attributes);
            if let Some(name) = named.into_iter().find(|name| manifest.setting(name).is_none()) {
                return wrong(format!("it names `{name}`, which is no setting"));
            }
            let asked = |name: &&String| step.attributes.iter().any(|asked| asked.eq_ignore_ascii_case(name));
            if let Some(name) = step.binary.iter().find(|name| !asked(name)) {
                return wrong(format!("`binary` has `{name}`, which is not among `attributes`"));
            }
        }
        Ok(())
    }
}

/// One search. Each entry is a row: `{"dn":…,"attributes":{name in lower case:[values]}}`. Options are taken off the names of
/// attributes; values are texts, those of `binary` attributes lower-case hex, and what is no text otherwise is
/// `{"hex":"…"}`. Values that come in ranges (`member;range=0-1499`) are put together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name; the map sees it as `$shape`.
    pub name: String,
    /// Whether it is made at all.
    #[serde(default)]
    pub when: Option<When>,
    /// The settings that may say where it starts, a DN or a list of them; the first that has a value does. Where none has,
    /// the search is not made.
    pub base: Vec<String>,
    /// How deep it goes.
    #[serde(default)]
    pub scope: Scope,
    /// The filter, RFC 4515.
    pub filter: String,
    /// The setting that holds another filter, where it has a value.
    #[serde(default)]
    pub filter_from: Option<String>,
    /// The attributes asked for. `$name` stands for those that the setting of that name holds: a text, or a list of them.
    pub attributes: Vec<String>,
    /// Of those, the ones whose values are bytes.
    #[serde(default)]
    pub binary: Vec<String>,
    /// What must be granted for this search.
    #[serde(default)]
    pub permission: Option<String>,
    /// That the base is not there means that there are no rows.
    #[serde(default)]
    pub optional: bool,
    /// That no entry at all comes is taken for a lack of permission: a directory shows what may not be seen as if it were
    /// not there.
    #[serde(default)]
    pub must: bool,
}

/// How deep a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The entry itself.
    Base,
    /// What is right below it.
    One,
    /// It and everything below.
    #[default]
    Subtree,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(step: &str) -> Result<(), String> {
        let text = format!(
            "name = \"x\"\ntitle = \"X\"\nsummary = \"X.\"\nprovides = []\n[[setting]]\nname = \"base\"\ntype = \"list\"\ndoc = \"D.\"\n[[ldap.step]]\nname = \"s\"\nfilter = \"(a=*)\"\n{step}"
        );
        let manifest = Manifest::parse(&text, "manifest.toml")?;
        manifest.ldap.as_ref().map_or(Ok(()), |ldap| ldap.check(&manifest))
    }

    #[test]
    fn what_a_step_names_must_be_there() {
        assert_eq!(checked("base = [\"base\"]\nattributes = [\"cn\"]\nbinary = [\"CN\"]"), Ok(()));
        for (step, why) in [
            ("base = []\nattributes = []", "names no setting"),
            ("base = [\"bsae\"]\nattributes = []", "`bsae`, which is no setting"),
            ("base = [\"base\"]\nattributes = [\"$more\"]", "`more`, which is no setting"),
            ("base = [\"base\"]\nattributes = []\nfilter_from = \"f\"", "`f`, which is no setting"),
            ("base = [\"base\"]\nattributes = []\nwhen = { setting = \"w\" }", "`w`, which is no setting"),
            ("base = [\"base\"]\nattributes = [\"cn\"]\nbinary = [\"sid\"]", "`sid`, which is not among"),
            (
                "base = [\"base\"]\nattributes = []\n[[ldap.step]]\nname = \"s\"\nfilter = \"(a=*)\"\nbase = [\"base\"]\nattributes = []",
                "two of this name",
            ),
        ] {
            let error = checked(step).unwrap_err();
            assert!(error.contains("step `s`: ") && error.contains(why), "{step}: {error}");
        }
    }
}
