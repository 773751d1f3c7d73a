//! The wire contract as Rust sees it: the skeleton's types, their sizes and
//! offsets, and every `unsafe impl Plain`.

use std::mem::offset_of;
use std::mem::size_of;

use plain::Plain;

pub(super) use super::bpf::types::dns_connection;
pub(super) use super::bpf::types::dns_conntrack;
pub(super) use super::bpf::types::dns_counter;
pub(super) use super::bpf::types::dns_drop;
pub(super) use super::bpf::types::dns_full_record;
pub(super) use super::bpf::types::dns_key;
pub(super) use super::bpf::types::dns_kind;
pub(super) use super::bpf::types::dns_owner;
pub(super) use super::bpf::types::dns_query;
pub(super) use super::bpf::types::dns_record;
pub(super) use super::bpf::types::dns_send;
pub(super) use super::bpf::types::dns_short_record;
pub(super) use super::bpf::types::dns_standing;
#[cfg(test)]
pub(super) use super::bpf::types::dns_unread_answer;

/// `DNS_ROLE_SERVER` of bpf/dns_monitor.h (a macro does not reach the skeleton).
pub(super) const ROLE_SERVER: u8 = 2;
/// `DNS_ECHO_AT`: where the beginning of the answer stands in a full record.
pub(super) const ECHO_AT: usize = 132;
/// `DNS_CALL_CONNECT`: which call failed; any other is a send.
pub(super) const CALL_CONNECT: u8 = 1;
/// `IPPROTO_TCP`.
pub(super) const IPPROTO_TCP: u8 = 6;

// bpf/dns_monitor.h asserts the same.
const _: () = assert!(size_of::<dns_key>() == 32);
const _: () = assert!(size_of::<dns_query>() == 456);
const _: () = assert!(size_of::<dns_record>() == 136);
const _: () = assert!(size_of::<dns_short_record>() == 200);
const _: () = assert!(size_of::<dns_full_record>() == 544);
const _: () = assert!(size_of::<dns_drop>() == 248);
const _: () = assert!(size_of::<dns_connection>() == 296);
const _: () = assert!(offset_of!(dns_query, question) == 192);
const _: () = assert!(offset_of!(dns_record, owner) == 24);
const _: () = assert!(offset_of!(dns_record, kind) == 118);
const _: () = assert!(offset_of!(dns_full_record, sends) == 400);

// SAFETY: fixed-width integers and arrays of them, padded by hand: every bit
// pattern is a value.
unsafe impl Plain for dns_key {}
// SAFETY: as above.
unsafe impl Plain for dns_query {}
// SAFETY: as above.
unsafe impl Plain for dns_short_record {}
// SAFETY: as above.
unsafe impl Plain for dns_full_record {}
// SAFETY: as above.
unsafe impl Plain for dns_drop {}
// SAFETY: as above.
unsafe impl Plain for dns_connection {}
#[cfg(test)]
// SAFETY: as above.
unsafe impl Plain for dns_unread_answer {}
