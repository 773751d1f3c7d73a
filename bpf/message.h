/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A DNS message: its header, and the octets of its question. Names are parsed in
 * user space.
 */
#ifndef KERNO_MESSAGE_H
#define KERNO_MESSAGE_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"

#define DNS_HEADER_LEN 12
#define DNS_FLAG_QR 0x8000
#define DNS_OPCODE_MAX 6 /* DSO, RFC 8490: the highest that IANA lists */

/* Divides DNS_QUESTION_MAX; the stack of all callers together is 512 bytes. */
#define COMPARE_CHUNK 20

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

static __always_inline int parse_message(struct __sk_buff *skb, struct dns_packet *p)
{
	struct dns_header h;
	__u16 flags;

	if (p->message_len < DNS_HEADER_LEN || p->available < DNS_HEADER_LEN ||
	    bpf_skb_load_bytes(skb, p->message, &h, sizeof(h)))
		return 0;
	flags = bpf_ntohs(h.flags);
	/* One question at most: RFC 9619. None: RFC 7873 section 5.4, RFC 8490. */
	if (((flags >> 11) & 0xf) > DNS_OPCODE_MAX || bpf_ntohs(h.questions) > 1)
		return 0;
	p->id = bpf_ntohs(h.id);
	p->flags = flags;
	p->answers = bpf_ntohs(h.answers);
	p->only_additional = h.questions && !h.answers && !h.authorities && h.additionals;
	return 1;
}

static __always_inline __u32 question_len(struct dns_packet *p)
{
	__u32 len = (__u32)p->available - DNS_HEADER_LEN;

	return len > DNS_QUESTION_MAX ? DNS_QUESTION_MAX : len;
}

/* Copies the question's octets. The barrier makes the compiler keep the check
 * behind it, from which the verifier learns that 1 to `room` are copied.
 */
static __always_inline int load_question(struct __sk_buff *skb, struct dns_packet *p, __u8 *to,
					 const __u32 room)
{
	__u32 len = question_len(p);
	__u64 last; /* 64 bits: a narrower check would be on a copy */

	if (len > room)
		len = room;
	last = (__u64)len - 1;
	barrier_var(last);
	if (last >= room ||
	    bpf_skb_load_bytes(skb, p->message + DNS_HEADER_LEN, to, last + 1))
		return 0;
	return len;
}

/* The octets of the query against those of the entry, which are zero behind the
 * question, in chunks at fixed places.
 */
static __noinline int same_question(struct __sk_buff *skb, struct dns_packet *p, struct dns_query *q)
{
	__u32 len = question_len(p);

	if (len != q->question_len)
		return 0;
	for (__u32 at = 0; at < DNS_QUESTION_MAX; at += COMPARE_CHUNK) {
		__u32 chunk[COMPARE_CHUNK / 4] = {};
		const __u32 *known = (const __u32 *)(q->question + at);
		__u64 last = (__u64)len - at - 1;

		if (len <= at)
			break;
		if (last >= COMPARE_CHUNK)
			last = COMPARE_CHUNK - 1;
		barrier_var(last);
		if (last >= COMPARE_CHUNK ||
		    bpf_skb_load_bytes(skb, p->message + DNS_HEADER_LEN + at, chunk, last + 1))
			return 0;
		for (int i = 0; i < COMPARE_CHUNK / 4; i++) {
			if (chunk[i] != known[i])
				return 0;
		}
	}
	return 1;
}

#endif
