//! The identity of a question, without making a string of it.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::Rtype;

use super::hashing;

/// Longest name in octets, with the root label: RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;
/// Longer than nearly all names.
const SHORT: usize = 48;

/// A question's name, whatever its case, and its type.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub struct Fingerprint {
    /// A hash of the name, see [`hashing`].
    pub name: u64,
    /// The type.
    #[borsh(
        serialize_with = "crate::codec::rtype::write",
        deserialize_with = "crate::codec::rtype::read"
    )]
    pub rtype: Rtype,
}

impl Fingerprint {
    /// Of the octets of a question; `None` if they hold no whole one. Servers may change the
    /// case of a name, and so may clients on purpose: RFC 4343, draft-vixie-dnsext-dns0x20.
    pub fn of(octets: &[u8]) -> Option<Self> {
        Self::with_case(octets).map(|(own, _)| own)
    }

    /// … and whether the name has capital letters.
    pub fn with_case(octets: &[u8]) -> Option<(Self, bool)> {
        let mut end = 0;
        loop {
            let len = usize::from(*octets.get(end)?);
            // The upper bits mark a compression pointer, which has nothing to point
            // to here: RFC 1035 section 4.1.4.
            if len > 63 || end + len + 1 > NAME_MAX {
                return None;
            }
            end += len + 1;
            if len == 0 {
                break;
            }
        }
        let name = octets.get(..end)?;
        let rtype = octets.get(end..end + 2)?;
        // Most names are short, and a buffer is filled with zeros first.
        let (mut short, mut long);
        let folded: &mut [u8] = match end <= SHORT {
            true => {
                short = [0; SHORT];
                &mut short
            }
            false => {
                long = [0; NAME_MAX];
                &mut long
            }
        };
        let folded = folded.get_mut(..end)?;
        folded.copy_from_slice(name);
        // A length is below 64, where no letter is.
        folded.make_ascii_lowercase();
        let own = Self {
            name: hashing::hash(&*folded),
            rtype: Rtype::from_int(u16::from_be_bytes([rtype[0], rtype[1]])),
        };
        Some((own, folded != name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &[u8], rtype: u8) -> Vec<u8> {
        [name, &[0, rtype, 0, 1]].concat()
    }

    #[test]
    fn case_does_not_matter_and_type_stands_apart() {
        let a = Fingerprint::of(&question(b"\x03WwW\x02de\0", 1)).unwrap();
        let b = Fingerprint::of(&question(b"\x03www\x02DE\0", 28)).unwrap();
        assert_eq!(a.name, b.name);
        assert_eq!((a.rtype, b.rtype), (Rtype::A, Rtype::AAAA));
        // The same letters in other labels are another name.
        let c = Fingerprint::of(&question(b"\x02ww\x03wde\0", 1)).unwrap();
        assert_ne!(a.name, c.name);
    }

    #[test]
    fn capitals_are_those_of_the_name() {
        let has = |name, rtype| Fingerprint::with_case(&question(name, rtype)).unwrap().1;
        assert!(has(b"\x03wWw\x02de\0", 1) && has(b"\x03www\x02dE\0", 1));
        // 65 octets are no label, and type 65 is no letter.
        assert!(!has(b"\x03w-1\x02de\0", 65) && !has(b"\0", 65));
    }

    #[test]
    fn what_is_cut_or_points_elsewhere_has_none() {
        for octets in [&b""[..], b"\x03ww", b"\xc0\x0c\0\x01\0\x01", b"\0", b"\0\0"] {
            assert_eq!(Fingerprint::of(octets), None, "{octets:?}");
        }
        let long = [&b"\x3f"[..], &[b'x'; 63]].concat().repeat(5);
        assert_eq!(
            Fingerprint::of(&question(&[&long[..], b"\0"].concat(), 1)),
            None
        );
    }
}
