/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Address translation: packets are translated, sockets are not.
 *
 * The egress hook runs behind netfilter's OUTPUT and POSTROUTING, so a query may
 * leave it with another address and port than its socket asked: 127.0.0.11 of Docker,
 * the redirects of a service mesh, a service address of Kubernetes. The socket, if it
 * is connected, or the packet's conntrack entry tells what was asked. Its answer
 * arrives translated back.
 *
 * "Asked" is what the socket wanted, "redirected" a packet that conntrack sends
 * elsewhere, "learned" a server that such packets go to. What ends in _probed reads the
 * kernel's structs through a helper, for kernels where that is the only way (owner.h).
 */
#ifndef KERNO_TRANSLATE_H
#define KERNO_TRANSLATE_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "owner.h"
#include "packet.h"

/* include/uapi/linux/netfilter/nf_conntrack_common.h; the three lowest bits of
 * skb->_nfct are the packet's enum ip_conntrack_info.
 */
#define IPS_CONFIRMED (1 << 3)
#define IPS_DST_NAT (1 << 5)
#define NFCT_INFOMASK 7UL
#define IP_CT_IS_REPLY 3
#define IP_CT_RELATED_REPLY 4

/* What skb->_nfct says of the packet. */
static __always_inline int is_reply(unsigned long nfct)
{
	unsigned long info = nfct & NFCT_INFOMASK;

	return info == IP_CT_IS_REPLY || info == IP_CT_RELATED_REPLY;
}

static __always_inline struct nf_conn *conntrack_of(unsigned long nfct)
{
	return (struct nf_conn *)(nfct & ~NFCT_INFOMASK);
}

/* The entry of a packet that goes the way of its connection's first one and has
 * another destination than that one.
 */
static __always_inline struct nf_conn *redirected(unsigned long nfct)
{
	struct nf_conn *ct = conntrack_of(nfct);

	if (!ct || is_reply(nfct) || !bpf_core_type_exists(struct nf_conn) ||
	    !(BPF_CORE_READ(ct, status) & IPS_DST_NAT))
		return NULL;
	return ct;
}

static __always_inline unsigned long nfct_of(struct __sk_buff *held)
{
	struct sk_buff *skb = kernel_packet(held);

	return bpf_core_field_exists(skb->_nfct) ? BPF_CORE_READ(skb, _nfct) : 0;
}

static __always_inline __u16 redirected_port(unsigned long nfct)
{
	struct nf_conn *ct = redirected(nfct);

	return ct ? bpf_ntohs(BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u.all)) : 0;
}

/* A function of its own for the sake of the stack. */
static __noinline __u16 redirected_port_apart(struct __sk_buff *skb)
{
	return redirected_port(nfct_of(skb));
}

/* 0 if neither conntrack nor IPVS knows the packet: nobody else translates it here. */
static __always_inline int has_been_translated(struct sk_buff *packet)
{
	if (bpf_core_field_exists(packet->_nfct) && packet->_nfct)
		return 1;
	return bpf_core_field_exists(packet->ipvs_property) &&
	       BPF_CORE_READ_BITFIELD(packet, ipvs_property);
}

/* The port that was asked, if the packet's own says something else. The socket of a
 * TCP connection always knows it.
 */
static __always_inline __u16 asked_port(struct __sk_buff *skb, struct dns_packet *p, int apart)
{
	struct bpf_sock *sk;

	if (config.types && !has_been_translated(typed_packet(skb)))
		return 0;
	sk = skb->sk;
	if (!sk)
		return 0;
	if (sk->dst_port)
		return bpf_ntohs(sk->dst_port);
	if (p->transport != IPPROTO_UDP)
		return 0;
	return apart ? redirected_port_apart(skb) : redirected_port(nfct_of(skb));
}

static __always_inline void take_socket_peer(struct dns_packet *p, struct bpf_sock *sk)
{
	__u32 *words = (__u32 *)p->peer_ip;

	p->peer_port = bpf_ntohs(sk->dst_port);
	if (p->is_ipv4) {
		map_ipv4(p->peer_ip, sk->dst_ip4);
		return;
	}
	words[0] = sk->dst_ip6[0];
	words[1] = sk->dst_ip6[1];
	words[2] = sk->dst_ip6[2];
	words[3] = sk->dst_ip6[3];
}

