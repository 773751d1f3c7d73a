//! What the faulty server does to which query.

use std::net::SocketAddr;
use std::time::Duration;

use domain::base::Message;
use domain::base::MessageBuilder;
use domain::base::iana::ExtendedErrorCode;
use domain::base::iana::Rcode;
use domain::base::iana::Rtype;
use domain::base::message_builder::PushError;
use domain::base::name::Label;
use domain::base::name::ToLabelIter as _;
use domain::base::opt::ExtendedError;
use domain::base::record::Ttl;
use domain::rdata::Txt;
use serde::Deserialize;
use serde::Serialize;

use crate::testbed::server::answer;

/// The group of names that faults apply to.
const GROUP: &[u8] = b"bad";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Of {
    /// All.
    Any,
    /// AAAA alone.
    Aaaa,
    /// All with EDNS, whatever their group.
    Edns,
    /// All with capital letters in the name, whatever their group.
    Capitals,
    /// All of this type, whatever their group.
    Type(u16),
    /// All over TCP, whatever their group.
    OverTcp,
    /// Addresses asked for their names.
    Reverse,
    /// All, of names with more labels than this (without the root), whatever
    /// their group.
    Longer(usize),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Does {
    /// Nothing: no answer ever.
    Silence,
    /// An answer after this time.
    Delay(Duration),
    /// An answer without records and with this response code.
    Rcode(u8),
    /// SERVFAIL with this Extended DNS Error (RFC 8914).
    Because(u16),
    /// NOERROR without a record, RA and AA: the server has another zone, and does not ask
    /// further.
    Referral,
    /// Over UDP a truncated answer; all of it over TCP.
    Truncate,
    /// An answer of this size, at least nearly, with the DF bit: fragments would
    /// pass where it does not.
    Big(u16),
    /// An answer to another question.
    OtherName,
    /// An answer from this address, which is not the one that was asked.
    From(SocketAddr),
}

impl Of {
    /// Whether the query is one of them.
    pub(crate) fn fits(self, query: &[u8], over_tcp: bool) -> bool {
        let Ok(query) = Message::from_slice(query) else {
            return false;
        };
        let Some(question) = query.first_question() else {
            return false;
        };
        // qN.GROUP.ZONE
        let mut labels = question.qname().iter_labels();
        let group = labels.nth(1).map_or(&[][..], Label::as_slice);
        let is_bad = group.eq_ignore_ascii_case(GROUP);
        match self {
            Self::Any => is_bad,
            Self::Aaaa => is_bad && question.qtype() == Rtype::AAAA,
            Self::Edns => query.opt().is_some(),
            Self::Capitals => {
                let mut labels = question.qname().iter_labels();
                labels.any(|label| label.as_slice().iter().any(u8::is_ascii_uppercase))
            }
            Self::Type(rtype) => question.qtype().to_int() == rtype,
            Self::OverTcp => over_tcp,
            Self::Reverse => question.qtype() == Rtype::PTR,
            Self::Longer(labels) => question.qname().iter_labels().count() > labels + 1,
        }
    }
}

impl Does {
    /// What it answers; `None` where it does not.
    pub(super) fn answer(self, query: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        match self {
            Self::Silence => None,
            Self::Rcode(rcode) => empty(query, Rcode::masked_from_int(rcode), false),
            Self::Because(code) => with_reason(query, code),
            Self::Referral => empty(query, Rcode::NOERROR, false).map(without_recursion),
            Self::Truncate if !over_tcp => empty(query, Rcode::NOERROR, true),
            Self::Big(size) => padded(query, size),
            Self::OtherName => answer(query).map(renamed),
            Self::Truncate | Self::Delay(_) | Self::From(_) => answer(query),
        }
    }
}

fn empty(query: &[u8], rcode: Rcode, truncated: bool) -> Option<Vec<u8>> {
    let query = Message::from_slice(query).ok()?;
    let answer = MessageBuilder::new_vec().start_answer(query, rcode);
    let mut answer = answer.ok()?;
    answer.header_mut().set_ra(true);
    answer.header_mut().set_tc(truncated);
    Some(answer.finish())
}

/// SERVFAIL and why, in an OPT record right behind the question.
fn with_reason(query: &[u8], code: u16) -> Option<Vec<u8>> {
    let query = Message::from_slice(query).ok()?;
    let answer = MessageBuilder::new_vec().start_answer(query, Rcode::SERVFAIL);
    let mut answer = answer.ok()?;
    answer.header_mut().set_ra(true);
    let mut answer = answer.additional();
    let code = ExtendedErrorCode::from_int(code);
    let reason = ExtendedError::<[u8; 0]>::from(code);
    answer.opt(|opt| opt.push(&reason)).ok()?;
    Some(answer.finish())
}

/// Without the RA bit (RFC 1035 section 4.1.1).
fn without_recursion(mut answer: Vec<u8>) -> Vec<u8> {
    if let Some(bits) = answer.get_mut(3) {
        *bits &= 0x7f;
    }
    answer
}

/// The first letter of the name in the question is the next one.
fn renamed(mut answer: Vec<u8>) -> Vec<u8> {
    // Behind the header and the first label's length, RFC 1035 section 4.1.
    if let Some(letter) = answer.get_mut(13) {
        *letter = letter.wrapping_add(1);
    }
    answer
}

/// TXT records up to the size.
fn padded(query: &[u8], size: u16) -> Option<Vec<u8>> {
    let fill = || -> Result<Vec<u8>, PushError> {
        let message = Message::from_slice(query).map_err(|_| PushError::ShortBuf)?;
        let mut answer = MessageBuilder::new_vec().start_answer(message, Rcode::NOERROR)?;
        answer.header_mut().set_ra(true);
        if let Some(question) = message.first_question() {
            let name = question.qname();
            while answer.as_slice().len() + 120 < usize::from(size) {
                let text = Txt::<Vec<u8>>::build_from_slice(&[b'x'; 100]);
                let text = text.map_err(|_| PushError::ShortBuf)?;
                answer.push((&name, Ttl::from_secs(0), text))?;
            }
        }
        Ok(answer.finish())
    };
    fill().ok()
}

#[cfg(test)]
mod tests {
    use domain::base::Name;

    use super::*;

    fn query(name: &str, rtype: Rtype) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec().question();
        let name = Name::vec_from_str(name).unwrap();
        builder.push((&name, rtype)).unwrap();
        builder.finish()
    }

    fn header(answer: Option<Vec<u8>>) -> domain::base::Header {
        Message::from_octets(answer.unwrap()).unwrap().header()
    }

    #[test]
    fn only_the_bad_names_of_the_type_are_hurt() {
        let fits = |name, rtype| Of::Aaaa.fits(&query(name, rtype), false);
        assert!(fits("q1.BAD.x.lab.test", Rtype::AAAA));
        assert!(!fits("q1.bad.x.lab.test", Rtype::A));
        assert!(!fits("q1.good.x.lab.test", Rtype::AAAA));
        assert!(!fits("bad", Rtype::AAAA));
        assert!(!Of::Aaaa.fits(b"junk", false));
    }

    #[test]
    fn names_with_a_suffix_are_longer() {
        let fits = |name| Of::Longer(3).fits(&query(name, Rtype::A), false);
        assert!(!fits("q1.lab.test"));
        assert!(fits("q1.lab.test.lab"));
        assert!(!fits("test"));
    }

    #[test]
    fn each_fault_is_what_it_says() {
        let query = query("q1.bad.x.lab.test", Rtype::A);
        assert_eq!(Does::Silence.answer(&query, false), None);
        let refused = Does::Rcode(5).answer(&query, false);
        assert_eq!(header(refused).rcode(), Rcode::REFUSED);
        assert!(header(Does::Rcode(5).answer(&query, false)).ra());
        let referral = header(Does::Referral.answer(&query, false));
        assert!(!referral.ra() && !referral.aa() && referral.rcode() == Rcode::NOERROR);
        assert!(header(Does::Truncate.answer(&query, false)).tc());
        let whole = Does::Truncate.answer(&query, true);
        assert!(!header(whole).tc());
        let big = Does::Big(1_400).answer(&query, false).unwrap();
        assert!((1_280..=1_400).contains(&big.len()), "{}", big.len());
        for does in [Does::Rcode(2), Does::Truncate, Does::Big(1_400)] {
            assert_eq!(does.answer(b"junk", false), None);
        }
    }
}
