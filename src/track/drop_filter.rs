//! Which discarded packets are losses. The kernel also frees packets this way that
//! nobody misses.

use crate::attempt::Packet;
use crate::attempt::Transport;

/// Where a socket that is closed leaves what its process has not read: here UDP
/// does, and `inet_sock_destruct` does for both.
const AT_CLOSE: [&str; 3] = [
    "udp_destruct_common",
    "udp_destruct_sock",
    "inet_sock_destruct",
];
/// The reason for the same, where the kernel gives it.
const PURGED: &str = "QUEUE_PURGE";

/// A copy for somebody else (a bridge that floods, a sniffer without room) and
/// what is no drop at all.
const NOBODYS: [&str; 4] = [
    "OTHERHOST",
    "PACKET_SOCK_ERROR",
    "SKB_CONSUMED",
    "SKB_NOT_DROPPED_YET",
];
/// Sniffers before the reason `PACKET_SOCK_ERROR` came (Linux 6.10).
const SNIFFERS: [&str; 3] = ["packet_rcv", "tpacket_rcv", "packet_rcv_spkt"];

/// TCP has the data already, or has no use for it any more.
const TCP_HAS_IT: [&str; 14] = [
    "TCP_OLD_DATA",
    "TCP_OLD_SEQUENCE",
    "TCP_OLD_ACK",
    "TCP_OFOMERGE",
    "TCP_OVERWINDOW",
    "TCP_INVALID_SEQUENCE",
    "TCP_INVALID_END_SEQUENCE",
    "TCP_INVALID_ACK_SEQUENCE",
    "TCP_RESET",
    "TCP_CLOSE",
    "TCP_FLAGS",
    "TCP_ABORT_ON_DATA",
    "TCP_TOO_OLD_ACK",
    "TCP_ACK_UNSENT_DATA",
];

/// Whether a process was closed over a packet that it had not read yet.
pub(super) fn is_at_close(reason: &str, function: Option<&str>) -> bool {
    reason == PURGED || function.is_some_and(|function| AT_CLOSE.contains(&function))
}

/// Whether somebody waits for the packet in vain.
pub(super) fn is_loss(
    packet: Packet,
    transport: Transport,
    reason: &str,
    function: Option<&str>,
) -> bool {
    if NOBODYS.contains(&reason) || function.is_some_and(|name| SNIFFERS.contains(&name)) {
        return false;
    }
    // Who leaves an answer unread has lost nothing on the way.
    if packet == Packet::Answer && is_at_close(reason, function) {
        return false;
    }
    if transport == Transport::Udp {
        return true;
    }
    // Kernels that name few reasons free what TCP has done with in its functions.
    let of_tcp = function.is_some_and(|name| name.starts_with("tcp_"));
    let unnamed = reason == "NOT_SPECIFIED" && (of_tcp || is_at_close(reason, function));
    !unnamed && reason != PURGED && !TCP_HAS_IT.contains(&reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_misses_is_no_loss() {
        let (query, answer) = (Packet::Query, Packet::Answer);
        let (udp, tcp) = (Transport::Udp, Transport::Tcp);
        let close = Some("udp_destruct_common");
        let cases = [
            (query, udp, "NETFILTER_DROP", Some("nft_do_chain"), true),
            (query, udp, "NOT_SPECIFIED", Some("ip_error"), true),
            (query, udp, "NOT_SPECIFIED", None, true),
            (answer, udp, "NO_SOCKET", None, true),
            (answer, udp, "NOT_SPECIFIED", close, false),
            (query, udp, "NOT_SPECIFIED", close, true),
            (answer, udp, "QUEUE_PURGE", None, false),
            (query, udp, "QUEUE_PURGE", None, true),
            (query, udp, "OTHERHOST", Some("ip_rcv_core"), false),
            (query, udp, "NOT_SPECIFIED", Some("tpacket_rcv"), false),
            (answer, udp, "PACKET_SOCK_ERROR", Some("packet_rcv"), false),
            (answer, tcp, "TCP_OLD_DATA", Some("tcp_data_queue"), false),
            (answer, tcp, "NOT_SPECIFIED", Some("tcp_v4_rcv"), false),
            (answer, tcp, "QUEUE_PURGE", None, false),
            (query, tcp, "TCP_CSUM", Some("tcp_v4_rcv"), true),
            (query, tcp, "NOT_SPECIFIED", Some("ip_error"), true),
            (Packet::Connect, tcp, "NETFILTER_DROP", None, true),
            (Packet::Connect, tcp, "TCP_LISTEN_OVERFLOW", None, true),
        ];
        for (packet, transport, reason, function, loss) in cases {
            assert_eq!(
                is_loss(packet, transport, reason, function),
                loss,
                "{packet:?} {transport:?} {reason} {function:?}"
            );
        }
    }
}
