//! Discarded packets as the kernel tells of them, and as no kernel would.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::decode::decode;
use super::super::wire::dns_conntrack;
use super::super::wire::dns_drop;
use super::super::wire::dns_drop_flag;
use crate::attempt::Conntrack;
use crate::attempt::Packet;
use crate::attempt::Transport;
use crate::event::Discarded;
use crate::event::Event;
use crate::event::NoticeKind;

const SENT: u32 = dns_drop_flag::DNS_DROP_SENT.0;
const RECEIVED: u32 = dns_drop_flag::DNS_DROP_RECEIVED.0;
const REPLY: u32 = dns_drop_flag::DNS_DROP_REPLY.0;
const TO_DNS: u32 = dns_drop_flag::DNS_DROP_TO_DNS.0;

fn mapped(last: u8) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last]
}

/// A client's query for `a` from port 40000.
fn query() -> dns_drop {
    let mut drop = dns_drop {
        at_ns: 100,
        location: 0x1000,
        cookie: 77,
        source_ip: mapped(5),
        destination_ip: mapped(1),
        source_port: 40000,
        destination_port: 53,
        socket_port: 40000,
        reason: 12,
        id: 4711,
        message_bytes: 19,
        question_len: 7,
        transport: 17,
        ..dns_drop::default()
    };
    drop.question[..7].copy_from_slice(b"\x01a\0\0\x01\0\x01");
    drop
}

fn decoded(drop: &dns_drop) -> Option<Discarded> {
    let mut events = Vec::new();
    // SAFETY: padded by hand.
    decode(unsafe { plain::as_bytes(drop) }, &mut events)?;
    match events.pop() {
        Some(Event::Notice(notice)) => {
            assert_eq!(notice.at_ns, drop.at_ns);
            match notice.kind {
                NoticeKind::Drop(discarded) => Some(*discarded),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_drop_says_which_packet_it_was() {
    let (syn, syn_ack, data) = (0x02, 0x12, 0x18);
    // Transport, header flags, TCP flags, whether to a DNS port; packet, direction.
    let cases = [
        (17, 0x0100, 0, true, Packet::Query, true),
        (17, 0x8180, 0, false, Packet::Answer, false),
        // Where the header says otherwise than the ports, it is believed.
        (17, 0x8180, 0, true, Packet::Answer, false),
        (6, 0, syn, true, Packet::Connect, true),
        (6, 0, syn_ack, false, Packet::Connect, false),
        (6, 0, data, true, Packet::Query, true),
        (6, 0, data, false, Packet::Answer, false),
    ];
    for (transport, flags, tcp_flags, to_dns, packet, from_client) in cases {
        let drop = dns_drop {
            transport,
            flags,
            tcp_flags,
            drop_flags: if to_dns { TO_DNS as u8 } else { 0 },
            ..query()
        };
        let discarded = decoded(&drop).expect("a drop");
        assert_eq!(
            (discarded.packet, discarded.from_client),
            (packet, from_client)
        );
        let is_udp = discarded.transport == Transport::Udp;
        assert_eq!(
            (is_udp, discarded.message.is_some()),
            (transport == 17, is_udp)
        );
        let (client, server) = (discarded.client().port(), discarded.server().port());
        assert_eq!(
            (client, server),
            if from_client {
                (40000, 53)
            } else {
                (53, 40000)
            }
        );
    }
}

#[test]
fn a_drop_has_its_message() {
    let answer = dns_drop {
        flags: 0x8380 | 3,
        answers: 2,
        ..query()
    };
    let message = decoded(&answer).and_then(|drop| drop.message).expect("UDP");
    assert_eq!(message.id, 4711);
    assert_eq!(
        (message.answer.rcode.to_int(), message.answer.truncated),
        (3, true)
    );
    assert_eq!((message.answer.answers, message.answer.bytes), (2, 19));
    assert_eq!(message.question.parse().expect("a question").name, "a");
    for question_len in [65, 255, 65535] {
        let drop = dns_drop {
            question_len,
            ..query()
        };
        assert_eq!(decoded(&drop), None);
    }
}

#[test]
fn a_drop_says_whose_its_socket_is() {
    // Flags of the header, where it stands; of the client, of the server.
    for (flags, drop_flags, client, server) in [
        (0x0100, 0, false, false),
        (0x0100, SENT, true, false),
        (0x0100, RECEIVED, false, true),
        (0x8180, SENT, false, true),
        (0x8180, RECEIVED, true, false),
    ] {
        let drop = dns_drop {
            flags,
            drop_flags: drop_flags as u8,
            ..query()
        };
        let discarded = decoded(&drop).expect("a drop");
        assert_eq!(discarded.client_socket().is_some(), client);
        assert_eq!(discarded.server_socket().is_some(), server);
    }
    let unasked = dns_drop {
        cookie: 0,
        drop_flags: SENT as u8,
        ..query()
    };
    let socket = decoded(&unasked).and_then(|drop| drop.socket);
    assert_eq!(
        socket.map(|socket| (socket.cookie, socket.peer)),
        Some((None, None))
    );
}

#[test]
fn conntrack_tells_who_asked_whom() {
    let tracked = |conntrack: dns_conntrack, drop_flags: u32, flags| dns_drop {
        conntrack: conntrack.0 as u8,
        drop_flags: drop_flags as u8,
        flags,
        asking_ip: mapped(7),
        asking_port: 50000,
        asked_ip: mapped(8),
        asked_port: 53,
        reply_ip: mapped(9),
        ..query()
    };
    let confirmed = dns_conntrack::DNS_CONNTRACK_CONFIRMED;
    let asked = |drop| decoded(&drop).expect("a drop").asked;
    let ends = (
        "10.0.0.7:50000".parse().expect("an address"),
        "10.0.0.8:53".parse().expect("an address"),
    );
    assert_eq!(asked(tracked(confirmed, 0, 0x0100)), Some(ends));
    assert_eq!(asked(tracked(confirmed, REPLY, 0x8180)), Some(ends));
    // The entry was begun by an answer: it has them the other way round.
    assert_eq!(asked(tracked(confirmed, REPLY, 0x0100)), None);
    assert_eq!(asked(tracked(confirmed, 0, 0x8180)), None);
    let state = |number| {
        let drop = tracked(dns_conntrack(number), 0, 0x0100);
        decoded(&drop).expect("a drop").conntrack
    };
    let reply_source = "10.0.0.9".parse().expect("an address");
    assert_eq!(state(0), None);
    assert_eq!(state(1), Some(Conntrack::Absent));
    assert_eq!(state(2), Some(Conntrack::Unconfirmed));
    assert_eq!(state(3), Some(Conntrack::Confirmed { reply_source }));
    assert_eq!(state(200), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn octets_of_its_size_give_nothing_or_something_sane(
        bytes in vec(any::<u8>(), size_of::<dns_drop>()),
        question_len in 0..80_u16,
    ) {
        let mut drop = dns_drop::default();
        // SAFETY: both are that long, and any octets are a dns_drop.
        unsafe { plain::as_mut_bytes(&mut drop) }.copy_from_slice(&bytes);
        drop.question_len = question_len;
        if let Some(message) = decoded(&drop).and_then(|drop| drop.message) {
            prop_assert!(message.question.as_bytes().len() <= 64);
            prop_assert!(message.answer.rcode.to_int() <= 0xf);
        }
    }
}
