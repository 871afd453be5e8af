//! Which addresses this program may talk to. Whoever may write the configuration, or answer for a name in DNS, could
//! otherwise have Counterfoil knock on doors that only this machine can reach: the metadata service of a cloud, which
//! hands out keys, or a service that trusts whoever is in the same network.
//!
//! A name is resolved once, and the connection goes to the very address that was looked at: a name that answers
//! differently the second time gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    /// On the internet.
    Public,
    /// On this machine, or in a network of its own.
    Private,
    /// Where neither a source nor a receiver is: link-local, metadata services, groups.
    Forbidden,
}

fn zone(address: IpAddr) -> Zone {
    match address.to_canonical() {
        IpAddr::V4(v4) => zone_v4(v4),
        IpAddr::V6(v6) => zone_v6(v6),
    }
}

fn zone_v4(v4: Ipv4Addr) -> Zone {
    let [a, b, c, _] = v4.octets();
    // 192.0.0.192 is the metadata service of Oracle, 100.100.100.200 that of Alibaba, 168.63.129.16 Azure's own.
    let metadata = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)].contains(&v4);
    if a == 0 || v4.is_link_local() || v4.is_multicast() || a >= 240 || (a, b, c) == (192, 0, 0) || metadata {
        Zone::Forbidden
    } else if v4.is_private()
        || v4.is_loopback()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18)
    {
        Zone::Private
    } else {
        Zone::Public
    }
}

fn zone_v6(v6: Ipv6Addr) -> Zone {
    let [a, b, c, d, .., y, z] = v6.segments();
    // The metadata services of AWS and Google.
    let metadata = [
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    ];
    if v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local() || metadata.contains(&v6) {
        Zone::Forbidden
    } else if (a, b) == (0x64, 0xff9b) {
        // An IPv4 address behind NAT64: what it leads to is what counts.
        let [y1, y2] = y.to_be_bytes();
        let [z1, z2] = z.to_be_bytes();
        if (c, d) == (0, 0) { zone_v4(Ipv4Addr::new(y1, y2, z1, z2)) } else { Zone::Forbidden }
    } else if a == 0x2002 {
        // The same of 6to4.
        let ([b1, b2], [c1, c2]) = (b.to_be_bytes(), c.to_be_bytes());
        zone_v4(Ipv4Addr::new(b1, b2, c1, c2))
    } else if v6.is_loopback() || v6.is_unique_local() || a == 0 {
        Zone::Private
    } else {
        Zone::Public
    }
}

/// Whether a connection to this address may be opened.
///
/// # Errors
/// Says what the address is, and what would allow it.
pub fn check(address: IpAddr, allow_private: bool) -> Result<(), String> {
    match zone(address) {
        Zone::Public => Ok(()),
        Zone::Private if allow_private => Ok(()),
        Zone::Private => {
            Err(format!("{address} is a private address; `allow_private = true` says that it is meant"))
        }
        Zone::Forbidden => Err(format!(
            "{address} is a link-local or metadata address, which nothing may be asked or told whatever the settings"
        )),
    }
}

/// Resolves names by the system, and hands out only addresses that pass.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Whether the address may be on this machine or in a private network.
    pub allow_private: bool,
}

impl Guard {
    /// The addresses of a name, as far as a connection to them may be opened.
    pub async fn addresses(self, name: String) -> Result<Vec<SocketAddr>, String> {
        // Port 0 stands for that of the URL.
        let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|e| e.to_string())?;
        let mut denied = "it has no address".to_owned();
        let mut allowed = Vec::new();
        for address in found {
            match check(address.ip(), self.allow_private) {
                Ok(()) => allowed.push(address),
                Err(why) => denied = why,
            }
        }
        if allowed.is_empty() { Err(denied) } else { Ok(allowed) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str().to_owned()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_forbidden_address_is_seen() {
        for (text, expected) in [
            ("8.8.8.8", Zone::Public),
            ("172.32.0.1", Zone::Public),
            ("100.128.0.1", Zone::Public),
            ("2606:4700::1111", Zone::Public),
            ("64:ff9b::808:808", Zone::Public),
            ("10.0.0.1", Zone::Private),
            ("172.31.255.255", Zone::Private),
            ("192.168.1.1", Zone::Private),
            ("127.0.0.53", Zone::Private),
            ("100.64.0.1", Zone::Private),
            ("::1", Zone::Private),
            ("::7f00:1", Zone::Private),
            ("::ffff:10.0.0.1", Zone::Private),
            ("64:ff9b::a00:1", Zone::Private),
            ("fd12::1", Zone::Private),
            ("169.254.169.254", Zone::Forbidden),
            ("::ffff:169.254.169.254", Zone::Forbidden),
            ("64:ff9b::a9fe:a9fe", Zone::Forbidden),
            ("2002:a9fe:a9fe::1", Zone::Forbidden),
            ("2002:a00:1::1", Zone::Private),
            ("64:ff9b:1::a9fe:a9fe", Zone::Forbidden),
            ("fe80::1", Zone::Forbidden),
            ("febf::1", Zone::Forbidden),
            ("fd00:ec2::254", Zone::Forbidden),
            ("fd20:ce::254", Zone::Forbidden),
            ("100.100.100.200", Zone::Forbidden),
            ("192.0.0.192", Zone::Forbidden),
            ("168.63.129.16", Zone::Forbidden),
            ("0.0.0.0", Zone::Forbidden),
            ("255.255.255.255", Zone::Forbidden),
            ("224.0.0.1", Zone::Forbidden),
            ("::", Zone::Forbidden),
            ("ff02::1", Zone::Forbidden),
        ] {
            assert_eq!(zone(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_resolved_unless_that_is_meant() {
        let why = Guard { allow_private: false }.addresses("localhost".to_owned()).await.unwrap_err();
        assert!(why.contains("private address") && why.contains("allow_private"), "{why}");
        let found = Guard { allow_private: true }.addresses("localhost".to_owned()).await.unwrap();
        assert!(found.iter().all(|a| a.ip().is_loopback()) && !found.is_empty(), "{found:?}");
    }
}
