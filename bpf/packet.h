/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a packet to the bytes of its transport payload.
 *
 * Runs for every packet of every socket on the host, so a packet that is not
 * DNS leaves at the port check, after two short loads.
 */
#ifndef KERNO_PACKET_H
#define KERNO_PACKET_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define AF_INET 2
#define AF_INET6 10
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58

/* IPv6 extension headers, RFC 8200 section 4 and RFC 4302. */
#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_AUTH 51
#define NEXTHDR_DEST 60
/* RFC 8200 section 4.1 recommends an order in which there are at most six; the kernel
 * takes more.
 */
#define EXTENSIONS_MAX 16

#define UDP_HEADER_LEN 8
#define TCP_HEADER_LEN 20

#define DNS_HEADER_LEN 12
#define DNS_FLAG_QR 0x8000
#define DNS_OPCODE_MAX 6 /* DSO, RFC 8490: the highest that IANA lists */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

extern const volatile struct dns_config config;

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_len;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__sum16 checksum;
	__be32 source;
	__be32 destination;
};

struct ipv6_header {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

struct tcp_header {
	__be16 source;
	__be16 destination;
	__be32 seq;
	__be32 ack;
	__u8 data_offset;
	__u8 flags;
	__be16 window;
	__be32 checksum_urgent;
};

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* What a DNS header says; 0 if it is none. */
static __always_inline int take_header(struct dns_packet *p, struct dns_header *h)
{
	__u16 flags = bpf_ntohs(h->flags);

	/* One question at most: RFC 9619. None: RFC 7873 section 5.4, RFC 8490. */
	if (((flags >> 11) & 0xf) > DNS_OPCODE_MAX || bpf_ntohs(h->questions) > 1)
		return 0;
	p->id = bpf_ntohs(h->id);
	p->flags = flags;
	p->answers = bpf_ntohs(h->answers);
	p->questions = !!h->questions;
	p->only_additional = h->questions && !h->answers && !h->authorities && h->additionals;
	return 1;
}

static __always_inline int is_dns_port(__u16 port)
{
	for (int i = 0; i < DNS_PORTS_MAX; i++) {
		if ((__u32)i < config.nports && config.ports[i] == port)
			return 1;
	}
	return 0;
}

/* RFC 4291 section 2.5.5.2. Not constants to the verifier, to which an IPv4 address
 * would be something else than an IPv6 one.
 */
__u32 mapped_prefix[3] = {0, 0, bpf_htonl(0xffff)};

static __always_inline void map_ipv4(__u8 *ip, __be32 addr)
{
	__u32 *words = (__u32 *)ip;

	words[0] = mapped_prefix[0];
	words[1] = mapped_prefix[1];
	words[2] = mapped_prefix[2];
	words[3] = addr;
}

/* 1 or 0, without a branch that the verifier would follow. */
static __always_inline __u64 equal(__u64 a, __u64 b)
{
	__u64 x = a ^ b;

	barrier_var(x); /* else it becomes a branch */
	x |= -x;
	barrier_var(x);
	return (x >> 63) ^ 1;
}

/* As is_dns_port(), for what is remembered. */
static __always_inline __u8 dns_port_bit(__u16 port)
{
	__u64 bit = 0;

	for (int i = 0; i < DNS_PORTS_MAX; i++) {
		if ((__u32)i < config.nports)
			bit |= equal(config.ports[i], port);
	}
	return bit;
}

/* Offset of the transport header, or 0: a later fragment has no ports. */
static __always_inline __u32 transport_of_ipv4(struct __sk_buff *skb, struct dns_packet *p)
{
	struct ipv4_header ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return 0;
	if (ip.fragment & bpf_htons(0x1fff))
		return 0;
	p->is_ipv4 = 1;
	p->transport = ip.protocol;
	map_ipv4(p->egress ? p->local_ip : p->peer_ip, ip.source);
	map_ipv4(p->egress ? p->peer_ip : p->local_ip, ip.destination);
	return (ip.version_ihl & 0x0f) < 5 ? 0 : (ip.version_ihl & 0x0f) * 4;
}

/* Walks the extension headers behind an IPv6 header whose first one is `next`. Returns
 * the offset of the transport header and, in the lower eight bits, what it is; 0 for a
 * later fragment, for something else, or for a chain without an end. A global function:
 * the verifier walks through it once.
 */
__noinline __u32 dns_skip_extensions(struct __sk_buff *skb, __u32 next)
{
	__u32 offset = sizeof(struct ipv6_header);

	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		__u8 header[4];

		if (next == IPPROTO_UDP || next == IPPROTO_TCP)
			return offset << 8 | next;
		if (next != NEXTHDR_HOP && next != NEXTHDR_ROUTING && next != NEXTHDR_FRAGMENT &&
		    next != NEXTHDR_AUTH && next != NEXTHDR_DEST)
			return 0;
		if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
			return 0;
		if (next == NEXTHDR_FRAGMENT) {
			/* Offset in the upper 13 bits, RFC 8200 section 4.5. */
			if (header[2] || (header[3] & 0xf8))
				return 0;
			offset += 8;
		} else if (next == NEXTHDR_AUTH) {
			offset += (header[1] + 2) * 4; /* RFC 4302 section 2.2 */
		} else {
			offset += (header[1] + 1) * 8;
		}
		next = header[0];
	}
	count(DNS_COUNT_CHAINED, 1);
	return 0;
}

