//! What lies outside, where nothing of this host sees what becomes of a packet:
//! a tunnel device of the node whose other end reads everything and answers
//! nothing. A packet that is read is delivered, not dropped, as one that has
//! left by a network card.

use std::ffi::CStr;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufRead;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use anyhow::Context as _;
use anyhow::Result;

use crate::target::DNS_PORT;

pub(super) const DEVICE: &CStr = c"outside";

/// include/uapi/linux/if_tun.h: `_IOW('T', 202, int)`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// Is what lies outside, until its input ends. Returns how many DNS queries reached it
/// over IPv4 and UDP.
pub(super) fn run(mut input: impl BufRead, ready: impl FnOnce()) -> Result<u64> {
    let mut device = open()
        .context("cannot make a tunnel device: this scenario needs /dev/net/tun (modprobe tun)")?;
    let queries = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&queries);
    // It ends with the process.
    thread::spawn(move || {
        let mut packet = [0; 2_048];
        while let Ok(len) = device.read(&mut packet) {
            let is_query = packet.get(..len).is_some_and(is_query);
            counter.fetch_add(u64::from(is_query), Relaxed);
        }
    });
    ready();
    io::copy(&mut input, &mut io::sink())?;
    Ok(queries.load(Relaxed))
}

/// A tunnel of IP packets without a header in front.
fn open() -> io::Result<File> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // SAFETY: all octets zero are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(DEVICE.to_bytes_with_nul()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request is an ifreq on this stack, with a name that ends.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(device)
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

#[cfg(test)]
mod tests {
    use super::*;

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
