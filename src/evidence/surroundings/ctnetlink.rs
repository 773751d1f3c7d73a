//! Connection tracking by netlink, for kernels that do not show it in procfs.
//!
//! `CONFIG_NF_CONNTRACK_PROCFS` is off in Ubuntu's kernels and, since 2022, by
//! default (node_exporter issue 2491); `conntrack -S` and `conntrack -L` ask in this way. It takes a
//! socket in the namespace itself, so a thread that enters it (CAP_SYS_ADMIN).
//!
//! Numbers are those of include/uapi/linux/netfilter/nfnetlink_conntrack.h.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Instant;

use super::Flow;
use super::conntrack::Reading;
use super::netlink;
use super::netlink::Ask;
use super::netlink::Attributes;
use super::netlink::Message;
use crate::attempt::Transport;

const IPCTNL_MSG_CT_GET: u8 = 1;
const IPCTNL_MSG_CT_GET_STATS_CPU: u8 = 4;
const IPCTNL_MSG_CT_GET_STATS: u8 = 5;

const CTA_STATS_INSERT_FAILED: u16 = 9;
const CTA_STATS_DROP: u16 = 10;
const CTA_STATS_EARLY_DROP: u16 = 11;
const CTA_STATS_CLASH_RESOLVE: u16 = 14;
const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

/// include/uapi/linux/netfilter/nf_conntrack_common.h
const IPS_SEEN_REPLY: u32 = 1 << 1;
const IPS_ASSURED: u32 = 1 << 2;

/// The counters of the namespace that the calling thread is in.
pub(super) fn read() -> io::Result<Reading> {
    let mut sum: Option<Reading> = None;
    netlink::ask_conntrack(
        IPCTNL_MSG_CT_GET_STATS_CPU,
        Ask::All,
        netlink::soon(),
        |cpu| add(sum.get_or_insert_default(), cpu.attributes),
    )?;
    let mut entries = None;
    netlink::ask_conntrack(
        IPCTNL_MSG_CT_GET_STATS,
        Ask::Once,
        netlink::soon(),
        |table| entries = table.attributes.number(CTA_STATS_GLOBAL_ENTRIES),
    )?;
    let (mut sum, entries) = sum.zip(entries).ok_or(io::ErrorKind::InvalidData)?;
    sum.entries = entries.into();
    Ok(sum)
}

fn add(sum: &mut Reading, cpu: Attributes<'_>) {
    let count = |kind| cpu.number(kind).map_or(0, u64::from);
    sum.drop += count(CTA_STATS_DROP);
    sum.early_drop += count(CTA_STATS_EARLY_DROP);
    sum.insert_failed += count(CTA_STATS_INSERT_FAILED);
    if let Some(clashes) = cpu.number(CTA_STATS_CLASH_RESOLVE) {
        *sum.clash_resolved.get_or_insert(0) += u64::from(clashes);
    }
}

/// The entries of the namespace that the calling thread is in. False if
/// `deadline` came before the last of them.
pub(super) fn flows(netns: u32, deadline: Instant, mut take: impl FnMut(Flow)) -> io::Result<bool> {
    netlink::ask_conntrack(IPCTNL_MSG_CT_GET, Ask::All, deadline, |entry| {
        if let Some(flow) = flow(entry, netns) {
            take(flow);
        }
    })
}

fn flow(entry: Message<'_>, netns: u32) -> Option<Flow> {
    let asked = entry.attributes.nested(CTA_TUPLE_ORIG)?;
    let expected = entry.attributes.nested(CTA_TUPLE_REPLY)?;
    let status = entry.attributes.number(CTA_STATUS)?;
    let protocol = asked.nested(CTA_TUPLE_PROTO)?.get(CTA_PROTO_NUM)?;
    let transport = match protocol.first().copied().map(i32::from)? {
        libc::IPPROTO_UDP => Transport::Udp,
        libc::IPPROTO_TCP => Transport::Tcp,
        _ => return None,
    };
    let (source, destination) = endpoints(entry.family, asked)?;
    let (reply_source, reply_destination) = endpoints(entry.family, expected)?;
    Some(Flow {
        netns,
        transport,
        source,
        destination,
        reply_source,
        reply_destination,
        assured: status & IPS_ASSURED != 0,
        unreplied: status & IPS_SEEN_REPLY == 0,
    })
}

fn endpoints(family: u8, tuple: Attributes<'_>) -> Option<(SocketAddr, SocketAddr)> {
    let addresses = tuple.nested(CTA_TUPLE_IP)?;
    let ports = tuple.nested(CTA_TUPLE_PROTO)?;
    let v4 = |kind| {
        let octets: [u8; 4] = addresses.get(kind)?.try_into().ok()?;
        Some(IpAddr::from(Ipv4Addr::from(octets)))
    };
    let v6 = |kind| {
        let octets: [u8; 16] = addresses.get(kind)?.try_into().ok()?;
        Some(IpAddr::from(Ipv6Addr::from(octets)))
    };
    let port = |kind| Some(u16::from_be_bytes(ports.get(kind)?.try_into().ok()?));
    let (source, destination) = match i32::from(family) {
        libc::AF_INET => (v4(CTA_IP_V4_SRC)?, v4(CTA_IP_V4_DST)?),
        libc::AF_INET6 => (v6(CTA_IP_V6_SRC)?, v6(CTA_IP_V6_DST)?),
        _ => return None,
    };
    Some((
        SocketAddr::new(source, port(CTA_PROTO_SRC_PORT)?),
        SocketAddr::new(destination, port(CTA_PROTO_DST_PORT)?),
    ))
}
