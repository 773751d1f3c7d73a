//! What can be seen of a query by its octets, without making a string of its name.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::Rtype;

use super::hashing;

/// Longest name in octets, with the root label: RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;
/// Labels that are taken for the zone: `example.com`.
pub const ZONE_LABELS: usize = 2;
/// Labels of an address below `in-addr.arpa`, and as many of the other kind.
const LABELS_MAX: usize = 34;

/// By which queries are told apart that go to the same server.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The type.
    #[borsh(
        serialize_with = "crate::codec::rtype::write",
        deserialize_with = "crate::codec::rtype::read"
    )]
    pub rtype: Rtype,
    /// An OPT record follows the question (RFC 6891 section 6.1.1).
    pub has_edns: bool,
    /// So many octets of an answer there is room for over UDP: 512 without EDNS (RFC 1035
    /// section 4.2.1), else what the OPT record says, 512 at least (RFC 6891 section 6.2.3).
    pub room: u16,
    /// A hash of the name's last labels, see [`hashing`].
    pub zone: u64,
    /// The address of a private network, asked for its name.
    pub is_private_reverse: bool,
}

impl Shape {
    /// Of a message's octets from the question on; `None` if they hold no whole question.
    pub fn of(octets: &[u8]) -> Option<Self> {
        let (labels, end) = labels(octets)?;
        let rtype = octets.get(end..end + 2)?;
        let behind = octets.get(end + 4..)?;
        let zone_at = labels.len().saturating_sub(ZONE_LABELS);
        let zone: Vec<u8> = labels[zone_at..]
            .iter()
            .flat_map(|label| [&[label.len() as u8], *label].concat())
            .map(|octet| octet.to_ascii_lowercase())
            .collect();
        Some(Self {
            rtype: Rtype::from_int(u16::from_be_bytes([rtype[0], rtype[1]])),
            has_edns: behind.starts_with(&OPT),
            room: room(behind),
            zone: hashing::hash(zone),
            is_private_reverse: is_private_reverse(&labels),
        })
    }
}

/// What a client takes over UDP that says nothing of it.
const ROOM_MIN: u16 = 512;
/// How an OPT record begins: the root's name, and its type.
const OPT: [u8; 3] = [0, 0, 41];

fn room(behind: &[u8]) -> u16 {
    match behind.strip_prefix(&OPT) {
        Some([high, low, ..]) => u16::from_be_bytes([*high, *low]).max(ROOM_MIN),
        _ => ROOM_MIN,
    }
}

/// The labels, but for the root, and where they end.
fn labels(octets: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let mut labels = Vec::with_capacity(8);
    let mut at = 0;
    loop {
        let len = usize::from(*octets.get(at)?);
        // The upper bits mark a compression pointer: RFC 1035 section 4.1.4.
        if len > 63 || at + len + 1 > NAME_MAX {
            return None;
        }
        at += 1 + len;
        if len == 0 {
            return Some((labels, at));
        }
        labels.push(octets.get(at - len..at)?);
    }
}

/// Zones that a resolver is to answer itself: RFC 6303 section 4, RFC 7793.
fn is_private_reverse(labels: &[&[u8]]) -> bool {
    if labels.len() > LABELS_MAX {
        return false;
    }
    let is = |at: usize, text: &str| {
        let label = labels.len().checked_sub(at).and_then(|at| labels.get(at));
        label.is_some_and(|label| label.eq_ignore_ascii_case(text.as_bytes()))
    };
    let number = |at: usize| -> Option<u8> {
        let label = labels.get(labels.len().checked_sub(at)?)?;
        std::str::from_utf8(label).ok()?.parse().ok()
    };
    if is(1, "arpa") && is(2, "in-addr") {
        return match (number(3), number(4)) {
            (Some(10 | 127), _) | (Some(192), Some(168)) | (Some(169), Some(254)) => true,
            (Some(172), Some(second)) => (16..=31).contains(&second),
            (Some(100), Some(second)) => (64..=127).contains(&second),
            _ => false,
        };
    }
    // fc00::/7 and fe80::/10.
    let is_any = |at, digits: &[&str]| digits.iter().any(|digit| is(at, digit));
    is(1, "arpa")
        && is(2, "ip6")
        && is(3, "f")
        && (is_any(4, &["c", "d"]) || (is(4, "e") && is_any(5, &["8", "9", "a", "b"])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(name: &str, rtype: u16, behind: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            octets.push(label.len() as u8);
            octets.extend(label.as_bytes());
        }
        octets.push(0);
        octets.extend(rtype.to_be_bytes());
        octets.extend([0, 1]);
        octets.extend(behind);
        octets
    }

    fn shape(name: &str, rtype: u16, behind: &[u8]) -> Shape {
        Shape::of(&octets(name, rtype, behind)).expect("a question")
    }

    #[test]
    fn edns_is_seen_behind_the_question() {
        let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        assert!(shape("www.test", 1, &opt).has_edns);
        assert!(!shape("www.test", 1, &[]).has_edns);
        // A record of TSIG, by name and type.
        assert!(!shape("www.test", 1, &[3, b'k', b'e', b'y', 0, 0, 250]).has_edns);
    }

    #[test]
    fn the_room_is_what_the_opt_record_says() {
        let room = |behind: &[u8]| shape("www.test", 1, behind).room;
        assert_eq!(room(&[]), 512);
        assert_eq!(room(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]), 1_232);
        assert_eq!(room(&[0, 0, 41, 0, 100, 0, 0, 0, 0, 0, 0]), 512);
        // A copy that ends within it, and another record.
        assert_eq!(room(&[0, 0, 41, 4]), 512);
        assert_eq!(room(&[0, 0, 42, 4, 208, 0]), 512);
    }

    #[test]
    fn the_zone_is_the_last_labels_whatever_their_case() {
        let zone = |name| shape(name, 1, &[]).zone;
        assert_eq!(zone("a.Example.com"), zone("b.c.example.COM"));
        assert_ne!(zone("a.example.com"), zone("a.example.org"));
        assert_ne!(zone("ab.c"), zone("a.bc"));
        assert_eq!(zone(""), zone("."));
    }

    #[test]
    fn private_networks_asked_backwards_are_known() {
        let private = [
            "1.33.30.172.in-addr.arpa",
            "4.3.2.10.IN-ADDR.ARPA",
            "5.0.168.192.in-addr.arpa",
            "9.9.254.169.in-addr.arpa",
            "1.0.64.100.in-addr.arpa",
            "1.0.0.127.in-addr.arpa",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa",
        ];
        for name in private {
            assert!(shape(name, 12, &[]).is_private_reverse, "{name}");
        }
        let public = [
            "8.8.8.8.in-addr.arpa",
            "1.0.32.172.in-addr.arpa",
            "1.0.15.172.in-addr.arpa",
            "1.0.63.100.in-addr.arpa",
            "1.0.0.192.in-addr.arpa",
            "8.b.d.0.1.0.0.2.ip6.arpa",
            "10.in-addr.arpa.example.com",
            "in-addr.arpa",
            "arpa",
            "",
            "x.10x.in-addr.arpa",
        ];
        for name in public {
            assert!(!shape(name, 12, &[]).is_private_reverse, "{name}");
        }
    }

    #[test]
    fn what_is_cut_has_none() {
        let whole = octets("www.test", 1, &[]);
        for len in 0..whole.len() {
            assert_eq!(Shape::of(&whole[..len]), None, "{len}");
        }
        assert_eq!(Shape::of(b"\xc0\x0c\0\x01\0\x01"), None);
    }
}
