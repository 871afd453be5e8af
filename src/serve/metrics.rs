//! The metrics, as Prometheus and OpenTelemetry collectors read them.
//!
//! What stands at this moment (grants, findings, sources, queues) is set as a whole, so that a system that is gone is gone
//! here too, and a reader never sees half of the old and half of the new. What happened is counted up. Names that come
//! from records are shortened, and there are at most [`MAX_SYSTEMS`] systems: a collector pays for every one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::model::event::{Activity, State};
use crate::model::finding::{Outcome, Severity};
use crate::model::{Duration, Instant};

/// How many systems have metrics of their own: those with the most grants. The others are summed as [`OTHER`].
pub const MAX_SYSTEMS: usize = 1000;
/// The name under which the systems beyond [`MAX_SYSTEMS`] are summed.
pub const OTHER: &str = "other";
/// Characters of a name.
const MAX_NAME: usize = 120;

/// The verdicts, in the order of the sums in [`Standing::systems`].
const VERDICTS: [&str; 3] = ["justified", "unjustified", "unknown"];

/// How many grants of a system have this verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantCount {
    /// The system.
    pub system: String,
    /// The verdict.
    pub verdict: Outcome,
    /// How many.
    pub grants: u64,
}

/// How many findings there are of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingCount {
    /// The check.
    pub check: String,
    /// The severity.
    pub severity: Severity,
    /// Where they are in their life.
    pub state: State,
    /// How many.
    pub findings: u64,
}

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// Read whole, and not long ago.
    Fresh,
    /// Read whole, too long ago.
    Stale,
    /// Not read whole.
    Incomplete,
    /// So different from before that somebody has to look at it first.
    Held,
    /// It could not be read.
    Failed,
}

impl SourceState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Fresh, Self::Stale, Self::Incomplete, Self::Held, Self::Failed];

    /// The word used in the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Incomplete => "incomplete",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// A source, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its id.
    pub source: String,
    /// How it is.
    pub state: SourceState,
    /// When it was last read whole.
    pub last_success: Option<Instant>,
    /// How many records that gave.
    pub records: Option<u64>,
}

/// What waits for a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkQueue {
    /// Its id.
    pub sink: String,
    /// Messages that are still to be sent.
    pub queued: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// How long the oldest that is still to be sent has waited.
    pub oldest: Option<Duration>,
}

type Label = (&'static str, String);

/// The metrics. Cheap to set; written out only when somebody asks.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    standing: Arc<Mutex<Standing>>,
    run_duration: Histogram,
    runs: Family<[Label; 1], Counter>,
    events: Family<[Label; 1], Counter>,
    deliveries: Family<[Label; 2], Counter>,
    leads: Gauge,
}

