//! How a directory is reached: addresses, TLS, certificates.

use super::live::SETTINGS;
use super::slapd::{Plan, Slapd, skipped};
use super::{Pulled, job};

#[test]
fn tls_is_agreed_on_from_the_start_or_on_the_way() {
    if skipped() {
        return;
    }
    let server = Slapd::start(&Plan::default());
    let (plain, secure) =
        (format!("ldap://localhost:{}", server.port), format!("ldaps://localhost:{}", server.tls_port));
    let pull = |url: &str, ldap: &str| Pulled::of(&job(server.dir(), &server.config_at(url, ldap, SETTINGS)));
    let external = "certificate_file = \"client.pem\"\nkey = \"file:client.key\"\nbind = \"external\"";
    for (url, ldap) in [
        (&secure, "ca_file = \"ca.pem\"".to_owned()),
        (&plain, "ca_file = \"ca.pem\"\nstart_tls = true".to_owned()),
        (&secure, format!("ca_file = \"ca.pem\"\n{external}")),
        (&plain, format!("ca_file = \"ca.pem\"\nstart_tls = true\n{external}")),
    ] {
        let pulled = pull(url, &ldap).unwrap_or_else(|e| panic!("{url} {ldap}: {e}"));
        assert_eq!(
            (pulled.reasons().as_str(), pulled.grants().contains("alice ops")),
            ("", true),
            "{url} {ldap}"
        );
    }
    // The certificate is another's, of nobody we trust, or for another name; or none is shown where one is wanted.
    let numbered = format!("ldaps://127.0.0.1:{}", server.tls_port);
    for (url, ldap, part) in [
        (&secure, "ca_file = \"other-ca.pem\"", "name it in `ca_file`"),
        (&secure, "", "name it in `ca_file`"),
        (&plain, "ca_file = \"other-ca.pem\"\nstart_tls = true", "cannot agree on TLS"),
        (&numbered, "ca_file = \"ca.pem\"", "cannot agree on TLS"),
        (&secure, "ca_file = \"ca.pem\"\nserver_name = \"ldap.corp.example\"", "cannot agree on TLS"),
        (&secure, "ca_file = \"none.pem\"", "ca_file: "),
        (&secure, "ca_file = \"ca.pem\"\nstart_tls = true", "`start_tls`: ldaps:// is TLS from the start"),
        (&plain, "ca_file = \"ca.pem\"", "use ldaps:// or `start_tls = true`"),
        (&plain, "ca_file = \"ca.pem\"\nallow_plain = true", "`ca_file` says nothing without TLS"),
        (&secure, "bind = \"external\"", "needs `certificate_file` and `key`"),
        (&secure, "page_size = 0", "`page_size` is 0: expected 1 to 10000"),
    ] {
        let said = pull(url, ldap).err().unwrap_or_else(|| panic!("{url} {ldap} worked"));
        assert!(said.contains(part), "{url} {ldap}: {said}");
    }
    // The name in the certificate counts, and not the one in the address.
    let named = pull(&numbered, "ca_file = \"ca.pem\"\nserver_name = \"localhost\"").unwrap();
    assert_eq!(named.reasons(), "");
}

#[test]
fn only_addresses_that_are_meant_are_gone_to() {
    let dir = tempfile::tempdir().unwrap();
    let config = |url: &str, more: &str| {
        format!(
            "[[source]]\nid = \"s\"\nconnector = \"ldap\"\n[source.ldap]\nurl = \"{url}\"\nbind = \"none\"\nallow_plain = true\n{more}\n[source.settings]\nschema = \"openldap\"\nbase = [\"dc=x\"]\n"
        )
    };
    for (url, more, part) in [
        ("ldap://127.0.0.1:389", "", "127.0.0.1 is a private address; `allow_private = true`"),
        ("ldap://localhost:389", "", "private address"),
        ("ldap://169.254.169.254:80", "allow_private = true", "link-local or metadata address"),
        ("ldap://nowhere.invalid", "", "`nowhere.invalid` cannot be found"),
        ("ldap://127.0.0.1:1", "allow_private = true", "cannot connect to 127.0.0.1:1"),
        ("https://corp.example", "", "`url`: expected ldaps://HOST"),
    ] {
        let said = Pulled::of(&job(dir.path(), &config(url, more))).unwrap_err();
        assert!(said.contains(part), "{url}: {said}");
    }
}
