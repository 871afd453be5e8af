//! `reconcile` with a store: one run of the daemon, started by hand. The sources are pulled, findings move, alerts are
//! queued and delivered; what is open is printed.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration as Span, SystemTime};

use super::reconcile::How;
use super::{Done, Outcome, STDOUT, Stop, fault, note, writing};
use crate::config::{Config, instant};
use crate::controls::Controls;
use crate::daemon::{Core, Hold, Post, Puller, Setup, deliver_all};
use crate::engine::{Manifest, PullOutcome};
use crate::log::Log;
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::{Finding, Severity, Verdict};
use crate::report::{self, Head, Standings, Summary};
use crate::store::{KeptVerdict, Store};

/// How long sinks are waited for.
const PATIENCE: Span = Span::from_secs(60);

pub(super) fn reconcile(config: &Config, file: Option<&Path>, how: &How) -> Outcome {
    start_log(config)?;
    if config.source.is_empty() {
        let file = file.unwrap_or(Path::new("the configuration")).display();
        return Err(fault(format!("{file}: has no [[source]]; add one, or give --records FILE")));
    }
    let path = super::store::path(config);
    let place = super::store::place(config)?;
    let hold = Hold::lead(&place)?;
    let controls = super::checks::controls(config.controls.as_deref())?;
    let mut core = core(config, controls, &hold, how)?;
    let now = how.now.unwrap_or_else(|| instant(SystemTime::now()));
    let stop = || false;
    let puller = Puller::new(config, crate::daemon::kept_beside(&path), &stop);
    let manifest = core.reconcile(now, &stop, &mut |source| puller.pull(source))?;
    let (failed, worst) = conclude(&mut core, &hold, manifest, how, (now, u64::MAX))?;
    // All that could be done is done, and said; that a source is at fault is said by the exit status too.
    if failed > 0 {
        let sources = if failed == 1 { "one source" } else { "several sources" };
        return Err(fault(format!("{sources} could not be read, see above; the others were reconciled")));
    }
    Ok(done(how, worst))
}

/// Begins to log. What came of the sources is said when the run is over, in words for whoever asked.
pub(super) fn start_log(config: &Config) -> Result<(), Stop> {
    let level = if config.log == Log::default() {
        "warn,counterfoil::engine::take=off".to_owned()
    } else {
        config.log.level.clone()
    };
    Ok(crate::log::start(&Log { level, ..config.log.clone() })?)
}

/// The body of the daemon on a store that is held already.
pub(super) fn core(config: &Config, controls: Controls, hold: &Hold, how: &How) -> Result<Core, Stop> {
    let setup = Setup::new(config, controls, how.threads())?;
    let keep = config.store.clone().unwrap_or_default().keep;
    Ok(Core::new(hold.led(hold.term().unwrap_or(0)).open()?, setup, keep)?)
}

/// Says what came of a run, delivers what has to be told, and prints what is open, unless that is more than `most`: how many
/// sources could not be read, and the worst severity of what nobody accepted.
pub(super) fn conclude(
    core: &mut Core,
    hold: &Hold,
    manifest: Manifest,
    how: &How,
    (now, most): (Instant, u64),
) -> Result<(usize, Option<Severity>), Stop> {
    let failed = tell(&manifest);
    deliver(core, hold, now)?;
    if let Some(path) = &how.verdicts {
        write_verdicts(core.store(), path)?;
    }
    let mut counts = core.store().finding_counts()?;
    counts.retain(|c| c.state != State::Resolved);
    let all: u64 = counts.iter().map(|c| c.count).sum();
    if all > most {
        note(format_args!("{all} findings are open or accepted: more than {most} are not printed"));
        let open = counts.iter().filter(|c| c.state == State::Open);
        return Ok((failed, open.map(|c| c.severity).max()));
    }
    let worst = write_findings(core.store(), manifest.still, how, now)?;
    Ok((failed, worst))
}

/// Delivers what has to be told.
pub(super) fn deliver(core: &mut Core, hold: &Hold, now: Instant) -> Result<(), Stop> {
    let destinations = core.setup().destinations.clone();
    if destinations.is_empty() {
        return Ok(());
    }
    let post = Post::new(hold.shared().open()?);
    deliver_all(&post, &destinations, PATIENCE, &|| instant(SystemTime::now()).max(now))?;
    for queue in core.store().outbox()?.iter().filter(|q| q.waiting + q.dead > 0) {
        note(format_args!(
            "sink `{}`: {} messages wait for the next run, {} were given up",
            queue.sink, queue.waiting, queue.dead
        ));
    }
    Ok(())
}

/// How a run ends that did all it should.
pub(super) fn done(how: &How, worst: Option<Severity>) -> Done {
    let failing = how.fail_on.is_some_and(|limit| worst.is_some_and(|worst| worst >= Severity::from(limit)));
    if failing { Done::Failing } else { Done::Well }
}

