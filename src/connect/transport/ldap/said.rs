//! What a result code of a directory means to whoever runs the pull.

use super::message::Outcome;
use crate::net::Hidden;

/// The name of a result code, RFC 4511 appendix A.
fn name(code: i64) -> &'static str {
    match code {
        0 => "success",
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "the way to say who one is, is not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "unavailable critical extension",
        13 => "confidentiality required",
        16 => "no such attribute",
        18 => "inappropriate matching",
        32 => "no such object",
        34 => "invalid DN",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        80 => "other",
        _ => "no result that is known",
    }
}

/// The result in words: its name, its number, and what the server says of it.
pub(super) fn shown(outcome: &Outcome, hidden: &Hidden) -> String {
    let (name, code) = (name(outcome.code), outcome.code);
    match hidden.safe(&outcome.said, None) {
        said if said.is_empty() => format!("{name}, {code}"),
        said => format!("{name}, {code}: {said}"),
    }
}

/// Why a search gave only a part, or nothing. `permission` is what it needs.
pub(super) fn partly(outcome: &Outcome, base: &str, permission: Option<&str>, hidden: &Hidden) -> String {
    let shown = shown(outcome, hidden);
    let needs = permission.map(|permission| format!("; needed is: {permission}")).unwrap_or_default();
    let base = hidden.safe(base, None);
    match outcome.code {
        3 | 4 | 11 => format!(
            "the directory stopped at a limit of its own ({shown}); let this account search without one (OpenLDAP: olcLimits)"
        ),
        10 => format!(
            "the directory sends on to {} for `{base}` ({shown}); what is there was not asked for",
            elsewhere(&outcome.elsewhere, hidden)
        ),
        32 => format!("there is no `{base}`, or this account may not see it ({shown}){needs}"),
        1 | 8 | 13 | 48 | 50 => {
            format!("this account may not search `{base}` ({shown}){needs}{}", hint(outcome.code))
        }
        34 => format!("`{base}` is no name of an entry ({shown})"),
        _ => format!("the search below `{base}` failed ({shown})"),
    }
}

/// Where a directory sends on to.
pub(super) fn elsewhere(urls: &[String], hidden: &Hidden) -> String {
    match urls {
        [] => "elsewhere".to_owned(),
        [first, ..] => hidden.safe(first, None),
    }
}

/// Why nobody was let in.
pub(super) fn refused(outcome: &Outcome, hidden: &Hidden) -> String {
    let shown = shown(outcome, hidden);
    let why = match outcome.code {
        49 => account(&outcome.said).unwrap_or("the name or the password in `bind` is wrong"),
        8 | 13 => "the directory wants TLS first",
        7 | 48 => "the directory does not take this kind of `bind`",
        53 => "the directory lets nobody in like this; perhaps the password is empty or it wants TLS first",
        _ => "the directory lets nobody in",
    };
    format!("`bind` was refused: {why} ({shown}){}", hint(outcome.code))
}

fn hint(code: i64) -> &'static str {
    match code {
        8 | 13 => "; use ldaps:// or `start_tls = true`",
        1 => "; a directory that answers so mostly wants a `bind` first",
        _ => "",
    }
}

/// What Active Directory says of an account whose password was not taken: `… data 52e, v4563`.
fn account(said: &str) -> Option<&'static str> {
    let code = said.split("data ").nth(1)?.split([',', ' ']).next()?;
    Some(match code {
        "525" => "there is no such account",
        "52e" => "the name or the password in `bind` is wrong",
        "530" | "531" => "the account may not log on now, or from here",
        "532" => "the password of the account has expired",
        "533" => "the account is disabled",
        "701" => "the account has expired",
        "773" => "the account must change its password first",
        "775" => "the account is locked",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_active_directory_says_of_an_account_is_understood() {
        let said =
            "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 775, v4563\0";
        let outcome = Outcome { code: 49, said: said.to_owned(), ..Outcome::default() };
        let text = refused(&outcome, &Hidden::default());
        assert!(text.contains("the account is locked") && text.contains("invalid credentials, 49"), "{text}");
        assert!(!text.contains('\0'), "{text}");
        let plain = Outcome { code: 49, ..Outcome::default() };
        assert!(refused(&plain, &Hidden::default()).contains("the password in `bind` is wrong"));
    }
}
