/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How an entry of dns_inflight becomes a record in the ring buffer.
 *
 * An entry belongs to whoever deletes it. The answer, the resend and the sweep
 * of user space may come at the same moment (the default timeout is glibc's
 * resend time), and only the one whose delete succeeds reports the attempt; so
 * each attempt is reported exactly once, whatever the order.
 */
#ifndef KERNO_RECORD_H
#define KERNO_RECORD_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "message.h"
#include "owner.h"
#include "packet.h"
#include "waiting.h"

/* What an entry starts as; the fields are filled in place. */
const struct dns_query blank_query = {};

/* For `which`: a resend, not an answer. */
#define NOT_ANSWERED 255

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
	r->echo_len = 0;
	r->call = 0;
	r->error = 0;
	r->queued_bytes = q->queued_bytes;
	r->other_question = q->other_question;
	r->other_source = q->other_source;
	r->tid = q->tid;
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

static __always_inline void fill_answer(struct dns_record *r, struct dns_key *key,
					struct dns_packet *p)
{
	r->kind = DNS_ANSWERED;
	r->answer_bytes = p->message_len;
	r->flags = p->flags;
	r->answers = p->answers;
	if (r->role == DNS_ROLE_SERVER)
		fill_answerer(r, key, p);
}

/* An error answer that carries nothing but EDNS. */
static __always_inline int shows_echo(struct dns_query *q, struct dns_packet *p)
{
	return p->only_additional && q->question_len <= DNS_ECHO_AT;
}

/* Of what tells queries in flight apart; `peer` is a server's peer, folded. */
static __always_inline __u64 hash_of(__u64 cookie, __u16 id, __u16 local_port, __u8 role,
				     __u64 peer, __u16 peer_port)
{
	__u64 h = cookie ^ ((__u64)id << 48) ^ ((__u64)local_port << 32);

	if (role == DNS_ROLE_SERVER)
		h ^= (peer * 0x9E3779B97F4A7C15ULL) ^ peer_port ^ (1ULL << 63);
	h *= 0x9E3779B97F4A7C15ULL;
	h ^= h >> 29;
	h *= 0xBF58476D1CE4E5B9ULL;
	return h ^ (h >> 32);
}

/* Where the slots tell that a query is in dns_inflight. */
static __always_inline __u16 bucket_of(struct dns_key *key)
{
	__u64 *ip = (__u64 *)key->peer_ip;

	return hash_of(key->cookie, key->id, key->local_port, key->role, ip[0] ^ ip[1],
		       key->peer_port) &
	       (DNS_BUCKETS - 1);
}

/* What dns_inflight holds is counted before it is there and until it is gone. */
static __always_inline void account(struct dns_key *key, __u16 share, __s64 by)
{
	if (key->transport == IPPROTO_UDP)
		__sync_fetch_and_add(&dns_buckets[bucket_of(key)].spilled, by);
	if (key->role == DNS_ROLE_CLIENT && by > 0)
		begins_to_wait(key->cookie);
	else if (key->role == DNS_ROLE_CLIENT)
		ends_waiting(key->cookie);
	take_share(&dns_shares, share, by);
}

static __always_inline __u16 share_of(__u64 tenant)
{
	return (tenant * 0x9E3779B97F4A7C15ULL) >> 56;
}

/* A new entry, to be filled in place, if its tenant may have one more. */
static __always_inline int insert(struct dns_key *key, __u64 tenant)
{
	__u16 share = share_of(tenant);

	if (!has_share(&dns_shares, share, INFLIGHT_MAX))
		return 0;
	account(key, share, 1);
	if (!bpf_map_update_elem(&dns_inflight, key, &blank_query, BPF_NOEXIST))
		return 1;
	account(key, share, -1);
	return 0;
}

/* Claims the entry; whoever can't has come second and reports nothing. */
static __always_inline int claim(struct dns_key *key, struct dns_query *q)
{
	__u16 share = q->share;

	if (bpf_map_delete_elem(&dns_inflight, key))
		return 0;
	account(key, share, -1);
	return 1;
}

