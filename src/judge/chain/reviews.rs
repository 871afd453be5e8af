//! Who confirmed access, when it ends, and whether it was taken away.

use super::{Scribe, With, bounded, by_time, link};
use crate::judge::case::{Case, is_gone};
use crate::judge::estate::{CertificationRow, RequestRow};
use crate::judge::weigh::Moment;
use crate::judge::world::Asked;
use crate::model::Instant;
use crate::model::chain::{Link, LinkState, Step};
use crate::model::finding::{Outcome, Standing};
use crate::model::record::{CertificationDecision, Intent, State};

impl<'a> Scribe<'a> {
    /// The certifications of a grant with a decision.
    fn certified(
        &self,
        moment: &'a Moment<'a>,
        case: &Case<'_>,
        decision: CertificationDecision,
    ) -> Vec<&'a CertificationRow> {
        let all = moment.certifications(case.grant, case.held);
        all.filter(|c| c.decision == decision).collect()
    }

    fn certification(&self, step: Step, state: LinkState, c: &CertificationRow) -> Link<'a> {
        let reviewer = self.text(c.reviewer);
        let word = if step == Step::Revoked { "decided to take it away" } else { "confirmed it" };
        let mut l = link(step, state, format!("{reviewer} {word}"));
        l.at = Some(c.decided_at);
        // A reviewer decides nothing here, so the name is told as it is written.
        l.who.push(crate::model::chain::Who { role: "reviewer".into(), id: reviewer.into(), written: None });
        l.maybe("next review by", c.next_review_by);
        l.evidence = self.evidence([c.origin]);
        l
    }

    /// The links of the reviews; `due` is when the next one is.
    pub(super) fn reviewed(
        &self,
        case: &Case<'_>,
        due: Option<Instant>,
        end: Option<Instant>,
    ) -> Vec<Link<'a>> {
        let certified =
            self.certified(&self.judgement.moment, case, CertificationDecision::Certified).into_iter();
        let mut links: Vec<Link<'a>> =
            certified.map(|c| self.certification(Step::Reviewed, LinkState::Ok, c)).collect();
        by_time(&mut links);
        links = bounded(Step::Reviewed, links, "reviews");
        let none = links.is_empty();
        let next = match due {
            Some(_) => {
                let overdue = due.is_some_and(|due| due <= self.now());
                let first = if none { "nobody reviewed it yet; a review" } else { "the next review" };
                let state = if overdue { LinkState::Wrong } else { LinkState::Ok };
                let mut l = link(Step::Reviewed, state, format!("{first} {}", self.due(due)));
                l.fact("due", due.map_or_else(String::new, |t| t.to_string()));
                Some(l)
            }
            None if none && end.is_some() => {
                Some(link(Step::Reviewed, LinkState::Ok, "nobody reviewed it; it ends by itself"))
            }
            None if none && case.standing() == Standing::Birthright => Some(link(
                Step::Reviewed,
                LinkState::Ok,
                "nobody reviewed it; a birthright needs no review of its own",
            )),
            None if none => {
                Some(link(Step::Reviewed, LinkState::Gap, "nobody reviewed it, and no review is due"))
            }
            None => None,
        };
        links.extend(next);
        links
    }

    /// The link of the end.
    pub(super) fn ends(&self, case: &Case<'_>, asked: Option<&Asked>, due: Option<Instant>) -> Link<'a> {
        let (grant, now) = (case.grant, self.now());
        let end = asked.and_then(|a| a.end);
        let (state, what) = match (end, grant.expires_at) {
            (Some(end), _) if end <= now => {
                (LinkState::Wrong, "the approval ended, and the access is still there".to_owned())
            }
            (Some(_), _) => (LinkState::Ok, "the approval ends".to_owned()),
            (None, Some(own)) if own > now => {
                (LinkState::Ok, "the system ends it; the approval has no end".to_owned())
            }
            (None, _) if case.standing() == Standing::Birthright => {
                (LinkState::Ok, "a birthright lasts as long as the identity does".to_owned())
            }
            (None, _) if asked.is_some() && due.is_some() => {
                (LinkState::Ok, "the approval has no end; it is reviewed instead".to_owned())
            }
            (None, _) => (LinkState::Gap, "nothing ends it".to_owned()),
        };
        let mut l = link(Step::Ends, state, what);
        l.at = end.or(grant.expires_at);
        l.maybe("term", end.and(asked).and_then(Asked::length));
        l.fact("on the system", grant.expires_at.map_or("no end".to_owned(), |t| format!("ends {t}")));
        let mut proof = vec![grant.origin];
        if let Some((identity, _)) = case.identity().filter(|(i, _)| is_gone(i)) {
            let since = identity.status_since.map(|t| format!(" since {t}")).unwrap_or_default();
            l.fact("holder", format!("{}{since}", identity.status.as_str()));
            proof.push(identity.origin);
        }
        l.evidence = self.evidence(proof);
        l
    }

    /// The links of what took it away; `covering` are the requests that cover it.
    pub(super) fn revoked(&self, case: &Case<'_>, covering: &[u32]) -> Vec<Link<'a>> {
        let standing = case.standing();
        let still = standing == Standing::Revoked;
        let mut links = vec![];
        for (request, asked) in covering.iter().filter_map(|row| self.world.request(*row)) {
            if request.intent == Intent::Revoke && request.state == State::Approved {
                links.push(self.revocation(request, asked, still));
            }
        }
        let state = if still { LinkState::Wrong } else { LinkState::Ok };
        let certified = self.certified(&self.judgement.moment, case, CertificationDecision::Revoked);
        links.extend(certified.into_iter().map(|c| self.certification(Step::Revoked, state, c)));
        by_time(&mut links);
        let mut links = bounded(Step::Revoked, links, "revocations");
        if links.is_empty() {
            links.push(match standing.outcome() {
                Outcome::Justified => link(Step::Revoked, LinkState::Ok, "nobody took it away"),
                Outcome::Unknown => link(
                    Step::Revoked,
                    LinkState::Unknown,
                    "no removal was seen, and the requests were not seen completely",
                ),
                Outcome::Unjustified => link(
                    Step::Revoked,
                    LinkState::Gap,
                    "nothing carries it, and nobody has asked for its removal",
                ),
            });
        } else if !still && let Some(last) = links.last_mut() {
            last.fact("since then", "it was approved anew");
        }
        links
    }

    /// One approved request to take it away.
    fn revocation(&self, r: &'a RequestRow, asked: &'a Asked, still: bool) -> Link<'a> {
        let id = self.text(r.id);
        let moment = &self.judgement.moment;
        let (state, what) = match (r.completed_at, asked.decided_at) {
            (Some(_), _) if still => {
                (LinkState::Wrong, format!("{id} is recorded as carried out, and the access is still there"))
            }
            (Some(_), _) => (LinkState::Ok, format!("{id} took it away")),
            (None, Some(decided)) if still => {
                let due = decided.plus(moment.thresholds().revocation_sla);
                let state = if due <= self.now() { LinkState::Wrong } else { LinkState::Gap };
                (state, format!("{id} was decided, and {}", self.due(Some(due))))
            }
            (None, Some(_)) => (LinkState::Ok, format!("{id} was decided, and is not completed")),
            (None, None) => (LinkState::Unknown, format!("{id} says neither when it was decided nor done")),
        };
        let mut l = link(Step::Revoked, state, what);
        l.at = r.completed_at.or(asked.decided_at);
        l.who.extend(asked.requester.map(|key| self.who("requester", key, r.requester)));
        let approving = self.world.approving(Some(r)).take(super::MOST);
        l.who.extend(approving.map(|a| self.who("approver", a.approver, a.row.approver)));
        l.maybe("decided", asked.decided_at).maybe("completed", r.completed_at);
        l.evidence = self.evidence([r.origin]);
        l
    }
}
