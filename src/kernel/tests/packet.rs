//! Packets in layers. A test run wants an Ethernet header, which tells the
//! protocol; the programs see the packet from the IP header on.

use std::net::IpAddr;
use std::net::SocketAddr;

use super::programs::Hook;

pub(super) const UDP: u8 = 17;
pub(super) const TCP: u8 = 6;
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;

/// Where packets go from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

impl Path {
    /// From a client to a server.
    pub(super) fn v4() -> Self {
        Self::new("10.0.0.5:40000", "10.0.0.53:53")
    }

    pub(super) fn v6() -> Self {
        Self::new("[fd00::5]:40000", "[fd00::53]:53")
    }

    pub(super) fn new(from: &str, to: &str) -> Self {
        Self {
            from: from.parse().expect("an address"),
            to: to.parse().expect("an address"),
        }
    }

    pub(super) fn with_ports(mut self, from: u16, to: u16) -> Self {
        self.from.set_port(from);
        self.to.set_port(to);
        self
    }

    /// The way of the answer.
    pub(super) fn back(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
        }
    }

    /// Address of the socket at this hook, and of the other end.
    pub(super) fn local_and_peer(self, hook: Hook) -> (SocketAddr, SocketAddr) {
        match hook {
            Hook::Egress => (self.from, self.to),
            Hook::Ingress => (self.to, self.from),
        }
    }

    /// A whole UDP packet with a plain IP header.
    pub(super) fn udp(self, payload: &[u8]) -> Vec<u8> {
        self.ip(UDP, &self.udp_datagram(payload))
    }

    /// UDP header and payload.
    pub(super) fn udp_datagram(self, payload: &[u8]) -> Vec<u8> {
        self.udp_datagram_saying(8 + payload.len() as u16, payload)
    }

    /// The same with a length field of its own.
    pub(super) fn udp_datagram_saying(self, length: u16, payload: &[u8]) -> Vec<u8> {
        let mut datagram = self.ports();
        datagram.extend(length.to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        datagram
    }

    /// A whole TCP packet.
    pub(super) fn tcp(self, segment: &Segment<'_>) -> Vec<u8> {
        let mut octets = self.ports();
        octets.extend(segment.seq.to_be_bytes());
        octets.extend(segment.ack.to_be_bytes());
        let header_words = 5 + segment.options.len() / 4;
        octets.extend([(header_words as u8) << 4, segment.flags, 0xff, 0xff]);
        octets.extend([0; 4]);
        octets.extend(segment.options);
        octets.extend(segment.payload);
        self.ip(TCP, &octets)
    }

    /// An IP header without anything special around a transport packet.
    pub(super) fn ip(self, protocol: u8, transport: &[u8]) -> Vec<u8> {
        if self.from.is_ipv4() {
            self.ipv4(protocol, &[], 0, transport)
        } else {
            self.ipv6(protocol, &[], transport)
        }
    }

    /// `options` is a multiple of four octets, 40 at most; `fragment` is the
    /// field of flags and offset.
    pub(super) fn ipv4(
        self,
        protocol: u8,
        options: &[u8],
        fragment: u16,
        transport: &[u8],
    ) -> Vec<u8> {
        let header_words = 5 + options.len() / 4;
        let total = header_words * 4 + transport.len();
        let mut packet = ethernet(IPV4);
        packet.extend([0x40 | header_words as u8, 0]);
        packet.extend((total as u16).to_be_bytes());
        packet.extend([0, 1]);
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, protocol, 0, 0]);
        push_ip(&mut packet, self.from.ip());
        push_ip(&mut packet, self.to.ip());
        packet.extend(options);
        packet.extend(transport);
        packet
    }

    /// `next` is the first header's number, which the extensions begin with.
    pub(super) fn ipv6(self, next: u8, extensions: &[u8], transport: &[u8]) -> Vec<u8> {
        let payload = extensions.len() + transport.len();
        let mut packet = ethernet(IPV6);
        packet.extend([0x60, 0, 0, 0]);
        packet.extend((payload as u16).to_be_bytes());
        packet.extend([next, 64]);
        push_ip(&mut packet, self.from.ip());
        push_ip(&mut packet, self.to.ip());
        packet.extend(extensions);
        packet.extend(transport);
        packet
    }

    fn ports(self) -> Vec<u8> {
        let mut octets = self.from.port().to_be_bytes().to_vec();
        octets.extend(self.to.port().to_be_bytes());
        octets
    }
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment<'a> {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    /// A multiple of four octets.
    pub(super) options: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// Two addresses that do not matter, and what comes next.
pub(super) fn ethernet(ethertype: u16) -> Vec<u8> {
    let mut header = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    header.extend(ethertype.to_be_bytes());
    header
}

fn push_ip(packet: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => packet.extend(ip.octets()),
        IpAddr::V6(ip) => packet.extend(ip.octets()),
    }
}
