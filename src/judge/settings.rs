//! What a site decides about the judging: thresholds, checks switched off or weighed differently, birthrights,
//! and who answers where no record names anybody.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::model::Duration;
use crate::model::finding::Severity;
use crate::model::record::Kind;

/// Everything the judge is told besides the records and the instant. Written and read as JSON, so that what was judged can be
/// judged again as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Thresholds, and what differs for single checks.
    pub checks: Checks,
    /// What everyone of a kind may hold without a request.
    pub birthrights: Vec<Birthright>,
    /// Who answers where no record names anybody.
    pub accountability: Accountability,
}

macro_rules! thresholds {
    ($($(#[$meta:meta])* $field:ident = $default:expr,)*) => {
        /// The thresholds, under their configuration names.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Thresholds {
            $($(#[$meta])* pub $field: Duration,)*
        }

        impl Default for Thresholds {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Thresholds {
            /// The names, with their default values.
            #[must_use]
            pub fn defaults() -> Vec<(&'static str, Duration)> {
                vec![$((stringify!($field), $default),)*]
            }

            /// All of them, by their names.
            fn named(&self) -> Vec<(&'static str, Duration)> {
                vec![$((stringify!($field), self.$field),)*]
            }

            fn get_mut(&mut self, name: &str) -> Option<&mut Duration> {
                match name {
                    $(stringify!($field) => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

thresholds! {
    /// How long after an approval's end the access may still stand.
    expiry_grace = Duration::minutes(15),
    /// How long before its approval a grant may have been made.
    grant_tolerance = Duration::minutes(5),
    /// How long after a revocation telemetry may still show the grant.
    revocation_lag = Duration::hours(1),
    /// How long an approved revocation may wait to be carried out.
    revocation_sla = Duration::days(1),
    /// How long after an approval's start the grant may be made.
    provisioning_window = Duration::days(30),
    /// How long an approval may wait for its grant.
    fulfilment_window = Duration::days(7),
    /// After how long without use a grant counts as unused.
    unused_after = Duration::days(90),
    /// The same, for entitlements of high risk.
    unused_after_high_risk = Duration::days(30),
    /// How long after leaving an identity may still hold access.
    leaver_grace = Duration::hours(8),
    /// How long an emergency may stand without an approval.
    emergency_ratify_within = Duration::days(1),
    /// The longest approval an agent may have.
    agent_max_ttl = Duration::days(30),
    /// How often an agent's access must be confirmed.
    agent_review_every = Duration::days(30),
    /// How old a source's data may be.
    source_max_age = Duration::days(1),
}

/// The `[checks]` table: thresholds by name, and one table for each check that differs from its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks {
    /// The thresholds.
    pub thresholds: Thresholds,
    /// What differs, by the name of the check.
    pub overrides: BTreeMap<String, CheckOverride>,
}

/// `[checks.NAME]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckOverride {
    /// `false` switches the check off.
    pub enabled: Option<bool>,
    /// The severity in place of the check's own; the entitlement's risk still moves it by a step.
    pub severity: Option<Severity>,
}

/// `[[birthright]]`: who of this kind holds this needs no request for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Birthright {
    /// The system.
    pub system: String,
    /// The entitlement.
    pub entitlement: String,
    /// The kinds of identity; every kind when absent.
    #[serde(default)]
    pub identity_kinds: Vec<Kind>,
    /// The policy that gives it.
    pub policy: Option<String>,
}

/// `[accountability]`: who answers where no record names anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accountability {
    /// For approval paths.
    pub workflow_owner: Option<String>,
    /// For systems and entitlements.
    pub system_owner: Option<String>,
    /// For sources and aliases.
    pub operator: Option<String>,
}

impl<'de> Deserialize<'de> for Checks {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Checks;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of thresholds and checks")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Checks, A::Error> {
                let mut checks = Checks::default();
                while let Some(Known(name)) = map.next_key::<Known>()? {
                    match checks.thresholds.get_mut(&name) {
                        Some(threshold) => *threshold = map.next_value()?,
                        None => {
                            checks.overrides.insert(name, map.next_value()?);
                        }
                    }
                }
                Ok(checks)
            }
        }
        d.deserialize_map(Table)
    }
}

/// With every threshold, also those that were left at their defaults: a later version may have others.
impl Serialize for Checks {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (name, threshold) in self.thresholds.named() {
            map.serialize_entry(name, &threshold)?;
        }
        for (name, own) in &self.overrides {
            map.serialize_entry(name, own)?;
        }
        map.end()
    }
}

/// A key of `[checks]` that names a threshold or a check. Checked as a key, so that the error points at it.
struct Known(String);

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        if Thresholds::default().get_mut(&name).is_some() || super::checks::by_name(&name).is_some() {
            return Ok(Self(name));
        }
        let known: Vec<_> = Thresholds::defaults()
            .into_iter()
            .map(|(n, _)| n)
            .chain(super::checks::all().map(|c| c.name))
            .collect();
        Err(de::Error::custom(format_args!(
            "`{name}` is neither a threshold nor a check; there are: {}",
            known.join(", ")
        )))
    }
}

impl JsonSchema for Checks {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Checks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        for (name, default) in Thresholds::defaults() {
            let schema = serde_json::json!({
                "type": "string", "description": "an ISO 8601 duration in weeks, days, hours, minutes, seconds",
                "default": default.to_string(),
            });
            properties.insert(name.to_owned(), schema);
        }
        for check in super::checks::all() {
            properties.insert(check.name.to_owned(), generator.subschema_for::<CheckOverride>().to_value());
        }
        let mut schema = Schema::default();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        schema.insert("additionalProperties".into(), false.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_written() {
        let own = CheckOverride { enabled: Some(false), severity: Some(Severity::Low) };
        let settings = Settings {
            checks: Checks {
                thresholds: Thresholds { unused_after: Duration::days(7), ..Thresholds::default() },
                overrides: BTreeMap::from([("unused-grant".to_owned(), own)]),
            },
            birthrights: vec![Birthright {
                system: "okta".into(),
                entitlement: "Everyone".into(),
                identity_kinds: vec![Kind::Agent],
                policy: Some("POL-1".into()),
            }],
            accountability: Accountability { operator: Some("ops".into()), ..Accountability::default() },
        };
        let text = serde_json::to_string(&settings).unwrap();
        assert!(
            text.contains(r#""unused_after":"P7D""#) && text.contains(r#""expiry_grace":"PT15M""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    }
}
