/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the kernel says about queries that got no answer: socket errors (ICMP)
 * and packets that arrived where nobody listens. Both become notices that user
 * space joins with the query in flight; neither names the query by its key.
 */
#ifndef KERNO_FAILURE_H
#define KERNO_FAILURE_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "match.h"
#include "packet.h"

/* An error that a socket connected to a DNS port is told of. */
static __always_inline void report_socket_error(struct sock *sk)
{
	__u16 port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	int error = BPF_CORE_READ(sk, sk_err);
	struct dns_short_record *s;
	struct dns_record *r;

	if (!is_dns_port(port) || !error)
		return;
	s = bpf_ringbuf_reserve(&dns_events, sizeof(*s), 0);
	if (!s) {
		count(DNS_COUNT_NOTICE_LOST, 1);
		return;
	}
	__builtin_memset(s, 0, sizeof(*s));
	r = &s->record;
	r->end_ns = bpf_ktime_get_ns();
	r->kind = DNS_SOCKET_ERROR;
	r->cookie = bpf_get_socket_cookie(sk);
	r->transport = BPF_CORE_READ(sk, sk_protocol);
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	r->error = error;
	bpf_ringbuf_submit(s, wake_flags());
}

static __always_inline void read_destination(__u8 *to, unsigned char *ip, int version)
{
	__be32 addr = 0;

	if (version != 4) {
		bpf_probe_read_kernel(to, 16, ip + 24);
		return;
	}
	bpf_probe_read_kernel(&addr, sizeof(addr), ip + 16);
	map_ipv4(to, addr);
}

/* A UDP query without a receiver. Its client is another socket, perhaps in
 * another namespace and behind NAT: id, question and ports are what is known.
 */
static __always_inline void report_no_socket(struct sk_buff *skb)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	__u32 transport = BPF_CORE_READ(skb, transport_header);
	unsigned char *ip = head + BPF_CORE_READ(skb, network_header);
	unsigned char *udp = head + transport;
	__u32 tail = BPF_CORE_READ(skb, tail);
	__u32 question = transport + UDP_HEADER_LEN + DNS_HEADER_LEN;
	struct dns_header h = {};
	struct dns_full_record *f;
	struct dns_record *r;
	__be16 ports[2] = {};
	__u8 version = 0, protocol = 0;
	__u64 len;

	bpf_probe_read_kernel(ports, sizeof(ports), udp);
	if (!is_dns_port(bpf_ntohs(ports[1])))
		return;
	bpf_probe_read_kernel(&version, 1, ip);
	bpf_probe_read_kernel(&protocol, 1, ip + (version >> 4 == 4 ? 9 : 6));
	/* IPv6 extension headers may come before UDP; TCP is told by its reset. */
	if ((version >> 4 == 4 ? protocol != IPPROTO_UDP : protocol == IPPROTO_TCP) ||
	    tail <= question)
		return;
	bpf_probe_read_kernel(&h, sizeof(h), udp + UDP_HEADER_LEN);
	if ((bpf_ntohs(h.flags) & DNS_FLAG_QR) || bpf_ntohs(h.questions) > 1)
		return;
	f = bpf_ringbuf_reserve(&dns_events, sizeof(*f), 0);
	if (!f) {
		count(DNS_COUNT_NOTICE_LOST, 1);
		return;
	}
	__builtin_memset(f, 0, sizeof(*f));
	r = &f->record;
	r->end_ns = bpf_ktime_get_ns();
	r->kind = DNS_NO_SOCKET;
	r->transport = IPPROTO_UDP;
	read_destination(r->send.peer_ip, ip, version >> 4);
	r->local_port = bpf_ntohs(ports[0]);
	r->send.peer_port = bpf_ntohs(ports[1]);
	r->id = bpf_ntohs(h.id);
	len = tail - question;
	if (len > DNS_QUESTION_MAX)
		len = DNS_QUESTION_MAX;
	r->question_len = len;
	barrier_var(len); /* the bound is to be checked on what is passed on */
	if (len <= DNS_QUESTION_MAX)
		bpf_probe_read_kernel(f->question, len, head + question);
	bpf_ringbuf_submit(f, wake_flags());
}

#endif
