/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From messages to attempts: dns_inflight and the records in the ring buffer.
 *
 * An entry belongs to whoever deletes it. The answer, the resend and the sweep
 * of user space may come at the same moment (the default timeout is glibc's
 * resend time), and only the one whose delete succeeds reports the attempt; so
 * each attempt is reported exactly once, whatever the order.
 */
#ifndef KERNO_MATCH_H
#define KERNO_MATCH_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "owner.h"
#include "packet.h"

#define DNS_HEADER_LEN 12
#define DNS_FLAG_QR 0x8000
#define DNS_OPCODE_MAX 6 /* DSO, RFC 8490: the highest that IANA lists */

/* Sends to different servers this close together are one question to all of
 * them (musl sends within microseconds); further apart, the earlier one has
 * been given up. Far above a scheduling delay, far below any resend timer.
 */
#define FANOUT_NS 50000000ULL

/* Divides DNS_QUESTION_MAX; the stack of all callers together is 512 bytes. */
#define COMPARE_CHUNK 20

/* For `which`: a resend, not an answer. */
#define NOT_ANSWERED 255

/* The sends of an entry that go on while one more is added (a fan-out). */
struct staying {
	struct dns_send sends[DNS_SERVERS_MAX - 1];
	__u64 first_ns;
	__u16 n;
	__u16 lost; /* servers for which there is no room */
	__u32 same; /* the new query asks the same question */
};

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* What an entry starts as; the fields are filled in place. */
const struct dns_query blank_query = {};

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

static __always_inline void fill_key(struct dns_key *key, struct __sk_buff *skb,
				     struct dns_packet *p, __u8 role)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->cookie = bpf_get_socket_cookie(skb);
	key->local_port = p->local_port;
	key->id = p->id;
	key->role = role;
	key->transport = p->transport;
	if (role == DNS_ROLE_SERVER) {
		__builtin_memcpy(key->peer_ip, p->peer_ip, 16);
		key->peer_port = p->peer_port;
	}
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

static __always_inline void fill_record(struct dns_record *r, struct dns_query *q,
					struct dns_key *key, struct dns_packet *p, __u32 which)
{
	r->end_ns = p->now;
	r->first_ns = q->first_ns;
	r->cookie = key->cookie;
	r->owner = q->owner;
	r->send = q->sends[which < DNS_SERVERS_MAX ? which : 0];
	r->local_port = key->local_port;
	r->id = key->id;
	r->query_bytes = q->message_bytes;
	r->answer_bytes = 0;
	r->flags = 0;
	r->answers = 0;
	r->question_len = q->question_len;
	r->kind = DNS_RESENT;
	r->role = key->role;
	r->transport = key->transport;
	r->echoed = 0;
	r->pad = 0;
	r->error = 0;
}

/* The answering process is the owner of a server's record. */
static __always_inline void fill_answerer(struct dns_record *r, struct dns_key *key,
					  struct dns_packet *p)
{
	struct dns_connection *connection;

	if (p->transport == IPPROTO_UDP) {
		take_process(&r->owner);
		return;
	}
	connection = bpf_map_lookup_elem(&dns_connections, &key->cookie);
	if (connection)
		r->owner = connection->owner;
}

/* Of an error answer that carries nothing but EDNS, the echo of the question is
 * taken with the OPT record behind it, which holds the upper bits of the rcode
 * (RFC 6891 section 6.1.3); else the question stays as it was sent. Options may
 * be cut off (BADCOOKIE has up to 40 octets of them): the fixed part fits,
 * because the query had an OPT record too.
 */
static __always_inline void fill_answer(struct __sk_buff *skb, struct dns_record *r,
					struct dns_key *key, struct dns_packet *p, __u8 *question, const __u32 room)
{
	r->kind = DNS_ANSWERED;
	r->answer_bytes = p->message_len;
	r->flags = p->flags;
	r->answers = p->answers;
	if (r->role == DNS_ROLE_SERVER)
		fill_answerer(r, key, p);
	if (p->only_additional) {
		r->question_len = load_question(skb, p, question, room);
		r->echoed = 1;
	}
}

/* Claims the entry; whoever can't has come second and reports nothing. */
static __always_inline int claim(struct dns_key *key)
{
	return !bpf_map_delete_elem(&dns_inflight, key);
}

static __always_inline int conclude_lost(struct dns_key *key, __u32 nsends)
{
	if (!claim(key))
		return 0;
	count(DNS_COUNT_RING_FULL, nsends);
	return 1;
}

/* Reports all sends of the entry. `which` is the one that the packet answers, or
 * NOT_ANSWERED. Returns 0 if somebody else has claimed the entry.
 */
