/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * DNS over TCP (RFC 7766): finds the messages in each direction's byte stream.
 *
 * The length prefix may be a segment of its own, a segment may hold several
 * messages, and a retransmitted segment must not count as a resent query: so
 * each direction remembers the sequence number that it expects and how much of
 * the current message is still to come.
 */
#ifndef KERNO_STREAM_H
#define KERNO_STREAM_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "observe.h"

/* Messages that are read in one segment, which has up to 64 KB: who pipelines
 * more than these has the rest counted, not read.
 */
#define MESSAGES_MAX 256
#define MESSAGES_RUN 16

#define TCP_LISTEN 10 /* include/net/tcp_states.h */

#define ECONNREFUSED 111
#define ECONNRESET 104

/* What an entry starts as; the fields are filled in place. */
const struct dns_connection blank_connection = {};

/* A new entry, to be filled in place, if its tenant may have one more. */
static __always_inline struct dns_connection *insert_connection(struct __sk_buff *skb,
								__u64 *cookie)
{
	__u16 share = share_of(tenant_of(skb));
	struct dns_connection *c;

	if (!has_share(&dns_connection_shares, share, CONNECTIONS_MAX))
		return NULL;
	take_share(&dns_connection_shares, share, 1);
	if (bpf_map_update_elem(&dns_connections, cookie, &blank_connection, BPF_NOEXIST)) {
		take_share(&dns_connection_shares, share, -1);
		return bpf_map_lookup_elem(&dns_connections, cookie);
	}
	c = bpf_map_lookup_elem(&dns_connections, cookie);
	if (c)
		c->share = share;
	return c;
}

static __always_inline void delete_connection(struct dns_connection *c, __u64 *cookie)
{
	__u16 share = c->share;

	if (!bpf_map_delete_elem(&dns_connections, cookie))
		take_share(&dns_connection_shares, share, -1);
}

static __always_inline void fill_connection(struct dns_connection *c, struct dns_packet *p)
{
	__builtin_memcpy(c->local_ip, p->local_ip, 16);
	__builtin_memcpy(c->peer_ip, p->peer_ip, 16);
	c->local_port = p->local_port;
	c->peer_port = p->peer_port;
	c->last_ns = p->now;
}

/* The owner of a TCP connection is whoever sends its first segment: connect()
 * or the first write, both in process context. Later ones may leave in softirq,
 * when an acknowledgement opens the window (or Nagle's algorithm lets go).
 */
static __noinline struct dns_connection *connection_of(struct __sk_buff *skb,
							struct dns_packet *p, __u64 *cookie)
{
	struct dns_connection *c = bpf_map_lookup_elem(&dns_connections, cookie);

	if (!c) {
		c = insert_connection(skb, cookie);
		if (c)
			fill_connection(c, p);
	}
	if (!c) {
		count(DNS_COUNT_TCP_UNTRACKED, 1);
		return NULL;
	}
	if (p->egress && !c->owner.tgid) {
		take_socket(&c->owner, skb);
		take_process(&c->owner);
		c->tid = current_thread();
	}
	c->last_ns = p->now;
	return c;
}

/* A reset: the connection for a query was refused, or the queries on it died. */
static __noinline int report_reset(struct dns_connection *c, struct dns_packet *p, __u64 *cookie)
{
	__u8 refused = c->connect_ns != 0;
	struct dns_short_record *s;
	struct dns_record *r;

	if (refused && !armed)
		return 0;
	if (refused)
		count(DNS_COUNT_QUERIES, 1);
	s = new_record(refused ? DNS_CONNECT_REFUSED : DNS_SOCKET_ERROR, p->now,
		       refused ? DNS_COUNT_RING_FULL : DNS_COUNT_NOTICE_LOST);
	if (!s)
		return 0;
	r = &s->record;
	r->first_ns = c->connect_ns;
	r->cookie = *cookie;
	r->owner = c->owner;
	r->tid = c->tid;
	r->local_port = c->local_port;
	r->send.at_ns = c->connect_ns;
	__builtin_memcpy(r->send.local_ip, c->local_ip, 16);
	__builtin_memcpy(r->send.peer_ip, c->peer_ip, 16);
	r->send.peer_port = c->peer_port;
	r->send.attempt = 1;
	r->role = DNS_ROLE_CLIENT;
	r->transport = IPPROTO_TCP;
	r->error = refused ? ECONNREFUSED : ECONNRESET;
	bpf_ringbuf_submit(s, wake_flags());
	return 0;
}

