//! `/proc/…/net/snmp` and `snmp6`: counters that each network namespace has of
//! its own.

use std::io;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::MIB;
use super::Root;

/// Since the namespace was made, IPv4 and IPv6 together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snmp {
    /// Datagrams that UDP gave up because a socket's receive buffer had no room
    /// (`RcvbufErrors`).
    pub receive_buffer_errors: u64,
    /// Datagrams of UDP whose checksum was wrong (`InCsumErrors`).
    pub checksum_errors: u64,
    /// ICMP errors "destination unreachable" that were sent from here
    /// (`OutDestUnreachs`), and that came here (`InDestUnreachs`).
    pub unreachable: Unreachable,
}

/// ICMP errors of the type "destination unreachable" (RFC 792, RFC 4443 section 3.1).
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreachable {
    /// Sent from a network namespace.
    pub sent: u64,
    /// That came there.
    pub received: u64,
}

impl Unreachable {
    /// What was added since an earlier reading.
    pub fn since(self, first: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(first.sent),
            received: self.received.saturating_sub(first.received),
        }
    }

    /// Adds what another one counted.
    pub fn absorb(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
    }
}

impl Snmp {
    /// Of the namespace whose `/proc/…/net` folder this is.
    pub fn read(net: &Root) -> io::Result<Self> {
        let v4 = net.text("snmp", MIB)?;
        // Without IPv6 there is no such file, and nothing to add.
        let v6 = net.text("snmp6", MIB).unwrap_or_default();
        parse(&v4, &v6).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// `snmp` has a line of names and one of values for each protocol, `snmp6` a
/// line for each counter (proc_pid_net(5)).
pub(super) fn parse(snmp: &str, snmp6: &str) -> Option<Snmp> {
    let v4 = |protocol: &str, wanted: &str| {
        let mut lines = snmp
            .lines()
            .filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "));
        let names = lines.next()?.split_ascii_whitespace();
        let mut fields = names.zip(lines.next()?.split_ascii_whitespace());
        let (_, value) = fields.find(|(name, _)| *name == wanted)?;
        value.parse::<u64>().ok()
    };
    let v6 = |wanted: &str| {
        let value = snmp6.lines().find_map(|line| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            (name == wanted).then(|| value.trim().parse::<u64>().ok())?
        });
        value.unwrap_or(0)
    };
    let both = |protocol, name, name6| Some(v4(protocol, name)?.saturating_add(v6(name6)));
    Some(Snmp {
        receive_buffer_errors: both("Udp", "RcvbufErrors", "Udp6RcvbufErrors")?,
        // Since Linux 3.10.
        checksum_errors: both("Udp", "InCsumErrors", "Udp6InCsumErrors").unwrap_or(0),
        unreachable: Unreachable {
            sent: both("Icmp", "OutDestUnreachs", "Icmp6OutDestUnreachs").unwrap_or(0),
            received: both("Icmp", "InDestUnreachs", "Icmp6InDestUnreachs").unwrap_or(0),
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SNMP_6_18: &str = "\
Icmp: InMsgs InErrors InCsumErrors InDestUnreachs OutMsgs OutErrors OutDestUnreachs
Icmp: 85 13 0 17 40 0 22
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 85 13 0 99 1095 2 3 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
UdpLite: 9 9 9 9 9 9 9 9 9
";
    const SNMP6_6_18: &str = "\
Ip6InReceives                   	40
Udp6InDatagrams                 	28
Udp6NoPorts                     	4
Udp6InErrors                    	0
Udp6RcvbufErrors                	5
Udp6SndbufErrors                	0
Udp6InCsumErrors                	1
UdpLite6RcvbufErrors            	77
Icmp6InDestUnreachs             	3
Icmp6OutDestUnreachs            	20
";
    /// Linux 5.10 has no MemErrors.
    const SNMP_5_10: &str = "\
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti
Udp: 1 2 3 4 5 6 7 8
";

    #[test]
    fn both_families_are_added_up_and_udplite_is_not() {
        let read = parse(SNMP_6_18, SNMP6_6_18).expect("all of it");
        assert_eq!(read.receive_buffer_errors, 1100);
        let (sent, received) = (42, 20);
        assert_eq!(read.unreachable, Unreachable { sent, received });
    }

    #[test]
    fn a_host_without_ipv6_and_an_older_kernel_are_read() {
        let read = parse(SNMP_5_10, "").expect("the UDP line");
        assert_eq!(read.receive_buffer_errors, 5);
        assert_eq!(read.unreachable, Unreachable::default());
    }

    #[test]
    fn what_is_cut_or_makes_no_sense_is_no_reading() {
        for junk in [
            "",
            "Udp: \nUdp: \n",
            "Udp: NoPorts\nUdp: 1\n",
            "Udp: NoPorts\n",
        ] {
            assert_eq!(parse(junk, SNMP6_6_18), None, "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(a in "(Udp: |Icmp: |RcvbufErrors |OutDestUnreachs |[0-9]{0,22} |\n){0,30}", b in "(Udp6|NoPorts|\t|[0-9]{0,22}|\n){0,30}") {
            let _ = parse(&a, &b);
        }
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        Snmp::read(&Root::at("/proc/self/net")).expect("a UDP counter");
    }
}
