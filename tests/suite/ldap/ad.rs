//! Active Directory, as far as a slapd with its attributes can stand for it: entries of its shape, asked for by the filters
//! and read by the types that its own would be, must give the same records as the same entries in a file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use serde_json::Value;

use super::slapd::{Plan, Slapd, skipped};
use super::{Pulled, bare, job};

/// Attributes and classes of Active Directory that the entries use and slapd does not have. Types as there, so that what is
/// bytes comes as bytes.
const SCHEMA: &str = "dn: cn=ad,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: ad
olcAttributeTypes: ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.771 NAME 'servicePrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
olcAttributeTypes: ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
olcAttributeTypes: ( 1.2.840.113556.1.4.35 NAME 'employeeID' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.782 NAME 'objectCategory' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.146 NAME 'objectSid' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.98 NAME 'primaryGroupID' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.1696 NAME 'lastLogonTimestamp' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.52 NAME 'lastLogon' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.169 NAME 'logonCount' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.750 NAME 'groupType' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.1784 NAME 'msDS-LogonTimeSyncInterval' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.2.2 NAME 'whenCreated' EQUALITY generalizedTimeMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.653 NAME 'managedBy' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 SINGLE-VALUE )
olcAttributeTypes: ( 1.2.840.113556.1.4.1708 NAME 'msDS-ReplValueMetaData' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
olcObjectClasses: ( 1.2.840.113556.1.5.9.9 NAME 'securityPrincipal' SUP top AUXILIARY MAY ( objectGUID $ objectSid $ objectCategory $ whenCreated $ sAMAccountName $ msDS-LogonTimeSyncInterval ) )
olcObjectClasses: ( 1.2.840.113556.1.5.9 NAME 'user' SUP organizationalPerson STRUCTURAL MAY ( userPrincipalName $ servicePrincipalName $ proxyAddresses $ employeeID $ displayName $ mail $ manager $ managedBy $ userAccountControl $ primaryGroupID $ accountExpires $ lastLogonTimestamp $ lastLogon $ logonCount ) )
olcObjectClasses: ( 1.2.840.113556.1.3.30 NAME 'computer' SUP user STRUCTURAL )
olcObjectClasses: ( 1.2.840.113556.1.5.282 NAME 'msDS-GroupManagedServiceAccount' SUP computer STRUCTURAL )
olcObjectClasses: ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL MUST ( cn $ groupType ) MAY ( member $ managedBy $ msDS-ReplValueMetaData ) )
olcObjectClasses: ( 1.2.840.113556.1.5.15 NAME 'contact' SUP organizationalPerson STRUCTURAL MAY mail )
olcObjectClasses: ( 1.2.840.113556.1.5.76 NAME 'foreignSecurityPrincipal' SUP top STRUCTURAL MUST cn )
olcObjectClasses: ( 1.2.840.113556.1.5.67 NAME 'domainDNS' SUP domain STRUCTURAL )
olcObjectClasses: ( 1.2.840.113556.1.3.23 NAME 'container' SUP top STRUCTURAL MUST cn )

";

/// A file of entries, as LDIF that a slapd with [`SCHEMA`] takes.
fn ldif(entries: &[Value]) -> String {
    let mut text = String::new();
    for name in [
        "OU=Staff",
        "CN=Users",
        "CN=Computers",
        "CN=Builtin",
        "CN=ForeignSecurityPrincipals",
        "CN=Managed Service Accounts",
    ] {
        let class = if name.starts_with("OU") { "organizationalUnit" } else { "container" };
        let _ = write!(text, "dn: {name},DC=corp,DC=example\nobjectClass: {class}\n\n");
    }
    let encoded = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut whole = String::new();
    for (index, entry) in entries.iter().enumerate() {
        let _ = writeln!(whole, "dn: {}", entry["dn"].as_str().unwrap());
        let attributes = entry["attributes"].as_object().unwrap();
        for (name, values) in attributes {
            for value in values.as_array().unwrap() {
                let value = value.as_str().unwrap();
                let bytes = if name == "objectGUID" || name == "objectSid" {
                    (0..value.len())
                        .step_by(2)
                        .map(|at| u8::from_str_radix(&value[at..at + 2], 16).unwrap())
                        .collect()
                } else {
                    value.as_bytes().to_vec()
                };
                let _ = writeln!(whole, "{name}:: {}", encoded(&bytes));
            }
        }
        let classes = &attributes["objectClass"];
        let is = |class: &str| classes.as_array().unwrap().iter().any(|c| c == class);
        let _ = writeln!(whole, "objectClass: securityPrincipal");
        if is("domainDNS") {
            let _ = writeln!(whole, "dc: corp");
        }
        if is("person") {
            let _ = writeln!(whole, "sn: -");
        }
        let category = match () {
            () if is("msDS-GroupManagedServiceAccount") => "msDS-GroupManagedServiceAccount",
            () if is("computer") => "computer",
            () if is("person") => "person",
            () if is("group") => "group",
            () => "other",
        };
        let _ = write!(whole, "objectCategory: {category}\n\n");
        if index == 0 {
            whole.push_str(&text);
        }
    }
    whole
}

/// Without what slapd writes otherwise in a DN.
fn loose(texts: BTreeSet<String>) -> BTreeSet<String> {
    let same = [("CN=", "cn="), ("OU=", "ou="), ("DC=", "dc="), ("\\\\2C", "\\\\,")];
    texts.into_iter().map(|text| same.iter().fold(text, |text, (a, b)| text.replace(a, b))).collect()
}

#[test]
fn entries_of_its_shape_mean_the_same_from_the_directory_and_from_a_file() {
    if skipped() {
        return;
    }
    let exported: Value =
        serde_json::from_str(include_str!("../../../connectors/ldap/fixtures/active-directory/entries.json"))
            .unwrap();
    let expected: Vec<Value> =
        include_str!("../../../connectors/ldap/fixtures/active-directory/expected.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
    let entries = ldif(exported["entries"].as_array().unwrap());
    let server = Slapd::start(&Plan { schema: SCHEMA, entries: &entries, ..Plan::default() });
    for page_size in [3, 1000] {
        let config = server.config(
            &format!("page_size = {page_size}"),
            "schema = \"active-directory\"\nnetbios_domain = \"CORP\"\n",
        );
        let pulled = Pulled::of(&job(server.dir(), &config)).unwrap();
        for kind in ["system", "identity", "entitlement", "grant", "usage"] {
            assert_eq!(loose(pulled.bare(kind)), loose(bare(expected.iter(), kind)), "page_size {page_size}");
        }
        let wanted = expected.last().unwrap()["reason"].as_str().unwrap().to_owned();
        assert_eq!(loose(BTreeSet::from([pulled.reasons()])), loose(BTreeSet::from([wanted])));
    }
}
