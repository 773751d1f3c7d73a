//! `/proc/…/net/snmp` and `snmp6`: counters that each network namespace has of
//! its own.

use std::io;

use super::MIB;
use super::Root;

/// What UDP gave up since the namespace was made, IPv4 and IPv6 together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// No room in the receive buffer of a socket (`RcvbufErrors`).
    pub receive_buffer_errors: u64,
    /// Wrong checksum (`InCsumErrors`).
    pub checksum_errors: u64,
    /// Nobody listened on the port (`NoPorts`).
    pub no_ports: u64,
    /// No room to send (`SndbufErrors`).
    pub send_buffer_errors: u64,
}

impl Udp {
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
fn parse(snmp: &str, snmp6: &str) -> Option<Udp> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let names = lines.next()?.split_ascii_whitespace();
    let values = lines.next()?.split_ascii_whitespace();
    let v4: Vec<(&str, u64)> = names
        .zip(values)
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect();
    let sum = |name: &str| -> Option<u64> {
        let (_, v4) = v4.iter().find(|(it, _)| *it == name)?;
        let v6 = snmp6.lines().find_map(|line| {
            let (it, value) = line.split_once(char::is_whitespace)?;
            (it.strip_prefix("Udp6") == Some(name)).then(|| value.trim().parse::<u64>().ok())?
        });
        Some(v4.saturating_add(v6.unwrap_or(0)))
    };
    Some(Udp {
        receive_buffer_errors: sum("RcvbufErrors")?,
        checksum_errors: sum("InCsumErrors")?,
        no_ports: sum("NoPorts")?,
        send_buffer_errors: sum("SndbufErrors")?,
    })
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
        let expected = Udp {
            receive_buffer_errors: 1100,
            checksum_errors: 4,
            no_ports: 17,
            send_buffer_errors: 2,
        };
        assert_eq!(parse(SNMP_6_18, SNMP6_6_18), Some(expected));
    }

    #[test]
    fn a_host_without_ipv6_and_an_older_kernel_are_read() {
        let expected = Udp {
            receive_buffer_errors: 5,
            checksum_errors: 7,
            no_ports: 2,
            send_buffer_errors: 6,
        };
        assert_eq!(parse(SNMP_5_10, ""), Some(expected));
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
    fn the_running_kernel_agrees_on_the_form() {
        Udp::read(&Root::at("/proc/self/net")).expect("UDP counters");
    }
}
