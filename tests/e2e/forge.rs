//! Packets as an attacker makes them, octet by octet, with whatever source he likes.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::sys::socket::AddressFamily;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::socket;

const UDP: u8 = 17;
const TCP: u8 = 6;
const DESTINATION_OPTIONS: u8 = 60;
/// Flags of TCP, RFC 9293 section 3.1.
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH_ACK: u8 = 0x18;

/// A raw socket in a place that sends packets as they are given, of IPv4 or IPv6.
pub(crate) struct Forger(UdpSocket);

impl Forger {
    /// It receives nothing.
    pub(crate) fn v4(place: &crate::place::Place) -> Self {
        Self(place.enter(|| raw(AddressFamily::Inet, SockProtocol::Raw)))
    }

    /// It receives copies of all UDP datagrams of IPv6 that come to the place.
    pub(crate) fn v6_udp(place: &crate::place::Place) -> Self {
        let socket = place.enter(|| raw(AddressFamily::Inet6, SockProtocol::Udp));
        set(&socket, libc::IPPROTO_IPV6, libc::IPV6_HDRINCL, 1);
        Self(socket)
    }

    pub(crate) fn send(&self, packet: &[u8], to: IpAddr) {
        // A raw socket of IPv6 takes no port.
        let sent = self.0.send_to(packet, (to, 0));
        assert_eq!(sent.expect("to send"), packet.len());
    }
}

/// A raw socket gets copies of all UDP datagrams of IPv4 that come to the place.
pub(crate) fn sniffer(place: &crate::place::Place) -> UdpSocket {
    place.enter(|| raw(AddressFamily::Inet, SockProtocol::Udp))
}

/// What a raw socket can do that is used here, std does as with one of UDP.
fn raw(family: AddressFamily, protocol: SockProtocol) -> UdpSocket {
    let made = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol);
    made.expect("a raw socket (root?)").into()
}

/// A datagram of IPv4; the kernel fills in length and checksum of its header.
pub(crate) fn udp(from: SocketAddr, to: SocketAddr, message: &[u8]) -> Vec<u8> {
    let datagram = datagram(from, to, message);
    [&ipv4_header(from.ip(), to.ip(), UDP)[..], &datagram].concat()
}

/// A datagram of IPv6 behind so many headers of destination options, each with
/// nothing but padding (RFC 8200 section 4.6).
pub(crate) fn udp_behind_options(
    from: SocketAddr,
    to: SocketAddr,
    message: &[u8],
    headers: usize,
) -> Vec<u8> {
    let datagram = datagram(from, to, message);
    let mut payload = Vec::new();
    for number in 1..=headers {
        let next = if number == headers {
            UDP
        } else {
            DESTINATION_OPTIONS
        };
        payload.extend([next, 0, 1, 4, 0, 0, 0, 0]);
    }
    payload.extend(datagram);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(be16(payload.len()));
    packet.extend([DESTINATION_OPTIONS, 64]);
    packet.extend(octets(from.ip()));
    packet.extend(octets(to.ip()));
    packet.extend(payload);
    packet
}

/// What a segment says of its place in the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) data: &'a [u8],
}

/// A segment of TCP over IPv4.
pub(crate) fn tcp(from: SocketAddr, to: SocketAddr, segment: Segment<'_>) -> Vec<u8> {
    let mut octets = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    octets.extend(segment.seq.to_be_bytes());
    octets.extend(segment.ack.to_be_bytes());
    octets.extend([0x50, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
    octets.extend(segment.data);
    let sum = checksum(from.ip(), to.ip(), TCP, &octets);
    octets[16..18].copy_from_slice(&sum.to_be_bytes());
    [&ipv4_header(from.ip(), to.ip(), TCP)[..], &octets].concat()
}

/// Where a connection stands: what it expects next, and what it sends next
/// (`TCP_REPAIR`, tcp(7)).
pub(crate) fn sequence_numbers(stream: &TcpStream) -> (u32, u32) {
    const TCP_REPAIR_OFF_NO_PROBE: libc::c_int = -1;
    // linux/tcp.h
    const RECEIVED: libc::c_int = 1;
    const SENT: libc::c_int = 2;

    set(stream, libc::IPPROTO_TCP, libc::TCP_REPAIR, 1);
    let [received, sent] = [RECEIVED, SENT].map(|queue| {
        set(stream, libc::IPPROTO_TCP, libc::TCP_REPAIR_QUEUE, queue);
        get(stream, libc::IPPROTO_TCP, libc::TCP_QUEUE_SEQ)
    });
    set(
        stream,
        libc::IPPROTO_TCP,
        libc::TCP_REPAIR,
        TCP_REPAIR_OFF_NO_PROBE,
    );
    (received, sent)
}

/// Has what is sent in one call go out as datagrams of this size (`UDP_SEGMENT`, udp(7)).
pub(crate) fn segment(socket: &UdpSocket, size: usize) {
    let size = libc::c_int::try_from(size).expect("a size");
    set(socket, libc::SOL_UDP, libc::UDP_SEGMENT, size);
}

fn set(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
    // SAFETY: the kernel reads one int, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    assert_eq!(
        result,
        0,
        "option {name}: {}",
        std::io::Error::last_os_error()
    );
}

fn get(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int) -> u32 {
    let mut value = 0_u32;
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel writes `len` octets at most, the size of `value`, which
    // outlives the call, and the length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    assert_eq!(
        result,
        0,
        "option {name}: {}",
        std::io::Error::last_os_error()
    );
    value
}

fn datagram(from: SocketAddr, to: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut octets = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    octets.extend(be16(8 + message.len()));
    octets.extend([0, 0]);
    octets.extend(message);
    let sum = checksum(from.ip(), to.ip(), UDP, &octets);
    octets[6..8].copy_from_slice(&sum.to_be_bytes());
    octets
}

fn ipv4_header(from: IpAddr, to: IpAddr, protocol: u8) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
    header.extend(octets(from));
    header.extend(octets(to));
    header
}

/// Over the pseudo-header too: RFC 9293 section 3.1, RFC 8200 section 8.1. Its length
/// and protocol add up to the same for both families.
fn checksum(from: IpAddr, to: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let mut all = [octets(from), octets(to)].concat();
    all.extend([0, protocol]);
    all.extend(be16(segment.len()));
    all.extend(segment);
    let words = all.chunks(2).map(|word| {
        let [high, low] = [word[0], word.get(1).copied().unwrap_or(0)];
        u32::from(u16::from_be_bytes([high, low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff, // zero would say that there is none (RFC 768)
        sum => sum,
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::octets(&v4).to_vec(),
        IpAddr::V6(v6) => Ipv6Addr::octets(&v6).to_vec(),
    }
}

fn be16(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("a length").to_be_bytes()
}