static __always_inline void take_first_destination(struct dns_packet *p, struct nf_conn *ct)
{
	union nf_inet_addr ip = BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u3);

	p->peer_port = bpf_ntohs(BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u.all));
	if (p->is_ipv4)
		map_ipv4(p->peer_ip, ip.all[0]);
	else
		__builtin_memcpy(p->peer_ip, ip.all, 16);
}

static __always_inline int has_bit(__u16 port)
{
	return translated_ports[port / 64] >> (port % 64) & 1;
}

/* Where the query goes is a server that is to be known by its own port. Two at the
 * same moment may lose a bit; the next query sets it.
 */
static __noinline void learn_server(struct dns_packet *p)
{
	struct dns_endpoint server = {.port = p->peer_port, .transport = p->transport};
	__u8 known = 1;

	__builtin_memcpy(server.ip, p->peer_ip, 16);
	if (!bpf_map_lookup_elem(&dns_translated, &server))
		bpf_map_update_elem(&dns_translated, &server, &known, BPF_ANY);
	translated_ports[server.port / 64] |= 1ULL << (server.port % 64);
}

/* The socket's own end is one that translated queries go to. */
static __noinline int is_learned(struct dns_packet *p)
{
	struct dns_endpoint server = {.port = p->local_port, .transport = p->transport};

	__builtin_memcpy(server.ip, p->local_ip, 16);
	return bpf_map_lookup_elem(&dns_translated, &server) != NULL;
}

/* Whether a DNS port is at either end, as the socket knows it. */
static __always_inline int is_dns_packet(struct __sk_buff *skb, struct dns_packet *p)
{
	p->peer_is_dns = dns_port_bit(p->peer_port);
	p->local_is_dns = dns_port_bit(p->local_port);
	if (has_bit(p->local_port))
		p->local_is_dns |= is_learned(p);
	if (p->egress && !p->peer_is_dns)
		p->peer_is_dns = is_dns_port(asked_port(skb, p, 1));
	return p->peer_is_dns || p->local_is_dns;
}

/* The same before the addresses are read: it may be wrong about a learned server. */
static __always_inline int may_be_dns(struct __sk_buff *skb, struct dns_packet *p)
{
	return is_dns_port(p->peer_port) || is_dns_port(p->local_port) || has_bit(p->local_port) ||
	       (p->egress && is_dns_port(asked_port(skb, p, 0)));
}

/* From what the packet says to what its socket does. A port of the socket never
 * changes, whatever is translated on the way.
 */
static __always_inline void take_socket_port(struct __sk_buff *skb, struct dns_packet *p)
{
	struct bpf_sock *sk = skb->sk;

	if (sk && sk->src_port)
		p->local_port = sk->src_port;
}

static __noinline int take_asked_probed(struct __sk_buff *skb, struct dns_packet *p)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 1;
	if (!sk->dst_port)
		return !redirected(nfct_of(skb));
	take_socket_peer(p, sk);
	return 1;
}

/* Takes what a connected socket says of the server. 0 if only take_asked() can tell:
 * the query goes to another port, or conntrack has redirected an unconnected one.
 */
static __always_inline int take_asked_quickly(struct __sk_buff *skb, struct dns_packet *p)
{
	struct sk_buff *packet;
	struct sock *sk;
	__u32 *words = (__u32 *)p->peer_ip;

	if (!is_dns_port(p->peer_port))
		return 0;
	if (!config.types)
		return take_asked_probed(skb, p);
	packet = typed_packet(skb);
	sk = packet->sk;
	if (!sk)
		return 1;
	if (!sk->__sk_common.skc_dport)
		return !bpf_core_field_exists(packet->_nfct) || !redirected(packet->_nfct);
	p->peer_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (p->is_ipv4) {
		words[3] = sk->__sk_common.skc_daddr;
		return 1;
	}
	for (int i = 0; i < 4; i++)
		words[i] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[i];
	return 1;
}

/* The server that a client's packet asks; where the packet really goes is learned. */
static __noinline int take_asked(struct __sk_buff *skb, struct dns_packet *p)
{
	struct bpf_sock *sk = skb->sk;
	struct nf_conn *ct;

	if (!sk)
		return 0;
	if (!is_dns_port(p->peer_port))
		learn_server(p);
	if (sk->dst_port) {
		take_socket_peer(p, sk);
		return 0;
	}
	ct = redirected(nfct_of(skb));
	if (ct)
		take_first_destination(p, ct);
	return 0;
}

#endif
