//! Counterfoil matches every live access grant to the approval that justifies it, and says who answers where none
//! does. It is named after the part of a ticket that is kept as proof.
//!
//! # The house
//!
//! ```text
//!  tickets, directories,     ┌─────────┐  records  ┌────────┐  estate  ┌───────┐  findings  ┌────────┐
//!  IAM: asked, or exported ─▶ │ connect │ ────────▶ │ intake │ ───────▶ │ judge │ ─────────▶ │ report │ ─▶ you
//!                            └─────────┘   JSONL   └────────┘          └───────┘  verdicts  └────────┘
//!                             connectors/                  settings, now ─┘          controls ─┘
//! ```
//!
//! That is one judgement. The daemon makes one after another and remembers:
//!
//! ```text
//!  schedule ─▶ connect ─▶ engine ── what changed ─▶ judge ─▶ alert ─▶ store: findings, outbox ─▶ sink ─▶ SIEM, people
//!                           ▲                                           │
//!                           └── what was held, how each finding stood ──┘
//! ```
//!
//! The record is the one format between every two rooms: what a connector prints, the judge can read, and so can
//! a person or another program. A map of the files:
//!
//! ```text
//! src/model/       the nouns: records, times, durations, names, findings, verdicts
//! src/judge/       records → names resolved → standing of each grant → checks/, one file each; decide/ answers for one,
//!                  chain/ tells how one came about
//! src/report/      findings as a table, JSON lines in full or short, a JSON array, OCSF events; chain/: one as a page
//! src/intake/      reads files of records (plain, gzip, zstd) into an estate; keeps what it rejects; cuts and reads partitions, and what
//!                  was judged in them
//! src/connect/     asks products (HTTP, LDAP, SQL, programs) or reads their exports; a row through jq becomes records
//! src/alert/       the life of a finding, what keeps it still, who is told: pure decisions
//! src/engine/      one run: pulls taken in, what changed judged, findings moved, the outbox filled; what was known once
//! src/audit/       the evidence pack: what was known at an instant, as HTML, CSV or OSCAL; what other rules would change
//! src/store/       what is remembered, in SQLite or PostgreSQL: records and their history, verdicts, findings, the outbox;
//!                  sql/ says it once for both
//! src/evidence/    the log of what happened: a Merkle tree, signed checkpoints, proofs, and whether it is what it was
//! src/net/         how others are reached: addresses that may be, TLS, proxies
//! src/sink/        findings told to others, one file for each kind of receiver
//! src/secret.rs    where a secret is, and fetching it
//! src/controls.rs  which control of which framework a check speaks to, from config/controls/
//! src/lock.rs      one process on one store
//! src/turns.rs     several threads that hand on what they made in the order of its number
//! src/log.rs       the log, in which no name does anything to a terminal
//! src/serve/       over HTTP: health, readiness, metrics, pages for people and JSON for programs, behind a sign-in
//! src/notify.rs    telling systemd that the service is ready, stops and still works
//! src/schedule/    when a job is due: cron in a time zone, and what was missed
//! src/daemon/      the only loop: what is due is done, and every sink empties its part of the outbox
//! src/config.rs    the configuration file
//! src/cli/         one file for each command
//! src/main.rs      calls `cli` and exits
//!
//! connectors/NAME/ manifest.toml, map.jq, README.md, fixtures/, live/: everything about one product, and no code
//! examples/        a program as a source
//! config/          the framework references, and configurations to start from
//! demo/            the sample company of `counterfoil demo`
//! packaging/       a unit for systemd, a package for Debian, a container, a job for Spark
//! tests/suite/     one test binary; `tidy` holds this map against the code
//! ```
//!
//! # What never happens
//!
//! - **The judge never asks for the time, reads a file or prints.** The instant judged at is an argument; the same
//!   records, settings and instant give the same bytes, whatever the order of the lines or the number of threads.
//! - **No code knows a product.** What Jira or AWS call things stands in `connectors/`, in jq and TOML.
//! - **No map sees more than its rows.** A `map.jq` has no file, no clock, no environment; one that was not built in runs
//!   in a process of its own, with a limit on memory and time.
//! - **Nothing is guessed.** A time without an offset, a date that may be read two ways, a name two people claim:
//!   each is said with its place, and never decided silently.
//! - **Not seen is never taken for not there.** A source that was not read whole yields `unknown`, not an accusation.
//! - **Nothing is told that is not first written down**, together with the change it tells; nothing that is written down is
//!   lost. While something is sent, no transaction is open.
//! - **Nothing that a doubtful source touches moves**: not towards an accusation, and not towards an all-clear.
//! - **No secret stands in the configuration, a log, the store or an error**: only where it is.
//! - **A finding never goes without its proof**, nor without the role that answers for it.
//! - **No input makes the program panic, or take memory without a bound.** Bad input is an error that names file,
//!   line and field.
//!
//! # Who may name whom
//!
//! `tests/suite/tidy.rs` reads this table and holds every file against it. A new row or word here is the rarest
//! change of all.
//!
//! | module | may name | may touch |
//! |---|---|---|
//! | `model` | nothing | nothing |
//! | `judge` | `model` | nothing |
//! | `report` | `model` | nothing |
//! | `intake` | `model`, `judge`, `turns` | files, terminal |
//! | `connect` | `model`, `net`, `secret` | files, processes, clock, environment, network, async |
//! | `alert` | `model` | nothing |
//! | `evidence` | `model`, `secret` | nothing |
//! | `store` | `model`, `evidence`, `net` | files, network, async, clock |
//! | `secret` | nothing | files, environment |
//! | `net` | `model`, `report`, `secret` | files, network, async |
//! | `sink` | `model`, `report`, `secret`, `alert`, `net` | files, terminal, network, async |
//! | `engine` | `model`, `judge`, `alert`, `store` | nothing |
//! | `audit` | `model`, `evidence`, `judge`, `alert`, `report`, `engine`, `store`, `controls` | nothing |
//! | `controls` | `model`, `judge` | files |
//! | `lock` | nothing | files, processes |
//! | `turns` | nothing | nothing |
//! | `log` | nothing | terminal, environment, clock |
//! | `serve` | `model`, `judge`, `controls`, `report`, `alert`, `evidence`, `store`, `engine`, `audit`, `secret`, `net` | network, async, clock |
//! | `notify` | nothing | network, environment, processes, clock |
//! | `schedule` | `model` | nothing |
//! | `config` | `model`, `judge`, `connect`, `alert`, `engine`, `evidence`, `secret`, `sink`, `schedule`, `serve`, `log` | files, clock |
//! | `daemon` | `model`, `alert`, `judge`, `connect`, `controls`, `config`, `engine`, `evidence`, `store`, `sink`, `schedule`, `serve`, `lock`, `notify` | files, clock, environment, processes, async |
//! | `cli` | everything | files, terminal, clock, environment, processes |
//! | `main` | `cli` | environment, processes |
//!
//! `serve` asks `net` for the identity provider, and `engine` for the estate that decisions are answered from and chains are
//! told of, and `audit` for the evidence pack.
//! `connect` starts a process for a map that is not built in and for a source that is a program, and looks at the clock to end
//! what takes too long and to wait where it is asked to.
//!
//! *Touch* is the world outside: files, terminal (standard input, output and error), clock, environment (variables,
//! arguments, number of processors), network, processes, async.

pub mod alert;
pub mod audit;
pub mod cli;
pub mod config;
pub mod connect;
pub mod controls;
pub mod daemon;
pub mod engine;
pub mod evidence;
pub mod intake;
pub mod judge;
pub mod lock;
pub mod log;
pub mod model;
pub mod net;
pub mod notify;
pub mod report;
pub mod schedule;
pub mod secret;
pub mod serve;
pub mod sink;
pub mod store;
mod turns;
