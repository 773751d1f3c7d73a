//! `/proc/…/net/nf_conntrack`: the entries of a connection tracking table.

use std::fs::File;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Instant;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::Root;

/// A table of half a million entries takes a second and 100 MB of text; what is
/// beyond is left out and said.
const TABLE_MAX: u64 = 64 << 20;

/// Nothing is read after this.
const LINES_PER_LOOK_AT_THE_CLOCK: usize = 1024;

/// An entry of a protocol that carries DNS.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whose table it is in: the inode number of the network namespace.
    pub netns: u32,
    /// Who asked.
    pub source: SocketAddr,
    /// The address that was asked.
    pub destination: SocketAddr,
    /// Who is to answer: the server behind `destination`, if there is address
    /// translation.
    pub reply_source: SocketAddr,
    /// A packet has come back.
    pub is_replied: bool,
}

/// Whether a protocol, by its number in the IP header, carries DNS.
pub fn carries_dns(protocol: u8) -> bool {
    matches!(i32::from(protocol), libc::IPPROTO_UDP | libc::IPPROTO_TCP)
}

/// Hands on the entries of a namespace, whose `/proc/…/net` folder this is, and
/// says whether that was all of them: a table may be too long, or `deadline` come
/// before its end.
///
/// # Errors
///
/// This kernel has no such file.
pub fn read(
    net: &Root,
    netns: u32,
    deadline: Instant,
    mut take: impl FnMut(Flow),
) -> io::Result<bool> {
    let table = File::open(net.path("nf_conntrack"))?;
    let mut table = BufReader::with_capacity(64 << 10, table.take(TABLE_MAX));
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        match table.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return Ok(false),
        }
        let text = std::str::from_utf8(&line).ok();
        if let Some(flow) = text.and_then(|line| parse(netns, line)) {
            take(flow);
        }
        if number % LINES_PER_LOOK_AT_THE_CLOCK == 0 && Instant::now() > deadline {
            return Ok(false);
        }
    }
    Ok(table.into_inner().limit() > 0)
}

/// A line of `nf_conntrack` (`ct_seq_show` in
/// net/netfilter/nf_conntrack_standalone.c): family, protocol, what remains of
/// its time, for TCP a state, the tuple as it was asked and the one expected
/// back.
pub(super) fn parse(netns: u32, line: &str) -> Option<Flow> {
    let mut words = line.split_ascii_whitespace();
    words.nth(3)?.parse().ok().filter(|it| carries_dns(*it))?;
    let is_replied = !line.contains("[UNREPLIED]");
    let mut tuples = [Tuple::default(); 2];
    let mut current = 0;
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        // The source comes first in a tuple.
        if key == "src" && tuples.first()?.source.is_some() {
            current = 1;
        }
        tuples.get_mut(current)?.set(key, value);
    }
    let [asked, expected] = tuples;
    let (source, destination) = asked.endpoints()?;
    let (reply_source, _) = expected.endpoints()?;
    Some(Flow {
        netns,
        source,
        destination,
        reply_source,
        is_replied,
    })
}

#[derive(Clone, Copy, Debug, Default)]
struct Tuple {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
}

impl Tuple {
    fn set(&mut self, key: &str, value: &str) {
        match key {
            "src" => self.source = value.parse().ok(),
            "dst" => self.destination = value.parse().ok(),
            "sport" => self.source_port = value.parse().ok(),
            "dport" => self.destination_port = value.parse().ok(),
            _ => {}
        }
    }

    fn endpoints(&self) -> Option<(SocketAddr, SocketAddr)> {
        let source = SocketAddr::new(self.source?, self.source_port?);
        let destination = SocketAddr::new(self.destination?, self.destination_port?);
        Some((source, destination))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STALE: &str = "ipv4     2 udp      17 117 src=10.77.0.1 dst=10.96.0.10 sport=40000 dport=53 src=10.77.0.9 dst=10.88.0.1 sport=5353 dport=61000 [ASSURED] mark=0 zone=0 use=2\n";
    const LONELY_V6: &str = "ipv6     10 tcp      6 119 SYN_SENT src=fd77:0000:0000:0000:0000:0000:0000:0001 dst=fd77:0000:0000:0000:0000:0000:0000:0002 sport=41000 dport=53 packets=1 bytes=80 [UNREPLIED] src=fd77:0000:0000:0000:0000:0000:0000:0002 dst=fd77:0000:0000:0000:0000:0000:0000:0001 sport=53 dport=41000 packets=0 bytes=0 mark=0 secctx=x use=2\n";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn lines_are_taken_apart() {
        assert_eq!(
            parse(7, STALE),
            Some(Flow {
                netns: 7,
                source: address("10.77.0.1:40000"),
                destination: address("10.96.0.10:53"),
                reply_source: address("10.77.0.9:5353"),
                is_replied: true,
            })
        );
        let lonely = parse(7, LONELY_V6).unwrap();
        assert_eq!(lonely.source, address("[fd77::1]:41000"));
        assert!(!lonely.is_replied);
        assert_eq!(lonely.reply_source, address("[fd77::2]:53"));
    }

    #[test]
    fn other_protocols_and_nonsense_are_no_flow() {
        let ping = "ipv4 2 icmp 1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=1 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=1 mark=0 use=2";
        for junk in [
            "",
            ping,
            &STALE.replace("udp      17", "sctp     132"),
            "ipv4 2 udp 17 1 src=1.1.1.1 dst=1.1.1.2 sport=1 dport=53",
            "ipv4 2 udp 17 1 src=x dst=y sport=99999 dport=53 src= dst= sport= dport=",
            "ipv4 2 udp src=1.1.1.1 src=1.1.1.1 src=1.1.1.1 src=1.1.1.1",
        ] {
            assert_eq!(parse(7, junk), None, "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((src|dst|sport|dport)=[0-9a-f.:]{0,12} |udp |\\[ASSURED\\] ){0,30}") {
            let _ = parse(7, &text);
        }
    }
}
