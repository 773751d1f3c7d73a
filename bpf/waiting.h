/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How many queries of a client's socket wait for an answer.
 *
 * Who closes a socket while one waits has given up on it: then its program waits no
 * longer, though nothing else tells of that. So that only such sockets are told of,
 * their queries are counted, in an array with a word for the socket's cookie: in front
 * of a query's entry and behind it, as its place in a bucket (slots.h, record.h). Two
 * sockets may share a word; then the later one has it, and that the earlier one is closed
 * goes unseen, which is counted. Two threads that take a word at the same moment may count
 * wrong: the word is a hint, and user space asks no more than whether there is a query.
 */
#ifndef KERNO_WAITING_H
#define KERNO_WAITING_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define ONE_WAITS (1ULL << DNS_WAITING_SHIFT)
#define WAITING_COOKIE (ONE_WAITS - 1)

static __always_inline __u64 *waiting_word(__u64 cookie)
{
	return &dns_waiting[cookie & (DNS_WAITING - 1)];
}

static __always_inline int has_word(__u64 word, __u64 cookie)
{
	return !((word ^ cookie) & WAITING_COOKIE);
}

/* One query more of this socket waits. */
static __always_inline void begins_to_wait(__u64 cookie)
{
	__u64 *word = waiting_word(cookie), seen = *word;

	if (has_word(seen, cookie)) {
		__sync_fetch_and_add(word, ONE_WAITS);
		return;
	}
	if (seen >> DNS_WAITING_SHIFT)
		count(DNS_COUNT_CLOSE_UNSEEN, 1);
	*word = (cookie & WAITING_COOKIE) | ONE_WAITS;
}

/* One less. */
static __always_inline void ends_waiting(__u64 cookie)
{
	__u64 *word = waiting_word(cookie), seen = *word;

	if (has_word(seen, cookie) && seen >> DNS_WAITING_SHIFT)
		__sync_fetch_and_add(word, -ONE_WAITS);
}

/* The socket is closed; whether any waits. */
static __always_inline int forget_waiting(__u64 cookie)
{
	__u64 *word = waiting_word(cookie), seen = *word;

	if (!has_word(seen, cookie))
		return 0;
	*word = 0;
	return !!(seen >> DNS_WAITING_SHIFT);
}

#endif