/* Passes over what was seen before, and finds the place again after a gap. */
static __always_inline void synchronise(struct dns_stream *s, struct dns_packet *p)
{
	__s32 ahead = (__s32)(p->seq - s->next_seq);

	s->at = 0;
	if (!s->synced) {
		s->synced = 1;
	} else if (ahead < 0) {
		s->at = -ahead; /* a retransmission, perhaps with new bytes behind */
		if (s->at >= p->payload_len)
			return;
	} else if (ahead > 0) {
		if ((__u32)ahead <= s->skip) {
			s->skip -= ahead; /* only the middle of a message is missing */
		} else {
			count(DNS_COUNT_TCP_GAP, 1);
			s->skip = 0;
			s->have = 0;
		}
	}
	s->next_seq = p->seq + p->payload_len;
}

/* Passes over what this segment has of the current message. */
static __always_inline void pass_over(struct dns_packet *p, struct dns_stream *s)
{
	__u32 rest = p->payload_len - s->at;

	if (s->skip < rest)
		rest = s->skip;
	s->skip -= rest;
	s->at += rest;
}

/* The prefix, or as much of it as there is. */
static __always_inline void read_prefix(struct __sk_buff *skb, struct dns_packet *p,
					struct dns_stream *s)
{
	__u8 octet = 0;

	if (s->at >= p->payload_len || s->have == 2)
		return;
	bpf_skb_load_bytes(skb, p->payload + s->at, &octet, 1);
	s->prefix = s->have ? (s->prefix << 8) | octet : octet;
	s->have++;
	s->at++;
}

/* The message behind a complete prefix; its bytes are passed over next. 0 if there is
 * none that can be read.
 */
static __always_inline __u64 read_body(struct dns_packet *p, struct dns_stream *s)
{
	__u32 rest = p->payload_len - s->at;

	if (!rest || s->have != 2)
		return 0;
	s->have = 0;
	s->skip = s->prefix;
	if (s->prefix < DNS_HEADER_LEN) {
		s->junk = 1;
		count(DNS_COUNT_UNPARSED, 1);
		return 0;
	}
	if (rest < DNS_HEADER_LEN) {
		count(DNS_COUNT_TCP_SPLIT, 1);
		return 0;
	}
	return message_at(p->payload + s->at, s->prefix, rest < s->prefix ? rest : s->prefix);
}

/* Finds the next message of the segment; with MORE if there is more to read. A global
 * function: the verifier walks through it once, not once for each message. Its
 * arguments can only be the context and numbers (pointers to memory came after
 * 5.10), so the packet stands in the stream.
 */
__noinline __u64 dns_tcp_step(struct __sk_buff *skb, __u32 egress)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct dns_connection *c = bpf_map_lookup_elem(&dns_connections, &cookie);
	struct dns_stream *s;
	struct dns_packet *p;
	__u64 found;

	if (!c)
		return 0;
	s = &c->streams[egress ? 1 : 0];
	p = &s->packet;
	pass_over(p, s);
	read_prefix(skb, p, s);
	read_prefix(skb, p, s);
	found = read_body(p, s);
	return found | (s->at < p->payload_len && !s->junk ? MORE : 0);
}

/* Where the next message begins is not known any more. */
static __noinline int lose_place(struct __sk_buff *skb, __u32 egress)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct dns_connection *c = bpf_map_lookup_elem(&dns_connections, &cookie);
	struct dns_stream *s;

	count(DNS_COUNT_TCP_CROWDED, 1);
	if (!c)
		return 0;
	s = &c->streams[egress ? 1 : 0];
	s->synced = 0;
	s->skip = 0;
	s->have = 0;
	return 0;
}

/* Some of the messages; 1 if there are more. Two short loops are less for the verifier
 * than a long one.
 */
__noinline int dns_tcp_run(struct __sk_buff *skb, __u32 egress)
{
	for (int i = 0; i < MESSAGES_RUN; i++) {
		__u64 found = dns_tcp_step(skb, egress);

		if (found & MESSAGE)
			dns_message(skb, egress, found);
		if (!(found & MORE))
			return 0;
	}
	return 1;
}

static __always_inline void read_stream(struct __sk_buff *skb, __u32 egress)
{
	for (int i = 0; i < MESSAGES_MAX / MESSAGES_RUN; i++) {
		if (!dns_tcp_run(skb, egress))
			return;
	}
	lose_place(skb, egress);
}

static __noinline int on_handshake(struct __sk_buff *skb, struct dns_packet *p)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct dns_connection *c;

	if (p->egress && p->peer_is_dns && !(p->tcp_flags & TCP_ACK)) {
		/* Begun before kerno watched: nobody knows by whom. */
		if (!bpf_map_lookup_elem(&dns_connections, &cookie) &&
		    is_sent_again(kernel_socket(skb->sk)))
			return 0;
		take_asked(skb, p);
		c = connection_of(skb, p, &cookie);
		if (c && !c->connect_ns && !c->gave_up) {
			c->connect_ns = p->now;
			c->streams[1].next_seq = p->seq + 1;
			c->streams[1].synced = 1;
		}
	} else if (!p->egress && (p->tcp_flags & TCP_ACK)) {
		c = bpf_map_lookup_elem(&dns_connections, &cookie);
		if (c && p->ack == c->streams[1].next_seq) {
			c->connect_ns = 0; /* accepted */
			c->streams[0].next_seq = p->seq + 1;
			c->streams[0].synced = 1;
		}
	}
	return 0;
}

