// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * kerno's view of DNS inside the kernel.
 *
 * cgroup_skb on the cgroup v2 root sees each packet once per socket, whatever
 * system call sent it, in every network namespace, over UDP and TCP; system
 * call hooks would miss nearly all resolvers and slow every other call on the
 * host. What no packet at a socket shows, tracing programs and hooks of sockets
 * add: errors that sockets are told of, packets that this kernel discards, answers
 * that lie unread, calls that fail.
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
#include "observe.h"
#include "slots.h"
#include "stream.h"
#include "failure.h"
#include "send.h"
#include "drop.h"
#include "routes.h"

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
const enum dns_slot_state *unused_slot_state __attribute__((unused));
const enum dns_slot_word *unused_slot_word __attribute__((unused));
const enum dns_limit *unused_limit __attribute__((unused));
const enum dns_sleep *unused_sleep __attribute__((unused));
const enum dns_role *unused_role __attribute__((unused));
const enum dns_call_kind *unused_call_kind __attribute__((unused));

/* What there is in the packet. A function of its own, so that its stack is free again
 * when the messages are read.
 */
static __noinline __u64 look(struct __sk_buff *skb, __u8 egress)
{
	struct dns_packet p = {};
	__u64 ends;

	p.egress = egress;
	if (!parse_packet(skb, &p))
		return 0;
	if (p.transport == IPPROTO_UDP)
		return message_at(p.payload, p.payload_len, p.payload_len);
	if (p.is_raw)
		return 0;
	ends = p.tcp_flags & (TCP_FIN | TCP_RST) ? ENDS : 0;
	return ends | on_segment(skb, &p);
}

static __noinline int look_at_the_end(struct __sk_buff *skb, __u8 egress)
{
	struct dns_packet p = {};

	p.egress = egress;
	return parse_packet(skb, &p) ? on_close(skb, &p) : 0;
}

/* Datagrams of one size that were sent in one call (UDP_SEGMENT, udp(7)), or came
 * together (UDP_GRO), are one packet here. 0 behind the last one.
 */
__noinline int dns_segment(struct __sk_buff *skb, __u32 egress, __u64 found, __u32 number)
{
	__u32 offset = (found >> 32) & OFFSET_BITS, all = (__u16)found;
	__u32 size = skb->gso_size, at = number * size;

	if (!size || at >= all)
		return 0;
	if (size > all - at)
		size = all - at;
	dns_message(skb, egress, message_at(offset + at, size, size));
	return 1;
}

static __always_inline void read_datagrams(struct __sk_buff *skb, __u32 egress, __u64 found)
{
	if (!skb->gso_size) {
		dns_message(skb, egress, found);
		return;
	}
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		if (!dns_segment(skb, egress, found, i))
			return;
	}
}

/* What is not plain. A global function: the verifier walks through it once. */
__noinline int dns_observe(struct __sk_buff *skb, __u32 egress)
{
	__u64 found = look(skb, !!egress);

	if (found & MESSAGE)
		read_datagrams(skb, egress, found);
	if (found & MORE)
		read_stream(skb, egress);
	if (found & ENDS)
		look_at_the_end(skb, !!egress);
	return 0;
}

/* A plain datagram with a DNS port; 0 if it is none. */
static __always_inline int read_datagram(struct __sk_buff *skb, struct dns_packet *p)
{
	if (read_plain(skb, p) != PLAIN_UDP || !read_plain_message(skb, p) ||
	    !is_dns_packet(skb, p))
		return 0;
	p->tcp_flags = 0;
	p->now = bpf_ktime_get_ns();
	p->is_raw = is_raw(skb);
	if (!p->is_raw)
		take_socket_port(skb, p);
	return 1;
}

/* In the slots. A function of its own for the sake of its stack, as look(). */
static __noinline int quick_datagram(struct __sk_buff *skb, __u8 egress)
{
	struct dns_packet p;

	p.egress = egress;
	return read_datagram(skb, &p) ? quick(skb, &p) : ELSEWHERE;
}

/* In dns_inflight. */
static __noinline int plain_datagram(struct __sk_buff *skb, __u8 egress)
{
	struct dns_packet p;

	p.egress = egress;
	if (!read_datagram(skb, &p))
		return ELSEWHERE;
	forget_bounds(&p);
	on_message(skb, &p);
	return DONE;
}

/* A packet that is not DNS goes no further than its ports. */
static __always_inline int observe(struct __sk_buff *skb, __u8 egress, int has_slots)
{
	struct dns_packet p = {.egress = egress};
	enum plain kind = read_plain(skb, &p);
	int done = 0;

	if (kind == PLAIN_OTHER || (kind != PLAIN_NOT && !may_be_dns(skb, &p)))
		return PASS;
	if (kind == PLAIN_UDP)
		done = has_slots ? quick_datagram(skb, egress) : plain_datagram(skb, egress);
	if (!done)
		dns_observe(skb, egress);
	return PASS;
}

SEC("cgroup_skb/egress")
int dns_egress(struct __sk_buff *skb)
{
	return observe(skb, 1, 1);
}

SEC("cgroup_skb/ingress")
int dns_ingress(struct __sk_buff *skb)
{
	return observe(skb, 0, 1);
}

/* Before 5.12. */
SEC("cgroup_skb/egress")
int dns_egress_old(struct __sk_buff *skb)
{
	return observe(skb, 1, 0);
}

SEC("cgroup_skb/ingress")
int dns_ingress_old(struct __sk_buff *skb)
{
	return observe(skb, 0, 0);
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

/* Run by user space. Where sends can be watched, so since 6.3. */
SEC("syscall")
int dns_no_routes(void *ctx __attribute__((unused)))
{
	count_no_routes();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
