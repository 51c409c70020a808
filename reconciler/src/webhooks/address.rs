//! Which addresses webhooks are sent to: whoever may name an endpoint is not to reach, through the service, what only the
//! service can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Anybody has it, on the internet.
    Public,
    /// This machine or one's own network.
    Private,
    /// No endpoint is there: a network that is only this link, groups, what is written about but not used, and where clouds
    /// tell a machine its secrets.
    Never,
}

impl Reach {
    /// Where an address leads. What stands for another one (mapped, translated, 6to4) leads where that one does.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// Whether messages are sent there.
    pub fn is_admitted(self, allow_private: bool) -> bool {
        self == Self::Public || self == Self::Private && allow_private
    }
}

/// Networks of IPv4 that are not public (RFC 6890 and the IANA registry), the first that holds an address.
const V4: [(Ipv4Addr, u32, Reach); 18] = [
    (Ipv4Addr::UNSPECIFIED, 8, Reach::Never),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private),
    // Where clouds tell a machine its secrets.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Reach::Never),
    (Ipv4Addr::new(100, 100, 100, 200), 32, Reach::Never),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Private),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Never),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 31, 196, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Never),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Never),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Never),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Never),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reach::Never),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reach::Never),
];

fn of_v4(address: Ipv4Addr) -> Reach {
    let holds = |(network, bits, _): &&(Ipv4Addr, u32, Reach)| {
        (address.to_bits() ^ network.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
    };
    V4.iter().find(holds).map_or(Reach::Public, |(_, _, reach)| *reach)
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let v4 = |high: u16, low: u16| of_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => return v4(high, low),
        // Where clouds tell a machine its secrets.
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => return Reach::Never,
        _ => {}
    }
    if address.is_loopback() || address.is_unique_local() {
        return Reach::Private;
    }
    // Of all that is left only 2000::/3 is given out, and of that not what is for protocols and for documents.
    let [first, second, ..] = segments;
    let is_special =
        first == 0x2001 && (second < 0x200 || second == 0xdb8) || first == 0x3fff && second < 0x1000;
    if first >> 13 == 1 && !is_special { Reach::Public } else { Reach::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all(addresses: &[&str], reach: Reach) {
        for address in addresses {
            assert_eq!(Reach::of(address.parse().expect("an address")), reach, "{address}");
        }
    }

    #[test]
    fn what_anybody_has_is_public() {
        all(&["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"], Reach::Public);
        all(
            &["172.15.255.255", "172.32.0.0", "192.167.255.255", "192.0.1.0", "223.255.255.255"],
            Reach::Public,
        );
        all(&["2606:4700:4700::1111", "2001:200::1", "2a00::", "3fff:1000::1"], Reach::Public);
        all(&["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"], Reach::Public);
    }

    #[test]
    fn this_machine_and_one_s_own_network_are_private() {
        all(&["127.0.0.1", "127.255.255.255", "10.0.0.0", "10.255.255.255", "172.16.0.1"], Reach::Private);
        all(&["172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"], Reach::Private);
        all(&["::1", "fc00::1", "fdff:ffff::1"], Reach::Private);
    }

    #[test]
    fn no_other_form_of_a_private_address_is_public() {
        all(&["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"], Reach::Private);
        all(&["::ffff:10.0.0.1", "64:ff9b::192.168.1.1", "2002:c0a8:101::1"], Reach::Private);
        all(&["::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::"], Reach::Never);
        all(&["::127.0.0.1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::"], Reach::Never);
    }

    #[test]
    fn some_are_never_an_endpoint() {
        all(
            &["0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16"],
            Reach::Never,
        );
        all(&["192.0.0.192", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.19.0.1"], Reach::Never);
        all(&["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"], Reach::Never);
        all(
            &[
                "::",
                "fe80::1",
                "fec0::1",
                "ff02::1",
                "2001:db8::1",
                "3fff:fff::1",
                "fd00:ec2::254",
                "fd20:ce::254",
            ],
            Reach::Never,
        );
        all(&["100::1", "4000::1", "2001:10::1", "2001:20::1"], Reach::Never);
        assert!(!Reach::Never.is_admitted(true) && !Reach::Private.is_admitted(false));
        assert!(Reach::Private.is_admitted(true) && Reach::Public.is_admitted(false));
    }
}