/* Data that comes with the end of the handshake is filtered at the listening
 * socket, which has another cookie than the connection.
 */
static __always_inline int is_listening(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	return sk && sk->state == TCP_LISTEN;
}

/* The connection as the kernel keeps it, once there is one. */
static __always_inline struct tcp_sock *kernel_tcp(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk || !bpf_tcp_sock(sk))
		return NULL;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->state == TCP_SYN_SENT || sk->state == TCP_LISTEN)
		return NULL;
	return (struct tcp_sock *)kernel_socket(sk);
}

/* It acknowledges nothing that was never sent, and nothing that is very old (RFC 5961
 * section 5.2, tcp_ack()). By what has been written: this runs beside the sender, which
 * says what it has sent when that may already be answered.
 */
static __always_inline int is_ack_accepted(struct tcp_sock *tcp, struct dns_packet *p)
{
	__u32 oldest = BPF_CORE_READ(tcp, snd_una) - BPF_CORE_READ(tcp, max_window);

	return (p->tcp_flags & TCP_ACK) && (__s32)(p->ack - BPF_CORE_READ(tcp, write_seq)) <= 0 &&
	       (__s32)(p->ack - oldest) >= 0;
}

/* The kernel's own check of an arriving segment (RFC 9293 section 3.10.7.4,
 * tcp_sequence()): what it does not accept moves nothing here either.
 */
static __noinline int is_in_window(struct __sk_buff *skb, struct dns_packet *p)
{
	struct tcp_sock *tcp = kernel_tcp(skb);
	__u32 checked;

	if (!tcp)
		return 1;
	checked = BPF_CORE_READ(tcp, rcv_wup);
	return is_ack_accepted(tcp, p) && (__s32)(p->seq + p->payload_len - checked) >= 0 &&
	       (__s32)(p->seq - checked - BPF_CORE_READ(tcp, rcv_wnd)) <= 0;
}

/* A reset counts at the next octet only (RFC 5961 section 3.2), and while a
 * connection is being made only if it acknowledges the SYN (RFC 9293 section
 * 3.10.7.3). What waits behind a reader that holds the socket was seen here already.
 */
static __always_inline int is_end_accepted(struct __sk_buff *skb, struct dns_packet *p,
					   struct dns_connection *c)
{
	struct tcp_sock *tcp = kernel_tcp(skb);

	if (!(p->tcp_flags & TCP_RST))
		return is_in_window(skb, p);
	if (c->connect_ns)
		return (p->tcp_flags & TCP_ACK) && p->ack == c->streams[1].next_seq;
	return (c->streams[0].synced && p->seq == c->streams[0].next_seq) ||
	       (tcp && p->seq == BPF_CORE_READ(tcp, rcv_nxt));
}

/* Returns MORE if there are octets to be read with dns_tcp_step(). */
static __noinline __u64 on_data(struct __sk_buff *skb, struct dns_packet *p)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct dns_connection *c;
	struct dns_stream *s;

	if (!p->egress && is_listening(skb)) {
		count(DNS_COUNT_TCP_UNTRACKED, 1);
		return 0;
	}
	if (!p->egress && !is_in_window(skb, p))
		return 0;
	c = connection_of(skb, p, &cookie);
	if (!c)
		return 0;
	c->connect_ns = 0;
	s = &c->streams[p->egress ? 1 : 0];
	synchronise(s, p);
	if (s->at >= p->payload_len || s->junk)
		return 0;
	s->packet = *p;
	return MORE;
}

static __noinline int on_close(struct __sk_buff *skb, struct dns_packet *p)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct dns_connection *c = bpf_map_lookup_elem(&dns_connections, &cookie);

	if (!c || (!p->egress && !is_end_accepted(skb, p, c)))
		return 0;
	if ((p->tcp_flags & TCP_RST) && !p->egress && p->peer_is_dns)
		report_reset(c, p, &cookie);
	c->fins |= p->egress ? 1 : 2;
	if ((p->tcp_flags & TCP_RST) || c->fins == 3)
		delete_connection(c, &cookie);
	return 0;
}

/* What a segment says but for its messages: see on_data(). */
static __always_inline __u64 on_segment(struct __sk_buff *skb, struct dns_packet *p)
{
	if (!(p->tcp_flags & TCP_SYN))
		return p->payload_len ? on_data(skb, p) : 0;
	if (p->payload_len)
		count(DNS_COUNT_TCP_UNTRACKED, 1); /* TCP Fast Open, RFC 7413 */
	on_handshake(skb, p);
	return 0;
}

#endif
