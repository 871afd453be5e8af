//! The words a field may hold, where the contract names them.

use super::super::object::words;

words! {
    /// What kind of identity stands behind an account.
    #[derive(Default)]
    Kind {
        /// A person.
        #[default]
        Human = "human",
        /// A service or workload.
        Service = "service",
        /// An AI agent.
        Agent = "agent",
    }
}

words! {
    /// Whether an identity is still with us.
    #[derive(Default)]
    Status {
        /// In service.
        #[default]
        Active = "active",
        /// Switched off.
        Disabled = "disabled",
        /// Gone.
        Departed = "departed",
    }
}

words! {
    /// How much harm an entitlement can do.
    #[derive(Default)]
    Risk {
        /// Little: findings weigh a step less.
        Low = "low",
        /// The usual.
        #[default]
        Normal = "normal",
        /// Much: findings weigh a step more.
        High = "high",
    }
}

words! {
    /// Where a request stands.
    State {
        /// Not decided.
        Pending = "pending",
        /// Approved.
        Approved = "approved",
        /// Turned down.
        Rejected = "rejected",
        /// Withdrawn.
        Cancelled = "cancelled",
    }
}

words! {
    /// Whether a request gives or takes.
    #[derive(Default)]
    Intent {
        /// It asks for access.
        #[default]
        Grant = "grant",
        /// It asks for access to end.
        Revoke = "revoke",
    }
}

words! {
    /// What an approver said.
    Decision {
        /// Yes.
        Approved = "approved",
        /// No.
        Rejected = "rejected",
        /// Nothing yet.
        Pending = "pending",
    }
}

words! {
    /// Whether a grant works now or must be activated first.
    #[derive(Default)]
    Mode {
        /// It works now.
        #[default]
        Active = "active",
        /// It can be activated.
        Eligible = "eligible",
    }
}

words! {
    /// How `granted_at` is known.
    GrantedAtBasis {
        /// The system's state says it.
        State = "state",
        /// An event in a log says it.
        Event = "event",
        /// First seen then; it may be older.
        FirstSeen = "first_seen",
    }
}

words! {
    /// What a last use was attributed to, narrowest first.
    Attribution {
        /// This grant.
        Grant = "grant",
        /// The entitlement.
        Entitlement = "entitlement",
        /// A service of the system.
        Service = "service",
        /// The account as a whole.
        Account = "account",
        /// A credential of the account.
        Credential = "credential",
    }
}

words! {
    /// Whether a use succeeded. An attempt counts as use.
    Success {
        /// It did.
        Yes = "yes",
        /// It was tried.
        Attempt = "attempt",
        /// The source does not say.
        Unknown = "unknown",
    }
}

words! {
    /// What a reviewer decided.
    CertificationDecision {
        /// The access may stay.
        Certified = "certified",
        /// The access must go.
        Revoked = "revoked",
    }
}
