//! Fields that several records and maps have.

use std::net::IpAddr;
use std::net::SocketAddr;

use super::wire::dns_owner;
use super::wire::dns_role;
use crate::attempt::Comm;
use crate::attempt::Owner;
use crate::attempt::Role;
use crate::attempt::Transport;

/// TC bit of the header, RFC 1035 section 4.1.1.
pub(super) const FLAG_TC: u16 = 0x0200;
/// Lower four bits of the response code.
pub(super) const RCODE_MASK: u16 = 0x000f;

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

pub(super) fn owner(owner: &dns_owner) -> Owner {
    Owner {
        pid: (owner.tgid != 0).then_some(owner.tgid),
        comm: Comm::new(&owner.comm),
        cgroup_id: owner.cgroup_id,
        netns: owner.netns,
    }
}
