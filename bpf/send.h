/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * connect() and send() that fail, so that there is no packet to see.
 *
 * Three places tell of them. The cgroup hooks of connect() and sendmsg() see
 * that a program of a child cgroup has denied the call. When a socket is closed
 * it shows whether its last connect() came to anything: where there is no route
 * or no free port, glibc and Go go no further. And a send without a route shows
 * by what it returned (musl, whose sockets are not connected).
 *
 * And sockets that are closed while their queries wait: their programs gave up.
 */
#ifndef KERNO_SEND_H
#define KERNO_SEND_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "owner.h"
#include "packet.h"
#include "unread.h"
#include "waiting.h"

/* In dns_call.call: what was denied has been reported. */
#define CALL_DENIED 3

/* A send returns this long after its cgroup hook at the most; later it is
 * another one. Between the two lies the search for a route.
 */
#define CALL_NS 100000000ULL

/* include/uapi/asm-generic/errno-base.h and errno.h */
#define EACCES 13
#define EINVAL 22
#define EMSGSIZE 90
#define EADDRNOTAVAIL 99
#define ENETUNREACH 101
#define EHOSTUNREACH 113

static __always_inline struct dns_call *call_slot(__u64 cookie)
{
	__u32 slot = cookie % CALL_SLOTS;

	return bpf_map_lookup_elem(&dns_calls, &slot);
}

static __always_inline void note_call(struct dns_call *slot, struct dns_call *call)
{
	slot->cookie = 0;
	barrier();
	slot->at_ns = call->at_ns;
	slot->owner = call->owner;
	__builtin_memcpy(slot->peer_ip, call->peer_ip, 16);
	slot->peer_port = call->peer_port;
	slot->transport = call->transport;
	slot->call = call->call;
	slot->txhash = call->txhash;
	slot->tid = call->tid;
	barrier();
	slot->cookie = call->cookie;
}

