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

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* How an entry ends. */
struct conclusion {
	struct dns_send sends[DNS_SERVERS_MAX]; /* as they stood before the claim */
	__u8 kinds[DNS_SERVERS_MAX];            /* enum dns_kind, 0: not reported */
	__u8 by_answer;                         /* the packet is the answer */
	__u32 pad;
};

/* What an entry starts as; the fields are filled in place. */
const struct dns_query blank_query = {};

static __always_inline int parse_message(struct __sk_buff *skb, struct packet *p)
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
	p->only_additional = !h.answers && !h.authorities && h.additionals;
	return 1;
}

static __always_inline void fill_key(struct dns_key *key, struct __sk_buff *skb,
				     struct packet *p, __u8 role)
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

static __always_inline __u16 question_len(struct packet *p)
{
	__u16 len = p->available - DNS_HEADER_LEN;

	return len > DNS_QUESTION_MAX ? DNS_QUESTION_MAX : len;
}

/* Copies the question's octets; the verifier wants the bound beside the call. */
static __always_inline int load_question(struct __sk_buff *skb, struct packet *p, __u8 *to,
					 const __u32 room)
{
	__u32 len = question_len(p);

	if (len > room)
		len = room;
	if (len == 0 || bpf_skb_load_bytes(skb, p->message + DNS_HEADER_LEN, to, len))
		return 0;
	return len;
}

static __always_inline void fill_record(struct dns_record *r, struct dns_query *q,
					struct dns_key *key, struct packet *p, __u8 by_answer)
{
	r->end_ns = p->now;
	r->first_ns = q->first_ns;
	r->cookie = key->cookie;
	r->owner = q->owner;
	__builtin_memcpy(r->local_ip, q->local_ip, 16);
	r->local_port = key->local_port;
	r->id = key->id;
	r->query_bytes = q->message_bytes;
	r->answer_bytes = by_answer ? p->message_len : 0;
	r->flags = by_answer ? p->flags : 0;
	r->answers = by_answer ? p->answers : 0;
	r->question_len = q->question_len;
	r->role = key->role;
	r->transport = key->transport;
	r->family = q->family;
	r->echoed = 0;
	r->error = 0;
	r->pad = 0;
}

static __always_inline void set_send(struct dns_record *r, struct dns_send *send, __u8 kind)
{
	r->sent_ns = send->at_ns;
	__builtin_memcpy(r->peer_ip, send->ip, 16);
	r->peer_port = send->port;
	r->attempt = send->attempt;
	r->kind = kind;
}

/* The question as it was sent; of an error answer that carries nothing but
 * EDNS, its echo with the OPT record behind it, which holds the upper bits of
 * the rcode (RFC 6891 section 6.1.3).
 */
static __always_inline void fill_question(struct __sk_buff *skb, struct dns_record *r,
					  struct dns_query *q, struct packet *p, __u8 echo,
					  const __u32 room)
{
	__u8 *question = (__u8 *)(r + 1);

	if (echo) {
		r->question_len = load_question(skb, p, question, room);
		r->echoed = 1;
		return;
	}
	__builtin_memcpy(question, q->question, room);
}

/* The answering process is the owner of a server's record. */
static __always_inline void fill_answerer(struct __sk_buff *skb, struct dns_record *r,
					  struct packet *p)
{
	struct dns_connection *connection;

	if (p->transport == IPPROTO_UDP) {
		take_process(&r->owner);
		return;
	}
	connection = bpf_map_lookup_elem(&dns_connections, &r->cookie);
	if (connection)
		r->owner = connection->owner;
}

/* Claims the entry and reports its sends. 0: somebody else has claimed it. */
static __always_inline int conclude_in(struct __sk_buff *skb, struct dns_key *key,
				       struct dns_query *q, struct packet *p,
				       struct conclusion *end, __u8 echo, const __u32 room)
{
	const __u32 size = sizeof(struct dns_record) + room;
	struct dns_record *r = bpf_ringbuf_reserve(&dns_events, size, 0);
	int taken = 0;

