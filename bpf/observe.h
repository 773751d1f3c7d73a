/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a packet to a message in it: all that stands before one, and one at an offset.
 */
#ifndef KERNO_OBSERVE_H
#define KERNO_OBSERVE_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "match.h"

/* What is found in a packet, as one number: that is all that a global function returns.
 * Bits 48 to 32 are a message's offset, 31 to 16 its length, 15 to 0 how many of its
 * octets are in this packet.
 */
#define MESSAGE (1ULL << 63)
#define MORE (1ULL << 62) /* a segment of TCP that has more octets to be read */
#define ENDS (1ULL << 61) /* … and a FIN or RST behind them */
#define OFFSET_BITS 0x1ffff

static __always_inline __u64 message_at(__u32 offset, __u16 len, __u16 available)
{
	return MESSAGE | (__u64)offset << 32 | (__u64)len << 16 | available;
}

/* All of a packet that stands before a message; 1 if it is DNS's. */
static __always_inline int parse_packet(struct __sk_buff *skb, struct dns_packet *p)
{
	if (!parse_ports(skb, p) || !is_dns_packet(skb, p) || !parse_transport(skb, p))
		return 0;
	p->now = bpf_ktime_get_ns();
	p->is_raw = is_raw(skb);
	if (!p->is_raw)
		take_socket_port(skb, p);
	forget_bounds(p);
	return 1;
}

/* A message that was found. A global function: the verifier walks through it once, for
 * UDP and TCP and all the places that a message can have.
 */
__noinline int dns_message(struct __sk_buff *skb, __u32 egress, __u64 found)
{
	struct dns_packet p = {};

	p.egress = !!egress;
	if (!parse_packet(skb, &p))
		return 0;
	p.message = (found >> 32) & OFFSET_BITS;
	p.message_len = found >> 16;
	p.available = found;
	on_message(skb, &p);
	return 0;
}

#endif
