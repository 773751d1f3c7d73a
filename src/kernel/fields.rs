//! Fields that several records and maps have.

use std::net::IpAddr;
use std::net::SocketAddr;

use super::wire::dns_owner;
use super::wire::dns_role;
use crate::attempt::Comm;
use crate::attempt::HeaderBits;
use crate::attempt::Owner;
use crate::attempt::Role;
use crate::attempt::Transport;

/// TC bit of the header, RFC 1035 section 4.1.1.
pub(super) const FLAG_TC: u16 = 0x0200;
/// AA, RD and RA.
pub(super) const FLAG_AA: u16 = 0x0400;
pub(super) const FLAG_RD: u16 = 0x0100;
pub(super) const FLAG_RA: u16 = 0x0080;
/// CD, RFC 4035 section 3.2.2.
pub(super) const FLAG_CD: u16 = 0x0010;
const OPCODE_MASK: u16 = 0x7800;
/// Lower four bits of the response code.
pub(super) const RCODE_MASK: u16 = 0x000f;

/// What the other bits of the header say (AA, RD, RA, opcode).
pub(super) fn header_bits(flags: u16) -> HeaderBits {
    HeaderBits {
        authoritative: flags & FLAG_AA != 0,
        recursion_desired: flags & FLAG_RD != 0,
        recursion_available: flags & FLAG_RA != 0,
        checking_disabled: flags & FLAG_CD != 0,
        is_no_query: flags & OPCODE_MASK != 0,
    }
}

pub(super) fn role(role: u8) -> Role {
    match dns_role(u32::from(role)) {
        dns_role::DNS_ROLE_SERVER => Role::Server,
        _ => Role::Client,
    }
}

pub(super) fn transport(protocol: u8) -> Transport {
    match i32::from(protocol) {
        libc::IPPROTO_TCP => Transport::Tcp,
        _ => Transport::Udp,
    }
}

/// An IPv4-mapped address is shown as the IPv4 address that it is.
pub(super) fn address(ip: [u8; 16], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from(ip).to_canonical(), port)
}

pub(super) fn owner(owner: &dns_owner, tid: u32) -> Owner {
    Owner {
        pid: (owner.tgid != 0).then_some(owner.tgid),
        tid: (tid != 0).then_some(tid),
        comm: Comm::new(&owner.comm),
        cgroup_id: owner.cgroup_id,
        netns: owner.netns,
    }
}