	if (!r) {
		if (bpf_map_delete_elem(&dns_inflight, key))
			return 0;
		count(DNS_COUNT_RING_FULL, !!end->kinds[0] + !!end->kinds[1] + !!end->kinds[2]);
		return 1;
	}
	fill_record(r, q, key, p, end->by_answer);
	fill_question(skb, r, q, p, echo, room);
	if (end->by_answer && key->role == DNS_ROLE_SERVER)
		fill_answerer(skb, r, p);
	if (bpf_map_delete_elem(&dns_inflight, key)) {
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		return 0;
	}
	for (int i = 0; i < DNS_SERVERS_MAX; i++) {
		struct dns_record *more;

		if (!end->kinds[i])
			continue;
		if (!taken) {
			taken = 1;
			set_send(r, &end->sends[i], end->kinds[i]);
			continue;
		}
		more = bpf_ringbuf_reserve(&dns_events, size, 0);
		if (!more) {
			count(DNS_COUNT_RING_FULL, 1);
			continue;
		}
		__builtin_memcpy(more, r, size);
		set_send(more, &end->sends[i], end->kinds[i]);
		/* Only one of the sends has the answer. */
		more->answer_bytes = 0;
		more->flags = 0;
		more->answers = 0;
		bpf_ringbuf_submit(more, BPF_RB_NO_WAKEUP);
	}
	bpf_ringbuf_submit(r, wake_flags());
	return 1;
}

static __noinline int conclude(struct __sk_buff *skb, struct dns_key *key, struct dns_query *q,
			       struct packet *p, struct conclusion *end)
{
	__u8 echo = end->by_answer && p->only_additional;
	__u32 len = echo ? question_len(p) : q->question_len;

	if (len <= DNS_QUESTION_SHORT)
		return conclude_in(skb, key, q, p, end, echo, DNS_QUESTION_SHORT);
	return conclude_in(skb, key, q, p, end, echo, DNS_QUESTION_MAX);
}

/* An answer to nothing in flight. User space knows whether it is late. */
static __noinline int report_stray(struct __sk_buff *skb, struct dns_key *key, struct packet *p)
{
	const __u32 size = sizeof(struct dns_record) + DNS_QUESTION_SHORT;
	struct dns_record *r = bpf_ringbuf_reserve(&dns_events, size, 0);

	if (!r) {
		count(DNS_COUNT_NOTICE_LOST, 1);
		return 0;
	}
	__builtin_memset(r, 0, size);
	r->end_ns = p->now;
	r->cookie = key->cookie;
	__builtin_memcpy(r->local_ip, p->local_ip, 16);
	__builtin_memcpy(r->peer_ip, p->peer_ip, 16);
	r->local_port = p->local_port;
	r->peer_port = p->peer_port;
	r->id = p->id;
	r->answer_bytes = p->message_len;
	r->flags = p->flags;
	r->answers = p->answers;
	r->kind = DNS_STRAY;
	r->role = key->role;
	r->transport = p->transport;
	r->family = p->family;
	r->echoed = 1;
	r->question_len = load_question(skb, p, (__u8 *)(r + 1), DNS_QUESTION_SHORT);
	bpf_ringbuf_submit(r, wake_flags());
	return 0;
}

static __always_inline int same_peer(struct dns_send *send, struct packet *p)
{
	__u32 *a = (__u32 *)send->ip;
	__u32 *b = (__u32 *)p->peer_ip;

	return send->port == p->peer_port && a[0] == b[0] && a[1] == b[1] && a[2] == b[2] &&
	       a[3] == b[3];
}

static __noinline int on_answer(struct __sk_buff *skb, struct packet *p)
{
	struct conclusion end = {};
	struct dns_query *q;
	struct dns_key key;
	int answered = 0;

	fill_key(&key, skb, p, p->egress ? DNS_ROLE_SERVER : DNS_ROLE_CLIENT);
	q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (!q || !q->ready)
		return report_stray(skb, &key, p);
	end.by_answer = 1;
	/* The send to this server has its answer, the others are superseded. An
	 * address that nobody was asked at is NAT's: then the first send has it.
	 */
	for (int i = DNS_SERVERS_MAX - 1; i >= 0; i--) {
		if (i >= q->nsends)
			continue;
		end.sends[i] = q->sends[i];
		end.kinds[i] = DNS_SUPERSEDED;
		if (!answered && (i == 0 || same_peer(&end.sends[i], p))) {
			end.kinds[i] = DNS_ANSWERED;
			answered = 1;
		}
	}
	return conclude(skb, &key, q, p, &end);
}

