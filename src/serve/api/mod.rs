//! What programs can ask for and do, as JSON under `/api/v1/`.

mod catalog;
pub(super) mod chains;
mod evidence;
mod exceptions;
mod findings;
mod grants;
mod overview;
mod people;
mod runs;
pub(super) mod sources;

use super::answer::{HTML, JSON, TEXT, ZIP};
use super::ask::{MAX_LIMIT, asked_parameters};
use super::openapi::{About, Parameter, Routes};
use super::sign_in::Need;
use crate::model::chain::Chain;

/// The routes.
pub(super) fn routes(routes: Routes) -> Routes {
    let (read, act, audit) = (Some(Need::Read), Some(Need::Act), Some(Need::Audit));
    let runs = [Parameter::number("limit", u64::from(MAX_LIMIT), "How many at the most.")];
    routes
        .get(
            "/api/v1/overview",
            read,
            About::gives::<overview::Overview>("overview", "Everything in numbers."),
            overview::overview,
        )
        .get(
            "/api/v1/grants",
            read,
            About::gives::<grants::List>("grants", "Grants, each with how it stands.")
                .with(grants::described()),
            grants::list,
        )
        .get(
            "/api/v1/grants/chain",
            read,
            About::gives::<Chain<'static>>("grantChain", "The chain behind a grant, link by link.")
                .with(chains::described()),
            chains::grant,
        )
        .get(
            "/api/v1/requests/{source}/{id}/chain",
            read,
            About::gives::<Chain<'static>>("requestChain", "The chain behind a request."),
            chains::request,
        )
        .get(
            "/api/v1/evidence/checkpoint",
            audit,
            About::text("checkpoint", "The last checkpoint of the evidence log, as a signed note.", TEXT),
            evidence::checkpoint,
        )
        .get(
            "/api/v1/evidence/entries/{id}",
            audit,
            About::gives::<evidence::Proven>(
                "evidenceEntry",
                "An entry of the evidence log (e1:…, run:NUMBER, or its place), and the proof that it is in it.",
            ),
            evidence::entry,
        )
        .get(
            "/api/v1/report",
            audit,
            About::text("report", "The evidence pack of an instant.", HTML)
                .or_kinds([JSON, ZIP])
                .with(evidence::described()),
            evidence::report,
        )
        .get(
            "/api/v1/exceptions",
            read,
            About::gives::<exceptions::Exceptions>(
                "exceptions",
                "The exceptions that have not ended, those that end first at the top.",
            )
            .with(exceptions::described()),
            exceptions::list,
        )
        .get(
            "/api/v1/checks",
            read,
            About::gives::<catalog::Checks>(
                "checks",
                "Every check, as it is configured, and how much of it is open.",
            ),
            catalog::checks,
        )
        .get(
            "/api/v1/checks/{name}",
            read,
            About::gives::<catalog::Check>("check", "One check, as it is configured, and how much of it is open."),
            catalog::check,
        )
        .get(
            "/api/v1/controls",
            read,
            About::gives::<catalog::Controls>(
                "controls",
                "The controls of frameworks that the checks speak to.",
            ),
            catalog::controls,
        )
        .get(
            "/api/v1/findings",
            read,
            About::gives::<findings::Listed>("findings", "Findings, or how many there are of a kind.")
                .with(asked_parameters()),
            findings::list,
        )
        .get(
            "/api/v1/findings/{id}",
            read,
            About::gives::<findings::Told>("finding", "One finding, and where it is in its life."),
            findings::one,
        )
        .get(
            "/api/v1/findings/{id}/chain",
            read,
            About::gives::<Chain<'static>>("findingChain", "The chain behind what a finding is about."),
            chains::finding,
        )
        .get(
            "/api/v1/people",
            read,
            About::gives::<people::Desks>("people", "What is open on whose desk, the worst desk first.")
                .with(people::described()),
            people::list,
        )
        .get(
            "/api/v1/people/{name}",
            read,
            About::gives::<people::Person>(
                "person",
                "What somebody answers for first, and what was found about access that they hold.",
            )
            .with(people::described_of_one()),
            people::one,
        )
        .get(
            "/api/v1/findings/{id}/events",
            read,
            About::gives::<findings::Events>("findingEvents", "What happened to a finding, latest first."),
            findings::events,
        )
        .post(
            "/api/v1/findings/{id}/accept",
            act,
            About::gives::<findings::Accepted>("acceptFinding", "Accepts a finding for a time.")
                .takes::<findings::Wanted>(),
            findings::accept,
        )
        .get(
            "/api/v1/sources",
            read,
            About::gives::<sources::List>("sources", "How each source stands."),
            sources::list,
        )
        .post(
            "/api/v1/sources/{id}/approve",
            act,
            About::gives::<sources::Approved>("approveSource", "Lets the held pull of a source pass.")
                .takes::<sources::Wanted>(),
            sources::approve,
        )
        .get(
            "/api/v1/runs",
            audit,
            About::gives::<runs::List>("runs", "What the last runs did.").with(runs),
            runs::list,
        )
}
