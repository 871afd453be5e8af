//! `explain`: the chain behind one grant, finding or request, for whoever has to act on it or to show how it came about.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, ValueEnum};

use super::reconcile::{pull_all, read, remembers, threads};
use super::{Done, Outcome, STDOUT, Stop, demo, fault, writing};
use crate::config::{Config, instant};
use crate::controls::Controls;
use crate::engine::{all_of, part_of, requests_called};
use crate::intake;
use crate::judge::{Builder, ChainQuestion, Estate, Found, Judgement, Settings, Target, World, judge};
use crate::model::Instant;
use crate::model::chain::Chain;
use crate::model::event::State;
use crate::model::finding::Finding;
use crate::report::Style;
use crate::report::chain::{html_page, write_text};
use crate::report::text::shown;
use crate::report::write_line;
use crate::store::Store;

/// How many are listed of several that a question fits.
const LISTED: usize = 20;

/// `counterfoil explain WHAT`
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// What to explain: a finding (`f1:…`, or enough of its beginning), a request (`ID` or `SOURCE:ID`), or a grant
    /// (`SYSTEM/ACCOUNT/ENTITLEMENT`, with `@SCOPE` behind it where it has one).
    #[arg(value_name = "WHAT", required_unless_present = "account", conflicts_with = "account")]
    what: Option<String>,
    /// The system of the grant, where its names are better given one by one.
    #[arg(long, value_name = "NAME", requires_all = ["account", "entitlement"])]
    system: Option<String>,
    /// The account that holds the grant.
    #[arg(long, value_name = "NAME", requires_all = ["system", "entitlement"])]
    account: Option<String>,
    /// The entitlement.
    #[arg(long, value_name = "NAME", requires_all = ["system", "account"])]
    entitlement: Option<String>,
    /// The scope, as it is written.
    #[arg(long, value_name = "SCOPE", requires = "account")]
    scope: Option<String>,
    /// Which of several that fit, as they are listed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    nth: Option<u32>,
    /// The configuration. Where it has a store, what is remembered is explained; else its sources are pulled.
    #[arg(long, value_name = "FILE", env = "COUNTERFOIL_CONFIG")]
    config: Option<PathBuf>,
    /// Records to explain from instead: a JSONL file, or `-` for standard input; may be given several times.
    #[arg(long, value_name = "FILE")]
    records: Vec<PathBuf>,
    /// Explain something of the sample company.
    #[arg(long, conflicts_with = "records")]
    demo: bool,
    /// The instant to judge at, RFC 3339 with an offset; the clock's when absent (the sample company has its own).
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    now: Option<Instant>,
    /// The form: text, one JSON object (`counterfoil.chain/1`), or a page.
    #[arg(long, value_enum, default_value_t = FormWord::Text)]
    format: FormWord,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The word for a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormWord {
    /// For a person at a terminal.
    Text,
    /// One JSON object.
    Json,
    /// A page that needs nothing else.
    Html,
}

impl Explain {
    pub(super) fn run(self) -> Outcome {
        let question = self.question()?;
        if self.demo {
            let folder = tempfile::tempdir()?;
            demo::unpack(folder.path())?;
            let file = folder.path().join("counterfoil.toml");
            let config = Config::load(&file)?;
            let now = match self.now {
                Some(now) => now,
                None => Instant::parse(demo::NOW)?,
            };
            let estate = taken(&[pull_all(&config, Some(&file))?], now)?;
            return self.tell(estate, &question, &config, now);
        }
        let now = self.now.unwrap_or_else(|| instant(SystemTime::now()));
        let file = match &self.config {
            Some(file) => Some(file.clone()),
            None if self.records.is_empty() => Some(PathBuf::from("counterfoil.toml")),
            None => None,
        };
        let config = file.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        let estate = if !self.records.is_empty() {
            let sources: Vec<_> = self.records.iter().map(|path| intake::source_of_argument(path)).collect();
            taken(&sources, now)?
        } else if remembers(&config) {
            remembered(&config, &question, now)?
        } else {
            taken(&[pull_all(&config, file.as_deref())?], now)?
        };
        self.tell(estate, &question, &config, now)
    }

    fn question(&self) -> Result<ChainQuestion, Stop> {
        match (&self.what, &self.system, &self.account, &self.entitlement) {
            (Some(what), ..) if what.trim().is_empty() => {
                Err(fault("WHAT is empty: name a finding, a request or a grant"))
            }
            (Some(what), ..) => Ok(ChainQuestion::Text(what.clone())),
            (None, Some(system), Some(account), Some(entitlement)) => Ok(ChainQuestion::Grant {
                system: system.clone(),
                account: account.clone(),
                entitlement: entitlement.clone(),
                scope: self.scope.clone(),
            }),
            _ => Err(fault(
                "name a finding, a request or a grant, or give --system, --account and --entitlement",
            )),
        }
    }

    fn tell(&self, estate: Estate, question: &ChainQuestion, config: &Config, now: Instant) -> Outcome {
        let controls = super::checks::controls(config.controls.as_deref())?;
        let settings = config.settings();
        let world = World::with_threads(estate, &settings, threads(None));
        let judgement = judge(&world, &settings, now, threads(None), &|_| {});
        let target = self.choose(&judgement, question)?;
        let chain = chain(&judgement, &target, &controls)?;
        match &self.out {
            None => {
                let stdout = io::stdout();
                let terminal = stdout.is_terminal();
                self.write(&chain, terminal, &mut BufWriter::new(stdout.lock())).map_err(writing(STDOUT))?;
            }
            Some(path) => {
                let shown = path.display().to_string();
                let file = File::create(path).map_err(writing(&shown))?;
                self.write(&chain, false, &mut BufWriter::new(file)).map_err(writing(&shown))?;
            }
        }
        Ok(Done::Well)
    }

