//! Entries of the connection tracking tables that lead to a DNS port.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use super::ctnetlink;
use crate::attempt::Transport;

/// Entries that are kept, of some 200 octets.
pub(super) const MAX: usize = 4096;

/// A table of half a million entries takes a second and 100 MB of text; what is
/// beyond is left out and said.
const TABLE_MAX: u64 = 64 << 20;

/// Nothing is read after this.
const LINES_PER_LOOK_AT_THE_CLOCK: usize = 1024;

/// An entry of a connection tracking table, at the end of the watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whose table it is in: the inode number of the network namespace.
    pub netns: u32,
    /// UDP or TCP.
    pub transport: Transport,
    /// Who asked.
    pub source: SocketAddr,
    /// The address that was asked.
    pub destination: SocketAddr,
    /// Who is to answer: the server behind `destination`, if there is address
    /// translation.
    pub reply_source: SocketAddr,
    /// Where the answers are sent: not `source`, if that is translated.
    pub reply_destination: SocketAddr,
    /// Packets went both ways and it is kept longer (`IPS_ASSURED`).
    pub assured: bool,
    /// Nothing has come back yet.
    pub unreplied: bool,
}

/// What was found, the most telling first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// At most 4096: those of failed attempts, then others.
    pub kept: Vec<Flow>,
    /// Entries to DNS ports for which there was no room.
    pub left_out: u64,
    /// Whether a table was too long to read to its end.
    pub incomplete: bool,
}

/// Which entries to look for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Destination ports that are DNS.
    pub(super) ports: BTreeSet<u16>,
    /// Source and destination of failed attempts.
    pub(super) failed: HashSet<(SocketAddr, SocketAddr)>,
    /// Network namespaces of failed attempts.
    pub(super) namespaces: BTreeSet<u32>,
}

/// Gathers entries of several namespaces.
#[derive(Debug, Default)]
pub(super) struct Collection {
    telling: Vec<Flow>,
    others: Vec<Flow>,
    left_out: u64,
    incomplete: bool,
}

impl Collection {
    /// Reads a table to its end, or until `deadline`. False if there is no such
    /// file.
    pub(super) fn read(
        &mut self,
        net: &Path,
        netns: u32,
        wanted: &Wanted,
        deadline: Instant,
    ) -> bool {
        let Ok(table) = File::open(net.join("nf_conntrack")) else {
            return false;
        };
        let mut table = BufReader::with_capacity(64 << 10, table.take(TABLE_MAX));
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            match table.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => {
                    self.incomplete = true;
                    break;
                }
            }
            let flow = std::str::from_utf8(&line)
                .ok()
                .and_then(|line| parse(line, netns));
            if let Some(flow) = flow {
                self.add(flow, wanted);
            }
            if number % LINES_PER_LOOK_AT_THE_CLOCK == 0 && Instant::now() > deadline {
                self.incomplete = true;
                break;
            }
        }
        self.incomplete |= table.into_inner().limit() == 0;
        true
    }

    /// Asks for the table of the namespace that the calling thread is in. False
    /// if that is refused.
    pub(super) fn ask(&mut self, netns: u32, wanted: &Wanted, deadline: Instant) -> bool {
        let complete = ctnetlink::flows(netns, deadline, |flow| self.add(flow, wanted));
        self.incomplete |= matches!(complete, Ok(false));
        complete.is_ok()
    }

    fn add(&mut self, flow: Flow, wanted: &Wanted) {
        if !wanted.ports.contains(&flow.destination.port()) {
            return;
        }
        let of_failed = wanted.failed.contains(&(flow.source, flow.destination));
        let group = match of_failed {
            true => &mut self.telling,
            false => &mut self.others,
        };
        match group.len() < MAX {
            true => group.push(flow),
            false => self.left_out += 1,
        }
    }

    pub(super) fn finish(self) -> Flows {
        let mut kept = self.telling;
        kept.extend(self.others);
        let too_many = kept.len().saturating_sub(MAX);
        kept.truncate(MAX);
        Flows {
            kept,
            left_out: self.left_out.saturating_add(too_many as u64),
            incomplete: self.incomplete,
        }
    }
}

