//! `/proc/…/net/snmp` and `snmp6`: counters that each network namespace has of
//! its own.

use std::io;

use super::MIB;
use super::Root;

/// Datagrams that UDP gave up since the namespace was made, because a socket's receive
/// buffer had no room, IPv4 and IPv6 together (`RcvbufErrors`); of the namespace whose
/// `/proc/…/net` folder this is.
pub fn receive_buffer_errors(net: &Root) -> io::Result<u64> {
    let v4 = net.text("snmp", MIB)?;
    // Without IPv6 there is no such file, and nothing to add.
    let v6 = net.text("snmp6", MIB).unwrap_or_default();
    parse(&v4, &v6).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// `snmp` has a line of names and one of values for each protocol, `snmp6` a
/// line for each counter (proc_pid_net(5)).
fn parse(snmp: &str, snmp6: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let names = lines.next()?.split_ascii_whitespace();
    let mut fields = names.zip(lines.next()?.split_ascii_whitespace());
    let (_, v4) = fields.find(|(name, _)| *name == "RcvbufErrors")?;
    let v6 = snmp6.lines().find_map(|line| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        (name == "Udp6RcvbufErrors").then(|| value.trim().parse::<u64>().ok())?
    });
    Some(v4.parse::<u64>().ok()?.saturating_add(v6.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SNMP_6_18: &str = "\
Icmp: InMsgs InErrors
Icmp: 85 13
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
";
    /// Linux 5.10 has no MemErrors.
    const SNMP_5_10: &str = "\
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti
Udp: 1 2 3 4 5 6 7 8
";

    #[test]
    fn both_families_are_added_up_and_udplite_is_not() {
        assert_eq!(parse(SNMP_6_18, SNMP6_6_18), Some(1100));
    }

    #[test]
    fn a_host_without_ipv6_and_an_older_kernel_are_read() {
        assert_eq!(parse(SNMP_5_10, ""), Some(5));
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
        fn no_text_makes_it_panic(a in "(Udp: |RcvbufErrors |[0-9]{0,22} |\n){0,30}", b in "(Udp6|NoPorts|\t|[0-9]{0,22}|\n){0,30}") {
            let _ = parse(&a, &b);
        }
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        receive_buffer_errors(&Root::at("/proc/self/net")).expect("a UDP counter");
    }
}