static __noinline int conclude_short(struct __sk_buff *skb, struct dns_key *key,
				     struct dns_query *q, struct dns_packet *p, __u32 which)
{
	struct dns_short_record *s = bpf_ringbuf_reserve(&dns_events, sizeof(*s), 0);

	if (!s)
		return conclude_lost(key, q->nsends);
	fill_record(&s->record, q, key, p, 0);
	__builtin_memcpy(s->question, q->question, sizeof(s->question));
	if (which != NOT_ANSWERED)
		fill_answer(skb, &s->record, key, p, s->question, sizeof(s->question));
	if (!claim(key)) {
		bpf_ringbuf_discard(s, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(s, wake_flags());
	return 1;
}

static __noinline int conclude_full(struct __sk_buff *skb, struct dns_key *key,
				    struct dns_query *q, struct dns_packet *p, __u32 which)
{
	struct dns_full_record *f = bpf_ringbuf_reserve(&dns_events, sizeof(*f), 0);

	if (!f)
		return conclude_lost(key, q->nsends);
	fill_record(&f->record, q, key, p, which);
	__builtin_memcpy(f->question, q->question, sizeof(f->question));
	f->nsends = q->nsends;
	f->answered = which;
	f->pad = 0;
	__builtin_memcpy(f->sends, q->sends, sizeof(f->sends));
	if (which != NOT_ANSWERED)
		fill_answer(skb, &f->record, key, p, f->question, sizeof(f->question));
	if (!claim(key)) {
		bpf_ringbuf_discard(f, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(f, wake_flags());
	return 1;
}

static __always_inline int conclude(struct __sk_buff *skb, struct dns_key *key,
				    struct dns_query *q, struct dns_packet *p, __u32 which)
{
	if (q->question_len <= DNS_QUESTION_SHORT && q->nsends <= 1)
		return conclude_short(skb, key, q, p, which);
	return conclude_full(skb, key, q, p, which);
}

/* An answer to nothing in flight. User space knows whether it is late. */
static __noinline int report_stray(struct __sk_buff *skb, struct dns_key *key, struct dns_packet *p)
{
	struct dns_short_record *s = bpf_ringbuf_reserve(&dns_events, sizeof(*s), 0);
	struct dns_record *r;

	if (!s) {
		count(DNS_COUNT_NOTICE_LOST, 1);
		return 0;
	}
	__builtin_memset(s, 0, sizeof(*s));
	r = &s->record;
	r->end_ns = p->now;
	r->cookie = key->cookie;
	r->local_port = p->local_port;
	__builtin_memcpy(r->send.local_ip, p->local_ip, 16);
	__builtin_memcpy(r->send.peer_ip, p->peer_ip, 16);
	r->send.peer_port = p->peer_port;
	r->id = p->id;
	r->answer_bytes = p->message_len;
	r->flags = p->flags;
	r->answers = p->answers;
	r->kind = DNS_STRAY;
	r->role = key->role;
	r->transport = p->transport;
	r->echoed = 1;
	r->question_len = load_question(skb, p, s->question, sizeof(s->question));
	bpf_ringbuf_submit(s, wake_flags());
	return 0;
}

static __always_inline int same_peer(struct dns_send *send, struct dns_packet *p)
{
	__u32 *a = (__u32 *)send->peer_ip;
	__u32 *b = (__u32 *)p->peer_ip;

	return send->peer_port == p->peer_port && a[0] == b[0] && a[1] == b[1] && a[2] == b[2] &&
	       a[3] == b[3];
}

static __noinline int on_answer(struct __sk_buff *skb, struct dns_packet *p)
{
	struct dns_query *q;
	struct dns_key key;
	__u32 which = 0;

	fill_key(&key, skb, p, p->egress ? DNS_ROLE_SERVER : DNS_ROLE_CLIENT);
	q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (!q || !q->ready)
		return report_stray(skb, &key, p);
	/* All of its sends end: the one to this server has the answer, the others
	 * are superseded. An address that nobody was asked at is NAT's; then the
	 * first send has the answer.
	 */
	if (q->nsends > 1 && same_peer(&q->sends[1], p))
		which = 1;
	if (q->nsends > 2 && same_peer(&q->sends[2], p))
		which = 2;
	return conclude(skb, &key, q, p, which);
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

/* Whether a new send joins those before it: the same question to another server
 * at the same moment. Any other has given them up.
 */
static __always_inline int joins(struct dns_packet *p, struct dns_query *q, __u32 same)
{
	for (int i = 0; i < DNS_SERVERS_MAX; i++) {
		if (i < q->nsends &&
		    (same_peer(&q->sends[i], p) || p->now - q->sends[i].at_ns > FANOUT_NS))
			return 0;
	}
	return same;
}

/* Takes the entry out. What the new send joins goes on, in `stay`; the rest is
 * reported as resent. Returns the number of the new attempt.
 */
static __noinline int displace(struct __sk_buff *skb, struct dns_key *key,
			       struct dns_packet *p, struct dns_query *q, struct staying *stay)
{
	int attempt = q->sends[0].attempt;
	int mine;

	if (stay->same)
		stay->first_ns = q->first_ns;
	if (joins(p, q, stay->same)) {
		stay->sends[0] = q->sends[0];
		stay->sends[1] = q->sends[1];
		stay->n = q->nsends;
		mine = claim(key);
	} else {
		attempt = stay->same ? attempt + 1 : 1;
		mine = conclude(skb, key, q, p, NOT_ANSWERED);
	}
	if (mine)
		return attempt;
	/* The sweep came first and has reported them all; user space numbers the
	 * attempts on from there.
	 */
	stay->n = 0;
	stay->first_ns = p->now;
	return 1;
}

static __always_inline void fill_query_owner(struct dns_query *q, struct __sk_buff *skb,
					     struct dns_key *key)
{
	struct dns_connection *connection = NULL;

	if (key->transport == IPPROTO_TCP)
		connection = bpf_map_lookup_elem(&dns_connections, &key->cookie);
	if (connection && key->role == DNS_ROLE_CLIENT) {
		q->owner = connection->owner;
		return;
	}
	take_socket(&q->owner, skb);
	if (key->role == DNS_ROLE_CLIENT)
		take_process(&q->owner);
}

static __always_inline void fill_sends(struct dns_query *q, struct dns_packet *p,
				       struct staying *stay, int attempt)
{
	__u32 n = stay->n < DNS_SERVERS_MAX ? stay->n : DNS_SERVERS_MAX - 1;

	q->sends[0] = stay->sends[0];
	q->sends[1] = stay->sends[1];
	q->sends[n].at_ns = p->now;
	__builtin_memcpy(q->sends[n].local_ip, p->local_ip, 16);
	__builtin_memcpy(q->sends[n].peer_ip, p->peer_ip, 16);
	q->sends[n].peer_port = p->peer_port;
	q->sends[n].attempt = attempt;
	q->nsends = n + 1;
}

static __noinline int on_query(struct __sk_buff *skb, struct dns_packet *p)
{
	struct staying stay = {};
	struct dns_query *q;
	struct dns_key key;
	int attempt = 1;

	if (!armed)
		return 0;
	if (p->egress)
		prefer_connected_peer(skb, p);
	fill_key(&key, skb, p, p->egress ? DNS_ROLE_CLIENT : DNS_ROLE_SERVER);
	count(DNS_COUNT_QUERIES, 1);
	stay.first_ns = p->now;
	/* Nearly always the key is new: then one lookup is saved. */
	if (bpf_map_update_elem(&dns_inflight, &key, &blank_query, BPF_NOEXIST)) {
		q = bpf_map_lookup_elem(&dns_inflight, &key);
		if (!q || !q->ready || (q->nsends == DNS_SERVERS_MAX && joins(p, q, 1))) {
			/* No room: for the query, or for a fourth server at once. */
			count(DNS_COUNT_INFLIGHT_FULL, 1);
			return 0;
		}
		stay.same = same_question(skb, p, q);
		attempt = displace(skb, &key, p, q, &stay);
		bpf_map_update_elem(&dns_inflight, &key, &blank_query, BPF_NOEXIST);
	}
	q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (!q || q->ready) {
		count(DNS_COUNT_INFLIGHT_FULL, 1 + stay.n);
		return 0;
	}
	q->first_ns = stay.first_ns;
	fill_query_owner(q, skb, &key);
	q->message_bytes = p->message_len;
	q->question_len = load_question(skb, p, q->question, DNS_QUESTION_MAX);
	fill_sends(q, p, &stay, attempt);
	barrier();
	q->ready = 1;
	return 0;
}

/* One DNS message, whatever carried it. The QR bit and the direction say who
 * talks: the port says the same, and where it does not, QR decides.
 */
static __noinline int on_message(struct __sk_buff *skb, struct dns_packet *p)
{
	__u8 is_answer;

	if (!parse_message(skb, p)) {
		count(DNS_COUNT_UNPARSED, 1);
		return 0;
	}
	is_answer = !!(p->flags & DNS_FLAG_QR);
	/* A client's peer has the DNS port; a client asks out and is answered in. */
	if (!!p->peer_is_dns != (p->egress ? !is_answer : is_answer) &&
	    !(p->peer_is_dns && is_dns_port(p->local_port)))
		count(DNS_COUNT_CONTRADICTORY, 1);
	return is_answer ? on_answer(skb, p) : on_query(skb, p);
}

#endif