/// A line of `nf_conntrack` (`ct_seq_show` in
/// net/netfilter/nf_conntrack_standalone.c): family, protocol, what remains of
/// its time, for TCP a state, the tuple as it was asked and the one expected
/// back. Other protocols are passed over.
fn parse(line: &str, netns: u32) -> Option<Flow> {
    let mut words = line.split_ascii_whitespace();
    let transport = match words.nth(2)? {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return None,
    };
    let mut tuples = [Tuple::default(); 2];
    let mut current = 0;
    let (mut assured, mut unreplied) = (false, false);
    for word in words {
        match word {
            "[ASSURED]" => assured = true,
            "[UNREPLIED]" => unreplied = true,
            _ => {
                let Some((key, value)) = word.split_once('=') else {
                    continue;
                };
                // The source comes first in a tuple.
                if key == "src" && tuples.first()?.source.is_some() {
                    current = 1;
                }
                tuples.get_mut(current)?.set(key, value);
            }
        }
    }
    let [asked, expected] = tuples;
    let (source, destination) = asked.endpoints()?;
    let (reply_source, reply_destination) = expected.endpoints()?;
    Some(Flow {
        netns,
        transport,
        source,
        destination,
        reply_source,
        reply_destination,
        assured,
        unreplied,
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
            parse(STALE, 7),
            Some(Flow {
                netns: 7,
                transport: Transport::Udp,
                source: address("10.77.0.1:40000"),
                destination: address("10.96.0.10:53"),
                reply_source: address("10.77.0.9:5353"),
                reply_destination: address("10.88.0.1:61000"),
                assured: true,
                unreplied: false,
            })
        );
        let lonely = parse(LONELY_V6, 7).unwrap();
        assert_eq!(lonely.transport, Transport::Tcp);
        assert_eq!(lonely.source, address("[fd77::1]:41000"));
        assert_eq!(lonely.reply_source, address("[fd77::2]:53"));
        assert!(lonely.unreplied && !lonely.assured);
    }

    #[test]
    fn other_protocols_and_nonsense_are_no_flow() {
        let ping = "ipv4 2 icmp 1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=1 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=1 mark=0 use=2";
        for junk in [
            "",
            ping,
            "ipv4 2 udp 17 1 src=1.1.1.1 dst=1.1.1.2 sport=1 dport=53",
            "ipv4 2 udp 17 1 src=x dst=y sport=99999 dport=53 src= dst= sport= dport=",
            "ipv4 2 udp src=1.1.1.1 src=1.1.1.1 src=1.1.1.1 src=1.1.1.1",
        ] {
            assert_eq!(parse(junk, 7), None, "{junk:?}");
        }
    }

    #[test]
    fn those_of_failed_attempts_come_first_and_the_rest_is_counted() {
        let flow = |port: u16| Flow {
            source: SocketAddr::new(IpAddr::from([10, 0, 0, 1]), port),
            ..parse(STALE, 7).unwrap()
        };
        let failed = flow(u16::MAX);
        let wanted = Wanted {
            ports: BTreeSet::from([53]),
            failed: HashSet::from([(failed.source, failed.destination)]),
            namespaces: BTreeSet::new(),
        };
        let mut collection = Collection::default();
        for port in 1..=5000 {
            collection.add(flow(port), &wanted);
        }
        collection.add(failed.clone(), &wanted);
        let mut web = flow(1);
        web.destination.set_port(443);
        collection.add(web, &wanted);
        let flows = collection.finish();
        assert_eq!(flows.kept.first(), Some(&failed));
        assert_eq!(flows.kept.len(), MAX);
        assert_eq!(flows.left_out, 5001 - MAX as u64);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((src|dst|sport|dport)=[0-9a-f.:]{0,12} |udp |\\[ASSURED\\] ){0,30}") {
            let _ = parse(&text, 1);
        }
    }
}
