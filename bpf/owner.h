/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whose a packet is. Only egress runs in the sender's context; ingress runs in
 * softirq, where "current" is whoever was interrupted.
 */
#ifndef KERNO_OWNER_H
#define KERNO_OWNER_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "packet.h"

/* The kernel's own view of a socket. The verifier forbids arithmetic on what a
 * context gives; a copy that went through bpf_probe_read_kernel is an ordinary
 * kernel address.
 */
static __always_inline struct sock *kernel_socket(struct bpf_sock *held)
{
	struct sock *sk = NULL;

	bpf_probe_read_kernel(&sk, sizeof(sk), &held);
	return sk;
}

/* Since 6.2: the kernel's own packet, whose fields are read as they are. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

static __always_inline struct sk_buff *typed_packet(struct __sk_buff *skb)
{
	return bpf_cast_to_kern_ctx(skb);
}

/* The kernel's own view of the packet: the context is its address. */
static __always_inline struct sk_buff *kernel_packet(struct __sk_buff *held)
{
	return (struct sk_buff *)(void *)held;
}

#define SOCK_RAW 3

static __always_inline int is_raw(struct __sk_buff *skb)
{
	struct bpf_sock *sk;
	struct sock *typed;

	if (config.types) {
		typed = typed_packet(skb)->sk;
		return typed && typed->sk_type == SOCK_RAW;
	}
	sk = skb->sk;
	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	return sk && sk->type == SOCK_RAW;
}

static __always_inline __u32 netns_of(struct sock *sk)
{
	return sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) : 0;
}

/* What lies in the socket's receive queue, in bytes of kernel memory: the
 * sk_rmem_alloc of the kernel's sources. A function of its own because of the
 * stack, of which all callers together have 512 bytes.
 */
static __noinline __u32 queued_bytes_probed(struct __sk_buff *skb)
{
	struct sock *sk = kernel_socket(skb->sk);

	return sk ? BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter) : 0;
}

static __always_inline __u32 queued_bytes(struct __sk_buff *skb)
{
	struct sock *sk;
	int bytes = 0;

	if (config.types) {
		sk = typed_packet(skb)->sk;
		if (sk)
			bytes = sk->sk_backlog.rmem_alloc.counter;
	} else {
		bytes = queued_bytes_probed(skb);
	}
	return bytes < 0 ? 0 : bytes;
}

static __noinline __u32 receive_buffer_probed(struct __sk_buff *skb)
{
	struct sock *sk = kernel_socket(skb->sk);

	return sk ? BPF_CORE_READ(sk, sk_rcvbuf) : 0;
}

/* What lies there if it takes half of the receive buffer or more, else 0: a packet for
 * which there is no room is discarded behind this hook. Newer kernels count the packet
 * itself as well, unless nothing lies there (__udp_enqueue_schedule_skb in net/ipv4/udp.c).
 */
static __always_inline __u32 short_of_room(struct __sk_buff *skb, __u32 queued)
{
	struct sk_buff *packet;
	struct sock *sk;
	__u32 taken = queued;
	__u32 room = 0;

	if (!queued)
		return 0;
	if (config.types) {
		packet = typed_packet(skb);
		sk = packet->sk;
		if (sk)
			room = sk->sk_rcvbuf;
		taken += packet->truesize;
	} else {
		room = receive_buffer_probed(skb);
	}
	return taken < room / 2 ? 0 : queued;
}

static __always_inline __u64 cookie_of(struct __sk_buff *skb)
{
	struct sock *sk;

	if (config.types) {
		sk = typed_packet(skb)->sk;
		/* 0 until somebody asks for it. */
		if (sk && sk->__sk_common.skc_cookie.counter)
			return sk->__sk_common.skc_cookie.counter;
	}
	return bpf_get_socket_cookie(skb);
}

static __always_inline __u64 cgroup_of(struct __sk_buff *skb)
{
	struct sock *sk;

	if (!config.types)
		return bpf_skb_cgroup_id(skb);
	sk = typed_packet(skb)->sk;
	return sk ? sk->sk_cgrp_data.cgroup->kn->id : 0;
}

/* Reading a namespace by helper takes three calls, and a socket never leaves its own: so
 * it is noted, with all of the socket's cookie that its place does not say.
 */
#define NOTE_BITS 12
__u64 known_netns[1 << NOTE_BITS] = {};

static __always_inline __u32 netns_probed(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u64 *note = &known_netns[cookie & ((1 << NOTE_BITS) - 1)], known = *note;
	__u64 rest = cookie >> NOTE_BITS;
	__u32 netns;

	if (known && known >> 32 == rest)
		return known;
	netns = netns_of(kernel_socket(skb->sk));
	if (cookie && !(rest >> 32))
		*note = rest << 32 | netns;
	return netns;
}

static __always_inline __u32 netns_at(struct __sk_buff *skb)
{
	struct sock *sk;

	if (!config.types)
		return netns_probed(skb);
	sk = typed_packet(skb)->sk;
	return sk ? sk->__sk_common.skc_net.net->ns.inum : 0;
}

/* With whom nobody shares: a control group in a network namespace. Either alone may be
 * one for all.
 */
static __always_inline __u64 tenant(__u64 cgroup_id, __u32 netns)
{
	return cgroup_id ^ (__u64)netns << 32;
}

static __always_inline __u32 netns_of_tenant(__u64 tenant, __u64 cgroup_id)
{
	return (tenant ^ cgroup_id) >> 32;
}

static __noinline __u64 tenant_of(struct __sk_buff *skb)
{
	return tenant(cgroup_of(skb), netns_at(skb));
}

static __always_inline void take_process(struct dns_owner *owner)
{
	struct task_struct *task, *leader;

	if (config.types) {
		leader = bpf_get_current_task_btf()->group_leader;
		owner->tgid = leader->tgid;
		((__u64 *)owner->comm)[0] = *(__u64 *)leader->comm;
		((__u64 *)owner->comm)[1] = *(__u64 *)(leader->comm + 8);
		return;
	}
	task = (struct task_struct *)bpf_get_current_task();
	leader = BPF_CORE_READ(task, group_leader);
	owner->tgid = BPF_CORE_READ(leader, tgid);
	bpf_core_read(owner->comm, sizeof(owner->comm), &leader->comm);
}

/* The number of the thread that is running. */
static __always_inline __u32 current_thread(void)
{
	struct task_struct *task;

	if (config.types)
		return bpf_get_current_task_btf()->pid;
	task = (struct task_struct *)bpf_get_current_task();
	return BPF_CORE_READ(task, pid);
}

static __always_inline void take_socket(struct dns_owner *owner, struct __sk_buff *skb)
{
	owner->cgroup_id = cgroup_of(skb);
	owner->netns = netns_at(skb);
}

#define TCP_SYN_SENT 2 /* include/net/tcp_states.h */

/* A SYN that the kernel sends once more, in the context of anybody. */
static __always_inline int is_sent_again(struct sock *sk)
{
	struct inet_connection_sock *connecting = (struct inet_connection_sock *)sk;

	return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_SYN_SENT &&
	       BPF_CORE_READ(connecting, icsk_retransmits);
}

/* Whoever makes the system call that is just running. */
static __always_inline void take_caller(struct dns_owner *owner, struct sock *sk)
{
	owner->cgroup_id = bpf_get_current_cgroup_id();
	owner->netns = netns_of(sk);
	take_process(owner);
}

#endif
