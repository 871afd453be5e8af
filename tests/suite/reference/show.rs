//! Findings and verdicts on one line each, for a person who looks for the difference between two of them.

use std::fmt::{Debug, Formatter, Result};

use super::values::written;
use super::{Finding, GrantKey, Verdict};

impl Debug for GrantKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:?} on {:?} holds {:?}", self.account, self.system, self.entitlement)?;
        if let Some(scope) = &self.scope {
            write!(f, " scope {scope:?}")?;
        }
        self.path
            .iter()
            .try_for_each(|(system, entitlement)| write!(f, " through {system:?} {entitlement:?}"))
    }
}

impl Debug for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} ({})", self.check, self.severity)?;
        if let Some(standing) = &self.standing {
            write!(f, " {standing}")?;
        }
        if let Some(grant) = &self.grant {
            write!(f, " {grant:?}")?;
        }
        if let Some((source, id)) = &self.request {
            write!(f, " request {source}/{id}")?;
        }
        if let Some(item) = self.item {
            write!(f, " item {item}")?;
        }
        for (what, name) in
            [("beneficiary", &self.beneficiary), ("alias", &self.alias), ("source", &self.source)]
        {
            if let Some(name) = name {
                write!(f, " {what} {name:?}")?;
            }
        }
        write!(f, ";")?;
        for (role, person, primary) in &self.accountable {
            write!(f, " {role}{} {}", if *primary { "*" } else { "" }, person.as_deref().unwrap_or("-"))?;
        }
        for (what, at) in ["decided", "end", "used"].iter().zip(self.times) {
            if let Some(at) = at {
                write!(f, " {what} {}", written(at))?;
            }
        }
        write!(f, " {}", &self.id[..self.id.len().min(11)])
    }
}

impl Debug for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:?} of {:?}: {} ({})", self.grant, self.subject, self.standing, self.verdict)?;
        self.request.iter().try_for_each(|(source, id)| write!(f, " request {source}/{id}"))
    }
}