/* How many are told of. None is in it yet if it was put in the place of another and is just
 * being filled: whoever claims that has one.
 */
static __always_inline __u32 sends_of(struct dns_query *q)
{
	return q->nsends ? q->nsends : 1;
}

static __always_inline int conclude_lost(struct dns_key *key, struct dns_query *q)
{
	__u32 nsends = sends_of(q);

	if (!claim(key, q))
		return 0;
	count(DNS_COUNT_RING_FULL, nsends);
	return 1;
}

/* Reports all sends of the entry. `which` is the one that the packet answers, or
 * NOT_ANSWERED. Returns 0 if somebody else has claimed the entry.
 */
static __noinline int conclude_short(struct dns_key *key, struct dns_query *q,
				     struct dns_packet *p, __u32 which)
{
	struct dns_short_record *s = bpf_ringbuf_reserve(&dns_events, sizeof(*s), 0);

	if (!s)
		return conclude_lost(key, q);
	fill_record(&s->record, q, key, p, 0);
	__builtin_memcpy(s->question, q->question, sizeof(s->question));
	if (which != NOT_ANSWERED)
		fill_answer(&s->record, key, p);
	if (!claim(key, q)) {
		bpf_ringbuf_discard(s, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(s, which != NOT_ANSWERED ? wake_flags_for(&s->record.owner) : wake_flags());
	return 1;
}

static __noinline int conclude_full(struct __sk_buff *skb, struct dns_key *key,
				    struct dns_query *q, struct dns_packet *p, __u32 which)
{
	struct dns_full_record *f = bpf_ringbuf_reserve(&dns_events, sizeof(*f), 0);

	if (!f)
		return conclude_lost(key, q);
	fill_record(&f->record, q, key, p, which);
	__builtin_memcpy(f->question, q->question, sizeof(f->question));
	f->nsends = sends_of(q);
	f->answered = which;
	f->pad = 0;
	__builtin_memcpy(f->sends, q->sends, sizeof(f->sends));
	if (which != NOT_ANSWERED)
		fill_answer(&f->record, key, p);
	if (which != NOT_ANSWERED && shows_echo(q, p))
		f->record.echo_len =
			load_question(skb, p, f->question + DNS_ECHO_AT, DNS_ECHO_MAX);
	if (!claim(key, q)) {
		bpf_ringbuf_discard(f, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(f, which != NOT_ANSWERED ? wake_flags_for(&f->record.owner) : wake_flags());
	return 1;
}

static __always_inline int conclude(struct __sk_buff *skb, struct dns_key *key,
				    struct dns_query *q, struct dns_packet *p, __u32 which)
{
	if (q->question_len <= DNS_QUESTION_SHORT && q->nsends <= 1 &&
	    !(which != NOT_ANSWERED && shows_echo(q, p)))
		return conclude_short(key, q, p, which);
	return conclude_full(skb, key, q, p, which);
}

/* An answer to nothing in flight. User space knows whether it is late. */
static __noinline int report_stray(struct __sk_buff *skb, struct dns_key *key, struct dns_packet *p)
{
	struct dns_short_record *s = new_record(DNS_STRAY, p->now, DNS_COUNT_NOTICE_LOST);
	struct dns_record *r;

	if (!s)
		return 0;
	r = &s->record;
	r->cookie = key->cookie;
	r->local_port = p->local_port;
	__builtin_memcpy(r->send.local_ip, p->local_ip, 16);
	__builtin_memcpy(r->send.peer_ip, p->peer_ip, 16);
	r->send.peer_port = p->peer_port;
	r->id = p->id;
	r->answer_bytes = p->message_len;
	r->flags = p->flags;
	r->answers = p->answers;
	r->role = key->role;
	r->transport = p->transport;
	r->echoed = 1;
	if (key->role == DNS_ROLE_SERVER) {
		take_socket(&r->owner, skb);
		fill_answerer(r, key, p);
	}
	r->question_len = load_question(skb, p, s->question, sizeof(s->question));
	bpf_ringbuf_submit(s, wake_flags());
	return 0;
}

#endif
