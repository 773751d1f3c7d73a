/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps, their sizes and the counters. 9.3 MiB in all (docs/overhead.md),
 * allocated when loading, because a query's entry is made in softirq too.
 */
#ifndef KERNO_MAPS_H
#define KERNO_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "dns_monitor.h"

/* 552 bytes an entry with its key. With the slots the room for 5 s of 3,000 unanswered
 * queries a second, without them of 1,600.
 */
#define INFLIGHT_MAX 8192
#define CONNECTIONS_MAX 1024
/* Slots by socket cookie: a power of two. Cookies of a CPU follow each other, so two
 * sockets of one CPU meet only if that many were opened between them.
 */
#define UNREAD_SLOTS 8192
#define CALL_SLOTS 4096
/* Room for 9,709 short records, which take 216 octets of it. */
#define RING_BYTES (2 * 1024 * 1024)
/* In batches: the reader is woken when an eighth of the ring is filled. */
#define WAKE_BYTES (RING_BYTES / 8)

const volatile struct dns_config config = {};

/* Queries count only while this is set: from the moment when every hook is in
 * place, so that no answer is missed that a counted query had.
 */
__u32 armed = 0;

/* enum dns_sleep: set by the reader when it goes to sleep; whoever wakes it takes it back. */
__u32 asleep = DNS_AWAKE;

/* Since when dns_read is attached, in nanoseconds; 0 while it is not. */
__u64 reads_since = 0;

/* Notes that were old when their socket was used again or closed, while dns_read was not
 * attached: a reason to attach it.
 */
__u32 old_notes = 0;

/* The plain queries in flight, see slots.h. Sections of their own, so that user space
 * finds them without the rest.
 */
struct dns_bucket dns_buckets[DNS_BUCKETS] SEC(".bss.buckets") __attribute__((aligned(64)));
struct dns_slot dns_slots[DNS_BUCKETS * 8] SEC(".bss.slots") __attribute__((aligned(64)));

/* How many queries of a client's socket wait, by its cookie: see waiting.h. */
__u64 dns_waiting[DNS_WAITING] SEC(".bss.waiting") __attribute__((aligned(64)));

/* Entries of dns_inflight and of dns_connections, by tenant. */
struct dns_share_table dns_shares SEC(".bss.shares");
struct dns_share_table dns_connection_shares SEC(".bss.shares");

static __always_inline void take_share(struct dns_share_table *table, __u16 share, __s64 by)
{
	__sync_fetch_and_add(&table->total, by);
	__sync_fetch_and_add(&table->of[share & (DNS_SHARES - 1)], by);
}

/* Room is shared: half of it may have whoever comes, the rest only who has less than a
 * quarter. Signed, so that a miscount locks nobody out.
 */
static __always_inline int has_share(struct dns_share_table *table, __u16 share, __u32 room)
{
	return (__s64)table->total < room / 2 ||
	       (__s64)table->of[share & (DNS_SHARES - 1)] < room / 4;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INFLIGHT_MAX);
	__type(key, struct dns_key);
	__type(value, struct dns_query);
} dns_inflight SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONNECTIONS_MAX);
	__type(key, __u64); /* socket cookie */
	__type(value, struct dns_connection);
} dns_connections SEC(".maps");

/* Servers behind an address translation that are asked at another port: 127.0.0.11
 * of Docker, the redirects of a service mesh. So few that one look at a bit spares
 * all other ports.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct dns_endpoint);
	__type(value, __u8);
} dns_translated SEC(".maps");

__u64 translated_ports[65536 / 64] = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNREAD_SLOTS);
	__type(key, __u32);
	__type(value, struct dns_unread_answer);
} dns_unread SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CALL_SLOTS);
	__type(key, __u32);
	__type(value, struct dns_call);
} dns_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} dns_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DNS_COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} dns_counters SEC(".maps");

static __always_inline void count(__u32 index, __u64 by)
{
	__u64 *counter = bpf_map_lookup_elem(&dns_counters, &index);

	/* Softirq can interrupt process context on this CPU: hence atomic. */
	if (counter)
		__sync_fetch_and_add(counter, by);
}

/* Who has had records, by process and control group. Who shares a place with another
 * counts as new now and then.
 */
__u32 known_owners[4096] = {};

static __always_inline int is_new(struct dns_owner *owner)
{
	__u32 tag = (owner->tgid ^ (__u32)owner->cgroup_id << 22) * 0x9E3779B1U;
	__u32 *known = &known_owners[tag >> 20];

	if (*known == tag)
		return 0;
	*known = tag;
	return 1;
}

/* A reader that is awake finds the record without being told. One that fell asleep
 * just before it was there looks again after a while.
 */
static __always_inline __u64 wake_if(int is_awaited)
{
	if (!is_awaited && bpf_ringbuf_query(&dns_events, BPF_RB_AVAIL_DATA) < WAKE_BYTES)
		return BPF_RB_NO_WAKEUP;
	asleep = DNS_AWAKE;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline __u64 wake_flags(void)
{
	__u32 until = asleep;

	return until == DNS_AWAKE ? BPF_RB_NO_WAKEUP : wake_if(until != DNS_SLEEP_BATCH);
}

/* Of the record of an answered query. */
static __always_inline __u64 wake_flags_for(struct dns_owner *owner)
{
	__u32 until = asleep;

	if (until == DNS_AWAKE)
		return BPF_RB_NO_WAKEUP;
	return wake_if(until == DNS_SLEEP_LIGHT || (until == DNS_SLEEP_NEW && is_new(owner)));
}

/* A record with nothing in it but its kind and when it happened. Without room it
 * counts what is lost. Whoever gets one submits it.
 */
static __always_inline struct dns_short_record *new_record(__u8 kind, __u64 now, __u32 lost)
{
	struct dns_short_record *s = bpf_ringbuf_reserve(&dns_events, sizeof(*s), 0);

	if (!s) {
		count(lost, 1);
		return s;
	}
	__builtin_memset(s, 0, sizeof(*s));
	s->record.kind = kind;
	s->record.end_ns = now;
	return s;
}

#endif
