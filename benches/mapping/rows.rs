//! Small rows as products hand them out, the same every time.

/// Rows for one connector.
pub struct Case {
    /// The connector's name.
    pub connector: &'static str,
    /// Its settings, in TOML.
    pub settings: &'static str,
    /// Ending of the file the rows are in.
    pub ending: &'static str,
    /// What stands before the rows.
    pub head: &'static str,
    /// The step the rows came from, where they were asked for; else they are read from the file.
    pub step: Option<&'static str>,
    /// One row.
    pub row: fn(u64) -> String,
}

/// What a map costs that has next to nothing to do: the engine around it.
pub const FLAT_MAP: &str =
    r#"{type: "grant", system: $settings.system, account: .user, entitlement: .role, granted_at: .since}"#;

/// The manifest of [`FLAT_MAP`].
pub const FLAT_MANIFEST: &str = r#"
    name = "flat"
    title = "Flat rows"
    summary = "For measuring."
    provides = ["grant"]

    [[shape]]
    name = "lines"
    formats = ["jsonl"]

    [[setting]]
    name = "system"
    type = "string"
    doc = "The system."
"#;

/// All of them.
pub const CASES: &[Case] = &[
    Case {
        connector: "flat",
        settings: r#"system = "billing""#,
        ending: "jsonl",
        head: "",
        step: None,
        row: |n| {
            format!(
                r#"{{"user":"user{n}","role":"role-{}","since":"2025-0{}-11T08:00:00Z"}}"#,
                n % 50,
                n % 9 + 1
            )
        },
    },
    Case {
        connector: "csv",
        settings: r#"
            record = "grant"
            fields = { account = "Login", entitlement = "Role", granted_at = "Since", last_used_at = "Last seen" }
            constants = { system = "billing", mode = "active" }
        "#,
        ending: "csv",
        head: "Login,Role,Since,Last seen\n",
        step: None,
        row: |n| {
            format!("user{n},role-{},2025-0{}-11T08:00:00Z,2026-05-1{}T10:00:00Z", n % 50, n % 9 + 1, n % 9)
        },
    },
    Case {
        connector: "directory",
        settings: r#"account_systems = ["sso"]"#,
        ending: "jsonl",
        head: "",
        step: None,
        row: |n| {
            format!(
                r#"{{"email":"user{n}@corp.example","displayName":"User {n}","status":"active","manager":"user{}@corp.example","employeeId":"{n}"}}"#,
                n % 100
            )
        },
    },
    Case {
        connector: "scim",
        settings: r#"system = "portal""#,
        ending: "jsonl",
        head: "",
        step: Some("users"),
        row: |n| {
            format!(
                r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2819c223-0000-4000-8000-{n:012}","userName":"user{n}","displayName":"User {n}","active":true,"emails":[{{"value":"user{n}@corp.example","type":"work","primary":true}}],"roles":[{{"value":"role-{}"}}],"meta":{{"resourceType":"User"}}}}"#,
                n % 50
            )
        },
    },
    Case {
        connector: "okta",
        settings: "identities = true",
        ending: "jsonl",
        head: "",
        step: Some("users"),
        row: |n| {
            format!(
                r#"{{"id":"00u{n:017}","status":"ACTIVE","created":"2024-03-04T08:00:00.000Z","statusChanged":"2024-03-04T08:05:00.000Z","lastLogin":"2026-05-29T07:12:31.000Z","profile":{{"firstName":"User","lastName":"{n}","login":"user{n}@corp.example","email":"user{n}@corp.example","employeeNumber":"{n}","userType":"employee"}}}}"#
            )
        },
    },
];
