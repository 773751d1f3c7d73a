//! A client of another host: its queries come in by a tunnel device, so that no socket of
//! this host has sent them.

use std::io::BufRead;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::bounded;
use serde::Deserialize;
use serde::Serialize;

use super::outside;
use crate::target::DNS_PORT;

/// Its own address, in the network of the device.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 79, 53, 9);
/// The device's.
pub(crate) const GATEWAY: &str = "10.79.53.1/24";
/// A query each.
const PAUSE: Duration = Duration::from_millis(100);
/// The device must be up for the first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom it asks, and for names below which zone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stranger {
    pub(crate) server: Ipv4Addr,
    pub(crate) zone: String,
}

/// Asks until its input ends. Returns how many queries it has sent.
pub(super) fn run(
    stranger: &Stranger,
    mut input: impl BufRead + Send + 'static,
    ready: impl FnOnce(),
) -> Result<u64> {
    let mut device = outside::device()?;
    ready();
    let (stopped, stop) = bounded::<()>(0);
    // It ends with the process.
    thread::spawn(move || {
        let _ended = input.read(&mut [0]);
        drop(stopped);
    });
    let mut sent = 0;
    let mut waited = Duration::ZERO;
    while stop.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        let name = format!("n{sent}.{}", stranger.zone);
        let packet = packet(stranger.server, sent as u16, &query(sent as u16, &name));
        match device.write_all(&packet) {
            Ok(()) => sent += 1,
            // Nobody has set it up yet.
            Err(_) if sent == 0 && waited < PATIENCE => waited += PAUSE,
            Err(error) => return Err(error).context("the tunnel device takes no packet"),
        }
    }
    Ok(sent)
}

/// A query for the addresses of this name (RFC 1035 section 4.1).
fn query(id: u16, name: &str) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// A datagram of UDP without a checksum (RFC 768) in a packet of IPv4 (RFC 791 section 3.1).
fn packet(server: Ipv4Addr, id: u16, message: &[u8]) -> Vec<u8> {
    let length = |octets: usize| (octets as u16).to_be_bytes();
    let mut packet = vec![0x45, 0];
    packet.extend(length(28 + message.len()));
    packet.extend(id.to_be_bytes());
    packet.extend([0, 0, 64, 17, 0, 0]);
    packet.extend(ADDRESS.octets());
    packet.extend(server.octets());
    let words = packet.chunks(2);
    let sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    // Carries twice: the first may make another.
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    // Ports that no client of the lab has.
    packet.extend((10_000 + id % 10_000).to_be_bytes());
    packet.extend(DNS_PORT.to_be_bytes());
    packet.extend(length(8 + message.len()));
    packet.extend([0, 0]);
    packet.extend(message);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_whole() {
        let message = query(7, "n7.lab.test");
        assert_eq!(&message[..12], [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&message[12..], b"\x02n7\x03lab\x04test\0\0\x01\0\x01");
        let packet = packet(Ipv4Addr::new(10, 78, 1, 2), 7, &message);
        assert_eq!(packet.len(), 28 + message.len());
        let header = packet[..20].chunks(2);
        let sum: u32 = header
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "RFC 1071");
        assert_eq!(packet[20..24], [0x27, 0x17, 0, 53]);
    }
}
