//! What lies outside, where nothing of this host sees what becomes of a packet:
//! a tunnel device of the node whose other end reads everything, and answers
//! nothing, loses some, or is a DNS server. A packet that is read is delivered, not dropped, as one that has
//! left by a network card.

use std::collections::HashSet;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::Read as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use serde::Deserialize;
use serde::Serialize;

use super::elsewhere::Elsewhere;
use super::elsewhere::Leaves;
use crate::target::DNS_PORT;
use crate::testbed::tunnel;

pub(super) const DEVICE: &CStr = c"outside";

/// What becomes of packets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Beyond {
    /// Nothing: nobody is there.
    Silence,
    /// A DNS server is there, which leaves these without an answer.
    Server(Leaves),
    /// They come back, to be routed on; but one in so many queries over TCP is lost when it
    /// is sent for the first time.
    Loss(u64),
    /// They come back so much later.
    Delay(Duration),
    /// They come back, but queries over UDP with a wrong checksum.
    Damage,
}

/// Is what lies outside, until its input ends. Returns how many DNS queries reached it
/// over IPv4 and UDP and got no answer or were damaged, or how many over TCP it has lost.
pub(super) fn run(beyond: Beyond, mut input: impl BufRead, ready: impl FnOnce()) -> Result<u64> {
    let mut device = device()?;
    let queries = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&queries);
    // It ends with the process.
    thread::spawn(move || {
        let mut packet = [0; 2_048];
        let mut losses = Losses::default();
        let later = device.try_clone().map(give_back_later);
        let mut server = match beyond {
            Beyond::Server(leaves) => Some(Elsewhere::new(leaves)),
            _ => None,
        };
        while let Ok(len) = device.read(&mut packet) {
            let packet = &packet[..len];
            match beyond {
                Beyond::Silence => {
                    counter.fetch_add(u64::from(is_query(packet)), Relaxed);
                }
                Beyond::Server(_) => {
                    let reply = server
                        .as_mut()
                        .and_then(|it| it.reply(packet, Instant::now()));
                    match reply {
                        Some(Some(reply)) => drop(device.write_all(&reply)),
                        Some(None) => drop(counter.fetch_add(1, Relaxed)),
                        None => {}
                    }
                }
                Beyond::Loss(one_in) => match losses.loses(packet, one_in) {
                    true => drop(counter.fetch_add(1, Relaxed)),
                    // A device that has no room loses it: TCP sends it again.
                    false => drop(device.write_all(packet)),
                },
                Beyond::Damage => {
                    let mut packet = packet.to_vec();
                    counter.fetch_add(u64::from(damage(&mut packet)), Relaxed);
                    drop(device.write_all(&packet));
                }
                Beyond::Delay(by) => {
                    let due = Instant::now() + by;
                    let later = later.as_ref().ok();
                    drop(later.map(|it| it.send((due, packet.to_vec()))));
                }
            }
        }
    });
    ready();
    io::copy(&mut input, &mut io::sink())?;
    Ok(queries.load(Relaxed))
}

/// Takes packets, each with the time when it comes back; all wait equally long. It ends when
/// nobody hands any over.
fn give_back_later(mut device: File) -> mpsc::Sender<(Instant, Vec<u8>)> {
    let (sender, packets) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (due, packet) in packets {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            drop(device.write_all(&packet));
        }
    });
    sender
}

/// The tunnel device of this namespace, which goes with the file.
pub(super) fn device() -> Result<File> {
    tunnel(DEVICE)
        .context("cannot make a tunnel device: this scenario needs /dev/net/tun (modprobe tun)")
}

/// UDP to the DNS port over IPv4 (RFC 791 section 3.1, RFC 768).
fn is_query(packet: &[u8]) -> bool {
    let port = || {
        let first = packet.first()?;
        let header = usize::from(first & 0x0f) * 4;
        let is_udp = first >> 4 == 4 && *packet.get(9)? == 17;
        let port = packet.get(header + 2..header + 4)?.try_into().ok()?;
        is_udp.then_some(u16::from_be_bytes(port))
    };
    port() == Some(DNS_PORT)
}

