// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Programs that deny DNS to a cgroup, as a network policy in BPF does: for
 * `kerno chaos` and for tests. Each alone on its hook gives another of the forms
 * in which a send fails with EPERM.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DNS_PORT 53
#define ETH_P_IP 0x0800
#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40

/* What cgroup programs return. */
#define DENY 0
#define PERMIT 1

/* connect() and sends of unconnected sockets: which of them is said when it is loaded. */
SEC("cgroup/connect4")
int deny_call(struct bpf_sock_addr *ctx)
{
	return bpf_ntohs((__u16)ctx->user_port) == DNS_PORT ? DENY : PERMIT;
}

/* Packets that leave or come in, queries and answers: which of them is said when it is loaded.
 * They have no options or extension headers. */
SEC("cgroup_skb/egress")
int deny_packet(struct __sk_buff *skb)
{
	__u32 transport = skb->protocol == bpf_htons(ETH_P_IP) ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;
	__be16 ports[2] = {};

	bpf_skb_load_bytes(skb, transport, ports, sizeof(ports));
	return ports[0] == bpf_htons(DNS_PORT) || ports[1] == bpf_htons(DNS_PORT) ? DENY : PERMIT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
