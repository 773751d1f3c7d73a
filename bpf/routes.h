/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How many packets of this host found no route, in all its network namespaces: the
 * kernel's own counters IpOutNoRoutes and Ip6OutNoRoutes. User space asks for the sum
 * now and then. If it grows, sends may fail, and are worth a hook that every socket of
 * the host pays for. procfs tells the same, but only by way of a process in each
 * namespace, for which all processes would have to be gone through.
 */
#ifndef KERNO_ROUTES_H
#define KERNO_ROUTES_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define NAMESPACES_MAX 16384
#define CPUS_MAX 8192

/* Of network namespaces, all CPUs. */
__u64 no_routes = 0;

/* A walk through the list of all network namespaces. */
struct dns_walk {
	struct list_head *next;
	struct list_head *first;
	const struct proc_ns_operations *ops;
	__u64 here;		 /* where a value is that each CPU has, without its CPU's offset */
	const void *counters[2]; /* of the namespace at hand: IPv4 and IPv6, per CPU */
	__u64 sum;
	struct net *stranger;
};

/* A pointer as a number. */
static __always_inline __u64 address_of(void *held)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &held);
	return address;
}

static long add_cpu(__u32 cpu, struct dns_walk *walk)
{
	__u32 first = 0;
	void *there = bpf_map_lookup_percpu_elem(&dns_counters, &first, cpu);
	__u64 offset, value;

	if (!there)
		return 1;
	offset = address_of(there) - walk->here;
	offset += config.no_routes * sizeof(value);
	for (int family = 0; family < 2; family++) {
		if (!walk->counters[family])
			continue;
		value = 0;
		bpf_probe_read_kernel(&value, sizeof(value), walk->counters[family] + offset);
		walk->sum += value;
	}
	return 0;
}

/* The list is a ring of namespaces and one head, which is none: what looks like its
 * namespace has not their operations.
 */
static long add_namespace(__u32 number __attribute__((unused)), struct dns_walk *walk)
{
	struct net *net = (void *)walk->next - bpf_core_field_offset(struct net, list);

	walk->next = BPF_CORE_READ(net, list.next);
	if (BPF_CORE_READ(net, ns.ops) == walk->ops) {
		walk->counters[0] = BPF_CORE_READ(net, mib.ip_statistics);
		walk->counters[1] = BPF_CORE_READ(net, mib.ipv6_statistics);
		bpf_loop(CPUS_MAX, add_cpu, walk, 0);
	} else {
		if (walk->stranger)
			return 1;
		walk->stranger = net;
	}
	return walk->next == walk->first;
}

static __always_inline void count_no_routes(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct net *mine = BPF_CORE_READ(task, nsproxy, net_ns);
	struct dns_walk walk = {};

	bpf_probe_read_kernel(&walk.here, sizeof(walk.here),
			      (void *)address_of(&dns_counters) +
				      bpf_core_field_offset(struct bpf_array, pptrs));
	walk.ops = BPF_CORE_READ(mine, ns.ops);
	walk.first = (void *)mine + bpf_core_field_offset(struct net, list);
	walk.next = walk.first;
	bpf_loop(NAMESPACES_MAX, add_namespace, &walk, 0);
	no_routes = walk.sum;
}

#endif
