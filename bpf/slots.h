/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The plain case, which nearly every query is: one UDP message to one server, with a
 * short question. It waits in an array instead of in dns_inflight, whose insert and
 * delete cost more than all else together. Since Linux 5.12, which has atomic swaps.
 *
 * A bucket is a cache line: seven words, each the state of a slot, and the number of
 * queries of this bucket that are in dns_inflight (fan-outs, long questions, no room
 * here). A word has the tag of its key's hash, its way (1 to 7) in the bucket, a version,
 * and a state. Whoever swaps READY for TAKEN has claimed the query, as whoever deletes it
 * does in the map; the version, of six bits, makes the swap fail if the slot was used
 * again meanwhile.
 *
 * A slot holds a whole record of the kind DNS_RESENT: an answer overwrites what differs,
 * and the sweep of user space reads it as it is.
 */
#ifndef KERNO_SLOTS_H
#define KERNO_SLOTS_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "match.h"
#include "message.h"
#include "owner.h"
#include "packet.h"
#include "record.h"
#include "slot.h"
#include "translate.h"
#include "unread.h"
#include "waiting.h"

/* What a function of the quick way returns. */
#define ELSEWHERE 0 /* it goes the way that all can go: dns_inflight */
#define DONE 1

/* One in the array moves to dns_inflight, where there is room for what is not plain. */
__noinline int dns_spill(__u32 place, __u64 word)
{
	struct dns_slot *s = slot_at(place);
	struct dns_query *q = NULL;
	struct dns_key key = {};

	if (__sync_val_compare_and_swap(word_at(place), word, word | DNS_SLOT_TAKEN) != word)
		return ELSEWHERE;
	key.cookie = s->record.cookie;
	key.local_port = s->record.local_port;
	key.id = s->record.id;
	key.role = s->record.role;
	key.transport = IPPROTO_UDP;
	if (key.role == DNS_ROLE_SERVER) {
		__builtin_memcpy(key.peer_ip, s->record.send.peer_ip, 16);
		key.peer_port = s->record.send.peer_port;
	}
	if (insert(&key, tenant(s->record.owner.cgroup_id, s->record.owner.netns)))
		q = bpf_map_lookup_elem(&dns_inflight, &key);
	if (q && !q->ready) {
		q->first_ns = s->record.first_ns;
		q->owner = s->record.owner;
		q->tid = s->record.tid;
		q->share = share_of(tenant(q->owner.cgroup_id, q->owner.netns));
		q->bucket = bucket_of(&key);
		q->sends[0] = s->record.send;
		q->message_bytes = s->record.query_bytes;
		q->question_len = s->record.question_len;
		q->asked_len = s->asked_len;
		q->queued_bytes = s->record.queued_bytes;
		q->other_question = s->record.other_question;
		q->other_source = s->record.other_source;
		q->nsends = 1;
		__builtin_memcpy(q->question, s->question, DNS_QUESTION_SHORT);
		barrier();
		q->ready = 1;
	} else {
		count(DNS_COUNT_INFLIGHT_FULL, 1);
	}
	waits_no_more(s);
	free_slot(word_at(place), word);
	return ELSEWHERE;
}

static __always_inline void refill(struct __sk_buff *skb, struct dns_packet *p, __u32 place)
{
	struct dns_slot *s = slot_at(place);

	fill_slot(skb, p, s, s->record.cookie, s->record.role);
	fill_slot_question(skb, p, place);
}

/* Reports what the slot holds as resent, and puts the new query there. */
static __always_inline void replace(struct __sk_buff *skb, struct dns_packet *p, __u32 place,
				    struct dns_short_record *rec)
{
	__u64 *before = (__u64 *)rec->question, *now, differs;
	struct dns_slot *s = slot_at(place);

	__builtin_memcpy(rec, s, sizeof(*rec));
	rec->record.end_ns = p->now;
	refill(skb, p, place);
	now = (__u64 *)s->question;
	differs = rec->record.question_len ^ s->record.question_len;
	for (int i = 0; i < QUESTION_WORDS; i++)
		differs |= before[i] ^ now[i];
	if (!differs) {
		s->record.first_ns = rec->record.first_ns;
		s->record.send.attempt = rec->record.send.attempt + 1;
	}
}

/* The key of one in the array once more: that one ends as resent, and its slot takes
 * the new one. At no moment in between does it belong to nobody.
 */
static __always_inline int resend(struct __sk_buff *skb, struct dns_packet *p, __u32 place,
				  __u64 word)
{
	struct dns_short_record *rec;

	if (__sync_val_compare_and_swap(word_at(place), word, word | DNS_SLOT_TAKEN) != word)
		return ELSEWHERE;
	rec = bpf_ringbuf_reserve(&dns_events, sizeof(*rec), 0);
	if (rec) {
		replace(skb, p, place, rec);
		bpf_ringbuf_submit(rec, wake_flags());
	} else {
		count(DNS_COUNT_RING_FULL, 1);
		refill(skb, p, place);
	}
	count(DNS_COUNT_QUERIES, 1);
	__sync_lock_test_and_set(word_at(place),
				 next_word(word, word & DNS_SLOT_TAG) | DNS_SLOT_READY);
	return DONE;
}

