//! The wire contract as Rust sees it: the skeleton's types, their sizes and
//! offsets, and every `unsafe impl Plain`.

use std::mem::offset_of;
use std::mem::size_of;

use plain::Plain;

use crate::event::DISCARDED_QUESTION_MAX;

pub(super) use super::bpf::types::dns_bucket;
pub(super) use super::bpf::types::dns_call_kind;
pub(super) use super::bpf::types::dns_connection;
pub(super) use super::bpf::types::dns_conntrack;
pub(super) use super::bpf::types::dns_counter;
pub(super) use super::bpf::types::dns_drop;
pub(super) use super::bpf::types::dns_drop_flag;
pub(super) use super::bpf::types::dns_full_record;
pub(super) use super::bpf::types::dns_key;
pub(super) use super::bpf::types::dns_kind;
pub(super) use super::bpf::types::dns_limit;
pub(super) use super::bpf::types::dns_owner;
pub(super) use super::bpf::types::dns_query;
pub(super) use super::bpf::types::dns_record;
pub(super) use super::bpf::types::dns_role;
pub(super) use super::bpf::types::dns_send;
pub(super) use super::bpf::types::dns_share_table;
pub(super) use super::bpf::types::dns_short_record;
pub(super) use super::bpf::types::dns_sleep;
pub(super) use super::bpf::types::dns_slot;
pub(super) use super::bpf::types::dns_slot_state;
pub(super) use super::bpf::types::dns_slot_word;
#[cfg(test)]
pub(super) use super::bpf::types::dns_unread_answer;

// What the tracker compares is what the kernel keeps.
const _: () = assert!(dns_limit::DNS_QUESTION_SHORT.0 as usize == DISCARDED_QUESTION_MAX);

// bpf/dns_monitor.h asserts the same.
const _: () = assert!(size_of::<dns_key>() == 32);
const _: () = assert!(size_of::<dns_query>() == 472);
const _: () = assert!(size_of::<dns_record>() == 144);
const _: () = assert!(size_of::<dns_short_record>() == 208);
const _: () = assert!(size_of::<dns_full_record>() == 552);
const _: () = assert!(size_of::<dns_slot>() == 216);
const _: () = assert!(size_of::<dns_bucket>() == 64);
const _: () = assert!(size_of::<dns_drop>() == 256);
const _: () = assert!(size_of::<dns_connection>() == 320);
const _: () = assert!(offset_of!(dns_query, question) == 192);
const _: () = assert!(offset_of!(dns_record, owner) == 24);
const _: () = assert!(offset_of!(dns_record, kind) == 118);
const _: () = assert!(offset_of!(dns_full_record, sends) == 408);

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
