//! What the server says to a message: a pure function of its octets.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use domain::base::Message;
use domain::base::MessageBuilder;
use domain::base::iana::Class;
use domain::base::iana::Opcode;
use domain::base::iana::OptRcode;
use domain::base::iana::Rcode;
use domain::base::iana::Rtype;
use domain::base::message_builder::PushError;
use domain::base::record::Ttl;
use domain::rdata::A;
use domain::rdata::Aaaa;

/// What every name resolves to over A: TEST-NET-1 (RFC 5737), which no host has.
pub const A_ANSWER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// What every name resolves to over AAAA: the documentation prefix (RFC 3849).
pub const AAAA_ANSWER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);

/// Nobody may cache (RFC 1035 section 3.2.1): a stub in between must not hide
/// the lookups from the server.
const TTL: Ttl = Ttl::from_secs(0);

/// What fits an Ethernet frame over IPv6; the figure of DNS flag day 2020.
const UDP_PAYLOAD: u16 = 1232;

/// The answer to a message, or `None` for what no server answers: a message
/// without a whole header, or one that is itself an answer (answering those
/// would let two servers talk for ever).
///
/// A and AAAA of any name are answered, every other type is NODATA (NOERROR
/// without records, RFC 2308 section 2.2), every other class REFUSED.
pub fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_slice(query).ok()?;
    if query.header().qr() {
        return None;
    }
    if query.header().opcode() != Opcode::QUERY {
        return Some(error(query, Rcode::NOTIMP));
    }
    // No resolver puts more than one question into a message (RFC 9619).
    let (Ok(question), Ok(_)) = (query.sole_question(), query.additional()) else {
        return Some(error(query, Rcode::FORMERR));
    };
    if query.opt().is_some_and(|opt| opt.version() != 0) {
        return reply(query, OptRcode::BADVERS, None).ok();
    }
    match question.qclass() {
        Class::IN | Class::ANY => reply(query, OptRcode::NOERROR, Some(question.qtype())).ok(),
        _ => reply(query, OptRcode::REFUSED, None).ok(),
    }
}

/// Header only: the questions of such a message are not to be trusted.
fn error(query: &Message<[u8]>, rcode: Rcode) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_id(query.header().id());
    header.set_opcode(query.header().opcode());
    header.set_qr(true);
    header.set_rd(query.header().rd());
    header.set_rcode(rcode);
    builder.finish()
}

/// The question again, the record if there is one of the type, and OPT exactly
/// if the query had it (RFC 6891 section 6.1.1).
fn reply(
    query: &Message<[u8]>,
    rcode: OptRcode,
    rtype: Option<Rtype>,
) -> Result<Vec<u8>, PushError> {
    let mut builder = MessageBuilder::new_vec().start_answer(query, rcode.rcode())?;
    builder.header_mut().set_ra(true);
    if let Some(question) = query.first_question() {
        let name = question.qname();
        match rtype {
            Some(Rtype::A) => builder.push((name, TTL, A::new(A_ANSWER)))?,
            Some(Rtype::AAAA) => builder.push((name, TTL, Aaaa::new(AAAA_ANSWER)))?,
            _ => (),
        }
    }
    let mut builder = builder.additional();
    if query.opt().is_some() {
        builder.opt(|opt| {
            opt.set_udp_payload_size(UDP_PAYLOAD);
            opt.set_rcode(rcode);
            Ok(())
        })?;
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use domain::base::Name;

    use super::*;

    /// `id` 7, one question, RD, with or without OPT of that version.
    fn query(name: &str, rtype: Rtype, class: Class, edns: Option<u8>) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(7);
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        let name = Name::vec_from_str(name).unwrap();
        builder.push((&name, rtype, class)).unwrap();
        let mut builder = builder.additional();
        if let Some(version) = edns {
            builder
                .opt(|opt| {
                    opt.set_version(version);
                    Ok(())
                })
                .unwrap();
        }
        builder.finish()
    }

    fn ask(name: &str, rtype: Rtype, class: Class, edns: Option<u8>) -> Message<Vec<u8>> {
        let query = query(name, rtype, class, edns);
        let answer = Message::from_octets(answer(&query).unwrap()).unwrap();
        assert!(answer.is_answer(Message::from_slice(&query).unwrap()));
        assert!(answer.header().rd() && answer.header().ra());
        assert_eq!(answer.opt().is_some(), edns.is_some());
        answer
    }

    #[test]
    fn addresses_are_answered_and_other_types_are_nodata() {
        let a = ask("MiXed.example.", Rtype::A, Class::IN, None);
        let record = a.answer().unwrap().limit_to::<A>().next().unwrap().unwrap();
        assert_eq!(record.data().addr(), A_ANSWER);
        let aaaa = ask("x.example.", Rtype::AAAA, Class::IN, Some(0));
        let mut records = aaaa.answer().unwrap().limit_to::<Aaaa>();
        assert_eq!(records.next().unwrap().unwrap().data().addr(), AAAA_ANSWER);
        for rtype in [Rtype::MX, Rtype::ANY, Rtype::HTTPS, Rtype::from_int(65_280)] {
            let nodata = ask(".", rtype, Class::IN, None);
            assert_eq!(nodata.header().rcode(), Rcode::NOERROR);
            assert_eq!(nodata.header_counts().ancount(), 0);
        }
    }

    #[test]
    fn what_it_does_not_serve_gets_the_rcode_for_it() {
        let chaos = ask("version.bind.", Rtype::TXT, Class::CH, None);
        assert_eq!(chaos.header().rcode(), Rcode::REFUSED);
        let future = ask("x.example.", Rtype::A, Class::IN, Some(1));
        assert_eq!(future.opt_rcode(), OptRcode::BADVERS);
        assert_eq!(future.header_counts().ancount(), 0);

        let mut update = query("x.example.", Rtype::A, Class::IN, None);
        Message::from_octets(&mut update[..])
            .unwrap()
            .header_mut()
            .set_opcode(Opcode::UPDATE);
        let notimp = answer(&update).unwrap();
        assert_eq!(
            Message::from_slice(&notimp).unwrap().header().rcode(),
            Rcode::NOTIMP
        );
    }

    #[test]
    fn a_header_with_a_broken_question_is_a_format_error() {
        let whole = query("some.example.", Rtype::A, Class::IN, None);
        for len in 12..whole.len() {
            let answer = answer(&whole[..len]).unwrap();
            let answer = Message::from_slice(&answer).unwrap();
            assert_eq!(answer.header().rcode(), Rcode::FORMERR, "{len} octets");
            assert_eq!(answer.header().id(), 7);
        }
    }

    #[test]
    fn what_must_not_be_answered_is_not() {
        let whole = query("some.example.", Rtype::A, Class::IN, None);
        for len in 0..12 {
            assert_eq!(answer(&whole[..len]), None);
        }
        let reply = answer(&whole).unwrap();
        assert_eq!(answer(&reply), None);
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_panic_or_amplify(octets: Vec<u8>) {
            if let Some(answer) = answer(&octets) {
                // A record of 28 octets, OPT of 11, and a name written out.
                proptest::prop_assert!(answer.len() <= 12 + 2 * 259 + 39);
            }
        }
    }
}