static __always_inline __u32 transport_of_ipv6(struct __sk_buff *skb, struct dns_packet *p)
{
	struct ipv6_header ip;
	__u32 transport;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return 0;
	__builtin_memcpy(p->egress ? p->local_ip : p->peer_ip, ip.source, 16);
	__builtin_memcpy(p->egress ? p->peer_ip : p->local_ip, ip.destination, 16);
	transport = dns_skip_extensions(skb, ip.next_header);
	p->transport = transport;
	return transport >> 8;
}

static __always_inline int parse_udp(struct __sk_buff *skb, struct dns_packet *p, __u32 offset)
{
	__be16 length;

	if (bpf_skb_load_bytes(skb, offset + 4, &length, sizeof(length)))
		return 0;
	p->payload = offset + UDP_HEADER_LEN;
	if (skb->len < p->payload)
		return 0;
	p->payload_len = skb->len - p->payload;
	/* RFC 768: the length counts the header; what follows it is padding. */
	length = bpf_ntohs(length);
	if (length >= UDP_HEADER_LEN && (__u32)length - UDP_HEADER_LEN < p->payload_len)
		p->payload_len = (__u32)length - UDP_HEADER_LEN;
	return 1;
}

static __always_inline int parse_tcp(struct __sk_buff *skb, struct dns_packet *p, __u32 offset)
{
	struct tcp_header tcp;
	__u32 header_len;

	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return 0;
	header_len = (tcp.data_offset >> 4) * 4;
	if (header_len < TCP_HEADER_LEN)
		return 0;
	p->payload = offset + header_len;
	if (skb->len < p->payload)
		return 0;
	p->payload_len = skb->len - p->payload;
	p->seq = bpf_ntohl(tcp.seq);
	p->ack = bpf_ntohl(tcp.ack);
	p->tcp_flags = tcp.flags;
	return 1;
}

/* What the verifier knows of a packet depends on its headers, and it would walk
 * through all that follows once for each kind of them. A copy that went through a
 * helper is the same to it, whatever came before.
 */
static __always_inline void forget_bounds(struct dns_packet *p)
{
	bpf_probe_read_kernel(p, sizeof(*p), p);
}

/* Addresses and ports; 1 if it is UDP or TCP. A function of its own, so that its
 * headers leave the stack, of which all callers together have 512 bytes.
 */
