//! Requests beside the one that carries a grant: those that cover it too, or nearly, and why they do not carry it.

use std::collections::BTreeMap;

use super::{MOST, Scribe};
use crate::judge::case::{Case, at, same_name};
use crate::judge::estate::RequestRow;
use crate::judge::world::Asked;
use crate::model::chain::{Chain, OtherRequest};
use crate::model::record::{Intent, State};

impl<'a> Scribe<'a> {
    /// Lists them, the latest decided first. `carrier` has its own links; `covering` are the requests that cover the grant,
    /// sorted.
    pub(super) fn others(
        &self,
        chain: &mut Chain<'a>,
        case: &Case<'_>,
        carrier: Option<u32>,
        covering: &[u32],
    ) {
        let world = self.world;
        let Some(who) = case.subject().certain() else { return };
        // The entitlements asked for: what is held, and what brings it or is brought by it.
        let mut near: BTreeMap<u32, bool> = covering.iter().map(|r| (*r, true)).collect();
        let path = case.grant.path.within(&world.steps).iter().copied().flatten();
        let rights: Vec<_> = case.held.entitlement.into_iter().chain(path).collect();
        let ticket = case.grant.ticket.map(|t| self.text(t));
        for (asked, request) in world.coverage.all(who) {
            let akin = rights
                .iter()
                .any(|held| world.closures.holds(asked, *held) || world.closures.holds(*held, asked));
            let cited = || {
                let id = world.request(request).map(|(r, _)| self.text(r.id));
                ticket.zip(id).is_some_and(|(ticket, id)| same_name(ticket, id))
            };
            if akin || cited() {
                near.entry(request).or_insert(false);
            }
        }
        let mut rows: Vec<(u32, bool, &'a RequestRow, &'a Asked)> = near
            .into_iter()
            .filter(|(row, _)| Some(*row) != carrier)
            .filter_map(|(row, covers)| world.request(row).map(|(r, asked)| (row, covers, r, asked)))
            // What took the access away has links of its own.
            .filter(|(_, covers, r, _)| {
                !(*covers && r.intent == Intent::Revoke && r.state == State::Approved)
            })
            .collect();
        rows.sort_by(|(_, covers_a, a, asked_a), (_, covers_b, b, asked_b)| {
            covers_b.cmp(covers_a).then_with(|| asked_b.decided_at.cmp(&asked_a.decided_at)).then_with(|| {
                (self.text(b.id), self.text(b.source)).cmp(&(self.text(a.id), self.text(a.source)))
            })
        });
        chain.others_left = rows.len().saturating_sub(MOST) as u64;
        rows.truncate(MOST);
        chain.others = rows
            .into_iter()
            .map(|(_, covers, r, asked)| OtherRequest {
                source: self.text(r.source).into(),
                id: self.text(r.id).into(),
                intent: r.intent.as_str().into(),
                state: r.state.as_str().into(),
                covers,
                decided_at: asked.decided_at,
                why: self.why_not(case, r, asked, covers),
            })
            .collect();
    }

    /// Why a request does not carry the grant.
    fn why_not(&self, case: &Case<'_>, r: &RequestRow, asked: &Asked, covers: bool) -> String {
        let now = self.now();
        if r.intent == Intent::Revoke {
            return match (covers, r.state) {
                (false, _) => format!("asks to take away something else: {}", self.items(r)),
                (true, State::Pending) => "asks to take it away, and is not decided".to_owned(),
                (true, state) => format!("asked to take it away, and was {}", state.as_str()),
            };
        }
        if !covers {
            let names = self.items(r);
            return match r.state {
                State::Approved if asked.in_force_at(now) => {
                    format!("does not cover it: it approved {names}")
                }
                state => format!("does not cover it ({}): it names {names}", state.as_str()),
            };
        }
        let revoked = case.facts.revoked_at;
        match r.state {
            State::Rejected | State::Cancelled => format!("was {}", r.state.as_str()),
            State::Pending => "is not decided".to_owned(),
            State::Approved if !asked.is_decided_after(revoked) => {
                format!("was decided before the revocation of {}", at(revoked))
            }
            State::Approved if asked.start.is_some_and(|start| start > now) => {
                format!("is in force only from {} on", at(asked.start))
            }
            State::Approved if asked.end.is_some_and(|end| end <= now) => {
                format!("ended {}", at(asked.end))
            }
            State::Approved => "covers it too; the one decided last controls".to_owned(),
        }
    }
}
