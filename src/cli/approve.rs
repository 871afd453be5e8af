//! `approve`: a pull that was held because it changes so much is let pass.

use std::time::SystemTime;

use clap::Args;

use super::store::Configured;
use super::{Done, Outcome, fault, note};
use crate::config::instant;
use crate::evidence::{Action, Deed};
use crate::model::life::Trouble;

/// `counterfoil approve --run N`
#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The run whose pulls are held, as the finding about the source names it.
    #[arg(long, value_name = "RUN")]
    run: u64,
    /// Who lets it pass, for the evidence log.
    #[arg(long, value_name = "IDENTITY")]
    by: Option<String>,
    #[command(flatten)]
    configured: Configured,
}

impl Approve {
    pub(super) fn run(self) -> Outcome {
        let (_, mut store) = self.configured.open()?;
        let mut approved = 0;
        for mut source in store.sources()? {
            if let Some(Trouble::Held { run, before, now, .. }) = source.trouble
                && run == self.run
            {
                source.approved = Some(now);
                let deed = Deed::Approved { run, source: source.id.clone(), before, now };
                let by = self.by.as_deref().filter(|by| !by.trim().is_empty());
                store.decide(&source, &Action::new(instant(SystemTime::now()), by, deed))?;
                note(format_args!(
                    "source `{}`: from {before} records to about {now} is approved; its next pull passes",
                    source.id
                ));
                approved += 1;
            }
        }
        if approved == 0 {
            return Err(fault(format!(
                "no pull of run {} is held; `counterfoil store show` lists what is",
                self.run
            )));
        }
        Ok(Done::Well)
    }
}
