/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From messages to attempts: what a query or an answer does to dns_inflight.
 */
#ifndef KERNO_MATCH_H
#define KERNO_MATCH_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "message.h"
#include "owner.h"
#include "packet.h"
#include "record.h"
#include "translate.h"
#include "unread.h"

/* Sends to different servers this close together are one question to all of
 * them (musl sends within microseconds); further apart, the earlier one has
 * been given up. Far above a scheduling delay, far below any resend timer.
 */
#define FANOUT_NS 50000000ULL

/* The sends of an entry that go on while one more is added (a fan-out). */
struct staying {
	struct dns_send sends[DNS_SERVERS_MAX - 1];
	__u64 first_ns;
	__u32 n;
	__u32 same; /* the new query asks the same question */
};

static __always_inline void fill_key(struct dns_key *key, struct __sk_buff *skb,
				     struct dns_packet *p, __u8 role)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->cookie = cookie_of(skb);
	key->local_port = p->local_port;
	key->id = p->id;
	key->role = role;
	key->transport = p->transport;
	if (role == DNS_ROLE_SERVER) {
		__builtin_memcpy(key->peer_ip, p->peer_ip, 16);
		key->peer_port = p->peer_port;
	}
}

static __always_inline int same_peer(struct dns_send *send, struct dns_packet *p)
{
	__u32 *a = (__u32 *)send->peer_ip;
	__u32 *b = (__u32 *)p->peer_ip;

	return send->peer_port == p->peer_port && a[0] == b[0] && a[1] == b[1] && a[2] == b[2] &&
	       a[3] == b[3];
}

/* A query to a group is answered by its members (mDNS, LLMNR). */
static __always_inline int is_multicast(__u8 *ip)
{
	__u32 *words = (__u32 *)ip;

	if (ip[0] == 0xff)
		return 1;
	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff) &&
	       (ip[12] >> 4 == 14 || words[3] == 0xffffffff);
}

/* Whether conntrack or IPVS has put another source on the packet: then it knows
 * that it belongs to what was asked.
 */
static __always_inline int is_translated(struct __sk_buff *held)
{
	struct sk_buff *skb = kernel_packet(held);
	unsigned long nfct = nfct_of(held);

	if (bpf_core_field_exists(skb->ipvs_property) &&
	    BPF_CORE_READ_BITFIELD_PROBED(skb, ipvs_property))
		return 1;
	return conntrack_of(nfct) && is_reply(nfct);
}

static __always_inline int comes_from_asked(struct __sk_buff *skb, struct dns_packet *p,
					    struct dns_query *q)
{
	for (int i = 0; i < DNS_SERVERS_MAX; i++) {
		if (i < q->nsends &&
		    (same_peer(&q->sends[i], p) || is_multicast(q->sends[i].peer_ip)))
			return 1;
	}
	return is_translated(skb);
}

/* An answer belongs to a query only with its question, and from where was asked:
 * the id alone anyone can guess (RFC 5452). The query goes on waiting.
 */
static __noinline int is_ignored(struct __sk_buff *skb, struct dns_packet *p, struct dns_query *q)
{
	if (p->transport == IPPROTO_UDP && !comes_from_asked(skb, p, q))
		__sync_fetch_and_add(&q->other_source, 1);
	else if (!answers_question(skb, p, q))
		__sync_fetch_and_add(&q->other_question, 1);
	else
		return 0;
	count(DNS_COUNT_IGNORED, 1);
	return 1;
}

