//! `accept`: a finding is accepted for a time, by somebody, for a reason.

use std::time::SystemTime;

use clap::Args;

use super::store::Configured;
use super::{Done, Outcome, fault, note};
use crate::alert::accept::{Asked, objection};
use crate::config::instant;
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::Finding;
use crate::store::Accepted;

/// `counterfoil accept FINDING …`
#[derive(Debug, Args)]
pub(super) struct Accept {
    /// The finding's id (`f1:…`), or enough of its beginning.
    finding: String,
    /// Until when, RFC 3339 with an offset, exclusive.
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    until: Instant,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who accepts it; never the one who holds the access.
    #[arg(long, value_name = "IDENTITY")]
    by: String,
    #[command(flatten)]
    configured: Configured,
}

impl Accept {
    pub(super) fn run(self) -> Outcome {
        let (config, mut store) = self.configured.open()?;
        let mut found = vec![];
        store.lives(&[State::Open, State::Accepted], &mut |life| {
            if life.id.starts_with(&self.finding) {
                found.push(life);
            }
        })?;
        let life = match found.as_slice() {
            [one] => one,
            [] => return Err(fault(format!("there is no open finding `{}`", self.finding))),
            several => {
                return Err(fault(format!(
                    "`{}` begins {} findings; give more of the id",
                    self.finding,
                    several.len()
                )));
            }
        };
        let now = instant(SystemTime::now());
        let most = config.alerts.max_exception;
        let finding: Finding<'_> = serde_json::from_str(&life.body)?;
        let asked = Asked { by: &self.by, reason: &self.reason, until: self.until };
        if let Some(why) = objection(asked, &finding, now, most) {
            return Err(fault(format!("the exception cannot be given: {why}")));
        }
        store.accept(&Accepted {
            finding: life.id.clone(),
            check: life.check.clone(),
            by: self.by.clone(),
            reason: self.reason.clone(),
            until: self.until,
            at: now,
        })?;
        note(format_args!(
            "{} ({}) is accepted by {} until {}; the next run says so to all who are told",
            life.id, finding.title, self.by, self.until
        ));
        Ok(Done::Well)
    }
}