static __always_inline int is_ipv4_mapped(__u8 *ip)
{
	__u32 *words = (__u32 *)ip;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/* The address that the socket is bound to; any (0.0.0.0 or ::) if it is not. */
static __always_inline void take_local(struct dns_record *r, struct sock *sk)
{
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (is_ipv4_mapped(r->send.peer_ip))
		map_ipv4(r->send.local_ip, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	else
		BPF_CORE_READ_INTO(&r->send.local_ip, sk,
				   __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
}

/* An attempt that ended before there was a packet. */
static __noinline int report_call(struct dns_call *call, struct sock *sk, __u8 which, int error)
{
	struct dns_short_record *s;
	struct dns_record *r;

	if (!armed)
		return 0;
	count(DNS_COUNT_QUERIES, 1);
	s = new_record(DNS_CALL_FAILED, call->at_ns, DNS_COUNT_RING_FULL);
	if (!s)
		return 0;
	r = &s->record;
	r->call = which;
	r->error = error;
	r->role = DNS_ROLE_CLIENT;
	r->transport = call->transport;
	r->first_ns = call->at_ns;
	r->cookie = call->cookie;
	r->owner = call->owner;
	r->tid = call->tid;
	r->send.at_ns = call->at_ns;
	__builtin_memcpy(r->send.peer_ip, call->peer_ip, 16);
	r->send.peer_port = call->peer_port;
	r->send.attempt = 1;
	take_local(r, sk);
	bpf_ringbuf_submit(s, wake_flags());
	return 0;
}

/* Whether the connect() that the slot tells of came to nothing: a successful one
 * gives the socket a new sk_txhash, whatever becomes of the socket later.
 */
static __always_inline int has_failed(struct dns_call *slot, __u64 cookie, struct sock *sk)
{
	return slot->cookie == cookie && slot->call == DNS_CALL_CONNECT &&
	       slot->txhash == BPF_CORE_READ(sk, sk_txhash);
}

static __always_inline int same_destination(struct dns_call *a, struct dns_call *b)
{
	__u64 *x = (__u64 *)a->peer_ip;
	__u64 *y = (__u64 *)b->peer_ip;

	return a->peer_port == b->peer_port && x[0] == y[0] && x[1] == y[1];
}

/* Runs for every connect() of the host, and while it is attached for every unconnected
 * UDP send.
 */
static __always_inline int is_dns_call(struct bpf_sock_addr *ctx)
{
	return is_dns_port(bpf_ntohs((__u16)ctx->user_port)) &&
	       (ctx->protocol == IPPROTO_UDP || ctx->protocol == IPPROTO_TCP);
}

static __always_inline void take_user_ip6(__u8 *ip, struct bpf_sock_addr *ctx)
{
	__u32 *words = (__u32 *)ip;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
}

/* The root's program runs after those of its children, and sees their verdict. */
static __always_inline int verdict(void)
{
	return config.denials ? bpf_get_retval() : 0;
}

static __always_inline void fill_call(struct dns_call *call, struct bpf_sock_addr *ctx, __u8 which)
{
	call->cookie = bpf_get_socket_cookie(ctx);
	call->at_ns = bpf_ktime_get_ns();
	call->peer_port = bpf_ntohs((__u16)ctx->user_port);
	call->transport = ctx->protocol;
	call->call = which;
}

/* `call` has the destination's address. */
static __noinline int on_connect(struct bpf_sock_addr *ctx, struct dns_call *call)
{
	struct sock *sk = kernel_socket(ctx->sk);
	int error = verdict();
	struct dns_call *slot;

	if (!sk)
		return 0;
	fill_call(call, ctx, DNS_CALL_CONNECT);
	take_caller(&call->owner, sk);
	call->tid = current_thread();
	if (error < 0)
		return report_call(call, sk, DNS_CALL_CONNECT, -error);
	slot = call_slot(call->cookie);
	if (!slot)
		return 0;
	/* Who tries the same again has failed before; who tries another address
	 * may be looking for one that can be reached (getaddrinfo() does).
	 */
	if (has_failed(slot, call->cookie, sk) && same_destination(slot, call))
		report_call(slot, sk, DNS_CALL_CONNECT, 0);
	call->txhash = BPF_CORE_READ(sk, sk_txhash);
	note_call(slot, call);
	return 0;
}

/* For a socket that is not connected this is the only place that knows where a
 * send goes, if it fails.
 */
static __noinline int on_sendmsg(struct bpf_sock_addr *ctx, struct dns_call *call)
{
	struct sock *sk = kernel_socket(ctx->sk);
	int error = verdict();
	struct dns_call *slot;

	if (!sk)
		return 0;
	fill_call(call, ctx, DNS_CALL_SEND);
	if (error < 0) {
		take_caller(&call->owner, sk);
		call->tid = current_thread();
		report_call(call, sk, DNS_CALL_SEND, -error);
		call->call = CALL_DENIED;
	}
	slot = call_slot(call->cookie);
	if (slot)
		note_call(slot, call);
	return 0;
}

/* Whether a connection is being made that a query waits for. */
static __always_inline int is_connecting(__u64 cookie)
{
	struct dns_connection *c = bpf_map_lookup_elem(&dns_connections, &cookie);

	return c && c->connect_ns;
}

/* Who closes his socket while he waits for an answer has given up on it. Those who were seen
 * to ask are told of, whether queries still count or not.
 */
static __always_inline void report_closed(__u64 cookie, __u8 transport)
{
	int waits = forget_waiting(cookie);
	struct dns_short_record *s;

	if (!waits && (transport != IPPROTO_TCP || !is_connecting(cookie)))
		return;
	s = new_record(DNS_CLOSED, bpf_ktime_get_ns(), DNS_COUNT_NOTICE_LOST);
	if (!s)
		return;
	s->record.role = DNS_ROLE_CLIENT;
	s->record.transport = transport;
	s->record.cookie = cookie;
	bpf_ringbuf_submit(s, wake_flags());
}

/* A socket is closed. Who is connected elsewhere has nothing to tell. */
static __always_inline void on_release(struct bpf_sock *ctx)
{
	__u16 port = bpf_ntohs(ctx->dst_port);
	struct sock *sk = kernel_socket(ctx);
	struct dns_call *slot;
	__u64 cookie;

	if ((ctx->protocol != IPPROTO_UDP && ctx->protocol != IPPROTO_TCP) ||
	    (port && !is_dns_port(port)))
		return;
	cookie = bpf_get_socket_cookie(ctx);
	if (config.reads)
		forget_note(cookie);
	report_closed(cookie, ctx->protocol);
	slot = call_slot(cookie);
	if (slot && sk && has_failed(slot, cookie, sk))
		report_call(slot, sk, DNS_CALL_CONNECT, 0);
}

/* Errors that come before there is a packet. EPERM, a full queue (ENOBUFS) and a
 * device that is down come behind it; ECONNREFUSED is a query's before.
 */
static __always_inline int is_without_packet(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL ||
	       error == EINVAL || error == EACCES || error == EMSGSIZE;
}

static __always_inline void take_peer(struct dns_call *call, struct sock *sk)
{
	call->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET)
		map_ipv4(call->peer_ip, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	else
		BPF_CORE_READ_INTO(&call->peer_ip, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
}

/* Runs for every send of every socket of the host, while it is attached. */
static __always_inline void on_send(struct sock *sk, int ret)
{
	struct dns_call call = {};
	struct dns_call *slot;

	if (ret >= 0 || !is_without_packet(-ret) || sk->sk_protocol != IPPROTO_UDP ||
	    !may_ask_dns(sk))
		return;
	call.cookie = bpf_get_socket_cookie(sk);
	call.at_ns = bpf_ktime_get_ns();
	call.transport = IPPROTO_UDP;
	slot = call_slot(call.cookie);
	if (slot && slot->cookie == call.cookie && slot->call != DNS_CALL_CONNECT &&
	    call.at_ns - slot->at_ns < CALL_NS) {
		if (slot->call == CALL_DENIED)
			return;
		__builtin_memcpy(call.peer_ip, slot->peer_ip, 16);
		call.peer_port = slot->peer_port;
	} else {
		take_peer(&call, sk);
	}
	if (!is_dns_port(call.peer_port))
		return;
	take_caller(&call.owner, sk);
	call.tid = current_thread();
	report_call(&call, sk, DNS_CALL_SEND, -ret);
}

#endif
