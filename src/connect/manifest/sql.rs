//! `[postgres]`: what a connector asks a database, as data.

use serde::Deserialize;

use super::http::When;

/// `[postgres]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// The queries, in order, in one read-only snapshot of each database. The first is the one that
    /// `config check --live` tries.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One query. Each row is an object of its columns: what `row_to_json` makes of it. Names are looked up in `pg_catalog`
/// alone; whatever else is asked for needs its schema.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name; the map sees it as `$shape`.
    pub name: String,
    /// Whether it is made at all.
    #[serde(default)]
    pub when: Option<When>,
    /// The query, without a semicolon at its end.
    pub query: String,
    /// Settings that stand in the query as `$1`, `$2` …, each as text: `true`, `false`, a number in digits, a list or a map
    /// as JSON; NULL where it has no value.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Made in each of the databases of the site, whose name each row then has as `_database`; otherwise once, in the one
    /// it connects to.
    #[serde(default)]
    pub each_database: bool,
    /// The least version of the server it can be asked of (`160000`); older ones have no such rows.
    #[serde(default)]
    pub since_version: Option<u32>,
    /// What must be granted for this query.
    #[serde(default)]
    pub permission: Option<String>,
}

impl Sql {
    /// The rules that types alone do not say. `declared` are the names of the settings.
    ///
    /// # Errors
    /// Which step breaks which rule.
    pub fn check(&self, declared: &[&str]) -> Result<(), String> {
        if self.steps.is_empty() {
            return Err("[postgres]: expected at least one [[postgres.step]]".to_owned());
        }
        let mut names: Vec<&str> = Vec::new();
        for step in &self.steps {
            let wrong = |why: &str| Err(format!("[[postgres.step]] `{}`: {why}", step.name));
            if names.contains(&step.name.as_str()) {
                return wrong("another one has the same name");
            }
            names.push(&step.name);
            if step.query.trim().is_empty() || step.query.trim_end().ends_with(';') {
                return wrong("expected a query without a semicolon at its end");
            }
            let settings = step.when.iter().map(|when| &when.setting).chain(&step.parameters);
            for setting in settings {
                if !declared.contains(&setting.as_str()) {
                    return wrong(&format!("it names the setting `{setting}`, which is not declared"));
                }
            }
            let highest = (1..=step.parameters.len() + 1).filter(|n| step.query.contains(&format!("${n}")));
            if highest.max().unwrap_or(0) != step.parameters.len() {
                return wrong("`parameters` and the `$1`, `$2` … of the query do not fit");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(steps: &str) -> Result<(), String> {
        let sql: Sql = toml::from_str(steps).unwrap();
        sql.check(&["level"])
    }

    #[test]
    fn a_query_that_cannot_be_asked_is_an_error_that_names_its_step() {
        let step =
            |query: &str, more: &str| format!("[[step]]\nname = \"roles\"\nquery = \"{query}\"\n{more}\n");
        assert_eq!(checked(&step("SELECT $1::text", "parameters = [\"level\"]")), Ok(()));
        for (steps, part) in [
            ("step = []".to_owned(), "at least one"),
            (step("SELECT 1", "") + &step("SELECT 2", ""), "the same name"),
            (step("SELECT 1;", ""), "semicolon"),
            (step("SELECT $1", ""), "do not fit"),
            (step("SELECT 1", "parameters = [\"level\"]"), "do not fit"),
            (step("SELECT $1, $2", "parameters = [\"level\"]"), "do not fit"),
            (step("SELECT $1", "parameters = [\"levle\"]"), "`levle`"),
            (step("SELECT 1", "when = { setting = \"levle\" }"), "`levle`"),
        ] {
            let error = checked(&steps).unwrap_err();
            assert!(error.contains(part), "{steps}: {error}");
        }
    }
}
