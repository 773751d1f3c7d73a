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

#define DNS_RCODE_MASK 0x000f
/* RFC 1035 section 2.3.4: labels of 63 octets, names of 255. */
#define LABEL_MAX 63
#define LABELS_MAX 127
#define NAME_COMPARED 64
#define QUESTION_WORDS (DNS_QUESTION_SHORT / 8)

/* Divides DNS_QUESTION_MAX; the stack of all callers together is 512 bytes. */
#define COMPARE_CHUNK 20

static __always_inline int parse_message(struct __sk_buff *skb, struct dns_packet *p)
{
	struct dns_header h;

	return p->message_len >= DNS_HEADER_LEN && p->available >= DNS_HEADER_LEN &&
	       !bpf_skb_load_bytes(skb, p->message, &h, sizeof(h)) && take_header(p, &h);
}

static __always_inline __u32 question_len(struct dns_packet *p)
{
	__u32 len = (__u32)p->available - DNS_HEADER_LEN;

	return len > DNS_QUESTION_MAX ? DNS_QUESTION_MAX : len;
}

/* Where the question of a plain message is. */
#define QUESTION_AT_BITS 63

static __always_inline __u32 question_at(struct dns_packet *p)
{
	return p->message + DNS_HEADER_LEN;
}

/* The last octets of what begins at `at`, those of its last word that is not whole. There is
 * a header before it, so a word that ends with them is within the packet.
 */
static __always_inline int last_octets(void *data, void *end, __u32 at, __u32 len, __u64 *last)
{
	void *tail = data + ((at + len - 8) & (2 * DNS_QUESTION_SHORT - 1));

	if (tail + 8 > end)
		return 0;
	*last = *(__u64 *)tail >> (-8 * len & 63);
	return 1;
}

/* Whether the octets that are known stand at this place, as they are. It says no where
 * they cannot be read in place.
 */
static __always_inline int has_octets(struct __sk_buff *skb, __u32 at, __u64 *asked, __u32 len)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	void *from = data + (at & QUESTION_AT_BITS);
	__u64 differs = 0, last;

	if (len - 1 >= DNS_QUESTION_SHORT || !last_octets(data, end, at, len, &last))
		return 0;
	for (__u32 i = 0; i < QUESTION_WORDS; i++) {
		__u64 known = asked[i], said = 0;

		if (8 * i + 8 <= len) {
			if (from + 8 * i + 8 > end)
				return 0;
			said = ((__u64 *)from)[i];
		} else if (8 * i < len) {
			/* Behind it there may be more that is known, as of EDNS. */
			known <<= -8 * len & 63;
			said = last << (-8 * len & 63);
		} else {
			break;
		}
		differs |= known ^ said;
	}
	return !differs;
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

/* Octets of name, type and class (RFC 1035 section 4.1.2); 0 if that is not all
 * there: a message without a question, or one that is cut.
 */
static __noinline __u32 question_end(struct dns_query *q)
{
	__u64 at = 0; /* 64 bits: a narrower check would be on a copy */

	for (int i = 0; i <= LABELS_MAX; i++) {
		__u64 label;

		barrier_var(at);
		if (at >= DNS_QUESTION_MAX - 4)
			return 0;
		label = q->question[at];
		if (!label)
			return at + 5 <= q->question_len ? at + 5 : 0;
		if (label > LABEL_MAX)
			return 0;
		at += 1 + label;
	}
	return 0;
}

/* Four octets, with ASCII letters in lower case: names are alike in either case
 * (RFC 4343). Without branches, each of which the verifier would follow.
 */
static __always_inline __u32 folded(__u32 octets)
{
	__u32 low = octets & 0x7f7f7f7f;
	__u32 from_a = low + 0x3f3f3f3f; /* the top bit of an octet: not below 'A' */
	__u32 past_z = low + 0x25252525; /* above 'Z' */

	return octets | ((from_a & ~past_z & ~octets & 0x80808080) >> 2);
}

/* Type and class, which have no case, behind the end of the name. */
static __always_inline int same_type(struct __sk_buff *skb, struct dns_packet *p,
				     struct dns_query *q)
{
	__u64 at = (__u64)q->asked_len - 4;
	__u32 said = 0, asked = 0;

	barrier_var(at);
	if (at > DNS_QUESTION_MAX - 4)
		return 0;
	bpf_skb_load_bytes(skb, p->message + DNS_HEADER_LEN + at, &said, sizeof(said));
	bpf_probe_read_kernel(&asked, sizeof(asked), q->question + at);
	return said == asked;
}

/* The first octets of the name: as many as the verifier can walk through. Who does not
 * know the question does not know these.
 */
static __always_inline __u32 name_differs(struct __sk_buff *skb, struct dns_packet *p,
				     struct dns_query *q, __u64 at)
{
	__u64 last = (__u64)q->asked_len - 5 - at;
	__u32 said[4] = {}, asked[4] = {};

	if (last >= sizeof(said))
		last = sizeof(said) - 1;
	barrier_var(last);
	barrier_var(at);
	if (last >= sizeof(said) || at >= NAME_COMPARED)
		return 1;
	bpf_skb_load_bytes(skb, p->message + DNS_HEADER_LEN + at, said, last + 1);
	bpf_probe_read_kernel(asked, last + 1, q->question + at);
	return (folded(said[0]) ^ folded(asked[0])) | (folded(said[1]) ^ folded(asked[1])) |
	       (folded(said[2]) ^ folded(asked[2])) | (folded(said[3]) ^ folded(asked[3]));
}

/* Whether the answer repeats the question that was asked (RFC 5452 section 9.1). An
 * error may come without any from a server that could not read it. A segment of TCP
 * may end within the question: there is nothing to compare, and nobody can forge it
 * who could not forge the rest.
 */
static __always_inline int answers_question(struct __sk_buff *skb, struct dns_packet *p,
				       struct dns_query *q)
{
	if (!q->asked_len)
		return 1;
	if (!p->questions)
		return !!(p->flags & DNS_RCODE_MASK);
	if (question_len(p) < q->asked_len)
		return p->transport == IPPROTO_TCP;
	if (p->transport == IPPROTO_UDP && question_at(p) <= QUESTION_AT_BITS &&
	    has_octets(skb, question_at(p), (__u64 *)q->question, q->asked_len))
		return 1;
	if (!same_type(skb, p, q))
		return 0;
	for (__u32 at = 0; at < NAME_COMPARED; at += 16) {
		if (q->asked_len > at + 4 && name_differs(skb, p, q, at))
			return 0;
	}
	return 1;
}

#endif
