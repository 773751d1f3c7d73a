//! A DNS server on another host: a tunnel device, whose other end answers as unbound would. So a query is seen by the asking end only, as on most hosts.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::thread;

use anyhow::Context as _;
use anyhow::Result;
use kerno_chaos::testbed::tool::IP;
use kerno_chaos::testbed::tunnel;

use crate::site::MISSING;
use crate::site::Site;

const DEVICE: &CStr = c"elsewhere";

/// Of headers of IPv4 without options (RFC 791 section 3.1), UDP (RFC 768) and DNS (RFC 1035
/// section 4.1.1).
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const DNS_HEADER: usize = 12;
/// QR, RD and RA, with NOERROR or NXDOMAIN.
const FOUND: u16 = 0x8180;
const NO_SUCH_NAME: u16 = 0x8183;
/// The name that was asked for, A, IN, five minutes, 192.0.2.2.
const RECORD: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 192, 0, 2, 2];

/// Where it is.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// Starts it. It ends with this process.
pub(crate) fn start(site: &Site) -> Result<()> {
    let device = site.namespace.enter(|| tunnel(DEVICE))?;
    let mut device = device.context("cannot make a tunnel device (modprobe tun)")?;
    let name = DEVICE.to_string_lossy();
    for arguments in [
        format!("address add 192.0.2.1/24 dev {name}"),
        format!("link set {name} up"),
    ] {
        site.namespace.run(IP, &arguments, "")?;
    }
    thread::spawn(move || {
        while let Some(answer) = next_answer(&mut device) {
            // A device without room loses it, as a network may.
            let _lost = device.write_all(&answer);
        }
    });
    Ok(())
}

/// Waits for a query; `None` if there will be none any more.
fn next_answer(device: &mut File) -> Option<Vec<u8>> {
    let mut packet = [0; 2_048];
    loop {
        let len = device.read(&mut packet).ok()?;
        if let Some(answer) = answer(&packet[..len]) {
            return Some(answer);
        }
    }
}

/// The packet that answers this one, if it is a query over UDP.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let mut packet = query.to_vec();
    let (ip, udp) = packet.split_at_mut_checked(IP_HEADER)?;
    let (udp, dns) = udp.split_at_mut_checked(UDP_HEADER)?;
    if ip[0] != 0x45 || i32::from(ip[9]) != libc::IPPROTO_UDP || dns.len() <= DNS_HEADER {
        return None;
    }
    let (source, destination) = ip[12..20].split_at_mut(4);
    source.swap_with_slice(destination);
    let (source, destination) = udp[..4].split_at_mut(2);
    source.swap_with_slice(destination);
    let is_found = !dns[DNS_HEADER + 1..].starts_with(MISSING.as_bytes());
    let flags = if is_found { FOUND } else { NO_SUCH_NAME };
    dns[2..4].copy_from_slice(&flags.to_be_bytes());
    dns[7] = u8::from(is_found);
    if is_found {
        packet.extend(RECORD);
    }
    let set = |packet: &mut [u8], at: usize, value: usize| {
        // A packet of a tunnel has 65,535 octets at most, and this one 2,064.
        packet[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
    };
    let len = packet.len();
    set(&mut packet, 2, len);
    set(&mut packet, IP_HEADER + 4, len - IP_HEADER);
    // No checksum of UDP.
    set(&mut packet, IP_HEADER + 6, 0);
    set(&mut packet, 10, 0);
    let words = packet[..IP_HEADER].chunks_exact(2);
    let sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    set(&mut packet, 10, usize::from(!(sum as u16)));
    Some(packet)
}