/* The octets of the query against those of the entry, four at a time. */
static __noinline int same_question(struct __sk_buff *skb, struct packet *p, struct dns_query *q)
{
	__u32 len = question_len(p);

	if (len != q->question_len || len < 4)
		return 0;
	for (__u32 step = 0; step < DNS_QUESTION_MAX; step += 4) {
		/* The last four overlap those before when len is no multiple. */
		__u32 at = step + 4 > len ? len - 4 : step;
		__u32 word = 0;

		if (step >= len)
			break;
		if (at > DNS_QUESTION_MAX - 4 ||
		    bpf_skb_load_bytes(skb, p->message + DNS_HEADER_LEN + at, &word, 4))
			return 0;
		if (__builtin_memcmp(&word, q->question + at, 4))
			return 0;
	}
	return 1;
}

/* What a new send means for the sends that the entry already has: those to
 * other servers at the same moment stay, the others have been given up by the
 * client. Returns the number of this attempt; end->sends keeps those that stay.
 */
static __noinline int displace(struct __sk_buff *skb, struct dns_key *key, struct packet *p,
			       struct dns_query *q, struct conclusion *end)
{
	int same = same_question(skb, p, q);
	int stay = 0, resent = 0, attempt = 1;

	for (int i = 0; i < DNS_SERVERS_MAX; i++) {
		if (i >= q->nsends)
			continue;
		end->sends[i] = q->sends[i];
		if (same && attempt < end->sends[i].attempt)
			attempt = end->sends[i].attempt;
		if (same && p->now - end->sends[i].at_ns <= FANOUT_NS &&
		    !same_peer(&end->sends[i], p)) {
			stay++;
			continue;
		}
		end->kinds[i] = DNS_RESENT;
		resent++;
	}
	if (resent ? !conclude(skb, key, q, p, end) :
		     !!bpf_map_delete_elem(&dns_inflight, key)) {
		/* Claimed by the sweep, which has reported them all; user space
		 * numbers the attempts on from there.
		 */
		__builtin_memset(end, 0, sizeof(*end));
		return 1;
	}
	for (int i = 0; i < DNS_SERVERS_MAX; i++) {
		if (end->kinds[i])
			end->sends[i].at_ns = 0;
	}
	if (stay == DNS_SERVERS_MAX) {
		end->sends[0].at_ns = 0;
		count(DNS_COUNT_INFLIGHT_FULL, 1);
	}
	return same && resent ? attempt + 1 : attempt;
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

static __always_inline void fill_sends(struct dns_query *q, struct packet *p,
				       struct conclusion *end, int attempt)
{
	__u32 n = 0;

	for (int i = 0; i < DNS_SERVERS_MAX; i++) {
		if (end->sends[i].at_ns && n < DNS_SERVERS_MAX - 1)
			q->sends[n++] = end->sends[i];
	}
	if (n < DNS_SERVERS_MAX) {
		q->sends[n].at_ns = p->now;
		__builtin_memcpy(q->sends[n].ip, p->peer_ip, 16);
		q->sends[n].port = p->peer_port;
		q->sends[n].attempt = attempt;
		n++;
	}
	q->nsends = n;
}

static __noinline int on_query(struct __sk_buff *skb, struct packet *p)
{
	struct conclusion end = {};
	struct dns_query *q;
	struct dns_key key;
	__u64 first_ns = p->now;
	int attempt = 1;

	if (p->egress)
		prefer_connected_peer(skb, p);
	fill_key(&key, skb, p, p->egress ? DNS_ROLE_CLIENT : DNS_ROLE_SERVER);
	count(DNS_COUNT_QUERIES, 1);
	q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (q && q->ready) {
		__u64 entry_first_ns = q->first_ns;

		attempt = displace(skb, &key, p, q, &end);
		if (attempt > 1 || end.sends[0].at_ns || end.sends[1].at_ns)
			first_ns = entry_first_ns;
	}
	q = NULL;
	if (!bpf_map_update_elem(&dns_inflight, &key, &blank_query, BPF_NOEXIST))
		q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (!q) {
		count(DNS_COUNT_INFLIGHT_FULL, 1 + !!end.sends[0].at_ns + !!end.sends[1].at_ns +
						       !!end.sends[2].at_ns);
		return 0;
	}
	q->first_ns = first_ns;
	fill_query_owner(q, skb, &key);
	__builtin_memcpy(q->local_ip, p->local_ip, 16);
	fill_sends(q, p, &end, attempt);
	q->message_bytes = p->message_len;
	q->family = p->family;
	q->question_len = load_question(skb, p, q->question, DNS_QUESTION_MAX);
	barrier();
	q->ready = 1;
	return 0;
}

/* One DNS message, whatever carried it. The QR bit and the direction say who
 * talks: the port says the same, and where it does not, QR decides.
 */
static __noinline int on_message(struct __sk_buff *skb, struct packet *p)
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
