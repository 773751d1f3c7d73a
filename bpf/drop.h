/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Packets with a DNS port that this kernel discards, in whatever layer. User space
 * joins them with the attempts that they belong to; a query that is discarded
 * before the egress hook is known from here alone.
 *
 * Runs for every packet that is discarded on the host, so one that is not DNS
 * leaves at the port check.
 */
#ifndef KERNO_DROP_H
#define KERNO_DROP_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "message.h"
#include "owner.h"
#include "packet.h"
#include "translate.h"
#include "waiting.h"

/* A discarded packet, as far as it has been read. Offsets are from head. */
struct discarded {
	unsigned char *head;
	__u32 network;
	__u32 transport;
	__u32 tail; /* end of what is not in page fragments */
	__u32 end;  /* end of the packet */
	__be16 ports[2];
	__u8 protocol;
	__u8 is_ipv4;
	__u8 tcp_flags;
	__u8 to_dns; /* its destination, as it was asked, is a DNS port */
};

/* Offset of the transport header, or 0: a later fragment has no ports. */
static __always_inline __u32 discarded_ipv4(struct discarded *p)
{
	struct ipv4_header ip = {};

	bpf_probe_read_kernel(&ip, sizeof(ip), p->head + p->network);
	if (ip.version_ihl >> 4 != 4 || (ip.version_ihl & 0x0f) < 5 ||
	    (ip.fragment & bpf_htons(0x1fff)))
		return 0;
	p->is_ipv4 = 1;
	p->protocol = ip.protocol;
	return p->network + (ip.version_ihl & 0x0f) * 4;
}

/* Nobody puts extension headers before DNS but who tests for them. */
static __always_inline __u32 discarded_ipv6(struct discarded *p)
{
	bpf_probe_read_kernel(&p->protocol, 1, p->head + p->network + 6);
	return p->network + sizeof(struct ipv6_header);
}

/* A pure acknowledgement, FIN or RST is no loss to anybody. */
static __always_inline int is_worth_telling(struct discarded *p)
{
	__u32 message = p->transport + UDP_HEADER_LEN + DNS_HEADER_LEN;
	__u8 header[2] = {}; /* data offset and flags */

	if (p->protocol == IPPROTO_UDP) {
		if (p->tail >= message)
			return 1;
		/* A driver may leave the message in page fragments, where nobody on its
		 * way had to look.
		 */
		if (p->end >= message)
			count(DNS_COUNT_NOTICE_LOST, 1);
		return 0;
	}
	bpf_probe_read_kernel(header, sizeof(header), p->head + p->transport + 12);
	p->tcp_flags = header[1];
	return (header[1] & TCP_SYN) || p->transport + (header[0] >> 4) * 4 < p->end;
}

/* Whether an end is a server that translated queries go to. Conntrack has let go of a
 * packet that is for no socket: then nothing else tells.
 */
static __noinline int is_learned_end(struct discarded *p, int is_destination)
{
	struct dns_endpoint server = {.transport = p->protocol};
	unsigned char *ip = p->head + p->network;
	__be32 v4 = 0;

	server.port = bpf_ntohs(p->ports[!!is_destination]);
	if (!has_bit(server.port))
		return 0;
	if (p->is_ipv4) {
		bpf_probe_read_kernel(&v4, 4, ip + (is_destination ? 16 : 12));
		map_ipv4(server.ip, v4);
	} else {
		bpf_probe_read_kernel(server.ip, 16, ip + (is_destination ? 24 : 8));
	}
	return bpf_map_lookup_elem(&dns_translated, &server) != NULL;
}

