/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One slot: where it is, whose query it has, how it is filled and given back. slots.h
 * says what they are for.
 */
#ifndef KERNO_SLOT_H
#define KERNO_SLOT_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "message.h"
#include "owner.h"
#include "packet.h"
#include "record.h"
#include "waiting.h"

/* The place of a slot in dns_slots. It comes from the word, not from where the word was
 * found: else the verifier would walk through all that follows once for each.
 */
static __always_inline __u32 place_of(__u32 bucket, __u64 word)
{
	__u32 place = bucket * 8 + ((word & DNS_SLOT_WAY) >> DNS_SLOT_WAY_SHIFT);

	barrier_var(place); /* its bounds are checked where it is used */
	return place;
}

static __always_inline struct dns_slot *slot_at(__u32 place)
{
	return &dns_slots[place & (DNS_BUCKETS * 8 - 1)];
}

static __always_inline __u64 *word_at(__u32 place)
{
	__u64 *words = (__u64 *)dns_buckets;

	return &words[place & (DNS_BUCKETS * 8 - 1)];
}

static __always_inline __u64 next_word(__u64 old, __u64 tag)
{
	return tag | (old & DNS_SLOT_WAY) | ((old + DNS_SLOT_VERSION) & DNS_SLOT_VERSIONS);
}

static __always_inline __u64 hash_of_packet(struct dns_packet *p, __u64 cookie, __u8 role)
{
	__u64 *ip = (__u64 *)p->peer_ip;

	return hash_of(cookie, p->id, p->local_port, role, ip[0] ^ ip[1], p->peer_port);
}

static __always_inline int is_its_key(struct dns_record *r, struct dns_packet *p, __u64 cookie,
				      __u8 role)
{
	__u64 *a = (__u64 *)r->send.peer_ip, *b = (__u64 *)p->peer_ip;

	return r->cookie == cookie && r->id == p->id && r->local_port == p->local_port &&
	       r->role == role &&
	       (role == DNS_ROLE_CLIENT ||
		(r->send.peer_port == p->peer_port && a[0] == b[0] && a[1] == b[1]));
}

static __always_inline int is_short(struct dns_packet *p)
{
	return question_len(p) - 1 < DNS_QUESTION_SHORT;
}

/* Everything of the record that the query says. */
static __always_inline void fill_slot(struct __sk_buff *skb, struct dns_packet *p,
				      struct dns_slot *s, __u64 cookie, __u8 role)
{
	struct dns_record *r = &s->record;

	r->end_ns = 0;
	r->first_ns = p->now;
	r->cookie = cookie;
	r->send.at_ns = p->now;
	__builtin_memcpy(r->send.local_ip, p->local_ip, 16);
	__builtin_memcpy(r->send.peer_ip, p->peer_ip, 16);
	r->send.peer_port = p->peer_port;
	r->send.attempt = 1;
	r->send.pad = 0;
	r->local_port = p->local_port;
	r->id = p->id;
	r->query_bytes = p->message_len;
	r->answer_bytes = 0;
	r->flags = 0;
	r->answers = 0;
	r->kind = DNS_RESENT;
	r->role = role;
	r->transport = IPPROTO_UDP;
	r->echoed = 0;
	r->echo_len = 0;
	r->call = 0;
	r->error = 0;
	r->queued_bytes = 0;
	r->other_question = 0;
	r->other_source = 0;
	r->tid = 0;
	take_socket(&r->owner, skb);
	if (role == DNS_ROLE_CLIENT) {
		take_process(&r->owner);
		r->tid = current_thread();
	} else {
		r->owner.tgid = 0;
		__builtin_memset(r->owner.comm, 0, sizeof(r->owner.comm));
		r->queued_bytes = queued_bytes(skb);
	}
}

/* Octets of name, type and class in a slot, as question_end(). */
static __always_inline __u32 slot_question_end(struct dns_slot *s, __u32 len)
{
	__u64 at = 0;

	for (int i = 0; i < DNS_QUESTION_SHORT / 2; i++) {
		__u64 label;

		barrier_var(at);
		if (at >= DNS_QUESTION_SHORT - 4)
			return 0;
		label = s->question[at];
		if (!label)
			return at + 5 <= len ? at + 5 : 0;
		if (label > LABEL_MAX)
			return 0;
		at += 1 + label;
	}
	return 0;
}

/* Takes a plain question, word by word, with zeros behind it. Returns 0 if it cannot be
 * read in place. A global function, as others here: the verifier walks through it once.
 */
__noinline int dns_take_question(struct __sk_buff *skb, __u32 place, __u32 at, __u32 len)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	void *from = data + (at & QUESTION_AT_BITS);
	struct dns_slot *s = slot_at(place);
	__u64 *to = (__u64 *)s->question, last;

	if (len - 1 >= DNS_QUESTION_SHORT || !last_octets(data, end, at, len, &last))
		return 0;
	for (__u32 i = 0; i < QUESTION_WORDS; i++) {
		__u64 word = 0;

		if (8 * i + 8 <= len) {
			if (from + 8 * i + 8 > end)
				return 0;
			word = ((__u64 *)from)[i];
		} else if (8 * i < len) {
			word = last;
		}
		to[i] = word;
	}
	s->record.question_len = len;
	s->asked_len = slot_question_end(s, len);
	return 1;
}

/* The same by way of the kernel's copy. */
__noinline int dns_load_question(struct __sk_buff *skb, __u32 place, __u32 at, __u32 len)
{
	struct dns_slot *s = slot_at(place);
	__u64 last = (__u64)len - 1;

	__builtin_memset(s->question, 0, sizeof(s->question));
	s->record.question_len = 0;
	s->asked_len = 0;
	barrier_var(last);
	if (last >= DNS_QUESTION_SHORT || bpf_skb_load_bytes(skb, at, s->question, last + 1))
		return 0;
	s->record.question_len = len;
	s->asked_len = slot_question_end(s, len);
	return 1;
}

/* The question of a short message. */
static __always_inline void fill_slot_question(struct __sk_buff *skb, struct dns_packet *p,
					       __u32 place)
{
	if (!dns_take_question(skb, place, question_at(p), question_len(p)))
		dns_load_question(skb, place, question_at(p), question_len(p));
}

/* Whether a plain answer has the slot's question, octet by octet, as nearly all do. */
__noinline int dns_has_question(struct __sk_buff *skb, __u32 place, __u32 at)
{
	struct dns_slot *s = slot_at(place);

	return has_octets(skb, at, (__u64 *)s->question, s->asked_len);
}

/* What the slot held has its end. */
static __always_inline void waits_no_more(struct dns_slot *s)
{
	if (s->record.role == DNS_ROLE_CLIENT)
		ends_waiting(s->record.cookie);
}

static __always_inline void free_slot(__u64 *word, __u64 held)
{
	__sync_lock_test_and_set(word, held & ~(__u64)DNS_SLOT_STATE);
}

#endif