impl Metrics {
    pub(super) fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("counterfoil");
        let standing = Arc::new(Mutex::new(Standing::default()));
        let run_duration = Histogram::new([0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0]);
        let (runs, events, deliveries) = (Family::default(), Family::default(), Family::default());
        let build = Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "The version that runs", build);
        let help = "How long a run took, from the first pull to the last finding";
        registry.register_with_unit("run_duration", help, Unit::Seconds, run_duration.clone());
        registry.register("runs", "Runs that ended, by result", runs.clone());
        registry.register("events", "Changes to findings, by activity", events.clone());
        let help = "Messages handed to a sink, by what came of it";
        registry.register("deliveries", help, deliveries.clone());
        let leads = Gauge::default();
        let help = "Whether this daemon pulls and judges (1), or another on the same store does (0)";
        registry.register("leads", help, leads.clone());
        registry.register_collector(Box::new(Shared(Arc::clone(&standing))));
        Self { registry, standing, run_duration, runs, events, deliveries, leads }
    }

    /// All metrics, as OpenMetrics text.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many grants there are now, in place of what was said before. Rows of one system and verdict are summed.
    pub fn set_grants(&self, counts: &[GrantCount]) {
        let systems = by_system(counts);
        self.standing().systems = systems;
    }

    /// How many findings there are now, in place of what was said before.
    pub fn set_findings(&self, counts: &[FindingCount]) {
        let mut findings = BTreeMap::new();
        for count in counts {
            let key = [name(&count.check), count.severity.as_str().into(), count.state.as_str().into()];
            add(findings.entry(key).or_default(), count.findings);
        }
        self.standing().findings = findings;
    }

    /// How the sources are now, in place of what was said before.
    pub fn set_sources(&self, sources: &[SourceStatus]) {
        let sources = sources.iter().map(|source| (name(&source.source), source.clone())).collect();
        self.standing().sources = sources;
    }

    /// What waits for the sinks now, in place of what was said before.
    pub fn set_outbox(&self, queues: &[SinkQueue]) {
        let sinks = queues.iter().map(|queue| (name(&queue.sink), queue.clone())).collect();
        self.standing().sinks = sinks;
    }

    /// Whether this daemon leads.
    pub fn set_leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    /// A run ended at `at`. `result` is one of a few words, such as `ok`, `failed` or `held`.
    pub fn run_ended(&self, result: &'static str, took: Duration, at: Instant) {
        self.runs.get_or_create_owned(&[("result", result.to_owned())]).inc();
        self.run_duration.observe(seconds(took.ms()));
        self.standing().last_run = Some(at);
    }

    /// Findings changed.
    pub fn changed(&self, activity: Activity, number: u64) {
        self.events.get_or_create_owned(&[("activity", activity.as_str().to_owned())]).inc_by(number);
    }

    /// Messages were handed to a sink. `result` is one of a few words: `taken`, `later`, `refused`, `paused`.
    pub fn delivered(&self, sink: &str, result: &'static str, number: u64) {
        let labels = [("sink", name(sink)), ("result", result.to_owned())];
        self.deliveries.get_or_create_owned(&labels).inc_by(number);
    }
}

/// A name as a label: what is too long ends in `…`. Two names may thus become one, whose numbers are then summed.
fn name(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or("")),
        None => text.to_owned(),
    }
}

fn add(sum: &mut u64, number: u64) {
    *sum = sum.saturating_add(number);
}

/// The grants of each system by verdict, with the systems beyond the limit summed. Which are within it depends on the
/// counts alone: the most grants first, then by name.
fn by_system(counts: &[GrantCount]) -> BTreeMap<String, [u64; 3]> {
    let mut systems: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for count in counts {
        let [justified, unjustified, unknown] = systems.entry(name(&count.system)).or_default();
        let sum = match count.verdict {
            Outcome::Justified => justified,
            Outcome::Unjustified => unjustified,
            Outcome::Unknown => unknown,
        };
        add(sum, count.grants);
    }
    if systems.len() <= MAX_SYSTEMS {
        return systems;
    }
    let all = |sums: &[u64; 3]| sums.iter().fold(0_u64, |all, sum| all.saturating_add(*sum));
    let mut by_size: Vec<(String, [u64; 3])> = systems.into_iter().collect();
    by_size.sort_by(|(a, a_sums), (b, b_sums)| all(b_sums).cmp(&all(a_sums)).then_with(|| a.cmp(b)));
    let beyond = by_size.split_off(MAX_SYSTEMS - 1);
    let mut systems: BTreeMap<String, [u64; 3]> = by_size.into_iter().collect();
    let other = systems.entry(OTHER.to_owned()).or_default();
    for (_, sums) in beyond {
        other.iter_mut().zip(sums).for_each(|(sum, number)| add(sum, number));
    }
    systems
}

/// What stands at this moment.
#[derive(Debug, Default)]
struct Standing {
    /// By system, one sum for each of [`VERDICTS`].
    systems: BTreeMap<String, [u64; 3]>,
    /// By check, severity and state.
    findings: BTreeMap<[String; 3], u64>,
    sources: BTreeMap<String, SourceStatus>,
    sinks: BTreeMap<String, SinkQueue>,
    last_run: Option<Instant>,
}

#[derive(Debug)]
struct Shared(Arc<Mutex<Standing>>);

impl Collector for Shared {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&mut encoder)
    }
}

