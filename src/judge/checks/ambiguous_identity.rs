//! # ambiguous-identity
//!
//! One name or account belongs to two identities.
//!
//! ## What it does
//! Fires once for each alias that two or more identities claim (an identity's id counts as one of its
//! names), and for each system and account linked to two or more.
//!
//! Aliases are compared by normal form (Unicode NFC, trimmed, lower case) and reported in it. A link is
//! reported as `SYSTEM/ACCOUNT`: the system's key and the account as written, compared exactly.
//!
//! An ambiguous name equals nobody: no request covers the account, and an approver of that name is nobody
//! in particular.
//!
//! ## Why it matters
//! If a name can mean two people, an approval for one would justify the access of the other. Rather than
//! guess, such a name justifies nothing until it is settled.
//!
//! ## Who answers
//! - **Operator** (primary, and alone): `[accountability] operator`; answers for a directory in which every
//!   name means one identity.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"sam.hill@corp.example","aliases":["sam"]}
//! {"type":"identity","id":"sam.reed@corp.example","aliases":["Sam"]}
//! ```
//! → medium ambiguous-identity on alias sam
//!
//! ## How to clear it
//! 1. Find out whom the name means on each system.
//! 2. Remove the alias from the identity it does not belong to, or replace it by account links (system and
//!    account).
//! 3. If the two are one person, merge the records at the source.
//!
//! ## Settings
//! No threshold applies. Severity: medium.
//! ```toml
//! [checks.ambiguous-identity]
//! enabled = true       # false switches the check off
//! severity = "high"    # instead of medium
//! ```

use super::{Check, Rule};
use crate::judge::case::Telling;
use crate::judge::estate::Sym;
use crate::judge::weigh::Moment;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "ambiguous-identity",
    title: "One name, several identities",
    severity: Severity::Medium,
    primary: Role::Operator,
    remediation: "Operator: have the name or account link removed from the identities it does not belong to.",
    rule: Rule::Alias { tell },
    page: include_str!("ambiguous_identity.rs"),
};

fn tell(moment: &Moment<'_>, alias: Sym) -> Telling {
    let world = moment.world;
    let at = world.ambiguous.binary_search_by(|a| world.estate.text(a.alias).cmp(world.estate.text(alias)));
    let holders = at.ok().and_then(|at| world.ambiguous.get(at)).map_or(&[][..], |a| a.holders.as_slice());
    let ids: Vec<&str> = holders.iter().map(|id| world.estate.text(*id)).collect();
    let (text, all) = (world.estate.text(alias), ids.join(", "));
    Telling::new(format!("{text} belongs to {all}, so it justifies nothing."))
        .because(format!("claimed by {all}"))
}
