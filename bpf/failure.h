/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What sockets are told of queries that get no answer: errors (ICMP). They become
 * notices that user space joins with the queries in flight on that socket.
 */
#ifndef KERNO_FAILURE_H
#define KERNO_FAILURE_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "owner.h"
#include "packet.h"
#include "waiting.h"

/* An error that a socket connected to a DNS port is told of. */
static __always_inline void report_socket_error(struct sock *sk)
{
	__u16 port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	int error = BPF_CORE_READ(sk, sk_err);
	struct dns_short_record *s;
	struct dns_record *r;

	if (!is_dns_port(port) || !error)
		return;
	s = new_record(DNS_SOCKET_ERROR, bpf_ktime_get_ns(), DNS_COUNT_NOTICE_LOST);
	if (!s)
		return;
	r = &s->record;
	r->cookie = bpf_get_socket_cookie(sk);
	/* Its query waits no longer: that the socket is closed then, as most are, says nothing. */
	ends_waiting(r->cookie);
	r->owner.netns = netns_of(sk);
	r->transport = BPF_CORE_READ(sk, sk_protocol);
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	r->error = error;
	bpf_ringbuf_submit(s, wake_flags());
}

#endif
