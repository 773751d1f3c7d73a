// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * kerno's view of DNS inside the kernel.
 *
 * cgroup_skb on the cgroup v2 root sees each packet once per socket, whatever
 * system call sent it, in every network namespace, over UDP and TCP; system
 * call hooks would miss nearly all resolvers and slow every other call on the
 * host. Two tracing programs add what no packet at a socket shows: the errors
 * that sockets are told of, and the packets that this kernel discards.
 *
 * Every program passes every packet; kerno never changes what it watches.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "dns_monitor.h"
#include "maps.h"
#include "packet.h"
#include "message.h"
#include "owner.h"
#include "translate.h"
#include "record.h"
#include "unread.h"
#include "match.h"
#include "stream.h"
#include "failure.h"
#include "send.h"
#include "drop.h"

#define PASS 1
/* UDP_MAX_SEGMENTS of include/linux/udp.h: 64, since 6.9 twice as many. */
#define DATAGRAMS_MAX 128
/* What a cgroup program returns that leaves the verdict as it was. */
#define AS_IT_WAS 1

/* They put these types into the BTF, and so into the skeleton. */
const struct dns_short_record *unused_short_record __attribute__((unused));
const struct dns_full_record *unused_full_record __attribute__((unused));
const struct dns_drop *unused_drop __attribute__((unused));
const enum dns_conntrack *unused_conntrack __attribute__((unused));
const enum dns_drop_flag *unused_drop_flag __attribute__((unused));
const enum dns_kind *unused_kind __attribute__((unused));
const enum dns_counter *unused_counter __attribute__((unused));
const enum dns_limit *unused_limit __attribute__((unused));
const enum dns_role *unused_role __attribute__((unused));
const enum dns_call_kind *unused_call_kind __attribute__((unused));

/* 1 if the packet is DNS's: all of it that stands before a message. */
static __always_inline int parse_packet(struct __sk_buff *skb, struct dns_packet *p)
{
	if (!parse_ports(skb, p) || !is_dns_packet(skb, p) || !parse_transport(skb, p))
		return 0;
	p->now = bpf_ktime_get_ns();
	p->is_raw = is_raw(skb);
	if (!p->is_raw)
		take_socket_port(skb, p);
	forget_bounds(p);
	return 1;
}

/* Datagrams of one size that were sent in one call (UDP_SEGMENT, udp(7)), or came
 * together (UDP_GRO), are one packet here. A global function: the verifier walks
 * through it once. Returns 0 behind the last one.
 */
__noinline int dns_udp_segment(struct __sk_buff *skb, __u32 egress, __u32 number)
{
	struct dns_packet p = {};
	__u32 at = number * skb->gso_size;

	p.egress = !!egress;
	if (!parse_packet(skb, &p) || at >= p.payload_len)
		return 0;
	p.message = p.payload + at;
	p.message_len = p.payload_len - at;
	if (p.message_len > skb->gso_size)
		p.message_len = skb->gso_size;
	p.available = p.message_len;
	on_message(skb, &p);
	return 1;
}

static __always_inline void read_datagrams(struct __sk_buff *skb, __u8 egress)
{
	for (__u32 i = 0; i < DATAGRAMS_MAX; i++) {
		if (!dns_udp_segment(skb, egress, i))
			return;
	}
}

static __always_inline int observe(struct __sk_buff *skb, __u8 egress)
{
	struct dns_packet p = {};

	p.egress = egress;
	if (!parse_packet(skb, &p))
		return PASS;
	if (p.transport == IPPROTO_TCP) {
		if (!p.is_raw)
			on_segment(skb, &p);
		return PASS;
	}
	if (skb->gso_size && skb->gso_size < p.payload_len) {
		read_datagrams(skb, egress);
		return PASS;
	}
	p.message = p.payload;
	p.message_len = p.payload_len;
	p.available = p.payload_len;
	on_message(skb, &p);
	return PASS;
}

SEC("cgroup_skb/egress")
int dns_egress(struct __sk_buff *skb)
{
	return observe(skb, 1);
}

SEC("cgroup_skb/ingress")
int dns_ingress(struct __sk_buff *skb)
{
	return observe(skb, 0);
}

/* Since 5.14. ctx: the socket. */
SEC("tp_btf/inet_sk_error_report")
int dns_socket_error(__u64 *ctx)
{
	report_socket_error((struct sock *)ctx[0]);
	return 0;
}

/* ctx: the packet, the place in the code, since 5.17 the reason. */
SEC("tp_btf/kfree_skb")
int dns_packet_drop(__u64 *ctx)
{
	report_drop((struct sk_buff *)ctx[0], ctx[1], config.reasons ? ctx[2] : 0);
	return 0;
}

/* Since 6.3. ctx: the socket, what the call returned, its flags. */
SEC("tp_btf/sock_recv_length")
int dns_read(__u64 *ctx)
{
	on_read((struct sock *)ctx[0], (int)ctx[1], (int)ctx[2]);
	return 0;
}

SEC("cgroup/connect4")
int dns_connect4(struct bpf_sock_addr *ctx)
{
	struct dns_call call = {};

	if (is_dns_call(ctx)) {
		map_ipv4(call.peer_ip, ctx->user_ip4);
		on_connect(ctx, &call);
	}
	return AS_IT_WAS;
}

SEC("cgroup/connect6")
int dns_connect6(struct bpf_sock_addr *ctx)
{
	struct dns_call call = {};

	if (is_dns_call(ctx)) {
		take_user_ip6(call.peer_ip, ctx);
		on_connect(ctx, &call);
	}
	return AS_IT_WAS;
}

SEC("cgroup/sendmsg4")
int dns_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct dns_call call = {};

	if (is_dns_call(ctx)) {
		map_ipv4(call.peer_ip, ctx->user_ip4);
		on_sendmsg(ctx, &call);
	}
	return AS_IT_WAS;
}

SEC("cgroup/sendmsg6")
int dns_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct dns_call call = {};

	if (is_dns_call(ctx)) {
		take_user_ip6(call.peer_ip, ctx);
		on_sendmsg(ctx, &call);
	}
	return AS_IT_WAS;
}

/* Since 5.9. */
SEC("cgroup/sock_release")
int dns_release(struct bpf_sock *ctx)
{
	on_release(ctx);
	return AS_IT_WAS;
}

/* Since 6.3. ctx: the socket, what the call returned, its flags. */
SEC("tp_btf/sock_send_length")
int dns_sent(__u64 *ctx)
{
	on_send((struct sock *)ctx[0], (int)ctx[1]);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