/* The bucket has this key's tag already. To another server at the same moment: a fan-out, for
 * which dns_inflight has room, as for a long question.
 */
__noinline int dns_query_again(struct __sk_buff *skb, struct dns_packet *p, __u64 cookie,
			       __u32 place)
{
	__u64 word = *word_at(place);
	struct dns_slot *s = slot_at(place);
	__u8 role;

	if (!p)
		return ELSEWHERE;
	role = p->egress ? DNS_ROLE_CLIENT : DNS_ROLE_SERVER;
	if ((word & DNS_SLOT_STATE) != DNS_SLOT_READY || !is_its_key(&s->record, p, cookie, role))
		return ELSEWHERE;
	if (!is_short(p) || (p->egress && p->now - s->record.send.at_ns <= FANOUT_NS &&
			     !same_peer(&s->record.send, p)))
		return dns_spill(place, word);
	return resend(skb, p, place, word);
}

/* A full bucket. Room is shared: who has most of it here gives way to somebody who
 * has less; its query is lost, and counted so. Returns the word of the slot that is now
 * ours, or 0: then there may be room in dns_inflight. Without loops: the
 * verifier of Linux 6.1 does not take how they are laid out.
 */
__noinline __u64 dns_make_room(__u32 bucket, __u64 asking)
{
	__u64 *words = dns_buckets[bucket & (DNS_BUCKETS - 1)].words;
	__u64 word, owners[DNS_WAYS], most = 1, mine = 0, victim = 0;

#pragma unroll
	for (int i = 0; i < DNS_WAYS; i++) {
		struct dns_owner *owner = &slot_at(bucket * 8 + i + 1)->record.owner;

		owners[i] = tenant(owner->cgroup_id, owner->netns);
	}
#pragma unroll
	for (int i = 0; i < DNS_WAYS; i++) {
		__u64 same = 0;

		mine += equal(owners[i], asking);
#pragma unroll
		for (int j = 0; j < DNS_WAYS; j++)
			same += equal(owners[i], owners[j]);
		word = words[i];
		if (same > most && (word & DNS_SLOT_STATE) == DNS_SLOT_READY) {
			most = same;
			victim = word;
		}
	}
	if (!victim || most <= mine + 1)
		return 0;
	if (__sync_val_compare_and_swap(word_at(place_of(bucket, victim)), victim,
					victim | DNS_SLOT_TAKEN) != victim)
		return 0;
	waits_no_more(slot_at(place_of(bucket, victim)));
	count(DNS_COUNT_INFLIGHT_FULL, 1);
	return victim;
}

static __always_inline int quick_query(struct __sk_buff *skb, struct dns_packet *p, __u64 cookie)
{
	__u8 role = p->egress ? DNS_ROLE_CLIENT : DNS_ROLE_SERVER;
	__u64 hash = hash_of_packet(p, cookie, role), tag = hash & DNS_SLOT_TAG;
	__u32 b = hash & (DNS_BUCKETS - 1), place;
	struct dns_bucket *bucket = &dns_buckets[b];
	__u64 word, free = 0, again = 0;
	struct dns_slot *s;

	if (bucket->spilled)
		return ELSEWHERE;
	for (int i = 0; i < DNS_WAYS; i++) {
		word = bucket->words[i];
		if (!(word & DNS_SLOT_STATE))
			free = word;
		else if ((word & DNS_SLOT_TAG) == tag)
			again = word;
	}
	if (again)
		return dns_query_again(skb, p, cookie, place_of(b, again));
	if (!is_short(p))
		return ELSEWHERE;
	if (free) {
		place = place_of(b, free);
		if (__sync_val_compare_and_swap(word_at(place), free,
						next_word(free, tag) | DNS_SLOT_FILLING) != free)
			return ELSEWHERE;
	} else {
		free = dns_make_room(b, tenant_of(skb));
		if (!free)
			return ELSEWHERE;
		place = place_of(b, free);
	}
	s = slot_at(place);
	fill_slot(skb, p, s, cookie, role);
	fill_slot_question(skb, p, place);
	count(DNS_COUNT_QUERIES, 1);
	if (role == DNS_ROLE_CLIENT)
		begins_to_wait(cookie);
	__sync_lock_test_and_set(word_at(place), next_word(free, tag) | DNS_SLOT_READY);
	return DONE;
}

/* Octets that differ, but perhaps in the case of letters only. `said` has the answer's. */
__noinline int dns_differs_folded(__u32 place, struct dns_short_record *said)
{
	struct dns_slot *s = slot_at(place);
	__u64 at = (__u64)s->asked_len - 4;
	__u32 type = 0, asked_type = 0;

	barrier_var(at);
	if (!said || at > DNS_QUESTION_SHORT - 4)
		return 1;
	bpf_probe_read_kernel(&type, 4, said->question + at);
	bpf_probe_read_kernel(&asked_type, 4, s->question + at);
	if (type != asked_type)
		return 1;
	for (__u32 i = 0; i < DNS_QUESTION_SHORT / 4; i++) {
		__u32 x = folded(((__u32 *)said->question)[i]) ^ folded(((__u32 *)s->question)[i]);

		if (4 * i >= at)
			break;
		if (4 * i + 4 > at)
			x <<= 8 * (4 * i + 4 - at);
		if (x)
			return 1;
	}
	return 0;
}

