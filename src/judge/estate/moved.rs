//! Rows of a part of the input on their way into the whole: their texts get other numbers, their lists other places.

use std::num::NonZeroU32;

use super::Pools;
use super::intern::Sym;
use super::rows::*;

/// Where the texts and the lists of a part have gone.
pub(super) struct Move<'m> {
    /// The new number of each text.
    pub(super) names: &'m [Sym],
    /// How long the pools were before.
    pub(super) pools: Starts,
    /// How many rows of evidence there were before.
    pub(super) evidence: u32,
}

/// How long each pool is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starts {
    names: u32,
    beneficiaries: u32,
    accounts: u32,
    items: u32,
    approvals: u32,
    changes: u32,
    steps: u32,
}

impl Starts {
    pub(super) fn of(pools: &Pools) -> Self {
        let at = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Self {
            names: at(pools.names.len()),
            beneficiaries: at(pools.beneficiaries.len()),
            accounts: at(pools.accounts.len()),
            items: at(pools.items.len()),
            approvals: at(pools.approvals.len()),
            changes: at(pools.changes.len()),
            steps: at(pools.steps.len()),
        }
    }
}

impl Move<'_> {
    fn sym(&self, sym: &mut Sym) {
        if let Some(new) = self.names.get(sym.index()) {
            *sym = *new;
        }
    }

    fn name(&self, name: &mut Option<Sym>) {
        if let Some(sym) = name {
            self.sym(sym);
        }
    }

    fn origin(&self, origin: &mut Origin) {
        origin.evidence = origin.evidence.map(|row| row.saturating_add(self.evidence));
    }
}

/// Something with texts or lists in it.
pub(super) trait Moved {
    /// Gives it the numbers and places of the whole.
    fn moved(&mut self, to: &Move<'_>);
}

impl Moved for Sym {
    fn moved(&mut self, to: &Move<'_>) {
        to.sym(self);
    }
}

impl Moved for (Sym, Sym) {
    fn moved(&mut self, to: &Move<'_>) {
        to.sym(&mut self.0);
        to.sym(&mut self.1);
    }
}

/// Which fields of a row are texts, texts that may be absent, lists (with their pools), or its origin.
macro_rules! moved {
    ($row:ty { $(syms $($sym:ident)+;)? $(names $($name:ident)+;)? $(spans $($span:ident in $pool:ident),+;)? $(origin $origin:ident;)? }) => {
        impl Moved for $row {
            fn moved(&mut self, to: &Move<'_>) {
                $($(to.sym(&mut self.$sym);)+)?
                $($(to.name(&mut self.$name);)+)?
                $($(self.$span.shift(to.pools.$pool);)+)?
                $(to.origin(&mut self.$origin);)?
            }
        }
    };
}

moved!(IdentityRow {
    syms id;
    names owner manager;
    spans aliases in names, accounts in accounts, groups in names;
    origin origin;
});
moved!(SystemRow { syms id; names owner; spans aliases in names; origin origin; });
moved!(WorkflowRow { syms id; names owner; origin origin; });
moved!(DelegationRow { syms from to; origin origin; });
moved!(ItemRow { syms system entitlement; names scope; });
moved!(ApprovalRow { names approver on_behalf_of; });
moved!(ChangeRow { syms field; names by; });
moved!(StepRow { syms entitlement; names system; });
moved!(RequestRow {
    syms source id;
    names url requester policy workflow;
    spans beneficiaries in beneficiaries, access in items, approvals in approvals, changes in changes;
    origin origin;
});
moved!(GrantRow {
    syms system account entitlement;
    names scope granted_by ticket;
    spans path in steps;
    origin origin;
});
moved!(UsageRow { syms system account; names entitlement; });
moved!(CertificationRow { syms system account reviewer; names entitlement scope; origin origin; });
moved!(ExceptionRow { syms check accepted_by reason; names finding system account entitlement; });
moved!(EvidenceRow { names source id sha256; });
moved!(IncludeRow { syms entitlement; names system scope; });

impl Moved for Cited {
    fn moved(&mut self, to: &Move<'_>) {
        to.origin(&mut self.0);
    }
}

impl Moved for EntitlementRow {
    fn moved(&mut self, to: &Move<'_>) {
        to.sym(&mut self.system);
        to.sym(&mut self.id);
        self.aliases.shift(to.pools.names);
        to.name(&mut self.owner);
        self.includes.iter_mut().for_each(|include| include.moved(to));
        to.origin(&mut self.origin);
    }
}

impl Moved for PolicyRow {
    fn moved(&mut self, to: &Move<'_>) {
        to.sym(&mut self.id);
        for selector in &mut self.approvers {
            if let SelectorRow::Identity(name) | SelectorRow::Group(name) = selector {
                to.sym(name);
            }
        }
        for (system, entitlement) in &mut self.applies_to {
            to.sym(system);
            to.name(entitlement);
        }
        to.origin(&mut self.origin);
    }
}

impl Moved for SnapshotRow {
    fn moved(&mut self, to: &Move<'_>) {
        to.sym(&mut self.source);
        self.systems.iter_mut().for_each(|system| to.sym(system));
        to.name(&mut self.reason);
        to.origin(&mut self.origin);
    }
}

/// Moves rows from a part to the end of the whole; the part keeps its room.
pub(super) fn move_all<R: Moved>(rows: &mut Vec<R>, part: &mut Vec<R>, to: &Move<'_>) {
    rows.extend(part.drain(..).map(|mut row| {
        row.moved(to);
        row
    }));
}

/// The number of rows, plus one, as evidence is counted.
pub(super) fn evidence_row(rows: usize) -> Option<NonZeroU32> {
    u32::try_from(rows).ok().and_then(NonZeroU32::new)
}
