//! What went wrong with the server, in the words of whoever runs the program; and whether it helps to do it again.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::StoreError;

/// Whether what failed may be done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would fail again.
    No,
    /// Another transaction was in the way.
    Conflict,
    /// The connection is gone.
    Lost,
}

/// What an error is, and what it means.
pub(super) fn meaning(error: &Error, place: &str) -> (StoreError, Again) {
    let Some(said) = error.as_db_error() else {
        let why = chain(error);
        let advice = if why.contains("password missing") {
            "; say in `password` where it is"
        } else if why.contains("UnknownIssuer") {
            "; name the authority of the server's certificate in `ca_file`"
        } else if why.contains("does not support TLS") {
            "; turn `ssl` on there, or say `?sslmode=disable` in the address"
        } else {
            ""
        };
        let what = format!("{place}: {why}{advice}");
        let broken = error.is_closed()
            || std::error::Error::source(error).is_some_and(|e| e.is::<std::io::Error>())
            || why.contains("connecting to server");
        // Who answers and is not believed will not be believed the next time.
        return match (broken, why.contains("certificate") || !advice.is_empty()) {
            (_, true) => (StoreError::Refused(what), Again::No),
            (true, false) => (StoreError::Unreachable(what), Again::Lost),
            (false, false) => (StoreError::Other(what), Again::No),
        };
    };
    let code = said.code();
    let what = format!("{place}: {} ({})", said.message(), code.code());
    let class = code.code().get(..2).unwrap_or_default();
    let refused = |advice: &str| (StoreError::Refused(format!("{what}; {advice}")), Again::No);
    match code {
        c if *c == SqlState::T_R_SERIALIZATION_FAILURE || *c == SqlState::T_R_DEADLOCK_DETECTED => {
            (StoreError::Busy(what), Again::Conflict)
        }
        c if c.code() == "CF001" => (StoreError::Superseded(what), Again::No),
        c if *c == SqlState::LOCK_NOT_AVAILABLE => (StoreError::Busy(what), Again::No),
        c if *c == SqlState::DISK_FULL => (StoreError::Full(what), Again::No),
        c if *c == SqlState::READ_ONLY_SQL_TRANSACTION => {
            let what = format!("{what}; is this a standby? name the primary");
            (StoreError::ReadOnly(what), Again::No)
        }
        c if *c == SqlState::INVALID_PASSWORD => refused("look at what `password` of [store] leads to"),
        c if *c == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            refused("is there such a role, and does pg_hba.conf let it in from here?")
        }
        c if *c == SqlState::INVALID_CATALOG_NAME => refused("make it: CREATE DATABASE … OWNER …"),
        c if *c == SqlState::INSUFFICIENT_PRIVILEGE => {
            refused("let the database belong to the role of the store: ALTER DATABASE … OWNER TO …")
        }
        c if *c == SqlState::UNDEFINED_TABLE || *c == SqlState::UNDEFINED_COLUMN => {
            (StoreError::Broken(what), Again::No)
        }
        // Shut down, starting up, or the connection was ended by somebody; no room for another.
        _ if ["57", "08"].contains(&class) && *code != SqlState::QUERY_CANCELED => {
            (StoreError::Unreachable(what), Again::Lost)
        }
        c if *c == SqlState::TOO_MANY_CONNECTIONS => (StoreError::Unreachable(what), Again::Lost),
        c if class == "53" && *c != SqlState::DISK_FULL => (StoreError::Busy(what), Again::No),
        c if class == "XX" && *c != SqlState::INTERNAL_ERROR => (StoreError::Broken(what), Again::No),
        _ => (StoreError::Other(what), Again::No),
    }
}

/// An error with what is behind it.
fn chain(error: &Error) -> String {
    crate::net::causes(vec![error.to_string()], error).join(": ")
}
