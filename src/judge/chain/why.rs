//! Which rule gave a grant its standing, in one sentence.

use super::Scribe;
use crate::judge::case::{Case, at};
use crate::model::finding::Standing;
use crate::model::record::State;

impl Scribe<'_> {
    /// Which rule of the table of standings held.
    pub(super) fn why(&self, case: &Case<'_>) -> String {
        let id = case.request.map_or("", |(r, _)| self.text(r.id));
        let asked = case.request.map(|(_, asked)| asked);
        let (start, end) = (asked.and_then(|a| a.start), asked.and_then(|a| a.end));
        match case.standing() {
            Standing::Birthright => {
                let kind = case.kind().map_or("identity", |k| k.as_str());
                format!("a configured birthright gives this to every {kind} it names, without a request")
            }
            Standing::Revoked => {
                let by = if id.is_empty() { "by a review".to_owned() } else { format!("by {id}") };
                let when = at(case.facts.revoked_at);
                format!("it was revoked {by} as of {when}, and no approval that covers it was decided after that")
            }
            Standing::Approved => {
                let from = start.map_or("in force".to_owned(), |t| format!("in force from {t}"));
                let until = end.map_or("without an end".to_owned(), |t| format!("until {t}"));
                format!("{id}, approved and {from} {until}, covers it")
            }
            Standing::Emergency => {
                let by = case.request.and_then(|(r, _)| case.moment.ratify_by(case.grant, r));
                format!("the emergency request {id} covers it, and may still be approved before {}", at(by))
            }
            Standing::Expired => format!("{id} covers it, and ended {}", at(end)),
            Standing::Pending => match case.request {
                Some((r, _)) if r.state == State::Approved => {
                    format!("{id} covers it, and is in force only from {} on", at(start))
                }
                _ => format!("{id} covers it, and is not decided"),
            },
            Standing::Denied => {
                let state = case.request.map_or("refused", |(r, _)| r.state.as_str());
                format!("{id} covers it, and was {state}; nothing else carries it")
            }
            Standing::Exceeded => {
                let approved = case.request.map(|(r, _)| self.items(r)).unwrap_or_default();
                format!("no request covers it; {id} approved less: {approved}")
            }
            Standing::Unknown => {
                "no request that covers it was seen, and the requests were not seen completely: that proves nothing"
                    .to_owned()
            }
            Standing::Unapproved => "no request of any state covers it".to_owned(),
        }
    }
}
