/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How long answers lie in their client's socket before somebody reads them.
 *
 * A note for each answer, in an array with a slot for the socket's cookie:
 * insert and delete of a hash map are most of what matching costs, and nearly
 * every note is only made to be forgotten. So it is a thirtieth of the ingress
 * program's time (dnsperf over loopback, Linux 6.18). A socket has two slots to choose from:
 * cookies of two CPUs count up side by side, and would share one for a while. Where both
 * are taken the latest has that of the eldest, so a slow read may be missed; a wrong one is
 * not told, since the slot says whose it is.
 */
#ifndef KERNO_UNREAD_H
#define KERNO_UNREAD_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "owner.h"
#include "packet.h"

#define MSG_PEEK 2

/* A busy host lets a reader wait for a few milliseconds. */
#define SLOW_READ_NS 10000000ULL

/* A note that is older is worth a look at when its answer is read. As LATE_READ_NS of
 * src/thresholds.rs.
 */
#define OLD_NOTE_NS 50000000ULL

/* The slot that has its note, or else the one that a new note takes. */
static __always_inline struct dns_unread_answer *unread_slot(__u64 cookie)
{
	__u32 slot = cookie % UNREAD_SLOTS;
	struct dns_unread_answer *first = bpf_map_lookup_elem(&dns_unread, &slot);
	struct dns_unread_answer *second;

	if (!first || first->cookie == cookie)
		return first;
	slot ^= UNREAD_SLOTS / 2;
	second = bpf_map_lookup_elem(&dns_unread, &slot);
	if (!second || second->cookie == cookie)
		return second;
	if (first->cookie && (!second->cookie || second->at_ns < first->at_ns))
		return second;
	return first;
}

/* Its answer lay for long, or was read at a time that nobody looked at. */
static __always_inline void see_age(struct dns_unread_answer *answer, __u64 now)
{
	if (!reads_since && now > answer->at_ns && now - answer->at_ns >= OLD_NOTE_NS)
		old_notes++;
}

/* The oldest answer counts, as long as there is something left to be read: an
 * answer that was discarded behind this hook is never read. Returns what lies there, if
 * something does.
 */
static __always_inline __u32 note_unread(struct __sk_buff *skb, struct dns_packet *p, __u64 cookie)
{
	struct dns_unread_answer *answer = unread_slot(cookie);
	__u32 queued;

	if (!answer)
		return 0;
	if (answer->cookie == cookie) {
		see_age(answer, p->now);
		queued = queued_bytes(skb);
		if (queued)
			return queued;
	}
	answer->cookie = 0;
	barrier();
	answer->at_ns = p->now;
	answer->id = p->id;
	barrier();
	answer->cookie = cookie;
	return 0;
}

/* Whether answers may come to this socket: not on one that is connected to
 * something else.
 */
static __always_inline int may_ask_dns(struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;
	__u16 port = bpf_ntohs(sk->__sk_common.skc_dport);

	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (sk->sk_protocol == IPPROTO_UDP)
		return !port || is_dns_port(port);
	return sk->sk_protocol == IPPROTO_TCP && is_dns_port(port);
}

static __always_inline void report_slow_read(struct sock *sk, __u64 cookie, __u64 at_ns, __u16 id,
					     __u64 now)
{
	struct dns_short_record *s = new_record(DNS_READ_LATE, now, DNS_COUNT_NOTICE_LOST);
	struct dns_record *r;

	if (!s)
		return;
	r = &s->record;
	r->role = DNS_ROLE_CLIENT;
	r->transport = sk->sk_protocol;
	r->first_ns = at_ns;
	r->cookie = cookie;
	r->id = id;
	take_caller(&r->owner, sk);
	bpf_ringbuf_submit(s, wake_flags());
}

/* The socket is closed, and with it its note. */
static __always_inline void forget_note(__u64 cookie)
{
	struct dns_unread_answer *answer = unread_slot(cookie);

	if (!answer || answer->cookie != cookie)
		return;
	see_age(answer, bpf_ktime_get_ns());
	answer->cookie = 0;
}

/* Runs for every read from every socket of the host, while it is attached. What came
 * before may have been read before, too.
 */
static __always_inline void on_read(struct sock *sk, int ret, int flags)
{
	struct dns_unread_answer *answer;
	__u64 cookie, at_ns, now;
	__u16 id;

	if (ret <= 0 || (flags & MSG_PEEK) || !may_ask_dns(sk))
		return;
	cookie = bpf_get_socket_cookie(sk);
	answer = unread_slot(cookie);
	if (!answer || answer->cookie != cookie)
		return;
	at_ns = answer->at_ns;
	id = answer->id;
	answer->cookie = 0;
	if (!reads_since || at_ns < reads_since)
		return;
	now = bpf_ktime_get_ns();
	if (now - at_ns >= SLOW_READ_NS && now > at_ns && armed)
		report_slow_read(sk, cookie, at_ns, id, now);
}

#endif
