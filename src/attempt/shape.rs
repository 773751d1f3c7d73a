//! What can be seen of a query by its octets, without making a string of its name.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::Rtype;

use super::hashing;

/// Longest name in octets, with the root label: RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;
/// Labels that are taken for the zone: `example.com`.
pub const ZONE_LABELS: usize = 2;
/// Labels of a name at the most: each takes two octets.
const LABELS_MAX: usize = NAME_MAX / 2;
/// Labels of an address below `ip6.arpa`; one of IPv4 has fewer.
const REVERSE_LABELS_MAX: usize = 34;

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
    /// The same of all labels but the first, if these are more than the zone has. Windows that
    /// were stored without names do not have it.
    #[borsh(skip)]
    pub parent: Option<u64>,
    /// The address of a private network, asked for its name.
    pub is_private_reverse: bool,
    /// Capital letters in the name: a resolver makes them at random against forgeries
    /// (draft-vixie-dnsext-dns0x20).
    pub has_capitals: bool,
}

impl Shape {
    /// Of a message's octets from the question on; `None` if they hold no whole question.
    pub fn of(octets: &[u8]) -> Option<Self> {
        let labels = Labels::of(octets)?;
        let (name, behind) = octets.split_at_checked(labels.end)?;
        let rtype = behind.get(..2)?;
        let behind = behind.get(4..)?;
        let of_parent = labels.number.checked_sub(1).filter(|it| *it > ZONE_LABELS);
        let parent = of_parent.map(|number| folded_hash(labels.last(number)));
        Some(Self {
            rtype: Rtype::from_int(u16::from_be_bytes([rtype[0], rtype[1]])),
            has_edns: behind.starts_with(&OPT),
            room: room(behind),
            zone: folded_hash(labels.last(ZONE_LABELS)),
            parent,
            is_private_reverse: is_private_reverse(&labels),
            has_capitals: name.iter().any(u8::is_ascii_uppercase),
        })
    }
}

/// Of labels with their lengths, whatever their case.
fn folded_hash(labels: &[u8]) -> u64 {
    let mut folded = [0; NAME_MAX];
    let folded = &mut folded[..labels.len().min(NAME_MAX)];
    folded.copy_from_slice(&labels[..folded.len()]);
    // A length is below 64, where no letter is.
    folded.make_ascii_lowercase();
    hashing::hash(&*folded)
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

/// Where the labels of a name are, but for the root.
struct Labels<'a> {
    octets: &'a [u8],
    /// Where each begins, with its length.
    starts: [u8; LABELS_MAX],
    number: usize,
    /// Where the name ends.
    end: usize,
}

impl<'a> Labels<'a> {
    fn of(octets: &'a [u8]) -> Option<Self> {
        let mut own = Self {
            octets,
            starts: [0; LABELS_MAX],
            number: 0,
            end: 0,
        };
        loop {
            let len = usize::from(*octets.get(own.end)?);
            // The upper bits mark a compression pointer: RFC 1035 section 4.1.4.
            if len > 63 || own.end + len + 1 > NAME_MAX {
                return None;
            }
            if len == 0 {
                own.end += 1;
                return Some(own);
            }
            // Below NAME_MAX.
            *own.starts.get_mut(own.number)? = own.end as u8;
            own.number += 1;
            own.end += len + 1;
        }
    }

    /// So many of them from the end, with their lengths, or all.
    fn last(&self, number: usize) -> &'a [u8] {
        let first = self.number.saturating_sub(number);
        let start = self.starts[..self.number].get(first);
        let start = start.map_or(self.end - 1, |start| usize::from(*start));
        self.octets.get(start..self.end - 1).unwrap_or_default()
    }

    /// The label at this place from the end, from 1.
    fn backwards(&self, place: usize) -> Option<&'a [u8]> {
        let start = *self.starts.get(self.number.checked_sub(place)?)?;
        let (len, label) = self.octets.get(usize::from(start)..)?.split_first()?;
        label.get(..usize::from(*len))
    }
}

/// Zones that a resolver is to answer itself: RFC 6303 section 4, RFC 7793.
fn is_private_reverse(labels: &Labels<'_>) -> bool {
    if labels.number > REVERSE_LABELS_MAX {
        return false;
    }
    let is = |at: usize, text: &str| {
        let label = labels.backwards(at);
        label.is_some_and(|label| label.eq_ignore_ascii_case(text.as_bytes()))
    };
    let number = |at: usize| -> Option<u8> {
        std::str::from_utf8(labels.backwards(at)?)
            .ok()?
            .parse()
            .ok()
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
    fn the_parent_is_all_but_the_first_label_where_that_is_more_than_the_zone() {
        let parent = |name| shape(name, 1, &[]).parent;
        assert_eq!(parent("db1.int.example.com"), parent("Db2.INT.example.com"));
        assert_eq!(parent("db1.int.example.com").map(|_| ()), Some(()));
        assert_ne!(parent("db1.int.example.com"), parent("db1.ext.example.com"));
        for name in ["www.example.com", "example.com", "com", "", "."] {
            assert_eq!(parent(name), None, "{name}");
        }
    }

    #[test]
    fn capitals_are_seen_in_the_name_alone() {
        assert!(shape("wWw.test", 1, &[]).has_capitals);
        assert!(shape("www.tesT", 1, &[]).has_capitals);
        assert!(!shape("www.test", 65, b"ABC").has_capitals);
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