    /// The one thing that is meant.
    fn choose(&self, judgement: &Judgement<'_>, question: &ChainQuestion) -> Result<Target, Stop> {
        let asked = match question {
            ChainQuestion::Text(text) | ChainQuestion::Finding(text) => text.clone(),
            ChainQuestion::Request { source, id } => {
                format!("{}:{id}", source.as_deref().unwrap_or_default())
            }
            ChainQuestion::Grant { system, account, entitlement, scope } => {
                let scope = scope.as_ref().map(|s| format!("@{s}")).unwrap_or_default();
                format!("{system}/{account}/{entitlement}{scope}")
            }
        };
        let asked = shown(&asked).into_owned();
        match judgement.find(question, LISTED) {
            Found::One(target) => Ok(target),
            Found::Several { candidates, all } => {
                if let Some(nth) = self.nth {
                    let chosen = candidates.get(nth.saturating_sub(1) as usize);
                    return chosen.map(|c| c.target).ok_or_else(|| {
                        fault(format!("--nth {nth}: only {} are listed for `{asked}`", candidates.len()))
                    });
                }
                let mut message =
                    format!("`{asked}` fits {all}; say more of it, or choose one with --nth N:");
                for (n, candidate) in candidates.iter().enumerate() {
                    message += &format!("\n  {:>2}  {}", n + 1, shown(&candidate.text));
                }
                if all > candidates.len() {
                    message += &format!("\n      and {} more", all - candidates.len());
                }
                Err(fault(message))
            }
            Found::Nothing(near) => {
                let looked = if question.finding().is_some() {
                    "no finding has an id that begins with it".to_owned()
                } else {
                    "looked for a request (ID, SOURCE:ID) and for a grant (SYSTEM/ACCOUNT/ENTITLEMENT[@SCOPE])".to_owned()
                };
                let mut message = format!("`{asked}` is not known: {looked}");
                if !near.is_empty() {
                    message += "; near it are:";
                    near.iter().for_each(|text| message += &format!("\n  {}", shown(text)));
                }
                Err(fault(message))
            }
        }
    }

    fn write(&self, chain: &Chain<'_>, terminal: bool, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            FormWord::Text => {
                let (no_color, term) = (std::env::var("NO_COLOR").ok(), std::env::var("TERM").ok());
                let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
                let style = Style::choose(terminal, no_color.as_deref(), term.as_deref(), width);
                write_text(chain, style, out)
            }
            FormWord::Json => {
                let mut line = vec![];
                write_line(chain, &mut line)?;
                out.write_all(&line)?;
                out.flush()
            }
            FormWord::Html => {
                out.write_all(html_page(chain).as_bytes())?;
                out.flush()
            }
        }
    }
}

fn chain<'a>(
    judgement: &'a Judgement<'a>,
    target: &Target,
    controls: &'a Controls,
) -> Result<Chain<'a>, Stop> {
    judgement.chain(target, controls).ok_or_else(|| fault("what was found is not there any more"))
}

/// Reads records, keeping where uses were seen.
fn taken(sources: &[intake::Source], now: Instant) -> Result<Estate, Stop> {
    let taken = read(Builder::citing_uses(), sources, threads(None), None, now)?;
    Ok(taken.estate)
}

/// What the store holds of all that the question could be about.
fn remembered(config: &Config, question: &ChainQuestion, now: Instant) -> Result<Estate, Stop> {
    let place = super::store::place(config)?;
    if !place.is_there()? {
        return Err(super::store::none_yet(&place));
    }
    let store = place.open()?;
    let store = &*store;
    let mut names = question.accounts();
    if let Some(id) = question.finding() {
        let own = names_of_finding(store, id)?;
        if own.is_empty() {
            // A finding that is not told yet, because a source is in doubt, or one about a source.
            return Ok(all_of(store, now)?);
        }
        names.extend(own);
    }
    names.extend(requests_called(store, &question.requests())?);
    let settings: Settings = config.settings();
    Ok(part_of(store, &settings, now, &names)?)
}

/// The names under which what the findings are about is kept whose ids begin in this way.
fn names_of_finding(store: &dyn Store, id: &str) -> Result<Vec<String>, Stop> {
    let mut bodies = vec![];
    match store.life(id)? {
        Some(life) => bodies.push((life.state, life.body)),
        None => store.lives(&[State::Open, State::Accepted], &mut |life| {
            if life.id.starts_with(id) && bodies.len() <= LISTED {
                bodies.push((life.state, life.body));
            }
        })?,
    }
    let (mut names, mut requests) = (vec![], vec![]);
    for (state, body) in &bodies {
        let finding: Finding<'_> = serde_json::from_str(body)?;
        if *state == State::Resolved {
            super::note(format_args!(
                "{} is resolved; ask for what it was about: {}",
                finding.id, finding.message
            ));
        }
        if finding.grant.is_none()
            && let Some(request) = &finding.request
        {
            requests.push((Some(request.source.to_string()), request.id.to_string()));
        }
        let alias = finding.alias.as_deref();
        let account = alias.and_then(|alias| alias.split_once('/')).map(|(_, account)| account);
        let grant = finding.grant.as_ref().map(|g| &*g.account);
        names.extend([grant, alias, account].into_iter().flatten().map(str::to_owned));
    }
    names.extend(requests_called(store, &requests)?);
    Ok(names)
}