/* What answers_question() says of the octets in dns_inflight. */
static __always_inline int repeats_question(struct __sk_buff *skb, struct dns_packet *p,
					    __u32 place, struct dns_short_record *rec)
{
	__u32 len = slot_at(place)->asked_len;

	if (!len)
		return 1;
	if (!p->questions)
		return !!(p->flags & DNS_RCODE_MASK);
	if (question_len(p) < len)
		return 0;
	if (dns_has_question(skb, place, question_at(p)))
		return 1;
	if (load_question(skb, p, rec->question, DNS_QUESTION_SHORT) < (int)len)
		return 0;
	return !dns_differs_folded(place, rec);
}

static __noinline int is_translated_answer(struct __sk_buff *skb)
{
	return is_translated(skb);
}

static __noinline int ignore_answer(__u32 *counter)
{
	__sync_fetch_and_add(counter, 1);
	count(DNS_COUNT_IGNORED, 1);
	return DONE;
}

/* The query ends, but there is no room to tell of it. */
static __noinline int lose_answer(__u32 place, __u64 word)
{
	if (__sync_val_compare_and_swap(word_at(place), word, word | DNS_SLOT_TAKEN) != word)
		return ELSEWHERE;
	count(DNS_COUNT_RING_FULL, 1);
	waits_no_more(slot_at(place));
	free_slot(word_at(place), word);
	return DONE;
}

static __always_inline int quick_answer(struct __sk_buff *skb, struct dns_packet *p, __u64 cookie,
					__u32 queued)
{
	__u8 role = p->egress ? DNS_ROLE_SERVER : DNS_ROLE_CLIENT;
	__u64 hash = hash_of_packet(p, cookie, role), tag = hash & DNS_SLOT_TAG;
	__u32 b = hash & (DNS_BUCKETS - 1), place;
	struct dns_bucket *bucket = &dns_buckets[b];
	struct dns_short_record *rec;
	__u64 seen, word = 0;
	struct dns_slot *s;

	for (int i = 0; i < DNS_WAYS; i++) {
		seen = bucket->words[i];
		if ((seen & DNS_SLOT_TAG) == tag && (seen & DNS_SLOT_STATE) == DNS_SLOT_READY)
			word = seen;
	}
	if (!word)
		return ELSEWHERE;
	place = place_of(b, word);
	s = slot_at(place);
	if (!is_its_key(&s->record, p, cookie, role))
		return ELSEWHERE;
	if (p->only_additional)
		return dns_spill(place, word); /* which has room for the OPT record */
	if (role == DNS_ROLE_CLIENT && !same_peer(&s->record.send, p) &&
	    !is_multicast(s->record.send.peer_ip) && !is_translated_answer(skb))
		return ignore_answer(&s->record.other_source);
	rec = bpf_ringbuf_reserve(&dns_events, sizeof(*rec), 0);
	if (!rec)
		return lose_answer(place, word);
	if (role == DNS_ROLE_CLIENT && !repeats_question(skb, p, place, rec)) {
		bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
		return ignore_answer(&s->record.other_question);
	}
	if (__sync_val_compare_and_swap(word_at(place), word, word | DNS_SLOT_TAKEN) != word) {
		bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
		return ELSEWHERE;
	}
	__builtin_memcpy(rec, s, sizeof(*rec));
	free_slot(word_at(place), word);
	if (role == DNS_ROLE_CLIENT)
		ends_waiting(cookie);
	rec->record.end_ns = p->now;
	rec->record.kind = DNS_ANSWERED;
	rec->record.answer_bytes = p->message_len;
	rec->record.flags = p->flags;
	rec->record.answers = p->answers;
	if (role == DNS_ROLE_SERVER)
		take_process(&rec->record.owner);
	else
		rec->record.queued_bytes = queued;
	bpf_ringbuf_submit(rec, wake_flags_for(&rec->record.owner));
	return DONE;
}

/* A UDP message whose header has been read, and whose end and kind agree. */
static __always_inline int quick(struct __sk_buff *skb, struct dns_packet *p)
{
	__u8 is_answer = !!(p->flags & DNS_FLAG_QR);
	__u32 queued = 0;
	__u64 cookie;

	if (p->is_raw || (p->egress == is_answer ? !p->local_is_dns : !p->peer_is_dns))
		return ELSEWHERE;
	cookie = cookie_of(skb);
	if (is_answer) {
		if (!p->egress && config.reads)
			queued = note_unread(skb, p, cookie);
		else if (!p->egress && config.reasons)
			queued = queued_bytes(skb);
		return quick_answer(skb, p, cookie, short_of_room(skb, queued));
	}
	if (!armed)
		return DONE;
	if (p->egress && !take_asked_quickly(skb, p))
		return ELSEWHERE;
	return quick_query(skb, p, cookie);
}

#endif