/// Makes the checksum of a query over UDP wrong (RFC 768); returns whether it is one. Without
/// a checksum (zero) it gets one.
fn damage(packet: &mut [u8]) -> bool {
    let is_query = is_query(packet);
    let header = packet
        .first()
        .map_or(0, |first| usize::from(first & 0x0f) * 4);
    match packet.get_mut(header + 6..header + 8) {
        Some(sum) if is_query => {
            let wrong = u16::from_be_bytes([sum[0], sum[1]]) ^ 0x5555;
            // Zero would be none at all.
            sum.copy_from_slice(&wrong.max(1).to_be_bytes());
            true
        }
        _ => false,
    }
}

/// Which segments were met already, of those that carry a query.
#[derive(Debug, Default)]
struct Losses {
    met: HashSet<(u16, u32)>,
}

impl Losses {
    /// Whether this packet is to be lost.
    fn loses(&mut self, packet: &[u8], one_in: u64) -> bool {
        let Some(segment) = query_over_tcp(packet) else {
            return false;
        };
        self.met.insert(segment) && (self.met.len() as u64).is_multiple_of(one_in)
    }
}

/// The source port and the sequence number of a segment to the DNS port that carries octets
/// (RFC 791 section 3.1, RFC 9293 section 3.1).
fn query_over_tcp(packet: &[u8]) -> Option<(u16, u32)> {
    let first = packet.first()?;
    if first >> 4 != 4 || *packet.get(9)? != 6 {
        return None;
    }
    let total = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
    let tcp = packet.get(usize::from(first & 0x0f) * 4..usize::from(total))?;
    let port = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    let sequence = u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?);
    (port(2)? == DNS_PORT && tcp.len() > header).then_some((port(0)?, sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_over_tcp_is_lost_once() {
        let segment = |port: u8, sequence: u8, octets: usize| {
            let mut packet = vec![0_u8; 40 + octets];
            (packet[0], packet[9], packet[32]) = (0x45, 6, 0x50);
            packet[3] = packet.len() as u8;
            (packet[21], packet[23], packet[27]) = (port, 53, sequence);
            packet
        };
        let mut losses = Losses::default();
        let mut loses = |packet: &[u8]| losses.loses(packet, 2);
        assert!(!loses(&segment(1, 1, 30)));
        assert!(loses(&segment(2, 1, 30)), "the second one");
        assert!(!loses(&segment(2, 1, 30)), "it is sent again");
        assert!(!loses(&segment(3, 1, 0)), "it carries nothing");
        assert!(!loses(&segment(3, 1, 30)));
        assert!(loses(&segment(3, 9, 30)));
        for len in 0..40 {
            assert!(!loses(&segment(4, 1, 30)[..len]), "{len}");
        }
    }

    #[test]
    fn the_checksum_of_a_query_is_damaged_and_nothing_else() {
        let mut query = [0_u8; 40];
        (query[0], query[9], query[23]) = (0x45, 17, 53);
        (query[26], query[27]) = (0x12, 0x34);
        let mut damaged = query;
        assert!(damage(&mut damaged));
        assert_eq!(damaged[26..28], [0x47, 0x61]);
        damaged[26..28].copy_from_slice(&query[26..28]);
        assert_eq!(damaged, query);
        // Never zero, which says that there is none.
        (query[26], query[27]) = (0x55, 0x55);
        assert!(damage(&mut query) && query[26..28] == [0, 1]);
        query[9] = 6;
        let mut other = query;
        assert!(!damage(&mut other) && other == query);
        for len in 0..28 {
            assert!(!damage(&mut damaged[..len].to_vec()), "{len}");
        }
    }

    #[test]
    fn only_udp_to_the_port_counts() {
        let mut packet = [0_u8; 40];
        packet[0] = 0x45;
        packet[9] = 17;
        packet[23] = 53;
        assert!(is_query(&packet));
        for len in 0..24 {
            assert!(!is_query(&packet[..len]), "{len}");
        }
        for (at, other) in [(0, 0x65), (0, 0x46), (9, 6), (22, 1), (23, 54)] {
            let mut changed = packet;
            changed[at] = other;
            assert!(!is_query(&changed), "{at}");
        }
    }
}
