//! What an answer's header says.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::OptRcode;

/// The header of an answer, as far as it is of use.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Response code with the upper bits of EDNS (RFC 6891 section 6.1.3).
    #[borsh(
        serialize_with = "crate::codec::rcode::write",
        deserialize_with = "crate::codec::rcode::read"
    )]
    pub rcode: OptRcode,
    /// The TC bit.
    pub truncated: bool,
    /// ANCOUNT.
    pub answers: u16,
    /// Size of the DNS message in bytes, without a TCP length prefix.
    pub bytes: u16,
    /// The other bits.
    pub bits: HeaderBits,
    /// Extended DNS Error (RFC 8914), where an answer without records carries one.
    pub extended_error: Option<u16>,
}

/// Bits of the header that say what kind of server answers: RFC 1035 section 4.1.1.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderBits {
    /// AA: the server has the zone itself.
    pub authoritative: bool,
    /// RD: the client wanted the server to ask further. Servers copy it from the query.
    pub recursion_desired: bool,
    /// RA: the server would do so.
    pub recursion_available: bool,
    /// CD: the client wanted no DNSSEC checks (RFC 4035 section 3.2.2). Servers copy it.
    pub checking_disabled: bool,
    /// The opcode is another one than QUERY: NOTIFY, UPDATE, …
    pub is_no_query: bool,
}

impl Answer {
    /// Every response code but NOERROR and NXDOMAIN. Those of UPDATE say whether its
    /// conditions held (RFC 2136 section 2.2), and are answers.
    pub fn is_error(&self) -> bool {
        match self.rcode {
            OptRcode::NOERROR | OptRcode::NXDOMAIN => false,
            OptRcode::YXDOMAIN | OptRcode::YXRRSET | OptRcode::NXRRSET => !self.bits.is_no_query,
            _ => true,
        }
    }

    /// An answer of a server that does not ask further, and does not know itself: NOERROR
    /// without a record, neither AA nor RA, to a client that wanted recursion. A stub can
    /// do nothing with it (RFC 1034 section 5.3.1). Who asks the zones' own servers
    /// itself does not set RD, and goes on with what such an answer says of others.
    pub fn is_referral(&self) -> bool {
        self.rcode == OptRcode::NOERROR
            && self.answers == 0
            && !self.truncated
            && self.bits.recursion_desired
            && !self.bits.recursion_available
            && !self.bits.authoritative
            && !self.bits.is_no_query
    }

    /// NOERROR without a record: the name has none of this type.
    pub fn is_no_data(&self) -> bool {
        self.rcode == OptRcode::NOERROR && self.answers == 0 && !self.truncated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rcode: u16) -> Answer {
        Answer {
            rcode: OptRcode::masked_from_int(rcode),
            truncated: false,
            answers: 0,
            bytes: 40,
            bits: HeaderBits::default(),
            extended_error: None,
        }
    }

    #[test]
    fn every_code_but_two_is_an_error() {
        let errors: Vec<_> = (0..=4_095).filter(|&it| answer(it).is_error()).collect();
        let expected: Vec<_> = (1..=4_095).filter(|&it| it != 3).collect();
        assert_eq!(errors, expected);
        // What an update is told.
        for rcode in 6..=8 {
            let mut update = answer(rcode);
            update.bits.is_no_query = true;
            assert!(!update.is_error(), "{rcode}");
        }
    }

    #[test]
    fn a_referral_to_a_stub_is_no_answer() {
        let mut it = answer(0);
        it.bits.recursion_desired = true;
        assert!(it.is_referral());
        let no_longer: [fn(&mut Answer); 7] = [
            |it| it.bits.recursion_available = true,
            |it| it.bits.authoritative = true,
            |it| it.bits.recursion_desired = false,
            |it| it.bits.is_no_query = true,
            |it| it.truncated = true,
            |it| it.answers = 1,
            |it| it.rcode = OptRcode::NXDOMAIN,
        ];
        for change in no_longer {
            let mut changed = it;
            change(&mut changed);
            assert!(!changed.is_referral(), "{changed:?}");
        }
    }
}