static __noinline int on_answer(struct __sk_buff *skb, struct dns_packet *p)
{
	struct dns_query *q;
	struct dns_key key;
	__u32 which = 0;

	fill_key(&key, skb, p, p->egress ? DNS_ROLE_SERVER : DNS_ROLE_CLIENT);
	q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (!q || !q->ready)
		return p->is_raw ? 0 : report_stray(skb, &key, p);
	if (!p->egress && is_ignored(skb, p, q))
		return 0;
	/* All of its sends end: the one to this server has the answer, the others
	 * are superseded. An address that nobody was asked at is NAT's; then the
	 * first send has the answer.
	 */
	if (q->nsends > 1 && same_peer(&q->sends[1], p))
		which = 1;
	if (q->nsends > 2 && same_peer(&q->sends[2], p))
		which = 2;
	if (!p->egress && config.reasons)
		q->queued_bytes = short_of_room(skb, queued_bytes(skb));
	return conclude(skb, &key, q, p, which);
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
	__u32 n = q->nsends;
	int mine;

	if (stay->same)
		stay->first_ns = q->first_ns;
	/* None yet in one that another thread has put in its place and is just filling:
	 * that has nothing that could go on, and is told of.
	 */
	if (n && joins(p, q, stay->same)) {
		stay->sends[0] = q->sends[0];
		stay->sends[1] = q->sends[1];
		stay->n = n;
		mine = claim(key, q);
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
					     struct dns_key *key, __u64 tenant)
{
	struct dns_connection *connection = NULL;

	if (key->transport == IPPROTO_TCP)
		connection = bpf_map_lookup_elem(&dns_connections, &key->cookie);
	if (connection && key->role == DNS_ROLE_CLIENT) {
		q->owner = connection->owner;
		q->tid = connection->tid;
		return;
	}
	q->owner.cgroup_id = cgroup_of(skb);
	q->owner.netns = netns_of_tenant(tenant, q->owner.cgroup_id);
	if (key->role == DNS_ROLE_CLIENT) {
		take_process(&q->owner);
		q->tid = current_thread();
	} else {
		q->queued_bytes = queued_bytes(skb);
	}
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
	__u64 tenant = tenant_of(skb);
	struct staying stay = {};
	struct dns_query *q;
	struct dns_key key;
	int attempt = 1;

	if (!armed)
		return 0;
	if (p->egress) {
		take_asked(skb, p);
		forget_bounds(p);
	}
	fill_key(&key, skb, p, p->egress ? DNS_ROLE_CLIENT : DNS_ROLE_SERVER);
	count(DNS_COUNT_QUERIES, 1);
	stay.first_ns = p->now;
	/* Nearly always the key is new: then one lookup is saved. */
	if (!insert(&key, tenant)) {
		q = bpf_map_lookup_elem(&dns_inflight, &key);
		if (!q || !q->ready) {
			count(DNS_COUNT_INFLIGHT_FULL, 1);
			return 0;
		}
		stay.same = same_question(skb, p, q);
		if (q->nsends == DNS_SERVERS_MAX && joins(p, q, stay.same)) {
			count(DNS_COUNT_INFLIGHT_FULL, 1); /* a fourth server at once */
			return 0;
		}
		attempt = displace(skb, &key, p, q, &stay);
		/* Another thread of the program may have put a query in meanwhile. */
		if (!insert(&key, tenant)) {
			count(DNS_COUNT_INFLIGHT_FULL, 1 + stay.n);
			return 0;
		}
	}
	q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (!q || q->ready) {
		/* Claimed already, by somebody who meant the query before with this key: he
		 * has told of an attempt, and so of as many as there were. Only those that
		 * were to go on are lost.
		 */
		if (stay.n)
			count(DNS_COUNT_INFLIGHT_FULL, stay.n);
		return 0;
	}
	q->share = share_of(tenant);
	q->bucket = bucket_of(&key);
	q->first_ns = stay.first_ns;
	fill_query_owner(q, skb, &key, tenant);
	q->message_bytes = p->message_len;
	q->question_len = load_question(skb, p, q->question, DNS_QUESTION_MAX);
	q->asked_len = question_end(q);
	fill_sends(q, p, &stay, attempt);
	barrier();
	q->ready = 1;
	return 0;
}

/* One DNS message, whatever carried it. The ports and the direction say who talks;
 * the QR bit says the same, and decides where both ports are DNS ports.
 */
static __noinline int on_message(struct __sk_buff *skb, struct dns_packet *p)
{
	__u8 is_answer;

	if (!parse_message(skb, p)) {
		count(DNS_COUNT_UNPARSED, 1);
		return 0;
	}
	is_answer = !!(p->flags & DNS_FLAG_QR);
	/* A client asks out to a DNS port and is answered in from it; a server is asked
	 * in at its DNS port and answers out. Who sends queries back is no client.
	 */
	if (p->egress == is_answer ? !p->local_is_dns : !p->peer_is_dns) {
		count(DNS_COUNT_CONTRADICTORY, 1);
		return 0;
	}
	/* A raw socket has a part only in what it asks itself. */
	if (p->is_raw && p->egress == is_answer)
		return 0;
	if (is_answer && !p->egress && config.reads)
		note_unread(skb, p, cookie_of(skb));
	return is_answer ? on_answer(skb, p) : on_query(skb, p);
}

#endif
