//! Connection tracking by netlink, for kernels that do not show it in procfs.
//!
//! `CONFIG_NF_CONNTRACK_PROCFS` is off in Ubuntu's kernels and, since 2022, by
//! default (node_exporter issue 2491); `conntrack -S` and `conntrack -L` ask in this way. It takes a
//! socket in the namespace itself, so a thread that enters it (CAP_SYS_ADMIN).
//!
//! Numbers are those of include/uapi/linux/netfilter/nfnetlink_conntrack.h.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::time::Instant;

use super::Attributes;
use super::ask_conntrack;
use super::dump;
use super::soon;
use crate::host::proc::conntrack_stat::ConntrackStat;
use crate::host::proc::conntrack_table::Flow;
use crate::host::proc::conntrack_table::carries_dns;

const IPCTNL_MSG_CT_GET: u8 = 1;
const IPCTNL_MSG_CT_GET_STATS_CPU: u8 = 4;
const IPCTNL_MSG_CT_GET_STATS: u8 = 5;

const CTA_STATS_INSERT_FAILED: u16 = 9;
const CTA_STATS_DROP: u16 = 10;
const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
/// include/uapi/linux/netfilter/nf_conntrack_common.h
const IPS_SEEN_REPLY: u32 = 1 << 1;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

/// The counters of the namespace that the calling thread is in.
pub fn stat() -> io::Result<ConntrackStat> {
    let (sum, complete) = dump(
        soon(),
        || None::<ConntrackStat>,
        |sum| {
            let question = IPCTNL_MSG_CT_GET_STATS_CPU;
            ask_conntrack(question, libc::NLM_F_DUMP, soon(), |_, cpu| {
                let count = |kind| cpu.number(kind).map_or(0, u64::from);
                let sum = sum.get_or_insert_default();
                sum.drop += count(CTA_STATS_DROP);
                sum.insert_failed += count(CTA_STATS_INSERT_FAILED);
            })
        },
    )?;
    let mut entries = None;
    let question = IPCTNL_MSG_CT_GET_STATS;
    ask_conntrack(question, libc::NLM_F_ACK, soon(), |_, table| {
        entries = table.number(CTA_STATS_GLOBAL_ENTRIES);
    })?;
    let both = sum.filter(|_| complete).zip(entries);
    let (mut sum, entries) = both.ok_or(io::ErrorKind::InvalidData)?;
    sum.entries = entries.into();
    Ok(sum)
}

/// Gathers the entries of the namespace `netns`, which the calling thread is in. False
/// beside it if some may be missing: `deadline` came before the last of them, or
/// the table changed each time that it was asked for.
pub fn entries<T>(
    netns: u32,
    deadline: Instant,
    empty: impl Fn() -> T,
    mut take: impl FnMut(&mut T, Flow),
) -> io::Result<(T, bool)> {
    dump(deadline, empty, |gathered| {
        let question = IPCTNL_MSG_CT_GET;
        ask_conntrack(question, libc::NLM_F_DUMP, deadline, |family, entry| {
            if let Some(flow) = flow(netns, family, entry) {
                take(gathered, flow);
            }
        })
    })
}

pub(super) fn flow(netns: u32, family: u8, entry: Attributes<'_>) -> Option<Flow> {
    let asked = entry.nested(CTA_TUPLE_ORIG)?;
    let expected = entry.nested(CTA_TUPLE_REPLY)?;
    let protocol = asked.nested(CTA_TUPLE_PROTO)?.get(CTA_PROTO_NUM)?;
    protocol.first().filter(|it| carries_dns(**it))?;
    let (source, destination) = endpoints(family, asked)?;
    let (reply_source, _) = endpoints(family, expected)?;
    Some(Flow {
        netns,
        source,
        destination,
        reply_source,
        is_replied: entry.number(CTA_STATUS)? & IPS_SEEN_REPLY != 0,
    })
}

fn endpoints(family: u8, tuple: Attributes<'_>) -> Option<(SocketAddr, SocketAddr)> {
    let addresses = tuple.nested(CTA_TUPLE_IP)?;
    let ports = tuple.nested(CTA_TUPLE_PROTO)?;
    let v4 = |kind| {
        Some(IpAddr::from(
            <[u8; 4]>::try_from(addresses.get(kind)?).ok()?,
        ))
    };
    let v6 = |kind| {
        Some(IpAddr::from(
            <[u8; 16]>::try_from(addresses.get(kind)?).ok()?,
        ))
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
