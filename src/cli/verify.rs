//! `verify`: whether the evidence log is what it was, and where it is not.

use std::path::PathBuf;

use clap::Args;

use super::store::Configured;
use super::{Done, Outcome, Stop, fault, note, say};
use crate::config::Config;
use crate::evidence::{Checkpoint, Report, Verifier, Witness, base64};

/// How large a file with checkpoints may be.
pub(super) const MAX_FILE: u64 = 256 * 1024 * 1024;

/// `counterfoil verify`
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A checkpoint that was kept elsewhere: as it was printed, or JSON lines as a sink received them. May be repeated.
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// Believe this public key (NAME+ID+KEY), and not those of the configuration. May be repeated.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    configured: Configured,
}

impl Verify {
    pub(super) fn run(self) -> Outcome {
        let (config, store) = self.configured.open_read()?;
        let known = known(&config, &self.keys)?;
        let mut witnesses = vec![];
        for path in &self.checkpoints {
            let name = path.display();
            let text = super::evidence::read(path, MAX_FILE)?;
            let text = String::from_utf8(text).map_err(|_| fault(format!("{name}: it is not UTF-8")))?;
            let all = Checkpoint::parse_all(&text).map_err(|e| fault(format!("{name}: {e}")))?;
            witnesses
                .extend(all.into_iter().map(|checkpoint| Witness { name: name.to_string(), checkpoint }));
        }
        let report = crate::evidence::verify(&store.evidence()?, &known, &witnesses)?;
        let place = super::store::place(&config)?.to_string();
        tell(&report, &known, &place)?;
        if witnesses.is_empty() {
            note(
                "no checkpoint from elsewhere was given, so a log that was made anew or set back looks well; give one \
                 that a SIEM kept: --checkpoint FILE",
            );
        }
        if report.faults.is_empty() {
            return Ok(Done::Well);
        }
        let more = if report.more > 0 { format!("\n  and {} more", report.more) } else { String::new() };
        Err(fault(format!(
            "{place}: the evidence log is not what it was\n  {}{more}",
            report.faults.join("\n  ")
        )))
    }
}

/// The public keys that are believed.
fn known(config: &Config, given: &[String]) -> Result<Vec<Verifier>, Stop> {
    if !given.is_empty() {
        return given
            .iter()
            .map(|key| Verifier::parse(key).map_err(|e| fault(format!("--key: {e}"))))
            .collect();
    }
    let mut known = config.evidence.verifiers().map_err(fault)?;
    match config.evidence.signer(&config.folder) {
        Ok(signer) => known.extend(signer.map(|s| s.verifier().clone())),
        // Whoever audits need not have the private key.
        Err(e) if known.is_empty() => return Err(fault(format!("{e}; or give the public one: --key KEY"))),
        Err(_) => {}
    }
    Ok(known)
}

fn tell(report: &Report, known: &[Verifier], store: &str) -> Result<(), Stop> {
    let [events, runs, actions] = report.kinds;
    let root = report.root.map_or(String::new(), |root| format!(", root {}", base64(&root)));
    let entries = report.entries;
    say(format_args!("{store}: {entries} entries ({events} events, {runs} runs, {actions} actions){root}"))?;
    if report.forgotten > 0 {
        let n = report.forgotten;
        say(format_args!(
            "{n} texts were forgotten, as the log itself says; their hashes are in their places"
        ))?;
    }
    let (kept, witnessed) = (report.checkpoints, report.witnessed);
    say(format_args!("checkpoints that agree: {kept} of the store, {witnessed} from elsewhere"))?;
    match report.signed {
        Some(size) => say(format_args!("signed as far as entry {}", size.saturating_sub(1)))?,
        None if known.is_empty() => note(
            "there is no key, so no signature was looked at; `counterfoil evidence keygen` makes one for [evidence] key",
        ),
        None => note("no checkpoint is signed by a known key"),
    }
    report.notes.iter().for_each(note);
    Ok(())
}