static __noinline int parse_ports(struct __sk_buff *skb, struct dns_packet *p)
{
	__be16 ports[2];

	if (skb->protocol == bpf_htons(ETH_P_IP))
		p->payload = transport_of_ipv4(skb, p);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		p->payload = transport_of_ipv6(skb, p);
	if (!p->payload || (p->transport != IPPROTO_UDP && p->transport != IPPROTO_TCP) ||
	    bpf_skb_load_bytes(skb, p->payload, ports, sizeof(ports)))
		return 0;
	p->local_port = bpf_ntohs(p->egress ? ports[0] : ports[1]);
	p->peer_port = bpf_ntohs(p->egress ? ports[1] : ports[0]);
	return 1;
}

/* From the transport header, where `payload` stands, to what it carries. */
static __noinline int parse_transport(struct __sk_buff *skb, struct dns_packet *p)
{
	if (p->transport == IPPROTO_UDP)
		return parse_udp(skb, p, p->payload);
	return parse_tcp(skb, p, p->payload);
}

/* What read_plain() says. */
enum plain {
	PLAIN_NOT,   /* to be parsed with all care */
	PLAIN_OTHER, /* neither UDP nor TCP */
	PLAIN_TCP,
	PLAIN_UDP,
};

/* An IP packet without options or extension headers, whole and in one piece, as
 * nearly all are: read in place. Fills all that the packet says but for addresses.
 */
static __always_inline enum plain read_plain(struct __sk_buff *skb, struct dns_packet *p)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4_header *ip4 = data;
	struct ipv6_header *ip6 = data;
	__be16 *ports;
	__u8 protocol;

	if (data + sizeof(*ip4) + UDP_HEADER_LEN > end)
		return PLAIN_NOT;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		/* Neither more fragments nor an offset. */
		if (ip4->version_ihl != 0x45 || (ip4->fragment & bpf_htons(0x3fff)))
			return PLAIN_NOT;
		protocol = ip4->protocol;
		p->payload = sizeof(*ip4);
		ports = data + sizeof(*ip4);
	} else {
		if (skb->protocol != bpf_htons(ETH_P_IPV6) ||
		    data + sizeof(*ip6) + UDP_HEADER_LEN > end)
			return PLAIN_NOT;
		protocol = ip6->next_header;
		p->payload = sizeof(*ip6);
		ports = data + sizeof(*ip6);
	}
	if (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP)
		/* An extension header may be followed by either. */
		return p->payload == sizeof(*ip4) || protocol == IPPROTO_ICMPV6 ? PLAIN_OTHER :
									  PLAIN_NOT;
	p->transport = protocol;
	p->local_port = bpf_ntohs(p->egress ? ports[0] : ports[1]);
	p->peer_port = bpf_ntohs(p->egress ? ports[1] : ports[0]);
	p->message_len = bpf_ntohs(ports[2]) - UDP_HEADER_LEN;
	return protocol == IPPROTO_UDP ? PLAIN_UDP : PLAIN_TCP;
}

/* Addresses and DNS header of a plain UDP packet; 0 if it is not that plain. */
static __always_inline int read_plain_message(struct __sk_buff *skb, struct dns_packet *p)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv4_header *ip4 = data;
	struct ipv6_header *ip6 = data;
	struct dns_header *h;

	p->is_ipv4 = equal(skb->protocol, bpf_htons(ETH_P_IP));
	if (p->payload == sizeof(*ip4)) {
		h = data + sizeof(*ip4) + UDP_HEADER_LEN;
		if ((void *)(h + 1) > end)
			return 0;
		map_ipv4(p->egress ? p->local_ip : p->peer_ip, ip4->source);
		map_ipv4(p->egress ? p->peer_ip : p->local_ip, ip4->destination);
	} else {
		h = data + sizeof(*ip6) + UDP_HEADER_LEN;
		if ((void *)(h + 1) > end)
			return 0;
		__builtin_memcpy(p->egress ? p->local_ip : p->peer_ip, ip6->source, 16);
		__builtin_memcpy(p->egress ? p->peer_ip : p->local_ip, ip6->destination, 16);
	}
	p->payload += UDP_HEADER_LEN;
	p->message = p->payload;
	p->available = p->message_len;
	return skb->len == p->payload + p->message_len && !skb->gso_size && take_header(p, h);
}

#endif
