//! One pull from a stub, and what came of it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration as Wait, Instant};

use counterfoil::connect::transport::http::Site;
use counterfoil::connect::transport::{Doing, Origin};
use counterfoil::connect::{Job, PullError, PullOptions, PullSummary};
use counterfoil::model::parse_line;
use serde_json::Value;
use tempfile::TempDir;

use super::auth;
use super::case::Case;
use super::fault::Fault;
use super::spec::Auth;
use super::stub::{Seen, Stub};

/// Nothing takes as long as this.
const LONGEST: Wait = Wait::from_secs(120);

/// A site that asks a stub.
pub struct Sitting<'c> {
    pub case: &'c Case,
    pub stub: Stub,
    auth: Auth,
    folder: TempDir,
    day: usize,
}

/// How a pull is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'h> {
    pub page_size: Option<u64>,
    pub keep: Option<&'h Path>,
    pub max_requests: Option<u64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Sat {
    pub lines: Vec<String>,
    pub error: Option<String>,
    pub reasons: Vec<String>,
    /// Waits, by step.
    pub waits: Vec<(String, Wait)>,
    /// Steps that were answered.
    pub steps: BTreeSet<String>,
    pub seen: Seen,
    /// Secrets that turned up, panics, lines that are no records: never right, whatever happens.
    pub faults: Vec<String>,
}

impl<'c> Sitting<'c> {
    /// A stub with the rows of the first day, and a site that says who it is in the first way.
    pub fn new(case: &'c Case) -> Self {
        Self::as_who(case, &case.spec.auth[0])
    }

    /// The same in another way.
    pub fn as_who(case: &'c Case, auth: &Auth) -> Self {
        let stub =
            Stub::start(case.spec.clone(), auth.clone(), &case.bases(), case.files.clone(), case.days[0]);
        Self { case, stub, auth: auth.clone(), folder: tempfile::tempdir().unwrap(), day: 0 }
    }

    /// The site says who it is in another way than the product wants.
    pub fn pretend(&mut self, auth: &Auth) {
        self.auth = auth.clone();
    }

    /// From now on this goes wrong.
    pub fn faults(&self, faults: Vec<Fault>) {
        self.stub.faults(if self.case.tame { Vec::new() } else { faults });
    }

    /// Tokens run out once, before the call of this number.
    pub fn expire_before(&self, call: usize) {
        self.stub.expire_before((!self.case.tame).then_some(call));
    }

    /// The second day.
    pub fn next_day(&mut self) {
        self.day = 1;
        self.stub.day(self.case.changed.clone().unwrap(), self.case.days[1]);
    }

    /// The first day with other rows.
    pub fn with(self, files: super::rows::Files) -> Self {
        self.stub.day(files, self.case.days[0]);
        self
    }

    /// What is asked to pull.
    pub fn job(&self, how: How<'_>) -> Job {
        let case = self.case;
        let http = case.manifest();
        let addresses = self.stub.addresses();
        let mut table = case.http.clone();
        let urls = http.bases.keys().map(|name| (name.clone(), addresses[name].clone().into()));
        table.insert("urls".to_owned(), toml::Table::from_iter(urls).into());
        let auth = auth::table(&self.auth, http, addresses, self.folder.path());
        if !auth.is_empty() {
            let mut auth = auth;
            // What the site says besides: another scope, say.
            for (kind, said) in case.http.get("auth").and_then(toml::Value::as_table).into_iter().flatten() {
                if let (Some(made), Some(said)) =
                    (auth.get_mut(kind).and_then(toml::Value::as_table_mut), said.as_table())
                {
                    made.extend(said.clone());
                }
            }
            table.insert("auth".to_owned(), auth.into());
        }
        // An authority of its own, so that those of this machine are not read for every pull.
        std::fs::write(self.folder.path().join("ca.pem"), auth::certificate()).unwrap();
        let connection = toml::Table::from_iter([
            ("allow_private".to_owned(), true.into()),
            ("ca_file".to_owned(), "ca.pem".into()),
        ]);
        table.insert("connection".to_owned(), connection.into());
        let mut site: Site = table.try_into().unwrap_or_else(|e| panic!("settings.toml: [http]: {e}"));
        site.swift = true;
        site.page_size = how.page_size.or(site.page_size);
        site.max_requests = how.max_requests.unwrap_or(site.max_requests);
        Job {
            connector: case.connector.clone(),
            settings: case.settings(),
            options: PullOptions {
                source: case.source.clone(),
                taken_at: case.days[self.day].to_string(),
                skip_bad_rows: false,
                worker: None,
            },
            origin: Origin::Http(Box::new(site)),
            folder: self.folder.path().to_owned(),
            keep: how.keep.map(Path::to_owned),
        }
    }

    /// Pulls.
    pub fn pull(&self, how: How<'_>) -> Sat {
        let job = self.job(how);
        let lines = RefCell::new(Vec::new());
        let mut sat = self.run(&job, |job, watch| {
            let mut sink = |line: &str| {
                lines.borrow_mut().push(line.to_owned());
                Ok(())
            };
            job.pull(&mut sink, &mut |_| {}, watch)
        });
        sat.lines = lines.into_inner();
        sat.faults.extend(sat.wrong_lines());
        sat
    }

    /// Asks one thing.
    pub fn probe(&self) -> Sat {
        let job = self.job(How::default());
        self.run(&job, |job, watch| job.probe(watch).map(|()| PullSummary::default()))
    }

