//! A chain told to a person: as text for a terminal, as JSON, and as a page.
//!
//! [`html_fragment`] is the page without what stands around it, for whoever has a page of their own.

mod html;
mod svg;
mod text;

pub use html::{html_fragment, html_page};
pub use text::write_text;

use crate::model::chain::{Answer, Chain, HeldGrant};
use crate::model::finding::Role;

/// Why the chain is told, in one line: what it is about.
fn heading(chain: &Chain<'_>) -> String {
    if let Some(grant) = &chain.grant {
        let scope = grant.scope.as_ref().map(|s| format!(" (scope {s})")).unwrap_or_default();
        return format!("{} on {}{scope}, held by {}", grant.entitlement, grant.system, grant.account);
    }
    if let Some(request) = &chain.request {
        return format!("Request {} of {}", request.id, request.source);
    }
    format!("The {} {}", chain.about.as_str(), chain.name.as_deref().unwrap_or_default())
}

/// Who holds it, in one line.
fn holder(chain: &Chain<'_>) -> Option<String> {
    let subject = chain.subject.as_ref()?;
    let mut text = subject.id.to_string();
    match (&subject.kind, &subject.status) {
        (Some(kind), Some(status)) => {
            text.push_str(&format!(", {kind}, {status}"));
            if let Some(since) = subject.status_since {
                text.push_str(&format!(" since {since}"));
            }
        }
        _ => text.push_str(", no known identity"),
    }
    if let Some(owner) = &subject.owner {
        text.push_str(&format!(", owned by {owner}"));
    }
    Some(text)
}

/// The verdict, in one line.
fn verdict(chain: &Chain<'_>) -> Option<String> {
    let (standing, outcome) = (chain.standing?, chain.verdict?);
    let word = match outcome {
        crate::model::finding::Outcome::Justified => "justified",
        crate::model::finding::Outcome::Unjustified => "not justified",
        crate::model::finding::Outcome::Unknown => "not known",
    };
    Some(format!("{} · {word} as of {}", standing.as_str(), chain.now))
}

/// What a grant that a request covers is called, as `explain` takes it, and what it comes through.
fn named(grant: &HeldGrant<'_>) -> String {
    let scope = grant.scope.as_ref().map(|s| format!("@{s}")).unwrap_or_default();
    let path: String = grant.path.iter().map(|step| format!(" through {}", step.entitlement)).collect();
    format!("{}/{}/{}{scope}{path}", grant.system, grant.account, grant.entitlement)
}

/// How it stands, and what was found about it.
fn stands(grant: &HeldGrant<'_>) -> String {
    let by = if grant.controls { ", by this request" } else { "" };
    let found = if grant.checks.is_empty() { "" } else { "; findings: " };
    format!("{}{by}{found}{}", grant.standing.as_str(), grant.checks.join(", "))
}

/// Who answers, in words: `system owner carol@example.com`, or that nobody does.
fn answering(answers: &[Answer<'_>]) -> String {
    let one = |a: &Answer<'_>| match &a.identity {
        Some(identity) => format!("{} {identity}", role(a.role)),
        None => format!("nobody (no {})", role(a.role)),
    };
    answers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A role in words.
fn role(role: Role) -> String {
    role.as_str().replace('_', " ")
}
