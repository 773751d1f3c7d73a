//! From the kernel's record of a packet that it discarded to what it says.

use std::net::IpAddr;

use domain::base::iana::OptRcode;

use super::fields;
use super::wire::dns_conntrack;
use super::wire::dns_drop;
use super::wire::dns_drop_flag;
use crate::attempt::Answer;
use crate::attempt::Conntrack;
use crate::attempt::Packet;
use crate::attempt::RawQuestion;
use crate::attempt::Transport;
use crate::event::Discarded;
use crate::event::DiscardedMessage as Message;
use crate::event::DiscardedSocket as Socket;
use crate::event::Notice;
use crate::event::NoticeKind;

/// QR bit of the header, RFC 1035 section 4.1.1.
const FLAG_QR: u16 = 0x8000;
/// RFC 9293 section 3.1.
const TCP_SYN: u8 = 0x02;
const TCP_ACK: u8 = 0x10;

/// Decodes one `dns_drop`; `None` if it is malformed.
pub(super) fn notice(bytes: &[u8]) -> Option<Notice> {
    let drop: &dns_drop = plain::from_bytes(bytes).ok()?;
    let stands = |bit: dns_drop_flag| u32::from(drop.drop_flags) & bit.0 != 0;
    let transport = fields::transport(drop.transport);
    let message = match transport {
        Transport::Udp => Some(message(drop)?),
        Transport::Tcp => None,
    };
    let (packet, from_client) = packet(drop, transport, stands(dns_drop_flag::DNS_DROP_TO_DNS));
    let towards_reply = stands(dns_drop_flag::DNS_DROP_REPLY);
    let tracked = matches!(
        dns_conntrack(u32::from(drop.conntrack)),
        dns_conntrack::DNS_CONNTRACK_UNCONFIRMED | dns_conntrack::DNS_CONNTRACK_CONFIRMED
    );
    let is_sender = stands(dns_drop_flag::DNS_DROP_SENT);
    let socket = Socket {
        is_sender,
        cookie: Some(drop.cookie).filter(|&cookie| cookie != 0),
        port: drop.socket_port,
        peer: (drop.socket_peer_port != 0)
            .then(|| fields::address(drop.socket_peer_ip, drop.socket_peer_port)),
    };
    let discarded = Discarded {
        reason: drop.reason,
        location: drop.location,
        transport,
        packet,
        from_client,
        source: fields::address(drop.source_ip, drop.source_port),
        destination: fields::address(drop.destination_ip, drop.destination_port),
        // An entry that an answer began has them the other way round.
        asked: (tracked && towards_reply != from_client).then(|| {
            (
                fields::address(drop.asking_ip, drop.asking_port),
                fields::address(drop.asked_ip, drop.asked_port),
            )
        }),
        conntrack: conntrack(drop),
        socket: (is_sender || stands(dns_drop_flag::DNS_DROP_RECEIVED)).then_some(socket),
        no_l2_header: stands(dns_drop_flag::DNS_DROP_NO_L2_HEADER),
        again: stands(dns_drop_flag::DNS_DROP_AGAIN),
        armed: stands(dns_drop_flag::DNS_DROP_ARMED),
        owner: fields::owner(&drop.owner, drop.tid),
        message,
    };
    Some(Notice {
        at_ns: drop.at_ns,
        kind: NoticeKind::Drop(Box::new(discarded)),
    })
}

fn message(drop: &dns_drop) -> Option<Message> {
    let question = drop.question.get(..usize::from(drop.question_len))?;
    Some(Message {
        id: drop.id,
        answer: Answer {
            rcode: OptRcode::masked_from_int(drop.flags & fields::RCODE_MASK),
            truncated: drop.flags & fields::FLAG_TC != 0,
            answers: drop.answers,
            bytes: drop.message_bytes,
            bits: fields::header_bits(drop.flags),
            extended_error: None,
        },
        question: RawQuestion::new(question),
    })
}

/// Which packet, and whether the client sent it: UDP's header says it, TCP's in the
/// handshake, else the ports.
fn packet(drop: &dns_drop, transport: Transport, to_dns: bool) -> (Packet, bool) {
    match transport {
        Transport::Udp if drop.flags & FLAG_QR == 0 => (Packet::Query, true),
        Transport::Udp => (Packet::Answer, false),
        Transport::Tcp if drop.tcp_flags & TCP_SYN != 0 => {
            (Packet::Connect, drop.tcp_flags & TCP_ACK == 0)
        }
        Transport::Tcp if to_dns => (Packet::Query, true),
        Transport::Tcp => (Packet::Answer, false),
    }
}

fn conntrack(drop: &dns_drop) -> Option<Conntrack> {
    match dns_conntrack(u32::from(drop.conntrack)) {
        dns_conntrack::DNS_CONNTRACK_ABSENT => Some(Conntrack::Absent),
        dns_conntrack::DNS_CONNTRACK_UNCONFIRMED => Some(Conntrack::Unconfirmed),
        dns_conntrack::DNS_CONNTRACK_CONFIRMED => Some(Conntrack::Confirmed {
            reply_source: IpAddr::from(drop.reply_ip).to_canonical(),
        }),
        _ => None,
    }
}
