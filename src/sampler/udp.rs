//! UDP counters, which each network namespace has of its own.

use crate::host::proc::snmp::Udp;

/// Datagrams that UDP of a namespace gave up while watched, IPv4 and IPv6
/// together. All are growth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounters {
    /// No room in the receive buffer of a socket (`RcvbufErrors`).
    pub receive_buffer_errors: u64,
    /// Wrong checksum (`InCsumErrors`).
    pub checksum_errors: u64,
    /// Nobody listened on the port (`NoPorts`).
    pub no_ports: u64,
    /// No room to send (`SndbufErrors`).
    pub send_buffer_errors: u64,
    /// Whether the growth counts from later than the start, because the
    /// namespace was first met then.
    pub baseline_late: bool,
}

impl UdpCounters {
    /// What grew from one look to another.
    pub(super) fn between(first: &Udp, last: &Udp, baseline_late: bool) -> Self {
        let growth = |of: fn(&Udp) -> u64| of(last).saturating_sub(of(first));
        Self {
            receive_buffer_errors: growth(|udp| udp.receive_buffer_errors),
            checksum_errors: growth(|udp| udp.checksum_errors),
            no_ports: growth(|udp| udp.no_ports),
            send_buffer_errors: growth(|udp| udp.send_buffer_errors),
            baseline_late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_counts() {
        let first = Udp {
            no_ports: 2,
            checksum_errors: 9,
            ..Udp::default()
        };
        let last = Udp {
            receive_buffer_errors: 5,
            no_ports: 3,
            ..first
        };
        let expected = UdpCounters {
            receive_buffer_errors: 5,
            no_ports: 1,
            baseline_late: true,
            ..UdpCounters::default()
        };
        assert_eq!(UdpCounters::between(&first, &last, true), expected);
    }
}