    fn run(
        &self,
        job: &Job,
        work: impl FnOnce(&Job, &dyn Fn(&Doing<'_>) -> bool) -> Result<PullSummary, PullError>,
    ) -> Sat {
        let sat = RefCell::new(Sat::default());
        let begin = Instant::now();
        let watch = |doing: &Doing<'_>| {
            let mut sat = sat.borrow_mut();
            match doing {
                Doing::Waiting { step, pause, why } => {
                    sat.waits.push(((*step).to_owned(), *pause));
                    let why = format!("waits: {why}");
                    sat.faults.extend(leaks(&why));
                }
                Doing::Asked { step, .. } => drop(sat.steps.insert((*step).to_owned())),
                Doing::Said { line, .. } => sat.faults.extend(leaks(line)),
                Doing::Busy => {}
            }
            begin.elapsed() > LONGEST
        };
        let done = catch_unwind(AssertUnwindSafe(|| work(job, &watch)));
        let mut sat = sat.into_inner();
        sat.seen = self.stub.seen();
        match done {
            Ok(Ok(summary)) => sat.reasons = summary.reasons,
            Ok(Err(error)) => {
                sat.faults.extend(leaks(&format!("{error:?}")));
                sat.error = Some(error.to_string());
            }
            Err(_) => sat.faults.push("it panicked".to_owned()),
        }
        if begin.elapsed() > LONGEST {
            sat.faults.push(format!("it did not end within {} s", LONGEST.as_secs()));
        }
        sat.faults.extend(leaks(&format!("{job:?}")));
        let said = sat.error.iter().chain(&sat.reasons).flat_map(|text| leaks(text));
        let said: Vec<String> = said.collect();
        sat.faults.extend(said);
        sat
    }
}

/// The secrets in a text.
pub fn leaks(text: &str) -> Vec<String> {
    let found = auth::canaries().into_iter().filter(|secret| text.contains(secret.as_str()));
    found.map(|secret| format!("the secret {secret} stands in `{}`", start(text, 200))).collect()
}

/// The first characters of a text.
pub fn start(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

impl Sat {
    /// Whether all there is was had.
    pub fn is_whole(&self) -> bool {
        self.error.is_none() && self.reasons.is_empty()
    }

    /// What was said of what is missing.
    pub fn said(&self) -> String {
        let mut said = self.reasons.clone();
        said.extend(self.error.clone());
        said.join("; ")
    }

    /// Lines that are no records, and an end mark that says something else than the summary.
    fn wrong_lines(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for line in &self.lines {
            if let Err(why) = parse_line(line.as_bytes()) {
                wrong.push(format!("no record: {why}: {}", start(line, 300)));
            }
            wrong.extend(leaks(line));
        }
        if self.error.is_none() && self.faults.is_empty() {
            let last: Value =
                self.lines.last().map(|line| serde_json::from_str(line).unwrap()).unwrap_or_default();
            if last["type"] != "snapshot" || last["complete"] != Value::Bool(self.reasons.is_empty()) {
                wrong.push(format!("the end mark is {last}, the reasons are {:?}", self.reasons));
            }
        }
        wrong
    }

    /// The records, without what says when and from what they were made.
    pub fn blank(&self) -> Vec<Value> {
        let blank = |line: &String| {
            let mut record: Value = serde_json::from_str(line).unwrap_or_default();
            if let Some(evidence) = record.get_mut("evidence").and_then(Value::as_object_mut) {
                evidence.remove("sha256");
            }
            record
        };
        self.lines.iter().map(blank).collect()
    }

    /// What is never right, and what the documentation does not allow.
    pub fn wrong(&self) -> Vec<String> {
        let complaints =
            self.seen.complaints.iter().take(5).map(|c| format!("not in the documentation: {c}"));
        self.faults.iter().cloned().chain(complaints).collect()
    }

    /// What is wrong where these lines were expected.
    pub fn differs(&self, expected: &[String]) -> Vec<String> {
        let mut wrong = self.wrong();
        if let Some(error) = &self.error {
            wrong.push(format!("error: {error}"));
        } else if !self.reasons.is_empty() {
            wrong.push(format!("not complete: {}", self.reasons.join("; ")));
        }
        if self.lines != expected {
            let nothing = String::from("(nothing)");
            let longest = self.lines.len().max(expected.len());
            let pair = (0..longest).map(|at| (self.lines.get(at), expected.get(at))).find(|(a, b)| a != b);
            let (got, wanted) = pair.unwrap_or_default();
            let (got, wanted) = (got.unwrap_or(&nothing), wanted.unwrap_or(&nothing));
            wrong.push(format!(
                "other records:\n      got {}\n expected {}",
                start(got, 2000),
                start(wanted, 2000)
            ));
        }
        wrong
    }

    /// What is wrong where something was kept from it, which has to be said in these words (any one of them).
    pub fn passes_for_whole(&self, words: &[&str]) -> Vec<String> {
        let mut wrong = self.wrong();
        if self.is_whole() && self.faults.is_empty() {
            wrong.push("complete, though not everything could be had".to_owned());
        } else if !words.is_empty() && !words.iter().any(|word| self.said().contains(word)) {
            wrong.push(format!("`{}` does not say {}", self.said(), words.join(" or ")));
        }
        wrong
    }
}
