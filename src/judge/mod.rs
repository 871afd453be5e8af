//! The judge: from records to findings and verdicts. Pure: a function of the records, the settings and an
//! instant; no I/O, no clock, no environment.
//!
//! ```text
//! estate (rows) → world (names resolved, indexes) → weigh (standing of each grant) → checks → judgement
//! ```
//!
//! ```
//! use counterfoil::judge::{Builder, Locator, Settings, World, judge};
//! use counterfoil::model::{Instant, parse_line};
//!
//! let mut builder = Builder::default();
//! let line = br#"{"type":"grant","system":"aws-prod","account":"alice","entitlement":"admin"}"#;
//! builder.add(parse_line(line)?, Locator(0), line);
//! let estate = builder.finish(&mut |_, _| Ok(()))?;
//!
//! let settings = Settings::default();
//! let world = World::new(estate, &settings);
//! let now = Instant::parse("2026-06-01T00:00:00Z")?;
//! let judgement = judge(&world, &settings, now, 1, &|_| {});
//! assert_eq!(judgement.findings(&()).map(|f| f.check.into_owned()).collect::<Vec<_>>(), ["unapproved-grant"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod case;
mod chain;
pub mod checks;
mod decide;
mod estate;
mod home;
mod judgement;
mod names;
mod order;
mod present;
pub mod reach;
mod rests;
mod settings;
mod standing;
mod tell;
mod upkeep;
mod weigh;
mod world;

pub use chain::{Candidate, Found, Question as ChainQuestion, Target};
pub use decide::{Answer, Decide, Question, Who};
pub use estate::{Builder, Estate, Fetch, Locator, TieError};
pub use home::{Astray, Home, Said};
pub use judgement::{Judgement, exception_order, judge};
pub use present::ControlSource;
pub use rests::Speaker;
pub use settings::{Accountability, Birthright, CheckOverride, Checks, Settings, Thresholds};
pub use tell::Teller;
pub use upkeep::{Kept, doubts, judge_part};
pub use world::{Routes, World};