impl Standing {
    fn write(&self, to: &mut DescriptorEncoder) -> fmt::Result {
        let grants = self.systems.iter().flat_map(|(system, sums)| {
            let sums = VERDICTS.into_iter().zip(sums);
            sums.map(move |(verdict, sum)| {
                ([("system", system.as_str()), ("verdict", verdict)], number(*sum))
            })
        });
        gauge(to, "grants", "Live grants, by system and verdict.", grants)?;

        let ratios = self
            .systems
            .iter()
            .filter_map(|(system, sums)| Some(([("system", system.as_str())], ratio(sums)?)));
        gauge(to, "coverage_ratio", "Justified grants of all grants of a system, 0 to 1.", ratios)?;
        let mut total = [0; 3];
        for sums in self.systems.values() {
            total.iter_mut().zip(sums).for_each(|(sum, number)| add(sum, *number));
        }
        let overall = ratio(&total).map(|ratio| ([], ratio));
        gauge(to, "coverage_overall_ratio", "Justified grants of all grants, 0 to 1.", overall.into_iter())?;

        let findings = self.findings.iter().map(|([check, severity, state], sum)| {
            let labels =
                [("check", check.as_str()), ("severity", severity.as_str()), ("state", state.as_str())];
            (labels, number(*sum))
        });
        gauge(to, "findings", "Findings, by check, severity and state.", findings)?;
        self.write_sources(to)?;
        self.write_outbox(to)?;
        let last = self.last_run.map(|at| ([], seconds(at.unix_ms())));
        gauge(to, "last_run_timestamp_seconds", "When the last run ended.", last.into_iter())
    }

    fn write_sources(&self, to: &mut DescriptorEncoder) -> fmt::Result {
        let sources = || self.sources.iter().map(|(id, source)| ([("source", id.as_str())], source));
        let times = sources().filter_map(|(id, source)| Some((id, seconds(source.last_success?.unix_ms()))));
        let help = "When a source was last read whole.";
        gauge(to, "source_last_success_timestamp_seconds", help, times)?;
        let records = sources().filter_map(|(id, source)| Some((id, number(source.records?))));
        gauge(to, "source_records", "Records of a source when it was last read whole.", records)?;
        let states = sources().flat_map(|([id], source)| {
            let is = |state| if source.state == state { 1.0 } else { 0.0 };
            SourceState::ALL.map(|state| ([id, ("state", state.as_str())], is(state)))
        });
        gauge(to, "source_state", "1 for the state that a source is in, 0 for the others.", states)
    }

    fn write_outbox(&self, to: &mut DescriptorEncoder) -> fmt::Result {
        let messages = self.sinks.iter().flat_map(|(id, queue)| {
            let of = |state, sum| ([("sink", id.as_str()), ("state", state)], number(sum));
            [of("queued", queue.queued), of("dead", queue.dead)]
        });
        gauge(to, "outbox_messages", "Messages that wait for a sink, or were given up.", messages)?;
        let oldest = self.sinks.iter().map(|(id, queue)| {
            ([("sink", id.as_str())], queue.oldest.map_or(0.0, |oldest| seconds(oldest.ms())))
        });
        gauge(
            to,
            "outbox_oldest_seconds",
            "How long the oldest message has waited; 0 when none does.",
            oldest,
        )
    }
}

/// Writes a gauge with a value for each set of labels; none when there is no value.
fn gauge<'l, const N: usize>(
    to: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    values: impl Iterator<Item = ([(&'static str, &'l str); N], f64)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        if N == 0 {
            metric.encode_gauge(&value)?;
        } else {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

/// Justified of all; what is unknown is not justified. `None` where there are no grants.
fn ratio([justified, unjustified, unknown]: &[u64; 3]) -> Option<f64> {
    let all = number(*justified) + number(*unjustified) + number(*unknown);
    (all > 0.0).then(|| number(*justified) / all)
}

/// A count as the metrics have it; exact up to 2^53, which no count comes near.
fn number(count: u64) -> f64 {
    count as f64
}

/// Milliseconds as seconds; exact, since the calendar ends before 2^53 of them.
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
