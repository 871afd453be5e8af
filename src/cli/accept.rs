//! `accept`: a finding is accepted for a time, by somebody, for a reason.

use std::time::SystemTime;

use clap::Args;

use super::store::Configured;
use super::{Done, Outcome, fault, note};
use crate::config::instant;
use crate::model::event::State;
use crate::model::finding::Finding;
use crate::model::{Instant, norm};
use crate::store::{Accepted, Store};

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
        if self.until <= now {
            return Err(fault(format!("--until {} is not after now ({now})", self.until)));
        }
        if self.until > now.plus(most) {
            return Err(fault(format!(
                "--until {} is further ahead than an exception may reach: {most} ([alerts] max_exception)",
                self.until
            )));
        }
        if self.reason.trim().is_empty() || self.by.trim().is_empty() {
            return Err(fault("an exception has a --reason and somebody who answers for it (--by)"));
        }
        let finding: Finding<'_> = serde_json::from_str(&life.body)?;
        let holder = finding.subject.as_ref().map(|s| norm(&s.id).into_owned());
        if holder.as_deref() == Some(&*norm(&self.by)) {
            return Err(fault(format!("{} holds the access, and cannot accept it", self.by)));
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