/* 1 if it is UDP or TCP with a DNS port at either end, and its loss matters. */
static __always_inline int read_discarded(struct discarded *p, struct sk_buff *skb)
{
	__be16 protocol = skb->protocol;

	p->head = skb->head;
	p->network = skb->network_header;
	p->tail = skb->tail;
	if (protocol == bpf_htons(ETH_P_IP))
		p->transport = discarded_ipv4(p);
	else if (protocol == bpf_htons(ETH_P_IPV6))
		p->transport = discarded_ipv6(p);
	if (!p->transport || (p->protocol != IPPROTO_UDP && p->protocol != IPPROTO_TCP))
		return 0;
	bpf_probe_read_kernel(p->ports, sizeof(p->ports), p->head + p->transport);
	p->to_dns = is_dns_port(bpf_ntohs(p->ports[1]));
	if (!p->to_dns && !is_dns_port(bpf_ntohs(p->ports[0]))) {
		p->to_dns = bpf_core_field_exists(skb->_nfct) &&
			    is_dns_port(redirected_port(skb->_nfct));
		p->to_dns = p->to_dns || is_learned_end(p, 1);
		if (!p->to_dns && !is_learned_end(p, 0))
			return 0;
	}
	p->end = skb->data - p->head + skb->len;
	return is_worth_telling(p);
}

static __always_inline void fill_discarded_addresses(struct dns_drop *d, struct discarded *p)
{
	unsigned char *ip = p->head + p->network;
	__be32 v4[2] = {};

	d->source_port = bpf_ntohs(p->ports[0]);
	d->destination_port = bpf_ntohs(p->ports[1]);
	if (p->is_ipv4) {
		bpf_probe_read_kernel(v4, sizeof(v4), ip + 12);
		map_ipv4(d->source_ip, v4[0]);
		map_ipv4(d->destination_ip, v4[1]);
	} else {
		bpf_probe_read_kernel(d->source_ip, 16, ip + 8);
		bpf_probe_read_kernel(d->destination_ip, 16, ip + 24);
	}
}

/* The message of a UDP packet; 0 if it is none. */
static __always_inline int fill_discarded_message(struct dns_drop *d, struct discarded *p)
{
	unsigned char *udp = p->head + p->transport;
	__u32 question = p->transport + UDP_HEADER_LEN + DNS_HEADER_LEN;
	struct dns_header h = {};
	__be16 length = 0;
	__u64 len = p->tail - question;

	bpf_probe_read_kernel(&length, sizeof(length), udp + 4);
	bpf_probe_read_kernel(&h, sizeof(h), udp + UDP_HEADER_LEN);
	length = bpf_ntohs(length);
	d->id = bpf_ntohs(h.id);
	d->flags = bpf_ntohs(h.flags);
	d->answers = bpf_ntohs(h.answers);
	if (length < UDP_HEADER_LEN + DNS_HEADER_LEN ||
	    ((d->flags >> 11) & 0xf) > DNS_OPCODE_MAX || bpf_ntohs(h.questions) > 1)
		return 0;
	d->message_bytes = length - UDP_HEADER_LEN;
	if (len > (__u64)d->message_bytes - DNS_HEADER_LEN)
		len = d->message_bytes - DNS_HEADER_LEN;
	if (len > DNS_QUESTION_SHORT)
		len = DNS_QUESTION_SHORT;
	d->question_len = len;
	barrier_var(len); /* the bound is to be checked on what is passed on */
	if (len <= DNS_QUESTION_SHORT)
		bpf_probe_read_kernel(d->question, len, p->head + question);
	return 1;
}

static __always_inline void fill_tuple(__u8 *ip, union nf_inet_addr *addr, struct discarded *p)
{
	if (p->is_ipv4)
		map_ipv4(ip, addr->all[0]);
	else
		__builtin_memcpy(ip, addr->all, 16);
}

/* What NAT makes of the packet, and the exchange as its client began it. */
static __always_inline void fill_conntrack(struct dns_drop *d, struct discarded *p,
					   struct sk_buff *skb)
{
	struct nf_conntrack_tuple first = {};
	union nf_inet_addr reply = {};
	unsigned long nfct, status;
	struct nf_conn *ct;