/// Says what came of the run, where a person should know; how many sources could not be read.
fn tell(manifest: &Manifest) -> usize {
    let mut failed = 0;
    for source in &manifest.sources {
        let id = &source.id;
        match &source.outcome {
            PullOutcome::Taken { difference, .. } => {
                let t = difference.total();
                let changes = format!("{} new, {} gone, {} changed", t.added, t.removed, t.changed);
                note(format_args!("source `{id}`: {} records ({changes})", t.now));
            }
            PullOutcome::Partial { reason } => {
                note(format_args!("source `{id}` is not complete and was left aside: {reason}"));
            }
            PullOutcome::Held { run, reason, .. } => note(format_args!(
                "source `{id}` is held back: {reason}; if that is right: counterfoil approve --run {run}"
            )),
            PullOutcome::Failed { reason } => {
                failed += 1;
                note(format_args!("source `{id}` could not be read: {reason}"));
            }
            PullOutcome::Retired => {
                note(format_args!("source `{id}` is no longer configured; its records ended"))
            }
        }
    }
    let events = ["create", "update", "close"].map(|a| manifest.events.get(a).copied().unwrap_or(0));
    let [new, changed, resolved] = events;
    let frozen = match manifest.frozen {
        0 => String::new(),
        n => format!("; {n} are not told while a source is in doubt"),
    };
    note(format_args!(
        "run {}: {new} findings new, {changed} changed, {resolved} resolved{frozen}",
        manifest.run
    ));
    failed
}

fn write_verdicts(store: &dyn Store, path: &Path) -> Result<(), Stop> {
    let shown = path.display().to_string();
    let mut kept: Vec<KeptVerdict> = vec![];
    store.verdicts(&mut |v| kept.push(v))?;
    let order = |v: &KeptVerdict| {
        (v.system.clone(), v.account.clone(), v.entitlement.clone(), v.scope.clone(), v.path.clone())
    };
    kept.sort_by_cached_key(order);
    let mut out = BufWriter::with_capacity(1 << 18, File::create(path).map_err(writing(&shown))?);
    for v in kept {
        let verdict = Verdict {
            system: v.system.into(),
            account: v.account.into(),
            entitlement: v.entitlement.into(),
            scope: v.scope.map(Into::into),
            path: serde_json::from_str(&v.path)?,
            subject: v.subject.into(),
            standing: v.standing,
            verdict: v.standing.outcome(),
            request: v.request.map(|(source, id)| crate::model::finding::RequestKey {
                source: source.into(),
                id: id.into(),
            }),
            recheck_at: v.recheck_at,
        };
        serde_json::to_writer(&mut out, &verdict).map_err(|e| writing(&shown)(e.into()))?;
        out.write_all(b"\n").map_err(writing(&shown))?;
    }
    out.flush().map_err(writing(&shown))
}

/// Prints what is open, and what is found and not told because a source is in doubt; the worst severity of those that
/// nobody accepted.
fn write_findings(
    store: &dyn Store,
    still: Vec<String>,
    how: &How,
    now: Instant,
) -> Result<Option<Severity>, Stop> {
    let mut findings: Vec<Finding<'static>> = vec![];
    let mut broken = None;
    store.lives(
        &[State::Open, State::Accepted],
        &mut |life| match serde_json::from_str::<Finding<'static>>(&life.body) {
            Ok(mut finding) => {
                finding.now = now;
                if life.state == State::Accepted {
                    finding.exception = life.acceptance.map(|a| crate::model::finding::ExceptionView {
                        accepted_by: a.by.into(),
                        reason: a.reason.into(),
                        expires_at: a.until,
                    });
                }
                findings.push(finding);
            }
            Err(e) => broken = Some(e),
        },
    )?;
    for body in still {
        let mut finding: Finding<'static> = serde_json::from_str(&body)?;
        finding.now = now;
        findings.push(finding);
    }
    if let Some(e) = broken {
        return Err(fault(format!("what the store keeps of a finding cannot be read: {e}")));
    }
    findings.sort_by_cached_key(|f| {
        let grant = f.grant.as_ref();
        let text = |s: Option<&std::borrow::Cow<'_, str>>| s.map(|s| s.clone().into_owned());
        (
            std::cmp::Reverse(f.severity),
            f.check.clone().into_owned(),
            [
                text(grant.map(|g| &g.system)),
                text(grant.map(|g| &g.account)),
                text(grant.map(|g| &g.entitlement)),
                text(grant.and_then(|g| g.scope.as_ref())),
                text(f.request.as_ref().map(|r| &r.id)),
            ],
            f.id.clone(),
        )
    });
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let out = BufWriter::with_capacity(1 << 18, stdout.lock());
    let mut writer = report::writer(how.format(), how.options(terminal), out);
    let mut worst = None;
    writer.begin(&Head::new(now)).map_err(writing(STDOUT))?;
    for finding in &findings {
        if finding.exception.is_none() {
            worst = worst.max(Some(finding.severity));
        }
        writer.finding(finding).map_err(writing(STDOUT))?;
    }
    let mut standings = Standings::default();
    for (_, standing, n) in store.standings()? {
        standings.add(standing, n);
    }
    let summary = Summary { standings: Some(standings), ..Summary::default() };
    writer.end(&summary).map_err(writing(STDOUT))?;
    Ok(worst)
}