	if (!bpf_core_field_exists(skb->_nfct))
		return;
	nfct = skb->_nfct;
	ct = conntrack_of(nfct);
	if (!ct) {
		d->conntrack = DNS_CONNTRACK_ABSENT;
		return;
	}
	if (!bpf_core_type_exists(struct nf_conn))
		return;
	status = BPF_CORE_READ(ct, status);
	d->conntrack = status & IPS_CONFIRMED ? DNS_CONNTRACK_CONFIRMED :
						DNS_CONNTRACK_UNCONFIRMED;
	if (is_reply(nfct))
		d->drop_flags |= DNS_DROP_REPLY;
	first.src.u3 = BPF_CORE_READ(ct, tuplehash[0].tuple.src.u3);
	first.dst.u3 = BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u3);
	reply = BPF_CORE_READ(ct, tuplehash[1].tuple.src.u3);
	fill_tuple(d->asking_ip, &first.src.u3, p);
	fill_tuple(d->asked_ip, &first.dst.u3, p);
	fill_tuple(d->reply_ip, &reply, p);
	d->asking_port = bpf_ntohs(BPF_CORE_READ(ct, tuplehash[0].tuple.src.u.all));
	d->asked_port = bpf_ntohs(BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u.all));
}

/* Where a connected socket's packets go, before any translation. */
static __always_inline void fill_socket_peer(struct dns_drop *d, struct sock *sk)
{
	d->socket_peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr) &&
	    BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6)
		bpf_core_read(d->socket_peer_ip, 16, &sk->__sk_common.skc_v6_daddr);
	else
		map_ipv4(d->socket_peer_ip, BPF_CORE_READ(sk, __sk_common.skc_daddr));
}

/* The socket is the sender's until the packet leaves its network stack, and has
 * come in through no interface till then. Routing may give an arriving packet the
 * socket that it is for (early demux). It may be no whole socket (a SYN's or one in
 * TIME_WAIT); what is read here they all have.
 */
static __always_inline void fill_socket(struct dns_drop *d, struct discarded *p,
					struct sk_buff *skb)
{
	struct sock *sk = BPF_CORE_READ(skb, sk);

	if (!sk) {
		d->owner.netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
		return;
	}
	d->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	d->socket_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	d->owner.netns = netns_of(sk);
	if (skb->skb_iif) {
		d->drop_flags |= DNS_DROP_RECEIVED;
		return;
	}
	d->drop_flags |= DNS_DROP_SENT;
	fill_socket_peer(d, sk);
	if (p->protocol == IPPROTO_TCP && (p->tcp_flags & TCP_ACK))
		return; /* perhaps in softirq, when an acknowledgement came */
	if (p->protocol == IPPROTO_TCP && is_sent_again(sk)) {
		d->drop_flags |= DNS_DROP_AGAIN;
		return;
	}
	/* The egress hook may never see it, and its program waits all the same. */
	if (p->to_dns && d->cookie)
		begins_to_wait(d->cookie);
	take_process(&d->owner);
	d->tid = current_thread();
	/* Before 5.15 it was one of several things under one name. */
	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		d->owner.cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	else
		d->owner.cgroup_id = bpf_get_current_cgroup_id();
}

static __always_inline void report_drop(struct sk_buff *skb, __u64 location, __u32 reason)
{
	struct discarded p = {};
	struct dns_drop *d;

	if (!read_discarded(&p, skb))
		return;
	d = bpf_ringbuf_reserve(&dns_events, sizeof(*d), 0);
	if (!d) {
		count(DNS_COUNT_NOTICE_LOST, 1);
		return;
	}
	__builtin_memset(d, 0, sizeof(*d));
	d->at_ns = bpf_ktime_get_ns();
	d->location = location;
	d->reason = reason;
	d->transport = p.protocol;
	d->tcp_flags = p.tcp_flags;
	if (armed)
		d->drop_flags |= DNS_DROP_ARMED;
	if (p.to_dns)
		d->drop_flags |= DNS_DROP_TO_DNS;
	if (skb->data - p.head == p.network)
		d->drop_flags |= DNS_DROP_NO_L2_HEADER;
	if (p.protocol == IPPROTO_UDP && !fill_discarded_message(d, &p)) {
		bpf_ringbuf_discard(d, BPF_RB_NO_WAKEUP);
		return;
	}
	fill_discarded_addresses(d, &p);
	fill_conntrack(d, &p, skb);
	fill_socket(d, &p, skb);
	bpf_ringbuf_submit(d, wake_flags());
}

#endif
